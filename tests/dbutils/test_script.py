"""Plain Python files as a job runs them: like `python FILE`, with `dbutils` and `spark` there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from dbutils_local.dbutils.session import Session
from dbutils_local.kernels.environment import Birth, JobContext
from dbutils_local.kernels.outbox import Exit, Notice, TaskValue, read
from dbutils_local.secrets import FileStore

JOB = JobContext(1, "job", 2, 3, "task")


@pytest.fixture
def run(tmp_path):
    birth = Birth(tmp_path / "home", tmp_path, "", outbox=tmp_path / "outbox", job=JOB, parameters={"p": "v"})

    def run(code: str, *arguments: str, name: str = "script.py") -> subprocess.CompletedProcess[str]:
        file = tmp_path / "code" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(code))
        command = [sys.executable, "-m", "dbutils_local.dbutils.script", str(file), *arguments]
        environ = {**os.environ, **birth.write(tmp_path / "birth.json"), "DBUTILS_LOCAL_HOME": str(birth.home)}
        return subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path, check=False)

    return run


def test_it_looks_like_python_file(run, tmp_path):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "beside.py").write_text("X = 5")
    code = """
        import os, sys
        import beside
        print(__name__, __file__, sys.argv, os.getcwd(), sys.path[0], beside.X)
        print(sys.modules["__main__"].__dict__ is globals())
        """
    done = run(code, "a", "--b=c d")
    file = tmp_path / "code" / "script.py"
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"__main__ {file} {[str(file), 'a', '--b=c d']} {tmp_path} {file.parent} 5",
        "True",
    ]


def test_dbutils_is_there_as_a_global_and_by_every_import(run, tmp_path):
    done = run("""
        from databricks.sdk.runtime import dbutils as one
        from pyspark.dbutils import DBUtils
        from dbruntime.databricks_repl_context import get_context
        assert one is dbutils is DBUtils(None)
        dbutils.jobs.taskValues.set("k", [1, 2])
        print(dbutils.widgets.get("p"), get_context().jobTaskType, "spark" in globals())
        """)
    assert (done.stdout, done.stderr) == ("v python True\n", "")
    assert list(read(tmp_path / "outbox")) == [TaskValue("k", [1, 2])]


def test_an_error_shows_the_traceback_of_a_plain_run(run, tmp_path):
    code = "def f():\n    1 / 0\n\n\nf()\n"
    done = run(code)
    command = [sys.executable, "code/script.py"]
    plain = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == plain.returncode == 1
    assert done.stderr.replace(str(tmp_path) + "/", "") == plain.stderr.replace(str(tmp_path) + "/", "")


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(3)", 3), ("import sys; sys.exit()", 0), ("x = 1", 0)])
def test_the_exit_code_is_the_scripts(run, code, status):
    assert run(code).returncode == status


def test_sys_exit_with_a_sentence_is_a_failure(run):
    done = run("import sys; sys.exit('no data')")
    assert (done.returncode, done.stderr) == (1, "no data\n")


def test_notebook_exit_ends_the_script_well(run, tmp_path):
    done = run("dbutils.notebook.exit('enough')\nprint('never')")
    assert (done.returncode, done.stdout) == (0, "Notebook exited: enough\n")
    assert list(read(tmp_path / "outbox")) == [Exit("enough")]


def test_a_syntax_error_is_shown_as_python_does(run):
    done = run("def :")
    assert done.returncode == 1
    assert "SyntaxError: invalid syntax" in done.stderr
    assert "dbutils_local" not in done.stderr


def test_a_missing_file_is_one_sentence(tmp_path):
    command = [sys.executable, "-m", "dbutils_local.dbutils.script", "nope.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (2, "nope.py: no such file\n")


def test_secrets_do_not_reach_the_output(run, tmp_path):
    store = FileStore(tmp_path / "home" / "secrets.toml")
    store.create_scope("s")
    store.write("s", "k", b"hunter2!")
    done = run("""
        password = dbutils.secrets.get("s", "k")
        print("it is", password)
        raise ValueError(password)
        """)
    assert done.stdout == "it is [REDACTED]\n"
    assert "ValueError: [REDACTED]" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_the_paths_of_databricks_work(run, tmp_path):
    done = run("""
        import os
        os.makedirs("/dbfs/x", exist_ok=True)
        with open("/dbfs/x/y", "w") as file:
            file.write("text")
        print(dbutils.fs.head("dbfs:/x/y"))
        """)
    assert done.stdout == "text\n"


def test_multiprocessing_works_from_a_script(run):
    done = run("""
        from multiprocessing import get_context

        def double(x):
            return 2 * x

        if __name__ == "__main__":
            with get_context("spawn").Pool(1) as pool:
                print(pool.map(double, [1, 2]))
        """)
    assert (done.stdout, done.stderr) == ("[2, 4]\n", "")


def test_a_notebook_run_as_a_plain_file_says_what_does_not_run(run, tmp_path):
    done = run("# Databricks notebook source\n# MAGIC %sql\n# MAGIC select 1\n", name="nb.py")
    assert "its 1 MAGIC cells are comments and do not run" in done.stderr
    assert isinstance(next(read(tmp_path / "outbox")), Notice)


def test_a_script_by_hand_needs_no_birth(tmp_path):
    (tmp_path / "s.py").write_text("dbutils.widgets.text('a', 'b')\nprint(dbutils.widgets.get('a'))")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DBUTILS_LOCAL")}
    environ["DBUTILS_LOCAL_HOME"] = str(tmp_path / "home")
    command = [sys.executable, "-m", "dbutils_local.dbutils.script", "s.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ, check=False)
    assert (done.stdout, done.stderr) == ("b\n", "")
    assert Session.of_this_process(environ).birth.home == Path(environ["DBUTILS_LOCAL_HOME"])
