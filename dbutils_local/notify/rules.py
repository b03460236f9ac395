"""Which event of a run is worth a message, and to whom; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dbutils_local.core.events import (
    DurationWarned,
    Event,
    RunAbandoned,
    RunFinished,
    RunSkipped,
    RunStarted,
    TaskCanceled,
    TaskFailed,
    TaskNotRun,
    TaskStarted,
    TaskSucceeded,
    TaskTimedOut,
)
from dbutils_local.core.state import LifeCycle, Result, RunState, TaskState


class Occasion(StrEnum):
    """What a message is about, in the words of the spec (8.1)."""

    START = "on_start"
    SUCCESS = "on_success"
    FAILURE = "on_failure"
    DURATION = "on_duration_warning_threshold_exceeded"


@dataclass(frozen=True, slots=True)
class Message:
    """One message: whom it goes to, and what it says."""

    occasion: Occasion
    job_id: int
    job_name: str
    run_id: int  # the job run's, or the task run's where task_key is set
    addresses: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    task_key: str | None = None
    parent_run_id: int | None = None  # the job run, where task_key is set
    result: str = ""  # the end in one word, where there is one
    error: str = ""

    @property
    def payload(self) -> dict[str, Any]:
        """What a webhook gets: Databricks' keys and nothing else, ids as numbers (8.2)."""
        run: dict[str, Any] = {"run_id": self.run_id}
        if self.parent_run_id is not None:
            run["parent_run_id"] = self.parent_run_id
        task = {} if self.task_key is None else {"task": {"task_key": self.task_key}}
        return {
            "event_type": f"jobs.{self.occasion}",
            "workspace_id": 0,
            "run": run,
            "job": {"job_id": self.job_id, "name": self.job_name},
            **task,
        }

    @property
    def subject(self) -> str:
        """One line for people."""
        what = f"Task {self.task_key} of job {self.job_name}" if self.task_key else f"Job {self.job_name}"
        return f"{what}: {_WORDS[self.occasion]}" + (f" ({self.result})" if self.result else "")

    @property
    def body(self) -> str:
        """A few lines for people."""
        run = self.run_id if self.parent_run_id is None else self.parent_run_id
        lines = [self.subject, "", f"Run {run}: dbutils-local runs show {run}"]
        return "\n".join([*lines, *(["", self.error] if self.error else []), ""])


