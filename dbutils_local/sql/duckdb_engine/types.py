"""DuckDB's types and values in Databricks' words."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

_WORDS = {
    "boolean": "boolean",
    "tinyint": "tinyint",
    "smallint": "smallint",
    "integer": "int",
    "bigint": "bigint",
    "utinyint": "smallint",
    "usmallint": "int",
    "uinteger": "bigint",
    "float": "float",
    "double": "double",
    "varchar": "string",
    "blob": "binary",
    "date": "date",
    "timestamp": "timestamp",
    "timestamp with time zone": "timestamp",
    "timestamp_ns": "timestamp",
    "timestamp_ms": "timestamp",
    "timestamp_s": "timestamp",
    "interval": "interval",
    "sqlnull": "void",
    "null": "void",
    '"null"': "void",
}

# DuckDB types Databricks has not, and what Databricks would have given.
_CASTS = {
    "hugeint": "BIGINT",
    "uhugeint": "BIGINT",
    "ubigint": "BIGINT",
    "uinteger": "BIGINT",
    "usmallint": "INTEGER",
    "utinyint": "SMALLINT",
    "uuid": "VARCHAR",
    "timestamp with time zone": "TIMESTAMP",
    "json": "VARCHAR",
    "enum": "VARCHAR",
}


def word(kind: Any) -> str:
    """A DuckDB type (duckdb.DuckDBPyType) as Databricks writes it: `array<struct<a:int>>`."""
    name = str(kind.id)
    match name:
        case "list" | "array":
            return f"array<{word(kind.children[0][1])}>"
        case "struct":
            return "struct<" + ",".join(f"{field}:{word(inner)}" for field, inner in kind.children) + ">"
        case "map":
            return f"map<{word(kind.children[0][1])},{word(kind.children[1][1])}>"
        case "decimal":
            return f"decimal({kind.children[0][1]},{kind.children[1][1]})"
    return _WORDS.get(name, name)


def needs_cast(kind: Any) -> str | None:
    """The DuckDB type a result column is cast to so that it has a type Databricks has; None when it has one."""
    return _CASTS.get(str(kind).lower()) or _CASTS.get(str(kind.id))


def literal(value: Any) -> str:
    """A value as a DuckDB literal of its type."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case float():
            return f"CAST('{value!r}' AS DOUBLE)"
        case datetime.datetime():
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case datetime.date():
            return f"DATE '{value.isoformat()}'"
        case list() | tuple():
            return "[" + ", ".join(literal(item) for item in value) + "]"
        case dict():
            return "{" + ", ".join(f"{_quoted(str(key))}: {literal(item)}" for key, item in value.items()) + "}"
        case bytes():
            return "unhex('" + value.hex() + "')"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
