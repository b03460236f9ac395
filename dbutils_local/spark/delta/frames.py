"""Reading and writing Delta tables as notebooks do from Python: `spark.read`, `df.write`, `df.writeTo`.

PySpark keeps what a reader or writer was told inside the JVM; so it is written down here as well, on the object.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dbutils_local.spark.delta import limits
from dbutils_local.spark.delta import statements as said
from dbutils_local.spark.delta.adoption import adopt_folder, is_plain_parquet
from dbutils_local.spark.delta.commands import Asked, Delta, positional
from dbutils_local.spark.delta.faults import analysis, as_sparks_own
from dbutils_local.spark.delta.reader import Reader, quoted_value
from dbutils_local.spark.delta.statements import Ref
from dbutils_local.spark.delta.tables import Table
from dbutils_local.spark.delta.writing import Write

Call = tuple[tuple[Any, ...], dict[str, Any]]

_AT: Final = re.compile(r"(.+)@(?:[vV](\d+)|(\d{17}))$")
_FEED: Final = ("readchangefeed", "readchangedata")


@dataclass
class Told:
    """What a reader or writer was told; option names in lower case."""

    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    mode: str = "error"
    held: tuple[Callable[..., Any], Call] | None = None  # the call that would divide the files by columns
    properties: dict[str, str] = field(default_factory=dict)
    table: str = ""
    output: str = "append"

    @property
    def partition_by(self) -> tuple[str, ...] | None:
        """The columns that divide the files."""
        if self.held is None:
            return None
        flat = [name for one in self.held[1][0] for name in (one if isinstance(one, list | tuple) else [one])]
        return tuple(_column_name(name) for name in flat)

    def is_on(self, option: str) -> bool:
        """Whether an option says true."""
        return self.options.get(option.lower(), "false").lower() == "true"


def told(builder: Any) -> Told:
    """What `builder` was told so far."""
    found: Told = builder.__dict__.setdefault("_dbutils_local_told", Told())
    return found


def _column_name(given: Any) -> str:
    return given if isinstance(given, str) else str(given._jc.toString())


# --- reading ----------------------------------------------------------------------------------------------------------


def load(delta: Delta, reader: Any, path: str) -> Any:
    """`spark.read.format("delta").load(path)`, at the version that the options or the path's end ask for."""
    with as_sparks_own():
        found = _AT.fullmatch(path)
        version = None
        if found is not None and delta.tables.at(path).log.latest() < 0:
            path, version = found.group(1), found.group(2)
        ref = _timed(Ref(path=path, version=int(version) if version else None), told(reader))
        table = delta.tables.at(path)
        if table.log.latest() < 0:
            return _without_log(delta, reader, table, path)
        return delta.tables.frame(table, delta.version(table, ref), reader._spark)


def _without_log(delta: Delta, reader: Any, table: Table, path: str) -> Any:
    """Parquet files that an earlier version of this program wrote for Delta; else the error of Databricks."""
    if is_plain_parquet(table.folder):
        made = adopt_folder(delta.tables, table, delta.tell)
        assert made is not None
        return delta.tables.frame(made, None, reader._spark)
    if not table.folder.exists():
        raise analysis(f"[PATH_NOT_FOUND] Path does not exist: {path}. SQLSTATE: 42K03")
    raise analysis(f"[DELTA_MISSING_DELTA_TABLE] `{path}` is not a Delta table.")


def read_table(delta: Delta, session: Any, name: str, options: Told | None = None) -> Any | None:
    """A table at a version, or by its folder; None for what Spark reads by itself."""
    with as_sparks_own():
        reader = Reader(name)
        ref = reader.ref() if reader.tokens else Ref(name)
        ref = _timed(ref, options) if options is not None else ref
        if ref.path is None and ref.version is None and ref.timestamp is None:
            return None
        table = delta.needed(ref, "Time travel")
        return delta.tables.frame(table, delta.version(table, ref), session)


