from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from databricks.sdk.service import jobs
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.core.state import LifeCycle, Result
from dbutils_local.errors import UserError
from dbutils_local.wire import replies
from dbutils_local.wire.ids import FIRST, waiting_id, waiting_task
from dbutils_local.wire.jobs import filled_settings, job_reply, page_start, paged, single_task_form
from dbutils_local.wire.states import TERMINATION_CODES, Standing
from tests.scripted_runs import BROKEN, CALM, NIGHTLY, START, Script, played

OURS = {"stubbed"}  # the one word of ours in a Run


def lost(told: Any, kept: Any, where: str = "") -> list[str]:
    """The paths of `told` that are not in `kept`; empty objects, lists and texts may go."""
    if isinstance(told, Mapping):
        missing = [
            f"{where}.{name}"
            for name in told
            if name not in kept and told[name] not in ({}, [], "", None) and name not in OURS
        ]
        return missing + [
            path for name in told if name in kept for path in lost(told[name], kept[name], f"{where}.{name}")
        ]
    if isinstance(told, list):
        return [path for index, item in enumerate(told) for path in lost(item, kept[index], f"{where}[{index}]")]
    return [] if told == kept else [f"{where}: {told!r} became {kept!r}"]


def test_no_field_of_a_run_is_lost_in_the_sdk() -> None:
    script = Script(
        acts=CALM | {"plan": [BROKEN, {"values": {"rows": 500}}], "per_region[2]": BROKEN}, job_parameters={"x": "1"}
    )
    state = script.play().repair(("per_region", "publish"), CALM).state
    told = replies.run_reply(state, host="http://h", include_history=True, include_resolved_values=True)
    assert lost(told, jobs.Run.from_dict(told).as_dict()) == []


def test_no_field_of_a_task_run_and_its_output_is_lost_in_the_sdk() -> None:
    state = played(CALM | {"per_region[2]": BROKEN})
    for key in ("plan", "per_region", "per_region[2]", "publish", "enough_rows"):
        told = replies.output_reply(state, key)
        assert lost(told, jobs.RunOutput.from_dict(told).as_dict()) == []


def test_no_field_of_a_job_is_lost_in_the_sdk() -> None:
    told = job_reply(5, NIGHTLY, created_at=START, creator="me")
    assert lost(told, jobs.Job.from_dict(told).as_dict()) == []


@given(st.integers(min_value=1, max_value=200))
def test_every_prefix_of_a_run_is_a_run_to_the_sdk(limit: int) -> None:
    told = replies.run_reply(
        Script(acts=CALM | {"per_region[1]": BROKEN}).play(limit=limit).state, include_history=True
    )
    assert lost(told, jobs.Run.from_dict(told).as_dict()) == []
    assert all(entry["run_id"] > 0 and "start_time" in entry and "state" in entry for entry in told["tasks"])
    assert ("result_state" in told["state"]) == (told["end_time"] > 0)


def test_every_attempt_and_repair_is_an_entry_with_a_growing_number() -> None:
    script = Script(acts=CALM | {"plan": [BROKEN, {"values": {"rows": 500}}], "per_region[2]": BROKEN}).play()
    told = replies.run_reply(script.repair(("per_region", "publish"), CALM).state, include_history=True)
    numbers: dict[str, list[int]] = {}
    for entry in told["tasks"]:
        numbers.setdefault(entry["task_key"], []).append(entry["attempt_number"])
    assert numbers["plan"] == [0, 1]
    assert numbers["per_region"] == [0, 1]
    history = told["repair_history"]
    assert ["id" in item for item in history] == [False, True]
    assert [item["type"] for item in history] == ["ORIGINAL", "REPAIR"]
    assert history[0]["state"]["result_state"] == "SUCCESS_WITH_FAILURES"
    assert told["state"]["result_state"] == "SUCCESS"
    ids = [entry["run_id"] for entry in told["tasks"] if entry["start_time"]]
    assert set(ids) <= {i for item in history for i in item["task_run_ids"]}


