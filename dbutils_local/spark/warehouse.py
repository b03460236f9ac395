"""The tables of all sessions of one home: a manifest beside the files, for Spark's own catalog dies with its session.

A local Spark keeps its catalog in memory (its Hive one is Derby, which one process at a time can open). So each session
writes what it made into `<home>/spark-warehouse/catalog.json`, under a file lock, and before each use looks whether
another session wrote there: a child notebook sees the tables its caller made, and the next run those of the last.
Shared are schemas, tables, views and catalogs' names; temporary views and functions are the session's own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbutils_local.sql.lock import exclusive

FILE = "catalog.json"
_EXTERNAL, _MANAGED, _VIEW = "EXTERNAL", "MANAGED", "VIEW"


@dataclass
class Manifest:
    """What the file says: `schemas` by location, `tables` by dotted name, and the names of catalogs."""

    version: int = 0
    data: int = 0  # counts changes of rows
    catalogs: list[str] = field(default_factory=list)
    schemas: dict[str, str] = field(default_factory=dict)
    tables: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The manifest at `path`, an empty one when there is none yet."""
        try:
            return cls(**json.loads(path.read_text("utf-8")))
        except FileNotFoundError:
            return cls()

    def write(self, path: Path) -> None:
        """Replace the file in one step, so that a reader never sees half of it."""
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_text(json.dumps(self.__dict__, indent=1), "utf-8")
        beside.replace(path)


