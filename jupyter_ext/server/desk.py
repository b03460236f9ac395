"""The workspace as requests see it: one at a time may look at a run, and waiting tasks are found by their ids."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from dbutils_local.core.state import RunState
from dbutils_local.engine import launch
from dbutils_local.engine.drive import epoch_ms
from dbutils_local.engine.launcher import Launcher
from dbutils_local.engine.report import left
from dbutils_local.engine.schedule import Scheduler
from dbutils_local.errors import NotFound
from dbutils_local.settings import Settings
from dbutils_local.views import html
from dbutils_local.views.snapshot import Snapshot, snapshot, walk
from dbutils_local.wire.ids import waiting_task
from dbutils_local.workspace import Workspace, default_root
from jupyter_ext.server.roots import Roots

T = TypeVar("T")
Reader = Callable[[RunState, str | None, int | None], T]  # (state, task key, attempt number)


class Desk:
    """Everything a handler needs, made once a server; every method may be called from any thread."""

    def __init__(self, workspace: Workspace, roots: Roots) -> None:
        self.workspace = workspace
        self.roots = roots
        self._reading = threading.RLock()
        self._launcher: Launcher | None = None
        self._scheduler: Scheduler | None = None

    @classmethod
    def open(cls, start: Path, settings: Settings | None = None) -> Desk:
        """The desk of a server whose files lie below `start`; HomeUnusable if there can be no history."""
        known = settings or Settings.load()
        workspace = Workspace.open(known, default_root(known, start))
        desk = cls(workspace, Roots(workspace.root, tuple(Path(one).expanduser() for one in known.allowed_roots)))
        desk._launcher = Launcher(known)
        desk._launcher.start()
        workspace.launch_with(desk._launcher)
        desk._scheduler = workspace.scheduler()
        desk._scheduler.start()
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

    def cancel(self, any_id: int) -> None:
        """Cancel a run, or with a task run id that task; a finished one stays as it is."""
        state, key, _ = self.find(any_id)
        launch.cancel(self.workspace.store, state.run_id, key)

    def delete_job(self, job_id: int) -> None:
        """Forget a job; its active runs are cancelled, which looks at them."""
        with self._reading:
            self.workspace.delete_job(job_id)

    def picture(self, run_id: int) -> Snapshot:
        """A run as people look at it."""
        return self.look(run_id, lambda state, *_: snapshot(state, epoch_ms()))

    def report(self, run_id: int) -> str:
        """A run as one HTML file; its notebooks are rendered while others may look at runs."""
        picture, runs = self.picture(run_id), self.workspace.settings.runs
        return html.report(picture, {task.key: left(task, runs, picture.run_id) for task in walk(picture.tasks)})

    def close(self) -> None:
        """Let go of everything; runs in flight go on in their own processes."""
        if self._scheduler is not None:
            self._scheduler.stop()
        if self._launcher is not None:
            self._launcher.close()
