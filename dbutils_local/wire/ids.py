"""Ids of task runs that have not started: clients index every task by its run id before there is one."""

from __future__ import annotations

# Above every id a store will ever give, below 2^53 so that JSON readers keep it exact (jobs reference, 5.3).
FIRST = 1 << 52
TASKS = 1 << 16


def waiting_id(run_id: int, place: int) -> int:
    """The id of the `place`th task of a run while it waits; later it means the latest attempt of that task."""
    return FIRST + run_id * TASKS + place


def waiting_task(any_id: int) -> tuple[int, int] | None:
    """(run_id, place) of such an id; None for an id of the store."""
    return divmod(any_id - FIRST, TASKS) if any_id >= FIRST else None
