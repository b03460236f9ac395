from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.core.state import Failure, Result
from dbutils_local.views.snapshot import Tone, duration, label, snapshot, tone
from tests.scripted_runs import BROKEN, CALM, START, Script, played


def test_a_finished_run_shows_every_task_in_an_order_in_which_it_can_run() -> None:
    seen = snapshot(played(), START)
    assert [task.key for task in seen.tasks] == ["plan", "enough_rows", "per_region", "shortfall", "publish", "cleanup"]
    assert [item.key for item in seen.tasks[2].iterations] == ["per_region[0]", "per_region[1]", "per_region[2]"]
    assert (seen.word, seen.label, seen.tone) == ("SUCCESS", "Succeeded", Tone.SUCCESS)
    assert seen.parameters == {"day": "2026-11-22"}


def test_the_edge_of_the_other_answer_is_not_taken() -> None:
    seen = snapshot(played(), START)
    taken = {(edge.upstream, task.key): edge.taken for task in seen.tasks for edge in task.edges}
    assert taken["enough_rows", "per_region"] is True
    assert taken["enough_rows", "shortfall"] is False
    assert taken["shortfall", "publish"] is False


def test_edges_below_a_task_that_has_not_ended_are_undecided() -> None:
    script = Script().play(limit=3)
    edges = [edge for task in snapshot(script.state, script.at).tasks for edge in task.edges]
    assert {edge.taken for edge in edges} == {None}


def test_a_retried_task_keeps_its_attempts_and_counts_its_retries() -> None:
    task = snapshot(played(CALM | {"plan": [BROKEN, {"values": {"rows": 500}}]}), START).tasks[0]
    assert [attempt.result for attempt in task.attempts] == ["FAILED", "SUCCESS"]
    assert (task.retries, task.error, task.values) == (1, "", {"rows": 500})


def test_a_failed_iteration_says_what_failed_and_where() -> None:
    seen = snapshot(played(CALM | {"per_region[2]": BROKEN}), START)
    item = seen.task("per_region[2]")
    assert item is not None
    assert (item.error, item.place, item.input) == (BROKEN.error, "region.py, cell 3, line 12", "<b>")
    loop = seen.tasks[2].loop
    assert loop is not None
    assert (loop.total, loop.succeeded, loop.failed, loop.done) == (3, 2, 1, 3)


def test_a_task_that_waits_in_a_repair_does_not_show_its_old_failure() -> None:
    script = Script(acts=CALM | {"per_region[2]": BROKEN}).play()
    script.acts = dict(CALM)
    script.repair(("per_region", "publish"), {})
    assert snapshot(script.state, script.at).word == "SUCCESS"
    waiting = Script(acts=CALM | {"plan": BROKEN}).play()
    before = len(waiting.events)
    waiting.repair(("plan", "enough_rows"), CALM)
    replay = Script(acts=CALM | {"plan": BROKEN}).play()
    replay.record(waiting.events[before])
    shown = snapshot(replay.state, replay.at).tasks[0]
    assert (shown.word, shown.error, shown.duration_ms, len(shown.attempts)) == ("BLOCKED", "", 0, 3)


def test_a_stubbed_task_says_so_wherever_its_state_is_named() -> None:
    from dbutils_local.core.events import RunStarted, TaskStubbed

    script = Script(stubs=("plan",), stub_values={"plan": {"rows": 5}})
    script.record(RunStarted(START))
    script.record(TaskStubbed(START, "plan", 9, {"rows": 5}))
    task = snapshot(script.state, START).tasks[0]
    assert (task.stubbed, task.label, task.word) == (True, "Succeeded (stubbed)", "SUCCESS")


@given(st.integers(min_value=1, max_value=200), st.sampled_from(["plan", "per_region[1]", "publish", "cleanup"]))
def test_a_snapshot_renders_after_any_prefix_of_a_run(limit: int, broken: str) -> None:
    from dbutils_local.views import graph, html, text, timeline

    script = Script(acts=CALM | {broken: BROKEN}).play(limit=limit)
    seen = snapshot(script.state, script.at)
    for picture in (graph.svg(seen), timeline.svg(seen), text.summary(seen), text.dag(seen), html.report(seen, {})):
        assert "cleanup" in picture
    assert len(text.rows(seen)) >= 6


def test_every_result_has_a_label_and_a_tone_of_its_own() -> None:
    assert {str(result) for result in Result if label(result) == str(result)} == set()
    assert {str(result) for result in Result if tone(result) is Tone.WAITING} == set()


def test_durations_read_as_people_say_them() -> None:
    assert [duration(ms) for ms in (0, 440, 12_000, 185_000, 3_720_000)] == [
        "0.0 s",
        "0.4 s",
        "12 s",
        "3 m 05 s",
        "1 h 02 m",
    ]


def test_a_failure_without_a_place_has_none() -> None:
    task = snapshot(played(CALM | {"plan": Failure("boom")}), START).tasks[0]
    assert (task.error, task.place) == ("boom", "")