def _timed(ref: Ref, options: Told) -> Ref:
    for key in _FEED:
        if options.is_on(key):
            raise limits.feed_refused("option 'readChangeFeed'")
    if "versionasof" in options.options:
        return replace(ref, version=int(options.options["versionasof"]))
    if "timestampasof" in options.options:
        return replace(ref, timestamp=quoted_value(options.options["timestampasof"]))
    return ref


# --- writing ----------------------------------------------------------------------------------------------------------


def save(delta: Delta, writer: Any, path: str) -> None:
    """`df.write.format("delta").save(path)`."""
    with as_sparks_own():
        asked = told(writer)
        table = delta.tables.at(path)
        exists = table.log.latest() >= 0 or adopt_folder(delta.tables, table, delta.tell) is not None
        if exists and asked.mode in ("error", "errorifexists", "default"):
            raise analysis(
                f"[DELTA_PATH_EXISTS] Cannot write to already existent path {table.folder.as_uri()} without setting "
                "OVERWRITE = 'true'."
            )
        if not (exists and asked.mode == "ignore"):
            delta.write(table, writer._df, _write(delta, asked, exists))


def _write(delta: Delta, asked: Told, exists: bool, cast: bool = False) -> Write:
    where = asked.options.get("replacewhere")
    overwrite = asked.mode == "overwrite"
    if where is not None and not overwrite:
        raise analysis("[DELTA_REPLACE_WHERE_WITHOUT_OVERWRITE] replaceWhere needs mode('overwrite').")
    return Write(
        overwrite=overwrite,
        widen=asked.is_on("mergeSchema"),
        new_columns=asked.is_on("overwriteSchema"),
        replace_where=where if exists else None,
        dynamic=overwrite and delta.is_dynamic(asked.options.get("partitionoverwritemode")),
        cast=cast,
        partition_by=asked.partition_by,
        properties=_properties(asked.options) | asked.properties,
        user_metadata=asked.options.get("usermetadata"),
        batch=_transaction(asked.options),
    )


def _transaction(options: Mapping[str, str]) -> tuple[str, int] | None:
    if "txnappid" not in options or "txnversion" not in options:
        return None
    return options["txnappid"], int(options["txnversion"])


def _properties(options: Mapping[str, str]) -> dict[str, str]:
    """Options that are properties of a table; Delta's are written in its own letters."""
    return {_KNOWN.get(key, key): value for key, value in options.items() if key.startswith("delta.")}


_KNOWN: Final = {
    one.lower(): one
    for one in (
        "delta.appendOnly",
        "delta.autoOptimize.autoCompact",
        "delta.autoOptimize.optimizeWrite",
        "delta.columnMapping.mode",
        "delta.deletedFileRetentionDuration",
        "delta.enableChangeDataFeed",
        "delta.enableDeletionVectors",
        "delta.logRetentionDuration",
    )
}


def save_as_table(delta: Delta, writer: Any, name: str) -> None:
    """`df.write.saveAsTable(name)`."""
    with as_sparks_own():
        asked = told(writer)
        entry = delta.tables.entry(name)
        if entry is None:
            _make(delta, writer, name, asked)
            return
        if asked.mode in ("error", "errorifexists", "default"):
            raise analysis(
                f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view `{'`.`'.join(entry)}` because it already "
                "exists. Choose a different name, drop or replace the existing object, or add the IF NOT EXISTS clause "
                "to tolerate pre-existing objects. SQLSTATE: 42P07"
            )
        if asked.mode != "ignore":
            _into(delta, writer._df, name, entry, asked)


