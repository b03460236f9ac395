"""Retries, timeouts, loops, cancel, repair and the job's own result (jobs reference, 4 and 5)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from play import FAIL, HANG, OK, Play, condition, loop, play, task

from dbutils_local.core.repair import repair_keys
from dbutils_local.errors import InvalidSpec, InvalidState, UserError


def test_a_failed_task_takes_its_children_with_it():
    played = play(task("a"), task("b", ["a"]), task("c", ["b"]), outcomes={"a": FAIL})
    assert played.results == {"a": "FAILED", "b": "UPSTREAM_FAILED", "c": "UPSTREAM_FAILED"}
    assert played.result == "FAILED"


def test_a_failed_run_reports_internal_error_and_its_task_terminated():
    played = play(task("a"), task("b", ["a"]), outcomes={"a": FAIL})
    assert (played.state.phase, played.state.tasks["a"].phase) == ("INTERNAL_ERROR", "TERMINATED")
    assert played.state.message == (
        "Task a failed with message: Workload failed, see run output for details. "
        "This caused all downstream tasks to get skipped."
    )


def test_a_failed_middle_task_with_succeeding_leaves_is_success_with_failures():
    played = play(task("a"), task("b", ["a"], run_if="ALL_DONE"), outcomes={"a": FAIL})
    assert played.result == "SUCCESS_WITH_FAILURES"
    assert played.state.phase == "TERMINATED"


def test_retries_are_counted_and_spaced_from_the_start_of_the_failed_attempt():
    played = play(task("a", max_retries=2, min_retry_interval_millis=5000), outcomes={"a": FAIL}, took=1000)
    starts = played.starts("a")
    assert [b - a for a, b in pairwise(starts)] == [5000, 5000]
    assert [attempt.number for attempt in played.state.tasks["a"].attempts] == [0, 1, 2]


def test_a_retry_after_a_long_attempt_starts_at_once():
    played = play(task("a", max_retries=1, min_retry_interval_millis=500), outcomes={"a": [FAIL, OK]}, took=1000)
    assert played.starts("a") == [1_000_000, 1_001_000]
    assert played.result == "SUCCESS"


def test_a_timed_out_attempt_is_tried_again_only_if_the_task_says_so():
    once = play(task("a", timeout_seconds=1, max_retries=3), outcomes={"a": HANG})
    again = play(
        task("a", timeout_seconds=1, max_retries=1, retry_on_timeout=True), outcomes={"a": [HANG, OK]}, took=10
    )
    assert (once.results["a"], len(once.starts("a"))) == ("TIMEDOUT", 1)
    assert (again.results["a"], len(again.starts("a"))) == ("SUCCESS", 2)


def test_a_job_timeout_stops_what_runs_and_starts_nothing_more():
    played = play(task("a"), task("b", ["a"], run_if="ALL_DONE"), outcomes={"a": HANG}, settings={"timeout_seconds": 5})
    assert played.result == "TIMEDOUT"
    assert played.results == {"a": "TIMEDOUT", "b": "CANCELED"}


def test_a_task_timeout_lets_the_clean_up_run():
    played = play(task("a", timeout_seconds=1), task("b", ["a"], run_if="ALL_DONE"), outcomes={"a": HANG})
    assert played.results == {"a": "TIMEDOUT", "b": "SUCCESS"}


def test_cancelling_a_run_stops_what_runs_and_drops_what_waits():
    def during(played: Play) -> None:
        if not played.state.canceled:
            played.cancel()

    played = play(task("a"), task("b", ["a"], run_if="ALL_DONE"), outcomes={"a": HANG}, during=during)
    assert played.results == {"a": "CANCELED", "b": "CANCELED"}
    assert (played.result, played.state.phase) == ("CANCELED", "TERMINATED")


def test_cancelling_one_task_lets_its_failure_handlers_run():
    def during(played: Play) -> None:
        if played.state.tasks["a"].phase == "RUNNING":
            played.cancel("a")

    played = play(
        task("a"), task("b", ["a"]), task("c", ["a"], run_if="AT_LEAST_ONE_FAILED"), outcomes={"a": HANG}, during=during
    )
    assert played.results == {"a": "CANCELED", "b": "UPSTREAM_CANCELED", "c": "SUCCESS"}


def test_a_canceled_task_is_not_tried_again():
    def during(played: Play) -> None:
        if played.state.tasks["a"].phase == "RUNNING":
            played.cancel("a")

    played = play(task("a", max_retries=5), outcomes={"a": HANG}, during=during)
    assert len(played.starts("a")) == 1


def test_a_loop_runs_each_input_and_no_more_at_once_than_its_concurrency():
    seen = []
    played = play(
        loop("each", concurrency=2),
        outcomes={"each": [1, 2, 3, 4, 5]},
        during=lambda p: seen.append(sum(key.startswith("each[") for key in p.state.active)),
    )
    assert [played.results[f"each[{i}]"] for i in range(5)] == ["SUCCESS"] * 5
    assert max(seen) == 2
    assert played.result == "SUCCESS"


def test_a_loop_over_nothing_succeeds():
    played = play(loop("each"), task("after", ["each"]), outcomes={"each": []})
    assert played.results == {"each": "SUCCESS", "after": "SUCCESS"}


def test_a_loop_goes_on_after_a_failed_iteration_and_then_fails():
    played = play(loop("each"), task("after", ["each"]), outcomes={"each": [1, 2, 3], "each[1]": FAIL})
    assert [played.results[f"each[{i}]"] for i in range(3)] == ["SUCCESS", "FAILED", "SUCCESS"]
    assert (played.results["each"], played.results["after"]) == ("FAILED", "UPSTREAM_FAILED")
    assert "each[1]: RuntimeError: no" in played.state.tasks["each"].attempts[-1].failure.error


def test_an_iteration_is_tried_again_as_its_nested_task_says():
    played = play(loop("each", nested={"max_retries": 1}), outcomes={"each": [1], "each[0]": [FAIL, OK]})
    assert (played.result, len(played.starts("each[0]"))) == ("SUCCESS", 2)


def test_a_timed_out_loop_stops_its_iterations():
    played = play(loop("each", concurrency=1, timeout_seconds=2), outcomes={"each": [1, 2], "each[0]": HANG})
    assert (played.results["each"], played.results["each[0]"], played.results["each[1]"]) == (
        "TIMEDOUT",
        "CANCELED",
        "CANCELED",
    )


def test_a_cancelled_run_leaves_no_iteration_behind_and_can_be_repaired():
    def during(played: Play) -> None:
        if "each[1]" in played.state.tasks and not played.state.canceled and played.state.repair_count == 0:
            played.cancel()

    played = play(
        loop("each", concurrency=2),
        outcomes={"each": list(range(6)), "each[0]": [HANG, OK], "each[1]": [HANG, OK]},
        during=during,
    )
    assert played.result == "CANCELED"
    played.repair(rerun_all_failed_tasks=True)
    assert played.result == "SUCCESS"
    assert all(played.results[f"each[{i}]"] == "SUCCESS" for i in range(6))


def test_repair_runs_the_failed_tasks_and_their_skipped_children_again():
    played = play(task("a"), task("b", ["a"]), task("c"), outcomes={"a": [FAIL, OK]})
    assert repair_keys(played.state, rerun_all_failed_tasks=True) == ("a", "b")
    played.repair(rerun_all_failed_tasks=True)
    assert (played.result, played.state.repair_count) == ("SUCCESS", 1)
    assert [attempt.repair for attempt in played.state.tasks["a"].attempts] == [0, 1]
    assert len(played.starts("c")) == 1


def test_repair_of_named_tasks_touches_only_them():
    played = play(task("a"), task("b", ["a"]), task("c", ["b"]))
    assert repair_keys(played.state, rerun_tasks=["b"]) == ("b",)
    assert repair_keys(played.state, rerun_tasks=["b"], rerun_dependent_tasks=True) == ("b", "c")


def test_repair_after_repair_keeps_counting():
    played = play(task("a", max_retries=1), outcomes={"a": [FAIL, FAIL, FAIL, FAIL, OK]})
    played.repair(rerun_all_failed_tasks=True)
    assert played.result == "FAILED"
    played.repair(rerun_all_failed_tasks=True)
    assert played.result == "SUCCESS"
    assert [attempt.number for attempt in played.state.tasks["a"].attempts] == [0, 1, 2, 3, 4]
    assert [attempt.repair for attempt in played.state.tasks["a"].attempts] == [0, 0, 1, 1, 2]


def test_repair_can_force_a_disabled_task():
    played = play(task("a", disabled=True), task("b"))
    assert played.results["a"] == "DISABLED"
    played.repair(rerun_tasks=["a"])
    assert played.results["a"] == "SUCCESS"


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({}, UserError),
        ({"rerun_tasks": ["a"], "rerun_all_failed_tasks": True}, UserError),
        ({"rerun_tasks": ["nobody"]}, UserError),
        ({"rerun_all_failed_tasks": True}, InvalidState),
    ],
)
def test_a_repair_that_means_nothing_is_refused(asked, error):
    with pytest.raises(error):
        repair_keys(play(task("a")).state, **asked)


def test_an_active_run_cannot_be_repaired():
    with pytest.raises(InvalidState, match="still active"):
        repair_keys(Play([task("a")]).state, rerun_tasks=["a"])


def test_a_circle_is_shown_as_an_arrow_chain():
    with pytest.raises(InvalidSpec, match=r"a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c"):
        Play([task("a", ["c"]), task("b", ["a"]), task("c", ["b"])])


def test_a_task_that_waits_for_itself_is_refused_in_databricks_words():
    with pytest.raises(InvalidSpec, match="Invalid dependency graph, task 'a' can not reference itself"):
        Play([task("a", ["a"])])


def test_only_runs_what_it_names():
    tasks = [task("a"), task("b", ["a"]), task("c", ["b"]), task("d")]
    assert set(play(*tasks, only=("b",)).results) == {"b"}
    assert set(play(*tasks, only=("+b",)).results) == {"a", "b"}
    assert set(play(*tasks, only=("b+",)).results) == {"b", "c"}
    with pytest.raises(UserError, match='task "x" not found in job "job"'):
        play(*tasks, only=("x",))


def test_a_stubbed_task_ends_success_with_its_values_and_says_so():
    played = play(task("a"), task("b", ["a"]), stubs=("a",), stub_values={"a": {"n": 3}}, outcomes={"a": FAIL})
    assert played.results == {"a": "SUCCESS", "b": "SUCCESS"}
    assert played.state.tasks["a"].stubbed
    assert played.state.tasks["a"].values == {"n": 3}


def test_stubbing_a_condition_needs_its_answer():
    with pytest.raises(UserError, match="needs its answer"):
        play(condition("c"), stubs=("c",))
    played = play(condition("c"), task("no", ["c:false"]), stubs=("c",), stub_values={"c": {"outcome": True}})
    assert played.results["no"] == "EXCLUDED"


def test_the_duration_warning_is_given_once_and_stops_nothing():
    rule = {"rules": [{"metric": "RUN_DURATION_SECONDS", "op": "GREATER_THAN", "value": 1}]}
    played = play(task("a"), took=5000, settings={"health": rule})
    assert [type(event).__name__ for event in played.events].count("DurationWarned") == 1
    assert played.result == "SUCCESS"


def test_a_disabled_task_is_not_run_and_the_job_succeeds():
    played = play(task("a", disabled=True))
    assert (played.results["a"], played.result) == ("DISABLED", "SUCCESS")
