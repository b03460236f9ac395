"""Jobs written as Python inside a bundle."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dbutils_local.errors import InvalidSpec, NotSupportedHere
from dbutils_local.spec.load import LoadedSpec, load

ROOT = """
bundle: {name: b}
variables: {day: {default: monday}}
python:
  resources: ["shop_jobs:resources"]
  mutators: ["shop_jobs:later"]
resources:
  jobs:
    yaml:
      name: from-yaml
      tasks: [{task_key: a, condition_task: {op: EQUAL_TO, left: '1', right: '1'}}]
"""
CODE = """
def resources(bundle):
    condition = {"op": "EQUAL_TO", "left": "${bundle.target}", "right": bundle.variables["day"]}
    task = {"task_key": "a", "condition_task": condition}
    return {"jobs": {"python": {"name": "from-python", "tasks": [task]}}}

def later(job):
    return {**job, "timeout_seconds": 60}
"""


def loaded(folder: Path, root: str = ROOT, code: str = CODE) -> LoadedSpec:
    (folder / "databricks.yml").write_text(root)
    (folder / "shop_jobs.py").write_text(code)
    return load(folder, environ={}, check_files=False)


def test_functions_add_jobs_and_mutators_change_all_of_them(tmp_path: Path) -> None:
    spec = loaded(tmp_path)
    assert {key: (job.settings.name, job.settings.timeout_seconds) for key, job in spec.jobs.items()} == {
        "yaml": ("from-yaml", 60),
        "python": ("from-python", 60),
    }
    condition = spec.deployed["python"]["tasks"][0]["condition_task"]
    assert (condition["left"], condition["right"]) == ("default", "monday")
    assert spec.jobs["yaml"].place(("name",)).line == 10


def test_the_bundles_modules_are_forgotten_and_read_anew(tmp_path: Path) -> None:
    loaded(tmp_path)
    assert "shop_jobs" not in sys.modules
    assert str(tmp_path) not in sys.path
    assert loaded(tmp_path, code=CODE.replace("from-python", "changed")).jobs["python"].settings.name == "changed"


@pytest.mark.parametrize(
    ("root", "code", "words"),
    [
        (ROOT.replace("shop_jobs:resources", "shop_jobs"), CODE, "must be written as module:function"),
        (ROOT.replace("shop_jobs:resources", "gone:resources"), CODE, "there is no module 'gone'"),
        (ROOT.replace("shop_jobs:resources", "shop_jobs:gone"), CODE, "has no 'gone'"),
        (ROOT, "1/0\n", "importing shop_jobs failed: ZeroDivisionError"),
        (ROOT, CODE.replace('bundle.variables["day"]', "1/0"), "shop_jobs:resources failed: ZeroDivisionError"),
        (ROOT, CODE.replace('"python":', '"yaml":'), "the job 'yaml' is defined already"),
        (ROOT, CODE.replace('return {"jobs"', 'return [], {"jobs"'), "returned no resources, found tuple"),
    ],
)
def test_code_that_fails_is_a_fault_at_the_line_that_names_it(tmp_path: Path, root: str, code: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as error:
        loaded(tmp_path, root, code)
    assert words in str(error.value)
    assert f"{tmp_path}/databricks.yml:5:" in str(error.value)


def test_the_bundles_package_is_named_where_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotSupportedHere, match=r"databricks-bundles, which is not installed"):
        loaded(tmp_path, code="from databricks.bundles_that_are_not_here import Job\n")


def test_code_runs_in_the_bundles_folder_and_paths_it_makes_count_from_there(tmp_path: Path) -> None:
    code = """
import glob

def resources(bundle):
    tasks = [{"task_key": "a", "notebook_task": {"notebook_path": path}} for path in glob.glob("src/*.py")]
    return {"jobs": {"python": {"tasks": tasks}}}
"""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "one.py").write_text("# Databricks notebook source\n")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "__init__.py").write_text(code)
    root = "bundle: {name: b}\nworkspace: {file_path: /f}\npython: {resources: ['made:resources']}\n"
    (tmp_path / "databricks.yml").write_text(root)
    spec = load(tmp_path, environ={})
    assert spec.deployed["python"]["tasks"][0]["notebook_task"]["notebook_path"] == "/Workspace/f/src/one"
    assert spec.jobs["python"].files["a", "notebook_task.notebook_path"] == tmp_path / "src" / "one.py"
