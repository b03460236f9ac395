"""The run_if truth table of the jobs reference, 4.1, row by row."""

from __future__ import annotations

import pytest
from play import FAIL, HANG, OK, condition, play, task

RULES = ("ALL_SUCCESS", "AT_LEAST_ONE_SUCCESS", "NONE_FAILED", "ALL_DONE", "AT_LEAST_ONE_FAILED", "ALL_FAILED")
UP = "UPSTREAM_FAILED"
TABLE = {
    "SUCCESS": ("SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS", "EXCLUDED", "EXCLUDED"),
    "FAILED": (UP, UP, UP, "SUCCESS", "SUCCESS", "SUCCESS"),
    "TIMEDOUT": (UP, UP, UP, "SUCCESS", "SUCCESS", "SUCCESS"),
    "UPSTREAM_FAILED": (UP, UP, UP, "SUCCESS", "SUCCESS", "SUCCESS"),
    "CANCELED": ("UPSTREAM_CANCELED",) * 3 + ("SUCCESS",) * 3,
    "EXCLUDED": ("EXCLUDED",) * 6,
    "DISABLED": ("EXCLUDED", "EXCLUDED", "EXCLUDED", "SUCCESS", "EXCLUDED", "EXCLUDED"),
}


def upstream_that_ends(result: str):
    """Tasks among which `up` ends so, their outcomes, and what happens meanwhile."""
    match result:
        case "SUCCESS":
            return [task("up")], {}, None
        case "FAILED":
            return [task("up")], {"up": FAIL}, None
        case "TIMEDOUT":
            return [task("up", timeout_seconds=1)], {"up": HANG}, None
        case "UPSTREAM_FAILED":
            return [task("top"), task("up", ["top"])], {"top": FAIL}, None
        case "CANCELED":
            return [task("up")], {"up": HANG}, "up"
        case "EXCLUDED":
            return [condition("c"), task("up", ["c:false"])], {"c": "true"}, None
        case _:
            return [task("up", disabled=True)], {}, None


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("result", TABLE)
def test_a_single_dependency_decides_as_the_reference_says(result, rule):
    tasks, outcomes, to_cancel = upstream_that_ends(result)

    def during(played):
        if to_cancel and played.state.tasks[to_cancel].phase == "RUNNING":
            played.cancel(to_cancel)

    played = play(*tasks, task("down", ["up"], run_if=rule), outcomes=outcomes, during=during)
    assert played.results["up"] == result
    assert played.results["down"] == TABLE[result][RULES.index(rule)]


@pytest.mark.parametrize(
    ("rule", "ends", "expected"),
    [
        ("ALL_SUCCESS", (OK, OK), "SUCCESS"),
        ("ALL_SUCCESS", (OK, FAIL), UP),
        ("ALL_SUCCESS", (OK, "excl"), "SUCCESS"),
        ("ALL_SUCCESS", ("excl", "excl"), "EXCLUDED"),
        ("AT_LEAST_ONE_SUCCESS", (OK, FAIL), "SUCCESS"),
        ("AT_LEAST_ONE_SUCCESS", (FAIL, FAIL), UP),
        ("AT_LEAST_ONE_SUCCESS", (FAIL, "excl"), "SUCCESS"),
        ("NONE_FAILED", (OK, "excl"), "SUCCESS"),
        ("NONE_FAILED", (OK, FAIL), UP),
        ("NONE_FAILED", ("excl", "excl"), "EXCLUDED"),
        ("NONE_FAILED", (OK, "dis"), "SUCCESS"),
        ("ALL_DONE", (FAIL, "excl"), "SUCCESS"),
        ("ALL_DONE", ("excl", "excl"), "EXCLUDED"),
        ("AT_LEAST_ONE_FAILED", (OK, FAIL), "SUCCESS"),
        ("AT_LEAST_ONE_FAILED", (OK, "excl"), "EXCLUDED"),
        ("AT_LEAST_ONE_FAILED", (FAIL, "dis"), "SUCCESS"),
        ("ALL_FAILED", (FAIL, FAIL), "SUCCESS"),
        ("ALL_FAILED", (FAIL, "excl"), "EXCLUDED"),
        ("ALL_FAILED", (FAIL, "dis"), "EXCLUDED"),
        ("AT_LEAST_ONE_SUCCESS", (OK, "dis"), "SUCCESS"),
        ("ALL_SUCCESS", (OK, "dis"), "EXCLUDED"),
    ],
)
def test_two_dependencies_decide_together(rule, ends, expected):
    tasks, outcomes = [condition("c")], {"c": "true"}
    for name, end in zip("ab", ends, strict=True):
        tasks.append(task(name, ["c:false"] if end == "excl" else [], disabled=end == "dis"))
        outcomes[name] = end if end in (OK, FAIL) else OK
    assert play(*tasks, task("down", ["a", "b"], run_if=rule), outcomes=outcomes).results["down"] == expected


def test_only_the_edge_of_the_branch_not_taken_is_excluded():
    """The job that the API reference itself ships: depends on {cond: false} and on the true branch's task."""
    for answer in ("true", "false"):
        played = play(condition("c"), task("yes", ["c:true"]), task("end", ["c:false", "yes"]), outcomes={"c": answer})
        assert played.results["end"] == "SUCCESS"


def test_an_edge_to_a_condition_without_outcome_counts_as_done():
    assert play(condition("c"), task("down", ["c"]), outcomes={"c": "false"}).results["down"] == "SUCCESS"


def test_a_task_starts_the_moment_its_own_dependencies_end_and_not_behind_a_wave():
    played = play(task("quick"), task("slow", timeout_seconds=60), task("after", ["quick"]), outcomes={"slow": HANG})
    assert played.starts("after")[0] == played.state.tasks["quick"].ended_at
    assert played.results["slow"] == "TIMEDOUT"


def test_excluded_cascades_and_counts_as_success_of_the_job():
    played = play(condition("c"), task("a", ["c:false"]), task("b", ["a"]), task("z", ["b"], run_if="ALL_DONE"))
    assert [played.results[key] for key in "abz"] == ["EXCLUDED"] * 3
    assert played.result == "SUCCESS"
