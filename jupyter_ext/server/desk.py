"""The workspace as requests see it: one at a time may look at a run, and waiting tasks are found by their ids."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dbutils_local.core.state import RunState
from dbutils_local.errors import NotFound
from dbutils_local.settings import PREFIX, Settings
from dbutils_local.wire.ids import waiting_task
from dbutils_local.workspace import Workspace, default_root
from jupyter_ext.server.roots import Roots

if TYPE_CHECKING:
    from dbutils_local.kernels.forkserver import ForkServer

T = TypeVar("T")
Reader = Callable[[RunState, str | None, int | None], T]  # (state, task key, attempt number)

# What a driving process imports before it drives: done once in the fork server, not once a run.
DRIVER_MODULES = (
    "dbutils_local.workspace",
    "dbutils_local.engine.conduct",
    "dbutils_local.store.sqlite",
    "dbutils_local.executors.registry",
    "dbutils_local.notify",
)


class Desk:
    """Everything a handler needs, made once a server; every method may be called from any thread."""

    def __init__(self, workspace: Workspace, roots: Roots) -> None:
        self.workspace = workspace
        self.roots = roots
        self._reading = threading.RLock()
        self._starters: Starters | None = None

    @classmethod
    def open(cls, start: Path, settings: Settings | None = None) -> Desk:
        """The desk of a server whose files lie below `start`; HomeUnusable if there can be no history."""
        known = settings or Settings.load()
        workspace = Workspace.open(known, default_root(known, start))
        desk = cls(workspace, Roots(workspace.root, tuple(Path(one).expanduser() for one in known.allowed_roots)))
        desk._starters = Starters(known)
        workspace.launch_with(desk._starters.start)
        return desk

    @property
    def strict(self) -> bool:
        """Whether a missing job or run answers 400."""
        return self.workspace.settings.strict_status

    def look(self, any_id: int, reader: Reader[T]) -> T:
        """What `reader` makes of the run of a run id or task run id; the run stands still while it looks."""
        with self._reading:
            return reader(*self.find(any_id))

    def find(self, any_id: int) -> tuple[RunState, str | None, int | None]:
        """The run of an id and, of a task run, its key and attempt number (None: it has not started)."""
        with self._reading:
            waiting = waiting_task(any_id)
            if waiting is None:
                return self.workspace.find(any_id)
            with suppress(NotFound, IndexError, OverflowError):
                state = self.workspace.state(waiting[0])
                return state, list(state.tasks)[waiting[1]], None
            raise NotFound(f"Run {any_id} does not exist.")

    def close(self) -> None:
        """Let go of everything; runs in flight go on in their own processes."""
        if self._starters is not None:
            self._starters.close()


class Starters:
    """Starts the processes that drive runs, forked from one that has imported what they need where that can be."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._server = self._warm()

    def _warm(self) -> ForkServer | None:
        from dbutils_local.kernels.forkserver import ForkServer

        if not self._settings.warm_kernels or not ForkServer.is_possible():
            return None
        return ForkServer.start(DRIVER_MODULES, pool_size=0)

    def start(self, run_id: int) -> None:
        """Drive a run in a process of its own, which outlives this one."""
        from dbutils_local.engine import launch
        from dbutils_local.kernels.kernel import KernelFailed

        if self._server is not None:
            try:
                self._fork(run_id)
                return
            except KernelFailed:
                with self._lock:
                    self._server = None  # it is gone or may not fork: from now on the ordinary way
        launch.spawn(self._settings, run_id)

    def _fork(self, run_id: int) -> None:
        assert self._server is not None
        folder = self._settings.runs / str(run_id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        environ = {**os.environ, f"{PREFIX}HOME": str(self._settings.home)}
        with open(folder / "driver.log", "ab") as log:
            process = self._server.run(
                ["-m", "dbutils_local", "drive", str(run_id)],
                environ,
                Path.cwd(),
                stdout=log,
                stderr=log,
                detached=True,
            )
        process.close()

    def close(self) -> None:
        """End the fork server; what it started goes on."""
        with self._lock:
            if self._server is not None:
                self._server.close()
                self._server = None
