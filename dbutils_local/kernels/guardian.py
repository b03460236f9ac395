"""The process above a fork server: when the server is killed it ends what that leaves, daemons included.

A killed server's kernels end by themselves, but not what has left their process groups; that comes to the nearest
process above which adopts orphans. The server ends likewise, in order, when its guardian is killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from dbutils_local.kernels import processes

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)


def start(folder: Path, files: Iterable[int]) -> int:
    """Split this process in two: returns in the server-to-be, with its guardian's pid.

    `folder` is the server's; the guardian closes `files`, and ends with the server.
    """
    guardian = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)  # until there is somebody to pass them on to
    server = os.fork()
    if server == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
        return guardian
    for number in files:
        os.close(number)
    _guard(server, folder)


def spare(folder: Path, pids: Iterable[int]) -> None:
    """Say, in the server, which of its children outlive it."""
    (folder / "detached").write_text(" ".join(map(str, pids)), "ascii")


def _guard(server: int, folder: Path) -> NoReturn:
    def pass_on(number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, number)

    processes.adopt_orphans()
    for number in _PASSED_ON:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    _, status = os.waitpid(server, 0)
    if os.WIFSIGNALED(status):
        _end_the_rest(_spared(folder))
    os._exit(abs(os.waitstatus_to_exitcode(status)))


def _spared(folder: Path) -> set[int]:
    try:
        return set(map(int, (folder / "detached").read_text("ascii").split()))
    except OSError:
        return set()


def _end_the_rest(spared: set[int]) -> None:
    """What a killed process had started comes to us when it is gone."""
    while rest := [pid for pid in processes.children() if pid not in spared]:
        for pid in rest:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in rest:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