def test_a_failed_job_is_an_internal_error_while_its_task_is_terminated() -> None:
    told = replies.run_reply(played(CALM | {"cleanup": BROKEN}))
    assert (told["state"]["life_cycle_state"], told["state"]["result_state"]) == ("INTERNAL_ERROR", "FAILED")
    task = next(entry for entry in told["tasks"] if entry["task_key"] == "cleanup")
    assert task["state"]["life_cycle_state"] == "TERMINATED"
    assert task["state"]["state_message"] == "Workload failed, see run output for details"
    assert task["status"]["termination_details"]["code"] == "RUN_EXECUTION_ERROR"
    assert told["state"]["state_message"].startswith("Task cleanup failed with message: ")


def test_a_task_that_waits_has_an_id_that_is_found_again() -> None:
    told = replies.run_reply(Script().play(limit=3).state)
    ids = [entry["run_id"] for entry in told["tasks"] if entry["state"]["life_cycle_state"] == "BLOCKED"]
    assert len(set(ids)) == 5
    assert [waiting_task(i) for i in ids] == [(7, place) for place in range(1, 6)]


@given(st.integers(min_value=1, max_value=2**35), st.integers(min_value=0, max_value=60_000))
def test_waiting_ids_name_one_task_and_stay_exact_in_json(run_id: int, place: int) -> None:
    made = waiting_id(run_id, place)
    assert waiting_task(made) == (run_id, place)
    assert FIRST <= made < 2**53


def test_a_for_each_task_run_tells_its_iterations_and_their_count() -> None:
    state = played(CALM | {"per_region[2]": BROKEN})
    told = replies.task_run_reply(state, "per_region")
    assert [item["task_key"] for item in told["iterations"]] == ["per_region[0]", "per_region[1]", "per_region[2]"]
    stats = told["tasks"][0]["for_each_task"]["stats"]
    assert stats["task_run_stats"]["failed_iterations"] == 1
    assert stats["task_run_stats"]["succeeded_iterations"] == 2
    assert stats["error_message_stats"][0]["error_message"] == BROKEN.error


def test_a_condition_tells_its_outcome_and_no_output() -> None:
    state = played()
    entry = next(e for e in replies.run_reply(state)["tasks"] if e["task_key"] == "enough_rows")
    assert entry["condition_task"]["outcome"] == "true"
    assert set(replies.output_reply(state, "enough_rows")) == {"metadata"}


def test_a_notebook_that_never_exited_has_the_object_without_a_result() -> None:
    assert replies.output(played(), "cleanup") == {"notebook_output": {"truncated": False}}
    assert replies.output(played(), "plan") == {"notebook_output": {"result": "planned", "truncated": False}}
    failed = replies.output(played(CALM | {"cleanup": BROKEN}), "cleanup")
    assert failed["error"] == BROKEN.error
    assert failed["error_trace"] == BROKEN.trace
    assert failed["notebook_output"] == {"truncated": False}


def test_an_exit_value_over_five_megabytes_is_cut_and_says_so() -> None:
    told = replies.output(played(CALM | {"cleanup": {"value": "é" * 3_000_000}}), "cleanup")["notebook_output"]
    assert told["truncated"] is True
    assert len(told["result"].encode()) == 5 * 1024 * 1024


def test_job_parameters_tell_name_default_and_value() -> None:
    state = played(job_parameters={"added": "x", "day": "2026-01-01"})
    assert replies.run_reply(state)["job_parameters"] == [
        {"name": "added", "value": "x"},
        {"name": "day", "default": "2026-11-22", "value": "2026-01-01"},
    ]


def test_the_document_of_a_run_has_outputs_and_task_values_and_is_a_run_to_the_sdk() -> None:
    told = replies.run_document(played(), lambda key, number: replies.Logs(f"log of {key}"))
    assert told["task_values"] == {"plan": {"rows": 500}}
    assert told["tasks"][0]["output"] == {"notebook_output": {"result": "planned", "truncated": False}}
    assert jobs.Run.from_dict(told).state is not None
    loop = next(entry for entry in told["tasks"] if entry["task_key"] == "per_region")
    assert [item["output"] for item in loop["iterations"]] == [{"notebook_output": {"truncated": False}}] * 3


