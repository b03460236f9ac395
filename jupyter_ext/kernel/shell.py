"""`%sh`: a shell script whose output appears while it runs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from typing import IO

from dbutils_local.errors import UserError


def run_script(script: str, *, strict: bool) -> None:
    """Run `script` with bash (or sh) in the current folder.

    `strict` stops at the first failing command and raises CalledProcessError; otherwise a failure is said in one line
    and the cell goes on, as on Databricks. An interrupt ends the script and everything it started.
    """
    shell = shutil.which("bash") or shutil.which("sh")
    if shell is None:
        raise UserError("%sh: neither bash nor sh is installed on this machine")
    process = subprocess.Popen(
        [shell, *(["-e"] if strict else []), "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    code = _follow(process)
    if code and strict:
        raise subprocess.CalledProcessError(code, "%sh -e")
    if code:
        print(f"%sh: exit status {code}, ignored as on Databricks; %sh -e would fail the cell", file=sys.stderr)


def _follow(process: subprocess.Popen[bytes]) -> int:
    pipes = ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
    readers = [threading.Thread(target=_copy, args=pair, daemon=True) for pair in pipes]
    for reader in readers:
        reader.start()
    try:
        code = process.wait()
        for reader in readers:
            # A background process may keep the pipe open: it has a moment to say something, no more.
            reader.join(timeout=1)
        return code
    except KeyboardInterrupt:
        _kill(process)
        raise


def _copy(source: IO[bytes] | None, target: IO[str]) -> None:
    if source is None:
        return
    with source:
        for line in source:
            target.write(line.decode(errors="replace"))
            target.flush()


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass
    process.wait()
