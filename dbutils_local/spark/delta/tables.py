"""The Delta tables a session knows: by name in Spark's catalog or by folder, as frames of Spark at any version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlparse

from dbutils_local.errors import NotSupportedHere
from dbutils_local.spark.delta import limits
from dbutils_local.spark.delta.live import LiveFolders, link, link_name, mark_of
from dbutils_local.spark.delta.log import Commit, Log, Metadata, Snapshot
from dbutils_local.spark.warehouse import Warehouse

_NO_GLOBS: Final = "__globPaths__"  # Spark's own word: names with brackets are names
_KEPT_FRAMES: Final = 500  # frames made earlier that are told of changes


@dataclass(frozen=True)
class Table:
    """A Delta table: its folder and, if the catalog has it, its schema and name there."""

    folder: Path
    log: Log
    name: tuple[str, str] | None = None

    @property
    def shown(self) -> str:
        """What errors and answers call it."""
        return f"spark_catalog.{'.'.join(self.name)}" if self.name else f"delta.`{self.folder}`"

    @property
    def sql(self) -> str:
        """Its name for Spark's SQL; only for tables of the catalog."""
        assert self.name is not None
        return ".".join("`" + part.replace("`", "``") + "`" for part in self.name)


class Tables:
    """The way from names and folders to tables, and from versions to frames."""

    def __init__(
        self,
        spark: Any,
        home: Path,
        warehouse: Callable[[], Warehouse],
        local: Callable[[str], str],
        tell: Callable[[str], None],
    ) -> None:
        self.spark = spark
        self.live = LiveFolders(home / "spark-live")
        self.local = local
        self._warehouse = warehouse
        self._tell = tell
        self._logs: dict[Path, Log] = {}
        self._indexes: dict[Path, dict[int, Any]] = {}
        self._stamps: dict[Path, int] = {}
        self._others_seen = -1
        self._names: dict[Path, tuple[str, str]] = {}  # the last name a table was asked for by

    # --- finding ---

    def at(self, path: str) -> Table:
        """The table in a folder, given as notebooks write it; there need not be one yet."""
        return self._of(self._folder(path))

    def in_folder(self, folder: Path) -> Table:
        """The table in a folder of this machine."""
        return self._of(folder)

    def named(self, name: str) -> Table | None:
        """The Delta table that Spark calls `name`; None for views, other kinds of tables, and where there is none."""
        found = self.entry(name)
        if found is None:
            return None
        schema, table = found
        place = self.location(schema, table)
        folder = self.live.table(place) if place is not None else None
        if folder is None:
            return None
        self._names[folder] = (schema, table)
        self._stamps.setdefault(folder, _changed(folder))
        return self._of(folder, (schema, table))

    def entry(self, name: str) -> tuple[str, str] | None:
        """Schema and name of a table or view in Spark's catalog, None where there is none or a temporary view."""
        parts = _parts(name)
        catalog = self.spark._jsparkSession.sessionState().catalog()
        if len(parts) == 1 and catalog.getRawTempView(parts[0]).isDefined():
            return None
        if len(parts) == 3 and parts[0] == "spark_catalog":
            parts = parts[1:]
        if len(parts) > 2:
            return None
        schema = parts[0] if len(parts) == 2 else catalog.getCurrentDatabase()
        full = schema.lower(), parts[-1].lower()
        return full if self._external.tableExists(*full) else None

    def location(self, schema: str, table: str) -> Path | None:
        """The folder of a table of the catalog; None for a view."""
        found = self._external.getTable(schema, table).storage().locationUri()
        return of_uri(found.get().toString()) if found.isDefined() else None

    def place_of_new(self, schema: str, table: str) -> Path:
        """Where a managed table's folder is to be."""
        place = of_uri(self._external.getDatabase(schema).locationUri().toString())
        return place / table.lower()

    def full_name(self, name: str) -> tuple[str, str]:
        """Schema and name that a new table of that name would have."""
        parts = _parts(name)
        catalog = self.spark._jsparkSession.sessionState().catalog()
        if len(parts) == 3 and parts[0] == "spark_catalog":
            parts = parts[1:]
        schema = parts[0] if len(parts) == 2 else catalog.getCurrentDatabase()
        return schema.lower(), parts[-1].lower()

    @property
    def external(self) -> Any:
        """Spark's own catalog object."""
        return self._external

    @property
    def warehouse(self) -> Warehouse:
        """Where definitions are shared with other sessions."""
        return self._warehouse()

    @property
    def _external(self) -> Any:
        return self.spark._jsparkSession.sharedState().externalCatalog()

    def _folder(self, path: str) -> Path:
        local = self.local(path)
        if "://" in local and not local.startswith("file:"):
            raise NotSupportedHere(
                f"the Delta table {path} is in a cloud: local Spark reads and writes Delta tables of this machine only"
            )
        found = of_uri(local)
        return self.live.table(found) or found

    def _of(self, folder: Path, name: tuple[str, str] | None = None) -> Table:
        log = self._logs.setdefault(folder, Log(folder))
        return Table(folder, log, name)

    # --- versions as frames ---

    def snapshot(self, table: Table) -> Snapshot:
        """The table as it is now; its live folder shows it from here on."""
        found = table.log.snapshot()
        self._show(table, found)
        return found

    def frame(self, table: Table, version: int | None = None, session: Any = None) -> Any:
        """The rows at a version; without one those of now, and after later changes those of then."""
        snapshot = table.log.snapshot(version)
        if version is None:
            self._show(table, snapshot)
            frame = self._read(snapshot, [self.live.of(table.folder)], session)
            self.follow(table, frame)
            return frame
        if not snapshot.is_whole:
            return self._by_partitions(table, snapshot, session)
        return self._read(snapshot, [table.folder / path for path in sorted(snapshot.files)], session)

    def view(self, table: Table, version: int | None) -> str:
        """A name under which SQL reads a version, or a table that has no name."""
        digest = hashlib.md5(str(table.folder).encode(), usedforsecurity=False).hexdigest()[:10]
        name = f"delta_{digest}" + (f"_v{version}" if version is not None else "")
        self.frame(table, version).createOrReplaceGlobalTempView(name)
        return f"global_temp.{name}"

    def of_files(self, table: Table, files: Sequence[Path], schema: str) -> Any:
        """The rows of some Parquet files of a table, under columns given as Spark's JSON."""
        return self._read_schema(schema, list(files), None)

    def _read(self, snapshot: Snapshot, paths: list[Path], session: Any) -> Any:
        return self._read_schema(snapshot.metadata.schema, paths, session)

    def _read_schema(self, schema: str, paths: list[Path], session: Any) -> Any:
        spark = session or self.spark
        if not paths:
            return self.empty(schema, spark)
        reader = spark._jsparkSession.read().schema(self.struct(schema)).option(_NO_GLOBS, "false").format("parquet")
        return _frame(reader.load(sequence(spark, [spark_path(path) for path in paths])), spark)

    def _by_partitions(self, table: Table, snapshot: Snapshot, session: Any) -> Any:
        place = self.live.folders_of_partitions(table.folder, snapshot)
        if not snapshot.files:
            return self.empty(snapshot.metadata.schema, session or self.spark)
        frame = self._read(snapshot, [place], session)
        return frame.select(*[f"`{name}`" for name in snapshot.metadata.columns])

    def empty(self, schema: str, session: Any = None) -> Any:
        """A frame without rows."""
        spark = session or self.spark
        columns = [
            f"CAST(NULL AS {kind}) AS `{name}`"
            for name, kind in ((one["name"], self.sql_type(one["type"])) for one in json.loads(schema)["fields"])
        ]
        return spark.range(0).selectExpr(*columns)

    def struct(self, schema: str) -> Any:
        """Spark's own object for columns given as its JSON."""
        return self.spark._jvm.org.apache.spark.sql.types.DataType.fromJson(schema)

    def sql_type(self, kind: Any) -> str:
        """A type, given as Spark's JSON says it, as SQL text."""
        if isinstance(kind, str):
            return {"long": "bigint", "integer": "int", "short": "smallint", "byte": "tinyint"}.get(kind, kind)
        return str(self.spark._jvm.org.apache.spark.sql.types.DataType.fromJson(json.dumps(kind)).sql())

    # --- what changed ---

    @contextmanager
    def writing(self, table: Table) -> Iterator[None]:
        """One writer of a table at a time."""
        with self.live.writing(table.folder):
            yield

    def commit(self, table: Table, change: Commit, read: Snapshot | None) -> Snapshot:
        """Write a version and show it: from here on all that read the table see it."""
        self._follow_cached(table)
        found = table.log.commit(change, read)
        notice = limits.feed_notice(found.metadata.properties)
        if notice is not None:
            self._tell(notice)
        self._feed_streams(table, change, found.version)
        self._show(table, found)
        self.refresh(table.folder)
        return found

    def follow(self, table: Table, frame: Any) -> None:
        """Keep in mind that a frame reads the table: as on Databricks it shows what later changes leave."""
        self._follow(table.folder, _file_indexes(frame))

    def _follow_cached(self, table: Table) -> None:
        """Frames made by name share the list of files that Spark's catalog keeps for the table."""
        if table.name is None:
            return
        name = self.spark._jvm.org.apache.spark.sql.catalyst.QualifiedTableName("spark_catalog", *table.name)
        plan = self.spark._jsparkSession.sessionState().catalog().getCachedTable(name)
        if plan is not None and plan.getClass().getSimpleName() == "LogicalRelation":
            self._follow(table.folder, [plan.relation().location()])

    def _follow(self, folder: Path, indexes: list[Any]) -> None:
        """Lists of one folder are equal for Java; each has to be told."""
        kept = self._indexes.setdefault(folder, {})
        identity = self.spark._jvm.java.lang.System.identityHashCode
        kept.update({identity(index): index for index in indexes})
        for old in list(kept)[:-_KEPT_FRAMES]:
            del kept[old]

    def refresh(self, folder: Path) -> None:
        """Let frames made earlier look at the table's files anew."""
        live = self.live.of(folder)
        for index in self._indexes.get(folder, {}).values():
            with suppress(Exception):  # a frame of a session that is gone
                index.refresh()
        self.spark._jsparkSession.sharedState().cacheManager().recacheByPath(self.spark._jsparkSession, str(live))
        self._stamp(folder)

    def look(self) -> None:
        """Show what others committed: other sessions, programs that write Delta tables, writers that were cut off."""
        if self.warehouse.seen_rows != self._others_seen:
            self.up_to_date()
            for name in self.warehouse.tables_below(self.live.root):
                table = self.named(name)
                if table is not None:
                    self._look_at(table)
            for folder in list(self._indexes):
                self.refresh(folder)
        for folder, stamp in list(self._stamps.items()):
            if _changed(folder) != stamp:
                self._look_at(self._of(folder, self._names.get(folder)))

    def up_to_date(self) -> None:
        """Nothing that was published so far is news to this session."""
        self._others_seen = self.warehouse.seen_rows

    def _look_at(self, table: Table) -> None:
        self._stamp(table.folder)
        if table.log.latest() >= 0 and self._show(table, table.log.snapshot()):
            self._follow_cached(table)
            self.refresh(table.folder)

    def _stamp(self, folder: Path) -> None:
        self._stamps[folder] = _changed(folder)

    def _show(self, table: Table, snapshot: Snapshot) -> bool:
        """Bring the live folder up to date; whether it was not."""
        _refuse_layout(table, snapshot)
        if snapshot.is_whole:
            return self.live.show(table.folder, snapshot)
        if self.live.shown(table.folder) == mark_of(snapshot):
            return False
        self._show_copied(table, snapshot)
        return True

    def _show_copied(self, table: Table, snapshot: Snapshot) -> None:
        """Files that do not hold their partition columns are written anew for the live folder, with them."""
        live = self.live.of(table.folder)
        self.live.forget(table.folder)
        frame = self._by_partitions(table, snapshot, None)
        frame._jdf.write().mode("overwrite").parquet(spark_path(live))
        self.live.mark(table.folder, snapshot)

    def _feed_streams(self, table: Table, change: Commit, version: int) -> None:
        for place in self.live.streams(table.folder):
            feed(place, table.folder, change, version)

    # --- the catalog ---

    def register(self, name: tuple[str, str], table: Table, metadata: Metadata, managed: bool) -> None:
        """Put a table into Spark's catalog under `name`, in place of what is there."""
        schema, short = name
        self.warehouse.forget(f"{schema}.{short}")
        live = self.live.of(table.folder)
        live.mkdir(parents=True, exist_ok=True)
        full = ".".join(f"`{part}`" for part in name)
        columns = self.struct(metadata.schema).toDDL() if metadata.fields else "a INT"
        text = f"CREATE TABLE {full} ({columns}) USING parquet LOCATION '{_escaped(spark_path(live))}'"
        if metadata.description:
            text += f" COMMENT '{_escaped(metadata.description)}'"
        self.spark._jsparkSession.sql(text)
        if not metadata.fields:  # which Spark's grammar has no words for
            self._external.alterTableDataSchema(schema, short, self.struct(metadata.schema))
        if managed:
            self.warehouse.manage(schema, short)
        self._names[table.folder] = name
        self._stamp(table.folder)

    def forget(self, table: Table) -> None:
        """What goes with a table that is dropped from the catalog and was managed."""
        import shutil

        self.live.forget(table.folder)
        shutil.rmtree(table.folder, ignore_errors=True)
        self._logs.pop(table.folder, None)

    def is_managed(self, table: Table) -> bool:
        """Whether the catalog owns the table's files."""
        if table.name is None:
            return False
        return bool(self._external.getTable(*table.name).tableType().name() == "MANAGED")


