"""The condition task (jobs reference, 4.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dbutils_local.executors.base import Failed, Succeeded, TaskContext
from dbutils_local.executors.condition import ConditionExecutor, holds
from dbutils_local.spec.tasks import ConditionOp, Task


@pytest.mark.parametrize(
    ("left", "op", "right", "answer"),
    [
        ("12.0", "EQUAL_TO", "12", False),
        ("12", "EQUAL_TO", "12", True),
        ("true", "EQUAL_TO", "True", False),
        ("a", "NOT_EQUAL", "b", True),
        ("12.0", "GREATER_THAN_OR_EQUAL", "12", True),
        ("9", "LESS_THAN", "10", True),
        ("1e-07", "GREATER_THAN", "0", True),
        ("1e-07", "LESS_THAN", "0.000001", True),
        ("-1", "LESS_THAN_OR_EQUAL", " -1 ", True),
        ("12345678901234567", "GREATER_THAN", "12345678901234566", True),
    ],
)
def test_equality_compares_texts_and_order_compares_numbers(left: str, op: str, right: str, answer: bool) -> None:
    assert holds(ConditionOp(op), left, right) is answer


def task(op: str, left: str, right: str) -> Task:
    return Task.model_validate({"task_key": "c", "condition_task": {"op": op, "left": left, "right": right}})


def test_the_answer_is_the_value(make_context: Callable[..., TaskContext]) -> None:
    assert ConditionExecutor().run(task("EQUAL_TO", "a", "a"), make_context()) == Succeeded("true")
    assert ConditionExecutor().run(task("EQUAL_TO", "a", "b"), make_context()) == Succeeded("false")


@pytest.mark.parametrize("operand", ["abc", "", "true", "nan", "1_000", "0x10"])
def test_an_order_of_what_is_no_number_fails_by_name(operand: str, make_context: Callable[..., TaskContext]) -> None:
    outcome = ConditionExecutor().run(task("GREATER_THAN", operand, "1"), make_context())
    assert isinstance(outcome, Failed)
    assert outcome.failure.error == f"GREATER_THAN compares numbers, and the left operand is {operand!r}"
