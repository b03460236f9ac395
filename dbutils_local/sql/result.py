"""What a statement gives back on either engine: its rows and types, or the error that names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbutils_local.errors import UserError

ROW_LIMIT = 10_000  # rows a statement brings back, as a notebook shows on Databricks (reference 8.3)


@dataclass(frozen=True)
class StatementResult:
    """What one statement gave: at most `limit` rows of `row_count`, or a notice where there are no rows to give.

    `types` are Databricks words (`bigint`, `array<string>`); `frame` is what `_sqldf` becomes: a pyspark DataFrame on
    Spark, a `SqlFrame` on DuckDB, None for a statement without a result.
    """

    statement: str
    columns: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    row_count: int = 0
    notice: str | None = None  # a sentence the user must see
    frame: Any | None = None

    @property
    def has_rows(self) -> bool:
        """Whether this statement answers with a table, be it an empty one."""
        return bool(self.columns)


class StatementFailed(UserError):
    """One statement could not be run; the message holds the engine's reason and the statement."""

    error_code = "BAD_REQUEST"

    def __init__(self, reason: str, statement: str, line: int | None = None) -> None:
        place = f" (line {line})" if line and line > 1 else ""
        super().__init__(f"{reason}\nIn the statement{place}:\n{_indented(statement)}")
        self.reason = reason
        self.statement = statement


def _indented(statement: str) -> str:
    lines = statement.strip().splitlines()
    shown = lines if len(lines) <= 20 else [*lines[:20], f"... ({len(lines) - 20} more lines)"]
    return "\n".join(f"    {line}" for line in shown)
