"""What a SQL task answers with: its last result as JSON for references, every result as text for its log."""

from __future__ import annotations

import base64
import datetime
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from dbutils_local.sql.result import StatementResult

MAX_ROWS = 1000  # what `{{tasks.KEY.output.rows}}` keeps (jobs reference, section 10)
MAX_BYTES = 48 * 1024
LOGGED_ROWS = 20


def output(results: Sequence[StatementResult], text: str) -> dict[str, Any]:
    """The members of runs/get-output: `sql_output` with `rows`, an object each, and what was cut off in `info`."""
    last = next((result for result in reversed(results) if result.has_rows), None)
    rows = [_object(last.columns, row) for row in last.rows[:MAX_ROWS]] if last is not None else []
    kept = fitting(rows)
    notices = [result.notice for result in results if result.notice]
    if last is not None and len(kept) < last.row_count:
        notices.append(
            f"sql_output keeps the first {len(kept)} of {last.row_count} rows ({MAX_ROWS:,} rows and 48 KB at most)"
        )
    found: dict[str, Any] = {"sql_output": {"query_output": {"query_text": text}, "rows": kept}}
    return found | ({"info": "\n".join(notices)} if notices else {})


def fitting(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of the first rows as 48 KB of JSON hold."""
    size = 2
    for index, row in enumerate(rows):
        size += len(json.dumps(row).encode()) + 1
        if size > MAX_BYTES:
            return rows[:index]
    return rows


def _object(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in zip(columns, row, strict=True)}


def plain(value: Any) -> Any:
    """A SQL value as JSON: decimals, dates and times as text, bytes in base64."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return str(value)
        case datetime.datetime():
            return value.isoformat(sep=" ")
        case datetime.date() | datetime.time():
            return value.isoformat()
        case bytes() | bytearray():
            return base64.b64encode(value).decode()
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return str(value)


def log(results: Sequence[StatementResult]) -> str:
    """Every statement with the head of its result, as a person reads it."""
    from dbutils_local.sql.frame import grid

    parts = []
    for result in results:
        parts.append(f"> {result.statement.strip()}")
        if result.has_rows:
            parts.append(grid(result.columns, result.rows[:LOGGED_ROWS], 0).rstrip())
            parts.append(f"{result.row_count} row{'s' if result.row_count != 1 else ''}")
        if result.notice:
            parts.append(f"note: {result.notice}")
        parts.append("")
    return "\n".join(parts)
