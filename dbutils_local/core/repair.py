"""What a repair runs again, and with which plan (jobs reference, 5.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dbutils_local.core.events import RunRepaired
from dbutils_local.core.plan import Plan, graph_of, plan
from dbutils_local.core.state import FAILING, RunState
from dbutils_local.errors import InvalidState, UserError
from dbutils_local.spec.job import JobSettings


def repair_keys(
    state: RunState,
    *,
    rerun_tasks: Sequence[str] = (),
    rerun_all_failed_tasks: bool = False,
    rerun_dependent_tasks: bool = False,
    graph: Plan | None = None,
) -> tuple[str, ...]:
    """Which tasks a repair runs again (jobs reference, 5.8), in plan order; UserError or InvalidState if it cannot."""
    planned = graph or state.plan
    if not state.is_final:
        raise InvalidState(f"Run {state.run_id} is still active: only a finished run can be repaired.")
    if bool(rerun_tasks) == rerun_all_failed_tasks:
        raise UserError("A repair needs either rerun_tasks or rerun_all_failed_tasks, and not both.")
    unknown = [key for key in rerun_tasks if key not in planned.tasks]
    if unknown:
        raise UserError(
            f'task "{unknown[0]}" not found in run {state.run_id}; its tasks are: {", ".join(planned.tasks)}'
        )
    chosen = set(rerun_tasks) if rerun_tasks else {key for key in planned.tasks if _is_unsuccessful(state, key)}
    if rerun_dependent_tasks:
        below = planned.dependents(chosen) - chosen
        chosen |= {key for key in below if not planned.tasks[key].disabled}
    if not chosen:
        raise InvalidState(f"Run {state.run_id} has no failed task to run again.")
    return tuple(key for key in planned.tasks if key in chosen)


def _is_unsuccessful(state: RunState, key: str) -> bool:
    task = state.tasks.get(key)
    # A task that the job gained since, or that a killed driver left without an end, counts as unsuccessful too.
    return task is None or task.result is None or task.result in FAILING


def plan_for_repair(state: RunState, event: RunRepaired) -> Plan:
    """The current settings' plan, without tasks that are neither of this run nor to be run now."""
    current = plan(JobSettings.model_validate(dict(event.settings)))
    wanted = [key for key in current.tasks if key in event.keys or key in state.plan.tasks]
    kept = [
        replace(
            task,
            edges=tuple(edge for edge in task.edges if edge.upstream in wanted),
            stubbed=_was_stub(state, task.key, event.keys),
        )
        for task in current.tasks.values()
        if task.key in wanted
    ]
    return graph_of(kept, timeout_ms=current.timeout_ms, warn_after_ms=current.warn_after_ms)


def _was_stub(state: RunState, key: str, rerun: Sequence[str]) -> bool:
    known = state.plan.tasks.get(key)
    return known is not None and known.stubbed and key not in rerun
