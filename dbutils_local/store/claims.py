"""Which process is to drive a run that nobody drives yet, as files that name it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path


class ClaimFolder:
    """`<folder>/<name>.claim` files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, pid: int) -> None:
        """Process `pid` is to drive it; where that cannot be written nobody knows, which is no harm."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._path(name).write_text(identity(pid))

    def drop(self, name: str) -> None:
        """Nobody is to drive it."""
        with suppress(OSError):
            self._path(name).unlink()

    def stands(self, name: str) -> bool | None:
        """Whether the process that is to drive it lives; None: nobody said which one it is."""
        try:
            said = self._path(name).read_text()
        except OSError:
            return None
        return is_alive(said) if said else None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.claim"


def identity(pid: int) -> str:
    """A process as text that no later process of that pid has too, where the system tells when it began."""
    return f"{pid} {_beginning(pid) or ''}".strip()


def is_alive(said: str) -> bool | None:
    """Whether the process of this `identity` runs; None where that cannot be found out."""
    pid, _, began = said.partition(" ")
    if began:
        return _beginning(int(pid)) == began
    if sys.platform == "win32":
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _beginning(pid: int) -> str | None:
    """When a process began, in the kernel's ticks since boot; None: it has ended, or there is no /proc."""
    try:
        # The name in the second field may hold spaces and brackets: count from the last one.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] == b"Z" else fields[19].decode()
