"""Text to trees and trees to text: Databricks SQL read, DuckDB SQL and DuckDB types written."""

from __future__ import annotations

import logging
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError, UnsupportedError

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql.expressions.dialect import Reading
from dbutils_local.sql.expressions.rewrite import rewritten
from dbutils_local.sql.scope import Scope


def parse(text: str) -> Any:
    """Databricks SQL text as a tree; UserError with the place when it is no SQL."""
    logger = logging.getLogger("sqlglot")
    disabled, logger.disabled = logger.disabled, True  # what it cannot parse we refuse ourselves, in one sentence
    try:
        tree = sqlglot.parse_one(text, read=Reading)
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        near = str(first.get("highlight", "")).strip()
        reason = str(first.get("description", error)).rstrip(".")
        raise UserError(
            f"[PARSE_SYNTAX_ERROR] Syntax error at or near '{near}' (line {first.get('line', 1)}, pos "
            f"{first.get('col', 0)}): {reason}"
        ) from error
    except SqlglotError as error:
        raise UserError(f"[PARSE_SYNTAX_ERROR] {error}") from error
    finally:
        logger.disabled = disabled
    return tree


def render(tree: Any) -> str:
    """A rewritten tree as DuckDB text; what DuckDB has no words for is refused, not left out."""
    try:
        return str(tree.sql("duckdb", identify=True, unsupported_level=ErrorLevel.RAISE))
    except UnsupportedError as error:
        raise NotSupportedHere(f"the embedded SQL engine cannot do this: {error}") from error


def type_text(text: str) -> str:
    """A Databricks type as DuckDB text."""
    try:
        return render(rewritten(exp.DataType.build(text, dialect="databricks"), Scope()))
    except SqlglotError as error:
        raise UserError(f"[UNSUPPORTED_DATATYPE] Unsupported data type {text!r}") from error
