"""Checks of a whole job: its graph, its keys, its triggers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.spec.checks import check, quartz_fault
from dbutils_local.spec.tree import node_of


def condition(key: str, *upstream: str, **more: Any) -> dict[str, Any]:
    edges = {"depends_on": [{"task_key": name} for name in upstream]} if upstream else {}
    return {"task_key": key, "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}, **edges, **more}


def errors(job: dict[str, Any]) -> list[str]:
    return [problem.message for problem in check(node_of(job)) if problem.severity == "error"]


def warnings(job: dict[str, Any]) -> list[str]:
    return [problem.message for problem in check(node_of(job)) if problem.severity == "warning"]


def test_a_sound_job_has_nothing_wrong() -> None:
    assert check(node_of({"tasks": [condition("a"), condition("b", "a")]})) == []


def test_a_circle_is_shown_as_a_way_round() -> None:
    found = errors({"tasks": [condition("a", "c"), condition("b", "a"), condition("c", "b")]})
    assert found == ["tasks: the dependencies form a circle: a -> b -> c -> a"]


def test_each_of_two_circles_is_shown() -> None:
    tasks = [
        condition("a", "b"),
        condition("b", "a"),
        condition("x", "y"),
        condition("y", "x"),
        condition("z", "x", "a"),
    ]
    assert len(errors({"tasks": tasks})) == 2


def test_a_task_cannot_wait_for_itself() -> None:
    assert errors({"tasks": [condition("a", "a")]}) == [
        "tasks[0].depends_on[0]: Invalid dependency graph, task 'a' can not reference itself."
    ]


def test_an_unknown_dependency_is_named_with_the_nearest_task() -> None:
    assert errors({"tasks": [condition("ingest"), condition("b", "ingst")]}) == [
        "tasks[1].depends_on[0]: task 'b' depends on 'ingst', which is no task of this job; did you mean 'ingest'?"
    ]


def test_an_outcome_needs_a_condition_task() -> None:
    tasks = [
        {"task_key": "n", "notebook_task": {"notebook_path": "/n"}},
        condition("c"),
        condition("x", depends_on=[{"task_key": "n", "outcome": "true"}, {"task_key": "c", "outcome": "maybe"}]),
        condition("y", depends_on=[{"task_key": "c", "outcome": True}]),
    ]
    assert errors({"tasks": tasks}) == [
        "tasks[2].depends_on[0].outcome: 'n' is no condition_task, so it has no outcome",
        'tasks[2].depends_on[1].outcome: must be "true" or "false", found \'maybe\'',
    ]


def test_a_loop_in_a_loop_is_refused() -> None:
    inner = {"task_key": "i", "for_each_task": {"inputs": "[1]", "task": condition("n")}}
    found = errors({"tasks": [{"task_key": "o", "for_each_task": {"inputs": "[1]", "task": inner}}]})
    assert found == ["tasks[0].for_each_task.task: a for_each_task cannot stand inside another one"]


def test_environments_must_be_there_and_clusters_should() -> None:
    job = {
        "tasks": [condition("a", environment_key="dflt"), condition("b", job_cluster_key="gone")],
        "environments": [{"environment_key": "default"}],
    }
    assert errors(job) == [
        "tasks[0].environment_key: 'dflt' is not among the environments of this job; did you mean 'default'?"
    ]
    assert "tasks[1].job_cluster_key: 'gone' is not among the job_clusters of this job" in warnings(job)


def test_a_job_has_one_trigger() -> None:
    job = {
        "tasks": [condition("a")],
        "schedule": {"quartz_cron_expression": "0 0 8 * * ?", "timezone_id": "UTC"},
        "continuous": {"pause_status": "PAUSED"},
    }
    assert errors(job) == ["continuous: a job has one trigger, found schedule and continuous"]


def test_five_field_cron_is_answered_with_quartz() -> None:
    fault = quartz_fault("30 2 * * 1-5")
    assert fault is not None
    assert fault.startswith("Quartz needs six or seven fields: seconds minutes hours")
    assert fault.endswith("probably '0 30 2 ? * 2-6'")


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 0 8 * * ?", None),
        ("0 0 6 ? * MON-FRI 2026", None),
        ("0 0 8 * * *", "exactly one of"),
        ("0 0 8 ? * ?", "exactly one of"),
        ("daily", "found 1 in 'daily'"),
    ],
)
def test_quartz_expressions_are_looked_at_by_their_shape(expression: str, words: str | None) -> None:
    fault = quartz_fault(expression)
    assert fault is None if words is None else words in str(fault)


def test_a_time_zone_must_exist() -> None:
    job = {
        "tasks": [condition("a")],
        "schedule": {"quartz_cron_expression": "0 0 8 * * ?", "timezone_id": "Europe/Lodon"},
    }
    assert "'Europe/Lodon' is no time zone" in errors(job)[0]


def test_more_than_a_thousand_tasks_are_noticed_not_refused() -> None:
    job = {"tasks": [condition(f"t{n}") for n in range(1001)]}
    assert errors(job) == []
    assert "1,001 tasks" in warnings(job)[0]


def test_a_job_without_tasks_is_a_doubt() -> None:
    assert "has no tasks" in warnings({"name": "empty"})[0]


def test_retries_on_the_loop_itself_are_a_doubt() -> None:
    job = {
        "tasks": [{"task_key": "l", "max_retries": 2, "for_each_task": {"inputs": "[1]", "task": condition("n", "l")}}]
    }
    assert [text.split(":")[0] for text in warnings(job)] == [
        "tasks[0].for_each_task.task.depends_on",
        "tasks[0].max_retries",
    ]


def test_a_very_long_chain_is_no_trouble() -> None:
    tasks = [condition("t0")] + [condition(f"t{n}", f"t{n - 1}") for n in range(1, 5000)]
    assert errors({"tasks": tasks}) == []


GRAPHS = st.dictionaries(st.sampled_from("abcdefgh"), st.sets(st.sampled_from("abcdefgh"), max_size=3), min_size=1)


@given(GRAPHS)
def test_a_circle_is_reported_exactly_when_no_order_exists(graph: dict[str, set[str]]) -> None:
    edges = {key: {name for name in upstream if name in graph and name != key} for key, upstream in graph.items()}
    job = {"tasks": [condition(key, *sorted(upstream)) for key, upstream in edges.items()]}
    done: set[str] = set()
    while ready := {key for key, upstream in edges.items() if key not in done and upstream <= done}:
        done |= ready
    assert bool(errors(job)) == (done != set(edges))


@given(
    st.recursive(
        st.none() | st.text(max_size=5) | st.integers() | st.booleans(),
        lambda b: (
            st.lists(b, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "tasks",
                        "task_key",
                        "depends_on",
                        "for_each_task",
                        "task",
                        "schedule",
                        "environments",
                        "parameters",
                    ]
                ),
                b,
                max_size=4,
            )
        ),
    )
)
def test_checks_survive_any_shape(job: Any) -> None:
    check(node_of(job))
