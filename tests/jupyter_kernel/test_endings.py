"""How cells end: exit, restart, errors of ours, and what they leave for the frontend."""

from __future__ import annotations

from typing import Any


def test_exit_replaces_the_output_and_shows_no_traceback(kernel: Any) -> None:
    ran = kernel("print('lost')\ndbutils.notebook.exit('42')\nprint('never')")
    assert ran.status == "error"
    assert (ran.ename, ran.evalue) == ("NotebookExit", "42")
    assert ran.plain == "Notebook exited: 42"
    assert ran.stdout == ""
    assert ran.traceback == ""


def test_exit_aborts_the_cells_that_wait(kernel: Any) -> None:
    first = kernel.client.execute("import time; time.sleep(0.5); dbutils.notebook.exit('v')", stop_on_error=True)
    second = kernel.client.execute("print('never')", stop_on_error=True)
    assert kernel.wait(first).ename == "NotebookExit"
    assert kernel.wait(second).status in ("aborted", "error")


def test_exit_from_a_function_a_module_and_an_awaited_task_ends_the_cell(kernel: Any) -> None:
    kernel.write("leaving.py", "def leave(dbutils):\n    dbutils.notebook.exit('module')\n")
    assert kernel("import leaving\nleaving.leave(dbutils)").evalue == "module"
    code = "import asyncio\nasync def leave():\n    dbutils.notebook.exit('task')\nawait asyncio.gather(leave())"
    assert kernel(code).plain == "Notebook exited: task"


def test_a_swallowed_exit_is_said_in_one_line(kernel: Any) -> None:
    ran = kernel("try:\n    dbutils.notebook.exit('v')\nexcept Exception:\n    print('goes on')")
    assert ran.status == "ok"
    assert ran.stdout == "goes on\n"
    assert ran.stderr.count("\n") == 1
    assert "'v'" in ran.stderr
    assert "goes on, as it would on Databricks" in ran.stderr


def test_an_error_of_ours_ends_at_the_users_line(kernel: Any) -> None:
    ran = kernel("value = dbutils.widgets.get('nobody')")
    assert ran.ename == "InputWidgetNotDefined"
    assert "value = dbutils.widgets.get('nobody')" in ran.traceback
    assert "widgets.py" not in ran.traceback
    assert "No input widget named nobody is defined" in ran.traceback


def test_an_error_of_the_user_keeps_its_whole_traceback(kernel: Any) -> None:
    ran = kernel("def inner():\n    return {}['missing']\n\ndef outer():\n    inner()\n\nouter()")
    assert ran.ename == "KeyError"
    assert "in inner()" in ran.traceback
    assert "in outer()" in ran.traceback


def test_without_a_labextension_a_restart_ends_the_process(kernel: Any) -> None:
    """The server starts it again; here nobody does, so only the asking is seen."""
    own = type(kernel)(kernel.folder, {"DBUTILS_LOCAL_HOME": str(kernel.folder / "home")})
    try:
        own("%load_ext dbutils_local")
        own.client.execute("%restart_python")
        # The process may be gone before it says that it is idle.
        said = ""
        while "Python restarts" not in said:
            said += own.client.get_iopub_msg(timeout=60)["content"].get("text", "")
        own.manager.provisioner.process.wait(60)
    finally:
        own.close()


def test_a_process_that_ends_for_a_restart_runs_nothing_more(kernel: Any) -> None:
    own = type(kernel)(kernel.folder, {"DBUTILS_LOCAL_HOME": str(kernel.folder / "home")})
    try:
        own("%load_ext dbutils_local")
        own("ip = get_ipython()\nip.kernel.do_shutdown = lambda restart: None\nkept = 'old'")
        assert own("%restart_python").ename == "RestartPython"
        ran = own("print(kept)")
        assert (ran.status, ran.stdout) == ("error", "")
        assert "this cell was not run" in ran.evalue
    finally:
        own.close()


def test_in_a_terminal_a_restart_clears_the_variables(shell: Any, capsys: Any) -> None:
    shell.run_cell("x = 1")
    shell.run_cell("dbutils.widgets.text('w', 'kept')")
    shell.run_cell("dbutils.library.restartPython()")
    assert "x" not in shell.user_ns
    assert shell.user_ns["dbutils"].widgets.get("w") == "kept"
    assert "Variables are gone" in capsys.readouterr().out


def test_in_a_terminal_an_exit_is_one_line(shell: Any, capsys: Any) -> None:
    result = shell.run_cell("dbutils.notebook.exit('v')")
    assert not result.success
    assert capsys.readouterr().out == "Notebook exited: v\n"
