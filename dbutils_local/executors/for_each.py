"""The for_each task: turns its inputs into one iteration each."""

from __future__ import annotations

import json
from typing import Any

from dbutils_local.core.state import Failure
from dbutils_local.executors.base import Expanded, Failed, Outcome, TaskContext
from dbutils_local.spec.tasks import Task

# Inputs that came through a reference are bounded by where they came from; the largest such source is a task value.
MAX_INPUT_BYTES = 48 * 1024
SHOWN = 60


class ForEachExecutor:
    """Answers Expanded with the elements of `inputs` (jobs reference, 4.5)."""

    inline = True

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Read the inputs; anything but a JSON array fails the task by name."""
        loop = task.for_each_task
        assert loop is not None
        try:
            return Expanded(elements(loop.inputs))
        except ValueError as error:
            return Failed(Failure(str(error), code="INVALID_RUN_CONFIGURATION", message=str(error)))


def elements(inputs: str) -> tuple[Any, ...]:
    """The elements of the text of a JSON array, empty for an empty one; ValueError says what else was found."""
    size = len(inputs.encode())
    if size > MAX_INPUT_BYTES:
        raise ValueError(f"for_each_task.inputs is {size} bytes of JSON; the limit is {MAX_INPUT_BYTES}")
    try:
        found = json.loads(inputs)
    except ValueError as error:
        raise ValueError(f"for_each_task.inputs must be a JSON array, found {_short(inputs)}: {error}") from None
    if not isinstance(found, list):
        raise ValueError(f"for_each_task.inputs must be a JSON array, found {_kind(found)}: {_short(inputs)}")
    return tuple(found)


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")


def _kind(value: Any) -> str:
    match value:
        case dict():
            return "an object"
        case str():
            return "a string"
        case bool():
            return "a boolean"
        case None:
            return "null"
    return "a number"
