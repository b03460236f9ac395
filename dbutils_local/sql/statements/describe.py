"""DESCRIBE: of tables, queries, schemas, catalogs, functions."""

from __future__ import annotations

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql import steps
from dbutils_local.sql.expressions.text import parse
from dbutils_local.sql.names import full_name, inside, place
from dbutils_local.sql.scan import quote
from dbutils_local.sql.statements.adapted import query_text
from dbutils_local.sql.statements.request import Cursor, Request
from dbutils_local.sql.steps import Query, Step


def describe(request: Request) -> Step:
    """DESCRIBE of whatever its next words name."""
    cursor = Cursor(request, 1)
    scope = request.scope
    if cursor.take("DETAIL"):
        parts = cursor.name()
        return steps.DescribeDetail(place(parts, scope), full_name(parts, scope))
    if cursor.take("SCHEMA") or cursor.take("DATABASE"):
        cursor.take("EXTENDED")
        return _describe_schema(cursor)
    if cursor.take("CATALOG"):
        cursor.take("EXTENDED")
        name = cursor.name()[-1]
        return Query(_info_rows([("Catalog Name", name), ("Comment", ""), ("Owner", scope.user)]))
    if cursor.take("FUNCTION"):
        cursor.take("EXTENDED")
        return _describe_function(cursor)
    if cursor.peek("VOLUME") or cursor.peek("EXTERNAL") or cursor.peek("SHARE") or cursor.peek("CREDENTIAL"):
        raise NotSupportedHere(f"DESCRIBE {cursor.found.upper()} is not done by the embedded SQL engine")
    if cursor.take("QUERY") or cursor.peek("SELECT") or cursor.peek("WITH") or cursor.peek("VALUES"):
        return steps.DescribeQuery(query_text(parse(cursor.rest()), scope))
    cursor.take("TABLE")
    extended = cursor.take("EXTENDED") or cursor.take("FORMATTED")
    parts = cursor.name()
    if cursor.peek("AS"):
        raise NotSupportedHere("DESCRIBE ... AS JSON is not done by the embedded SQL engine")
    column = None if cursor.done else ".".join(cursor.name())
    cursor.end()
    return steps.Describe(place(parts, scope), full_name(parts, scope), extended, column)


def _info_rows(rows: list[tuple[str, str]]) -> str:
    values = ", ".join(f"({quote(name)}, {quote(value)})" for name, value in rows)
    return f"SELECT * FROM (VALUES {values}) AS dbutils_local_info(info_name, info_value)"


def _describe_schema(cursor: Cursor) -> Step:
    scope, parts = cursor.request.scope, cursor.name()
    catalog, schema = (parts[0], parts[1]) if len(parts) == 2 else (scope.catalog, parts[0])
    found = (
        f"SELECT 1 FROM duckdb_schemas() WHERE database_name = {quote(inside(catalog))} AND "
        f"lower(schema_name) = {quote(schema.lower())}"
    )
    rows = _info_rows(
        [
            ("Catalog Name", catalog),
            ("Namespace Name", schema),
            ("Comment", ""),
            ("Location", ""),
            ("Owner", scope.user),
        ]
    )
    missing = quote(f"[SCHEMA_NOT_FOUND] The schema `{catalog}`.`{schema}` cannot be found.")
    return Query(
        f"SELECT info_name AS database_description_item, info_value AS database_description_value FROM ({rows}) "
        f"WHERE CASE WHEN EXISTS ({found}) THEN true ELSE error({missing}) END"
    )


def _describe_function(cursor: Cursor) -> Step:
    scope, parts = cursor.request.scope, cursor.name()
    schema = parts[-2] if len(parts) > 1 else scope.schema
    catalog = parts[0] if len(parts) == 3 else scope.catalog
    return Query(
        "SELECT 'Function: ' || dbx_catalog(database_name) || '.' || schema_name || '.' || function_name "
        "|| chr(10) || 'Input: ' || "
        "array_to_string(parameters, ', ') || chr(10) || 'Body (DuckDB): ' || macro_definition AS "
        "function_desc FROM duckdb_functions() "
        f"WHERE database_name = {quote(inside(catalog))} AND lower(schema_name) = {quote(schema.lower())} "
        f"AND lower(function_name) = {quote(parts[-1].lower())}"
    )
