"""Queries run and answered: rows in Databricks' types, and the lazy frame over them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from dbutils_local.sql import names, steps
from dbutils_local.sql.duckdb_engine.session import Session
from dbutils_local.sql.duckdb_engine.shapes import databricks_typed
from dbutils_local.sql.duckdb_engine.temp_views import make_temp_view
from dbutils_local.sql.duckdb_engine.types import literal, word
from dbutils_local.sql.frame import SqlFrame, Table
from dbutils_local.sql.result import StatementResult


def query(session: Session, step: steps.Query, text: str) -> StatementResult:
    """The answer of a Query step."""
    return answered(session, step.sql, text, step.notice)


def answered(session: Session, sql: str, text: str, notice: str | None = None) -> StatementResult:
    """Run a DuckDB query: its rows up to the session's limit, their number, and a frame over all of them."""
    shaped = sql if sql.startswith("EXPLAIN") else databricks_typed(session, sql)
    table = fetch(session, shaped, session.limit + 1)
    count = len(table.rows)
    if count > session.limit:
        count = int(session.connection.execute(f"SELECT count(*) FROM ({shaped})").fetchone()[0])
    frame = None if sql.startswith("EXPLAIN") else frame_over(session, shaped, table.columns, table.types)
    return StatementResult(text, table.columns, table.types, table.rows[: session.limit], count, notice, frame)


def frame_over(session: Session, sql: str, columns: tuple[str, ...], types: tuple[str, ...]) -> SqlFrame:
    """A lazy frame over a DuckDB query of this session."""
    return SqlFrame(
        sql, columns, types, partial(fetch, session), partial(_view_of_frame, session), partial(to_pandas, session)
    )


def fetch(session: Session, sql: str, limit: int | None) -> Table:
    """The rows of a DuckDB query, at most `limit`."""
    with session.open() as connection:
        result = connection.execute(sql)
        described = result.description or []
        rows = result.fetchall() if limit is None else result.fetchmany(limit)
    return Table(
        tuple(item[0] for item in described),
        tuple(word(item[1]) for item in described),
        tuple(tuple(row) for row in rows),
    )


def to_pandas(session: Session, sql: str) -> Any:
    """The rows of a DuckDB query as a pandas DataFrame."""
    with session.open() as connection:
        return connection.execute(sql).df()


def listed(
    session: Session,
    text: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
    notice: str | None = None,
    cast: str | None = None,
) -> StatementResult:
    """An answer made here, as a result with a frame like any other."""
    if not rows:
        listed = ", ".join(f"CAST(NULL AS VARCHAR) AS {names.ident(name)}" for name in columns)
        return answered(session, f"SELECT {listed} WHERE false", text, notice)
    values = ", ".join(
        "("
        + ", ".join(literal(value) if value is not None else "CAST(NULL AS VARCHAR)" for value in (number, *row))
        + ")"
        for number, row in enumerate(rows)
    )
    inner = ", ".join(names.ident(name) for name in ("dbutils_local_order", *columns))
    listed = ", ".join(f"CAST({name} AS {cast}) AS {name}" if cast else name for name in map(names.ident, columns))
    return answered(
        session,
        f"SELECT {listed} FROM (VALUES {values}) AS dbutils_local_rows({inner}) ORDER BY dbutils_local_order",
        text,
        notice,
    )


def _view_of_frame(session: Session, name: str, sql: str, replace: bool) -> None:
    with session.open():
        make_temp_view(session, steps.MakeTempView(name, sql, replace))
