"""The one picture of a run from which every face draws: terminal, notebook, run page, report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dbutils_local.core.references import UnresolvedReference, raw_job_parameters, scope_of
from dbutils_local.core.state import FINAL, NEVER_RUN, Attempt, Failure, LifeCycle, Result, RunState, TaskState


class Tone(StrEnum):
    """What a state means to the eye; the colours follow Databricks' run views (jobs reference, 5.9)."""

    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    RUNNING = "running"
    RETRY = "retry"
    STOPPED = "stopped"
    WAITING = "waiting"


_LABELS: dict[str, str] = {
    LifeCycle.QUEUED: "Queued",
    LifeCycle.PENDING: "Pending",
    LifeCycle.BLOCKED: "Blocked",
    LifeCycle.RUNNING: "Running",
    LifeCycle.WAITING_FOR_RETRY: "Waiting for retry",
    LifeCycle.TERMINATING: "Terminating",
    LifeCycle.TERMINATED: "Terminated",
    LifeCycle.SKIPPED: "Skipped",
    LifeCycle.INTERNAL_ERROR: "Internal error",
    Result.SUCCESS: "Succeeded",
    Result.FAILED: "Failed",
    Result.TIMEDOUT: "Timed out",
    Result.CANCELED: "Canceled",
    Result.MAXIMUM_CONCURRENT_RUNS_REACHED: "Skipped",
    Result.UPSTREAM_CANCELED: "Upstream canceled",
    Result.UPSTREAM_FAILED: "Upstream failed",
    Result.EXCLUDED: "Excluded",
    Result.SUCCESS_WITH_FAILURES: "Succeeded with failures",
    Result.DISABLED: "Disabled",
}
_TONES: dict[str, Tone] = {
    LifeCycle.RUNNING: Tone.RUNNING,
    LifeCycle.TERMINATING: Tone.RUNNING,
    LifeCycle.WAITING_FOR_RETRY: Tone.RETRY,
    LifeCycle.SKIPPED: Tone.SKIPPED,
    LifeCycle.INTERNAL_ERROR: Tone.FAILED,
    Result.SUCCESS: Tone.SUCCESS,
    Result.SUCCESS_WITH_FAILURES: Tone.SUCCESS,
    Result.FAILED: Tone.FAILED,
    Result.TIMEDOUT: Tone.STOPPED,
    Result.CANCELED: Tone.STOPPED,
    Result.MAXIMUM_CONCURRENT_RUNS_REACHED: Tone.SKIPPED,
    **dict.fromkeys(NEVER_RUN, Tone.SKIPPED),
}


_FINAL = frozenset(str(phase) for phase in FINAL)


