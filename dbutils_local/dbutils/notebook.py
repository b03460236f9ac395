"""`dbutils.notebook`: ending a notebook with a value, and running another one for its value (reference 2)."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from dbutils_local.dbutils.help import Helpful
from dbutils_local.kernels.outbox import Exit

if TYPE_CHECKING:
    from dbutils_local.dbutils.context import CommandContext, EntryPoint
    from dbutils_local.dbutils.session import Session


class NotebookExit(Exception):
    """`dbutils.notebook.exit(value)` was called.

    An ordinary Exception: `except Exception` swallows it, as it does on Databricks (design/DECISIONS, first row).
    """

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


class Exits:
    """Knows whether an exit was raised and is still on its way, so that a swallowed one can be told to the user."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: NotebookExit | None = None

    def raised(self, error: NotebookExit) -> None:
        """An exit starts its way up."""
        with self._lock:
            self._pending = error

    def settle(self, ended_with: BaseException | None) -> str | None:
        """Asked when a cell has ended, with its error: the warning line if an exit was swallowed in it, else None."""
        with self._lock:
            pending, self._pending = self._pending, None
        if pending is None or _carries(ended_with, pending):
            return None
        shown = pending.value if len(pending.value) <= 80 else pending.value[:80] + "..."
        return (
            f"dbutils.notebook.exit({shown!r}) was caught by an except clause (or raised in a thread), "
            "so the notebook goes on, as it would on Databricks; call it outside try"
        )


def _carries(error: BaseException | None, pending: NotebookExit) -> bool:
    if isinstance(error, NotebookExit):
        return True
    # asyncio.gather and task groups hand the exit up inside a group.
    return isinstance(error, BaseExceptionGroup) and error.subgroup(NotebookExit) is not None


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

    @property
    def entry_point(self) -> EntryPoint:
        """The JVM entry point: `entry_point.getDbutils().notebook().getContext()`."""
        return self._session.entry_point

    def getContext(self) -> CommandContext:
        """The context object itself, as Scala spells it."""
        return self._session.context

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
        return self._session.children.run(str(path), max(0.0, float(seconds)), arguments or {})

    def exit(self, value: Any) -> NoReturn:
        """End this notebook with `value`; what arrives is text."""
        error = NotebookExit(exit_text(value))
        self._session.exits.raised(error)
        self._session.say(Exit(self._session.redactor.redact(error.value)))
        raise error
