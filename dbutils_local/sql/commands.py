"""Statements about the session and the catalog: USE, SHOW, DESCRIBE, variables, COPY INTO, EXECUTE IMMEDIATE."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql import steps
from dbutils_local.sql.names import HIDDEN_SCHEMA, full_name, inside, place
from dbutils_local.sql.scan import Kind, code, quote, unquote
from dbutils_local.sql.steps import Assign, Declare, DropVariable, Nothing, Query, RunText, Step, UseNamespace
from dbutils_local.sql.translate import (
    Cursor,
    Request,
    expression_text,
    if_exists,
    parse,
    pattern_test,
    query_text,
    translate,
    type_text,
)

_NOT_OURS = f"'{HIDDEN_SCHEMA}', 'information_schema', 'pg_catalog', 'main'"


# --- USE ------------------------------------------------------------------------------------------------------------


def _use(request: Request) -> Step:
    cursor = Cursor(request, 1)
    if cursor.take("CATALOG"):
        parts = [unquote(cursor.string())] if cursor.request.tokens[cursor.index].kind is Kind.STRING else cursor.name()
        cursor.end()
        return UseNamespace(parts[0], None)
    _ = cursor.take("SCHEMA") or cursor.take("DATABASE") or cursor.take("NAMESPACE")
    parts = cursor.name()
    cursor.end()
    if len(parts) > 2:
        raise UserError(
            f"[REQUIRES_SINGLE_PART_NAMESPACE] USE takes a schema or catalog.schema, found {'.'.join(parts)}"
        )
    return UseNamespace(parts[0] if len(parts) == 2 else None, parts[-1])


def _set_catalog(request: Request) -> Step:
    cursor = Cursor(request, 2)
    name = cursor.next()
    return UseNamespace(unquote(name.text) if name.kind is Kind.STRING else name.text.strip("`"), None)


# --- SHOW -----------------------------------------------------------------------------------------------------------


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


def _show_tables(request: Request) -> Step:
    cursor = Cursor(request, 2)
    catalog, schema = _namespace(cursor)
    test = pattern_test("table_name", _pattern(cursor))
    return Query(
        'SELECT table_schema AS database, table_name AS "tableName", table_schema = \'\' AS "isTemporary" FROM ('
        "SELECT table_schema, table_name FROM information_schema.tables WHERE table_catalog = "
        f"{quote(inside(catalog))} "
        f"AND lower(table_schema) = {quote(schema.lower())} UNION ALL SELECT '', view_name FROM "
        "duckdb_views() WHERE temporary AND NOT internal"
        f") WHERE {test} ORDER BY 1, 2"
    )


def _show_views(request: Request) -> Step:
    cursor = Cursor(request, 2)
    catalog, schema = _namespace(cursor)
    test = pattern_test("view_name", _pattern(cursor))
    return Query(
        "SELECT CASE WHEN temporary THEN '' ELSE schema_name END AS namespace, view_name AS "
        '"viewName", temporary AS "isTemporary", '
        'false AS "isMaterialized" FROM duckdb_views() WHERE NOT internal AND (temporary OR '
        f"(database_name = {quote(inside(catalog))} AND lower(schema_name) = {quote(schema.lower())})) "
        f"AND {test} ORDER BY 1, 2"
    )


def _show_schemas(request: Request) -> Step:
    cursor = Cursor(request, 2)
    catalog = request.scope.catalog
    if cursor.take("IN") or cursor.take("FROM"):
        catalog = cursor.name()[-1]
    test = pattern_test("schema_name", _pattern(cursor))
    return Query(
        f'SELECT schema_name AS "databaseName" FROM duckdb_schemas() WHERE database_name = {quote(inside(catalog))} '
        f"AND schema_name NOT IN ({_NOT_OURS}) AND {test} ORDER BY 1"
    )


def _show_catalogs(request: Request) -> Step:
    test = pattern_test("dbx_catalog(database_name)", _pattern(Cursor(request, 2)))
    return Query(
        "SELECT dbx_catalog(database_name) AS catalog FROM duckdb_databases() "
        f"WHERE NOT internal AND database_name <> 'memory' AND {test} ORDER BY 1"
    )


def _show_columns(request: Request) -> Step:
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


def _show_create(request: Request) -> Step:
    cursor = Cursor(request, 3)
    parts = cursor.name()
    cursor.end()
    return steps.ShowCreate(place(parts, request.scope), full_name(parts, request.scope))


def _show_functions(request: Request) -> Step:
    cursor = Cursor(request, 2)
    scope = request.scope
    catalog, schema = _namespace(cursor)
    test = pattern_test("function_name", _pattern(cursor))
    return Query(
        "SELECT DISTINCT dbx_catalog(database_name) || '.' || schema_name || '.' || function_name AS "
        "function FROM duckdb_functions() "
        f"WHERE NOT internal AND database_name = {quote(inside(catalog))} AND lower(schema_name) = "
        f"{quote(schema.lower())} AND {test} ORDER BY 1",
        notice=f"functions of {catalog}.{schema} only; the built-in ones are not listed" if scope else None,
    )


def _show_user_functions(request: Request) -> Step:
    return _show_functions(Request(request.text, request.tokens[1:], request.scope))


def _show_properties(request: Request) -> Step:
    return Query(
        "SELECT CAST(NULL AS VARCHAR) AS key, CAST(NULL AS VARCHAR) AS value WHERE false",
        notice="SHOW TBLPROPERTIES: table properties are not kept here",
    )


def _show_volumes(request: Request) -> Step:
    raise NotSupportedHere(
        "SHOW VOLUMES is not done by the embedded SQL engine: list /Volumes with dbutils.fs.ls or %fs ls"
    )


# --- DESCRIBE -------------------------------------------------------------------------------------------------------


def _describe(request: Request) -> Step:
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


# --- variables and settings -----------------------------------------------------------------------------------------


def _declare(request: Request) -> Step:
    cursor = Cursor(request, 1)
    replace = cursor.take("OR", "REPLACE")
    cursor.take("VARIABLE")
    names = [cursor.name()[-1]]
    while cursor.take(","):
        names.append(cursor.name()[-1])
    start = request.tokens[cursor.index].start if not cursor.done else len(request.text)
    kind_end, value_start = len(request.text), None
    depth = 0
    for token in request.tokens[cursor.index :]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and (token.word == "DEFAULT" or token.text == "="):
            kind_end, value_start = token.start, token.end
            break
    kind = request.text[start:kind_end].strip()
    value = expression_text(request.text[value_start:], request.scope) if value_start is not None else "NULL"
    return Declare(tuple(names), type_text(kind) if kind else None, value, replace)


def _set_variable(request: Request) -> Step:
    """SET VAR a = 1, b = 2, or SET VAR (a, b) = (query)."""
    cursor = Cursor(request, 2)
    if cursor.peek("("):
        inner = cursor.group()
        cursor.expect("=")
        query = query_text(parse(cursor.group()), request.scope)
        return Assign(tuple(token.text.strip("`").lower() for token in code(inner) if token.kind is Kind.NAME), query)
    names, values = [], []
    for piece in _pieces(cursor.rest()):
        name, value = piece.split("=", 1)
        names.append(name.strip().strip("`").split(".")[-1].lower())
        values.append(
            f"DEFAULT_OF:{names[-1]}" if value.strip().upper() == "DEFAULT" else expression_text(value, request.scope)
        )
    if any(value.startswith("DEFAULT_OF:") for value in values):
        raise NotSupportedHere("SET VAR ... = DEFAULT is not done by the embedded SQL engine: give the value")
    return Assign(tuple(names), "SELECT " + ", ".join(values))


def _pieces(text: str) -> list[str]:
    """The text split at commas outside parentheses and quotes."""
    pieces, depth, start = [], 0, 0
    for token in code(text):
        depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            pieces.append(text[start : token.start])
            start = token.end
    return [*pieces, text[start:]]


def _drop_variable(request: Request) -> Step:
    cursor = Cursor(request, 3)
    lenient = if_exists(cursor)
    name = cursor.name()[-1]
    cursor.end()
    return DropVariable(name.lower(), lenient)


def _set(request: Request) -> Step:
    """SET key = value: a Spark setting, answered as Databricks does and marked as without effect."""
    if len(request.tokens) == 1 or request.words(2)[1] == "-":
        return Query(
            "SELECT CAST(NULL AS VARCHAR) AS key, CAST(NULL AS VARCHAR) AS value WHERE false",
            notice="SET: there are no Spark settings here",
        )
    if request.words(3)[1:] == ("TIME", "ZONE"):
        return _time_zone(request)
    body = request.text[request.tokens[1].start :]
    key, _, value = body.partition("=")
    if key.strip().lower() in ("spark.sql.session.timezone",):
        _only_utc(value)
    if key.strip().lower() in ("spark.sql.ansi.enabled", "ansi_mode") and value.strip().lower() == "false":
        raise NotSupportedHere("ANSI mode cannot be switched off on the embedded SQL engine; set sql_engine = spark")
    row = f"SELECT {quote(key.strip())} AS key, {quote(value.strip() or '<undefined>')} AS value"
    return Query(row, notice=f"SET {key.strip()}: no effect, there is no Spark here")


def _time_zone(request: Request) -> Step:
    zone = request.tokens[-1]
    _only_utc(unquote(zone.text) if zone.kind is Kind.STRING else zone.text)
    return Nothing("SET TIME ZONE: the session is in UTC already")


def _only_utc(zone: str) -> None:
    if zone.strip().strip("'\"").upper() not in ("UTC", "ETC/UTC", "GMT", "Z", "+00:00", "LOCAL"):
        raise NotSupportedHere(
            f"the session time zone is UTC on the embedded SQL engine and cannot be {zone.strip()}; set "
            "sql_engine = spark"
        )


# --- EXECUTE IMMEDIATE, EXPLAIN, COPY INTO --------------------------------------------------------------------------


def _execute_immediate(request: Request) -> Step:
    cursor = Cursor(request, 2)
    token = cursor.next()
    text = quote(unquote(token.text)) if token.kind is Kind.STRING else expression_text(token.text, request.scope)
    into: tuple[str, ...] = ()
    if cursor.take("INTO"):
        names = [cursor.name()[-1].lower()]
        while cursor.take(","):
            names.append(cursor.name()[-1].lower())
        into = tuple(names)
    arguments: list[tuple[str | None, str]] = []
    if cursor.take("USING"):
        rest = cursor.group() if cursor.peek("(") and request.tokens[-1].text == ")" else cursor.rest()
        arguments = [_argument(piece, request) for piece in _pieces(rest)]
    cursor.end()
    return RunText(text, tuple(arguments), into)


def _argument(piece: str, request: Request) -> tuple[str | None, str]:
    words = code(piece)
    if len(words) > 2 and words[-2].word == "AS":
        return words[-1].text.strip("`"), expression_text(piece[: words[-2].start], request.scope)
    return None, expression_text(piece, request.scope)


def _explain(request: Request) -> Step:
    cursor = Cursor(request, 1)
    _ = cursor.take("EXTENDED") or cursor.take("FORMATTED") or cursor.take("COST") or cursor.take("CODEGEN")
    match translate(cursor.rest(), request.scope):
        case Query(sql):
            explained = sql
        case steps.Change(statements=(only,)):
            explained = only
        case steps.CreateAs(query=query):
            explained = query
        case _:
            raise NotSupportedHere("EXPLAIN of this statement is not done by the embedded SQL engine")
    return Query(f"EXPLAIN {explained}", notice="EXPLAIN: the plan is DuckDB's, not Spark's")


def _copy_into(request: Request) -> Step:
    cursor = Cursor(request, 2)
    parts = cursor.name()
    if cursor.peek("("):
        raise NotSupportedHere(
            "COPY INTO with a column list is not done by the embedded SQL engine: use COPY INTO t FROM "
            "(SELECT ... FROM path)"
        )
    if cursor.take("BY", "POSITION"):
        raise NotSupportedHere("COPY INTO ... BY POSITION is not done by the embedded SQL engine")
    cursor.expect("FROM")
    select, path = _copy_source(cursor)
    if cursor.take("WITH"):
        raise NotSupportedHere("COPY INTO ... WITH (CREDENTIAL ...) is not done by the embedded SQL engine")
    cursor.expect("FILEFORMAT")
    cursor.take("=")
    kind = cursor.next().text
    files: tuple[str, ...] = ()
    pattern, options, copy = None, {}, {}
    while not cursor.done:
        if cursor.take("FILES"):
            cursor.take("=")
            files = tuple(unquote(token.text) for token in code(cursor.group()) if token.kind is Kind.STRING)
        elif cursor.take("PATTERN"):
            cursor.take("=")
            pattern = cursor.string()
        elif cursor.take("FORMAT_OPTIONS"):
            options = cursor.pairs()
        elif cursor.take("COPY_OPTIONS"):
            copy = {key.lower(): value for key, value in cursor.pairs().items()}
        elif cursor.peek("VALIDATE"):
            raise NotSupportedHere("COPY INTO ... VALIDATE is not done by the embedded SQL engine")
        else:
            cursor.end()
    scope = request.scope
    return steps.CopyInto(
        table=place(parts, scope),
        catalog=parts[0] if len(parts) == 3 else scope.catalog,
        path=path,
        pattern=pattern,
        files=files,
        format=kind,
        options=options,
        select=select,
        force=copy.get("force", "false").lower() == "true",
        merge_schema=copy.get("mergeschema", "false").lower() == "true",
    )


def _copy_source(cursor: Cursor) -> tuple[str | None, str]:
    """`'path'`, or `(SELECT ... FROM 'path')` as a query over a placeholder."""
    if not cursor.peek("("):
        return None, cursor.string()
    inner = cursor.group()
    tokens = code(inner)
    for before, token in pairwise(tokens):
        if before.word == "FROM" and token.kind is Kind.STRING:
            text = inner[: token.start] + steps.SOURCE + inner[token.end :]
            return query_text(parse(text), cursor.request.scope), unquote(token.text)
    raise UserError("[PARSE_SYNTAX_ERROR] COPY INTO: expected (SELECT ... FROM 'path')")


def _comment(request: Request) -> Step:
    """COMMENT ON TABLE | COLUMN is kept; on a schema or catalog there is nowhere to keep it."""
    cursor = Cursor(request, 2)
    kind = cursor.next().word
    parts = cursor.name()
    cursor.expect("IS")
    text = "NULL" if cursor.peek("NULL") else quote(cursor.string())
    if kind == "COLUMN":
        return steps.Change((f'COMMENT ON COLUMN {place(parts[:-1], request.scope)}."{parts[-1]}" IS {text}',))
    if kind in ("TABLE", "VIEW"):
        return steps.Change((f"COMMENT ON TABLE {place(parts, request.scope)} IS {text}",))
    return Nothing(f"COMMENT ON {kind}: nothing done, comments are kept on tables and columns only")


def _widget(request: Request) -> Step:
    raise NotSupportedHere("CREATE WIDGET and REMOVE WIDGET work in notebook cells only: there is no notebook here")


HANDLERS: dict[str, Callable[[Request], Step]] = {
    "USE": _use,
    "SET CATALOG": _set_catalog,
    "SHOW TABLES": _show_tables,
    "SHOW VIEWS": _show_views,
    "SHOW SCHEMAS": _show_schemas,
    "SHOW DATABASES": _show_schemas,
    "SHOW NAMESPACES": _show_schemas,
    "SHOW CATALOGS": _show_catalogs,
    "SHOW COLUMNS": _show_columns,
    "SHOW CREATE TABLE": _show_create,
    "SHOW CREATE VIEW": _show_create,
    "SHOW FUNCTIONS": _show_functions,
    "SHOW USER FUNCTIONS": _show_user_functions,
    "SHOW TBLPROPERTIES": _show_properties,
    "SHOW VOLUMES": _show_volumes,
    "DESCRIBE": _describe,
    "DESC": _describe,
    "DECLARE": _declare,
    "SET VAR": _set_variable,
    "SET VARIABLE": _set_variable,
    "DROP TEMPORARY VARIABLE": _drop_variable,
    "DROP TEMP VARIABLE": _drop_variable,
    "SET": _set,
    "EXECUTE IMMEDIATE": _execute_immediate,
    "EXPLAIN": _explain,
    "COPY INTO": _copy_into,
    "COMMENT ON": _comment,
    "CREATE WIDGET": _widget,
    "REMOVE WIDGET": _widget,
}
