"""DuckDB's errors in Databricks' words."""

from __future__ import annotations

import re

from dbutils_local.sql import names

_CLASSES = (
    (r"Table with name .* does not exist|View with name .* does not exist", "TABLE_OR_VIEW_NOT_FOUND"),
    (r"Schema with name .* does not exist", "SCHEMA_NOT_FOUND"),
    (r'Catalog "[^"]*" does not exist', "NO_SUCH_CATALOG_EXCEPTION"),
    (r"(Table|View) with name .* already exists", "TABLE_OR_VIEW_ALREADY_EXISTS"),
    (r"Schema with name .* already exists", "SCHEMA_ALREADY_EXISTS"),
    (r"Function with name .* already exists", "ROUTINE_ALREADY_EXISTS"),
    (r"Function with name .* does not exist", "UNRESOLVED_ROUTINE"),
    (r"Referenced column .* not found|does not have a column named", "UNRESOLVED_COLUMN"),
    (r"Ambiguous reference to column", "AMBIGUOUS_REFERENCE"),
    (r"NOT NULL constraint failed", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"),
    (r"Could not convert string|(date|timestamp) field|Malformed JSON", "CAST_INVALID_INPUT"),
    (r"Could not parse string", "CANNOT_PARSE_TIMESTAMP"),
    (r"Date out of range", "DATETIME_FIELD_OUT_OF_BOUNDS"),
    (r"Could not cast value .* to DECIMAL", "NUMERIC_VALUE_OUT_OF_RANGE"),
    (r"out of range for the destination type", "CAST_OVERFLOW"),
    (r"Overflow in \w+ of INT(8|16) ", "BINARY_ARITHMETIC_OVERFLOW"),
    (r"out of range|Overflow", "ARITHMETIC_OVERFLOW"),
    (r"must appear in the GROUP BY", "MISSING_AGGREGATION"),
    (r"Parser Error", "PARSE_SYNTAX_ERROR"),
)


def reason(error: Exception) -> str:
    """DuckDB's message with Databricks' error class and catalog names, without its drawing of the translated text."""
    text = names.shown(str(error)).split("\n\nLINE ")[0].split("\nDid you mean")[0].strip()
    own = re.search(r"\[[A-Z_.]+\] .*", text, re.DOTALL)
    if own is not None:
        return own.group()
    found = next((word for pattern, word in _CLASSES if re.search(pattern, text)), None)
    return f"[{found}] {text}" if found is not None else text
