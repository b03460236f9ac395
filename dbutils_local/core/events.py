"""What can happen to a run: frozen facts in the past tense, in the order in which they are stored.

A run is the fold of its events (see machine). Times are epoch milliseconds, UTC. Every stored event carries the schema
version, so that a later reader knows which shape it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dbutils_local.core.state import Failure, Result

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunCreated:
    """A run was asked for; `settings` is the plain JSON of the JobSettings as they were then."""

    at: int
    run_id: int
    job_id: int
    settings: Mapping[str, Any]
    run_type: str = "JOB_RUN"  # or SUBMIT_RUN, WORKFLOW_RUN
    trigger: str = "ONE_TIME"
    job_parameters: Mapping[str, str] = field(default_factory=dict)  # overrides and additions of this run
    overriding_parameters: Mapping[str, Any] = field(default_factory=dict)  # the deprecated *_params
    only: tuple[str, ...] = ()  # selectors: key, +key, key+, +key+
    stubs: tuple[str, ...] = ()
    stub_values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    spec_folder: str | None = None  # relative paths in the settings are relative to it
    workspace_root: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)  # "<task_key> <field path>" -> absolute local path
    creator: str = ""
    parent_task_run_id: int | None = None  # of the run_job task that started this run
    max_concurrency: int = 0
    trigger_info: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(
        default_factory=dict
    )  # {"spec", "job", "target", "variables"} of a run from a file


@dataclass(frozen=True, slots=True)
class RunQueued:
    """The job's max_concurrent_runs are active and the queue is on."""

    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunDequeued:
    """A place became free: the run left the queue, and a process is being started for it."""

    at: int


@dataclass(frozen=True, slots=True)
class RunSkipped:
    """The job's max_concurrent_runs are active and the queue is off, or the queue wait ran out."""

    at: int
    message: str


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A process took the run up and drives it."""

    at: int


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """An attempt began; `key` is a task_key, or `task_key[i]` for iteration i of a for_each task."""

    at: int
    key: str
    task_run_id: int
    parameters: Mapping[str, str] = field(default_factory=dict)  # what the task's code can read
    resolved: Mapping[str, Any] = field(default_factory=dict)  # the task member with references substituted


@dataclass(frozen=True, slots=True)
class TaskSucceeded:
    """The running attempt ended well."""

    at: int
    key: str
    value: str | None = None  # exit value; "true"/"false" of a condition
    values: Mapping[str, Any] = field(default_factory=dict)  # task values
    output: Mapping[str, Any] = field(default_factory=dict)  # further members of runs/get-output


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The running attempt failed; whether it is tried again follows from the plan."""

    at: int
    key: str
    failure: Failure
    values: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskExpanded:
    """A for_each task knows its inputs: one iteration each."""

    at: int
    key: str
    inputs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TaskTerminating:
    """The running attempt is being stopped: why is "cancel" or "timeout"."""

    at: int
    key: str
    why: str


@dataclass(frozen=True, slots=True)
class TaskTimedOut:
    """The running attempt was stopped because its time was up."""

    at: int
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskCanceled:
    """The running attempt was stopped because somebody asked for it."""

    at: int
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskNotRun:
    """The task never starts: upstream failed or canceled, excluded, disabled, or canceled while waiting."""

    at: int
    key: str
    result: Result
    message: str = ""


@dataclass(frozen=True, slots=True)
class TaskStubbed:
    """The task did not run: the caller said what it would have given. Shown as stubbed everywhere."""

    at: int
    key: str
    task_run_id: int
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked to cancel the run, or with `key` one task of it."""

    at: int
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RunTimedOut:
    """The job's timeout_seconds are over: what runs is stopped, what waits does not start."""

    at: int


@dataclass(frozen=True, slots=True)
class DurationWarned:
    """RUN_DURATION_SECONDS passed its health rule; `key` None means the job's own rule."""

    at: int
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something was accepted but not honoured, or chosen where Databricks is silent: said once, visibly."""

    at: int
    message: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class RunRepaired:
    """A finished run was taken up again: `keys` run once more, with the settings as they are now."""

    at: int
    repair_id: int
    keys: tuple[str, ...]
    settings: Mapping[str, Any]
    job_parameters: Mapping[str, str] = field(default_factory=dict)
    overriding_parameters: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFinished:
    """Nothing is left to do."""

    at: int
    result: Result
    message: str = ""


@dataclass(frozen=True, slots=True)
class RunAbandoned:
    """The driving process died: a survivor records it. What had finished stays finished."""

    at: int
    message: str


Event = (
    RunCreated
    | RunQueued
    | RunDequeued
    | RunSkipped
    | RunStarted
    | TaskStarted
    | TaskSucceeded
    | TaskFailed
    | TaskExpanded
    | TaskTerminating
    | TaskTimedOut
    | TaskCanceled
    | TaskNotRun
    | TaskStubbed
    | CancelRequested
    | RunTimedOut
    | DurationWarned
    | Noticed
    | RunRepaired
    | RunFinished
    | RunAbandoned
)

KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in Event.__args__}


def to_json(event: Event) -> dict[str, Any]:
    """The event as plain JSON: `{"event": "TaskStarted", "version": 1, ...}`."""
    values = {name: getattr(event, name) for name in event.__slots__}
    if isinstance(event, TaskFailed):
        values["failure"] = asdict(event.failure)
    return {"event": type(event).__name__, "version": SCHEMA_VERSION, **values}


def from_json(record: Mapping[str, Any]) -> Event:
    """The event a JSON record stands for; fields a newer writer added are left out."""
    kind = KINDS[record["event"]]
    values = {f.name: record[f.name] for f in fields(kind) if f.name in record}
    if "failure" in values:
        values["failure"] = Failure(**values["failure"])
    if "result" in values:
        values["result"] = Result(values["result"])
    for name in ("only", "stubs", "keys", "inputs"):
        if name in values:
            values[name] = tuple(values[name])
    event: Event = kind(**values)
    return event
