"""Who may start, who waits, and what is recorded of runs whose process is gone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from dbutils_local.core import machine
from dbutils_local.core.events import (
    Event,
    RunCreated,
    RunDequeued,
    RunFinished,
    RunQueued,
    RunStarted,
    TaskStarted,
    TaskSucceeded,
)
from dbutils_local.core.state import Result
from dbutils_local.engine import launch
from dbutils_local.engine.launch import LAUNCH_GRACE, QUEUE_WAIT, Admission, admit
from dbutils_local.engine.summary import summarize
from dbutils_local.store.memory import MemoryStore
from dbutils_local.store.records import RunSummary

SETTINGS: dict[str, Any] = {
    "name": "j",
    "tasks": [
        {"task_key": "a", "notebook_task": {"notebook_path": "/a"}},
        {"task_key": "b", "depends_on": [{"task_key": "a"}], "notebook_task": {"notebook_path": "/b"}},
    ],
}
CREATED = 1_000


def stored(store: MemoryStore, run_id: int, *events: Event, at: int = CREATED) -> RunSummary:
    every: list[Event] = [RunCreated(at, run_id, 7, SETTINGS), *events]
    row = RunSummary(run_id, 7, "j", created_at=at)
    return store.create_run(summarize(machine.fold(every), row), every)


@pytest.mark.parametrize(
    ("active", "limit", "queue", "expected"),
    [
        (0, 1, False, Admission.START),
        (1, 1, False, Admission.SKIP),
        (1, 1, True, Admission.QUEUE),
        (1, 2, True, Admission.START),
        (0, 0, False, Admission.SKIP),
        (0, 0, True, Admission.SKIP),
    ],
)
def test_over_the_limit_a_run_waits_or_is_skipped(active: int, limit: int, queue: bool, expected: Admission):
    assert admit(active, limit, queue) is expected


def test_a_run_that_nobody_drives_any_more_is_buried_and_told_about():
    store, told = MemoryStore(), []
    row = stored(
        store, 1, RunStarted(1_001), TaskStarted(1_002, "a", 50), TaskSucceeded(1_003, "a"), TaskStarted(1_004, "b", 51)
    )
    [after] = launch.bury_dead(store, [row], lambda state, events: told.extend(events), now=lambda: 2_000)
    assert (after.life_cycle_state, after.result_state) == ("INTERNAL_ERROR", "FAILED")
    assert "while b ran" in after.message
    assert "runs repair 1" in after.message
    state = machine.fold(event for _, event in store.events(1))
    assert str(state.tasks["a"].result) == "SUCCESS"
    assert [type(event).__name__ for event in told] == ["RunAbandoned"]
    assert launch.bury_dead(store, [after]) == [after]


def test_a_run_that_is_driven_is_left_alone():
    store = MemoryStore()
    row = stored(store, 1, RunStarted(1_001))
    with store.lock(1):
        assert launch.bury_dead(store, [row], now=lambda: 10**9) == [row]


def test_a_new_run_has_time_to_get_its_process():
    store = MemoryStore()
    row = stored(store, 1)
    assert launch.bury_dead(store, [row], now=lambda: CREATED + LAUNCH_GRACE - 1) == [row]
    [after] = launch.bury_dead(store, [row], now=lambda: CREATED + LAUNCH_GRACE)
    assert after.life_cycle_state == "INTERNAL_ERROR"


def test_a_run_whose_named_process_lives_is_waited_for_however_slowly_it_starts():
    store = MemoryStore()
    row = stored(store, 1)
    store.claim(1, os.getpid())
    assert launch.bury_dead(store, [row], now=lambda: CREATED + 10 * LAUNCH_GRACE) == [row]


@pytest.mark.parametrize("queued", [(), (RunQueued(1_001, "full"),)])
def test_a_run_whose_named_process_is_gone_is_dead_at_once(queued: tuple[Event, ...]):
    store = MemoryStore()
    row = stored(store, 1, *queued)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    store.claim(1, ended.pid)
    ended.wait()
    [after] = launch.bury_dead(store, [row], now=lambda: CREATED + 1)
    assert after.life_cycle_state == "INTERNAL_ERROR"


def test_who_waits_for_a_turn_gets_it_when_those_before_have_ended():
    store, told = MemoryStore(), []
    recently(store, 1, RunStarted(1_001))
    recently(store, 2, RunQueued(1_001, "full"))
    with store.lock(1), store.lock(2):
        waiting = threading.Thread(
            target=launch.wait_for_turn, args=(store, 2, 1, lambda: False, lambda state, events: told.extend(events))
        )
        waiting.start()
        # Nobody else takes it out of the queue meanwhile.
        assert launch.dequeue(store, 7, 2) == []
        state = machine.fold(event for _, event in store.events(1))
        finished = [RunFinished(1_002, Result.SUCCESS)]
        machine.apply(state, finished[0])
        store.append(1, finished, summarize(state, store.summary(1)))
        waiting.join(60)
    assert store.summary(2).life_cycle_state == "PENDING"
    assert [type(event).__name__ for event in told] == ["RunDequeued"]


@pytest.mark.parametrize("by_letter", [True, False])
def test_who_waits_for_a_turn_can_be_cancelled(by_letter: bool):
    store = MemoryStore()
    recently(store, 1, RunQueued(1_001, "full"))
    with store.lock(1):
        if by_letter:
            launch.cancel(store, 1)
        launch.wait_for_turn(store, 1, 0, lambda: not by_letter, lambda state, events: None)
    assert store.summary(1).result_state == "CANCELED"


def test_a_run_that_left_the_queue_late_has_time_too():
    store = MemoryStore()
    row = stored(store, 1, RunQueued(1_001, "full"), RunDequeued(500_000))
    assert launch.bury_dead(store, [row], now=lambda: 500_000 + LAUNCH_GRACE - 1) == [row]


def test_the_queue_is_left_after_two_days():
    store = MemoryStore()
    row = stored(store, 1, RunQueued(1_001, "full"))
    assert launch.bury_dead(store, [row], now=lambda: CREATED + QUEUE_WAIT - 1) == [row]
    [after] = launch.bury_dead(store, [row], now=lambda: CREATED + QUEUE_WAIT)
    assert (after.life_cycle_state, after.result_state) == ("SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED")


def recently(store: MemoryStore, run_id: int, *events: Event) -> None:
    from dbutils_local.engine.drive import epoch_ms

    stored(store, run_id, *events, at=epoch_ms())


def test_as_many_leave_the_queue_as_may_run_oldest_first():
    store = MemoryStore()
    recently(store, 1)
    for run_id in (2, 3, 4):
        recently(store, run_id, RunQueued(1_001, "full"))
    assert launch.dequeue(store, 7, 3) == [2, 3]
    assert store.summary(2).life_cycle_state == "PENDING"
    assert launch.dequeue(store, 7, 3) == []
    assert launch.dequeue(store, 7, 4) == [4]


def test_a_queued_run_is_cancelled_at_once():
    store = MemoryStore()
    recently(store, 1, RunQueued(1_001, "full"))
    launch.cancel(store, 1)
    assert store.summary(1).result_state == "CANCELED"
    launch.cancel(store, 1)
    assert store.take(1) == []


def test_a_driven_run_gets_a_letter():
    store = MemoryStore()
    recently(store, 1, RunStarted(1_001))
    with store.lock(1):
        launch.cancel(store, 1, "b")
    [request] = store.take(1)
    assert (request.kind, request.body) == ("cancel", {"key": "b"})
