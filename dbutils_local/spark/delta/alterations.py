"""ALTER TABLE on Delta tables: columns, constraints and properties; what renames or drops columns writes rows anew."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dbutils_local.errors import NotSupportedHere
from dbutils_local.spark.delta import columns, limits, parsing
from dbutils_local.spark.delta.faults import analysis
from dbutils_local.spark.delta.log import Commit, Metadata
from dbutils_local.spark.delta.reader import Reader, parts
from dbutils_local.spark.delta.tables import Table

if TYPE_CHECKING:
    from dbutils_local.spark.delta.commands import Asked, Delta

_KEPT_ELSEWHERE = ("SET TAGS", "UNSET TAGS", "SET OWNER", "OWNER TO", "DROP ROW", "ENABLE", "DISABLE")


def altered(delta: Delta, table: Table, text: str, asked: Asked) -> None:
    """Do what stands behind ALTER TABLE and the table's name."""
    reader = Reader(text)
    if reader.take("RENAME", "TO"):
        _rename(delta, table, reader.ref().name)
    elif reader.take("RENAME", "COLUMN"):
        old = reader.name()
        reader.take("TO")
        _rename_column(delta, table, old, reader.name(), asked)
    elif reader.take("ADD", "CONSTRAINT"):
        _add_constraint(delta, table, reader, asked)
    elif reader.take("DROP", "CONSTRAINT"):
        _drop_constraint(delta, table, reader)
    elif reader.take("ADD", "COLUMNS") or reader.take("ADD", "COLUMN"):
        _add_columns(delta, table, reader)
    elif reader.take("DROP", "COLUMNS") or reader.take("DROP", "COLUMN"):
        _drop_columns(delta, table, reader, asked)
    elif reader.sees("SET", "ROW", "FILTER"):
        raise limits.governed("ALTER TABLE ... SET ROW FILTER")
    elif reader.take("ALTER", "COLUMN") or reader.take("CHANGE", "COLUMN") or reader.take("CHANGE"):
        _alter_column(delta, table, reader, asked)
    elif reader.take("SET", "TBLPROPERTIES"):
        _set(delta, table, parsing.properties(reader.inside()), ())
    elif reader.take("UNSET", "TBLPROPERTIES"):
        reader.take("IF", "EXISTS")
        _set(delta, table, {}, tuple(parsing.properties(reader.inside())))
    elif reader.take("CLUSTER", "BY"):
        names = reader.names() if reader.sees("(") else ()
        _set(delta, table, {"clusteringColumns": json.dumps(list(names))}, ())
    elif any(reader.sees(*words.split()) for words in _KEPT_ELSEWHERE) or reader.sees("DROP", "FEATURE"):
        delta.tell(f"ALTER TABLE {text.strip()[:40]}: nothing done, it is not kept here")
    else:
        raise NotSupportedHere(f"ALTER TABLE ... {text.strip()[:60]} is not done by local Spark without Delta's jars")


def _commit(delta: Delta, table: Table, metadata: Metadata, operation: str, parameters: Mapping[str, str]) -> None:
    with delta.tables.writing(table):
        before = table.log.snapshot()
        delta.tables.commit(table, Commit(operation, parameters, metadata=metadata), before)
    delta.sync(table, before.metadata)


