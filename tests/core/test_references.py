"""Dynamic value references and parameters (jobs reference, 2 and 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.core import machine
from dbutils_local.core.events import (
    Event,
    RunCreated,
    RunRepaired,
    RunStarted,
    TaskExpanded,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
)
from dbutils_local.core.parameters import overridden_member, parameters_for, resolved_member
from dbutils_local.core.references import (
    Scope,
    UnresolvedReference,
    Upstream,
    fault_of,
    references_in,
    resolve,
    resolve_value,
    scope_of,
    unknown_references,
)
from dbutils_local.core.state import Failure, Result, RunState
from dbutils_local.spec.tasks import Task

AT = 1_779_530_399_123  # 2026-05-23T09:59:59.123Z, a Saturday

UPSTREAM = {
    "ok": Upstream(
        run_id=11,
        execution_count=2,
        notebook_path="/a/b",
        result=Result.SUCCESS,
        values={
            "text": "x y",
            "n": 1,
            "f": 1e-07,
            "t": True,
            "none": None,
            "deep": {"a": [1, "ü"]},
            "a key": "odd",
            "dot.ted": "d",
        },
    ),
    "my-task": Upstream(run_id=12, execution_count=1, result=Result.FAILED, error_code="RunExecutionError"),
    "skipped": Upstream(result=Result.UPSTREAM_FAILED),
    "running": Upstream(run_id=13, execution_count=1),
    "query": Upstream(run_id=14, execution_count=1, result=Result.SUCCESS, rows=[{"c": 5, "d e": "x"}, {"c": 6}]),
    "empty": Upstream(run_id=15, execution_count=1, result=Result.SUCCESS, rows=[]),
    "alert": Upstream(run_id=16, execution_count=1, result=Result.SUCCESS, alert_state="OK"),
}

SCOPE = Scope(
    job_id=1,
    job_name="nightly",
    job_run_id=2,
    repair_count=3,
    start_time=AT,
    trigger_type="file_arrival",
    trigger_time=AT,
    trigger={
        "location": "/Volumes/a/b/c/",
        "updated_tables": ["c.s.t"],
        "commits": {"c.s.t": {"timestamp": AT, "version": 7}},
    },
    job_parameters={"env": "dev", "run-day": "2026", "dot.ted": "d"},
    task_key="here",
    task_run_id=4,
    execution_count=2,
    notebook_path="/n/b",
    upstream=UPSTREAM.get,
    workspace_id="9",
    workspace_url="https://w",
)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("{{job.id}}-{{job.name}}", "1-nightly"),
        ("{{job.run_id}}", "2"),
        ("{{job.repair_count}}", "3"),
        ("{{job.start_time.iso_date}}", "2026-05-23"),
        ("{{job.start_time.[iso_date]}}", "2026-05-23"),
        ("{{job.start_time.iso_datetime}}", "2026-05-23T09:59:59Z"),
        ("{{job.start_time.iso_weekday}}", "6"),
        ("{{job.start_time.is_weekday}}", "false"),
        ("{{job.start_time.year}}/{{job.start_time.month}}/{{job.start_time.day}}", "2026/5/23"),
        ("{{job.start_time.hour}}:{{job.start_time.minute}}:{{job.start_time.second}}", "9:59:59"),
        ("{{job.start_time.timestamp_ms}}", str(AT)),
        ("{{job.parameters.env}}", "dev"),
        ("{{job.parameters.run-day}}", "2026"),
        ("{{job.parameters.dot.ted}}", "d"),
        ("{{job.parameters.`dot.ted`}}", "d"),
        ("{{job.trigger.type}}", "file_arrival"),
        ("{{job.trigger.time.iso_date}}", "2026-05-23"),
        ("{{job.trigger.file_arrival.location}}", "/Volumes/a/b/c/"),
        ("{{job.trigger.table_update.updated_tables}}", '["c.s.t"]'),
        ("{{job.trigger.table_update.c.s.t.version}}", "7"),
        ("{{job.trigger.table_update.c.s.t.commit_timestamp.iso_date}}", "2026-05-23"),
        ("{{task.name}} {{task.run_id}} {{task.execution_count}} {{task.notebook_path}}", "here 4 2 /n/b"),
        ("{{tasks.ok.run_id}} {{tasks.ok.execution_count}} {{tasks.ok.notebook_path}}", "11 2 /a/b"),
        ("{{tasks.ok.result_state}}", "success"),
        ("{{tasks.skipped.result_state}}", "upstream_failed"),
        ("{{tasks.my-task.result_state}}", "failed"),
        ("{{tasks.`my-task`.error_code}}", "RunExecutionError"),
        ("[{{tasks.ok.error_code}}]", "[]"),
        ("{{tasks.ok.values.text}}", "x y"),
        ("{{tasks.ok.values.n}} {{tasks.ok.values.f}} {{tasks.ok.values.t}}", "1 1e-07 true"),
        ("{{tasks.ok.values.none}}", "null"),
        ("{{tasks.ok.values.deep}}", '{"a":[1,"ü"]}'),
        ("{{tasks.ok.values.`a key`}}", "odd"),
        ("{{tasks.ok.values.dot.ted}}", "d"),
        ("{{tasks.query.output.rows}}", '[{"c":5,"d e":"x"},{"c":6}]'),
        ("{{tasks.query.output.first_row}}", '{"c":5,"d e":"x"}'),
        ("{{tasks.query.output.first_row.c}}", "5"),
        ("{{tasks.query.output.first_row.`d e`}}", "x"),
        ("{{tasks.empty.output.rows}}", "[]"),
        ("{{tasks.alert.output.alert_state}}", "OK"),
        ("{{workspace.id}} {{workspace.url}}", "9 https://w"),
        ("{{  job.id  }}", "1"),
        ('{"a": {{job.id}}}', '{"a": 1}'),
        ("{{{job.id}}}", "{1}"),
        # The old spellings, with the run/parent swap and the count from 0.
        ("{{job_id}}", "1"),
        ("{{run_id}}", "4"),
        ("{{parent_run_id}}", "2"),
        ("{{start_date}}", "2026-05-23"),
        ("{{start_time}}", str(AT)),
        ("{{task_retry_count}}", "1"),
        ("{{task_key}}", "here"),
    ],
)
def test_each_reference_has_its_meaning(text: str, meaning: str) -> None:
    assert resolve(text, SCOPE) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "{{ds}}",
        "{{nobody.knows}}",
        "{{job}}",
        "{{tasks}}",
        "{{ }}",
        "{{job.}}",
        "{{job id}}",
        "{{job.id + 1}}",
        "{{",
        "{job.id}",
        "{{secrets/s/k}}",
    ],
)
def test_what_is_no_reference_stays_as_it_is_written(text: str) -> None:
    assert resolve(text, SCOPE) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{job.notebook_url}}", "'job' has no member 'notebook_url'"),
        ("{{job.start_time}}", "'job' has no member 'start_time'"),
        ("{{job.start_time.week}}", "'job' has no member 'start_time.week'"),
        ("{{job.parameters.nope}}", "the job has no parameter 'nope' in this run"),
        ("{{tasks.nobody.result_state}}", "there is no task 'nobody' in this run"),
        ("{{tasks.ok.values.nope}}", "the task 'ok' set no task value 'nope'; it set: a key, deep"),
        ("{{tasks.skipped.values.x}}", "the task 'skipped' did not run (UPSTREAM_FAILED)"),
        ("{{tasks.skipped.run_id}}", "the task 'skipped' did not run"),
        ("{{tasks.running.result_state}}", "the task 'running' has not ended"),
        ("{{tasks.ok.output.rows}}", "the task 'ok' gave no SQL output"),
        ("{{tasks.empty.output.first_row}}", "has no rows"),
        ("{{tasks.query.output.first_row.z}}", "no column 'z'"),
        ("{{tasks.my-task.notebook_path}}", "runs no notebook"),
        ("{{input}}", "only the task inside a for_each_task has an input"),
        ("{{backfill.iso_date}}", "only a backfill run has it"),
        ("{{job.trigger.table_update.x.y.z.version}}", "the table 'x.y.z' was not updated"),
    ],
)
def test_an_unknown_member_of_a_known_namespace_is_an_error_that_names_it(text: str, why: str) -> None:
    with pytest.raises(UnresolvedReference) as caught:
        resolve(f"before {text}", SCOPE)
    assert str(caught.value).startswith(f"{text}: ")
    assert why in str(caught.value)


@pytest.mark.parametrize(
    ("element", "text", "meaning"),
    [
        ("a b", "{{input}}", "a b"),
        (5, "{{input}}", "5"),
        ({"k": "v", "n": [1]}, "{{input}}", '{"k":"v","n":[1]}'),
        ({"k": "v", "n": [1]}, "{{input.k}} {{input.n}}", "v [1]"),
        (None, "{{input}}", "null"),
    ],
)
def test_the_input_is_inserted_whole_or_by_field(element: Any, text: str, meaning: str) -> None:
    assert resolve(text, replace(SCOPE, input=element)) == meaning


def test_a_field_of_what_has_none_is_an_error() -> None:
    with pytest.raises(UnresolvedReference, match="is no object, so it has no field"):
        resolve("{{input.k}}", replace(SCOPE, input="text"))
    with pytest.raises(UnresolvedReference, match="the input has no field 'z'"):
        resolve("{{input.z}}", replace(SCOPE, input={"k": 1}))


def test_strings_are_resolved_at_any_depth_and_keys_are_not() -> None:
    value = {"{{job.id}}": ["{{job.id}}", 5, {"a": "{{job.name}}"}], "n": None}
    assert resolve_value(value, SCOPE) == {"{{job.id}}": ["1", 5, {"a": "nightly"}], "n": None}


def test_what_a_reference_brings_is_not_looked_at_again() -> None:
    scope = replace(SCOPE, job_parameters={"x": "{{job.id}}"})
    assert resolve("{{job.parameters.x}}", scope) == "{{job.id}}"


@given(st.text())
def test_text_without_double_braces_is_never_changed(text: str) -> None:
    if "{{" not in text:
        assert resolve(text, SCOPE) == text


def test_references_are_listed_for_checks() -> None:
    text = "{{ job.parameters.x }} {{run_id}} {{ds}} {{tasks.`a b`.values.v}} {{job.nope}}"
    found = references_in(text)
    assert [reference.parts for reference in found] == [
        ("job", "parameters", "x"),
        ("task", "run_id"),
        ("tasks", "a b", "values", "v"),
        ("job", "nope"),
    ]
    assert [fault_of(reference) for reference in found] == [None, None, None, "'job' has no member 'nope'"]
    assert unknown_references(text) == ["{{ds}}"]


# The scope of a run

NOTEBOOK = {"notebook_task": {"notebook_path": "/jobs/ingest"}}
SETTINGS: dict[str, Any] = {
    "name": "nightly",
    "parameters": [{"name": "day", "default": "{{job.start_time.iso_date}}"}, {"name": "env", "default": "dev"}],
    "tasks": [
        {"task_key": "ingest", **NOTEBOOK},
        {
            "task_key": "loop",
            "depends_on": [{"task_key": "ingest"}],
            "for_each_task": {"inputs": "{{tasks.ingest.values.items}}", "task": {"task_key": "inner", **NOTEBOOK}},
        },
    ],
}


def state_after(*events: Event, **members: Any) -> RunState:
    created = RunCreated(at=AT - 1000, run_id=50, job_id=7, settings=SETTINGS, **members)
    return machine.fold([created, RunStarted(AT), *events])


def text_in(state: RunState, key: str, text: str) -> str:
    return resolve(text, scope_of(state, key, task_run_id=60, at=AT))


def test_a_run_knows_its_own() -> None:
    state = state_after(job_parameters={"env": "prod", "extra": "e"})
    assert (
        text_in(state, "ingest", "{{job.id}} {{job.name}} {{job.run_id}} {{job.trigger.type}}")
        == "7 nightly 50 onetime"
    )
    assert text_in(state, "ingest", "{{task.name}} {{task.run_id}} {{task.notebook_path}}") == "ingest 60 /jobs/ingest"
    parameters = "{{job.parameters.day}} {{job.parameters.env}} {{job.parameters.extra}}"
    assert text_in(state, "ingest", parameters) == "2026-05-23 prod e"


def test_values_results_and_error_codes_come_from_the_latest_attempt() -> None:
    failed = TaskFailed(AT, "ingest", Failure("ValueError: x"), values={"items": [1]})
    state = state_after(TaskStarted(AT, "ingest", 51), failed)
    assert (
        text_in(state, "loop", "{{tasks.ingest.result_state}} {{tasks.ingest.error_code}}")
        == "failed RunExecutionError"
    )
    repaired = [RunRepaired(AT, 90, ("ingest",), SETTINGS), RunStarted(AT)]
    for event in machine.consequences(state, AT):
        machine.apply(state, event)
    while events := machine.consequences(state, AT):
        for event in events:
            machine.apply(state, event)
    for event in repaired:
        machine.apply(state, event)
    assert text_in(state, "ingest", "{{task.execution_count}} {{task_retry_count}} {{job.repair_count}}") == "2 1 1"


def test_an_iteration_knows_its_input_and_its_own_name() -> None:
    succeeded = TaskSucceeded(AT, "ingest", values={"items": ["a", {"k": "v"}]})
    loop = TaskStarted(AT, "loop", 52), TaskExpanded(AT, "loop", ("a", {"k": "v"}))
    state = state_after(TaskStarted(AT, "ingest", 51), succeeded, *loop)
    assert text_in(state, "loop[0]", "{{input}} {{task.name}} {{task.notebook_path}}") == "a inner /jobs/ingest"
    assert text_in(state, "loop[1]", "{{input.k}} {{tasks.ingest.values.items}}") == 'v ["a",{"k":"v"}]'
    with pytest.raises(UnresolvedReference):
        text_in(state, "loop", "{{input}}")


def test_a_cron_time_is_rounded_down_to_the_minute() -> None:
    state = state_after(trigger="PERIODIC", trigger_info={"time": AT})
    assert text_in(state, "ingest", "{{job.trigger.type}} {{job.trigger.time.second}}") == "periodic 0"


# Parameters


def task(**members: Any) -> Task:
    return Task.model_validate({"task_key": "t", **members})


def test_a_widget_gets_the_job_parameter_then_the_runs_then_the_tasks() -> None:
    notebook = task(
        notebook_task={"notebook_path": "/n", "base_parameters": {"a": "task", "b": "task", "c": "{{task.name}}"}}
    )
    run = {"notebook_params": {"a": "run", "b": "run"}, "python_params": []}
    member = resolved_member(notebook, run, SCOPE)
    resolved = notebook.model_copy(update={"notebook_task": type(notebook.member).model_validate(member)})
    assert parameters_for(resolved, {"a": "job"}) == {"a": "job", "b": "run", "c": "here"}


@pytest.mark.parametrize(
    ("member", "names"),
    [
        ({"notebook_task": {"notebook_path": "/n"}}, {"env": "dev"}),
        (
            {"sql_task": {"warehouse_id": "w", "file": {"path": "/q.sql"}, "parameters": {"p": "1"}}},
            {"env": "dev", "p": "1"},
        ),
        ({"run_job_task": {"job_id": 5, "job_parameters": {"env": "task", "x": "1"}}}, {"env": "dev", "x": "1"}),
        ({"python_wheel_task": {"package_name": "p", "entry_point": "e", "named_parameters": {}}}, {"env": "dev"}),
        ({"python_wheel_task": {"package_name": "p", "entry_point": "e", "parameters": ["a"]}}, {}),
        ({"spark_python_task": {"python_file": "/p.py"}}, {}),
        ({"condition_task": {"op": "EQUAL_TO", "left": "a", "right": "b"}}, {}),
    ],
)
def test_job_parameters_reach_only_the_kinds_that_take_them(member: dict[str, Any], names: dict[str, str]) -> None:
    assert parameters_for(task(**member), {"env": "dev"}) == names


@pytest.mark.parametrize(
    ("kind", "member", "run", "expected"),
    [
        ("spark_python_task", {"parameters": ["a"]}, {"python_params": ["b"]}, {"parameters": ["b"]}),
        ("spark_python_task", {"parameters": ["a"]}, {"python_params": []}, {"parameters": ["a"]}),
        ("spark_jar_task", {"parameters": ["a"]}, {"jar_params": ["b"]}, {"parameters": ["b"]}),
        ("dbt_task", {"commands": ["dbt run"]}, {"dbt_commands": ["dbt test"]}, {"commands": ["dbt test"]}),
        (
            "sql_task",
            {"parameters": {"a": "1", "b": "1"}},
            {"sql_params": {"a": "2"}},
            {"parameters": {"a": "2", "b": "1"}},
        ),
        (
            "python_wheel_task",
            {"named_parameters": {"a": "1"}},
            {"python_named_params": {"b": "2"}},
            {"named_parameters": {"a": "1", "b": "2"}},
        ),
        (
            "python_wheel_task",
            {"parameters": ["a"]},
            {"python_named_params": {"b": "2"}},
            {"named_parameters": {"b": "2"}},
        ),
        ("python_wheel_task", {"named_parameters": {"a": "1"}}, {"python_params": ["x"]}, {"parameters": ["x"]}),
        ("notebook_task", {"notebook_path": "/n"}, {"python_params": ["x"]}, {"notebook_path": "/n"}),
    ],
)
def test_the_runs_lists_replace_and_its_maps_are_laid_over(
    kind: str, member: dict[str, Any], run: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert overridden_member(kind, member, run) == expected


def test_a_loop_resolves_its_inputs_and_leaves_its_inner_task_to_the_iterations() -> None:
    inner = {"task_key": "i", "notebook_task": {"notebook_path": "/n", "base_parameters": {"x": "{{input}}"}}}
    loop = task(for_each_task={"inputs": "{{tasks.ok.values.deep}}", "task": inner})
    member = resolved_member(loop, {}, SCOPE)
    assert member["inputs"] == '{"a":[1,"ü"]}'
    assert member["task"]["notebook_task"]["base_parameters"] == {"x": "{{input}}"}
