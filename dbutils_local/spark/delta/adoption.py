"""Parquet files that become a Delta table: those of earlier versions of this program, and those of CONVERT TO DELTA."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from dbutils_local.spark.delta.log import Add, Commit, Metadata
from dbutils_local.spark.delta.tables import Table, Tables, spark_path


def adopt_named(tables: Tables, name: str) -> Table | None:
    """The Parquet table of the catalog under that name as version 0 of a Delta table; None for other kinds."""
    entry = tables.entry(name)
    if entry is None:
        return None
    found = tables.external.getTable(*entry)
    place = tables.location(*entry)
    provider = found.provider()
    if place is None or not provider.isDefined() or provider.get().lower() != "parquet":
        return None
    table = tables.in_folder(place)
    managed = found.tableType().name() == "MANAGED"
    by = [found.partitionColumnNames().apply(number) for number in range(found.partitionColumnNames().size())]
    comment = found.comment()
    with tables.writing(table):
        if table.log.latest() < 0:
            schema = found.schema().json()
            metadata = Metadata(schema, tuple(by), description=comment.get() if comment.isDefined() else None)
            _commit(tables, table, metadata)
    named = Table(table.folder, table.log, entry)
    tables.register(entry, named, table.log.snapshot().metadata, managed)
    return named


def adopt_folder(
    tables: Tables, table: Table, tell: Callable[[str], None] | None, partition_by: str | None = None
) -> Table | None:
    """The Parquet files of a folder as version 0 of a Delta table; None where there are none."""
    if not table.folder.is_dir() or not _files(table.folder):
        return None
    if tell is not None:
        tell(f"{table.folder} holds Parquet files without a Delta log: they become version 0 of a Delta table")
    reader = tables.spark._jsparkSession.read().option("mergeSchema", "true").format("parquet")
    fields = json.loads(reader.load(spark_path(table.folder)).schema().json())["fields"]
    by: list[str] = []
    if partition_by:
        declared = json.loads(tables.spark._jvm.org.apache.spark.sql.types.StructType.fromDDL(partition_by).json())
        by = [one["name"] for one in declared["fields"]]
        kinds = {one["name"].lower(): one["type"] for one in declared["fields"]}
        fields = [{**one, "type": kinds.get(one["name"].lower(), one["type"])} for one in fields]
    else:
        by = list(_values(_files(table.folder)[0], table.folder))
    with tables.writing(table):
        if table.log.latest() < 0:
            _commit(tables, table, Metadata(json.dumps({"type": "struct", "fields": fields}), tuple(by)))
    return table


def _commit(tables: Tables, table: Table, metadata: Metadata) -> None:
    added = tuple(_add(path, table.folder) for path in _files(table.folder))
    parameters = {
        "numFiles": str(len(added)),
        "partitionedBy": json.dumps(list(metadata.partition_columns)),
        "collectStats": "false",
    }
    tables.commit(table, Commit("CONVERT", parameters, added, metadata=metadata, metrics={
        "numConvertedFiles": str(len(added))}), None)  # fmt: skip


def _files(folder: Path) -> list[Path]:
    def is_hidden(path: Path) -> bool:
        return any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)

    return sorted(path for path in folder.rglob("*.parquet") if path.is_file() and not is_hidden(path))


def _values(path: Path, folder: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in path.relative_to(folder).parts[:-1]:
        name, _, text = part.partition("=")
        found[unquote(name)] = None if text == "__HIVE_DEFAULT_PARTITION__" else unquote(text)
    return found


def _add(path: Path, folder: Path) -> Add:
    import pyarrow.parquet

    stat = path.stat()
    rows = pyarrow.parquet.read_metadata(path).num_rows
    place = str(path.relative_to(folder))
    return Add(place, stat.st_size, stat.st_mtime_ns // 1_000_000, _values(path, folder), rows)


def is_plain_parquet(folder: Path) -> bool:
    """Whether a folder holds Parquet files and no Delta log."""
    return folder.is_dir() and not (folder / "_delta_log").exists() and bool(_files(folder))