def _rename(delta: Delta, table: Table, name: str) -> None:
    """A managed table's folder goes with its name; one with a location of its own stays there."""
    if delta.tables.entry(name) is not None:
        raise analysis(f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot rename to {name} because it already exists.")
    assert table.name is not None
    managed, full = delta.tables.is_managed(table), delta.tables.full_name(name)
    delta.tables.warehouse.forget(".".join(table.name))
    moved = table
    if managed:
        moved = delta.tables.in_folder(delta.tables.place_of_new(*full))
        delta.tables.forget(moved)
        moved.folder.parent.mkdir(parents=True, exist_ok=True)
        os.rename(table.folder, moved.folder)
        delta.tables.forget(table)
    snapshot = delta.tables.snapshot(delta.tables.in_folder(moved.folder))
    delta.tables.register(full, moved, snapshot.metadata, managed)


def _add_columns(delta: Delta, table: Table, reader: Reader) -> None:
    reader.take("IF", "NOT", "EXISTS")
    text = reader.inside() if reader.sees("(") else reader.rest()
    fields = list(table.log.snapshot().metadata.fields)
    added = []
    for part in parts(text):
        part, place = _placed(part)
        column = parsing.column(part)
        [one] = delta.declared((column,))
        if any(have["name"].lower() == one["name"].lower() for have in fields):
            raise analysis(
                f"[FIELD_ALREADY_EXISTS] Cannot add column, because `{one['name']}` already exists in {table.shown}."
            )
        fields.insert(_index(fields, place), one)
        added.append({"column": {key: one[key] for key in ("name", "type", "nullable")}})
    metadata = table.log.snapshot().metadata.with_fields(fields)
    _commit(delta, table, metadata, "ADD COLUMNS", {"columns": json.dumps(added)})


def _placed(text: str) -> tuple[str, str | None]:
    """A column's text without FIRST or AFTER name: the place is "" for FIRST, None for the end."""
    reader = Reader(text)
    words = [token.text.upper() for token in reader.tokens]
    if words and words[-1] == "FIRST":
        return text[: reader.tokens[-1].start], ""
    if len(words) > 2 and words[-2] == "AFTER":
        reader.at = len(words) - 1
        return text[: reader.tokens[-2].start], reader.name()
    return text, None


def _index(fields: Sequence[Mapping[str, Any]], place: str | None) -> int:
    if place is None:
        return len(fields)
    names = [one["name"].lower() for one in fields]
    return names.index(place.lower()) + 1 if place else 0


def _need_mapping(table: Table, what: str) -> None:
    if table.log.snapshot().metadata.properties.get("delta.columnMapping.mode") not in ("name", "id"):
        raise analysis(
            f"[DELTA_UNSUPPORTED_{what}_COLUMN] {what} COLUMN is not supported for your Delta table. Please upgrade "
            "your Delta table to reader version 2 and writer version 5 and change the column mapping mode to 'name' "
            "mapping: "
            f"ALTER TABLE {table.sql} SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')"
        )


def _rename_column(delta: Delta, table: Table, old: str, new: str, asked: Asked) -> None:
    _need_mapping(table, "RENAME")
    metadata = table.log.snapshot().metadata
    _known(table, metadata, old)
    fields = [{**one, "name": new} if one["name"].lower() == old.lower() else one for one in metadata.fields]
    by = tuple(new if name.lower() == old.lower() else name for name in metadata.partition_columns)
    wanted = replace(metadata.with_fields(fields), partition_columns=by)
    parameters = {"oldColumnPath": old, "newColumnPath": new}
    _rewritten(delta, table, wanted, [f"`{one}`" if one.lower() != old.lower() else f"`{one}` AS `{new}`"
               for one in metadata.columns], "RENAME COLUMN", parameters, asked)  # fmt: skip


def _drop_columns(delta: Delta, table: Table, reader: Reader, asked: Asked) -> None:
    lenient = reader.take("IF", "EXISTS")
    names = reader.names() if reader.sees("(") else tuple(part.strip("`") for part in parts(reader.rest()))
    _need_mapping(table, "DROP")
    metadata = table.log.snapshot().metadata
    for name in names:
        if not lenient:
            _known(table, metadata, name)
    gone = {name.lower() for name in names}
    fields = [one for one in metadata.fields if one["name"].lower() not in gone]
    kept = [f"`{one['name']}`" for one in fields]
    _rewritten(
        delta, table, metadata.with_fields(fields), kept, "DROP COLUMNS", {"columns": json.dumps(list(names))}, asked
    )


def _rewritten(
    delta: Delta, table: Table, wanted: Metadata, expressions: Sequence[str], operation: str,
    parameters: Mapping[str, str], asked: Asked,
) -> None:  # fmt: skip
    with delta.tables.writing(table):
        before = table.log.snapshot()
        rows = delta.tables.frame(table, before.version, asked.session).selectExpr(*expressions)
        delta.writer.replace_rows(table, before, rows, operation, parameters, {}, wanted)
    delta.sync(table, before.metadata)


def _known(table: Table, metadata: Metadata, name: str) -> dict[str, Any]:
    for one in metadata.fields:
        if one["name"].lower() == name.lower():
            return one
    raise analysis(
        f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `{name}` cannot be resolved in {table.shown}. Did you "
        f"mean one of the following? [{', '.join(metadata.columns)}]"
    )


def _alter_column(delta: Delta, table: Table, reader: Reader, asked: Asked) -> None:
    name = reader.name()
    metadata = table.log.snapshot().metadata
    one = _known(table, metadata, name)
    said_of = dict(one.get("metadata") or {})
    place: str | None = None
    if reader.sees("SET", "MASK"):
        raise limits.governed(f"ALTER TABLE ... ALTER COLUMN {name} SET MASK")
    if reader.sees("DROP", "MASK") or reader.sees("SET", "TAGS") or reader.sees("UNSET", "TAGS"):
        delta.tell(f"ALTER TABLE ... ALTER COLUMN {name} {reader.rest().strip()[:40]}: nothing done, not kept here")
        return
    if reader.take("SET", "NOT", "NULL"):
        _need_no_row(delta, table, f"`{one['name']}` IS NULL", one["name"], asked)
        one = {**one, "nullable": False}
    elif reader.take("DROP", "NOT", "NULL"):
        one = {**one, "nullable": True}
    elif reader.take("COMMENT"):
        one = {**one, "metadata": said_of | {"comment": reader.name()}}
    elif reader.take("SET", "DEFAULT"):
        one = {**one, "metadata": said_of | {columns.DEFAULT: reader.rest().strip()}}
    elif reader.take("DROP", "DEFAULT"):
        said_of.pop(columns.DEFAULT, None)
        one = {**one, "metadata": said_of}
    elif reader.take("FIRST"):
        place = ""
    elif reader.take("AFTER"):
        place = reader.name()
    elif reader.take("SYNC", "IDENTITY"):
        one = _synced(delta, table, one, asked)
    else:
        reader.take("TYPE")
        _retype(delta, table, metadata, one, reader.rest(), asked)
        return
    fields = [one if have["name"] == one["name"] else have for have in metadata.fields]
    if place is not None:
        fields.remove(one)
        fields.insert(_index(fields, place), one)
    _commit(delta, table, metadata.with_fields(fields), "CHANGE COLUMN", {"column": json.dumps(one)})


def _synced(delta: Delta, table: Table, one: dict[str, Any], asked: Asked) -> dict[str, Any]:
    rows = delta.tables.frame(table, table.log.snapshot().version, asked.session)
    highest = rows.selectExpr(f"max(`{one['name']}`)").collect()[0][0]
    if highest is None:
        return one
    return {**one, "metadata": {**one["metadata"], columns.MARK: int(highest)}}


def _retype(delta: Delta, table: Table, metadata: Metadata, one: dict[str, Any], text: str, asked: Asked) -> None:
    """Another type writes the rows anew: a wider one on Databricks needs the type widening feature."""
    reader = Reader(text)
    if reader.tokens and reader.tokens[0].text.lower() == one["name"].lower():
        text = text[reader.tokens[0].end :]  # CHANGE COLUMN a a BIGINT
    [new] = delta.declared((parsing.column(f"`{one['name']}` {text}"),))
    fields = [{**have, "type": new["type"]} if have["name"] == one["name"] else have for have in metadata.fields]
    kept = [f"`{name}`" for name in metadata.columns]
    if new["type"] != one["type"]:
        _need_wider(one, new, table)
    _rewritten(delta, table, metadata.with_fields(fields), kept, "CHANGE COLUMN", {"column": json.dumps(new)}, asked)


_WIDER = {
    "byte": ("short", "integer", "long", "double", "string"),
    "short": ("integer", "long", "double"),
    "integer": ("long", "double"),
    "float": ("double",),
    "date": ("timestamp_ntz",),
}


def _need_wider(one: Mapping[str, Any], new: Mapping[str, Any], table: Table) -> None:
    given, wanted = one["type"], new["type"]
    decimals = str(given).startswith("decimal") and str(wanted).startswith("decimal")
    if not decimals and wanted not in _WIDER.get(str(given), ()):
        raise analysis(
            f"[DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP] ALTER TABLE CHANGE COLUMN is not supported for changing "
            f"column {one['name']} from {given} to {wanted}: write the table anew with overwriteSchema"
        )


def _need_no_row(delta: Delta, table: Table, condition: str, name: str, asked: Asked) -> None:
    rows = delta.tables.frame(table, table.log.snapshot().version, asked.session)
    found = rows.where(condition).count()
    if found:
        raise analysis(
            f"[DELTA_NEW_NOT_NULL_VIOLATION] {found} rows in {table.shown} violate the new NOT NULL constraint "
            f"on {name}."
        )


def _add_constraint(delta: Delta, table: Table, reader: Reader, asked: Asked) -> None:
    name = reader.name()
    if not reader.take("CHECK"):
        delta.tell(f"constraint {name}: noted only, as on Databricks keys are not enforced")
        return
    condition = reader.inside()
    metadata = table.log.snapshot().metadata
    key = f"{columns.CONSTRAINT}{name.lower()}"
    if key in metadata.properties:
        raise analysis(
            f"[DELTA_CONSTRAINT_ALREADY_EXISTS] Constraint '{name}' already exists. Please delete the old one first."
        )
    rows = delta.tables.frame(table, table.log.snapshot().version, asked.session)
    found = rows.where(f"({condition}) IS NOT TRUE").count()
    if found:
        raise analysis(
            f"[DELTA_NEW_CHECK_CONSTRAINT_VIOLATION] {found} rows in {table.shown} violate the new CHECK constraint "
            f"({condition})."
        )
    wanted = replace(metadata, properties={**metadata.properties, key: condition})
    _commit(delta, table, wanted, "ADD CONSTRAINT", {"name": name, "expr": condition})


def _drop_constraint(delta: Delta, table: Table, reader: Reader) -> None:
    lenient = reader.take("IF", "EXISTS")
    name = reader.name()
    metadata = table.log.snapshot().metadata
    key = f"{columns.CONSTRAINT}{name.lower()}"
    if key not in metadata.properties:
        if lenient:
            return
        raise analysis(
            f"[DELTA_CONSTRAINT_DOES_NOT_EXIST] Cannot drop nonexistent constraint {name} from {table.shown}."
        )
    left = {have: value for have, value in metadata.properties.items() if have != key}
    _commit(delta, table, replace(metadata, properties=left), "DROP CONSTRAINT", {"name": name})


def _set(delta: Delta, table: Table, more: Mapping[str, str], gone: Sequence[str]) -> None:
    metadata = table.log.snapshot().metadata
    kept = {key: value for key, value in metadata.properties.items() if key not in gone}
    wanted = replace(metadata, properties=kept | dict(more))
    if gone:
        _commit(delta, table, wanted, "UNSET TBLPROPERTIES", {"properties": json.dumps(list(gone))})
    else:
        _commit(delta, table, wanted, "SET TBLPROPERTIES", {"properties": json.dumps(dict(more))})
