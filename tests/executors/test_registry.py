"""Which executor does a task kind, and the kinds that only hand on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import pytest

from dbutils_local.executors.base import Failed, Outcome, StopToken, Succeeded, TaskContext
from dbutils_local.executors.registry import BUILT_IN, executor_for, runs_here
from dbutils_local.executors.run_job import RunJobExecutor
from dbutils_local.spec.tasks import Task


@pytest.mark.parametrize("kind", sorted(BUILT_IN))
def test_every_built_in_kind_has_one_executor_for_all_threads(kind: str) -> None:
    assert executor_for(kind) is executor_for(kind)
    assert runs_here(kind)


def test_the_table_says_the_same_as_the_entry_points() -> None:
    from importlib.metadata import entry_points

    ours = {point.name: point.value for point in entry_points(group="dbutils_local.executors")}
    assert ours == BUILT_IN
    for value in BUILT_IN.values():
        module, _, name = value.partition(":")
        assert hasattr(import_module(module), name)


def test_a_kind_that_nobody_can_do_fails_by_name(make_context: Callable[..., TaskContext]) -> None:
    task = Task.model_validate({"task_key": "t", "pipeline_task": {"pipeline_id": "p"}})
    assert not runs_here(task.kind)
    outcome = executor_for(task.kind).run(task, make_context())
    assert isinstance(outcome, Failed)
    assert outcome.failure.error.startswith("task kind pipeline_task does not run on this machine: ")
    assert "--stub TASK" in outcome.failure.error


def test_a_child_job_gets_the_tasks_parameters_and_its_end_is_the_tasks(
    make_context: Callable[..., TaskContext],
) -> None:
    asked: list[Any] = []

    def run_job(job_id: int, parameters: Mapping[str, str], legacy: Mapping[str, Any], stop: StopToken) -> Outcome:
        asked.append((job_id, parameters, legacy))
        return Succeeded(output={"run_job_output": {"run_id": 9}})

    member = {"job_id": 7, "job_parameters": {"a": "1"}, "notebook_params": {"n": "2"}, "python_params": []}
    task = Task.model_validate({"task_key": "t", "run_job_task": member})
    outcome = RunJobExecutor().run(task, make_context(run_job=run_job, parameters={"a": "1", "env": "dev"}))
    assert outcome == Succeeded(output={"run_job_output": {"run_id": 9}})
    assert asked == [(7, {"a": "1", "env": "dev"}, {"notebook_params": {"n": "2"}})]


def test_a_job_that_was_never_given_an_id_here_is_named(make_context: Callable[..., TaskContext]) -> None:
    task = Task.model_validate({"task_key": "t", "run_job_task": {"job_id": "${resources.jobs.other.id}"}})
    outcome = RunJobExecutor().run(task, make_context())
    assert isinstance(outcome, Failed)
    assert "'${resources.jobs.other.id}' names no job" in outcome.failure.error
