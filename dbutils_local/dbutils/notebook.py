"""`dbutils.notebook`: ending a notebook with a value, and running another one for its value (reference 2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from dbutils_local.dbutils.exits import NotebookExit
from dbutils_local.dbutils.help import Helpful
from dbutils_local.kernels.outbox import Exit

if TYPE_CHECKING:
    from dbutils_local.dbutils.children import Children
    from dbutils_local.dbutils.context import CommandContext, EntryPoint
    from dbutils_local.dbutils.session import Session


def exit_text(value: Any) -> str:
    """What arrives as exit value: text as it is, dict and list as JSON, anything else by str (design/DECISIONS)."""
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return str(value)


class NotebookUtils(Helpful):
    """`dbutils.notebook`."""

    _module = "notebook"

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def entry_point(self) -> EntryPoint:
        """The JVM entry point: `entry_point.getDbutils().notebook().getContext()`."""
        from dbutils_local.dbutils.context import EntryPoint

        return EntryPoint(self._session)

    @cached_property
    def children(self) -> Children:
        """The notebooks this process runs in turn."""
        from dbutils_local.dbutils.children import Children

        return Children(self._session)

    def getContext(self) -> CommandContext:
        """The context object itself, as Scala spells it."""
        return self.entry_point.context

    def setContext(self, context: Any) -> None:
        """Nothing to do: threads share their process's context (reference 2.3)."""

    def run(
        self,
        path: str,
        timeout_seconds: float | None = None,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeoutSeconds: float | None = None,
    ) -> str | None:
        """Run a notebook in a kernel of its own and return its exit value, None if it never called exit.

        `timeout_seconds` 0, and below, means no limit. Raises a Py4JJavaError look-alike that names
        `com.databricks.WorkflowException` and the state: FAILED, TIMEDOUT or CANCELED (reference 2.2).
        """
        seconds = timeoutSeconds if timeout_seconds is None else timeout_seconds
        if seconds is None:
            raise TypeError("run() missing 1 required positional argument: 'timeout_seconds'")
        return self.children.run(str(path), max(0.0, float(seconds)), arguments or {})

    def exit(self, value: Any) -> NoReturn:
        """End this notebook with `value`; what arrives is text."""
        error = NotebookExit(exit_text(value))
        self._session.exits.raised(error)
        self._session.say(Exit(self._session.redactor.redact(error.value)))
        raise error
