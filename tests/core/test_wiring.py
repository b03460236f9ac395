"""The wiring check: certain faults are errors, doubts are warnings, and what would run is never stopped."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from dbutils_local import notebooks
from dbutils_local.core.plan import plan
from dbutils_local.core.wiring import check
from dbutils_local.errors import Problem
from dbutils_local.spec.job import JobSettings

HEAD = "# Databricks notebook source\n"
SEP = "\n\n# COMMAND ----------\n\n"


class Job:
    """A job of notebooks in a folder, checked as the command line would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tasks: list[dict[str, Any]] = []
        self.parameters: list[dict[str, str]] = []
        self.files: dict[str, str] = {}

    def notebook(self, name: str, *cells: str) -> Path:
        path = self.folder / f"{name}.py"
        path.write_text(HEAD + SEP.join(cells) + "\n")
        return path

    def task(self, key: str, *cells: str, after: Collection[str] = (), **more: Any) -> None:
        path = self.notebook(key, *cells)
        parameters = more.pop("base_parameters", None)
        member = {"notebook_path": f"./{key}", **({"base_parameters": parameters} if parameters else {})}
        edges = [{"task_key": one} if isinstance(one, str) else one for one in after]
        self.tasks.append({"task_key": key, "depends_on": edges, "notebook_task": member, **more})
        self.files[f"{key} notebook_task.notebook_path"] = str(path)

    def other(self, **task: Any) -> None:
        self.tasks.append(task)

    def check(
        self,
        *,
        missing: Collection[str] = (),
        passed: Collection[str] = (),
        only: Collection[str] = (),
        spec: Path | None = None,
        **stubs: Any,
    ) -> list[Problem]:
        settings = JobSettings.model_validate({"name": "j", "tasks": self.tasks, "parameters": self.parameters or None})
        return check(
            settings,
            plan(settings, only=tuple(only), **stubs),
            self.files,
            find=lambda name, caller: notebooks.resolve(name, caller=caller, root=self.folder),
            read=notebooks.read,
            installed=lambda module: module not in missing,
            passed=passed,
            spec=spec,
        )


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def told(problems: list[Problem]) -> list[tuple[str, str, int | None, int | None]]:
    return [(problem.severity, problem.message, problem.cell, problem.line) for problem in problems]


def test_a_sound_job_has_no_problems(job: Job) -> None:
    job.notebook("helper", "dbutils.widgets.text('day', '')", "def f(x):\n    return x")
    job.notebook("child", "n = dbutils.widgets.get('n')", "dbutils.notebook.exit(n)")
    job.task("a", "%run ./helper", "dbutils.widgets.get('day')", "dbutils.jobs.taskValues.set('k', 1)", "%md text (")
    job.task(
        "b",
        "dbutils.jobs.taskValues.get('a', 'k')",
        "dbutils.notebook.run('./child', 60, {'n': '1'})",
        "%pip install x\nimport json",
        after=["a"],
        base_parameters={"p": "1"},
    )
    job.tasks[-1]["notebook_task"]["base_parameters"] = {"n": "{{tasks.a.values.k}}"}
    job.notebook("b", "dbutils.widgets.get('n')\ndbutils.jobs.taskValues.get('a', 'k')")
    assert job.check() == []


def test_a_missing_include_names_file_cell_and_line(job: Job) -> None:
    job.task("a", "x = 1", "%run ./nope")
    (problem,) = job.check()
    assert problem.severity == "error"
    assert problem.message.startswith("Notebook not found: /nope.")
    assert (problem.file, problem.cell, problem.line) == (job.folder / "a.py", 2, 6)


def test_a_missing_notebook_run_target_is_an_error_only_where_it_surely_runs(job: Job) -> None:
    job.task("a", "dbutils.notebook.run('./nope', 60)")
    job.task("b", "if x:\n    dbutils.notebook.run('./nope', 60)")
    job.task("c", "try:\n    dbutils.notebook.run('./nope', 60)\nexcept Exception:\n    pass")
    job.task("d", "dbutils.notebook.exit('done')", "dbutils.notebook.run('./nope', 60)")
    assert [problem.severity for problem in job.check()] == ["error", "warning", "warning", "warning"]


