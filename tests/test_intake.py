"""From a SPEC to what may run of it: what is missing matters to those who need it only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner

from dbutils_local import intake
from dbutils_local.asking import Asking
from dbutils_local.cli import main
from dbutils_local.errors import InvalidSpec, UserError
from dbutils_local.settings import Settings

CONDITION = "condition_task: {op: EQUAL_TO, left: '1', right: '1'}"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose first job has one task that runs and one whose notebook lies in a workspace; so has its second."""
    (tmp_path / "databricks.yml").write_text(
        dedent(
            f"""
            bundle: {{name: b}}
            resources:
              jobs:
                first:
                  tasks:
                    - {{task_key: here, {CONDITION}}}
                    - {{task_key: there, notebook_task: {{notebook_path: /Shared/gone}}}}
                second:
                  tasks: [{{task_key: there, notebook_task: {{notebook_path: ./gone.py}}}}]
            """
        )
    )
    return tmp_path


def asking(spec: Path, **asked: Any) -> Asking:
    return Asking.of(spec, settings=Settings.load({"DBUTILS_LOCAL_HOME": str(spec / "home")}), **asked)


def messages(asked: Asking) -> str:
    return "\n".join(problem.message for problem in asked.warnings)


def test_a_file_that_is_not_there_stops_the_job_that_needs_it(bundle: Path) -> None:
    with pytest.raises(InvalidSpec, match="/Shared/gone"):
        asking(bundle, job="first")


@pytest.mark.parametrize("asked", [{"only": ["here"]}, {"stubs": ["there"]}])
def test_a_file_that_nobody_needs_is_a_doubt(bundle: Path, asked: Mapping[str, Any]) -> None:
    found = messages(asking(bundle, job="first", **asked))
    assert "first.tasks[there].notebook_task.notebook_path" in found
    assert "second.tasks[there].notebook_task.notebook_path" in found


def test_faults_other_than_missing_files_stop_every_job(bundle: Path) -> None:
    file = bundle / "databricks.yml"
    file.write_text(file.read_text() + "    third: {tsks: 1}\n")
    with pytest.raises(InvalidSpec, match="unknown key 'tsks'"):
        asking(bundle, job="first", only=["here"])


def test_a_bundle_without_jobs_can_be_validated_but_not_run(tmp_path: Path) -> None:
    (tmp_path / "databricks.yml").write_text("bundle: {name: b}\nresources: {pipelines: {p: {name: x}}}\n")
    taken = intake.take(tmp_path, keep_going=True)
    assert [problem.severity for problem in taken.problems] == ["warning", "warning"]
    with pytest.raises(UserError, match="holds no job"):
        asking(tmp_path)


def test_validate_shows_jobs_with_missing_files_and_circles(bundle: Path) -> None:
    file = bundle / "databricks.yml"
    circle = "{tasks: [{task_key: a, depends_on: [{task_key: b}], %s}, {task_key: b, depends_on: [{task_key: a}], %s}]}"
    file.write_text(f"{file.read_text()}    third: {circle % (CONDITION, CONDITION)}\n")
    done = CliRunner().invoke(
        main, ["validate", str(bundle), "-o", "json"], env={"DBUTILS_LOCAL_HOME": str(bundle / "home")}
    )
    assert done.exit_code == 2
    assert '"second"' in done.stdout
    assert done.stdout.count("form a circle: a -> b -> a") == 1


def test_a_job_is_picked_for_good_when_its_own_files_are_there(bundle: Path) -> None:
    file = bundle / "databricks.yml"
    file.write_text(f"{file.read_text()}    third: {{tasks: [{{task_key: a, {CONDITION}}}]}}\n")
    taken = intake.take(bundle)
    assert taken.pick("third").name == "Untitled"
    with pytest.raises(InvalidSpec, match="gone"):
        taken.pick("second")
