"""Session variables: declared, assigned, dropped."""

from __future__ import annotations

from collections.abc import Mapping

from dbutils_local.errors import UserError
from dbutils_local.sql import steps
from dbutils_local.sql.duckdb_engine.session import Session
from dbutils_local.sql.duckdb_engine.shapes import columns_of_query, databricks_typed
from dbutils_local.sql.duckdb_engine.types import literal
from dbutils_local.sql.parameters import edited, markers, string_literal
from dbutils_local.sql.result import StatementResult
from dbutils_local.sql.scan import code
from dbutils_local.sql.scope import Variable


def declare(session: Session, step: steps.Declare, text: str) -> StatementResult:
    """DECLARE VARIABLE."""
    for name in step.names:
        if name.lower() in session.variables and not step.replace:
            raise UserError(f"[VARIABLE_ALREADY_EXISTS] Cannot create the variable `{name}` because it already exists.")
        value = f"CAST({step.value} AS {step.kind})" if step.kind else step.value
        _store(session, name, f"SELECT {value}")
    return StatementResult(text)


def _store(session: Session, name: str, query: str) -> None:
    shaped = databricks_typed(session, query)
    (_, found), *_ = columns_of_query(session, shaped)
    row = session.connection.execute(shaped).fetchone()
    value = row[0] if row is not None else None
    session.variables[name.lower()] = Variable(str(found), literal(value), "" if value is None else str(value))


def assign(session: Session, step: steps.Assign, text: str) -> StatementResult:
    """SET VAR: the one row of a query into variables, each in its own type."""
    for name in step.names:
        if name.lower() not in session.variables:
            raise UserError(
                f"[UNRESOLVED_VARIABLE] Cannot resolve variable `{name}` on search path `system`.`session`."
            )
    count = int(session.connection.execute(f"SELECT count(*) FROM ({step.query})").fetchone()[0])
    if count > 1:
        raise UserError("[ROW_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery used as a row.")
    inner = ", ".join(f"c{index}" for index in range(len(step.names)))
    fresh = {}
    for index, name in enumerate(step.names):
        kind = session.variables[name.lower()].kind
        value = session.connection.execute(
            f"SELECT CAST(c{index} AS {kind}) FROM ({step.query}) AS v({inner})"
        ).fetchone()
        plain = value[0] if value is not None else None
        fresh[name.lower()] = Variable(kind, literal(plain), "" if plain is None else str(plain))
    session.variables.update(fresh)
    return StatementResult(text)


def drop_variable(session: Session, step: steps.DropVariable, text: str) -> StatementResult:
    """DROP TEMPORARY VARIABLE."""
    if session.variables.pop(step.name, None) is None and not step.if_exists:
        raise UserError(f"[VARIABLE_NOT_FOUND] The variable `{step.name}` cannot be found.")
    return StatementResult(text)


def filled_text(session: Session, step: steps.RunText) -> str:
    """The text EXECUTE IMMEDIATE runs, its `?` and `:name` markers filled with literals."""
    row = session.connection.execute(f"SELECT {step.text}").fetchone()
    positional = [_literal_of(session, value) for name, value in step.arguments if name is None]
    named = {name: _literal_of(session, value) for name, value in step.arguments if name is not None}
    return _with_arguments(str(row[0]), positional, named)


def _literal_of(session: Session, expression: str) -> str:
    """The value of a DuckDB expression as a Databricks literal."""
    (value,) = session.connection.execute(f"SELECT {expression}").fetchone()
    return string_literal(value) if isinstance(value, str) else literal(value)


def _with_arguments(text: str, positional: list[str], named: Mapping[str, str]) -> str:
    places = [token for token in code(text) if token.text == "?"]
    if len(places) != len(positional) and not named:
        raise UserError(f"[UNBOUND_SQL_PARAMETER] EXECUTE IMMEDIATE: {len(places)} markers, {len(positional)} values")
    edits = [(token.start, token.end, value) for token, value in zip(places, positional, strict=False)]
    folded = {name.lower(): value for name, value in named.items()}
    edits += [
        (mark.start, mark.end, folded[mark.name.lower()]) for mark in markers(text) if mark.name.lower() in folded
    ]
    return edited(text, edits)


def assign_row(session: Session, targets: tuple[str, ...], result: StatementResult) -> StatementResult:
    """EXECUTE IMMEDIATE ... INTO: the only row of a result into variables, NULL where there is none."""
    if result.row_count > 1:
        raise UserError("[ROW_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery used as a row.")
    values = result.rows[0] if result.rows else (None,) * len(targets)
    query = "SELECT " + ", ".join(literal(value) for value in values)
    return assign(session, steps.Assign(targets, query), result.statement)
