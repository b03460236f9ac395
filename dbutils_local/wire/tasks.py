"""The tasks of a run as the Jobs API tells them: one RunTask for every attempt (jobs reference, 5.3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dbutils_local.core.state import NEVER_RUN, Attempt, LifeCycle, RunState, TaskState
from dbutils_local.wire.ids import waiting_id
from dbutils_local.wire.jobs import filled_task
from dbutils_local.wire.states import Standing

Told = tuple[TaskState, Attempt | None]  # None: the task waits, or never came

# What of each member the API tells resolved.
_RESOLVED: Mapping[str, tuple[str, ...]] = {
    "notebook_task": ("base_parameters",),
    "spark_python_task": ("parameters",),
    "python_wheel_task": ("parameters", "named_parameters"),
    "spark_jar_task": ("parameters",),
    "sql_task": ("parameters",),
    "dbt_task": ("commands",),
    "condition_task": ("left", "right"),
    "run_job_task": ("job_parameters",),
}


def page_url(host: str, job_id: int, run_id: int) -> str:
    """Where people look at a run, in the shape clients take apart: `HOST/?o=WORKSPACE#job/JOB/run/RUN`."""
    return f"{host}/dbutils-local/?o=0#job/{job_id}/run/{run_id}"


def attempts(tasks: Iterable[TaskState]) -> list[Told]:
    """Every attempt of these tasks, and each that waits or never came."""
    return [(task, attempt) for task in tasks for attempt in _attempts(task)]


def _attempts(task: TaskState) -> Iterator[Attempt | None]:
    yield from task.attempts
    if not task.attempts or is_beyond_attempts(task):
        yield None


def is_beyond_attempts(task: TaskState) -> bool:
    """Whether it ran before a repair, and now waits again or was skipped."""
    return task.phase in (LifeCycle.BLOCKED, LifeCycle.PENDING) or task.result in NEVER_RUN


@dataclass(frozen=True)
class TaskTeller:
    """Tells the tasks of one run; what all of them need is worked out once."""

    state: RunState
    host: str = ""
    resolved: bool = False  # with the members as they were run

    @cached_property
    def _listed(self) -> dict[str, Mapping[str, Any]]:
        return {item["task_key"]: item for item in self.state.settings.get("tasks") or ()}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(self.state.tasks)}

    def told(self, entries: Iterable[Told]) -> list[dict[str, Any]]:
        """The RunTask of each of these attempts."""
        return [self.entry(task, attempt) for task, attempt in entries]

    def entry(self, task: TaskState, attempt: Attempt | None) -> dict[str, Any]:
        """One RunTask: what the task says, and how this attempt stands."""
        entry: dict[str, Any] = {
            **filled_task(self.spec(task), "git_source" in self.state.settings),
            "task_key": task.key,
            "run_id": attempt.task_run_id if attempt else waiting_id(self.state.run_id, self._places[task.key]),
            "run_page_url": page_url(self.host, self.state.job_id, self.state.run_id),
            **_times(attempt),
            **_standing(task, attempt).members,
            "attempt_number": attempt.number if attempt else len(task.attempts),
        }
        if task.planned.kind == "condition_task" and attempt is not None and attempt.value is not None:
            entry["condition_task"] = {**entry.get("condition_task", {}), "outcome": attempt.value}
        if task.loop is not None and attempt is task.attempt:
            entry["for_each_task"] = {**entry.get("for_each_task", {}), "stats": _stats(self.state, task)}
        if task.stubbed and attempt is task.attempt:
            entry["stubbed"] = True  # ours: nothing may look as if it had run
        if self.resolved and attempt is not None and attempt.resolved:
            entry["resolved_values"] = _resolved(attempt.resolved)
        return entry

    def spec(self, task: TaskState) -> dict[str, Any]:
        """The settings behind a task (of an iteration: its loop's nested task); empty if a repair left them out."""
        found: Mapping[str, Any] = self._listed.get(task.parent or task.key, {})
        if task.parent is not None:
            found = found.get("for_each_task", {}).get("task", {})
        # A run's task has no health rules on the wire: they belong to the job.
        return {name: value for name, value in found.items() if name != "health"}


def _resolved(members: Mapping[str, Any]) -> dict[str, Any]:
    return {
        kind: {name: value for name, value in member.items() if name in _RESOLVED[kind]}
        for kind, member in members.items()
        if kind in _RESOLVED
    }


def _times(attempt: Attempt | None) -> dict[str, int]:
    start = attempt.started_at if attempt else 0
    end = attempt.ended_at if attempt else 0
    return {
        "start_time": start,
        "end_time": end,
        "setup_duration": 0,
        "execution_duration": max(0, end - start) if end else 0,
        "cleanup_duration": 0,
    }


def _standing(task: TaskState, attempt: Attempt | None) -> Standing:
    if attempt is None or (attempt is task.attempt and not is_beyond_attempts(task)):
        return Standing(task.phase, task.result, task.message, failure=attempt.failure if attempt else None)
    failure = attempt.failure
    setup = failure is not None and failure.setup
    message = failure.message if failure else ""
    phase = LifeCycle.INTERNAL_ERROR if setup else LifeCycle.TERMINATED
    return Standing(phase, attempt.result, message, failure=failure)


def _stats(state: RunState, task: TaskState) -> dict[str, Any]:
    """How the iterations of a loop stand, and its three most frequent errors (jobs reference, 4.5)."""
    loop = task.loop
    assert loop is not None
    total, completed = len(loop.inputs), loop.done
    stats: dict[str, Any] = {
        "task_run_stats": {
            "active_iterations": loop.active,
            "completed_iterations": completed,
            "failed_iterations": loop.failed,
            "scheduled_iterations": total,
            "succeeded_iterations": max(0, completed - loop.failed - loop.canceled),
            "total_iterations": total,
        }
    }
    errors = Counter(
        child.attempts[-1].failure.error
        for child in state.tasks.values()
        if child.parent == task.key and child.attempts and child.attempts[-1].failure
    )
    if errors:
        stats["error_message_stats"] = [
            {"error_message": error, "count": count, "termination_category": "RUN_EXECUTION_ERROR"}
            for error, count in errors.most_common(3)
        ]
    return stats
