"""A file lock between processes: one holder at a time, given back by the system when its holder dies."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbutils_local.errors import HomeUnusable

POLL_SECONDS = 0.01


@contextmanager
def exclusive(path: Path, timeout: float = 600.0) -> Iterator[None]:
    """Hold the lock file `path` (created, never deleted) while the body runs; waits up to `timeout` seconds.

    Two openings in one process exclude each other as two processes do, so threads may use it too.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+b") as file:
        deadline = time.monotonic() + timeout
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise HomeUnusable(
                    f"{path} has been locked for {timeout:.0f} s by another process that works on the "
                    "same database; wait for it or end it"
                )
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            _unlock(file.fileno())


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)
