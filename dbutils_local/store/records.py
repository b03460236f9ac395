"""The contract of a store: what is kept of jobs and runs, and who may write it.

Only the process that drives a run appends its events, and it holds that run's lock. Everyone else reads, or leaves a
request in the run's mailbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from dbutils_local.core.events import Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One row of the history: enough to list, filter and sort runs without folding their events. Times: epoch ms."""

    run_id: int
    job_id: int
    name: str
    run_type: str = "JOB_RUN"
    trigger: str = "ONE_TIME"
    life_cycle_state: str = "PENDING"
    result_state: str | None = None
    message: str = ""
    created_at: int = 0
    started_at: int = 0
    ended_at: int = 0
    updated_at: int = 0  # of the last event
    number_in_job: int = 0
    parent_task_run_id: int | None = None
    repair_count: int = 0
    idempotency_token: str | None = None
    seq: int = 0  # number of the last event this row reflects


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What `runs list` can ask for; None means any. Newest first (created_at, then run_id, descending)."""

    job_id: int | None = None
    name: str | None = None
    active: bool | None = None  # True: not final, False: final
    states: tuple[str, ...] = ()  # life cycle or result words
    run_type: str | None = None
    since: int | None = None  # created_at >=
    until: int | None = None  # created_at <=


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A stored job; `settings` is the plain JSON of its JobSettings as created, `context` what a local spec adds."""

    job_id: int
    name: str
    settings: Mapping[str, Any]
    created_at: int
    creator: str
    key: str | None = None  # bundle resource key
    spec_folder: str | None = None
    workspace_root: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    paused: bool | None = None  # overrides the trigger's own pause_status


@dataclass(frozen=True, slots=True)
class Request:
    """A letter in a run's mailbox: `kind` is cancel, or another word the driver knows; `body` its arguments."""

    run_id: int
    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows and the opaque token of the next ones (None: that was all)."""

    items: Sequence[T]
    next_token: str | None = None
    prev_token: str | None = None


class RunStore(Protocol):
    """Jobs, runs and their events; safe for several processes and threads at once."""

    def new_ids(self, count: int = 1) -> range:
        """Reserve `count` ids; jobs, runs and task runs share one sequence, so an id names one thing only."""
        ...

    def create_run(self, summary: RunSummary, events: Sequence[Event]) -> RunSummary:
        """Store a new run; one with a known idempotency_token stores nothing and gives the earlier run's summary."""
        ...

    def append(self, run_id: int, events: Sequence[Event], summary: RunSummary) -> None:
        """Add events and the new summary row in one transaction; TaskStarted/TaskStubbed index their task_run_id."""
        ...

    def events(self, run_id: int, after: int = 0) -> list[tuple[int, Event]]:
        """(number, event) with number > after, in order; NotFound for an unknown run."""
        ...

    def summary(self, run_id: int) -> RunSummary:
        """The row of one run; NotFound ("Run 5 does not exist.")."""
        ...

    def run_of_task(self, task_run_id: int) -> tuple[int, str, int] | None:
        """(run_id, key, attempt number) of a task run id."""
        ...

    def list_runs(self, wanted: RunFilter, limit: int = 20, token: str | None = None) -> Page[RunSummary]:
        """One page; a bad token is a UserError."""
        ...

    def active_runs(self, job_id: int | None = None) -> list[RunSummary]:
        """Runs that are not final, oldest first (QUEUED ones too)."""
        ...

    def delete_run(self, run_id: int) -> None:
        """Forget a run; its artifacts are the caller's business."""
        ...

    def prune(self, before_ms: int) -> list[int]:
        """Forget the runs that ended before `before_ms` (epoch ms); their ids."""
        ...

    def close(self) -> None:
        """Let go of files; the store may be used again."""
        ...

    def save_job(self, job: JobRecord) -> None:
        """Create or replace."""
        ...

    def job(self, job_id: int) -> JobRecord:
        """NotFound ("Job 123 does not exist.")."""
        ...

    def list_jobs(self, name: str | None = None, limit: int = 20, token: str | None = None) -> Page[JobRecord]:
        """Newest first; `name` exact, any case."""
        ...

    def delete_job(self, job_id: int) -> None: ...

    def post(self, request: Request) -> None:
        """Leave a request in a run's mailbox."""
        ...

    def take(self, run_id: int) -> list[Request]:
        """Take all requests out of the mailbox, oldest first."""
        ...

    def lock(self, run_id: int) -> AbstractContextManager[bool]:
        """Try to become the run's driver: True while held; an OS lock, so it falls with the process that held it."""
        ...

    def is_driven(self, run_id: int) -> bool:
        """Whether a living process holds the run's lock."""
        ...

    def claim(self, run_id: int, pid: int | None) -> None:
        """Say which process is to drive a run, or that none is; forgotten when the run's lock is taken."""
        ...

    def is_claimed(self, run_id: int) -> bool | None:
        """Whether the process that is to drive a run lives; None: nobody said which one it is."""
        ...

    def remember(self, scope: str, keys: Iterable[str]) -> list[str]:
        """Add keys to a named persistent set and return those that were new (file-arrival's seen set)."""
        ...

    def note(self, name: str, value: Any = None) -> Any:
        """Read a small persistent JSON value, or with `value` write it (a trigger's next_fire)."""
        ...
