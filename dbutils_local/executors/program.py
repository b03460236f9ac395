"""A program run for a task: its output in files, its children with it, stopped when the task is."""

from __future__ import annotations

import codecs
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dbutils_local.executors.base import StopToken

GRACE_SECONDS = 2.0  # between the interrupt and the end of everything
MAX_HELD_BACK = 64 * 1024  # characters of a line without an end that wait for the rest of it

_WARDEN = Path(__file__).with_name("warden.py")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit code, or minus the number of the signal that killed it."""

    code: int
    stopped: bool = False

    @property
    def words(self) -> str:
        """The end as a sentence's second half."""
        if self.code >= 0:
            return f"ended with exit code {self.code}"
        with suppress(ValueError):
            return f"was killed by {signal.Signals(-self.code).name}"
        return f"was killed by signal {-self.code}"


def run_program(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    cwd: Path,
    stdout: Path,
    stderr: Path,
    stop: StopToken,
    redact: Callable[[str], str] = str,
    grace: float = GRACE_SECONDS,
) -> Ended:
    """Run `command` to its end, its output appended to two files line by line, redacted.

    When `stop` is set it and its children are interrupted, and killed after `grace` seconds; they also end when this
    process dies. Raises FileNotFoundError (or another OSError) if it cannot be started.
    """
    if shutil.which(command[0], path=environ.get("PATH")) is None:
        raise FileNotFoundError(f"{command[0]}: no such program")
    with open(stdout, "ab") as out, open(stderr, "ab") as err:
        process, lifeline = _start(command, environ, cwd, grace)
        pumps = [_pump(process.stdout, out, redact), _pump(process.stderr, err, redact)]
        forget = stop.on_stop(lambda: _interrupt(process))
        try:
            code = process.wait()
        except BaseException:
            _close(lifeline)
            process.wait()
            raise
        finally:
            forget()
            for pump in pumps:
                pump.join()
            _close(lifeline)
        return Ended(code, stop.is_set)


def _start(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path, grace: float
) -> tuple[subprocess.Popen[bytes], int | None]:
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
        return _piped(command, environ, cwd, creationflags=flags), None
    reading, lifeline = os.pipe()
    guarded = [sys.executable, "-I", "-S", str(_WARDEN), str(reading), str(grace), *command]
    try:
        return _piped(guarded, environ, cwd, pass_fds=(reading,), start_new_session=True), lifeline
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(reading)


def _piped(command: Sequence[str], environ: Mapping[str, str], cwd: Path, **more: Any) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command], env=dict(environ), cwd=cwd, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, **more
    )


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            process.send_signal(signal.SIGINT)


def _close(lifeline: int | None) -> None:
    if lifeline is not None:
        with suppress(OSError):
            os.close(lifeline)


def _pump(source: IO[bytes] | None, target: IO[bytes], redact: Callable[[str], str]) -> threading.Thread:
    assert source is not None
    thread = threading.Thread(target=_copy, args=(source, target, redact), daemon=True)
    thread.start()
    return thread


def _copy(source: IO[bytes], target: IO[bytes], redact: Callable[[str], str]) -> None:
    """Whole lines at a time: a secret that is cut in two would not be found."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    with source:
        while data := os.read(source.fileno(), 65536):
            rest += decoder.decode(data)
            cut = rest.rfind("\n") + 1 or (len(rest) if len(rest) > MAX_HELD_BACK else 0)
            _write(target, redact(rest[:cut]))
            rest = rest[cut:]
    _write(target, redact(rest + decoder.decode(b"", final=True)))


def _write(target: IO[bytes], text: str) -> None:
    # A full disk must not stop the program that is being read, nor leave it hanging on a pipe nobody empties.
    with suppress(OSError):
        target.write(text.encode("utf-8", "surrogateescape"))
        target.flush()
