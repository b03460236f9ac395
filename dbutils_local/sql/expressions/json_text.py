"""JSON text: paths into it, structures read from it and written to it."""

from __future__ import annotations

import json
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql.expressions.casts import data_type
from dbutils_local.sql.expressions.kinds import Type, kind_of
from dbutils_local.sql.expressions.trees import call, duck, kept_type
from dbutils_local.sql.scope import Scope


def json_path(node: Any, _: Scope) -> Any:
    """`column:path` and get_json_object give text, without the quotes JSON puts around it; NULL of what is no JSON."""
    path = node.expression.sql("duckdb") if isinstance(node.expression, exp.JSONPath) else node.expression
    arguments = [call("dbx_valid_json", node.this), duck(path) if isinstance(path, str) else path]
    if isinstance(path, str) and "*" in path:
        return kept_type(exp.cast(call("to_json", call("json_extract", *arguments)), "TEXT"), node)
    return kept_type(call("json_extract_string", *arguments), node)


def from_json(node: Any, _: Scope) -> Any:
    """from_json(text, DDL schema) becomes DuckDB's json structure; of what is no JSON, NULL in every field."""
    schema = node.expression
    if not isinstance(schema, exp.Literal) or not schema.is_string:  # schema_of_json of a literal has become one
        raise NotSupportedHere("from_json needs its schema as a string literal on the embedded SQL engine")
    structure = _structure(_schema(schema.name))
    macro = "dbx_from_json" if isinstance(structure, dict) else "dbx_from_json_or_null"
    return call(macro, node.this, exp.Literal.string(json.dumps(structure)))


def schema_of_json(node: Any) -> Any:
    """schema_of_json of a literal, as the DDL text Databricks gives."""
    (example,) = node.expressions
    if not isinstance(example, exp.Literal):
        raise NotSupportedHere("schema_of_json needs its example as a string literal on the embedded SQL engine")
    try:
        return exp.Literal.string(_ddl(json.loads(example.name)))
    except ValueError as error:
        raise UserError(f"[CANNOT_PARSE_JSON] schema_of_json: {example.name!r} is no JSON: {error}") from error


def _ddl(value: Any) -> str:
    """The type of a JSON value; of the items of an array the first that says more than NULL."""
    match value:
        case bool():
            return "BOOLEAN"
        case int():
            return "BIGINT"
        case float():
            return "DOUBLE"
        case dict():
            return f"STRUCT<{', '.join(f'{name}: {_ddl(inner)}' for name, inner in value.items())}>"
        case list():
            return f"ARRAY<{_ddl(next((item for item in value if item is not None), None))}>"
    return "STRING"


def to_json(node: Any, _: Scope) -> Any:
    """to_json leaves NULL fields of a struct out, and writes timestamps as ISO 8601 has them."""
    value = node.this
    if isinstance(value, exp.Struct):
        for field in value.expressions:
            if isinstance(field, exp.PropertyEQ):
                field.set("expression", _json_value(field.expression))
        return call("dbx_without_nulls", call("to_json", value))
    return node


def _json_value(node: Any) -> Any:
    if kind_of(node) == Type.TIMESTAMP:
        return call("strftime", node, exp.Literal.string("%Y-%m-%dT%H:%M:%S.%gZ"))
    return node


def _schema(text: str) -> Any:
    """A DDL schema (`a INT, b ARRAY<STRING>`, or a type alone) as a sqlglot type."""
    for candidate in (text, f"STRUCT<{text}>"):
        try:
            return exp.DataType.build(candidate, dialect="databricks")
        except SqlglotError:
            continue
    raise NotSupportedHere(f"from_json: {text!r} is not a schema (expected such as 'a INT, b ARRAY<STRING>')")


def _structure(kind: Any) -> Any:
    match kind.this:
        case Type.STRUCT:
            return {field.name: _structure(field.args["kind"]) for field in kind.expressions}
        case Type.ARRAY | Type.LIST:
            return [_structure(kind.expressions[0])]
        case Type.MAP:
            key, value = kind.expressions
            return f"MAP({_type(key)}, {_type(value)})"
    return _type(kind)


def _type(kind: Any) -> str:
    words = kind.transform(lambda node: data_type(node, Scope()) if isinstance(node, exp.DataType) else node)
    return str(words.sql("duckdb"))
