"""One Databricks statement to one Step of the embedded engine: what it means on DuckDB, or why it is refused; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql.expressions.text import parse
from dbutils_local.sql.parameters import bind_literals
from dbutils_local.sql.scan import code, named_values, single_marks
from dbutils_local.sql.scope import Scope
from dbutils_local.sql.statements import (
    altering,
    changes,
    copying,
    describe,
    functions,
    namespaces,
    settings,
    show,
    tables,
    variables,
    views,
)
from dbutils_local.sql.statements.adapted import query_text
from dbutils_local.sql.statements.identifiers import fold_identifiers
from dbutils_local.sql.statements.refusals import NO_WORK, REFUSED, refuse_time_travel, refused, without_work
from dbutils_local.sql.statements.request import Cursor, Request
from dbutils_local.sql.steps import Change, CreateAs, Query, Step


def translate(statement: str, scope: Scope, values: Mapping[str, str] | None = None) -> Step:
    """What `statement` means on DuckDB.

    Raises NotSupportedHere for what DuckDB cannot do, UserError for text that is not Databricks SQL.
    """
    bound = fold_identifiers(named_values(single_marks(bind_literals(statement, values or {}))), scope)
    request = Request(bound, tuple(code(bound)), scope)
    if not request.tokens:
        raise UserError("[PARSE_EMPTY_STATEMENT] Syntax error, unexpected empty statement")
    refuse_time_travel(request)
    for words, handler in _BY_LENGTH:
        if request.words(len(words)) == words:
            return handler(request)
    return _parsed(request)


def _parsed(request: Request) -> Step:
    """Statements whose tree says what they are."""
    if (copied := tables.clone(request)) is not None:
        return copied
    tree = parse(_spelled_out(request))
    if isinstance(tree, exp.Query | exp.Values | exp.Table):
        return Query(query_text(tree, request.scope))
    if isinstance(tree, exp.Create):
        return _created(tree, request)
    for kind, handler in _BY_TREE.items():
        if isinstance(tree, kind):
            return handler(tree, request)
    first = " ".join(request.words(2))
    raise NotSupportedHere(
        f"[PARSE_SYNTAX_ERROR] {first}: not a statement the embedded SQL engine knows; sql_engine = spark may"
    )


def _spelled_out(request: Request) -> str:
    """Two short forms sqlglot does not read, in their long form."""
    if request.words(2) == ("REPLACE", "TABLE"):
        return f"CREATE OR {request.text}"
    if request.words(1) == ("TABLE",):
        return f"SELECT * FROM {request.text[request.tokens[0].end :]}"
    return request.text


def _created(tree: Any, request: Request) -> Step:
    handler = _CREATED.get(str(tree.args["kind"]).upper())
    if handler is None:
        raise NotSupportedHere(f"CREATE {tree.args['kind']} is not done by the embedded SQL engine")
    return handler(tree, request)


def _explain(request: Request) -> Step:
    cursor = Cursor(request, 1)
    _ = cursor.take("EXTENDED") or cursor.take("FORMATTED") or cursor.take("COST") or cursor.take("CODEGEN")
    match translate(cursor.rest(), request.scope):
        case Query(sql):
            explained = sql
        case Change(statements=(only,)):
            explained = only
        case CreateAs(query=query):
            explained = query
        case _:
            raise NotSupportedHere("EXPLAIN of this statement is not done by the embedded SQL engine")
    return Query(f"EXPLAIN {explained}", notice="EXPLAIN: the plan is DuckDB's, not Spark's")


# Which statement is handled where: by its first words, the longest phrase first ...
_BY_WORDS: Mapping[str, Callable[[Request], Step]] = {
    **{phrase: refused(phrase) for phrase in REFUSED},
    **{phrase: without_work(phrase) for phrase in NO_WORK},
    "USE": namespaces.use,
    "SET CATALOG": namespaces.set_catalog,
    "CREATE CATALOG": namespaces.create_catalog,
    "DROP CATALOG": namespaces.drop_catalog,
    "CREATE SCHEMA": namespaces.create_schema,
    "CREATE DATABASE": namespaces.create_schema,
    "DROP SCHEMA": namespaces.drop_schema,
    "DROP DATABASE": namespaces.drop_schema,
    "CREATE VOLUME": namespaces.create_volume,
    "CREATE EXTERNAL VOLUME": namespaces.create_external_volume,
    "DROP VOLUME": namespaces.drop_volume,
    "ALTER SCHEMA": namespaces.alter_namespace,
    "ALTER DATABASE": namespaces.alter_namespace,
    "ALTER CATALOG": namespaces.alter_namespace,
    "ALTER VOLUME": namespaces.alter_namespace,
    "DROP TABLE": tables.drop_table,
    "ALTER TABLE": altering.alter_table,
    "COMMENT ON": altering.comment_on,
    "ALTER VIEW": views.alter_view,
    "DROP VIEW": views.drop_view,
    "DROP FUNCTION": functions.drop_function,
    "DROP TEMPORARY FUNCTION": functions.drop_function,
    "DROP TEMP FUNCTION": functions.drop_function,
    "SHOW TABLES": show.show_tables,
    "SHOW VIEWS": show.show_views,
    "SHOW SCHEMAS": show.show_schemas,
    "SHOW DATABASES": show.show_schemas,
    "SHOW NAMESPACES": show.show_schemas,
    "SHOW CATALOGS": show.show_catalogs,
    "SHOW COLUMNS": show.show_columns,
    "SHOW CREATE TABLE": show.show_create,
    "SHOW CREATE VIEW": show.show_create,
    "SHOW FUNCTIONS": show.show_functions,
    "SHOW USER FUNCTIONS": show.show_user_functions,
    "SHOW TBLPROPERTIES": show.show_properties,
    "DESCRIBE": describe.describe,
    "DESC": describe.describe,
    "DECLARE": variables.declare,
    "SET VAR": variables.set_variable,
    "SET VARIABLE": variables.set_variable,
    "DROP TEMPORARY VARIABLE": variables.drop_variable,
    "DROP TEMP VARIABLE": variables.drop_variable,
    "EXECUTE IMMEDIATE": variables.execute_immediate,
    "SET": settings.set_setting,
    "EXPLAIN": _explain,
    "COPY INTO": copying.copy_into,
}
_BY_LENGTH = sorted(
    ((tuple(phrase.split()), handler) for phrase, handler in _BY_WORDS.items()), key=lambda item: -len(item[0])
)

# ... or, parsed whole, by what its tree is: queries, CREATE of something, and these.
_BY_TREE: Mapping[type, Callable[[Any, Request], Step]] = {
    exp.Insert: changes.insert,
    exp.Update: changes.update,
    exp.Delete: changes.delete,
    exp.Merge: changes.merge,
    exp.TruncateTable: changes.truncate,
}
_CREATED: Mapping[str, Callable[[Any, Request], Step]] = {
    "TABLE": tables.create_table,
    "VIEW": views.create_view,
    "FUNCTION": functions.create_function,
}
