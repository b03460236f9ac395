"""Streams from and to Delta tables: Spark's file source on a folder that grows, and a sink of batches."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Final, Protocol

from dbutils_local.errors import NotSupportedHere
from dbutils_local.spark.delta import columns, limits
from dbutils_local.spark.delta import statements as said
from dbutils_local.spark.delta.commands import Delta
from dbutils_local.spark.delta.faults import analysis, as_sparks_own
from dbutils_local.spark.delta.frames import told
from dbutils_local.spark.delta.live import link, link_name
from dbutils_local.spark.delta.log import Commit
from dbutils_local.spark.delta.reader import Reader, quoted_value
from dbutils_local.spark.delta.statements import Ref
from dbutils_local.spark.delta.tables import Table, feed, spark_path
from dbutils_local.spark.delta.writing import Write

_LENIENT: Final = ("skipChangeCommits", "ignoreChanges", "ignoreDeletes")
_PASSED_ON: Final = ("maxFilesPerTrigger", "maxBytesPerTrigger")


class Published(Protocol):
    """Where other sessions are told that tables changed."""

    def publish(self) -> None:
        """Tell them."""


def load(delta: Delta, reader: Any, path: str) -> Any:
    """`spark.readStream.format("delta").load(path)`."""
    table = delta.table(Ref(path=path), adopt=True)
    if table is None:
        raise analysis(f"[DELTA_MISSING_DELTA_TABLE] `{path}` is not a Delta table.")
    return _read(delta, reader, table)


def read_table(delta: Delta, reader: Any, name: str) -> Any | None:
    """`spark.readStream.table(name)`; None for a table that is not of Delta."""
    table = delta.table(Reader(name).plain_ref(), adopt=True)
    return None if table is None else _read(delta, reader, table)


def _read(delta: Delta, reader: Any, table: Table) -> Any:
    from pyspark.sql import DataFrame

    options = told(reader)
    for key in ("readChangeFeed", "readChangeData"):
        if options.is_on(key):
            raise limits.feed_refused("option 'readChangeFeed'")
    snapshot = delta.tables.snapshot(table)
    if not snapshot.is_whole:
        raise NotSupportedHere(
            f"readStream of {table.shown}: its files do not hold its partition columns; write the table anew here first"
        )
    place = _folder(delta, table, options.options, [word for word in _LENIENT if options.is_on(word)])
    source = reader._spark._jsparkSession.readStream().schema(delta.tables.struct(snapshot.metadata.schema))
    for key in _PASSED_ON:
        if key.lower() in options.options:
            source = source.option(key, options.options[key.lower()])
    return DataFrame(source.format("parquet").load(spark_path(place)), reader._spark)


def _folder(delta: Delta, table: Table, options: Mapping[str, str], lenient: list[str]) -> Any:
    """The folder the stream reads; a new one begins with the rows there are, or behind a version that was named."""
    start = _start(delta, table, options)
    name = "-".join([*(lenient or ["appends"]), *([] if start is None else [f"from-{start}"])])
    place = delta.tables.live.folder_of_stream(table.folder, name)
    filled = place / "_filled"
    with delta.tables.writing(table):
        if filled.exists():
            return place
        if start is None:
            for one in table.log.snapshot().files.values():
                link(table.folder / one.path, place / link_name(one))
        else:
            _feed_from(table, place, start)
        filled.touch()
    return place


def _start(delta: Delta, table: Table, options: Mapping[str, str]) -> int | None:
    version = options.get("startingversion")
    if version is not None:
        return table.log.latest() + 1 if version == "latest" else int(version)
    if "startingtimestamp" in options:
        at = quoted_value(options["startingtimestamp"])
        return delta.version(table, Ref(timestamp=at))
    return None


def _feed_from(table: Table, place: Any, start: int) -> None:
    for version in range(start, table.log.latest() + 1):
        now = table.log.snapshot(version)
        before = table.log.snapshot(version - 1).files if version else {}
        added = tuple(one for path, one in now.files.items() if path not in before)
        gone = tuple(one for path, one in before.items() if path not in now.files)
        operation = table.log.history()[-1 - version].info.get("operation", "")
        change = Commit(operation, add=added, remove=gone, changes_data=operation != "OPTIMIZE")
        feed(place, table.folder, change, version)


# --- writing ----------------------------------------------------------------------------------------------------------


def start(
    delta: Delta, writer: Any, target: str, to_table: bool, named: Mapping[str, Any], ground: Published
) -> Any:  # fmt: skip
    """Begin a query that writes each batch into a Delta table as one version, once."""
    asked = told(writer)
    _note(writer, named)
    frame = writer._df
    table = _target(delta, frame, target, to_table, asked.partition_by)
    ground.publish()
    began = threading.Event()
    query: list[Any] = []
    mode = asked.output
    widen = asked.is_on("mergeSchema")

    def batch(rows: Any, number: int) -> None:
        began.wait()
        app = query[0].id
        if mode == "update":
            raise NotSupportedHere("outputMode('update') into a Delta table: Delta does not support it; use append")
        _write_batch(delta, table, rows, mode == "complete", widen, (app, number), asked.partition_by)
        ground.publish()

    writer.foreachBatch(batch)
    query.append(writer._sq(writer._jwrite.start()))
    began.set()
    return query[0]


def _note(writer: Any, named: Mapping[str, Any]) -> None:
    """What `start` and `toTable` take by name."""
    for key, value in named.items():
        if key in ("path", "tableName", "format") or value is None:
            continue
        if key in ("outputMode", "queryName", "partitionBy"):
            getattr(writer, key)(value)
        else:
            writer.option(key, value)


def _target(delta: Delta, frame: Any, target: str, to_table: bool, by: tuple[str, ...] | None) -> Table:
    with as_sparks_own():
        if not to_table:
            return delta.tables.at(target)
        table = delta.table(Reader(target).plain_ref(), adopt=True)
        if table is None:
            empty = delta.tables.empty(frame._jdf.schema().json())
            delta.made_from(said.Create(Ref(target), partition_by=by or ()), empty, Write())
            table = delta.table(Ref(target))
        assert table is not None
        return table


def _write_batch(
    delta: Delta, table: Table, rows: Any, complete: bool, widen: bool, batch: tuple[str, int],
    by: tuple[str, ...] | None,
) -> None:  # fmt: skip
    if table.log.latest() >= 0 and table.log.snapshot().batches.get(batch[0], -1) >= batch[1]:
        return
    parameters = {
        "outputMode": "Complete" if complete else "Append",
        "queryId": batch[0],
        "epochId": str(batch[1]),
    }
    if table.log.latest() >= 0 and not complete and not columns.fields_of(rows):
        return
    with as_sparks_own():
        delta.write(
            table,
            rows,
            Write(
                overwrite=complete, widen=widen, cast=True, operation="STREAMING UPDATE", parameters=parameters,
                batch=batch, partition_by=by if table.log.latest() < 0 else None,
            ),
        )  # fmt: skip