def _into(delta: Delta, frame: Any, name: str, entry: tuple[str, str], asked: Told) -> None:
    table = delta.table(Ref(name), adopt=True)
    if table is None and asked.mode == "overwrite":
        statement = said.Create(Ref(name), replace=True)
        delta.made_from(statement, frame, _write(delta, asked, exists=False))
        return
    if table is None:
        raise analysis(
            f"[DELTA_NOT_A_DELTA_TABLE] {'.'.join(entry)} is not a Delta table. Please drop this table first if you "
            "would like to create it with Delta Lake."
        )
    if "path" in asked.options and delta.tables.at(asked.options["path"]).folder != table.folder:
        raise analysis(
            f"The location of the existing table {table.shown} is {table.folder}, not {asked.options['path']}."
        )
    write = _write(delta, asked, exists=True, cast=asked.mode == "append")
    if write.overwrite and write.replace_where is None and not write.dynamic:
        write = replace(write, operation="CREATE OR REPLACE TABLE AS SELECT")
    delta.write(table, frame, write)


def _make(delta: Delta, writer: Any, name: str, asked: Told) -> None:
    path = asked.options.get("path")
    write = _write(delta, asked, exists=False)
    if path is not None and (table := delta.tables.at(path)).log.latest() >= 0:
        delta.write(table, writer._df, replace(write, cast=True))
        delta.tables.register(delta.tables.full_name(name), table, table.log.snapshot().metadata, managed=False)
        return
    location = None if path is None else delta.tables.at(path).folder.as_uri()
    replacing = asked.mode == "overwrite"
    statement = said.Create(Ref(name), replace=replacing, location=location, partition_by=write.partition_by or ())
    delta.made_from(statement, writer._df, write)


def insert_into(delta: Delta, writer: Any, name: str, overwrite: bool | None) -> bool:
    """`df.write.insertInto(name)`, by position; False when the table is not of Delta."""
    with as_sparks_own():
        table = delta.table(_ref(name))
        if table is None:
            return False
        asked = told(writer)
        if overwrite is not None:
            asked.mode = "overwrite" if overwrite else "append"
        metadata = table.log.snapshot().metadata
        frame = positional(writer._df, metadata, metadata.columns, listed=False)
        delta.write(table, frame, replace(_write(delta, asked, exists=True, cast=True), partition_by=None))
        return True


def _ref(name: str) -> Ref:
    return Reader(name).plain_ref()


def write_to(delta: Delta, writer: Any, action: str, condition: Any) -> bool:
    """`df.writeTo(name).append()` and its kin; False when it is not about Delta."""
    asked = told(writer)
    if asked.format not in (None, "delta"):
        return False
    with as_sparks_own():
        ref = _ref(asked.table)
        exists = delta.table(ref, adopt=True) is not None if ref.path is None else delta.table(ref) is not None
        if action in ("create", "createOrReplace", "replace"):
            _created(delta, writer, ref, action, exists, asked)
            return True
        if not exists:
            return False
        table = delta.needed(ref, "writeTo")
        write = replace(_write(delta, replace(asked, mode="append"), exists=True, cast=True), partition_by=None)
        if action == "overwrite":
            write = replace(write, overwrite=True, replace_where=sql_text(condition))
        elif action == "overwritePartitions":
            write = replace(write, overwrite=True, dynamic=True)
        delta.write(table, writer._df, write)
        return True


def _created(delta: Delta, writer: Any, ref: Ref, action: str, exists: bool, asked: Told) -> None:
    if exists and action == "create":
        raise analysis(
            f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view {asked.table} because it already exists. "
            "Choose a different name, drop or replace the existing object. SQLSTATE: 42P07"
        )
    if not exists and action == "replace":
        raise analysis(f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {asked.table} cannot be found. SQLSTATE: 42P01")
    location = asked.options.get("path")
    if ref.path is not None:
        location = delta.tables.at(ref.path).folder.as_uri()
    write = _write(delta, replace(asked, mode="append"), exists=False)
    statement = said.Create(ref, replace=action != "create", location=location, partition_by=write.partition_by or ())
    delta.made_from(statement, writer._df, write)


def sql_text(condition: Any) -> str:
    """A condition given as a column, or as text, as SQL."""
    from dbutils_local.spark.delta_table import text_of

    return text_of(condition) or "true"


def asked_of(session: Any) -> Asked:
    """Statements of our own making in a session."""
    return Asked(session, session.sql)
