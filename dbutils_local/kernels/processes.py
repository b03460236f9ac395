"""What the operating system is asked about processes: whose child, who inherits orphans, who dies with whom."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """This process is killed when `parent`, which must be its parent, is gone; Linux only, elsewhere nothing."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(1)


def adopt_orphans() -> None:
    """Processes whose parent dies below this one become its children instead of init's; Linux only."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """Pids of this process's children, zombies included (Linux); it must be single-threaded."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        me = os.getpid()
        return [pid for pid, parent in _all_processes() if parent == me]


def descendants(root: int) -> list[int]:
    """Pids below `root`, parents first; empty where there is no /proc."""
    below: dict[int, list[int]] = {}
    for pid, parent in _all_processes():
        below.setdefault(parent, []).append(pid)
    found, waiting = [], [root]
    while waiting:
        next_ones = below.get(waiting.pop(), [])
        found += next_ones
        waiting += next_ones
    return found


def _all_processes() -> Iterator[tuple[int, int]]:
    """(pid, pid of the parent) of every process that can be seen."""
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                with contextlib.suppress(OSError, IndexError):
                    # The name in the second field may hold spaces and brackets: count from the last one.
                    fields = Path(f"/proc/{entry.name}/stat").read_bytes().rpartition(b")")[2].split()
                    yield int(entry.name), int(fields[1])


def kill_group(pid: int) -> None:
    """SIGKILL the process group led by `pid`, then `pid` itself; that they are gone already is fine."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def kill_tree(pid: int) -> None:
    """SIGKILL `pid`, its group and everything below it, whatever session that is in."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGSTOP)  # so that it starts nothing new while we look
    below = descendants(pid)
    kill_group(pid)
    for child in below:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)
