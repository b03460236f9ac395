"""The condition task: compares two texts and answers "true" or "false"."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from dbutils_local.core.state import Failure
from dbutils_local.executors.base import Failed, Outcome, Succeeded, TaskContext
from dbutils_local.spec.tasks import ConditionOp, Task


class ConditionExecutor:
    """Answers Succeeded("true") or Succeeded("false") (jobs reference, 4.4)."""

    inline = True

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Compare; an order between what are not numbers fails the task."""
        condition = task.condition_task
        assert condition is not None
        try:
            answer = holds(condition.op, condition.left, condition.right)
        except ValueError as error:
            return Failed(Failure(str(error), code="INVALID_RUN_CONFIGURATION", message=str(error)))
        return Succeeded("true" if answer else "false")


def holds(op: ConditionOp, left: str, right: str) -> bool:
    """Whether `left op right`: equality compares texts ("12.0" is not "12"), order numbers, else ValueError."""
    match op:
        case ConditionOp.EQUAL_TO:
            return left == right
        case ConditionOp.NOT_EQUAL:
            return left != right
        case ConditionOp.GREATER_THAN:
            return _number(op, "left", left) > _number(op, "right", right)
        case ConditionOp.GREATER_THAN_OR_EQUAL:
            return _number(op, "left", left) >= _number(op, "right", right)
        case ConditionOp.LESS_THAN:
            return _number(op, "left", left) < _number(op, "right", right)
        case ConditionOp.LESS_THAN_OR_EQUAL:
            return _number(op, "left", left) <= _number(op, "right", right)


def _number(op: ConditionOp, side: str, text: str) -> Decimal:
    # Decimal and not float: 0.1 + 0.2 arrives as text, and an id of 17 digits must not be rounded.
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("nan")
    if number.is_nan() or "_" in text:
        raise ValueError(f"{op.value} compares numbers, and the {side} operand is {text!r}")
    return number
