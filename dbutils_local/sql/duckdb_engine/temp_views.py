"""The temporary views of a session."""

from __future__ import annotations

from dbutils_local.errors import UserError
from dbutils_local.sql import names, steps
from dbutils_local.sql.duckdb_engine.session import Session
from dbutils_local.sql.duckdb_engine.shapes import databricks_typed
from dbutils_local.sql.result import StatementResult


def create_temp_view(session: Session, step: steps.MakeTempView, text: str) -> StatementResult:
    """CREATE TEMPORARY VIEW."""
    make_temp_view(session, step)
    return StatementResult(text)


def make_temp_view(session: Session, step: steps.MakeTempView) -> None:
    """Make or replace a temporary view; UserError where its name is taken or its query reads itself."""
    name, columns = step.name, step.columns
    if name.lower() in session.temp_views and not step.replace:
        raise UserError(
            f"[TEMP_TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create the temporary view `{name}` because it already exists."
        )
    if f'"temp"."main".{names.ident(name)}'.lower() in step.query.lower():
        raise UserError(f"[RECURSIVE_VIEW] Recursive view `{name}` detected (cycle: `{name}` -> `{name}`).")
    listed = f" ({', '.join(map(names.ident, columns))})" if columns else ""
    query = databricks_typed(session, step.query)
    session.connection.execute(f"CREATE OR REPLACE TEMP VIEW {names.ident(name)}{listed} AS {query}")
    session.temp_views.add(name.lower())


def forget_dropped_views(session: Session) -> None:
    """Leave out of the session's memory what a DROP VIEW took away."""
    if session.temp_views:
        rows = session.connection.execute(
            "SELECT lower(view_name) FROM duckdb_views() WHERE temporary AND NOT internal"
        ).fetchall()
        session.temp_views &= {name for (name,) in rows}
