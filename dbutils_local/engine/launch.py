"""Where a run is driven: here, or in a process of its own; and what to do with runs whose process died."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import IO

from dbutils_local.core import machine
from dbutils_local.core.events import CancelRequested, Event, RunAbandoned, RunDequeued, RunSkipped
from dbutils_local.core.state import LifeCycle, RunState
from dbutils_local.engine.drive import Listener, epoch_ms
from dbutils_local.engine.summary import summarize
from dbutils_local.settings import PREFIX, Settings
from dbutils_local.store.records import Request, RunStore, RunSummary

# A run that waits this long (ms) after it was created or repaired for a process that nobody named has none.
LAUNCH_GRACE = 30_000
# Databricks keeps a queued run for 48 hours (jobs reference, 5.6).
QUEUE_WAIT = 48 * 3600 * 1000
# How often a process that waits for its run's turn looks, in seconds.
TURN_INTERVAL = 0.5


class Admission(Enum):
    """What happens to a new run of a job that may already have active ones."""

    START = "start"
    QUEUE = "queue"
    SKIP = "skip"


def admit(active: int, limit: int, queue: bool) -> Admission:
    """Jobs reference, 5.6: over the limit a run waits if the queue is on, else it is skipped; limit 0 skips all."""
    if active < limit:
        return Admission.START
    return Admission.QUEUE if queue and limit > 0 else Admission.SKIP


@contextmanager
def mutex(store: RunStore, name: int) -> Iterator[None]:
    """Hold the lock of an id that is not a run (a job, or 0 for the whole home), waiting for it if need be."""
    while True:
        with store.lock(name) as mine:
            if mine:
                yield
                return
        time.sleep(0.005)


@contextmanager
def driver_log(settings: Settings, run_id: int) -> Iterator[IO[bytes]]:
    """The file that takes what a detached run's own process prints: nothing, unless it breaks."""
    folder = settings.runs / str(run_id)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(folder / "driver.log", "ab") as log:
        yield log


def spawn(settings: Settings, run_id: int) -> int:
    """Start `python -m dbutils_local drive RUN_ID` in a session of its own and return its pid; it outlives us."""
    with driver_log(settings, run_id) as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dbutils_local", "drive", str(run_id)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, f"{PREFIX}HOME": str(settings.home)},
            start_new_session=True,
        )
    # Reaped as soon as it ends: a long-lived server must not collect zombies.
    threading.Thread(target=process.wait, daemon=True, name=f"reap-{run_id}").start()
    return process.pid


def _nobody(state: RunState, events: tuple[Event, ...]) -> None:
    """Who is told when nobody asked to be."""


def bury_dead(
    store: RunStore, summaries: Iterable[RunSummary], told: Listener = _nobody, now: Callable[[], int] = epoch_ms
) -> list[RunSummary]:
    """The rows; those of runs whose driving process died as they are now that it was recorded, which `told` hears."""
    return [_looked_at(store, summary, told, now()) for summary in summaries]


def _looked_at(store: RunStore, summary: RunSummary, told: Listener, now: int) -> RunSummary:
    if LifeCycle(summary.life_cycle_state).is_final:
        return summary
    if summary.life_cycle_state == LifeCycle.QUEUED and store.is_claimed(summary.run_id) is not False:
        return _expire(store, summary, told, now)
    if summary.life_cycle_state == LifeCycle.PENDING and _is_awaited(store, summary, now):
        return summary
    if store.is_driven(summary.run_id):
        return summary
    buried = _write(store, summary.run_id, lambda state: [RunAbandoned(now, _death_note(state))], told)
    return buried or store.summary(summary.run_id)


def _is_awaited(store: RunStore, summary: RunSummary, now: int) -> bool:
    """Whether the process of a run that has none yet may still come, however slowly it starts."""
    claimed = store.is_claimed(summary.run_id)
    return claimed or (claimed is None and now - max(summary.created_at, summary.updated_at) < LAUNCH_GRACE)