_WORDS = {
    Occasion.START: "started",
    Occasion.SUCCESS: "succeeded",
    Occasion.FAILURE: "did not succeed",
    Occasion.DURATION: "runs longer than its rule allows",
}


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told of a job or of one task, and what is muted."""

    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # occasion -> addresses
    destinations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # occasion -> destination ids
    mute_skipped: bool = False
    mute_canceled: bool = False
    last_attempt_only: bool = False

    @property
    def any(self) -> bool:
        """Whether there is anybody at all."""
        return bool(self.addresses or self.destinations)

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, of_task: bool) -> Listeners:
        """From the JSON of a job or task."""
        mail = settings.get("email_notifications") or {}
        hooks = settings.get("webhook_notifications") or {}
        muted = settings.get("notification_settings") or {}
        return cls(
            {name: tuple(mail[name]) for name in Occasion if mail.get(name)},
            {name: tuple(str(hook["id"]) for hook in hooks[name]) for name in Occasion if hooks.get(name)},
            # The older twin of the setting lives among the addresses.
            mute_skipped=bool(muted.get("no_alert_for_skipped_runs") or mail.get("no_alert_for_skipped_runs")),
            mute_canceled=bool(muted.get("no_alert_for_canceled_runs")),
            last_attempt_only=of_task and bool(muted.get("alert_on_last_attempt")),
        )


@dataclass(frozen=True, slots=True)
class Rules:
    """Everybody who is told anything of the runs of a job; tasks that tell nobody are left out."""

    job: Listeners
    tasks: Mapping[str, Listeners]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Rules:
        """From the JSON of JobSettings."""
        tasks: dict[str, Listeners] = {}
        for task in settings.get("tasks") or ():
            tasks[task["task_key"]] = Listeners.of(task, of_task=True)
            nested = (task.get("for_each_task") or {}).get("task")
            if nested:
                tasks[f"{task['task_key']}[]"] = Listeners.of(nested, of_task=True)
        return cls(
            Listeners.of(settings, of_task=False), {key: listeners for key, listeners in tasks.items() if listeners.any}
        )


def messages(rules: Rules, state: RunState, event: Event) -> list[Message]:
    """What is to be said because `event` happened; `state` reflects it already."""
    match event:
        case TaskStarted(_, key) | TaskSucceeded(_, key) | TaskFailed(_, key) | TaskTimedOut(_, key):
            return _of_task(rules, state, key, event)
        case TaskCanceled(_, key) | TaskNotRun(_, key) | DurationWarned(_, str(key)):
            return _of_task(rules, state, key, event)
    occasion = _job_occasion(rules.job, event)
    if occasion is None or not _has(rules.job, occasion):
        return []
    return [
        Message(
            occasion,
            state.job_id,
            _name(state),
            state.run_id,
            rules.job.addresses.get(occasion, ()),
            rules.job.destinations.get(occasion, ()),
            result=state.result.value if state.result else "",
            error=state.message if occasion is Occasion.FAILURE else "",
        )
    ]


def _job_occasion(listeners: Listeners, event: Event) -> Occasion | None:
    match event:
        case RunStarted():
            return Occasion.START
        case RunFinished(_, result) if result.is_success:
            return Occasion.SUCCESS
        case RunFinished(_, Result.CANCELED):
            return None if listeners.mute_canceled else Occasion.FAILURE
        case RunSkipped():
            return None if listeners.mute_skipped else Occasion.FAILURE
        case RunFinished() | RunAbandoned():
            return Occasion.FAILURE
        case DurationWarned(_, None):
            return Occasion.DURATION
    return None


def _of_task(rules: Rules, state: RunState, key: str, event: Event) -> list[Message]:
    task = state.tasks[key]
    listeners = rules.tasks.get(f"{task.parent}[]" if task.parent is not None else key)
    if listeners is None or task.planned.kind == "condition_task":
        return []
    occasion = _task_occasion(listeners, task, event)
    if occasion is None or not _has(listeners, occasion):
        return []
    attempt = task.attempt
    failure = attempt.failure if attempt and occasion is Occasion.FAILURE else None
    return [
        Message(
            occasion,
            state.job_id,
            _name(state),
            attempt.task_run_id if attempt else 0,
            listeners.addresses.get(occasion, ()),
            listeners.destinations.get(occasion, ()),
            task_key=task.planned.key,
            parent_run_id=state.run_id,
            result=task.result.value if task.result else "",
            error=failure.error if failure else "",
        )
    ]


def _task_occasion(listeners: Listeners, task: TaskState, event: Event) -> Occasion | None:
    tried_before = task.tries > 1
    will_try_again = task.phase is LifeCycle.WAITING_FOR_RETRY
    match event:
        case TaskStarted():
            return None if listeners.last_attempt_only and tried_before else Occasion.START
        case TaskSucceeded():
            return Occasion.SUCCESS
        case TaskFailed() | TaskTimedOut():
            return None if listeners.last_attempt_only and will_try_again else Occasion.FAILURE
        case TaskCanceled() | TaskNotRun(_, _, Result.CANCELED | Result.UPSTREAM_CANCELED):
            return None if listeners.mute_canceled else Occasion.FAILURE
        case TaskNotRun(_, _, Result.UPSTREAM_FAILED):
            return None if listeners.mute_skipped else Occasion.FAILURE
        case DurationWarned():
            return Occasion.DURATION
    # Excluded and disabled tasks: the job went as it was written, nobody needs to look.
    return None


def _has(listeners: Listeners, occasion: Occasion) -> bool:
    return occasion in listeners.addresses or occasion in listeners.destinations


def _name(state: RunState) -> str:
    return str(state.settings.get("name") or "Untitled")
