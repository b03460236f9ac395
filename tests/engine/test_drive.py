"""The loop over a store in memory, with executors that do what a test tells them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from dbutils_local.core import machine
from dbutils_local.core.events import Event, RunCreated, RunRepaired
from dbutils_local.core.repair import repair_keys
from dbutils_local.core.state import Failure, LifeCycle, RunState
from dbutils_local.engine.drive import Control, Listener, Preparation, Refused, Started, drive
from dbutils_local.engine.summary import summarize
from dbutils_local.errors import InvalidState, NotFound
from dbutils_local.executors.base import Expanded, Failed, Outcome, Stopped, StopToken, Succeeded
from dbutils_local.store.memory import MemoryStore
from dbutils_local.store.records import Request, RunSummary

Work = Callable[[StopToken], Outcome]


def task(key: str, after: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    member = {} if any(name.endswith("_task") for name in fields) else {"notebook_task": {"notebook_path": "/n"}}
    return {"task_key": key, "depends_on": [{"task_key": up} for up in after], **member, **fields}


@dataclass
class Works(Preparation):
    """What each task does, by key; what is not named succeeds at once."""

    by_key: Mapping[str, Work | Refused] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    now: int = 0
    most: int = 0

    def start(self, state: RunState, key: str, task_run_id: int, stop: StopToken, at: int) -> Started | Refused:
        self.started.append(key)
        work = self.by_key.get(key, lambda token: Succeeded())
        if isinstance(work, Refused):
            return work
        kind = state.tasks[key].planned.kind
        return Started(lambda: self._count(work, stop), inline=kind in ("condition_task", "for_each_task"))

    def _count(self, work: Work, stop: StopToken) -> Outcome:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            return work(stop)
        finally:
            self.now -= 1


@dataclass
class Run:
    """One stored run of some tasks."""

    tasks: list[dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)
    max_concurrency: int = 0
    store: MemoryStore = field(default_factory=MemoryStore)

    def __post_init__(self) -> None:
        settings = {"name": "j", **self.settings, "tasks": self.tasks}
        created = RunCreated(1, 1, 1, settings, max_concurrency=self.max_concurrency)
        self.store.new_ids(10)
        self.store.create_run(summarize(machine.fold([created]), RunSummary(1, 1, "j")), [created])

    def drive(
        self, works: Works | None = None, *, control: Control | None = None, listeners: tuple[Listener, ...] = ()
    ) -> RunState:
        return drive(self.store, 1, works or Works(), slots=8, control=control, listeners=listeners)

    def stored(self) -> RunState:
        return machine.fold(event for _, event in self.store.events(1))


def results(state: RunState) -> dict[str, str]:
    return {key: str(item.result) for key, item in state.tasks.items()}


def until_stopped(stop: StopToken) -> Outcome:
    assert stop.wait(30)
    return Stopped()


def test_what_is_returned_is_what_is_stored():
    run = Run([task("a"), task("b", ("a",))])
    state = run.drive(Works({"a": lambda stop: Succeeded("one", {"n": 1})}))
    assert results(state) == {"a": "SUCCESS", "b": "SUCCESS"}
    assert run.stored() == state
    assert run.store.summary(1).result_state == "SUCCESS"
    assert state.tasks["a"].values == {"n": 1}


def test_a_finished_run_is_not_driven_again():
    run = Run([task("a")])
    run.drive()
    works = Works()
    assert str(run.drive(works).result) == "SUCCESS"
    assert works.started == []


def test_a_run_that_another_process_drives_is_left_to_it():
    run = Run([task("a")])
    with run.store.lock(1) as mine:
        assert mine
        with pytest.raises(InvalidState, match="driven by another process"):
            run.drive()


def test_the_start_of_a_task_is_on_disk_before_its_code_runs():
    run = Run([task("a")])
    seen: list[LifeCycle] = []

    def look(stop: StopToken) -> Outcome:
        seen.append(run.stored().tasks["a"].phase)
        return Succeeded()

    run.drive(Works({"a": look}))
    assert seen == [LifeCycle.RUNNING]


def test_ready_tasks_run_at_the_same_time():
    barrier = threading.Barrier(3, timeout=30)

    def meet(stop: StopToken) -> Outcome:
        barrier.wait()
        return Succeeded()

    state = Run([task(key) for key in "abc"]).drive(Works(dict.fromkeys("abc", meet)))
    assert set(results(state).values()) == {"SUCCESS"}


def test_no_more_tasks_run_at_once_than_the_run_asked_for():
    def brief(stop: StopToken) -> Outcome:
        time.sleep(0.01)
        return Succeeded()

    works = Works(dict.fromkeys("abcdef", brief))
    Run([task(key) for key in "abcdef"], max_concurrency=2).drive(works)
    assert works.most == 2


def test_a_cancel_from_this_process_stops_what_runs():
    control = Control()

    def cancelled(stop: StopToken) -> Outcome:
        control.cancel()
        return until_stopped(stop)

    state = Run([task("a"), task("b", ("a",))]).drive(Works({"a": cancelled}), control=control)
    assert (results(state), str(state.result)) == ({"a": "CANCELED", "b": "CANCELED"}, "CANCELED")


def test_a_cancel_from_the_mailbox_stops_one_task_only():
    run = Run([task("a"), task("b")])

    def cancelled(stop: StopToken) -> Outcome:
        run.store.post(Request(1, "cancel", {"key": "a"}))
        return until_stopped(stop)

    state = run.drive(Works({"a": cancelled}))
    assert results(state) == {"a": "CANCELED", "b": "SUCCESS"}


def test_a_cancel_of_a_task_that_is_not_there_changes_nothing():
    run = Run([task("a")])
    run.store.post(Request(1, "cancel", {"key": "zz"}))
    assert results(run.drive(Works({"a": lambda stop: (time.sleep(0.3), Succeeded())[1]}))) == {"a": "SUCCESS"}


def test_a_task_over_its_time_is_stopped():
    state = Run([task("a", timeout_seconds=1)]).drive(Works({"a": until_stopped}))
    assert results(state) == {"a": "TIMEDOUT"}


def test_a_task_that_fails_while_it_is_stopped_counts_as_stopped():
    def fails(stop: StopToken) -> Outcome:
        until_stopped(stop)
        return Failed(Failure("KeyboardInterrupt"))

    assert results(Run([task("a", timeout_seconds=1)]).drive(Works({"a": fails}))) == {"a": "TIMEDOUT"}


def test_a_retry_gets_a_task_run_of_its_own():
    tries: list[int] = []

    def flaky(stop: StopToken) -> Outcome:
        tries.append(1)
        return Succeeded() if len(tries) == 3 else Failed(Failure("RuntimeError: not yet"))

    run = Run([task("a", max_retries=2)])
    attempts = run.drive(Works({"a": flaky})).tasks["a"].attempts
    assert [attempt.number for attempt in attempts] == [0, 1, 2]
    assert len({attempt.task_run_id for attempt in attempts}) == 3
    assert run.store.run_of_task(attempts[2].task_run_id) == (1, "a", 2)


def test_a_due_retry_that_waits_for_a_slot_does_not_keep_the_driver_awake():
    """The one slot is taken by a task that runs on, while the retry of the other one is due."""
    run = Run([task("a", max_retries=1, min_retry_interval_millis=1), task("b")], max_concurrency=1)
    tries: list[None] = []

    def flaky(stop: StopToken) -> Outcome:
        tries.append(None)
        return Succeeded() if len(tries) == 2 else Failed(Failure("RuntimeError: not yet"))

    def long(stop: StopToken) -> Outcome:
        time.sleep(1.0)
        return Succeeded()

    cpu = time.thread_time()
    assert results(run.drive(Works({"a": flaky, "b": long}))) == {"a": "SUCCESS", "b": "SUCCESS"}
    assert time.thread_time() - cpu < 0.3


def test_a_loop_runs_its_iterations_and_fails_with_them():
    nested = {"task_key": "each", "notebook_task": {"notebook_path": "/n"}}
    run = Run([task("loop", for_each_task={"inputs": "[]", "concurrency": 2, "task": nested})])
    works = Works(
        {
            "loop": lambda stop: Expanded(("x", "y", "z")),
            "loop[1]": lambda stop: Failed(Failure("ValueError: y")),
        }
    )
    state = run.drive(works)
    assert results(state) == {"loop": "FAILED", "loop[0]": "SUCCESS", "loop[1]": "FAILED", "loop[2]": "SUCCESS"}
    assert "ValueError: y" in state.tasks["loop"].attempts[-1].failure.error  # type: ignore[union-attr]


def test_a_task_that_cannot_be_prepared_fails_before_it_starts():
    refused = Refused(Failure("no such notebook", setup=True))
    state = Run([task("a"), task("b", ("a",))]).drive(Works({"a": refused}))
    assert results(state) == {"a": "FAILED", "b": "UPSTREAM_FAILED"}
    assert state.tasks["a"].phase is LifeCycle.INTERNAL_ERROR


@pytest.mark.parametrize("error", [NotFound("gone"), RuntimeError("a defect")])
def test_an_executor_that_breaks_fails_its_task_and_not_the_run(error: Exception):
    def breaks(stop: StopToken) -> Outcome:
        raise error

    state = Run([task("a"), task("b")]).drive(Works({"a": breaks}))
    assert results(state) == {"a": "FAILED", "b": "SUCCESS"}
    assert str(error) in state.tasks["a"].attempts[-1].failure.error  # type: ignore[union-attr]


def test_listeners_hear_every_event_in_order_and_once():
    heard: list[Event] = []
    run = Run([task("a"), task("b", ("a",))])
    run.drive(listeners=(lambda state, events: heard.extend(events),))
    assert heard == [event for _, event in run.store.events(1)][1:]


def test_whatever_ends_the_loop_no_task_is_left_running():
    started, stopped = threading.Event(), threading.Event()

    def runs(stop: StopToken) -> Outcome:
        started.set()
        until_stopped(stop)
        stopped.set()
        return Stopped()

    def interrupt(state: RunState, events: tuple[Event, ...]) -> None:
        if "b" in state.active:
            assert started.wait(30)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run([task("a"), task("b")]).drive(Works({"a": runs, "b": runs}), listeners=(interrupt,))
    assert stopped.is_set()


def test_a_repair_runs_under_the_same_run_id():
    run = Run([task("a"), task("b", ("a",)), task("c")])
    state = run.drive(Works({"a": lambda stop: Failed(Failure("RuntimeError: no"))}))
    keys = repair_keys(state, rerun_all_failed_tasks=True)
    assert keys == ("a", "b")
    repaired = RunRepaired(state.updated_at + 1, 99, keys, state.settings)
    run.store.append(1, [repaired], summarize(machine.apply(run.stored(), repaired), run.store.summary(1)))
    works = Works()
    state = run.drive(works)
    assert works.started == ["a", "b"]
    assert results(state) == {"a": "SUCCESS", "b": "SUCCESS", "c": "SUCCESS"}
    assert run.stored() == state
