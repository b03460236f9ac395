"""What the ends of tasks mean: for the tasks that wait for them, and for the job (jobs reference, 4.1 and 4.2)."""

from __future__ import annotations

from dbutils_local.core.plan import Edge, PlannedTask
from dbutils_local.core.state import CANCELING, FAILING, Result, RunState
from dbutils_local.spec.tasks import RunIf


def verdict(state: RunState, task: PlannedTask) -> Result | None:
    """None if `run_if` is met, else the result of a task that does not run (jobs reference, 4.1)."""
    total = len(task.edges)
    if total == 0:
        return None
    classes = [_edge_class(state, edge) for edge in task.edges]
    ok, excluded, disabled = classes.count("ok"), classes.count("excl"), classes.count("dis")
    failed = classes.count("fail") + classes.count("cancel")
    if excluded == total:
        return Result.EXCLUDED
    met = {
        RunIf.ALL_SUCCESS: failed == 0 and disabled == 0 and ok > 0,
        # An excluded edge counts as success beside one that is not (jobs reference, 4.1, inferred there).
        RunIf.AT_LEAST_ONE_SUCCESS: ok > 0 or excluded > 0,
        RunIf.NONE_FAILED: failed == 0 and ok > 0,
        RunIf.ALL_DONE: True,
        RunIf.AT_LEAST_ONE_FAILED: failed > 0,
        RunIf.ALL_FAILED: failed == total,
    }[task.run_if]
    if met:
        return None
    if task.run_if in (RunIf.AT_LEAST_ONE_FAILED, RunIf.ALL_FAILED) or failed == 0:
        # Not run because of disabled tasks only: the result word is not documented, the reference proposes EXCLUDED.
        return Result.EXCLUDED
    return Result.UPSTREAM_FAILED if "fail" in classes else Result.UPSTREAM_CANCELED


def _edge_class(state: RunState, edge: Edge) -> str:
    task = state.tasks[edge.upstream]
    result = task.result
    if result is Result.EXCLUDED:
        return "excl"
    if result is Result.DISABLED:
        return "dis"
    if result in CANCELING:
        return "cancel"
    if result in FAILING:
        return "fail"
    answer = task.attempts[-1].value if task.attempts else None
    return "ok" if edge.outcome is None or answer == edge.outcome else "excl"


def conclusion(state: RunState) -> tuple[Result, str]:
    """The job's own result from its leaf tasks (jobs reference, 4.2) and its state_message (5.2)."""
    results = {key: state.tasks[key].result for key in state.plan.tasks}
    if state.timed_out and not state.canceled:
        return Result.TIMEDOUT, "Run timed out."
    if state.canceled and any(result in CANCELING for result in results.values()):
        return Result.CANCELED, "Run cancelled."
    leaves = [results[key] for key in state.plan.leaves]
    if any(result in FAILING and result not in CANCELING for result in leaves):
        return Result.FAILED, _failure_message(state)
    if any(result in CANCELING for result in leaves):
        return Result.CANCELED, "Run cancelled."
    if any(result in FAILING for result in results.values()):
        return Result.SUCCESS_WITH_FAILURES, ""
    return Result.SUCCESS, ""


def _failure_message(state: RunState) -> str:
    broken = [
        task
        for key in state.plan.tasks
        for task in [state.tasks[key]]
        if task.result in (Result.FAILED, Result.TIMEDOUT)
    ]
    if not broken:
        return ""
    first = min(broken, key=lambda task: task.ended_at)
    skipped = any(state.tasks[key].result is Result.UPSTREAM_FAILED for key in state.plan.tasks)
    message = f"Task {first.key} failed with message: {first.message.rstrip('.')}."
    return f"{message} This caused all downstream tasks to get skipped." if skipped else message