def failure_place(failure: Failure) -> str:
    """Where something failed, as far as known: `etl.py, cell 3, line 12`."""
    parts = [
        failure.file or "",
        f"cell {failure.cell}" if failure.cell is not None else "",
        f"line {failure.line}" if failure.line is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def label(word: str) -> str:
    """A state word as people say it: `TIMEDOUT` is `Timed out`."""
    return _LABELS.get(word, word)


def tone(word: str) -> Tone:
    """What a life cycle or result word means to the eye."""
    return _TONES.get(word, Tone.WAITING)


@dataclass(frozen=True, slots=True)
class EdgeView:
    """One arrow; `taken` is None while undecided, False if its upstream ended another way than it waits for."""

    upstream: str
    outcome: str | None = None
    taken: bool | None = None


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One execution of a task; times in epoch ms, `ended_at` 0 while it runs."""

    number: int
    task_run_id: int
    started_at: int
    ended_at: int
    duration_ms: int
    result: str | None
    tone: Tone
    repair: int = 0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class LoopView:
    """How far a for_each task has come."""

    total: int
    active: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0

    @property
    def done(self) -> int:
        return self.succeeded + self.failed + self.canceled


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task (or one iteration) as it stands; times are of its latest attempt, 0 = not yet."""

    key: str
    kind: str
    phase: str
    result: str | None
    word: str
    label: str
    tone: Tone
    started_at: int = 0
    ended_at: int = 0
    duration_ms: int = 0
    task_run_id: int = 0
    attempts: tuple[AttemptView, ...] = ()
    retries: int = 0
    message: str = ""
    failure: Failure | None = None
    value: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    stubbed: bool = False
    edges: tuple[EdgeView, ...] = ()
    loop: LoopView | None = None
    iterations: tuple[TaskView, ...] = ()
    input: Any = None  # of an iteration

    @property
    def error(self) -> str:
        """The error in one line; empty if there is none."""
        return self.failure.error if self.failure else ""

    @property
    def place(self) -> str:
        """Where it failed, as far as known: `etl.py, cell 3, line 12`."""
        return failure_place(self.failure) if self.failure else ""

    @property
    def is_final(self) -> bool:
        return self.phase in _FINAL


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at the moment `now`; times in epoch ms, 0 = not yet."""

    run_id: int
    job_id: int
    name: str
    run_type: str
    trigger: str
    phase: str
    result: str | None
    word: str
    label: str
    tone: Tone
    message: str
    now: int
    created_at: int
    started_at: int
    ended_at: int
    duration_ms: int
    queued_ms: int = 0
    queue_reason: str = ""
    creator: str = ""
    repair_count: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    tasks: tuple[TaskView, ...] = ()

    @property
    def is_final(self) -> bool:
        return self.phase in _FINAL

    def task(self, key: str) -> TaskView | None:
        """The task or iteration of that key."""
        return next((task for task in walk(self.tasks) if task.key == key), None)


def walk(tasks: Iterable[TaskView]) -> Iterable[TaskView]:
    """Every task, each for_each task followed by its iterations."""
    for task in tasks:
        yield task
        yield from task.iterations


def snapshot(state: RunState, now: int) -> Snapshot:
    """The picture of `state` at `now` (epoch ms); works after any prefix of a run's events."""
    word = str(state.result or state.phase)
    return Snapshot(
        run_id=state.run_id,
        job_id=state.job_id,
        name=str(state.settings.get("name") or state.settings.get("run_name") or "Untitled"),
        run_type=state.run_type,
        trigger=state.trigger,
        phase=str(state.phase),
        result=str(state.result) if state.result else None,
        word=word,
        label=label(word),
        tone=tone(word),
        message=state.message,
        now=now,
        created_at=state.created_at,
        started_at=state.started_at,
        ended_at=state.ended_at,
        duration_ms=_span(state.started_at, state.ended_at, now),
        queued_ms=_span(state.queued_at, state.started_at or state.ended_at, now),
        queue_reason=state.queue_reason,
        creator=state.creator,
        repair_count=state.repair_count,
        parameters=job_parameters(state),
        notices=tuple(state.notices),
        tasks=_tasks(state, now),
    )


def job_parameters(state: RunState) -> dict[str, str]:
    """The job parameters of a run as its tasks see them; as written where a reference has no value."""
    raw = raw_job_parameters(state)
    if not any("{{" in value for value in raw.values()) or not state.tasks:
        return raw
    try:
        scope = scope_of(state, next(iter(state.tasks)), task_run_id=0, at=state.started_at or state.created_at)
    except UnresolvedReference:
        return raw
    return dict(scope.job_parameters)


def _tasks(state: RunState, now: int) -> tuple[TaskView, ...]:
    iterations: dict[str, list[TaskView]] = {}
    for task in state.tasks.values():
        if task.parent is not None:
            iterations.setdefault(task.parent, []).append(_iteration(state, task, now))
    return tuple(
        _task(state, task, now, tuple(iterations.get(task.key, ())))
        for task in state.tasks.values()
        if task.parent is None
    )


def _iteration(state: RunState, task: TaskState, now: int) -> TaskView:
    loop = state.tasks[task.parent].loop if task.parent in state.tasks else None
    index = task.iteration or 0
    return _task(state, task, now, (), loop.inputs[index] if loop and index < len(loop.inputs) else None)


def _task(state: RunState, task: TaskState, now: int, iterations: tuple[TaskView, ...], given: Any = None) -> TaskView:
    latest = _latest(task)
    word = str(task.result or task.phase)
    return TaskView(
        key=task.key,
        kind=task.planned.kind,
        phase=str(task.phase),
        result=str(task.result) if task.result else None,
        word=word,
        label=f"{label(word)} (stubbed)" if task.stubbed else label(word),
        tone=tone(word),
        started_at=latest.started_at if latest else 0,
        ended_at=task.ended_at or (latest.ended_at if latest else 0),
        duration_ms=_span(latest.started_at, latest.ended_at, now) if latest else 0,
        task_run_id=latest.task_run_id if latest else 0,
        attempts=tuple(_attempt(attempt, now) for attempt in task.attempts),
        retries=max(0, task.tries - 1),
        message=task.message,
        failure=latest.failure if latest else None,
        value=latest.value if latest else None,
        values=dict(latest.values) if latest else {},
        parameters=dict(latest.parameters) if latest else {},
        stubbed=task.stubbed,
        edges=tuple(
            EdgeView(edge.upstream, edge.outcome, _taken(state, edge.upstream, edge.outcome)) for edge in _edges(task)
        ),
        loop=_loop(task),
        iterations=iterations,
        input=given,
    )


def _latest(task: TaskState) -> Attempt | None:
    """The attempt that made the task what it is; None for one that waits, though it may have run before a repair."""
    waits = task.phase in (LifeCycle.BLOCKED, LifeCycle.PENDING, LifeCycle.QUEUED, LifeCycle.SKIPPED)
    latest = task.attempt
    if latest is None or waits or (task.is_final and latest.result is not task.result):
        return None
    return latest


def _edges(task: TaskState) -> Iterable[Any]:
    return task.planned.edges if task.parent is None else ()


def _taken(state: RunState, upstream: str, outcome: str | None) -> bool | None:
    above = state.tasks.get(upstream)
    if above is None or not above.is_final:
        return None
    if above.result in (Result.EXCLUDED, Result.DISABLED):
        return False
    if outcome is None or above.result is not Result.SUCCESS:
        return True
    return above.attempt is not None and above.attempt.value == outcome


def _attempt(attempt: Attempt, now: int) -> AttemptView:
    word = str(attempt.result) if attempt.result else None
    return AttemptView(
        number=attempt.number,
        task_run_id=attempt.task_run_id,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        duration_ms=_span(attempt.started_at, attempt.ended_at, now),
        result=word,
        tone=tone(word or LifeCycle.RUNNING),
        repair=attempt.repair,
        failure=attempt.failure,
    )


def _loop(task: TaskState) -> LoopView | None:
    loop = task.loop
    if loop is None:
        return None
    succeeded = loop.done - loop.failed - loop.canceled
    return LoopView(len(loop.inputs), loop.active, max(0, succeeded), loop.failed, loop.canceled)


def _span(start: int, end: int, now: int) -> int:
    return max(0, (end or now) - start) if start else 0


def duration(ms: int) -> str:
    """Milliseconds for people: `0.4 s`, `12 s`, `3 m 05 s`, `1 h 02 m`."""
    seconds = ms / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"
