"""SQL on a Spark session: Spark's own parser, with Databricks' parameters and result rules around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbutils_local.errors import UserError
from dbutils_local.sql.elsewhere import Advice
from dbutils_local.sql.parameters import bound_names, substitute_get_argument, substitute_legacy, unbound
from dbutils_local.sql.result import ROW_LIMIT, StatementFailed, StatementResult
from dbutils_local.sql.scan import Statement, split


class SparkEngine:
    """Runs statements through `session.sql`; the session is handed in and not ours to stop."""

    name = "spark"

    def __init__(self, session: Any, limit: int = ROW_LIMIT, advice: Advice | None = None) -> None:
        self._session = session
        self._limit = limit
        self._advice = advice if advice is not None else lambda _: ""

    def execute(self, sql_text: str, parameters: Mapping[str, str] | None = None) -> list[StatementResult]:
        """See Engine.execute."""
        values = dict(parameters or {})
        text = substitute_get_argument(substitute_legacy(sql_text, values), values)
        return [self._run(statement, values) for statement in split(text)]

    def interrupt(self) -> None:
        """Cancel the jobs that run on the session now."""
        context = getattr(self._session, "_sc", None)
        if context is None:  # Spark Connect
            self._session.interruptAll()
        else:
            context.cancelAllJobs()

    def close(self) -> None:
        """Nothing to do: the session belongs to the notebook."""

    def _run(self, statement: Statement, values: Mapping[str, str]) -> StatementResult:
        missing = unbound(statement.text, values)
        if missing is not None:
            raise StatementFailed(str(missing), statement.text, statement.line)
        try:
            frame = self._session.sql(statement.text, args=bound_names(statement.text, values))
            columns = tuple(frame.columns)
            types = tuple(kind for _, kind in frame.dtypes)
            rows = tuple(tuple(row) for row in frame.limit(self._limit + 1).collect()) if columns else ()
            count = len(rows) if len(rows) <= self._limit else frame.count()
        except Exception as error:
            if not isinstance(error, UserError) and not _is_sparks(error):
                raise
            reason = str(error).split("\n\nJVM stacktrace")[0]
            raise StatementFailed(reason + self._advice(reason), statement.text, statement.line) from error
        return StatementResult(
            statement.text, columns, types, rows[: self._limit], count, frame=frame if columns else None
        )


def _is_sparks(error: Exception) -> bool:
    return any(kind.__module__.startswith(("pyspark.", "py4j.")) for kind in type(error).__mro__)
