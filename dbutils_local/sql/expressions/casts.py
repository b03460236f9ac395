"""Types and casts: Databricks cuts fractions off where DuckDB rounds, and has timestamps in one zone."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.trees import call
from dbutils_local.sql.scope import Scope

CAST_FUNCTIONS = {
    "bigint": "BIGINT",
    "smallint": "SMALLINT",
    "tinyint": "TINYINT",
    "int": "INT",
    "binary": "BINARY",
    "decimal": "DECIMAL(10, 0)",
    "boolean": "BOOLEAN",
}


INTEGER_WORDS = {"TINYINT": "tinyint", "SMALLINT": "smallint", "INT": "int", "BIGINT": "bigint"}


def cast(node: Any, scope: Scope) -> Any:
    """Casts to integers cut fractions off as Databricks does; other casts are the same in both."""
    word = INTEGER_WORDS.get(node.to.this.name)
    if word is None or _surely_integer(node.this):
        return node
    prefix = "dbx_try_cast_" if isinstance(node, exp.TryCast) else "dbx_cast_"
    return call(prefix + word, node.this)


def cast_text(value: str, kind: str) -> str:
    """DuckDB text that casts DuckDB text to a DuckDB type as Databricks casts."""
    word = INTEGER_WORDS.get(kind)
    return f"dbx_cast_{word}({value})" if word is not None else f"CAST({value} AS {kind})"


def _surely_integer(node: Any) -> bool:
    return isinstance(node, exp.Count | exp.RowNumber | exp.Null) or (
        isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()
    )


def data_type(node: Any, _: Scope) -> Any:
    """Timestamps carry no zone here (the session is in UTC), and DECIMAL alone has ten digits."""
    kind = node.this
    if kind in (exp.DataType.Type.TIMESTAMPTZ, exp.DataType.Type.TIMESTAMPLTZ, exp.DataType.Type.TIMESTAMPNTZ):
        return exp.DataType(this=exp.DataType.Type.TIMESTAMP, nested=False)
    if kind == exp.DataType.Type.DECIMAL and not node.expressions:
        return exp.DataType.build("DECIMAL(10, 0)")
    if kind == exp.DataType.Type.VARIANT:
        return exp.DataType.build("JSON")
    return node
