"""SHOW: what there is, as queries over DuckDB's own catalog."""

from __future__ import annotations

import re

from dbutils_local.errors import UserError
from dbutils_local.sql import steps
from dbutils_local.sql.names import HIDDEN_SCHEMA, full_name, inside, place
from dbutils_local.sql.scan import quote
from dbutils_local.sql.statements.request import Cursor, Request
from dbutils_local.sql.steps import Query, Step

_NOT_OURS = f"'{HIDDEN_SCHEMA}', 'information_schema', 'pg_catalog', 'main'"


def _namespace(cursor: Cursor) -> tuple[str, str]:
    """The catalog and schema behind IN or FROM, or the current ones."""
    scope = cursor.request.scope
    if not (cursor.take("IN") or cursor.take("FROM")):
        return scope.catalog, scope.schema
    parts = cursor.name()
    return (parts[0], parts[1]) if len(parts) == 2 else (scope.catalog, parts[0])


def _pattern(cursor: Cursor) -> str | None:
    cursor.take("LIKE")
    if cursor.done:
        return None
    pattern = cursor.string()
    cursor.end()
    return pattern


def show_tables(request: Request) -> Step:
    """SHOW TABLES [IN schema] [LIKE pattern]: tables, views and temporary views."""
    cursor = Cursor(request, 2)
    catalog, schema = _namespace(cursor)
    test = _pattern_test("table_name", _pattern(cursor))
    return Query(
        'SELECT table_schema AS database, table_name AS "tableName", table_schema = \'\' AS "isTemporary" FROM ('
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = "
        f"{quote(inside(catalog))} "
        f"AND lower(table_schema) = {quote(schema.lower())} UNION ALL SELECT '', view_name FROM "
        "duckdb_views() WHERE temporary AND NOT internal"
        f") WHERE {test} ORDER BY 1, 2"
    )


def show_views(request: Request) -> Step:
    """SHOW VIEWS [IN schema] [LIKE pattern]."""
    cursor = Cursor(request, 2)
    catalog, schema = _namespace(cursor)
    test = _pattern_test("view_name", _pattern(cursor))
    return Query(
        "SELECT CASE WHEN temporary THEN '' ELSE schema_name END AS namespace, view_name AS "
        '"viewName", temporary AS "isTemporary", '
        'false AS "isMaterialized" FROM duckdb_views() WHERE NOT internal AND (temporary OR '
        f"(database_name = {quote(inside(catalog))} AND lower(schema_name) = {quote(schema.lower())})) "
        f"AND {test} ORDER BY 1, 2"
    )


def show_schemas(request: Request) -> Step:
    """SHOW SCHEMAS [IN catalog] [LIKE pattern]."""
    cursor = Cursor(request, 2)
    catalog = request.scope.catalog
    if cursor.take("IN") or cursor.take("FROM"):
        catalog = cursor.name()[-1]
    test = _pattern_test("schema_name", _pattern(cursor))
    return Query(
        f'SELECT schema_name AS "databaseName" FROM duckdb_schemas() WHERE database_name = {quote(inside(catalog))} '
        f"AND schema_name NOT IN ({_NOT_OURS}) AND {test} ORDER BY 1"
    )


def show_catalogs(request: Request) -> Step:
    """SHOW CATALOGS [LIKE pattern]."""
    test = _pattern_test("dbx_catalog(database_name)", _pattern(Cursor(request, 2)))
    return Query(
        "SELECT dbx_catalog(database_name) AS catalog FROM duckdb_databases() "
        f"WHERE NOT internal AND database_name <> 'memory' AND {test} ORDER BY 1"
    )


def show_columns(request: Request) -> Step:
    """SHOW COLUMNS IN table [IN schema]."""
    cursor = Cursor(request, 2)
    if not (cursor.take("IN") or cursor.take("FROM")):
        cursor.expect("IN")
    parts = cursor.name()
    if cursor.take("IN") or cursor.take("FROM"):
        parts = [*cursor.name(), parts[-1]]
    cursor.end()
    names = [column.name for column in request.scope.columns_of(place(parts, request.scope))]
    if not names:
        raise UserError(f"[TABLE_OR_VIEW_NOT_FOUND] The table or view `{'`.`'.join(parts)}` cannot be found.")
    rows = ", ".join(f"({number}, {quote(name)})" for number, name in enumerate(names))
    return Query(
        f"SELECT name AS col_name FROM (VALUES {rows}) AS dbutils_local_columns(position, name) ORDER BY position"
    )


def show_create(request: Request) -> Step:
    """SHOW CREATE TABLE t."""
    cursor = Cursor(request, 3)
    parts = cursor.name()
    cursor.end()
    return steps.ShowCreate(place(parts, request.scope), full_name(parts, request.scope))


def show_functions(request: Request) -> Step:
    """SHOW FUNCTIONS [IN schema] [LIKE pattern]: those that were made here."""
    cursor = Cursor(request, 2)
    scope = request.scope
    catalog, schema = _namespace(cursor)
    test = _pattern_test("function_name", _pattern(cursor))
    return Query(
        "SELECT DISTINCT dbx_catalog(database_name) || '.' || schema_name || '.' || function_name AS "
        "function FROM duckdb_functions() "
        f"WHERE NOT internal AND database_name = {quote(inside(catalog))} AND lower(schema_name) = "
        f"{quote(schema.lower())} AND {test} ORDER BY 1",
        notice=f"functions of {catalog}.{schema} only; the built-in ones are not listed" if scope else None,
    )


def show_user_functions(request: Request) -> Step:
    """SHOW USER FUNCTIONS: the same, for built-in ones are never listed."""
    return show_functions(Request(request.text, request.tokens[1:], request.scope))


def show_properties(request: Request) -> Step:
    """SHOW TBLPROPERTIES: none."""
    return Query(
        "SELECT CAST(NULL AS VARCHAR) AS key, CAST(NULL AS VARCHAR) AS value WHERE false",
        notice="SHOW TBLPROPERTIES: table properties are not kept here",
    )


def _pattern_test(column: str, pattern: str | None) -> str:
    """The condition a SHOW statement's LIKE pattern means: `*` any text, `|` or, case ignored."""
    if pattern is None:
        return "true"
    regex = "|".join(
        ".*".join(re.escape(piece) for piece in re.split(r"[*%]", part.strip())) for part in pattern.split("|")
    )
    return f"regexp_full_match(lower({column}), {quote(regex.lower())})"
