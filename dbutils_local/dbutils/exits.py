"""The exit of a notebook on its way up, and whether somebody swallowed it (reference 2.4)."""

from __future__ import annotations

import threading


class NotebookExit(Exception):
    """`dbutils.notebook.exit(value)` was called.

    An ordinary Exception: `except Exception` swallows it, as it does on Databricks (design/DECISIONS, first row).
    """

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value

    def _render_traceback_(self) -> list[str]:
        """Asked by IPython for its history, which would else load all it needs for tracebacks, at each exit."""
        return [f"{type(self).__name__}: {self.value}"]


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
