"""CREATE, ALTER and DROP VIEW."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlglot import exp

from dbutils_local.errors import UserError
from dbutils_local.sql.expressions.text import parse
from dbutils_local.sql.names import ident, place
from dbutils_local.sql.sources.files import reader
from dbutils_local.sql.sources.tables import parts_of
from dbutils_local.sql.statements.adapted import query_text
from dbutils_local.sql.statements.altering import rename_table
from dbutils_local.sql.statements.properties import Flags, options_of, property_of
from dbutils_local.sql.statements.request import Cursor, Request, if_exists
from dbutils_local.sql.steps import Change, CreateAs, MakeTempView, Nothing, Step


def create_view(tree: Any, request: Request) -> Step:
    """CREATE [OR REPLACE] [TEMPORARY] VIEW as sqlglot parsed it."""
    scope = request.scope
    schema = tree.this if isinstance(tree.this, exp.Schema) else None
    target = schema.this if schema is not None else tree.this
    columns = tuple(item.name for item in schema.expressions) if schema is not None else ()
    parts, replacing = parts_of(target), bool(tree.args.get("replace"))
    temporary = property_of(tree, exp.TemporaryProperty) is not None or "GLOBAL" in request.words(4)
    if tree.expression is None:
        options = options_of(tree)
        form = property_of(tree, exp.FileFormatProperty)
        if form is None or "path" not in options:
            raise UserError("[PARSE_SYNTAX_ERROR] CREATE VIEW needs AS <query>, or USING <format> OPTIONS (path '...')")
        query = reader(form.this.name, scope.files(options.pop("path")), options)
    else:
        query = query_text(tree.expression, scope)
    if temporary:
        return MakeTempView(parts[-1], query, replacing, columns)
    listed = f" ({', '.join(map(ident, columns))})" if columns else ""
    flags = Flags(replacing, bool(tree.args.get("exists")))
    return CreateAs(flags.head("VIEW", place(parts, replace(scope, temp_views=frozenset()))) + listed, query)


def alter_view(request: Request) -> Step:
    """ALTER VIEW v AS query | RENAME TO name; the rest is not kept here."""
    cursor = Cursor(request, 2)
    parts = cursor.name()
    table = place(parts, request.scope)
    if cursor.take("AS"):
        return CreateAs(f"CREATE OR REPLACE VIEW {table}", query_text(parse(cursor.rest()), request.scope))
    if cursor.take("RENAME", "TO"):
        return rename_table(cursor, table, parts)
    return Nothing("ALTER VIEW: nothing done, owners, tags and properties are not kept here")


def drop_view(request: Request) -> Step:
    """DROP VIEW [IF EXISTS] v."""
    cursor = Cursor(request, 2)
    exists = "IF EXISTS " if if_exists(cursor) else ""
    view = place(cursor.name(), request.scope)
    cursor.end()
    return Change((f"DROP VIEW {exists}{view}",))