class Warehouse:
    """One session's view of the shared tables: `absorb` what others did, `publish` what this one did."""

    def __init__(self, spark: Any, folder: Path, tell: Callable[[str], None] = print) -> None:
        self._spark = spark
        self._tell = tell
        self._path = folder / FILE
        self._lock = folder / "catalog.lock"
        self._state = spark._jsparkSession.sessionState()
        self._external = spark._jsparkSession.sharedState().externalCatalog()
        self._seen: tuple[int, int] | None = None
        self._manifest = Manifest()
        self._stamps: dict[str, str] = {}  # what each table looked like when last published or absorbed

    @property
    def catalogs(self) -> list[str]:
        """Catalogs somebody made."""
        return list(self._manifest.catalogs)

    def absorb(self) -> None:
        """Take over what other sessions published since the last look; costs one stat when nothing was."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return
        stamp = (now.st_mtime_ns, now.st_size)
        if stamp == self._seen:
            return
        with exclusive(self._lock):
            self._absorb(Manifest.read(self._path))
            self._seen = stamp

    def publish(self, catalogs: list[str] | None = None, rows: bool = True) -> None:
        """Write down the schemas, tables and views as they are now; `rows`: that rows may have changed too."""
        mine, schemas = self._tables(), self._schemas()
        dropped = {name for name in self._stamps if name not in mine}
        changed = {name for name, look in mine.items() if self._stamps.get(name) != look}
        gone = {name for name in self._manifest.schemas if name not in schemas}
        with exclusive(self._lock):
            manifest = Manifest.read(self._path)
            if manifest.version != self._manifest.version:
                # Another session was here since the last look: its news first, but not over this session's own.
                self._absorb(manifest, keep=dropped | changed | gone)
            for name in dropped:
                manifest.tables.pop(name, None)
            manifest.tables |= {name: self._described(name, mine[name]) for name in changed}
            manifest.schemas = self._schemas()
            manifest.catalogs = sorted({*manifest.catalogs, *(catalogs or [])})
            manifest.version += 1
            manifest.data += rows
            manifest.write(self._path)
            now = self._path.stat()
            self._manifest, self._stamps, self._seen = manifest, self._tables(), (now.st_mtime_ns, now.st_size)

    def forget_catalog(self, name: str) -> None:
        """Take a catalog's name away."""
        with exclusive(self._lock):
            manifest = Manifest.read(self._path)
            manifest.catalogs = [one for one in manifest.catalogs if one != name]
            manifest.version += 1
            manifest.write(self._path)
            self._manifest.catalogs = manifest.catalogs

    # --- tables that are more than their definition ---

    @property
    def seen_rows(self) -> int:
        """How often rows had changed, anywhere, when this session last looked."""
        return self._manifest.data

    def tables_below(self, root: Path) -> list[str]:
        """The dotted names of the tables whose files lie below a folder."""
        start = root.as_uri().replace("file:///", "file:/")
        return [
            name
            for name, entry in self._manifest.tables.items()
            if entry.get("location", "").replace("file:///", "file:/").startswith(start)
        ]

    def forget(self, name: str) -> None:
        """Take a table, by its dotted name, out of this session's catalog and leave its files."""
        self._forget(name)

    def manage(self, schema: str, table: str) -> None:
        """Make a table one whose files go with it, wherever they lie."""
        self._set_kind(schema, table, _MANAGED)

    # --- what this session has ---

    def _schemas(self) -> dict[str, str]:
        return {
            name: self._external.getDatabase(name).locationUri().toString()
            for name in _items(self._external.listDatabases())
        }

    def _tables(self) -> dict[str, str]:
        """What every table and view looks like: a text that changes when its definition does."""
        return {
            f"{schema}.{table}": self._look(self._external.getTable(schema, table))
            for schema in _items(self._external.listDatabases())
            for table in _items(self._external.listTables(schema))
        }

    def _look(self, table: Any) -> str:
        view = table.viewText()
        text = view.get() if view.isDefined() else ""
        return f"{table.createTime()}|{table.schema().json()}|{text}|{table.comment().toString()}"

    def _described(self, name: str, look: str) -> dict[str, str]:
        schema, _, table = name.partition(".")
        metadata = self._external.getTable(schema, table)
        kind = metadata.tableType().name()
        rows = self._spark._jsparkSession.sql(f"SHOW CREATE TABLE `{schema}`.`{table}`").collect()
        location = metadata.storage().locationUri()
        found = {
            "kind": kind,
            # Said of every text column, though it is what they have unasked; declared, DESCRIBE would show it.
            "ddl": rows[0].getString(0).replace(" COLLATE UTF8_BINARY", ""),
            "look": look,
        }
        if kind == _VIEW:
            names = metadata.viewCatalogAndNamespace()
            found["schema"] = names.apply(names.size() - 1) if names.size() else schema
        elif location.isDefined():
            found["location"] = location.get().toString()
        return found

    # --- what others have ---

    def _absorb(self, manifest: Manifest, keep: set[str] | None = None) -> None:
        """Make this session's catalog what the manifest says; names in `keep` are this session's own news."""
        own = keep or set()
        for name in _items(self._external.listDatabases()):
            if name not in manifest.schemas and name in self._manifest.schemas and name != "default":
                self._forget_schema(name, own)
        for name, location in manifest.schemas.items():
            if name != "default" and name not in own:
                self._quietly(f"CREATE SCHEMA IF NOT EXISTS `{name}` LOCATION '{location}'")
        for name in [one for one in self._stamps if one not in manifest.tables and one not in own]:
            self._forget(name)
        wanted = {
            name: entry
            for name, entry in manifest.tables.items()
            if name not in own and self._published(name) != entry["look"]
        }
        self._create_all(wanted)
        if manifest.data != self._manifest.data:
            self._state.catalog().invalidateAllCachedTables()
        self._manifest = manifest
        self._stamps = self._tables()

    def _create_all(self, wanted: dict[str, dict[str, str]]) -> None:
        """Register tables, then views as often as that helps: they may read each other.

        What cannot be registered (a view whose table was dropped, files that went) is told and left out: one broken
        thing must not keep the session from the others.
        """
        waiting = sorted(wanted.items(), key=lambda item: item[1]["kind"] == _VIEW)
        while waiting:
            failed = [(name, entry, why) for name, entry in waiting if (why := self._try_to_create(name, entry))]
            if len(failed) == len(waiting):
                for name, entry, why in failed:
                    self._tell(f"{'view' if entry['kind'] == _VIEW else 'table'} {name} cannot be used: {why}")
                return
            waiting = [(name, entry) for name, entry, _ in failed]

    def _try_to_create(self, name: str, entry: dict[str, str]) -> str | None:
        """Register one table or view; why not, if it cannot be."""
        from pyspark.errors import PySparkException

        try:
            self._create(name, entry)
        except PySparkException as error:
            return str(error).splitlines()[0]
        return None

    def _published(self, name: str) -> str | None:
        known = self._manifest.tables.get(name)
        return known["look"] if known is not None and name in self._stamps else None

    def _create(self, name: str, entry: dict[str, str]) -> None:
        """Register one table of another session on the files it has written, or one view."""
        schema, _, table = name.partition(".")
        self._forget(name)
        if entry["kind"] == _VIEW:
            self._create_view(entry)
            return
        ddl = entry["ddl"]
        if entry["kind"] == _MANAGED:
            ddl = f"{ddl.rstrip()}\nLOCATION '{entry['location']}'"
        self._quietly(ddl)
        if entry["kind"] == _MANAGED:
            self._set_kind(schema, table, _MANAGED)

    def _create_view(self, entry: dict[str, str]) -> None:
        """A view's text is read in the schema it was made in."""
        catalog = self._state.catalogManager()
        before = list(catalog.currentNamespace())
        self._quietly(f"USE `{entry['schema']}`")
        try:
            self._quietly(entry["ddl"])
        finally:
            self._quietly(f"USE `{before[-1]}`")

    def _forget(self, name: str) -> None:
        """Take a table out of this session's catalog and leave its files, which are not this session's to delete."""
        schema, _, table = name.partition(".")
        if not self._external.tableExists(schema, table):
            return
        kind = self._external.getTable(schema, table).tableType().name()
        if kind == _MANAGED:
            self._set_kind(schema, table, _EXTERNAL)
        self._quietly(f"DROP {'VIEW' if kind == _VIEW else 'TABLE'} IF EXISTS `{schema}`.`{table}`")

    def _forget_schema(self, name: str, own: set[str]) -> None:
        for table in _items(self._external.listTables(name)):
            if f"{name}.{table}" not in own:
                self._forget(f"{name}.{table}")
        if not _items(self._external.listTables(name)):
            self._quietly(f"DROP SCHEMA IF EXISTS `{name}`")

    def _set_kind(self, schema: str, table: str, kind: str) -> None:
        """Rewrite one table's type; a Scala case class is copied with all its members in order."""
        metadata = self._external.getTable(schema, table)
        members = [metadata.productElement(index) for index in range(metadata.productArity())]
        names = [metadata.productElementName(index) for index in range(metadata.productArity())]
        kinds = self._spark._jvm.org.apache.spark.sql.catalyst.catalog.CatalogTableType
        members[names.index("tableType")] = getattr(kinds, kind)()
        self._external.alterTable(metadata.copy(*members))

    def _quietly(self, statement: str) -> None:
        self._spark._jsparkSession.sql(statement)


def _items(sequence: Any) -> list[str]:
    """A Scala Seq of strings as a list."""
    return [sequence.apply(index) for index in range(sequence.size())]
