"""`dbutils.notebook.run` with real kernels: values, failures, timeouts, nesting, threads and Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from dbutils_local.dbutils.children import guard_interrupts
from dbutils_local.dbutils.handle import DBUtils
from dbutils_local.dbutils.session import Session
from dbutils_local.kernels.environment import Birth, JobContext
from dbutils_local.kernels.outbox import Child, read

CHILD = """# Databricks notebook source
dbutils.widgets.text("what", "default")
what = dbutils.widgets.get("what")
print("working on", what)

# COMMAND ----------

if what == "fail":
    raise ValueError("no such table")
if what == "sleep":
    import time
    time.sleep(60)
if what == "nest":
    dbutils.notebook.exit("nested: " + dbutils.notebook.run("sub/deep", 60))
if what == "nothing":
    pass
else:
    dbutils.notebook.exit(what)
"""
DEEP = """# Databricks notebook source
import os
context = dbutils.notebook.entry_point.getDbutils().notebook().getContext()
in_a_run = context.currentRunId().isDefined()
dbutils.notebook.exit(f"{context.notebookPath().get()} {os.path.basename(os.getcwd())} {in_a_run}")
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "project" / "sub").mkdir(parents=True)
    (tmp_path / "project" / "child.py").write_text(CHILD)
    (tmp_path / "project" / "sub" / "deep.py").write_text(DEEP)
    return tmp_path


@pytest.fixture
def dbutils(workspace: Path) -> DBUtils:
    birth = Birth(
        home=workspace / "home",
        workspace_root=workspace,
        notebook_path="/project/parent",
        notebook_file=workspace / "project" / "parent.py",
        outbox=workspace / "outbox",
        artifacts=workspace / "attempt",
        job=JobContext(1, "nightly", 2, 3, "load"),
    )
    return DBUtils.of(Session(birth, {"HOME": str(workspace), "DBUTILS_LOCAL_WARM_KERNELS": "0"}))


def test_a_child_gets_its_arguments_and_gives_its_exit_value(dbutils, workspace, capsys):
    assert dbutils.notebook.run("child", 0, {"what": "done"}) == "done"
    executed = workspace / "attempt" / "children" / "1-child.ipynb"
    assert capsys.readouterr().out.startswith("Notebook job #")
    assert "working on done" in executed.read_text()
    assert nbformat.read(executed, 4).cells
    assert list(read(workspace / "outbox")) == [Child("/project/child", str(executed), "SUCCESS")]


def test_a_child_that_never_exits_gives_none_and_keywords_work(dbutils):
    assert dbutils.notebook.run(path="./child", timeout_seconds=60, arguments={"what": "nothing"}) is None


def test_a_child_runs_a_child_of_its_own_from_its_own_folder(dbutils, workspace):
    assert (
        dbutils.notebook.run("/Workspace/project/child", 60, {"what": "nest"}) == "nested: /project/sub/deep sub True"
    )
    assert (workspace / "attempt/children/1-child/children/1-deep.ipynb").is_file()


def test_a_failing_child_says_what_databricks_says_and_where_to_look(dbutils, workspace):
    with pytest.raises(Exception, match=r"com\.databricks\.WorkflowException") as caught:
        dbutils.notebook.run("child", 60, {"what": "fail"})
    first, second, caused, _, own, executed = str(caught.value).splitlines()
    failed = "com.databricks.NotebookExecutionException: FAILED: Workload failed, see run output for details"
    assert first.startswith("An error occurred while calling o")
    assert second == f": com.databricks.WorkflowException: {failed}"
    assert caused == f"Caused by: {failed}"
    assert own == "/project/child failed in cell 2: ValueError: no such table"
    assert executed == f"Executed notebook: {workspace}/attempt/children/1-child.ipynb"
    assert caught.value.java_exception.getCause().getClass().getName().endswith("NotebookExecutionException")
    assert [saying.state for saying in read(workspace / "outbox")] == ["FAILED"]


def test_a_child_over_its_timeout_is_timed_out(dbutils):
    with pytest.raises(Exception, match=r"NotebookExecutionException: TIMEDOUT"):
        dbutils.notebook.run("child", 3, {"what": "sleep"})


def test_children_run_at_once_from_threads(dbutils, workspace):
    with ThreadPoolExecutor(2) as pool:
        values = list(pool.map(lambda what: dbutils.notebook.run("child", 60, {"what": what}), ["a", "b"]))
    assert values == ["a", "b"]
    assert {Path(saying.artifact).name for saying in read(workspace / "outbox")} == {"1-child.ipynb", "2-child.ipynb"}


@pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")
def test_by_hand_children_come_from_a_fork_server_that_goes_with_the_parent(workspace):
    birth = Birth(workspace / "home", workspace, "/parent", workspace / "project" / "parent.py")
    session = Session(birth, {"HOME": str(workspace)})
    dbutils = DBUtils.of(session)
    try:
        assert [dbutils.notebook.run("child", 0, {"what": what}) for what in ("a", "nest")] == [
            "a",
            "nested: /project/sub/deep sub True",
        ]
        server = dbutils.notebook.children._server
        assert server is not None
        assert server.is_running
    finally:
        dbutils.notebook.children.close()
    assert not server.is_running


def test_stopping_the_parent_stops_children_of_threads(dbutils):
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(dbutils.notebook.run, "child", 0, {"what": "sleep"})
        time.sleep(0.5)
        dbutils.notebook.children.stop_all()
        with pytest.raises(Exception, match="NotebookExecutionException: CANCELED"):
            future.result(30)


def test_ctrl_c_is_guarded_in_the_main_thread_only(dbutils):
    before = signal.getsignal(signal.SIGINT)
    try:
        guard_interrupts(dbutils.notebook.children)
        guard_interrupts(dbutils.notebook.children)
        handler = signal.getsignal(signal.SIGINT)
        assert handler is not before
        other = threading.Thread(target=guard_interrupts, args=(dbutils.notebook.children,))
        other.start()
        other.join()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="signals are a POSIX thing")
def test_ctrl_c_ends_parent_and_child(workspace):
    (workspace / "project" / "main.py").write_text(
        "try:\n    dbutils.notebook.run('child', 0, {'what': 'sleep'})\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    environ = {**os.environ, "DBUTILS_LOCAL_HOME": str(workspace / "home"), "DBUTILS_LOCAL_WORKSPACE": str(workspace)}
    command = [sys.executable, "-u", "-m", "dbutils_local.dbutils.script", "main.py"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=workspace / "project", env=environ)
    assert process.stdout is not None
    with process:
        assert process.stdout.readline().startswith("Notebook job #")
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
    assert process.returncode == 0
