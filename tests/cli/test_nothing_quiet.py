"""What a spec says is done, refused, or told; seen through whole commands."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dbutils_local.cli import main

PRINTS = 'import os; print({name: os.environ.get(name) for name in ("MODE", "KEY", "PYSPARK_PYTHON")})\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DBUTILS_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYSPARK_PYTHON", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def write(folder: Path, *tasks: dict[str, Any], **settings: Any) -> None:
    (folder / "job.json").write_text(json.dumps({"name": "j", **settings, "tasks": list(tasks)}))


def logs(told: Result) -> list[str]:
    return [task["output"]["logs"] for task in json.loads(told.stdout)["tasks"]]


def test_environment_variables_of_a_cluster_reach_the_code_of_its_tasks(folder: Path) -> None:
    (folder / "s.py").write_text(PRINTS)
    said("secrets", "create-scope", "s")
    said("secrets", "put-secret", "s", "k", "--string-value", "from the vault")
    own = {"MODE": "own", "PYSPARK_PYTHON": "/databricks/python3/bin/python3"}
    shared = {"MODE": "shared", "KEY": "{{secrets/s/k}}"}
    script = {"python_file": "./s.py"}
    write(
        folder,
        {"task_key": "a", "spark_python_task": script, "new_cluster": {"spark_env_vars": own}},
        {
            "task_key": "b",
            "depends_on": [{"task_key": "a"}],
            "spark_python_task": script,
            "job_cluster_key": "c",
        },
        job_clusters=[{"job_cluster_key": "c", "new_cluster": {"spark_env_vars": shared}}],
    )
    assert logs(said("run", "job.json", "-o", "json")) == [
        "{'MODE': 'own', 'KEY': None, 'PYSPARK_PYTHON': None}\n",
        "{'MODE': 'shared', 'KEY': '[REDACTED]', 'PYSPARK_PYTHON': None}\n",
    ]


def test_a_secret_of_a_cluster_that_is_not_there_fails_its_task_by_name(folder: Path) -> None:
    (folder / "s.py").write_text(PRINTS)
    cluster = {"spark_env_vars": {"KEY": "{{secrets/s}}"}}
    write(folder, {"task_key": "a", "spark_python_task": {"python_file": "./s.py"}, "new_cluster": cluster})
    told = said("run", "job.json")
    assert told.exit_code == 1
    assert "Secret does not exist with scope: s and key: " in told.stdout


def test_a_task_whose_extra_is_missing_stops_the_run_before_it_starts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "dbt" else real(name))
    write(folder, {"task_key": "d", "dbt_task": {"commands": ["dbt run"], "project_directory": "."}})
    told = said("run", "job.json")
    assert told.exit_code == 2
    assert "task 'd': dbt_task needs an optional dependency: pip install 'dbutils-local[dbt]'" in told.stderr
    assert not (folder / "home").exists()
    assert said("run", "job.json", "--stub", "d").exit_code == 0


def test_a_run_that_the_jobs_own_limit_skips_is_no_success(folder: Path) -> None:
    write(
        folder,
        {"task_key": "c", "condition_task": {"op": "EQUAL_TO", "left": "a", "right": "a"}},
        max_concurrent_runs=0,
    )
    told = said("run", "job.json")
    assert told.exit_code == 1
    assert "SKIPPED" in told.stdout
    assert "the limit of 0 maximum concurrent runs has been reached" in told.stdout


def test_a_loop_over_what_does_not_run_here_is_refused_before_the_run(folder: Path) -> None:
    nested = {"task_key": "in", "disabled": True, "pipeline_task": {"pipeline_id": "x"}}
    write(folder, {"task_key": "loop", "for_each_task": {"inputs": "[1]", "task": nested}})
    told = said("run", "job.json")
    assert told.exit_code == 2
    assert "task 'loop': for_each_task.task.pipeline_task: a pipeline runs only on Databricks" in told.stderr
    assert "--stub loop" in told.stderr
    assert not (folder / "home").exists()
    stubbed = said("run", "job.json", "--stub", "loop")
    assert stubbed.exit_code == 0
    assert "for_each_task.task.disabled: has no effect on a nested task" in stubbed.stderr


def test_a_field_without_effect_in_a_loop_is_told(folder: Path) -> None:
    nested = {"task_key": "in", "existing_cluster_id": "x", "spark_python_task": {"python_file": "./s.py"}}
    (folder / "s.py").write_text(PRINTS)
    write(folder, {"task_key": "loop", "for_each_task": {"inputs": "[1]", "task": nested}})
    assert "existing_cluster_id: no cluster is started" in said("run", "job.json").stderr


def test_a_job_id_that_is_none_names_the_two_forms(folder: Path) -> None:
    write(folder, {"task_key": "r", "run_job_task": {"job_id": "abc"}})
    assert "a job's number or ${resources.jobs.KEY.id}, found 'abc'" in said("run", "job.json").stderr


def test_logs_are_text_and_one_json_document(folder: Path) -> None:
    (folder / "s.py").write_text("print('one')\nraise SystemExit(1)\n")
    write(folder, {"task_key": "a", "max_retries": 1, "spark_python_task": {"python_file": "./s.py"}})
    run_id = str(json.loads(said("run", "job.json", "-o", "json").stdout)["run_id"])
    assert said("runs", "logs", run_id).stdout == "==> a attempt 0 <==\none\n==> a attempt 1 <==\none\n"
    logged = [{"attempt_number": 0, "logs": "one\n"}, {"attempt_number": 1, "logs": "one\n"}]
    for words in ((), ("-f",), ("--task", "a")):
        assert json.loads(said("runs", "logs", run_id, "-o", "json", *words).stdout) == {"a": logged}


def test_a_file_that_is_elsewhere_or_nowhere_is_named_once(folder: Path) -> None:
    write(folder, {"task_key": "a", "spark_python_task": {"python_file": "s3://x/y.py"}})
    assert "error: s3://x/y.py: not on this machine; make the folder " in said("run", "job.json").stdout
    (folder / "s.py").write_text(PRINTS)
    library = {"libraries": [{"whl": "./none.whl"}]}
    write(folder, {"task_key": "a", "spark_python_task": {"python_file": "./s.py"}, **library})
    told = said("run", "job.json").stdout
    assert f"error: library ./none.whl: no such file; looked for {folder}/none.whl\n" in told


def test_of_a_bundle_with_faults_what_is_only_a_warning_is_called_one(folder: Path) -> None:
    (folder / "databricks.yml").write_text(
        "bundle: {name: b}\nartifacts: {a: {type: whl}}\nvariables: {missing: {description: none}}\n"
        "resources: {jobs: {j: {tasks: [{task_key: t, spark_python_task: {python_file: s.py}}]}}}\n"
    )
    (folder / "s.py").write_text("")
    told = said("run", "databricks.yml")
    assert told.exit_code == 2
    assert [line.split(":")[0] for line in told.stderr.splitlines()] == ["error", "warning"]
