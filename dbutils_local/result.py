"""What a run gave, for Python callers: states, exit values, task values and executed notebooks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbutils_local.core.state import Attempt, RunState, TaskState
from dbutils_local.errors import NotFound
from dbutils_local.imports import import_nbformat
from dbutils_local.settings import Settings
from dbutils_local.store import artifacts
from dbutils_local.views import text
from dbutils_local.views.snapshot import Snapshot, snapshot


@dataclass(frozen=True)
class TaskResult:
    """How one task (or one iteration) of a run ended."""

    key: str
    state: str  # Databricks' word: SUCCESS, FAILED, EXCLUDED ...
    exit_value: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    error_trace: str = ""
    attempts: int = 0
    duration_ms: int = 0
    stubbed: bool = False
    notebook_file: Path | None = None
    logs_folder: Path | None = None


@dataclass(frozen=True)
class RunResult:
    """A finished run. Truthy when it succeeded; shows itself as a table in a terminal and as a graph in JupyterLab."""

    run_id: int
    job_id: int
    name: str
    state: str
    life_cycle_state: str
    message: str
    tasks: Mapping[str, TaskResult]
    picture: Snapshot = field(repr=False)

    @classmethod
    def of(cls, state: RunState, settings: Settings, now: int) -> RunResult:
        """The result of a folded run."""
        return cls(
            state.run_id,
            state.job_id,
            str(state.settings.get("name") or "Untitled"),
            (state.result or state.phase).value,
            state.phase.value,
            state.message,
            {key: _task(state, task, settings) for key, task in state.tasks.items()},
            snapshot(state, now),
        )

    @property
    def task_values(self) -> dict[str, dict[str, Any]]:
        """`{task_key: {key: value}}` of every task that set any."""
        return {key: dict(task.values) for key, task in self.tasks.items() if task.values}

    @property
    def exit_value(self) -> str | None:
        """The exit value of a run of one task."""
        return next(iter(self.tasks.values())).exit_value if len(self.tasks) == 1 else None

    def notebook(self, key: str) -> Any:
        """The executed notebook of a task as an nbformat node; NotFound if it left none."""
        task = self.tasks.get(key)
        if task is None or task.notebook_file is None:
            raise NotFound(
                f"run {self.run_id} has no executed notebook of task {key!r}; its tasks are: {', '.join(self.tasks)}"
            )
        nbformat = import_nbformat()

        return nbformat.read(task.notebook_file, as_version=4)

    def __bool__(self) -> bool:
        return self.state in ("SUCCESS", "SUCCESS_WITH_FAILURES")

    def __str__(self) -> str:
        return text.summary(self.picture)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        from dbutils_local.views import graph

        return {"text/plain": str(self), "text/html": graph.svg(self.picture)}

    def to_json(self) -> str:
        """The states and values as JSON, for logs."""
        tasks = {key: {"state": task.state, "exit_value": task.exit_value} for key, task in self.tasks.items()}
        return json.dumps(
            {"run_id": self.run_id, "state": self.state, "tasks": tasks, "task_values": self.task_values}, default=str
        )


def _task(state: RunState, task: TaskState, settings: Settings) -> TaskResult:
    attempt = task.attempt
    folder = artifacts.folder(settings.runs, state.run_id, task.key, attempt.number) if attempt else None
    notebook = folder / artifacts.NOTEBOOK if folder else None
    return TaskResult(
        task.key,
        (task.result or task.phase).value,
        attempt.value if attempt else None,
        dict(task.values),
        attempt.failure.error if attempt and attempt.failure else "",
        attempt.failure.trace if attempt and attempt.failure else "",
        len(task.attempts),
        _duration(attempt),
        task.stubbed,
        notebook if notebook and notebook.is_file() else None,
        folder if folder and folder.is_dir() else None,
    )


def _duration(attempt: Attempt | None) -> int:
    return attempt.ended_at - attempt.started_at if attempt and attempt.ended_at else 0