def test_a_computed_target_is_a_doubt(job: Job) -> None:
    job.task("a", "dbutils.notebook.run('./' + name, 60)")
    assert told(job.check()) == [("warning", "this notebook's path is computed at run time: not checked", 1, 2)]


def test_circles_of_includes_are_errors_and_shown(job: Job) -> None:
    job.notebook("b", "%run ./a")
    job.task("a", "%run ./b")
    assert told(job.check()) == [("error", "%run goes round in a circle: a.py -> b.py -> a.py", 1, 2)]


def test_a_circle_of_runs_that_may_end_is_a_warning(job: Job) -> None:
    job.task("a", "if depth:\n    dbutils.notebook.run('./a', 60)")
    assert told(job.check()) == [("warning", "dbutils.notebook.run goes round in a circle: a.py -> a.py", 1, 3)]


def test_a_diamond_of_includes_is_no_circle(job: Job) -> None:
    job.notebook("base", "x = 1")
    job.notebook("left", "%run ./base")
    job.notebook("right", "%run ./base")
    job.task("a", "%run ./left", "%run ./right")
    assert job.check() == []


def test_a_plain_script_named_with_its_extension_is_left_to_ipython(job: Job) -> None:
    (job.folder / "script.py").write_text("x = 1\n")
    job.task("a", "%run ./script.py", "%run -i script.py")
    assert job.check() == []


def test_a_syntax_error_is_found_in_an_included_notebook_and_in_a_child(job: Job) -> None:
    job.notebook("helper", "x = 1", "y = = 2")
    job.notebook("child", "for")
    job.task("a", "%run ./helper", "dbutils.notebook.run('./child', 0)")
    found = job.check()
    assert {(problem.file, problem.cell, problem.severity) for problem in found} == {
        (job.folder / "helper.py", 2, "error"),
        (job.folder / "child.py", 1, "error"),
    }


def test_what_stands_below_a_possible_exit_is_a_warning(job: Job) -> None:
    job.notebook("guard", "if done:\n    dbutils.notebook.exit('done')")
    job.task("a", "%run ./guard", "x = = 1")
    assert [problem.severity for problem in job.check()] == ["warning"]


def test_an_exit_in_the_same_cell_of_an_ipynb_counts_too(job: Job) -> None:
    job.task("a", "if x:\n    dbutils.notebook.exit('')\ndbutils.widgets.get('y')")
    notebooks.convert(job.folder / "a.py", job.folder / "a.ipynb")
    job.files["a notebook_task.notebook_path"] = str(job.folder / "a.ipynb")
    assert [problem.severity for problem in job.check()] == ["warning"]


def test_a_widget_nobody_defines_or_passes_is_an_error(job: Job) -> None:
    job.task("a", "dbutils.widgets.get('day')")
    assert told(job.check()) == [
        ("error", "widget 'day' is read, but no notebook defines it and nothing passes it", 1, 2)
    ]


@pytest.mark.parametrize("way", ["base", "job", "command line", "include", "sql"])
def test_a_widget_can_come_by_every_way_there_is(job: Job, way: str) -> None:
    job.notebook("helper", "dbutils.widgets.get('day')")
    first = {"include": "%run ./helper $day=1", "sql": "%sql CREATE WIDGET TEXT day DEFAULT ''"}.get(way, "x = 1")
    job.task("a", first, "dbutils.widgets.get('day')", base_parameters={"day": "1"} if way == "base" else None)
    job.parameters = [{"name": "day", "default": "1"}] if way == "job" else []
    assert job.check(passed=["day"] if way == "command line" else []) == []


@pytest.mark.parametrize(
    ("cell", "severities"),
    [
        ("try:\n    d = dbutils.widgets.get('d')\nexcept Exception:\n    d = 1", []),
        ("d = getArgument('d', 'x')", []),
        ("def f():\n    return dbutils.widgets.get('d')", ["warning"]),
        ("import mine\ndbutils.widgets.get('d')", ["warning"]),
        ("setup(dbutils)\ndbutils.widgets.get('d')", ["warning"]),
        ("dbutils.widgets.text(name, '')\ndbutils.widgets.get('d')", ["warning"]),
        ("dbutils.widgets.get(name)", ["warning"]),
    ],
)
def test_a_widget_that_may_be_there_is_no_error(job: Job, cell: str, severities: list[str]) -> None:
    job.task("a", cell)
    assert [problem.severity for problem in job.check()] == severities


