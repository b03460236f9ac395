"""The row of the history that stands for a run."""

from __future__ import annotations

from dataclasses import replace

from dbutils_local.core.state import RunState
from dbutils_local.store.records import RunSummary


def summarize(state: RunState, before: RunSummary) -> RunSummary:
    """`before` brought up to `state`; the store numbers the events itself."""
    return replace(
        before,
        life_cycle_state=state.phase.value,
        result_state=state.result.value if state.result else None,
        message=state.message,
        started_at=state.started_at,
        ended_at=state.ended_at,
        updated_at=state.updated_at,
        repair_count=state.repair_count,
    )
