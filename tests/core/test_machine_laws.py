"""Laws that hold for every job: random graphs, outcomes, cancels, timeouts and repairs, played without kernels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from play import FAIL, HANG, OK, Play, condition, loop, task

from dbutils_local.core import machine
from dbutils_local.core.events import Event, RunRepaired, TaskStarted, TaskStubbed, from_json, to_json
from dbutils_local.core.loops import iteration_key
from dbutils_local.core.repair import repair_keys
from dbutils_local.core.state import FAILING, Result, RunState
from dbutils_local.errors import InvalidState
from dbutils_local.spec.tasks import RunIf
from dbutils_local.views.snapshot import snapshot

ENDS = st.lists(st.sampled_from([OK, OK, FAIL, HANG]), min_size=1, max_size=3)


@st.composite
def plays(draw: st.DrawFn) -> Play:
    """A run that has begun: up to eight tasks of every shape, and what each attempt of them will do."""
    outcomes: dict[str, Any] = {}
    tasks: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 8))):
        tasks.append(_a_task(draw, f"t{number}", tasks, outcomes))
    keys = [item["task_key"] for item in tasks]
    stubbed = not draw(st.integers(0, 5))
    play = Play(
        tasks,
        outcomes=outcomes,
        took=draw(st.sampled_from([0, 700, 1000])),
        slots=draw(st.sampled_from([1, 2, 1000])),
        settings=draw(st.sampled_from([{}, {}, {"timeout_seconds": 2}])),
        only=draw(st.sampled_from([(), (), (f"+{keys[-1]}",), (f"{keys[0]}+",)])),
        stubs=(keys[0],) if stubbed else (),
        stub_values={keys[0]: {"outcome": True}} if stubbed else {},
    )
    play.during = _cancelling(draw(st.dictionaries(st.integers(1, 12), st.sampled_from([None, *keys]), max_size=2)))
    return play


def _a_task(draw: st.DrawFn, key: str, before: list[dict[str, Any]], outcomes: dict[str, Any]) -> dict[str, Any]:
    ups = draw(st.lists(st.sampled_from(before), max_size=3, unique_by=lambda item: item["task_key"])) if before else []
    after = [
        item["task_key"] + (draw(st.sampled_from(["", ":true", ":false"])) if "condition_task" in item else "")
        for item in ups
    ]
    fields: dict[str, Any] = {"run_if": draw(st.sampled_from(list(RunIf))).value, **_tries(draw)}
    if draw(st.integers(0, 9)) == 0:
        fields["disabled"] = True
    match draw(st.sampled_from(["plain", "plain", "condition", "loop"])):
        case "condition":
            outcomes[key] = draw(st.sampled_from(["true", "false"]))
            return condition(key, after, **fields)
        case "loop":
            inputs = list(range(draw(st.integers(0, 4))))
            outcomes[key] = inputs
            outcomes |= {iteration_key(key, index): draw(ENDS) for index in inputs}
            return loop(key, after, concurrency=draw(st.integers(1, 3)), nested=_tries(draw), **fields)
        case _:
            outcomes[key] = draw(ENDS)
            return task(key, after, **fields)


def _tries(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "max_retries": draw(st.integers(0, 2)),
        "min_retry_interval_millis": draw(st.sampled_from([0, 5000])),
        "retry_on_timeout": draw(st.booleans()),
        "timeout_seconds": draw(st.sampled_from([0, 0, 1, 3])),
    }


def _cancelling(at_steps: Mapping[int, str | None]) -> Callable[[Play], None]:
    steps = Counter[str]()

    def during(play: Play) -> None:
        steps["seen"] += 1
        wanted = steps["seen"] in at_steps and not play.state.is_final
        key = at_steps.get(steps["seen"])
        if wanted and (key is None or key in play.state.tasks):
            play.cancel(key)

    return during


REPAIRS = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 7)), max_size=3)


def repaired(play: Play, asked: list[tuple[bool, bool, int]]) -> Play:
    """The run played to its end, then repaired as often as asked and possible."""
    play.run()
    for all_failed, dependents, number in asked:
        keys = list(play.state.plan.tasks)
        chosen = {"rerun_all_failed_tasks": True} if all_failed else {"rerun_tasks": [keys[number % len(keys)]]}
        try:
            play.repair(rerun_dependent_tasks=dependents, **chosen)
        except InvalidState:
            assert all_failed  # nothing had failed
    return play


def stored(event: Event) -> Event:
    return from_json(json.loads(json.dumps(to_json(event))))


law = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@law
@given(plays(), REPAIRS)
def test_every_run_ends_and_every_task_with_it(play: Play, asked: Any):
    state = repaired(play, asked).state
    assert state.result is not None
    assert all(item.is_final and item.result is not None for item in state.tasks.values())
    assert not any((state.active, state.ready, state.retrying, state.doomed, state.closing, state.open))
    assert machine.next_wake(state) is None
    assert machine.consequences(state, play.now) == []


@law
@given(plays(), REPAIRS)
def test_the_fold_of_the_stored_events_is_the_state(play: Play, asked: Any):
    repaired(play, asked)
    assert machine.fold(stored(event) for event in play.events) == play.state


@law
@given(plays(), REPAIRS)
def test_a_run_can_be_drawn_after_any_event(play: Play, asked: Any):
    repaired(play, asked)
    state = machine.begin(play.events[0])  # type: ignore[arg-type]
    for event in play.events[1:]:
        picture = snapshot(machine.apply(state, event), event.at)
        assert len(picture.tasks) == len(state.plan.tasks)
        assert picture.duration_ms >= 0


@law
@given(plays(), REPAIRS)
def test_no_task_starts_before_all_above_it_have_ended(play: Play, asked: Any):
    repaired(play, asked)
    state = machine.begin(play.events[0])  # type: ignore[arg-type]
    for event in play.events[1:]:
        if isinstance(event, TaskStarted | TaskStubbed):
            item = state.tasks[event.key]
            above = state.tasks[item.parent].planned if item.parent else item.planned
            assert all(state.tasks[edge.upstream].is_final for edge in above.edges)
            assert item.parent is None or item.parent in state.active
        machine.apply(state, event)


@law
@given(plays(), REPAIRS)
def test_slots_and_loop_concurrency_are_never_exceeded(play: Play, asked: Any):
    repaired(play, asked)
    state = machine.begin(play.events[0])  # type: ignore[arg-type]
    for event in play.events[1:]:
        machine.apply(state, event)
        at_once = Counter(state.tasks[key].parent for key in state.active if state.tasks[key].parent)
        for key, count in at_once.items():
            assert key is not None
            assert count <= state.tasks[key].planned.concurrency
        leaves = [key for key in state.active if state.tasks[key].planned.kind == "notebook_task"]
        assert len(leaves) <= play.slots


@law
@given(plays(), REPAIRS)
def test_no_task_is_tried_more_often_than_allowed(play: Play, asked: Any):
    repaired(play, asked)
    for item in play.state.tasks.values():
        rounds = Counter(attempt.repair for attempt in item.attempts)
        above = play.state.tasks[item.parent] if item.parent else None
        for number, count in rounds.items():
            times = sum(attempt.repair == number for attempt in above.attempts) if above else 1
            assert count <= (item.planned.max_retries + 1) * times


@law
@given(plays(), REPAIRS)
def test_a_retry_waits_for_its_interval(play: Play, asked: Any):
    repaired(play, asked)
    for item in play.state.tasks.values():
        for earlier, later in zip(item.attempts, item.attempts[1:], strict=False):
            same_round = earlier.repair == later.repair and item.parent is None
            gap = item.planned.min_retry_interval_ms if same_round else 0
            assert later.started_at >= max(earlier.ended_at, earlier.started_at + gap)


@law
@given(plays(), REPAIRS)
def test_a_repair_touches_only_what_it_names(play: Play, asked: Any):
    repaired(play, asked)
    state = machine.begin(play.events[0])  # type: ignore[arg-type]
    kept: dict[str, Any] = {}
    for event in play.events[1:]:
        if isinstance(event, RunRepaired):
            kept = _untouched(state, event.keys)
        machine.apply(state, event)
        assert {key: _ends(state, key) for key in kept} == kept


def _untouched(state: RunState, keys: tuple[str, ...]) -> dict[str, Any]:
    """Tasks that are not named, and the iterations of named loops that had succeeded."""
    return {
        key: _ends(state, key)
        for key, item in state.tasks.items()
        if (item.parent or key) not in keys or (item.parent and item.result is Result.SUCCESS)
    }


def _ends(state: RunState, key: str) -> Any:
    item = state.tasks[key]
    return item.result, item.ended_at, [attempt.task_run_id for attempt in item.attempts]


@law
@given(plays())
def test_a_repair_of_all_failed_tasks_names_exactly_them(play: Play):
    state = play.run().state
    bad = {key for key in state.plan.tasks if state.tasks[key].result in FAILING}
    if bad:
        assert set(repair_keys(state, rerun_all_failed_tasks=True)) == bad


@law
@given(plays(), st.integers(0, 60))
def test_a_run_whose_driver_died_anywhere_is_buried_and_can_be_repaired(play: Play, cut: int):
    from dbutils_local.core.events import RunAbandoned

    play.run()
    state = machine.fold(play.events[: max(1, cut)])
    if state.is_final:
        return
    finished = {key: _ends(state, key) for key, item in state.tasks.items() if item.is_final}
    machine.apply(state, RunAbandoned(play.now, machine.DRIVER_DIED))
    assert state.is_final
    assert {key: _ends(state, key) for key in finished} == finished
    snapshot(state, play.now)
    if len([key for key in finished if key in state.plan.tasks]) == len(state.plan.tasks):
        return  # only the run's own end was missing: it ended as its tasks did
    assert str(state.result) == "FAILED"
    again = repair_keys(state, rerun_all_failed_tasks=True)
    assert not set(again) & {key for key in finished if state.tasks[key].result is Result.SUCCESS}