def feed(place: Path, folder: Path, change: Commit, version: int) -> None:
    """Let a stream that reads a table see a version, as the stream asked for in its folder's name."""
    if not change.changes_data:
        return
    lenient = place.name.removeprefix("stream-")
    rewrites = bool(change.remove)
    if not rewrites or lenient.startswith("ignoreChanges"):
        for one in change.add:
            link(folder / one.path, place / link_name(one))
        return
    if lenient.startswith("skipChangeCommits") or (lenient.startswith("ignoreDeletes") and not change.add):
        return
    # Spark's file stream has no other way to be told: it names the file it cannot read, and the query ends.
    told = place / f"DELTA_SOURCE_TABLE_IGNORE_CHANGES-version-{version}.parquet"
    told.write_text(
        f"[DELTA_SOURCE_TABLE_IGNORE_CHANGES] Detected a data update ({change.operation}) in the source table at "
        f"version {version}. If you'd like to ignore updates, set the option 'skipChangeCommits' to 'true'.\n",
        "utf-8",
    )


def _refuse_layout(table: Table, snapshot: Snapshot) -> None:
    """What others may have put into a table that Parquet alone does not show."""
    if any(one.deletion_vector for one in snapshot.files.values()):
        raise NotSupportedHere(
            f"{table.shown} has deletion vectors, which local Spark does not read; set delta_jars, or rewrite the "
            "table with REORG TABLE ... APPLY (PURGE) where it comes from"
        )
    if "delta.columnMapping.physicalName" in snapshot.metadata.schema:
        raise NotSupportedHere(
            f"{table.shown} maps its columns to other names in its files, which local Spark does not read; set "
            "delta_jars"
        )