def _death_note(state: RunState) -> str:
    running = [key for key in state.active if state.tasks[key].loop is None]
    during = f" while {', '.join(running)} ran" if running else ""
    way_on = f"`dbutils-local runs repair {state.run_id}` goes on from there"
    return f"{machine.DRIVER_DIED}{during}. What had finished is kept; {way_on}."


def _expire(store: RunStore, summary: RunSummary, told: Listener, now: int) -> RunSummary:
    if now - summary.created_at < QUEUE_WAIT:
        return summary
    return _write(store, summary.run_id, lambda state: [_expired(now)], told) or store.summary(summary.run_id)


def _expired(now: int) -> RunSkipped:
    return RunSkipped(now, "Skipping this run because it waited in the queue for more than 48 hours.")


def _write(
    store: RunStore, run_id: int, decide: Callable[[RunState], list[Event]], told: Listener
) -> RunSummary | None:
    """Become the writer of an undriven run for a moment; None if somebody drives it after all or it is final."""
    with store.lock(run_id) as mine:
        written = _write_as_driver(store, run_id, decide) if mine else None
    if written is None:
        return None
    told(*written)
    return store.summary(run_id)


def _write_as_driver(
    store: RunStore, run_id: int, decide: Callable[[RunState], list[Event]]
) -> tuple[RunState, tuple[Event, ...]] | None:
    """Record what is decided and what follows from it, while the run's lock is held; None if that is nothing."""
    state = machine.fold(event for _, event in store.events(run_id))
    if state.is_final:
        return None
    if not (events := decide(state)):
        return None
    for event in events:
        machine.apply(state, event)
    while more := machine.consequences(state, epoch_ms()):
        for event in more:
            machine.apply(state, event)
        events += more
    store.append(run_id, events, summarize(state, store.summary(run_id)))
    return state, tuple(events)


def cancel(store: RunStore, run_id: int, key: str | None = None, told: Listener = _nobody) -> None:
    """Cancel a run or one task of it: by its driver if it has one, else here. A finished run is left as it is."""
    summary = store.summary(run_id)
    if LifeCycle(summary.life_cycle_state).is_final:
        return
    if _write(store, run_id, lambda state: [CancelRequested(epoch_ms(), key)], told) is None:
        store.post(Request(run_id, "cancel", {"key": key} if key else {}))


def wait_for_turn(store: RunStore, run_id: int, limit: int, is_cancelled: Callable[[], bool], told: Listener) -> None:
    """Return when a queued run may start, or is over; the caller holds its lock, so that nobody else starts it."""
    while (row := store.summary(run_id)).life_cycle_state == LifeCycle.QUEUED:
        with mutex(store, row.job_id):
            is_over = is_cancelled() or bool(store.take(run_id))
            written = _write_as_driver(store, run_id, partial(_turn, store, row, limit, is_over))
        if written is None:
            time.sleep(TURN_INTERVAL)
        else:
            told(*written)


def _turn(store: RunStore, row: RunSummary, limit: int, is_cancelled: bool, state: RunState) -> list[Event]:
    now = epoch_ms()
    if is_cancelled:
        return [CancelRequested(now, None)]
    if now - row.created_at >= QUEUE_WAIT:
        return [_expired(now)]
    return [RunDequeued(now)] if row.run_id in _called(store, row.job_id, limit, _nobody) else []


def dequeue(store: RunStore, job_id: int, limit: int, told: Listener = _nobody) -> list[int]:
    """Take out of a job's queue the runs that may start now, oldest first; the caller launches them."""
    called = _called(store, job_id, limit, told)
    return [run_id for run_id in called if _write(store, run_id, lambda _: [RunDequeued(epoch_ms())], told)]


def _called(store: RunStore, job_id: int, limit: int, told: Listener) -> list[int]:
    rows = bury_dead(store, store.active_runs(job_id), told)
    waiting = [row.run_id for row in rows if row.life_cycle_state == LifeCycle.QUEUED]
    active = sum(not LifeCycle(row.life_cycle_state).is_final for row in rows) - len(waiting)
    return waiting[: max(0, limit - active)]
