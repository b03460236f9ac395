"""The pytest plugin, as a user's own tests meet it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

NOTEBOOKS = {
    "double": """# Databricks notebook source
dbutils.widgets.text("n", "1")
n = int(dbutils.widgets.get("n"))
print("doubling", n)

# COMMAND ----------

dbutils.notebook.exit(str(2 * n))
""",
    "broken": """# Databricks notebook source
print("so far so good")

# COMMAND ----------

ratio = 1
ratio / 0
""",
    "slow": "# Databricks notebook source\nimport time\ntime.sleep(60)\n",
}


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A user's project with three notebooks."""
    for name, text in NOTEBOOKS.items():
        pytester.makefile(".py", **{name: text})
    return pytester


def outcomes(project: pytest.Pytester, *options: str, **expected: int) -> pytest.RunResult:
    result = project.runpytest_subprocess("-p", "no:cacheprovider", *options)
    result.assert_outcomes(**expected)
    return result


def test_notebooks_run_from_tests_and_show_why_they_fail(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_mine="""
        import pytest
        from dbutils_local.testing import NotebookFailed

        def test_doubles(run_notebook):
            result = run_notebook("double.py", params={"n": 21})
            assert result.exit_value == "42"
            assert result.error is None
            assert result.text == "doubling 21\\nNotebook exited: 42\\n"
            assert result.outputs[0]["output_type"] == "stream"
            assert [cell.number for cell in result.cells] == [1, 2]

        def test_broken(run_notebook):
            run_notebook("broken.py")

        def test_broken_looked_at(run_notebook):
            result = run_notebook("broken.py", check=False)
            assert result.state == "FAILED"
            assert result.error == "ZeroDivisionError: division by zero"
            assert "so far so good" in result.cells[0].text
            assert "ratio / 0" in result.cells[1].traceback

        def test_slow(run_notebook):
            with pytest.raises(NotebookFailed, match="TIMEDOUT") as failed:
                run_notebook("slow.py", timeout=1)
            assert failed.value.result.state == "TIMEDOUT"
        """
    )
    told = outcomes(project, passed=3, failed=1)
    told.stdout.fnmatch_lines(
        [
            "E*NotebookFailed: broken.py, cell 2: ZeroDivisionError: division by zero",
            "E*ratio = 1",
            "E*ratio / 0",
            "E*Traceback*",
            "E*ZeroDivisionError: division by zero",
        ]
    )
    # The fixture's own frames are no help to somebody who looks for a fault in a notebook.
    assert "def __call__" not in told.stdout.str()


def test_jobs_run_from_tests(project: pytest.Pytester) -> None:
    project.makefile(
        ".json",
        job='{"name": "j", "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "./double",'
        ' "base_parameters": {"n": "4"}}}]}',
    )
    project.makepyfile(
        test_mine="""
        JOB = {"name": "inline", "tasks": [
            {"task_key": "a", "notebook_task": {"notebook_path": "./double"}},
            {"task_key": "b", "depends_on": [{"task_key": "a"}], "notebook_task": {"notebook_path": "./broken"}}]}

        def test_of_a_file(run_job):
            result = run_job("job.json")
            assert result
            assert result.tasks["a"].exit_value == "8"

        def test_of_settings(run_job):
            result = run_job(JOB, params={"n": 5})
            assert not result
            assert result.state == "FAILED"
            assert {key: task.state for key, task in result.tasks.items()} == {"a": "SUCCESS", "b": "FAILED"}
            assert result.tasks["a"].exit_value == "10"

        def test_in_part(run_job):
            assert list(run_job(JOB, only=["a"]).tasks) == ["a"]
        """
    )
    outcomes(project, passed=3)


def test_each_test_has_a_dbutils_of_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        code="""
        def greeting():
            from dbutils_local import dbutils
            return dbutils.widgets.get("who")
        """,
        test_mine="""
        import pytest
        from code_under_test import greeting

        def test_widgets(dbutils):
            dbutils.widgets.text("who", "world")
            assert greeting() == "world"

        def test_nothing_is_left_over_of_other_tests(dbutils):
            with pytest.raises(Exception, match="who"):
                greeting()

        def test_files_are_kept_apart(dbutils, dbutils_local_home):
            dbutils.fs.put("dbfs:/a.txt", "hello")
            assert list(dbutils_local_home.rglob("a.txt"))

        def test_nor_their_files(dbutils, dbutils_local_home):
            assert not list(dbutils_local_home.rglob("a.txt"))
        """,
    )
    (project.path / "code.py").rename(project.path / "code_under_test.py")
    outcomes(project, passed=4)


def test_many_workers_do_not_meet(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_mine="""
        import pytest

        @pytest.mark.parametrize("n", range(4))
        def test_doubles(run_notebook, n):
            assert run_notebook("double.py", {"n": n}).exit_value == str(2 * n)
        """
    )
    outcomes(project, "-n", "2", passed=4)


def test_a_project_that_does_not_use_it_pays_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_mine="""
        import sys

        def test_nothing_was_imported():
            ours = sorted(name for name in sys.modules if name.startswith("dbutils_local"))
            assert ours == ["dbutils_local", "dbutils_local.testing"]
            assert not {"pydantic", "IPython", "nbformat", "papermill", "click"} & set(sys.modules)
        """
    )
    outcomes(project, "-p", "no:hypothesispytest", passed=1)


def test_the_plugin_imports_only_pytest_itself(tmp_path: Path) -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import dbutils_local.testing;"
        "print(*sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert out.split() == ["dbutils_local", "dbutils_local.testing"]
