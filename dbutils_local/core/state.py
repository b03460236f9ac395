"""Where a run stands: phase and result of the run and of each task, in Databricks' words (jobs reference, 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbutils_local.core.plan import Plan, PlannedTask


class LifeCycle(StrEnum):
    """`state.life_cycle_state`."""

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    BLOCKED = "BLOCKED"
    RUNNING = "RUNNING"
    WAITING_FOR_RETRY = "WAITING_FOR_RETRY"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"
    SKIPPED = "SKIPPED"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset({LifeCycle.TERMINATED, LifeCycle.SKIPPED, LifeCycle.INTERNAL_ERROR})


class Result(StrEnum):
    """`state.result_state`; absent until final."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    TIMEDOUT = "TIMEDOUT"
    CANCELED = "CANCELED"
    MAXIMUM_CONCURRENT_RUNS_REACHED = "MAXIMUM_CONCURRENT_RUNS_REACHED"
    UPSTREAM_CANCELED = "UPSTREAM_CANCELED"
    UPSTREAM_FAILED = "UPSTREAM_FAILED"
    EXCLUDED = "EXCLUDED"
    SUCCESS_WITH_FAILURES = "SUCCESS_WITH_FAILURES"
    DISABLED = "DISABLED"

    @property
    def is_success(self) -> bool:
        """What notifications, exit codes and `bundle run` take for success."""
        return self in (Result.SUCCESS, Result.SUCCESS_WITH_FAILURES)


# How an upstream end counts on an edge (jobs reference, 4.1).
FAILING = frozenset({Result.FAILED, Result.TIMEDOUT, Result.CANCELED, Result.UPSTREAM_FAILED, Result.UPSTREAM_CANCELED})
CANCELING = frozenset({Result.CANCELED, Result.UPSTREAM_CANCELED})
# Ends of a task that never started.
NEVER_RUN = frozenset({Result.EXCLUDED, Result.UPSTREAM_FAILED, Result.UPSTREAM_CANCELED, Result.DISABLED})

WORKLOAD_FAILED = "Workload failed, see run output for details"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, in the words of runs/get-output and status.termination_details."""

    error: str  # one line, such as "ZeroDivisionError: division by zero"
    trace: str = ""
    code: str = "RUN_EXECUTION_ERROR"
    message: str = WORKLOAD_FAILED  # state_message of the task
    setup: bool = False  # True: it failed before the user's code ran (missing notebook, library): INTERNAL_ERROR
    file: str | None = None
    line: int | None = None
    cell: int | None = None  # counted from 1


@dataclass(slots=True)
class Attempt:
    """One execution of one task; a retry or a repair makes a new one."""

    number: int  # attempt_number: 0, 1, 2 ... over retries and repairs
    task_run_id: int
    started_at: int
    ended_at: int = 0  # 0 while it runs
    result: Result | None = None
    terminating: str | None = None  # "cancel" or "timeout" while it is being stopped
    value: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, Any] = field(default_factory=dict)
    repair: int = 0  # 0 = the original run, n = the nth repair


@dataclass(slots=True)
class Loop:
    """The iterations of a for_each task; node keys are `task_key[i]`."""

    inputs: tuple[Any, ...]
    waiting: list[int] = field(default_factory=list)  # indices not started, last one is next
    active: int = 0
    done: int = 0
    failed: int = 0
    canceled: int = 0


@dataclass(slots=True)
class TaskState:
    """One task, or one iteration, of a run."""

    key: str
    planned: PlannedTask
    phase: LifeCycle = LifeCycle.BLOCKED
    result: Result | None = None
    message: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    pending: int = 0  # upstream tasks that are not final
    tries: int = 0  # attempts since the run or its last repair began
    due: int = 0  # when a retry may start
    ended_at: int = 0
    stubbed: bool = False
    warned: bool = False  # its duration warning was given
    forced: bool = False  # a repair named it: it runs even if disabled
    loop: Loop | None = None
    iteration: int | None = None  # index, in an iteration
    parent: str | None = None  # key of the for_each task, in an iteration

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None

    @property
    def is_final(self) -> bool:
        return self.phase in FINAL

    @property
    def values(self) -> Mapping[str, Any]:
        """Task values of the latest attempt."""
        return self.attempts[-1].values if self.attempts else {}


@dataclass(slots=True)
class Repair:
    """One entry of repair_history after the original."""

    repair_id: int
    started_at: int
    keys: tuple[str, ...]
    ended_at: int = 0
    result: Result | None = None
    message: str = ""
    task_run_ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class RunState:
    """One run: what was asked, where it stands, and every task. Changed only by machine.apply."""

    run_id: int
    job_id: int
    plan: Plan
    settings: Mapping[str, Any]
    created_at: int
    updated_at: int = 0  # when the last event happened
    run_type: str = "JOB_RUN"
    trigger: str = "ONE_TIME"
    trigger_info: Mapping[str, Any] = field(default_factory=dict)
    creator: str = ""
    job_parameters: dict[str, str] = field(default_factory=dict)  # overrides and additions of this run
    overriding_parameters: dict[str, Any] = field(default_factory=dict)
    spec_folder: str | None = None
    workspace_root: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    parent_task_run_id: int | None = None
    max_concurrency: int = 0
    phase: LifeCycle = LifeCycle.PENDING
    result: Result | None = None
    message: str = ""
    queue_reason: str = ""
    queued_at: int = 0
    started_at: int = 0
    ended_at: int = 0
    round_started_at: int = 0  # when the original run or the latest repair began: job timeouts count from here
    canceled: bool = False  # cancelling the run was asked for
    timed_out: bool = False
    abandoned: bool = False
    warned: bool = False
    original: Repair | None = None  # how the original run ended, once there was a repair
    repairs: list[Repair] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    tasks: dict[str, TaskState] = field(default_factory=dict)  # plan order, iterations behind their for_each task
    # Indexes that keep every decision cheap, all derived from the above by machine.apply.
    ready: dict[str, None] = field(default_factory=dict)  # may start now
    doomed: dict[str, Result] = field(default_factory=dict)  # will never start, to be recorded
    active: dict[str, None] = field(default_factory=dict)  # an attempt is running
    retrying: dict[str, None] = field(default_factory=dict)  # wait for their due time
    closing: dict[str, None] = field(default_factory=dict)  # for_each tasks whose iterations are all final
    stopping: dict[str, None] = field(default_factory=dict)  # single tasks whose cancel was asked for
    speakers: dict[str, None] = field(default_factory=dict)  # tasks that ended with task values
    open: int = 0  # tasks (not iterations) that are not final

    @property
    def is_final(self) -> bool:
        return self.phase in FINAL

    @property
    def repair_count(self) -> int:
        return len(self.repairs)