def test_a_child_has_only_the_arguments_it_is_given(job: Job) -> None:
    job.notebook("child", "dbutils.widgets.get('day')")
    job.task("a", "dbutils.notebook.run('./child', 60, {'night': '1'})", base_parameters={"day": "1"})
    assert ("error", "child.py") in {(p.severity, p.file.name) for p in job.check() if p.file}


def test_a_child_with_computed_arguments_is_not_judged(job: Job) -> None:
    job.notebook("child", "dbutils.widgets.get('day')")
    job.task("a", "dbutils.notebook.run('./child', 60, args)")
    assert job.check() == []


def test_a_parameter_nobody_reads_is_a_warning(job: Job) -> None:
    job.parameters = [{"name": "unused", "default": "1"}, {"name": "used", "default": "2"}]
    job.task("a", "print(1)", base_parameters={"p": "{{job.parameters.used}}"})
    assert told(job.check()) == [
        ("warning", "task 'a' passes parameter 'p', which the notebook never reads", None, None),
        ("warning", "job parameter 'unused' is read by no task", None, None),
    ]


@pytest.mark.parametrize("cell", ["dbutils.widgets.getAll()", "%sql select :p", "%run ./helper $x=$p", "f(dbutils)"])
def test_a_parameter_that_may_be_read_is_not_complained_about(job: Job, cell: str) -> None:
    job.notebook("helper", "x = 1")
    job.task("a", cell, base_parameters={"p": "1"})
    assert job.check() == []


@pytest.mark.parametrize(
    ("cell", "severity", "part"),
    [
        ("dbutils.jobs.taskValues.get('up', 'wrong')", "error", "that task sets no such value"),
        ("dbutils.jobs.taskValues.get('up', 'wrong', default=1)", "warning", "that task sets no such value"),
        ("dbutils.jobs.taskValues.get('nobody', 'k')", "error", "the job has no such task"),
        ("dbutils.jobs.taskValues.get('a', 'k')", "error", "before that task has run"),
        ("dbutils.jobs.taskValues.get('down', 'k')", "error", "before that task has run"),
        ("dbutils.jobs.taskValues.get('beside', 'k')", "warning", "does not wait for 'beside'"),
        ("dbutils.jobs.taskValues.get(t, 'k')", "warning", "computed"),
    ],
)
def test_a_task_value_that_is_not_there_is_told(job: Job, cell: str, severity: str, part: str) -> None:
    job.task("up", "dbutils.jobs.taskValues.set('k', 1)")
    job.task("beside", "dbutils.jobs.taskValues.set('k', 1)")
    job.task("a", cell, after=["up"])
    job.task("down", "dbutils.jobs.taskValues.set('k', 1)", after=["a"])
    (problem,) = job.check()
    assert problem.severity == severity
    assert part in problem.message


def test_a_value_that_may_be_set_elsewhere_is_a_doubt(job: Job) -> None:
    job.task("up", "import project\nproject.publish()")
    job.task("a", "dbutils.jobs.taskValues.get('up', 'k')", after=["up"])
    assert [problem.severity for problem in job.check()] == ["warning"]


def test_a_reference_to_a_value_nobody_sets_is_told(job: Job) -> None:
    job.task("up", "dbutils.jobs.taskValues.set('k', 1)")
    job.task("a", "dbutils.widgets.get('p')", after=["up"], base_parameters={"p": "{{tasks.up.values.wrong}}"})
    (problem,) = job.check()
    assert problem.severity == "error"
    assert "task 'a': task value 'wrong' of task 'up'" in problem.message


def test_values_of_stubbed_and_unselected_tasks_are_not_judged(job: Job) -> None:
    job.task("up", "x = 1")
    job.task("a", "dbutils.jobs.taskValues.get('up', 'k')", after=["up"])
    assert job.check(only=["a"]) == []
    assert job.check(stubs=("up",), stub_values={"up": {"k": 1}}) == []


