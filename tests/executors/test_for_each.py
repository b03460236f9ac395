"""The for_each task (jobs reference, 4.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dbutils_local.executors.base import Expanded, Failed, TaskContext
from dbutils_local.executors.for_each import MAX_INPUT_BYTES, ForEachExecutor
from dbutils_local.spec.tasks import Task

NESTED = {"task_key": "n", "condition_task": {"op": "EQUAL_TO", "left": "{{input}}", "right": "1"}}


def task(inputs: str) -> Task:
    whole = Task.model_validate({"task_key": "loop", "for_each_task": {"inputs": "{{x}}", "task": NESTED}})
    assert whole.for_each_task is not None
    return whole.model_copy(update={"for_each_task": whole.for_each_task.model_copy(update={"inputs": inputs})})


@pytest.mark.parametrize(
    ("inputs", "elements"),
    [("[]", ()), ('[1, "a", null, 1.5, true]', (1, "a", None, 1.5, True)), ('[{"k": [1]}]', ({"k": [1]},))],
)
def test_each_element_is_an_iteration(
    inputs: str, elements: tuple[Any, ...], make_context: Callable[..., TaskContext]
) -> None:
    assert ForEachExecutor().run(task(inputs), make_context()) == Expanded(elements)


@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        ("{{nobody}}", "must be a JSON array, found '{{nobody}}'"),
        ('{"a": 1}', "must be a JSON array, found an object"),
        ('"abc"', "found a string"),
        ("5", "found a number"),
        ("true", "found a boolean"),
        ("null", "found null"),
        ("['a']", """found "['a']": """),
        ("[" + "1," * MAX_INPUT_BYTES + "1]", "the limit is 49152"),
    ],
)
def test_anything_else_fails_by_name(inputs: str, found: str, make_context: Callable[..., TaskContext]) -> None:
    outcome = ForEachExecutor().run(task(inputs), make_context())
    assert isinstance(outcome, Failed)
    assert found in outcome.failure.error
    assert len(outcome.failure.error) < 300
