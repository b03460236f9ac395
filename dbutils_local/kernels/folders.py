"""Private temporary folders that end with the process that made them: a killed one's are removed by the next process.

The maker holds a lock on its folder, which the system takes back however the process ends. Process numbers would not
do: in containers that share one /tmp they mean different processes.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "dbutils-local-"
_LONGEST = 70  # the paths of unix sockets in it are limited to about 100 bytes

_locks: dict[Path, int] = {}


def make() -> Path:
    """A new folder with a short name, for this user only."""
    while True:
        folder = tempfile.mkdtemp(prefix=PREFIX)
        if len(folder) > _LONGEST and os.path.isdir("/tmp"):
            os.rmdir(folder)
            folder = tempfile.mkdtemp(prefix=PREFIX, dir="/tmp")
        try:
            _hold(Path(folder))
        except (FileNotFoundError, BlockingIOError):
            continue  # somebody who sweeps was quicker than our lock
        except OSError:
            pass  # a file system without locks: nobody sweeps there
        if os.path.isdir(folder):
            return Path(folder)
        remove(Path(folder))


def remove(folder: Path) -> None:
    """Remove a folder of ours with all that is in it; that it is gone already is fine."""
    shutil.rmtree(folder, ignore_errors=True)
    lock = _locks.pop(folder, None)
    if lock is not None:
        os.close(lock)


@contextlib.contextmanager
def private(inside: Path | None = None) -> Iterator[Path]:
    """A folder for the time of the block; `inside` another one, with which it goes if this process is killed."""
    if inside is not None:
        # The other one's owner may end first: nothing is left to remove then.
        with tempfile.TemporaryDirectory(prefix="f-", dir=inside, ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    folder = make()
    try:
        yield folder
    finally:
        remove(folder)


@functools.cache
def sweep() -> None:
    """Remove what killed processes of this user have left; a process looks once."""
    places = {tempfile.gettempdir(), "/tmp"} if sys.platform != "win32" else set()
    for place in places:
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for name in [entry.name for entry in entries if entry.name.startswith(PREFIX)]:
                _remove_if_dead(Path(place) / name)


def _remove_if_dead(folder: Path) -> None:
    with contextlib.suppress(OSError):
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and folder not in _locks:
            _hold(folder)
            remove(folder)


def _hold(folder: Path) -> None:
    """Lock the folder; BlockingIOError: another process holds it; OSError: it cannot be locked."""
    if sys.platform == "win32":
        return
    import fcntl

    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(number)
        raise
    _locks[folder] = number
