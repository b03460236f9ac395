"""The embedded engine's face: Databricks SQL in, one result a statement out; which step is done where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb

from dbutils_local.errors import UserError
from dbutils_local.sql import steps
from dbutils_local.sql.duckdb_engine import answers, changing, copying, describing, namespaces, temp_views, variables
from dbutils_local.sql.duckdb_engine.reasons import reason
from dbutils_local.sql.duckdb_engine.session import LocalPath, Session
from dbutils_local.sql.elsewhere import Advice
from dbutils_local.sql.parameters import substitute_get_argument, substitute_legacy
from dbutils_local.sql.result import ROW_LIMIT, StatementFailed, StatementResult
from dbutils_local.sql.scan import Statement, split
from dbutils_local.sql.statements.translate import translate


class DuckDbEngine:
    """One session on the DuckDB warehouse in `folder`; safe to use from several threads, one batch at a time."""

    name = "duckdb"

    def __init__(
        self,
        folder: Path,
        *,
        local_path: LocalPath,
        user: str = "local@localhost",
        namespaces: Mapping[str, Sequence[str]] | None = None,
        limit: int = ROW_LIMIT,
        advice: Advice | None = None,
    ) -> None:
        """`namespaces`: catalogs that are there from the start, each with its schemas besides `default`.

        `advice` makes a sentence to follow the reason of a failed statement.
        """
        known = namespaces or {}
        self._session = Session(folder, local_path=local_path, user=user, namespaces=known, limit=limit)
        self._advice = advice if advice is not None else lambda _: ""

    def execute(self, sql_text: str, parameters: Mapping[str, str] | None = None) -> list[StatementResult]:
        """See Engine.execute."""
        values = dict(parameters or {})
        text = substitute_get_argument(substitute_legacy(sql_text, values), values)
        statements = split(text)
        if not statements:
            return []
        with self._session.open():
            return [self._run(statement, values) for statement in statements]

    def _run(self, statement: Statement, values: Mapping[str, str]) -> StatementResult:
        session = self._session
        try:
            return _done(session, translate(statement.text, session.scope(), values), statement.text)
        except StatementFailed:
            raise
        except UserError as error:
            raise StatementFailed(str(error), statement.text, statement.line) from error
        except duckdb.Error as error:
            why = reason(error)
            raise StatementFailed(why + self._advice(why), statement.text, statement.line) from error

    def open(self) -> AbstractContextManager[Any]:
        """The connection with every catalog attached, under the lock."""
        return self._session.open()

    def interrupt(self) -> None:
        """Stop the statement that runs now, from another thread; it raises StatementFailed."""
        if self._session.connection is not None:
            self._session.connection.interrupt()

    def close(self) -> None:
        """End the session; the files stay."""
        self._session.close()


def _done(session: Session, step: steps.Step, text: str) -> StatementResult:
    if isinstance(step, steps.RunText):
        return _run_text(session, step, text)
    return _HANDLERS[type(step)](session, step, text)


def _nothing(_: Session, step: steps.Nothing, text: str) -> StatementResult:
    return StatementResult(text, notice=step.notice)


def _run_text(session: Session, step: steps.RunText, text: str) -> StatementResult:
    """EXECUTE IMMEDIATE: the text is translated and done like any other."""
    inner = variables.filled_text(session, step)
    result = _done(session, translate(inner, session.scope()), text)
    if not step.into:
        return result
    return variables.assign_row(session, step.into, result)


_HANDLERS: Mapping[type, Callable[[Session, Any, str], StatementResult]] = {
    steps.Query: answers.query,
    steps.DescribeQuery: describing.describe_query,
    steps.Describe: describing.describe,
    steps.DescribeDetail: describing.describe_detail,
    steps.ShowCreate: describing.show_create,
    steps.Change: changing.change,
    steps.CreateAs: changing.create_as,
    steps.MakeTempView: temp_views.create_temp_view,
    steps.UseNamespace: namespaces.use_namespace,
    steps.CreateCatalog: namespaces.create_catalog,
    steps.DropCatalog: namespaces.drop_catalog,
    steps.MakeFolder: namespaces.make_folder,
    steps.Declare: variables.declare,
    steps.Assign: variables.assign,
    steps.DropVariable: variables.drop_variable,
    steps.CopyInto: copying.copy_into,
    steps.Nothing: _nothing,
}
