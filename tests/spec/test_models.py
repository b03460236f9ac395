"""The models: what a job may say, what is made of loose values, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dbutils_local.spec.job import JobSettings, resolved
from dbutils_local.spec.load import job_settings, resolve_job_ids
from dbutils_local.spec.tasks import ConditionOp, RunIf, Task

DATA = Path(__file__).parents[1] / "data" / "spec"
NOTEBOOK = {"notebook_task": {"notebook_path": "/a"}}


def task(**more: Any) -> Task:
    return Task.model_validate({"task_key": "t", **NOTEBOOK, **more})


def job(**settings: Any) -> JobSettings:
    return JobSettings.model_validate(settings)


def refusal(**settings: Any) -> str:
    with pytest.raises(ValidationError) as error:
        job(**settings)
    return str(error.value)


def test_the_worked_example_comes_back_as_it_was_written() -> None:
    written = json.loads((DATA / "nightly_orders.job.json").read_text())
    assert resolved(JobSettings.model_validate(written)) == written


def test_a_task_knows_its_kind_and_its_member() -> None:
    found = task()
    assert (found.kind, found.member.notebook_path) == ("notebook_task", "/a")


def test_a_task_with_two_members_names_both() -> None:
    with pytest.raises(ValidationError, match="both notebook_task and condition_task"):
        task(condition_task={"op": "EQUAL_TO", "left": "1", "right": "1"})


def test_a_task_without_a_member_is_refused() -> None:
    with pytest.raises(ValidationError, match="needs exactly one member"):
        Task.model_validate({"task_key": "t"})


def test_numbers_and_booleans_become_text_where_text_is_expected() -> None:
    found = task(notebook_task={"notebook_path": "/a", "base_parameters": {"n": 3, "f": 1.50, "tiny": 1e-7, "b": True}})
    assert found.member.base_parameters == {"n": "3", "f": "1.5", "tiny": "0.0000001", "b": "true"}


def test_whole_numbers_may_come_as_text_but_not_as_booleans() -> None:
    assert task(max_retries="2", timeout_seconds="60").max_retries == 2
    with pytest.raises(ValidationError, match="whole number"):
        task(max_retries=True)


def test_yaml_words_for_true_are_booleans_where_a_boolean_is_expected() -> None:
    assert task(retry_on_timeout="yes").retry_on_timeout is True


def test_null_is_the_same_as_left_out() -> None:
    found = job(name="x", tags=None, tasks=[{"task_key": "t", **NOTEBOOK, "depends_on": None}])
    assert resolved(found) == {"name": "x", "tasks": [{"task_key": "t", **NOTEBOOK}]}


def test_run_if_and_operators_are_the_words_of_databricks() -> None:
    assert task(run_if="AT_LEAST_ONE_FAILED").run_if is RunIf.AT_LEAST_ONE_FAILED
    condition = Task.model_validate({"task_key": "c", "condition_task": {"op": "NOT_EQUAL", "left": 1, "right": True}})
    assert (condition.member.op, condition.member.left, condition.member.right) == (ConditionOp.NOT_EQUAL, "1", "true")


def test_the_single_task_form_becomes_one_task() -> None:
    found = job(
        name="old", notebook_task={"notebook_path": "/a"}, max_retries=1, existing_cluster_id="c", timeout_seconds=5
    )
    assert resolved(found) == {
        "name": "old",
        "timeout_seconds": 5,
        "tasks": [
            {"task_key": "main", "max_retries": 1, "existing_cluster_id": "c", "notebook_task": {"notebook_path": "/a"}}
        ],
    }


def test_git_providers_are_known_in_any_case() -> None:
    found = job(git_source={"git_url": "https://x/y", "git_provider": "GITHUB", "git_branch": "main"})
    assert resolved(found)["git_source"]["git_provider"] == "gitHub"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"name": "é" * 2049}, "4096 bytes"),
        ({"description": "x" * 27_701}, "27700"),
        ({"tags": {str(n): "x" for n in range(26)}}, "at most 25"),
        ({"max_concurrent_runs": 1001}, "1000"),
        ({"parameters": [{"name": "a b", "default": ""}]}, "pattern"),
        ({"parameters": [{"name": "a"}]}, "Field required"),
        ({"queue": {}}, "Field required"),
        ({"git_source": {"git_url": "u", "git_provider": "gitHub"}}, "exactly one of git_branch"),
        ({"git_source": {"git_url": "u" * 301, "git_provider": "gitHub", "git_tag": "t"}}, "300"),
        ({"tasks": [{"task_key": "a b", **NOTEBOOK}]}, "pattern"),
        ({"tasks": [{"task_key": "x" * 101, **NOTEBOOK}]}, "100"),
        ({"tasks": [{"task_key": "t", "description": "x" * 1001, **NOTEBOOK}]}, "1000"),
        ({"tasks": [{"task_key": "t", "max_retries": -2, **NOTEBOOK}]}, "greater than or equal"),
        ({"tasks": [{"task_key": "t", "dbt_task": {"commands": ["ls"]}}]}, "must start with 'dbt'"),
        ({"tasks": [{"task_key": "t", "dbt_task": {"commands": ["dbt run"] * 11}}]}, "at most 10"),
        ({"tasks": [{"task_key": "t", "sql_task": {"warehouse_id": "w"}}]}, "exactly one of file, query"),
        ({"tasks": [{"task_key": "t", "libraries": [{"whl": "a", "jar": "b"}], **NOTEBOOK}]}, "exactly one library"),
        ({"webhook_notifications": {"on_start": [{"id": str(n)} for n in range(4)]}}, "at most 3"),
        ({"trigger": {"file_arrival": {"url": "/Volumes/x", "wait_after_last_change_seconds": 30}}}, "60"),
        (
            {"environment_variables": [{"environment_variables_key": "e", "spec": {"variables": {"a-b": "1"}}}]},
            "no name",
        ),
    ],
)
def test_limits_of_databricks_are_kept(settings: dict[str, Any], words: str) -> None:
    assert words in refusal(**settings)


def test_a_loop_takes_a_literal_of_5000_characters_and_concurrency_up_to_100() -> None:
    def loop(inputs: str, concurrency: int) -> Task:
        return Task.model_validate(
            {
                "task_key": "l",
                "for_each_task": {"inputs": inputs, "concurrency": concurrency, "task": {"task_key": "n", **NOTEBOOK}},
            }
        )

    assert loop("{{tasks.a.values.b}}" + " " * 5000, 100).member.concurrency == 100
    with pytest.raises(ValidationError, match="5000 characters"):
        loop("[" + "1," * 3000 + "1]", 1)
    with pytest.raises(ValidationError, match="100"):
        loop("[1]", 101)


def test_base_parameters_may_be_one_megabyte() -> None:
    with pytest.raises(ValidationError, match="1 MB"):
        task(notebook_task={"notebook_path": "/a", "base_parameters": {"x": "y" * 1_000_001}})


def test_wheel_parameters_come_one_way() -> None:
    with pytest.raises(ValidationError, match="not both"):
        Task.model_validate(
            {
                "task_key": "w",
                "python_wheel_task": {
                    "package_name": "p",
                    "entry_point": "e",
                    "parameters": ["a"],
                    "named_parameters": {"b": "c"},
                },
            }
        )


def test_job_ids_are_numbers_or_wait_for_the_job_of_a_bundle() -> None:
    settings = job_settings(
        {
            "tasks": [
                {"task_key": "a", "run_job_task": {"job_id": "12"}},
                {
                    "task_key": "b",
                    "run_job_task": {
                        "job_id": "${resources.jobs.child.id}",
                        "job_parameters": {"id": "job ${resources.jobs.child.id}"},
                    },
                },
            ]
        }
    )
    assert settings.tasks is not None
    assert settings.tasks[0].member.job_id == 12
    known = resolve_job_ids(settings, {"child": 77})
    assert known.tasks is not None
    assert known.tasks[1].member.job_id == 77
    assert known.tasks[1].member.job_parameters == {"id": "job 77"}


def test_a_dbt_task_keeps_its_schema_under_its_own_name() -> None:
    found = Task.model_validate({"task_key": "d", "dbt_task": {"commands": ["dbt run"], "schema": "gold"}})
    assert found.member.schema_ == "gold"
    assert resolved(job(tasks=[found]))["tasks"][0]["dbt_task"]["schema"] == "gold"
