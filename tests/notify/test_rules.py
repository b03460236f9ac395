"""Which events are worth a message (jobs reference, 8 and 11)."""

from __future__ import annotations

from typing import Any

import pytest

from dbutils_local.core import machine
from dbutils_local.core.events import (
    DurationWarned,
    Event,
    RunCreated,
    RunFinished,
    RunSkipped,
    RunStarted,
    TaskCanceled,
    TaskFailed,
    TaskNotRun,
    TaskStarted,
    TaskSucceeded,
)
from dbutils_local.core.state import Failure, Result, RunState
from dbutils_local.notify.rules import Message, Occasion, Rules, messages

EVERYTHING = {
    "email_notifications": {occasion.value: ["a@b"] for occasion in Occasion},
    "webhook_notifications": {occasion.value: [{"id": "hook"}] for occasion in Occasion},
}
NOTEBOOK = {"notebook_task": {"notebook_path": "/n"}}


def job(task: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    one = {"task_key": "t", **NOTEBOOK, **(task or {})}
    return {"name": "nightly", "tasks": [one], **members}


def told(settings: dict[str, Any], *events: Event) -> list[Message]:
    """The messages of the last event, after all before it."""
    state = machine.fold([RunCreated(at=1, run_id=50, job_id=7, settings=settings), *events])
    return messages(Rules.of(settings), state, events[-1])


def occasions(settings: dict[str, Any], *events: Event) -> list[Occasion]:
    return [message.occasion for message in told(settings, *events)]


def canceled(state_settings: dict[str, Any]) -> list[Occasion]:
    return occasions(state_settings, RunStarted(2), RunFinished(3, Result.CANCELED))


def test_a_job_tells_its_start_and_its_end() -> None:
    settings = job(**EVERYTHING)
    assert occasions(settings, RunStarted(2)) == [Occasion.START]
    for result in (Result.SUCCESS, Result.SUCCESS_WITH_FAILURES):
        assert occasions(settings, RunStarted(2), RunFinished(3, result)) == [Occasion.SUCCESS]
    for result in (Result.FAILED, Result.TIMEDOUT, Result.CANCELED):
        assert occasions(settings, RunStarted(2), RunFinished(3, result)) == [Occasion.FAILURE]
    assert occasions(settings, RunSkipped(2, "too many")) == [Occasion.FAILURE]
    assert occasions(settings, RunStarted(2), DurationWarned(3)) == [Occasion.DURATION]


def test_nobody_is_told_what_nobody_asked_for() -> None:
    assert told(job(), RunStarted(2)) == []
    assert told(job(email_notifications={"on_failure": ["a@b"]}), RunStarted(2)) == []


def test_canceled_and_skipped_runs_can_be_muted() -> None:
    assert canceled(job(**EVERYTHING, notification_settings={"no_alert_for_canceled_runs": True})) == []
    muted = job(**EVERYTHING, notification_settings={"no_alert_for_skipped_runs": True})
    assert occasions(muted, RunSkipped(2, "x")) == []
    assert canceled(muted) == [Occasion.FAILURE]
    old = job(email_notifications={"on_failure": ["a@b"], "no_alert_for_skipped_runs": True})
    assert occasions(old, RunSkipped(2, "x")) == []


def test_a_task_tells_each_attempt_unless_only_the_last_counts() -> None:
    failed = TaskFailed(3, "t", Failure("ValueError: x"))
    first, second = TaskStarted(2, "t", 51), TaskStarted(4, "t", 52)
    settings = job({"max_retries": 1, **EVERYTHING})
    assert occasions(settings, RunStarted(2), first, failed) == [Occasion.FAILURE]
    assert occasions(settings, RunStarted(2), first, failed, second) == [Occasion.START]
    last_only = job({"max_retries": 1, **EVERYTHING, "notification_settings": {"alert_on_last_attempt": True}})
    assert occasions(last_only, RunStarted(2), first) == [Occasion.START]
    assert occasions(last_only, RunStarted(2), first, failed) == []
    assert occasions(last_only, RunStarted(2), first, failed, second) == []
    assert occasions(last_only, RunStarted(2), first, failed, second, failed) == [Occasion.FAILURE]
    assert occasions(last_only, RunStarted(2), first, failed, second, TaskSucceeded(5, "t")) == [Occasion.SUCCESS]


def test_job_level_mutes_do_not_mute_tasks() -> None:
    settings = job(EVERYTHING, notification_settings={"no_alert_for_canceled_runs": True})
    assert occasions(settings, RunStarted(2), TaskStarted(2, "t", 51), TaskCanceled(3, "t")) == [Occasion.FAILURE]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Result.UPSTREAM_FAILED, [Occasion.FAILURE]),
        (Result.UPSTREAM_CANCELED, [Occasion.FAILURE]),
        (Result.EXCLUDED, []),
        (Result.DISABLED, []),
    ],
)
def test_of_tasks_that_never_ran_only_those_that_should_have_are_told(result: Result, expected: list[Occasion]) -> None:
    assert occasions(job(EVERYTHING), RunStarted(2), TaskNotRun(3, "t", result)) == expected


def test_condition_tasks_tell_nothing() -> None:
    condition = {"task_key": "c", "condition_task": {"op": "EQUAL_TO", "left": "a", "right": "a"}, **EVERYTHING}
    settings = {"name": "j", "tasks": [condition]}
    assert told(settings, RunStarted(2), TaskStarted(2, "c", 51), TaskSucceeded(3, "c", "true")) == []


def state_of(settings: dict[str, Any], *events: Event) -> RunState:
    return machine.fold([RunCreated(at=1, run_id=50, job_id=7, settings=settings), *events])


def test_a_webhook_gets_databricks_keys_and_numbers() -> None:
    [message] = told(job(**EVERYTHING), RunStarted(2))
    assert message.payload == {
        "event_type": "jobs.on_start",
        "workspace_id": 0,
        "run": {"run_id": 50},
        "job": {"job_id": 7, "name": "nightly"},
    }
    [message] = told(job(EVERYTHING), RunStarted(2), TaskStarted(2, "t", 51))
    assert message.payload == {
        "event_type": "jobs.on_start",
        "workspace_id": 0,
        "run": {"run_id": 51, "parent_run_id": 50},
        "job": {"job_id": 7, "name": "nightly"},
        "task": {"task_key": "t"},
    }


def test_people_read_what_failed_and_where_to_look() -> None:
    failed = TaskFailed(3, "t", Failure("ValueError: x"))
    [message] = told(job(EVERYTHING), RunStarted(2), TaskStarted(2, "t", 51), failed)
    assert message.subject == "Task t of job nightly: did not succeed (FAILED)"
    assert "ValueError: x" in message.body
    assert "dbutils-local runs show 50" in message.body
