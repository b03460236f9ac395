"""Rows into Delta tables: fitted to the table's columns, written as Parquet beside the old files, then committed."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from dbutils_local.spark.delta import columns
from dbutils_local.spark.delta.columns import Rules
from dbutils_local.spark.delta.log import Add, Commit, Metadata, Snapshot
from dbutils_local.spark.delta.tables import Table, Tables, spark_path

_FOLDER_OF: Final = "dbutils_local_by_"
_MARKED: Final = re.compile(r"(?s)\[DELTA_[A-Z_]+\].*?(?= SQLSTATE: P0001|\n\nJVM stacktrace|\Z)")


@dataclass(frozen=True)
class Write:
    """One write of a frame; `replaced`: the SQL condition of the rows it takes the place of, None for none."""

    overwrite: bool = False
    widen: bool = False
    new_columns: bool = False  # overwriteSchema
    replace_where: str | None = None
    dynamic: bool = False
    cast: bool = False
    partition_by: tuple[str, ...] | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    operation: str = "WRITE"
    parameters: Mapping[str, str] = field(default_factory=dict)
    batch: tuple[str, int] | None = None
    user_metadata: str | None = None
    loaded: tuple[str, ...] = ()


class Writer:
    """Writes frames into the tables of a session."""

    def __init__(self, tables: Tables, setting: Callable[[str], str | None]) -> None:
        self._tables = tables
        self._setting = setting

    def write(self, table: Table, frame: Any, write: Write) -> Snapshot:
        """Put a frame's rows into a table, which is made if there is none."""
        with self._tables.writing(table):
            if table.log.latest() < 0:
                return self._first(table, frame, write)
            return self._further(table, table.log.snapshot(), frame, write)

    def create(self, table: Table, metadata: Metadata, operation: str, parameters: Mapping[str, str]) -> Snapshot:
        """Make a table without rows, or take all rows from one that is replaced."""
        with self._tables.writing(table):
            before = table.log.snapshot() if table.log.latest() >= 0 else None
            gone = tuple(before.files.values()) if before is not None else ()
            kept = replace(metadata, id=before.metadata.id, created=before.metadata.created) if before else metadata
            return self._tables.commit(
                table, Commit(operation, parameters, remove=gone, metadata=kept, user_metadata=self._note()), before
            )

    def create_from(self, table: Table, metadata: Metadata, frame: Any, write: Write) -> Snapshot:
        """Make a table, or replace one, with a frame's rows."""
        with self._tables.writing(table):
            before = table.log.snapshot() if table.log.latest() >= 0 else None
            kept = replace(metadata, id=before.metadata.id, created=before.metadata.created) if before else metadata
            return self._put(table, before, kept, self._fitted(kept, frame, Rules(cast=True)), write, remove_all=True)

    def replace_rows(
        self,
        table: Table,
        read: Snapshot,
        frame: Any,
        operation: str,
        parameters: Mapping[str, str],
        metrics: Mapping[str, str],
        metadata: Metadata | None = None,
        new_rows: bool = False,
    ) -> Snapshot:
        """Write a table's rows as they are to be; the caller holds the table."""
        wanted = metadata or read.metadata
        names = columns.identities(wanted) if new_rows else []
        fit = self._fitted(wanted, frame, Rules(cast=True, new_rows=False), names)
        write = Write(overwrite=True, operation=operation, parameters=parameters)
        return self._put(table, read, wanted, fit, write, remove_all=True, metrics=metrics)

    # --- the parts ---

    def _first(self, table: Table, frame: Any, write: Write) -> Snapshot:
        metadata = new_metadata(columns.fields_of(frame), write)
        operation = write.operation
        return self._put(table, None, metadata, (frame, metadata, 0), replace(write, operation=operation))

    def _further(self, table: Table, read: Snapshot, frame: Any, write: Write) -> Snapshot:
        if write.replace_where is not None or (write.dynamic and read.metadata.partition_columns):
            return self._replace_some(table, read, frame, write)
        self._check_partitions(table, read, write)
        if write.overwrite and write.new_columns:
            by = write.partition_by if write.partition_by is not None else ()
            fields = columns.fields_of(frame)
            wanted = replace(read.metadata.with_fields(_nullable(fields)), partition_columns=by)
            return self._put(table, read, wanted, (frame, wanted, 0), write, remove_all=True)
        fit = self._fitted(read.metadata, frame, self._rules(write))
        return self._put(table, read, fit[1], fit, write, remove_all=write.overwrite)

    def _rules(self, write: Write) -> Rules:
        merging = self._setting("spark.databricks.delta.schema.autoMerge.enabled") == "true"
        return Rules(widen=write.widen or merging, cast=write.cast)

    def _check_partitions(self, table: Table, read: Snapshot, write: Write) -> None:
        there = read.metadata.partition_columns
        if write.partition_by is None or (write.overwrite and write.new_columns):
            return
        if [one.lower() for one in write.partition_by] != [one.lower() for one in there]:
            raise columns.SchemaMismatch(
                f"Partition columns do not match the partition columns of the table {table.shown}.\n"
                f"Given: {_listed(write.partition_by)}\nTable: {_listed(there)}\n"
                'To change them, overwrite with option("overwriteSchema", "true")'
            )

    def _replace_some(self, table: Table, read: Snapshot, frame: Any, write: Write) -> Snapshot:
        """Only the rows of a condition, or of the partitions that the frame has, give way."""
        fitted, metadata, numbers = self._fitted(read.metadata, frame, self._rules(write))
        old = self._tables.frame(table, read.version)
        if write.replace_where is not None:
            outside = f"({write.replace_where}) IS NOT TRUE"
            if self._setting("spark.databricks.delta.replaceWhere.constraintCheck.enabled") != "false":
                told = (
                    "[DELTA_REPLACE_WHERE_MISMATCH] Written data does not conform to partial table overwrite condition "
                )
                quoted = (told + write.replace_where + ".").replace("\\", "\\\\").replace("'", "\\'")
                fitted = fitted.selectExpr(*columns.guarded(fitted.columns, [(write.replace_where, f"'{quoted}'")]))
            kept = old.where(outside)
        else:
            fitted = fitted.localCheckpoint()
            by = [f"`{name}`" for name in read.metadata.partition_columns]
            new = fitted.select(*by).distinct()
            same = None
            for name in read.metadata.partition_columns:
                one = old[name].eqNullSafe(new[name])
                same = one if same is None else same & one
            kept = old.join(new, same, "left_anti")
        whole = kept.unionByName(fitted, allowMissingColumns=True)
        return self._put(table, read, metadata, (whole, metadata, numbers), write, remove_all=True)

    def _fitted(
        self, metadata: Metadata, frame: Any, rules: Rules, names: Sequence[str] = ()
    ) -> tuple[Any, Metadata, int]:
        """The frame as the table wants it, the table's columns after it, and how many numbers it takes."""
        fit = columns.fitted(metadata, columns.fields_of(frame), rules, self._tables.sql_type)
        wanted = metadata.with_fields(fit.fields)
        found = frame.selectExpr(*fit.first).selectExpr(*fit.then)
        numbering = [*fit.identities, *names]
        numbers = 0
        if numbering:
            found = found.localCheckpoint() if names else found
            numbers = found.where(f"`{numbering[0]}` IS NULL").count()
            found = found.selectExpr(*columns.numbered(wanted, numbering))
            wanted = columns.counted_on(wanted, numbering, numbers)
        return found.selectExpr(*columns.guarded(found.columns, columns.checks(wanted))), wanted, numbers

    def _put(
        self,
        table: Table,
        read: Snapshot | None,
        metadata: Metadata,
        fit: tuple[Any, Metadata, int],
        write: Write,
        remove_all: bool = False,
        metrics: Mapping[str, str] | None = None,
    ) -> Snapshot:
        wanted = fit[1] if fit[2] else metadata
        added = self.files(table, fit[0], wanted.partition_columns)
        gone = tuple(read.files.values()) if remove_all and read is not None else ()
        change = Commit(
            write.operation,
            write.parameters or _parameters(write, wanted),
            added,
            gone,
            wanted if read is None or wanted != read.metadata else None,
            _counted(added) | dict(metrics or {}),
            write.batch,
            user_metadata=write.user_metadata or self._note(),
            loaded=write.loaded,
        )
        return self._tables.commit(table, change, read)

    def _note(self) -> str | None:
        return self._setting("spark.databricks.delta.commitInfo.userMetadata")

    def files(self, table: Table, frame: Any, partition_by: Sequence[str]) -> tuple[Add, ...]:
        """Write a frame as new files of a table, which no version has yet."""
        staged = table.folder / f"_staged-{uuid.uuid4()}"
        names = [f"{_FOLDER_OF}{number}" for number in range(len(partition_by))]
        for name, column in zip(names, partition_by, strict=True):
            frame = frame.withColumn(name, frame[f"`{column}`"])
        try:
            writer = frame._jdf.write().mode("overwrite")
            if names:
                writer = writer.partitionBy(_strings(frame.sparkSession, names))
            writer.parquet(spark_path(staged))
            found = sorted(path for path in staged.rglob("*.parquet") if not path.name.startswith((".", "_")))
            return tuple(one for path in found if (one := _taken(path, staged, table.folder, partition_by)) is not None)
        except Exception as error:
            told = _MARKED.search(str(error))
            if told is not None and "USER_RAISED_EXCEPTION" in str(error):
                raise _violation(told.group().strip()) from error
            raise
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def new_metadata(fields: Sequence[Mapping[str, Any]], write: Write) -> Metadata:
    """What a table is that a write makes."""
    named = {str(one["name"]).lower(): str(one["name"]) for one in fields}
    by = []
    for name in write.partition_by or ():
        if name.lower() not in named:
            raise _analysis(f"[COLUMN_NOT_DEFINED_IN_TABLE] partition column {name} is not among {', '.join(named)}")
        by.append(named[name.lower()])
    schema = json.dumps({"type": "struct", "fields": _nullable(fields)})
    return Metadata(schema, tuple(by), dict(write.properties), write.description)


