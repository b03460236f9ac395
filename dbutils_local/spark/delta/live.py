"""The folders Spark's catalog looks into: links to the files of a Delta table's newest version, and nothing else.

A table's own folder holds the files of all versions, as it must. Spark alone would read them all, so its catalog is
pointed to a folder of links elsewhere. That folder is derived from the log: it says which version it shows, and is
brought up to date when the log has a newer one, whoever wrote it and however that writer ended.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from dbutils_local.spark.delta.log import Add, Snapshot
from dbutils_local.sql.lock import exclusive

_LEAF: Final = "live.parquet"  # a table's folder may hold another table's: their live folders must not
_SHOWN: Final = "_version"  # Spark passes over names that begin so
_NO_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"


class LiveFolders:
    """The live folders of all Delta tables of one home, each at its table's own path below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def of(self, table: Path) -> Path:
        """Where Spark reads the table that lies in the folder `table`."""
        return self._beside(table) / _LEAF

    def table(self, live: Path) -> Path | None:
        """The table whose live folder this is; None for any other folder."""
        if live.name != _LEAF or not live.is_relative_to(self.root):
            return None
        return Path(live.anchor) / live.parent.relative_to(self.root)

    @contextmanager
    def writing(self, table: Path) -> Iterator[None]:
        """One writer at a time, of all processes of this home."""
        with exclusive(self._beside(table) / "lock"):
            yield

    def shown(self, table: Path) -> str | None:
        """The table's id and version that its live folder shows."""
        with suppress(OSError):
            return (self.of(table) / _SHOWN).read_text("utf-8")
        return None

    def show(self, table: Path, snapshot: Snapshot) -> bool:
        """Bring the live folder to a version of its table; whether there was anything to do.

        New links come before old ones go, and the version's mark last: who is cut off in between leaves a folder that
        is brought up to date by the next.
        """
        if self.shown(table) == mark_of(snapshot):
            return False
        live = self.of(table)
        live.mkdir(parents=True, exist_ok=True)
        wanted = {link_name(one): one for one in snapshot.files.values()}
        there = {entry.name for entry in os.scandir(live) if not entry.name.startswith(("_", "."))}
        for name in wanted.keys() - there:
            link(table / wanted[name].path, live / name)
        for name in there - wanted.keys():
            (live / name).unlink()
        self.mark(table, snapshot)
        return True

    def mark(self, table: Path, snapshot: Snapshot) -> None:
        """Say which version the live folder shows."""
        live = self.of(table)
        beside = live / f"{_SHOWN}.{os.getpid()}"
        beside.write_text(mark_of(snapshot), "utf-8")
        beside.replace(live / _SHOWN)

    def forget(self, table: Path) -> None:
        """Take the live folder away; the table stays."""
        shutil.rmtree(self.of(table), ignore_errors=True)

    def folders_of_partitions(self, table: Path, snapshot: Snapshot) -> Path:
        """Links in folders named after partition values, for files that do not hold their partition columns."""
        place = self._beside(table) / f"partitions-{snapshot.metadata.id[:8]}-{snapshot.version}"
        for one in snapshot.files.values():
            folder = place.joinpath(*(_partition(name, value) for name, value in one.partition.items()))
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / link_name(one)).exists():
                link(table / one.path, folder / link_name(one))
        place.mkdir(parents=True, exist_ok=True)
        return place

    def folder_of_stream(self, table: Path, name: str) -> Path:
        """A folder that grows with the table, for those that read it as a stream."""
        place = self._beside(table) / f"stream-{name}"
        place.mkdir(parents=True, exist_ok=True)
        return place

    def streams(self, table: Path) -> list[Path]:
        """The folders of streams that read the table."""
        return sorted(self._beside(table).glob("stream-*"))

    def _beside(self, table: Path) -> Path:
        return self.root / table.relative_to(table.anchor)


def mark_of(snapshot: Snapshot) -> str:
    """What the live folder of a version says of itself."""
    return f"{snapshot.metadata.id} {snapshot.version}"


def link_name(one: Add) -> str:
    """A file's name in a folder without folders: Spark gives files of one job in different folders the same name."""
    folder, _, name = one.path.rpartition("/")
    return f"{hashlib.md5(folder.encode(), usedforsecurity=False).hexdigest()[:8]}-{name}" if folder else name


def link(file: Path, place: Path) -> None:
    """The same file at a second place, without using space: a hard link, or a symbolic one between file systems."""
    try:
        os.link(file, place)
    except FileExistsError:
        return
    except OSError:
        place.symlink_to(file)


def _partition(name: str, value: str | None) -> str:
    from urllib.parse import quote

    return f"{quote(name, safe=' ')}={_NO_PARTITION if value is None else quote(value, safe=' ')}"
