"""Runs as the Jobs API tells them: Run, RunTask and RunOutput (jobs reference, 5.3 and 6.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dbutils_local.core.state import Attempt, Failure, LifeCycle, Result, RunState, TaskState
from dbutils_local.views.snapshot import job_parameters
from dbutils_local.wire.jobs import PAGED, paged
from dbutils_local.wire.states import Standing
from dbutils_local.wire.tasks import TaskTeller, attempts, is_beyond_attempts, page_url

MAX_OUTPUT = 5 * 1024 * 1024  # bytes of an exit value, and of logs (jobs reference, 6.6)
_LOGGING = frozenset({"spark_python_task", "python_wheel_task", "spark_jar_task", "dbt_task"})
_SILENT = frozenset({"condition_task", "for_each_task"})


@dataclass(frozen=True, slots=True)
class Logs:
    """The end of what an attempt wrote; `truncated` if something came before it."""

    text: str = ""
    truncated: bool = False


# ---------------------------------------------------------------- a whole run


def run_reply(
    state: RunState,
    *,
    host: str = "",
    version: str = PAGED,
    include_history: bool = False,
    include_resolved_values: bool = False,
    page_token: str | None = None,
) -> dict[str, Any]:
    """A Run: every attempt and every repair of every task is an entry of `tasks`."""
    teller = TaskTeller(state, host, include_resolved_values)
    arrays: dict[str, Sequence[Any]] = {
        "tasks": attempts(_top(state)),
        "job_parameters": parameters(state),
        "job_clusters": state.settings.get("job_clusters") or (),
    }
    if include_history:
        arrays["repair_history"] = _history(state)
    page, more = paged({name: items for name, items in arrays.items() if items}, version, page_token)
    if "tasks" in page:
        page["tasks"] = teller.told(page["tasks"])
    reply = {**_run(state, host), **page, **more}
    if version == "2.0" and len(state.plan.tasks) == 1:
        [task] = _top(state)
        reply["task"] = {task.planned.kind: teller.spec(task).get(task.planned.kind)}
    return reply


def _top(state: RunState) -> list[TaskState]:
    """The tasks of the plan, without the iterations of loops."""
    return [task for task in state.tasks.values() if task.parent is None]


def _run(state: RunState, host: str) -> dict[str, Any]:
    reply: dict[str, Any] = {
        "job_id": state.job_id,
        "run_id": state.run_id,
        "number_in_job": state.run_id,
        "original_attempt_run_id": state.run_id,
        "attempt_number": 0,
        "run_name": str(state.settings.get("name") or "Untitled"),
        "run_type": state.run_type,
        "run_page_url": page_url(host, state.job_id, state.run_id),
        "creator_user_name": state.creator,
        **_standing(state).members,
        "trigger": state.trigger,
        "start_time": state.created_at,
        "end_time": state.ended_at,
        # A multi-task run tells its time in run_duration alone.
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        "run_duration": _span(state),
        "queue_duration": max(0, state.started_at - state.queued_at) if state.queued_at and state.started_at else 0,
    }
    for name in ("description", "git_source"):
        if state.settings.get(name):
            reply[name] = state.settings[name]
    if state.trigger == "PERIODIC" and state.settings.get("schedule"):
        reply["schedule"] = state.settings["schedule"]
    if state.overriding_parameters:
        reply["overriding_parameters"] = dict(state.overriding_parameters)
    if state.parent_task_run_id:
        reply["trigger_info"] = {"run_id": state.parent_task_run_id}
    return reply


def _span(state: RunState) -> int:
    """First start to last end, repairs included; 0 while the run is going."""
    return max(0, state.ended_at - state.started_at) if state.ended_at and state.started_at else 0


def _standing(state: RunState) -> Standing:
    standing = Standing(state.phase, state.result, state.message, state.queue_reason)
    if not state.abandoned:
        return standing
    return Standing(state.phase, state.result, state.message, failure=Failure(state.message, code="INTERNAL_ERROR"))


def parameters(state: RunState) -> list[dict[str, str]]:
    """`job_parameters`: every defined one with default and value, and those this run added, sorted by name."""
    defaults = {str(item["name"]): str(item.get("default", "")) for item in state.settings.get("parameters") or ()}
    return [
        {"name": name, **({"default": defaults[name]} if name in defaults else {}), "value": value}
        for name, value in sorted(job_parameters(state).items())
    ]


def _history(state: RunState) -> list[dict[str, Any]]:
    first = state.original
    ids: list[list[int]] = [[] for _ in range(state.repair_count + 1)]
    for task in state.tasks.values():
        for attempt in task.attempts:
            ids[attempt.repair].append(attempt.task_run_id)
    original = {
        "type": "ORIGINAL",
        "start_time": state.created_at,
        "end_time": first.ended_at if first else state.ended_at,
        **(_repair_standing(first.result, first.message) if first and first.result else _standing(state)).members,
        "task_run_ids": ids[0],
    }
    repairs = [
        {
            "type": "REPAIR",
            "id": repair.repair_id,
            "start_time": repair.started_at,
            "end_time": repair.ended_at,
            **(_repair_standing(repair.result, repair.message) if repair.result else _standing(state)).members,
            "task_run_ids": ids[number],
        }
        for number, repair in enumerate(state.repairs, start=1)
    ]
    return [original, *repairs]


def _repair_standing(result: Result, message: str) -> Standing:
    return Standing(LifeCycle.INTERNAL_ERROR if result is Result.FAILED else LifeCycle.TERMINATED, result, message)


# ---------------------------------------------------------------- one task run in Run shape


def attempt_of(state: RunState, key: str, number: int | None) -> Attempt | None:
    """The attempt of that number, or the latest; None if the task has not started."""
    attempts = state.tasks[key].attempts
    return next((attempt for attempt in attempts if attempt.number == number), attempts[-1] if attempts else None)


def task_run_reply(
    state: RunState,
    key: str,
    number: int | None = None,
    *,
    run_id: int | None = None,
    host: str = "",
    version: str = PAGED,
    include_resolved_values: bool = False,
    page_token: str | None = None,
) -> dict[str, Any]:
    """`runs/get` of a task run id: that attempt in Run shape, and for a for_each task its iterations.

    `run_id` is the id that was asked for, where it is not the attempt's own (a task that had not started then).
    """
    task = state.tasks[key]
    teller = TaskTeller(state, host, include_resolved_values)
    entry = teller.entry(task, attempt_of(state, key, number))
    entry["run_id"] = run_id or entry["run_id"]
    arrays: dict[str, Sequence[Any]] = {"tasks": [entry], "job_parameters": parameters(state)}
    if task.planned.kind == "for_each_task":
        arrays["iterations"] = attempts(_iterations(state, key))
    page, more = paged({name: items for name, items in arrays.items() if items}, version, page_token)
    if "iterations" in page:
        page["iterations"] = teller.told(page["iterations"])
    first = task.attempts[0].task_run_id if task.attempts else entry["run_id"]
    return {
        "job_id": state.job_id,
        "run_id": entry["run_id"],
        "number_in_job": entry["run_id"],
        "job_run_id": state.run_id,
        "original_attempt_run_id": first,
        "attempt_number": entry["attempt_number"],
        "run_name": key,
        "run_type": state.run_type,
        "run_page_url": entry["run_page_url"],
        "creator_user_name": state.creator,
        "state": entry["state"],
        "status": entry["status"],
        "trigger": state.trigger,
        **{name: entry[name] for name in ("start_time", "end_time")},
        **{name: entry[name] for name in ("setup_duration", "execution_duration", "cleanup_duration")},
        "run_duration": entry["execution_duration"],
        **page,
        **more,
    }


def _iterations(state: RunState, key: str) -> list[TaskState]:
    return [task for task in state.tasks.values() if task.parent == key]


def output_reply(
    state: RunState,
    key: str,
    number: int | None = None,
    *,
    logs: Logs | None = None,
    run_id: int | None = None,
    host: str = "",
) -> dict[str, Any]:
    """`runs/get-output` of a task run: what it gave, and the metadata of its run."""
    metadata = task_run_reply(state, key, number, run_id=run_id, host=host, version="2.1")
    return {"metadata": metadata, **output(state, key, number, logs=logs)}


def output(state: RunState, key: str, number: int | None = None, *, logs: Logs | None = None) -> dict[str, Any]:
    """The output members alone; empty while the task runs, and for skipped, condition and for_each tasks."""
    task, attempt = state.tasks[key], attempt_of(state, key, number)
    if attempt is None or attempt.result is None or (attempt is task.attempt and is_beyond_attempts(task)):
        return {}
    told: dict[str, Any] = {}
    kind = task.planned.kind
    if kind == "notebook_task":
        told["notebook_output"] = _notebook_output(attempt.value)
    if kind in _LOGGING and logs is not None:
        told["logs"], told["logs_truncated"] = logs.text, logs.truncated
    told.update(attempt.output)
    if attempt.failure is not None:
        told["error"] = attempt.failure.error
        if attempt.failure.trace:
            told["error_trace"] = attempt.failure.trace
    if kind in _SILENT:
        return {name: told[name] for name in ("error", "error_trace") if name in told}
    return told


def _notebook_output(value: str | None) -> dict[str, Any]:
    if value is None:
        return {"truncated": False}
    data = value.encode("utf-8", "replace")
    if len(data) <= MAX_OUTPUT:
        return {"result": value, "truncated": False}
    return {"result": data[:MAX_OUTPUT].decode("utf-8", "ignore"), "truncated": True}


# ---------------------------------------------------------------- the whole story in one document


def run_document(
    state: RunState, logs_of: Callable[[str, int], Logs] | None = None, *, host: str = ""
) -> dict[str, Any]:
    """What `run -o json` prints: the Run object unpaged, each task entry with its `output`, and all `task_values`.

    `logs_of(key, attempt number)` gives the logs of an attempt. The entry of a for_each task has its `iterations` too.
    """
    reply = run_reply(state, host=host, version="2.1", include_history=True, include_resolved_values=True)
    for entry in reply.get("tasks", ()):
        key = entry["task_key"]
        _add_output(entry, state, key, logs_of)
        if state.tasks[key].planned.kind == "for_each_task":
            entry["iterations"] = TaskTeller(state, host, True).told(attempts(_iterations(state, key)))
            for iteration in entry["iterations"]:
                _add_output(iteration, state, iteration["task_key"], logs_of)
    values = {task.key: dict(task.values) for task in _top(state)}
    return {
        **reply,
        "task_values": {key: given for key, given in values.items() if given},
        "notices": list(state.notices),
    }


def _add_output(entry: dict[str, Any], state: RunState, key: str, logs_of: Callable[[str, int], Logs] | None) -> None:
    number = entry["attempt_number"]
    ran = any(attempt.number == number for attempt in state.tasks[key].attempts)
    logs = logs_of(key, number) if logs_of and ran and state.tasks[key].planned.kind in _LOGGING else None
    entry["output"] = output(state, key, number, logs=logs) if ran else {}


def run_item(row: Any, *, creator: str, host: str = "", queue_reason: str = "") -> dict[str, Any]:
    """An element of `runs/list` without `expand_tasks`, from a row of the history alone (store.records.RunSummary)."""
    standing = Standing.of_words(row.life_cycle_state, row.result_state, row.message, queue_reason)
    return {
        "job_id": row.job_id,
        "run_id": row.run_id,
        "number_in_job": row.number_in_job or row.run_id,
        "original_attempt_run_id": row.run_id,
        "attempt_number": 0,
        "run_name": row.name,
        "run_type": row.run_type,
        "run_page_url": page_url(host, row.job_id, row.run_id),
        "creator_user_name": creator,
        **standing.members,
        "trigger": row.trigger,
        "start_time": row.created_at,
        "end_time": row.ended_at,
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        "run_duration": max(0, row.ended_at - row.started_at) if row.ended_at and row.started_at else 0,
    }
