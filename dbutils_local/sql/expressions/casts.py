"""Types and casts: Databricks cuts fractions off where DuckDB rounds, writes numbers as Java does, reads more dates."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.kinds import Type, is_float, is_integer, kind_of
from dbutils_local.sql.expressions.trees import call, kept_type
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
_WORDS = {
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INT": "int",
    "BIGINT": "bigint",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TEXT": "string",
}
_WHOLE = ("tinyint", "smallint", "int", "bigint")
_TIMES = (Type.DATE, Type.TIMESTAMP)


def cast(node: Any, _: Scope) -> Any:
    """A cast as Databricks casts; a plain one where both do the same."""
    wanted = node.to.this.name
    word = _WORDS.get("TIMESTAMP" if wanted in ("TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ") else wanted)
    if word is None or _same_in_both(node.this, word):
        return node
    prefix = "dbx_try_" if isinstance(node, exp.TryCast) and word != "string" else "dbx_"
    infix = "cast_" if word in _WHOLE else ""
    return kept_type(call(prefix + infix + word, node.this), node)


def cast_text(value: str, kind: str) -> str:
    """DuckDB text that casts DuckDB text to a DuckDB type as Databricks casts."""
    word = _WORDS.get(kind)
    return f"dbx_cast_{word}({value})" if word in _WHOLE else f"CAST({value} AS {kind})"


def try_cast_text(value: str, kind: str) -> str:
    """DuckDB text that casts DuckDB text to a DuckDB type, NULL where it is none."""
    word = _WORDS.get("INT" if kind == "INTEGER" else kind)
    if kind == "VARCHAR":
        return value
    return f"dbx_try_cast_{word}({value})" if word in _WHOLE else f"TRY_CAST({value} AS {kind})"


def _same_in_both(node: Any, word: str) -> bool:
    if isinstance(node, exp.Null):
        return True
    if word == "string":
        return kind_of(node) is not None and not is_float(node)
    if word in ("date", "timestamp"):
        return kind_of(node) in _TIMES or _plain_date(node)
    return isinstance(node, exp.Count | exp.RowNumber) or (isinstance(node, exp.Literal) and is_integer(node))


def _plain_date(node: Any) -> bool:
    """A literal such as '2024-01-31', which both read alike."""
    return isinstance(node, exp.Literal) and node.is_string and len(node.name) == 10 and node.name[4:5] == "-"


def data_type(node: Any, _: Scope) -> Any:
    """Timestamps carry no zone here (the session is in UTC), and DECIMAL alone has ten digits."""
    kind = node.this
    if kind in (Type.TIMESTAMPTZ, Type.TIMESTAMPLTZ, Type.TIMESTAMPNTZ):
        return exp.DataType(this=Type.TIMESTAMP, nested=False)
    if kind == Type.DECIMAL and not node.expressions:
        return exp.DataType.build("DECIMAL(10, 0)")
    if kind == Type.VARIANT:
        return exp.DataType.build("JSON")
    return node
