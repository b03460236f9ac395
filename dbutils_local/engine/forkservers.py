"""The fork server of a run: the local meaning of a shared cluster (design: shared starts faster, own isolates)."""

from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType

from dbutils_local.core.events import Event, RunRepaired, RunStarted
from dbutils_local.core.plan import PlannedTask
from dbutils_local.core.state import RunState
from dbutils_local.kernels.forkserver import ForkServer
from dbutils_local.settings import Settings
from dbutils_local.spec.tasks import Task

# Tasks that do not depend on each other run at once, but a machine holds only so many kernels.
LEAST_SLOTS = 8
SLOTS_A_CORE = 4

_SCRIPTS = frozenset({"spark_python_task", "python_wheel_task", "sql_task"})


class ForkServers:
    """Starts the run's fork server as soon as a notebook is known to want a kernel, and ends it with the run."""

    def __init__(self, settings: Settings, started: ForkServer | None = None) -> None:
        self._settings = settings
        self._server = started
        self._lock = threading.Lock()

    @property
    def slots(self) -> int:
        """How many tasks run at once."""
        return self._settings.max_concurrency or max(LEAST_SLOTS, SLOTS_A_CORE * (os.cpu_count() or 1))

    def hear(self, state: RunState, events: tuple[Event, ...]) -> None:
        """Start importing while the first task is still being prepared."""
        if any(isinstance(event, RunStarted | RunRepaired) for event in events):
            wanted = sum(_is_notebook(task) for task in state.plan.tasks.values())
            if wanted:
                self._warm(wanted)

    def address(self, task: Task) -> str | None:
        """Where this task's kernel or script comes from; None: an interpreter of its own, started the ordinary way.

        A task with a `new_cluster` of its own is isolated, as it would be on Databricks; all others share.
        """
        if task.new_cluster is not None:
            return None
        if task.kind in _SCRIPTS:
            with self._lock:
                # A script starts faster from a server that is there; for scripts alone none is worth its start.
                return self._server.address if self._server else None
        if task.kind != "notebook_task":
            return None
        server = self._warm(None)
        return server.address if server else None

    def _warm(self, expected: int | None) -> ForkServer | None:
        if not self._settings.warm_kernels or not ForkServer.is_possible():
            return None
        with self._lock:
            if self._server is None:
                self._server = ForkServer.start(
                    self._settings.preload, pool_size=self._settings.pool_size, expected=expected
                )
            return self._server

    def __enter__(self) -> ForkServers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._server is not None:
                self._server.close()
                self._server = None


def _is_notebook(task: PlannedTask) -> bool:
    return task.kind == "notebook_task" or (task.nested is not None and _is_notebook(task.nested))
