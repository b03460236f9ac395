"""SQL functions as DuckDB macros."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlglot import exp

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.expressions.casts import cast_text
from dbutils_local.sql.expressions.text import render, type_text
from dbutils_local.sql.names import ident, place
from dbutils_local.sql.scope import Scope
from dbutils_local.sql.sources.tables import parts_of
from dbutils_local.sql.statements.adapted import adapted, query_text
from dbutils_local.sql.statements.properties import flags_of, property_of
from dbutils_local.sql.statements.request import Cursor, Request, if_exists
from dbutils_local.sql.steps import Change, Step


def create_function(tree: Any, request: Request) -> Step:
    """A SQL function as a DuckDB macro; its parameters are cast to their types, its value to the one it returns."""
    scope = request.scope
    signature, body = tree.this, tree.expression
    language = property_of(tree, exp.LanguageProperty)
    if language is not None and language.this.name.upper() != "SQL":
        raise NotSupportedHere(
            f"functions in {language.this.name.upper()} are not run by the embedded SQL engine; only SQL functions are"
        )
    if body is None:
        raise NotSupportedHere("CREATE FUNCTION needs RETURN <expression> or RETURN <query> on the embedded SQL engine")
    body = body.this if isinstance(body, exp.Return) else body
    parameters = signature.expressions if isinstance(signature, exp.UserDefinedFunction) else []
    named = signature.this if isinstance(signature, exp.UserDefinedFunction) else signature
    types = {item.name.lower(): item.args["kind"] for item in parameters}
    body = body.transform(lambda node: _typed_parameter(node, types))
    temporary = property_of(tree, exp.TemporaryProperty) is not None
    name = (
        f"temp.main.{ident(parts_of(named)[-1])}"
        if temporary
        else place(parts_of(named), replace(scope, temp_views=frozenset()))
    )
    flags = flags_of(tree)
    listed = ", ".join(_parameter(item, scope) for item in parameters)
    return Change((f"{flags.head('MACRO', name)}({listed}) AS {_function_body(tree, body, scope)}",))


def _typed_parameter(node: Any, types: dict[str, Any]) -> Any:
    if not isinstance(node, exp.Column) or node.name.lower() not in types or len(node.parts) > 2:
        return node
    return exp.Cast(this=exp.column(exp.to_identifier(node.name, quoted=True)), to=types[node.name.lower()].copy())


def _parameter(item: Any, scope: Scope) -> str:
    default = next((c.kind for c in item.constraints if isinstance(c.kind, exp.DefaultColumnConstraint)), None)
    return ident(item.name) + (f" := {render(adapted(default.this.copy(), scope))}" if default is not None else "")


def _function_body(tree: Any, body: Any, scope: Scope) -> str:
    returns = property_of(tree, exp.ReturnsProperty)
    if returns is not None and (returns.args.get("is_table") or returns.args.get("table")):
        columns = list(returns.this.expressions) if isinstance(returns.this, exp.Schema) else []
        query = query_text(body, scope)
        if not columns:
            return f"TABLE {query}"
        typed = ", ".join(
            f"CAST({ident(item.name)} AS {type_text(item.args['kind'].sql('databricks'))}) AS {ident(item.name)}"
            for item in columns
        )
        return (
            f"TABLE SELECT {typed} FROM ({query}) AS "
            f"dbutils_local_rows({', '.join(ident(item.name) for item in columns)})"
        )
    value = f"({query_text(body, scope)})" if isinstance(body, exp.Query) else render(adapted(body, scope))
    if returns is None or not isinstance(returns.this, exp.DataType):
        return value
    return cast_text(value, type_text(returns.this.sql("databricks")))


def drop_function(request: Request) -> Step:
    """DROP [TEMPORARY] FUNCTION [IF EXISTS] f."""
    cursor = Cursor(request, 1)
    temporary = cursor.take("TEMPORARY") or cursor.take("TEMP")
    cursor.expect("FUNCTION")
    exists = "IF EXISTS " if if_exists(cursor) else ""
    parts = cursor.name()
    cursor.end()
    name = (
        f"temp.main.{ident(parts[-1])}" if temporary else place(parts, replace(request.scope, temp_views=frozenset()))
    )
    return Change((f"DROP FUNCTION {exists}{name}",))