def _nullable(fields: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Columns of a frame as those of a table: a query's columns never forbid NULL there."""
    return [{**one, "nullable": True, "metadata": _kept(one.get("metadata") or {})} for one in fields]


def _kept(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key in ("comment", "__CHAR_VARCHAR_TYPE_STRING")}


def _taken(path: Path, staged: Path, folder: Path, partition_by: Sequence[str]) -> Add | None:
    """Move a written file to where the table has it; None for one without rows."""
    import pyarrow.parquet

    rows = pyarrow.parquet.read_metadata(path).num_rows
    if rows == 0:
        return None
    values: dict[str, str | None] = {}
    parts = []
    for part, column in zip(path.relative_to(staged).parts[:-1], partition_by, strict=True):
        text = part.partition("=")[2]
        values[column] = None if text == "__HIVE_DEFAULT_PARTITION__" else unquote(text)
        parts.append(f"{column}={text}")
    place = folder.joinpath(*parts, path.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, place)
    stat = place.stat()
    return Add(str(place.relative_to(folder)), stat.st_size, stat.st_mtime_ns // 1_000_000, values, rows, whole=True)


def _counted(added: Sequence[Add]) -> dict[str, str]:
    return {
        "numFiles": str(len(added)),
        "numOutputRows": str(sum(one.rows or 0 for one in added)),
        "numOutputBytes": str(sum(one.size for one in added)),
    }


def _parameters(write: Write, metadata: Metadata) -> dict[str, str]:
    found = {"mode": "Overwrite" if write.overwrite else "Append"}
    if write.replace_where is not None:
        found["predicate"] = write.replace_where
    return found | {"partitionBy": json.dumps(list(metadata.partition_columns), separators=(",", ":"))}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _strings(spark: Any, values: Sequence[str]) -> Any:
    from pyspark.sql.classic.column import _to_seq

    return _to_seq(spark._sc, list(values))


def _violation(message: str) -> Exception:
    from pyspark.errors import SparkRuntimeException

    error: Exception = SparkRuntimeException(message)
    return error


def _analysis(message: str) -> Exception:
    from pyspark.errors import AnalysisException

    error: Exception = AnalysisException(message)
    return error
