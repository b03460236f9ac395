"""The words in which types of expressions are asked for: whole numbers, texts, arrays, decimals by their digits."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.sql.scope import Scope

Type = exp.DataType.Type

WHOLE_DIGITS = {Type.TINYINT: 3, Type.SMALLINT: 5, Type.INT: 10, Type.BIGINT: 20}
INTEGERS = (Type.TINYINT, Type.SMALLINT, Type.INT, Type.BIGINT)
FLOATS = (Type.FLOAT, Type.DOUBLE)
_TEXTS = (Type.TEXT, Type.VARCHAR, Type.CHAR)
ITEMS = "items"  # on a column that is a field of each item of an array
MOST_DIGITS = 38
LEAST_SCALE = 6


def kind_of(node: Any) -> Any:
    """The kind of a node's type (exp.DataType.Type), None when it is not known."""
    return node.type.this if node.type is not None and node.type.this != Type.UNKNOWN else None


def is_integer(node: Any) -> bool:
    """Whether the node is known to be a whole number."""
    return kind_of(node) in INTEGERS


def is_text(node: Any) -> bool:
    """Whether the node is known to be text."""
    return kind_of(node) in _TEXTS


def is_float(node: Any) -> bool:
    """Whether the node is known to be a floating point number."""
    return kind_of(node) in FLOATS


def is_array(node: Any) -> bool:
    """Whether the node is known to be an array."""
    return kind_of(node) in (Type.ARRAY, Type.LIST)


def decimal(digits: int, scale: int) -> Any:
    """DECIMAL(digits, scale) as a type."""
    return exp.DataType.build(f"DECIMAL({digits}, {scale})")


def digits_of(node: Any) -> tuple[int, int] | None:
    """Digits and scale of a number as Spark widens it beside a decimal; None for what is no exact number."""
    kind = kind_of(node)
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
        return max(len(node.name.lstrip("0")), 1), 0
    if kind == Type.DECIMAL:
        numbers = [int(part.name) for part in node.type.expressions]
        return (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else (10, 0)
    return (WHOLE_DIGITS[kind], 0) if kind in WHOLE_DIGITS else None


def fitted(digits: int, scale: int) -> tuple[int, int]:
    """Digits and scale brought down to 38 digits as Spark does: whole digits first, at least six behind the point."""
    if digits <= MOST_DIGITS:
        return digits, scale
    whole = digits - scale
    return MOST_DIGITS, max(MOST_DIGITS - whole, min(scale, LEAST_SCALE))


def described(node: Any, _: Scope) -> Any:
    """typeof: the word of a known type, else what DuckDB says in Databricks' words."""
    kind = node.this.type
    if kind is None or (kind.this in (Type.ARRAY, Type.LIST) and not kind.expressions) or kind.this in _UNSURE:
        return exp.Anonymous(this="dbx_typeof", expressions=[node.this])
    word = str(kind.sql("databricks")).lower().replace(", ", ",").replace(": ", ":")
    return exp.Literal.string(word)


_UNSURE = (Type.UNKNOWN, Type.NULL, Type.INTERVAL, Type.JSON)
