"""Jobs that start jobs: a circle is refused before it can wait for itself, and faults in the spec have their line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dbutils_local.cli import main

CIRCLE = """\
bundle: {name: b}
resources:
  jobs:
    one:
      tasks:
        - task_key: go
          run_job_task: {job_id: "${resources.jobs.two.id}"}
    two:
      tasks:
        - task_key: each
          for_each_task:
            inputs: "[1]"
            task: {task_key: go, run_job_task: {job_id: "${resources.jobs.one.id}"}}
    apart:
      tasks:
        - task_key: sure
          condition_task: {op: EQUAL_TO, left: a, right: a}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DBUTILS_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_jobs_of_a_bundle_that_start_each_other_are_refused_before_anything_starts(folder: Path) -> None:
    (folder / "databricks.yml").write_text(CIRCLE)
    told = said("run", ".", "--job", "one")
    assert told.exit_code == 2
    assert "databricks.yml:6:11: run_job tasks go round in a circle of jobs: one -> two -> one" in told.stderr
    assert not (folder / "home").exists()
    assert said("validate", ".").exit_code == 2
    assert said("run", ".", "--job", "apart").exit_code == 0


ID_IN_TEXT = """\
bundle: {name: b}
resources:
  jobs:
    one:
      tasks:
        - task_key: says
          condition_task: {op: EQUAL_TO, left: "${resources.jobs.two.id} $${resources.jobs.two.id} $${x}", right: "1"}
    two:
      tasks:
        - task_key: sure
          condition_task: {op: EQUAL_TO, left: a, right: a}
    three:
      tasks:
        - task_key: go
          run_job_task: {job_id: "${resources.jobs.two.id}"}
"""


def test_a_jobs_id_is_put_into_text_and_an_escaped_reference_stays_text(folder: Path) -> None:
    (folder / "databricks.yml").write_text(ID_IN_TEXT)
    told = said("run", ".", "--job", "one", "-o", "json")
    [task] = json.loads(told.stdout)["tasks"]
    number, *texts = task["condition_task"]["left"].split()
    assert number.isdigit()
    assert texts == ["${resources.jobs.two.id}", "${x}"]


def test_a_stored_job_of_a_bundle_starts_the_other_one(folder: Path) -> None:
    (folder / "databricks.yml").write_text(ID_IN_TEXT)
    job_id = said("jobs", "create", ".", "--job", "three").stdout.strip()
    assert said("jobs", "run-now", job_id).exit_code == 0


def test_a_repaired_run_starts_the_other_job_of_its_bundle(folder: Path) -> None:
    (folder / "databricks.yml").write_text(ID_IN_TEXT)
    ended = json.loads(said("run", ".", "--job", "three", "-o", "json").stdout)
    repaired = said("runs", "repair", str(ended["run_id"]), "--tasks", "go")
    assert repaired.exit_code == 0, repaired.stdout


def test_a_stored_job_that_starts_itself_fails_at_once_instead_of_waiting_for_itself(folder: Path) -> None:
    task = {"task_key": "me", "run_job_task": {"job_id": 1}}
    (folder / "self.json").write_text(json.dumps({"name": "self", "tasks": [task]}))
    assert said("jobs", "create", "self.json").stdout == "1\n"
    told = said("jobs", "run-now", "1")
    assert told.exit_code == 1
    assert "run_job tasks go round in a circle: job 1 -> job 1" in told.stdout


def test_faults_in_the_spec_that_the_wiring_check_finds_have_file_and_line(folder: Path) -> None:
    (folder / "job.yml").write_text(
        "name: j\n"
        "parameters:\n"
        "  - {name: idle, default: x}\n"
        "tasks:\n"
        "  - task_key: c\n"
        "    condition_task: {op: EQUAL_TO, left: '{{job.nothing}}', right: a}\n"
        "  - task_key: p\n"
        "    pipeline_task: {pipeline_id: x}\n"
    )
    problems = json.loads(said("validate", "job.yml", "-o", "json").stdout)["problems"]
    assert [(problem["line"], problem["severity"]) for problem in problems] == [(7, "warning"), (5, "error")]


def test_a_job_parameter_is_not_called_idle_when_its_reader_was_left_out(folder: Path) -> None:
    (folder / "job.yml").write_text(
        "parameters: [{name: day, default: x}]\n"
        "tasks:\n"
        "  - {task_key: c, condition_task: {op: EQUAL_TO, left: a, right: a}}\n"
        "  - {task_key: n, notebook_task: {notebook_path: ./nb}}\n"
    )
    (folder / "nb.py").write_text('# Databricks notebook source\ndbutils.widgets.get("day")\n')
    assert "read by no task" not in said("run", "job.yml", "--only", "c").stderr
