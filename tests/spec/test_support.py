"""The support report: what is done here is read off the models, nothing is forgotten."""

from __future__ import annotations

from typing import Any, get_args

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from dbutils_local.spec.base import Mark, Spec, Support
from dbutils_local.spec.job import JobSettings
from dbutils_local.spec.schema import json_schema
from dbutils_local.spec.support import refusals, report, support_table
from dbutils_local.spec.tasks import KINDS

NOTEBOOK = {"notebook_path": "/a"}


def rows(settings: dict[str, Any]) -> dict[tuple[str | None, str], Support]:
    return {(row.task_key, row.field): row.support for row in report(JobSettings.model_validate(settings))}


def models(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    if model in seen:
        return seen
    seen.add(model)
    for field in model.model_fields.values():
        parts = [field.annotation]
        while parts:
            part = parts.pop()
            parts.extend(get_args(part))
            if isinstance(part, type) and issubclass(part, Spec):
                models(part, seen)
    return seen


def test_every_field_of_every_model_carries_exactly_one_mark() -> None:
    unmarked = [
        f"{model.__name__}.{name}"
        for model in models(JobSettings, set())
        for name, field in model.model_fields.items()
        if sum(isinstance(part, Mark) for part in field.metadata) != 1
    ]
    assert unmarked == []


def test_what_has_no_effect_or_cannot_run_says_why() -> None:
    for model in models(JobSettings, set()):
        for name, field in model.model_fields.items():
            mark = next(part for part in field.metadata if isinstance(part, Mark))
            assert mark.support is Support.HONOURED or mark.message, f"{model.__name__}.{name}"


def test_a_job_is_reported_field_by_field() -> None:
    found = rows(
        {
            "name": "j",
            "run_as": {"user_name": "x"},
            "health": {"rules": [{"metric": "STREAMING_BACKLOG_FILES", "op": "GREATER_THAN", "value": 1}]},
            "tasks": [
                {"task_key": "a", "notebook_task": NOTEBOOK | {"warehouse_id": "w"}, "existing_cluster_id": "c"},
                {"task_key": "p", "pipeline_task": {"pipeline_id": "1"}},
                {"task_key": "s", "sql_task": {"warehouse_id": "w", "alert": {"alert_id": "1"}}},
            ],
        }
    )
    assert found[None, "name"] is Support.HONOURED
    assert found[None, "run_as"] is Support.NOTED
    assert found[None, "health.rules[0].metric"] is Support.NOTED
    assert found["a", "notebook_task"] is Support.HONOURED
    assert found["a", "notebook_task.warehouse_id"] is Support.NOTED
    assert found["a", "existing_cluster_id"] is Support.NOTED
    assert found["p", "pipeline_task"] is Support.REFUSED
    assert found["s", "sql_task.alert"] is Support.REFUSED


def test_refusals_name_the_nested_task_and_spare_disabled_ones() -> None:
    settings = JobSettings.model_validate(
        {
            "tasks": [
                {
                    "task_key": "l",
                    "for_each_task": {"inputs": "[1]", "task": {"task_key": "n", "spark_submit_task": {}}},
                },
                {"task_key": "d", "disabled": True, "dashboard_task": {"dashboard_id": "1"}},
            ]
        }
    )
    assert [(row.task_key, row.field) for row in refusals(settings)] == [("n", "for_each_task.task.spark_submit_task")]
    noted = {row.field: row for row in report(settings) if row.task_key == "d"}
    assert noted["dashboard_task"].as_dict() == {
        "task_key": "d",
        "field": "dashboard_task",
        "support": "noted",
        "message": "the task is disabled: it does not run here either",
    }


def test_the_table_has_a_line_for_every_field_and_kind() -> None:
    table = support_table()
    for name in (*JobSettings.model_fields, *KINDS):
        if name != "tasks":
            assert f"| `{name}` |" in table
    assert "| `pipeline_task` | refused |" in table
    assert "| `health.rules.metric: STREAMING_BACKLOG_BYTES` | no effect |" in table


BUNDLE = """
bundle: {name: b}
variables: {x: {default: 1}}
resources:
  jobs:
    j:
      tags: ${var.tags}
      timeout_seconds: ${var.x}
      tasks: [{task_key: a, notebook_task: {notebook_path: a}}]
targets: {dev: {resources: {jobs: {j: {timeout_seconds: 1}}}}}
"""


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        (BUNDLE, True),
        (BUNDLE.replace("notebook_path", "notebok_path"), False),
        ("tasks: [{task_key: a, notebook_task: {notebook_path: a, base_parameters: {n: 1, b: true}}}]", True),
        ("notebook_task: {notebook_path: a}", True),
        ("tasks: [{task_key: a, max_retries: '2', condition_task: {op: EQUAL_TO, left: 1, right: 1}}]", True),
        ("tasks: [{task_key: a, run_if: ALL_SUCESS, condition_task: {op: EQUAL_TO, left: 1, right: 1}}]", False),
        ("tsks: []", False),
    ],
)
def test_the_schema_for_editors_accepts_what_is_loaded_and_marks_slips(text: str, is_valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid(yaml.safe_load(text)) is is_valid


def test_the_schema_is_a_schema_and_says_what_is_done_with_a_field() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "noted: accepted, has no effect here" in str(schema["$defs"]["JobSettings"]["properties"]["edit_mode"])
