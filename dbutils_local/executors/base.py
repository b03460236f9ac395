"""The contract of every task kind: what an executor is handed, and the four ways a task can end.

What the user's code did is a value (an Outcome). Only an executor's own defect is an exception.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # only names: a kernel imports StopToken from here and must not wait for pydantic
    from dbutils_local.core.state import Failure
    from dbutils_local.kernels.environment import JobContext
    from dbutils_local.spec.tasks import Task


@dataclass(frozen=True)
class Succeeded:
    """The task did what it was asked; `value` is the notebook's exit value or a condition's "true"/"false"."""

    value: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)  # task values
    output: Mapping[str, Any] = field(
        default_factory=dict
    )  # more members of runs/get-output, e.g. {"sql_output": {...}}


@dataclass(frozen=True)
class Failed:
    """The user's code or its set-up failed; task values set before the failure are kept."""

    failure: Failure
    values: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Expanded:
    """A for_each task: one iteration is to be run for each input."""

    inputs: tuple[Any, ...]


@dataclass(frozen=True)
class Stopped:
    """The task was stopped because `context.stop` was set (cancel or timeout)."""

    values: Mapping[str, Any] = field(default_factory=dict)


Outcome = Succeeded | Failed | Expanded | Stopped


class RunJob(Protocol):
    """Starts a run of a job and waits for its end."""

    def __call__(
        self, job_id: int, job_parameters: Mapping[str, str], overriding: Mapping[str, Any], stop: StopToken, /
    ) -> Outcome:
        """`overriding` holds the deprecated `*_params` of a run-now; the outcome is what the child's end means here."""
        ...


class StopToken:
    """Tells a running task to stop, at once and from any thread; callbacks run in the thread that stops."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def stop(self) -> None:
        """Set the token; the second time does nothing."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when stopped (at once if it already is); returns a function that takes it back."""
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return lambda: self._forget(callback)
        callback()
        return lambda: None

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def wait(self, seconds: float) -> bool:
        """Sleep up to `seconds`; True if stopped."""
        return self._event.wait(seconds)


def _as_it_is(text: str) -> str:
    return text


@dataclass(frozen=True)
class TaskContext:
    """What one attempt of one task is given; every reference in the task is resolved already."""

    task_key: str
    job: JobContext
    home: Path
    workspace_root: Path
    folder: Path  # runs/<run_id>/<task_key>/<attempt>/, exists; an iteration's is <task_key>/iteration-<n>/<attempt>/
    parameters: Mapping[str, str]  # widget values / named parameters, precedence already applied
    environ: Mapping[str, str]  # the process environment the task's code gets
    task_values: Mapping[str, Mapping[str, Any]]  # of tasks that ended before
    stop: StopToken
    run_job: RunJob  # start a child job run, wait for it
    forkserver: str | None = None  # address of the run's fork server; None: kernels start the ordinary way
    spec_folder: Path | None = None  # folder of the file that held the spec
    redact: Callable[[str], str] = _as_it_is  # takes secrets out of text that is kept or shown
    dependencies: tuple[str, ...] = ()  # of the environment the task names: lines of a requirements file


class Executor(Protocol):
    """A task kind. Built by the registry without arguments; one instance serves many threads."""

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Do the task; return how it ended."""
        ...