def spark_path(path: Path) -> str:
    """A folder or file of this machine as Spark takes it: what looks like an escape in a name is none."""
    return f"file:{path}"


def _parts(name: str) -> list[str]:
    from dbutils_local.sql.scan import bare, code

    return [bare(token.text) for token in code(name) if token.text != "."]


def of_uri(text: str) -> Path:
    """The folder of this machine that a path or a file: address names."""
    if text.startswith("file:"):
        return Path(unquote(urlparse(text).path))
    return Path(text)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _changed(folder: Path) -> int:
    try:
        return (folder / "_delta_log").stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _frame(java: Any, spark: Any) -> Any:
    from pyspark.sql import DataFrame

    return DataFrame(java, spark)


def sequence(spark: Any, values: list[str]) -> Any:
    """Texts as the sequence that Spark's own methods take."""
    from pyspark.sql.classic.column import _to_seq

    return _to_seq(spark._sc, values)


def _file_indexes(frame: Any) -> list[Any]:
    """Spark's lists of files behind a frame; other kinds of sources have none."""
    leaves = frame._jdf.queryExecution().analyzed().collectLeaves()
    found = []
    for number in range(leaves.size()):
        leaf = leaves.apply(number)
        if leaf.getClass().getSimpleName() == "LogicalRelation" and leaf.relation().getClass().getSimpleName() == (
            "HadoopFsRelation"
        ):
            found.append(leaf.relation().location())
    return found
