"""The warehouse of sessions that share one JVM, and so one catalog: what one of them took over is there for all.

What the catalog has taken over so far stands in a property of the JVM, to be read and changed under a lock in its
scratch folder: without it a second session would register every table anew, under the feet of the first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from dbutils_local.spark.warehouse import Manifest, Warehouse
from dbutils_local.sql.lock import exclusive

_PROPERTY: Final = "dbutils_local.catalog"
_LOCK: Final = "catalog.lock"


class SharedWarehouse(Warehouse):
    """One session's view of the tables of a catalog that others change too."""

    @classmethod
    def of(cls, plain: Warehouse) -> SharedWarehouse:
        """The same for a session that shares its JVM from now on: what it has seen is what the catalog has."""
        shared = cls(plain._spark, plain._path.parent, plain._tell)
        if plain._seen is not None:
            with exclusive(shared._lock_of_jvm()):
                shared._seen, shared._manifest, shared._stamps = plain._seen, plain._manifest, plain._stamps
                shared._write()
        return shared

    def absorb(self) -> None:
        """Take over what other sessions published, unless this JVM has it."""
        if not self._path.exists() or self._is_seen():
            return
        with self._as_the_catalog_is():
            super().absorb()

    def publish(self, catalogs: list[str] | None = None, rows: bool = True) -> None:
        """Write down what there is now."""
        with self._as_the_catalog_is():
            super().publish(catalogs, rows)

    def forget_catalog(self, name: str) -> None:
        """Take a catalog's name away."""
        with self._as_the_catalog_is():
            super().forget_catalog(name)

    def _is_seen(self) -> bool:
        now = self._path.stat()
        return self._seen == (now.st_mtime_ns, now.st_size)

    @contextmanager
    def _as_the_catalog_is(self) -> Iterator[None]:
        with exclusive(self._lock_of_jvm()):
            rows_seen = self._manifest.data
            self._read()
            yield
            self._write()
        if self._manifest.data != rows_seen:
            # Each session keeps its own list of a table's files.
            self._state.catalog().invalidateAllCachedTables()

    def _lock_of_jvm(self) -> Path:
        return Path(self._context().conf().get("spark.local.dir")) / _LOCK

    def _context(self) -> Any:
        return self._spark._jsparkSession.sparkContext()

    def _name(self) -> str:
        """An application that is started anew in the same JVM has an empty catalog."""
        return f"{_PROPERTY}.{self._context().applicationId()}"

    def _read(self) -> None:
        text = self._spark._jvm.java.lang.System.getProperty(self._name())
        if text is not None:
            known = json.loads(text)
            self._seen = None if known["seen"] is None else (known["seen"][0], known["seen"][1])
            self._manifest, self._stamps = Manifest(**known["manifest"]), known["stamps"]

    def _write(self) -> None:
        known = {"seen": self._seen, "manifest": asdict(self._manifest), "stamps": self._stamps}
        self._spark._jvm.java.lang.System.setProperty(self._name(), json.dumps(known))
