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
from typing import IO, Any, Protocol

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
    forkserver: str | None = None,
) -> Ended:
    """Run `command` to its end, its output appended to two files line by line, redacted.

    When `stop` is set it and its children are interrupted, and killed after `grace` seconds; they also end when this
    process dies. With `forkserver`, a command of this interpreter is forked there if that is possible, which saves its
    imports. Raises FileNotFoundError (or another OSError) if it cannot be started.
    """
    if shutil.which(command[0], path=environ.get("PATH")) is None:
        raise FileNotFoundError(f"{command[0]}: no such program")
    with open(stdout, "ab") as out, open(stderr, "ab") as err:
        started = _started(command, environ, cwd, grace, forkserver)
        pumps = [_pump(started.stdout, out, redact), _pump(started.stderr, err, redact)]
        forget = stop.on_stop(started.interrupt)
        try:
            code = started.wait()
        finally:
            forget()
            # Now it ends, whatever made us stop waiting, and so do those it left holding the pipes.
            started.close()
            for pump in pumps:
                pump.join()
        return Ended(code, stop.is_set)


class _Started(Protocol):
    """A program that runs; `stdout` and `stderr` are the reading ends of its pipes."""

    stdout: IO[bytes]
    stderr: IO[bytes]

    def wait(self) -> int: ...

    def interrupt(self) -> None:
        """Ask it to end, and see to it that it does after the grace."""

    def close(self) -> None:
        """End it and everything it started."""


def _started(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path, grace: float, forkserver: str | None
) -> _Started:
    if forkserver is not None and command[0] == sys.executable:
        from dbutils_local.kernels.kernel import KernelFailed

        try:
            return _Forked(forkserver, command[1:], environ, cwd, grace)
        except KernelFailed:
            # The server is gone, or may not fork this one: an interpreter of its own does the same, only slower.
            return _Guarded(command, environ, cwd, grace)
    return _Guarded(command, environ, cwd, grace)


class _Guarded:
    """A process below a warden, which outlives us long enough to end it."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], cwd: Path, grace: float) -> None:
        self._lifeline: int | None = None
        self._process = self._popen(command, environ, cwd, grace)
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.stdout: IO[bytes] = self._process.stdout
        self.stderr: IO[bytes] = self._process.stderr

    def _popen(
        self, command: Sequence[str], environ: Mapping[str, str], cwd: Path, grace: float
    ) -> subprocess.Popen[bytes]:
        if sys.platform == "win32":
            return _piped(command, environ, cwd, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP)
        reading, self._lifeline = os.pipe()
        guarded = [sys.executable, "-I", "-S", str(_WARDEN), str(reading), str(grace), *command]
        try:
            return _piped(guarded, environ, cwd, pass_fds=(reading,), start_new_session=True)
        except BaseException:
            self._let_go()
            raise
        finally:
            os.close(reading)

    def wait(self) -> int:
        return self._process.wait()

    def interrupt(self) -> None:
        with suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        self._let_go()
        if self._lifeline is None and self._process.poll() is None and sys.platform == "win32":
            self._process.kill()
        self._process.wait()

    def _let_go(self) -> None:
        lifeline, self._lifeline = self._lifeline, None
        if lifeline is not None:
            os.close(lifeline)


class _Forked:
    """A process forked by the run's fork server, which ends it when our connection ends."""

    def __init__(self, address: str, argv: Sequence[str], environ: Mapping[str, str], cwd: Path, grace: float) -> None:
        from dbutils_local.kernels.forkserver import ForkServer

        out, out_end = os.pipe()
        err, err_end = os.pipe()
        try:
            self._process = ForkServer.connect(address).run(argv, environ, cwd, stdout=out_end, stderr=err_end)
        except BaseException:
            os.close(out)
            os.close(err)
            raise
        finally:
            os.close(out_end)
            os.close(err_end)
        self.stdout: IO[bytes] = os.fdopen(out, "rb")
        self.stderr: IO[bytes] = os.fdopen(err, "rb")
        self._patience = threading.Timer(grace, self._process.kill)
        self._patience.daemon = True

    def wait(self) -> int:
        return self._process.wait()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._patience.start()

    def close(self) -> None:
        self._patience.cancel()
        if self._process.poll() is None:
            self._process.kill()
        self._process.close()


def _piped(command: Sequence[str], environ: Mapping[str, str], cwd: Path, **more: Any) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [*command], env=dict(environ), cwd=cwd, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, **more
    )


def _pump(source: IO[bytes], target: IO[bytes], redact: Callable[[str], str]) -> threading.Thread:
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
