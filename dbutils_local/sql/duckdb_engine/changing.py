"""Statements that change rows, tables and views, each all or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dbutils_local.errors import UserError
from dbutils_local.sql import steps
from dbutils_local.sql.duckdb_engine.answers import listed
from dbutils_local.sql.duckdb_engine.session import Session
from dbutils_local.sql.duckdb_engine.shapes import databricks_typed
from dbutils_local.sql.duckdb_engine.temp_views import forget_dropped_views
from dbutils_local.sql.result import StatementResult
from dbutils_local.sql.steps import Count


def change(session: Session, step: steps.Change, text: str) -> StatementResult:
    """Check, then run the statements of a change in one transaction; the answer is what was counted."""
    connection = session.connection
    for query, message in step.checks:
        if connection.execute(query).fetchone() is not None:
            raise UserError(message)
    answer = in_transaction(session, [_as_kept(session, statement) for statement in step.statements])
    forget_dropped_views(session)
    columns, row = _counts(step.count, answer)
    if not columns:
        return StatementResult(text, notice=step.notice)
    return listed(session, text, columns, [row], step.notice, cast="BIGINT")


def _as_kept(session: Session, statement: str) -> str:
    """DROP TABLE as DROP VIEW where the table is one over files, which is kept as a view that reads them."""
    head, _, table = statement.partition("DROP TABLE ")
    if head or not table:
        return statement
    readers = session.connection.execute(
        "SELECT database_name, schema_name, view_name FROM duckdb_views() "
        "WHERE NOT internal AND regexp_matches(sql, '(?i) FROM read_(csv|json|parquet|text)')"
    ).fetchall()
    bare = table.removeprefix("IF EXISTS ").replace('"', "").lower()
    known = {".".join(parts).lower() for parts in readers}
    return f"DROP VIEW {table}" if bare in known else statement


def in_transaction(session: Session, statements: Sequence[str]) -> list[tuple[Any, ...]]:
    """Run all or none; the rows the statement that changes rows answered with."""
    answer: list[tuple[Any, ...]] = []
    session.connection.execute("BEGIN")
    try:
        for statement in statements:
            rows = session.connection.execute(statement).fetchall()
            answer = rows if statement.startswith(("INSERT", "UPDATE", "DELETE", "MERGE", "WITH")) else answer
    except BaseException:
        session.connection.execute("ROLLBACK")
        raise
    session.connection.execute("COMMIT")
    return answer


def create_as(session: Session, step: steps.CreateAs, text: str) -> StatementResult:
    """Make a table or view of a query."""
    query = step.query if " VIEW " in step.head else databricks_typed(session, step.query)
    in_transaction(session, [f"{step.head} AS {query}"])
    return StatementResult(text, notice=step.notice)


def _counts(count: Count, answer: list[tuple[Any, ...]]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    match count:
        case Count.NONE:
            return (), ()
        case Count.MERGED:
            actions = [row[0] for row in answer]
            kinds = tuple(actions.count(kind) for kind in ("UPDATE", "DELETE", "INSERT"))
            return ("num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows"), (
                len(actions),
                *kinds,
            )
    number = answer[0][0] if answer else 0
    if count is Count.INSERTED:
        return ("num_affected_rows", "num_inserted_rows"), (number, number)
    return ("num_affected_rows",), (number,)