@pytest.mark.parametrize("way", ["condition", "run_if", "disabled", "loop"])
def test_a_task_that_may_not_run_is_never_an_error(job: Job, way: str) -> None:
    job.other(task_key="check", condition_task={"op": "EQUAL_TO", "left": "1", "right": "{{job.id}}"})
    more: dict[str, Any] = {
        "condition": {"after": [{"task_key": "check", "outcome": "true"}]},
        "run_if": {"after": ["check"], "run_if": "AT_LEAST_ONE_FAILED"},
        "disabled": {"disabled": True},
        "loop": {},
    }[way]
    job.task("a", "x = = 1", **more)
    if way == "loop":
        inner = job.tasks.pop()
        job.other(task_key="loop", for_each_task={"inputs": "{{tasks.check.values.x}}", "task": inner})
    assert {problem.severity for problem in job.check() if problem.file} == {"warning"}


def test_the_notebook_of_a_loop_is_checked(job: Job) -> None:
    job.task("inner", "%run ./nope")
    inner = job.tasks.pop()
    job.other(task_key="loop", for_each_task={"inputs": "[1]", "task": inner})
    assert [problem.severity for problem in job.check()] == ["error"]


@pytest.mark.parametrize(
    ("cell", "missing", "part"),
    [
        ("%sql select 1", ["duckdb", "pyspark"], "dbutils-local[sql]"),
        ("df = spark.range(3)", ["pyspark"], "dbutils-local[spark]"),
        ("%conda install x", [], "%conda is gone"),
        ("x = 1\n%conda install x", [], "%conda is gone"),
        ("%scala\nval x = 1", [], "Scala cells are not run"),
        ("%r\nx <- 1", [], "R cells are not run"),
        ("%%profile\nx = 1", [], "%%profile is not done here"),
    ],
)
def test_what_this_machine_does_not_do_is_refused_by_name(job: Job, cell: str, missing: list[str], part: str) -> None:
    job.task("a", cell)
    (problem,) = job.check(missing=missing)
    assert (problem.severity, problem.cell) == ("error", 1)
    assert part in problem.message


@pytest.mark.parametrize(
    "cells",
    [
        ("spark = make()", "spark.range(3)"),
        ("from pyspark.sql import SparkSession\nspark = SparkSession.builder.getOrCreate()",),
        ("def f(spark):\n    return spark",),
    ],
)
def test_a_spark_of_the_notebooks_own_needs_no_extra(job: Job, cells: tuple[str, ...]) -> None:
    job.task("a", *cells)
    assert job.check(missing=["pyspark"]) == []


def test_spark_behind_an_install_is_a_doubt(job: Job) -> None:
    job.task("a", "%pip install pyspark", "spark.range(3)")
    assert [problem.severity for problem in job.check(missing=["pyspark"])] == ["warning"]


def test_one_notebook_in_two_tasks_is_told_once(job: Job) -> None:
    job.task("a", "x = = 1")
    job.tasks.append({"task_key": "b", "notebook_task": {"notebook_path": "./a"}})
    job.files["b notebook_task.notebook_path"] = job.files["a notebook_task.notebook_path"]
    assert len(job.check()) == 1


def test_a_notebook_that_cannot_be_read_is_told(job: Job) -> None:
    job.task("a", "x")
    (job.folder / "a.py").write_text("x = 1\n")
    (problem,) = job.check()
    assert (problem.severity, "not a notebook" in problem.message) == ("error", True)


def test_a_member_that_no_namespace_has_is_an_error(job: Job) -> None:
    job.task("a", "dbutils.widgets.get('x')", base_parameters={"x": "{{job.nme}}"})
    [found] = job.check()
    assert (found.severity, found.message) == ("error", "task 'a': {{job.nme}}: 'job' has no member 'nme'")


def test_a_notebook_run_by_itself_has_its_debug_values(job: Job) -> None:
    job.task("t", "dbutils.jobs.taskValues.get('nobody', 'k', debugValue=1)")
    assert job.check(spec=job.folder / "t.py") == []
    assert [problem.severity for problem in job.check(spec=job.folder / "job.yml")] == ["error"]


def test_a_notebook_run_by_itself_without_one_reads_in_vain(job: Job) -> None:
    job.task("t", "dbutils.jobs.taskValues.get('nobody', 'k')")
    assert "no such task" in job.check(spec=job.folder / "t.py")[0].message
