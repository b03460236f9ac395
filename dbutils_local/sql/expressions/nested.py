"""Arrays and JSON: tests over arrays, paths into JSON text, JSON text with a schema."""

from __future__ import annotations

import json
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.expressions.casts import data_type
from dbutils_local.sql.expressions.trees import call, duck
from dbutils_local.sql.scope import Scope


def exists(node: Any, _: Scope) -> Any:
    """exists(array, x -> test); EXISTS (query) is another thing of the same name."""
    test = node.args.get("expression")
    return node if test is None else call("dbx_exists", call("list_transform", node.this, test))


def reduced(node: Any, _: Scope) -> Any:
    """reduce(array, start, merge, finish): DuckDB's has no finish, so that is applied to a list of the one result."""
    finish = node.args.get("finish")
    if finish is None:
        return node
    result = exp.Reduce(this=node.this, initial=node.args["initial"], merge=node.args["merge"])
    return call("list_extract", call("list_transform", exp.array(result), finish), exp.Literal.number(1))


def json_path(node: Any, _: Scope) -> Any:
    """`column:path` and get_json_object give text, without the quotes JSON puts around it."""
    path = node.expression.sql("duckdb") if isinstance(node.expression, exp.JSONPath) else node.expression
    arguments = [node.this, duck(path) if isinstance(path, str) else path]
    if isinstance(path, str) and "*" in path:
        return exp.cast(call("to_json", call("json_extract", *arguments)), "TEXT")
    return call("json_extract_string", *arguments)


def from_json(node: Any, _: Scope) -> Any:
    """from_json(text, DDL schema) becomes DuckDB's json structure."""
    schema = node.expression
    if not isinstance(schema, exp.Literal) or not schema.is_string:
        raise NotSupportedHere("from_json needs its schema as a string literal on the embedded SQL engine")
    return call("from_json", node.this, exp.Literal.string(json.dumps(_json_structure(_parsed_schema(schema.name)))))


def _parsed_schema(text: str) -> Any:
    """A DDL schema (`a INT, b ARRAY<STRING>`, or a type alone) as a sqlglot type."""
    for candidate in (text, f"STRUCT<{text}>"):
        try:
            return exp.DataType.build(candidate, dialect="databricks")
        except SqlglotError:
            continue
    raise NotSupportedHere(f"from_json: {text!r} is not a schema (expected such as 'a INT, b ARRAY<STRING>')")


def _json_structure(kind: Any) -> Any:
    match kind.this:
        case exp.DataType.Type.STRUCT:
            return {field.name: _json_structure(field.args["kind"]) for field in kind.expressions}
        case exp.DataType.Type.ARRAY | exp.DataType.Type.LIST:
            return [_json_structure(kind.expressions[0])]
        case exp.DataType.Type.MAP:
            key, value = kind.expressions
            return f"MAP({_json_type(key)}, {_json_type(value)})"
    return _json_type(kind)


def _json_type(kind: Any) -> str:
    return str(
        kind.transform(lambda node: data_type(node, Scope()) if type(node).__name__ == "DataType" else node).sql(
            "duckdb"
        )
    )