def test_a_stubbed_task_is_marked_in_json() -> None:
    from dbutils_local.core.events import RunStarted, TaskStubbed

    script = Script(stubs=("plan",))
    script.record(RunStarted(START))
    script.record(TaskStubbed(START, "plan", 9, {}))
    assert replies.run_reply(script.state)["tasks"][0]["stubbed"] is True


def test_pages_of_nested_arrays_repeat_the_scalars_and_end() -> None:
    tasks = [{"task_key": f"t{i}", "notebook_task": {"notebook_path": "n.py"}} for i in range(250)]
    state = Script({"name": "wide", "tasks": tasks}, {}).play(limit=2).state
    token, seen, pages = None, [], 0
    while True:
        told = replies.run_reply(state, page_token=token)
        seen += [entry["task_key"] for entry in told.get("tasks", ())]
        pages += 1
        assert told["run_name"] == "wide"
        token = told.get("next_page_token")
        if token is None:
            break
    assert (len(set(seen)), pages) == (250, 3)
    assert len(replies.run_reply(state, version="2.1")["tasks"]) == 250


@given(st.text(max_size=30))
def test_a_token_that_is_not_ours_is_refused_or_a_number(token: str) -> None:
    start, refusal = -1, ""
    try:
        start = page_start(token)
    except UserError as error:
        refusal = str(error)
    assert start >= 0 or "page token" in refusal


def test_an_exhausted_array_is_absent_on_later_pages() -> None:
    first, more = paged({"a": list(range(150)), "b": [1]}, "2.2", None)
    second, end = paged({"a": list(range(150)), "b": [1]}, "2.2", more["next_page_token"])
    assert (len(first["a"]), first["b"], len(second["a"]), "b" in second, end) == (100, [1], 50, False, {})


def test_server_defaults_are_filled_in_and_secrets_of_the_writer_left_out() -> None:
    told = filled_settings(
        {"tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/n"}}], "run_as": {"user_name": "u"}}
    )
    assert told["name"] == "Untitled"
    assert told["email_notifications"] == {}
    assert told["tasks"][0]["run_if"] == "ALL_SUCCESS"
    assert told["tasks"][0]["notebook_task"]["source"] == "WORKSPACE"
    assert "run_as" not in told
    assert single_task_form(told)["notebook_task"]["notebook_path"] == "/n"


@pytest.mark.parametrize("phase", list(LifeCycle))
def test_every_phase_has_both_shapes(phase: LifeCycle) -> None:
    told = Standing(phase, Result.SUCCESS if phase.is_final else None).members
    assert jobs.RunState.from_dict(told["state"]).life_cycle_state is not None
    assert jobs.RunStatus.from_dict(told["status"]).state is not None


def test_our_words_are_the_sdks_words() -> None:
    assert {word.value for word in jobs.RunLifeCycleState} == {str(phase) for phase in LifeCycle}
    assert {str(result) for result in Result} <= {word.value for word in jobs.RunResultState}
    assert {word.value for word in jobs.TerminationCodeCode} >= TERMINATION_CODES
    for result in Result:
        details = Standing(LifeCycle.TERMINATED, result).status["termination_details"]
        assert details["type"] in {word.value for word in jobs.TerminationTypeType}


def test_a_task_that_a_repair_left_out_of_the_job_is_still_told() -> None:
    from dbutils_local.core.events import RunRepaired

    script = Script(acts=CALM | {"cleanup": BROKEN}).play()
    lone = {**NIGHTLY, "tasks": [{"task_key": "cleanup", "notebook_task": {"notebook_path": "cleanup.py"}}]}
    script.acts = dict(CALM)
    script.record(RunRepaired(script.at, 99, ("cleanup",), lone))
    told = replies.run_reply(script.play().state)
    assert {entry["task_key"] for entry in told["tasks"]} == {task["task_key"] for task in NIGHTLY["tasks"]}
    assert told["state"]["result_state"] == "SUCCESS"
