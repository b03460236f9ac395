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
from typing import IO

from dbutils_local.core import machine
from dbutils_local.core.events import CancelRequested, Event, RunAbandoned, RunDequeued, RunSkipped
from dbutils_local.core.state import LifeCycle, RunState
from dbutils_local.engine.drive import Listener, epoch_ms
from dbutils_local.engine.summary import summarize
from dbutils_local.settings import PREFIX, Settings
from dbutils_local.store.records import Request, RunStore, RunSummary

# A run that waits for its process this long after it was created or repaired has none (ms).
LAUNCH_GRACE = 30_000
# Databricks keeps a queued run for 48 hours (jobs reference, 5.6).
QUEUE_WAIT = 48 * 3600 * 1000


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
    if summary.life_cycle_state == LifeCycle.QUEUED:
        return _expire(store, summary, told, now)
    if (
        summary.life_cycle_state == LifeCycle.PENDING
        and now - max(summary.created_at, summary.updated_at) < LAUNCH_GRACE
    ):
        return summary
    if store.is_driven(summary.run_id):
        return summary
    buried = _write(store, summary.run_id, lambda state: [RunAbandoned(now, _death_note(state))], told)
    return buried or store.summary(summary.run_id)


def _death_note(state: RunState) -> str:
    running = [key for key in state.active if state.tasks[key].loop is None]
    during = f" while {', '.join(running)} ran" if running else ""
    way_on = f"`dbutils-local runs repair {state.run_id}` goes on from there"
    return f"{machine.DRIVER_DIED}{during}. What had finished is kept; {way_on}."


def _expire(store: RunStore, summary: RunSummary, told: Listener, now: int) -> RunSummary:
    if now - summary.created_at < QUEUE_WAIT:
        return summary
    message = "Skipping this run because it waited in the queue for more than 48 hours."
    return _write(store, summary.run_id, lambda state: [RunSkipped(now, message)], told) or store.summary(
        summary.run_id
    )


def _write(
    store: RunStore, run_id: int, decide: Callable[[RunState], list[Event]], told: Listener
) -> RunSummary | None:
    """Become the writer of an undriven run for a moment; None if somebody drives it after all or it is final."""
    with store.lock(run_id) as mine:
        if not mine:
            return None
        state = machine.fold(event for _, event in store.events(run_id))
        if state.is_final:
            return None
        events = decide(state)
        for event in events:
            machine.apply(state, event)
        while more := machine.consequences(state, epoch_ms()):
            for event in more:
                machine.apply(state, event)
            events += more
        summary = summarize(state, store.summary(run_id))
        store.append(run_id, events, summary)
    told(state, tuple(events))
    return store.summary(run_id)


def cancel(store: RunStore, run_id: int, key: str | None = None, told: Listener = _nobody) -> None:
    """Cancel a run or one task of it: by its driver if it has one, else here. A finished run is left as it is."""
    summary = store.summary(run_id)
    if LifeCycle(summary.life_cycle_state).is_final:
        return
    if _write(store, run_id, lambda state: [CancelRequested(epoch_ms(), key)], told) is None:
        store.post(Request(run_id, "cancel", {"key": key} if key else {}))


def dequeue(store: RunStore, job_id: int, limit: int, told: Listener = _nobody) -> list[int]:
    """Take out of a job's queue the runs that may start now, oldest first; the caller launches them."""
    rows = bury_dead(store, store.active_runs(job_id), told)
    waiting = [row.run_id for row in rows if row.life_cycle_state == LifeCycle.QUEUED]
    active = sum(not LifeCycle(row.life_cycle_state).is_final for row in rows) - len(waiting)
    called = waiting[: max(0, limit - active)]
    return [run_id for run_id in called if _write(store, run_id, lambda _: [RunDequeued(epoch_ms())], told)]
