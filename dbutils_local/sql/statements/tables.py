"""CREATE TABLE and DROP TABLE: with columns, from a query, over files, like or cloned from another table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from dbutils_local.errors import UserError
from dbutils_local.sql.expressions.text import type_text
from dbutils_local.sql.names import NO_COLUMNS, ident, place
from dbutils_local.sql.scan import quote
from dbutils_local.sql.scope import Scope
from dbutils_local.sql.sources.files import reader
from dbutils_local.sql.sources.tables import parts_of
from dbutils_local.sql.statements.adapted import query_text
from dbutils_local.sql.statements.columns import column_line, dropped_sequences
from dbutils_local.sql.statements.properties import Flags, column_defs, flags_of, options_of, property_of
from dbutils_local.sql.statements.request import Cursor, Request, if_exists
from dbutils_local.sql.steps import Change, CreateAs, Step


def create_table(tree: Any, request: Request) -> Step:
    """CREATE [OR REPLACE] TABLE as sqlglot parsed it."""
    scope = request.scope
    if tree.args.get("clone") is not None:
        return _clone(tree, request)
    schema = tree.this if isinstance(tree.this, exp.Schema) else None
    target = schema.this if schema is not None else tree.this
    table, flags = place(parts_of(target), scope), flags_of(tree)
    if (like := property_of(tree, exp.LikeProperty)) is not None:
        source = place(parts_of(like.this), scope)
        return CreateAs(flags.head("TABLE", table), f"SELECT * FROM {source} LIMIT 0")
    format_property, location = property_of(tree, exp.FileFormatProperty), property_of(tree, exp.LocationProperty)
    kind = format_property.this.name.lower() if format_property is not None else "delta"
    options = options_of(tree)
    path = options.pop("path", None) or (location.this.name if location is not None else None)
    if tree.expression is not None:
        return CreateAs(flags.head("TABLE", table), query_text(tree.expression, scope), _location_notice(path))
    if path is not None and (existing := _existing(path, scope)):
        return _external_table(kind, existing, options, schema, table, flags)
    if schema is None:
        notice = f"the table has no columns yet: COPY INTO with 'mergeSchema' = 'true' brings them (here: {NO_COLUMNS})"
        return Change((f"{flags.head('TABLE', table)} ({NO_COLUMNS} BOOLEAN)",), notice=notice)
    return _plain_table(schema, tree, table, flags, path, scope)


def _location_notice(path: str | None) -> str | None:
    return (
        f"LOCATION {path} is not used: the rows lie in the DuckDB file, nothing is written there"
        if path is not None
        else None
    )


def _existing(path: str, scope: Scope) -> list[str]:
    try:
        return scope.files(path)
    except UserError:
        return []


def _external_table(
    kind: str, files: Sequence[str], options: dict[str, str], schema: Any, table: str, flags: Flags
) -> Step:
    """A table over files that are there already: a view that reads them."""
    columns = None
    if schema is not None:
        columns = [(item.name, type_text(item.args["kind"].sql("databricks"))) for item in column_defs(schema)]
    notice = f"the table reads {len(files)} {kind} file{'s' if len(files) != 1 else ''} and cannot be written"
    return CreateAs(flags.head("VIEW", table), reader(kind, files, options, columns), notice)


def _plain_table(schema: Any, tree: Any, table: str, flags: Flags, path: str | None, scope: Scope) -> Step:
    """A table with its columns; identity columns take their numbers from a sequence."""
    types = {item.name.lower(): type_text(item.args["kind"].sql("databricks")) for item in column_defs(schema)}
    columns, sequences, comments, dropped = [], [], [], []
    for item in schema.expressions:
        if not isinstance(item, exp.ColumnDef):
            dropped.append("PRIMARY KEY and FOREIGN KEY are information only, as on Databricks")
            continue
        line, identity, comment, keyed = column_line(item, table, types, scope)
        columns.append(line)
        sequences += identity
        comments += [f"COMMENT ON COLUMN {table}.{ident(item.name)} IS {quote(comment)}"] if comment is not None else []
        dropped += ["PRIMARY KEY and FOREIGN KEY are information only, as on Databricks"] if keyed else []
    partitioned = property_of(tree, exp.PartitionedByProperty)
    columns += [
        f"{ident(item.name)} {type_text(item.args['kind'].sql('databricks'))}"
        for item in _typed_partitions(partitioned)
    ]
    notes = [*dict.fromkeys(dropped), *([_location_notice(path) or ""] if path else [])]
    create_table = f"{flags.head('TABLE', table)} ({', '.join(columns)})"
    table_comment = property_of(tree, exp.SchemaCommentProperty)
    comments += [f"COMMENT ON TABLE {table} IS {quote(table_comment.this.name)}"] if table_comment is not None else []
    drops = (*dropped_sequences(table, scope),) if flags.or_replace else ()
    first = (f"DROP TABLE IF EXISTS {table}", *drops) if drops else ()
    return Change((*first, *sequences, create_table, *comments), notice="; ".join(notes) or None)


def _typed_partitions(partitioned: Any) -> list[Any]:
    listed = (
        partitioned.this.expressions if partitioned is not None and isinstance(partitioned.this, exp.Schema) else []
    )
    return [item for item in listed if isinstance(item, exp.ColumnDef) and item.args.get("kind") is not None]


def _clone(tree: Any, request: Request) -> Step:
    source = place(parts_of(tree.args["clone"].this), request.scope)
    table = place(parts_of(tree.this), request.scope)
    flags = flags_of(tree)
    return CreateAs(flags.head("TABLE", table), f"SELECT * FROM {source}", "CLONE: the rows were copied")


def clone(request: Request) -> Step | None:
    """CREATE [OR REPLACE] TABLE t DEEP | SHALLOW CLONE s, which sqlglot does not read."""
    words = [token.word for token in request.tokens]
    if "CLONE" not in words or words[0] != "CREATE":
        return None
    cursor = Cursor(request, 1)
    or_replace = cursor.take("OR", "REPLACE")
    cursor.expect("TABLE")
    flags = Flags(or_replace, if_exists(cursor))
    table = place(cursor.name(), request.scope)
    _ = cursor.take("DEEP") or cursor.take("SHALLOW")
    cursor.expect("CLONE")
    source = place(cursor.name(), request.scope)
    cursor.end()
    return CreateAs(flags.head("TABLE", table), f"SELECT * FROM {source}", "CLONE: the rows were copied")


def drop_table(request: Request) -> Step:
    """DROP TABLE [IF EXISTS] t [PURGE], with the sequences of its identity columns."""
    cursor = Cursor(request, 2)
    exists = "IF EXISTS " if if_exists(cursor) else ""
    table = place(cursor.name(), request.scope)
    cursor.take("PURGE")
    cursor.end()
    return Change((f"DROP TABLE {exists}{table}", *dropped_sequences(table, request.scope)))
