"""Named locks of the operating system: each falls with the process that holds it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dbutils_local.errors import HomeUnusable

# A look at a lock takes it for microseconds; who wants to hold it tries again rather than take the look for a holder.
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.005

_held: set[int] = set()


class LockFolder:
    """`<folder>/<name>.lock` files; a file is there only while somebody holds or tries it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """Try to take the lock; True while it is held, False at once if another holder lives."""
        path = self._folder / f"{name}.lock"
        handle = self._take(path)
        if handle is None:
            yield False
            return
        _held.add(handle)
        try:
            yield True
        finally:
            _held.discard(handle)
            _remove(path)
            _close(handle)

    def is_held(self, name: str) -> bool:
        """Whether a living process holds the lock."""
        path = self._folder / f"{name}.lock"
        try:
            handle = os.open(path, os.O_RDWR)
        except OSError:
            return False
        try:
            return not _try(handle, shared=True)
        finally:
            _close(handle)

    def _take(self, path: Path) -> int | None:
        for attempt in range(_ATTEMPTS):
            handle = self._open(path)
            # The holder before us may have removed the file between our open and our lock: then it guards nothing.
            if _try(handle) and _is_file(handle, path):
                return handle
            _close(handle)
            if attempt + 1 < _ATTEMPTS:
                time.sleep(_PAUSE_SECONDS)
        return None

    def _open(self, path: Path) -> int:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise HomeUnusable(
                f"cannot write the lock {path}: {error.strerror}; set DBUTILS_LOCAL_HOME to a folder you can write"
            ) from error


def _is_file(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    # Windows does not remove an open file: there the file stays and its lock falls with the handle.
    with suppress(OSError):
        path.unlink()


def _close(handle: int) -> None:
    with suppress(OSError):
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    def _try(handle: int, *, shared: bool = False) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(handle: int, *, shared: bool = False) -> bool:
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _let_go_in_child() -> None:
        # A forked child shares the open file and would keep its parent's lock alive after the parent died.
        for handle in _held:
            _close(handle)
        _held.clear()

    os.register_at_fork(after_in_child=_let_go_in_child)
