"""Running one notebook: its outputs, its ends, and what is known of a failure."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from dbutils_local.errors import NotFound
from dbutils_local.executors.base import StopToken
from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.runner import run_notebook

# The kernel side speaks by the names of its exceptions; these stand for the real ones of dbutils.
RESTART = "class RestartPython(Exception): pass\nraise RestartPython"
ANSWER = "print('answer', 6 * 7)"


def code_cells(run):
    """papermill marks a failed notebook with cells of its own, which are not code."""
    return [cell for cell in run.notebook.cells if cell.cell_type == "code"]


def printed(run) -> str:
    outputs = (output for cell in run.notebook.cells for output in cell.get("outputs", ()))
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def test_the_executed_copy_holds_the_outputs(run_cells, tmp_path):
    run = run_cells("1 + 1", "print('hello')")
    assert run.failure is None
    assert run.notebook.cells[0].outputs[0].data["text/plain"] == "2"
    assert printed(run) == "hello\n"
    on_disk = nbformat.read(tmp_path / "executed.ipynb", as_version=4)
    nbformat.validate(on_disk)
    assert on_disk.cells[1].outputs[0].text == "hello\n"


def test_the_outputs_are_on_disk_while_a_long_cell_still_runs(run_cells, tmp_path):
    seen = []

    class Look(StopToken):
        """Stops the run once the output is there to be read."""

        def watch(self) -> None:
            path = tmp_path / "executed.ipynb"
            while not (path.exists() and "first words" in path.read_text()):
                time.sleep(0.05)
            seen.append(nbformat.read(path, as_version=4).cells[0].metadata.papermill.status)
            self.stop()

    stop = Look()
    threading.Thread(target=stop.watch).start()
    run = run_cells("import time\nprint('first words', flush=True)\ntime.sleep(60)", stop=stop)
    assert run.stopped
    assert seen == ["running"]


def test_the_source_notebook_is_not_changed(server, tmp_path):
    source = new_notebook(cells=[new_code_cell("print(1)"), new_markdown_cell("# words")])
    before = nbformat.writes(source)
    birth = Birth(home=tmp_path, workspace_root=tmp_path, notebook_path="/x")
    run_notebook(source, output=tmp_path / "o.ipynb", birth=birth, environ={}, cwd=tmp_path, extensions=())
    assert nbformat.writes(source) == before


def test_a_failing_cell_stops_the_notebook_and_keeps_its_outputs(run_cells):
    run = run_cells("1", "print('before')\n1 / 0", "print('never')")
    assert run.failure.error == "ZeroDivisionError: division by zero"
    assert (run.failure.cell, run.failure.line) == (2, 2)
    assert "\x1b" not in run.failure.trace
    assert "1 / 0" in run.failure.trace
    assert printed(run) == "before\n"
    assert [cell.metadata.papermill.status for cell in code_cells(run)] == ["completed", "failed", "pending"]


def test_a_cell_tagged_raises_exception_does_not_fail_the_notebook(run_cells, server, tmp_path):
    allowed = new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    birth = Birth(home=tmp_path, workspace_root=tmp_path, notebook_path="/x")
    run = run_notebook(
        new_notebook(cells=[allowed, new_code_cell(ANSWER)]),
        output=tmp_path / "o.ipynb",
        birth=birth,
        environ={},
        cwd=tmp_path,
        extensions=(),
    )
    assert "answer 42" in printed(run)


def test_exit_ends_the_notebook_with_its_value(run_cells):
    run = run_cells("print('first')", "dbutils.notebook.exit('done')", "print('never')", extensions=None)
    assert run.failure is None
    assert run.exit_value == "done"
    shown = run.notebook.cells[1].outputs
    assert [output.output_type for output in shown] == ["display_data"]
    assert "Notebook exited: done" in str(shown[0].data)
    assert run.notebook.cells[2].metadata.papermill.status == "pending"
    assert printed(run) == "first\n"


def test_an_exit_that_was_swallowed_is_reported_and_has_no_value(run_cells):
    run = run_cells(
        "try:\n    dbutils.notebook.exit('lost')\nexcept Exception:\n    pass", "print('on')", extensions=None
    )
    assert run.exit_value is None
    assert run.swallowed_exit == "lost"
    assert printed(run).endswith("on\n")


def test_without_an_exit_there_is_no_value(run_cells):
    assert run_cells("1").exit_value is None


def test_task_values_are_kept_even_when_the_notebook_fails_later(run_cells):
    set_value = (
        "import os, json\nfrom pathlib import Path\n"
        "from dbutils_local.kernels.environment import Birth\n"
        "from dbutils_local.kernels.outbox import Outbox, TaskValue\n"
        "Outbox(Birth.read(os.environ).outbox).say(TaskValue('rows', 3))"
    )
    run = run_cells(set_value, "1 / 0")
    assert run.failure is not None
    assert run.values == {"rows": 3}


def test_restarting_python_clears_the_state_and_goes_on_with_the_next_cell(run_cells):
    run = run_cells("x = 1", RESTART, "print('x' in globals())")
    assert run.failure is None
    assert printed(run) == "False\n"
    assert run.notebook.cells[1].outputs == []


def test_a_restart_in_the_middle_of_an_include_runs_its_cell_again(run_cells):
    again = """
        import pathlib
        gone_on = pathlib.Path("gone on")
        print("again" if gone_on.exists() else "begun", flush=True)
        class RestartPythonInRun(Exception): pass
        if not gone_on.exists():
            gone_on.touch()
            raise RestartPythonInRun
    """
    run = run_cells(dedent(again), "print('next')")
    assert run.failure is None
    assert printed(run) == "begun\nagain\nnext\n"


def test_parameters_are_injected_where_a_cell_is_tagged_for_them(server, tmp_path):
    tagged = new_code_cell("day = 'none'", metadata={"tags": ["parameters"]})
    options = {
        "output": tmp_path / "o.ipynb",
        "birth": Birth(home=tmp_path, workspace_root=tmp_path, notebook_path="/x"),
        "environ": {},
        "cwd": tmp_path,
        "extensions": (),
        "parameters": {"day": "2026-11-22", "not a name": "x"},
    }
    run = run_notebook(new_notebook(cells=[tagged, new_code_cell("print(day)")]), **options)
    assert printed(run) == "2026-11-22\n"
    failing = run_notebook(new_notebook(cells=[tagged, new_code_cell("1 / 0")]), **options)
    assert failing.failure.cell == 2  # counted as in the user's file, without the injected cell
    plain = run_notebook(new_notebook(cells=[new_code_cell("print('day' in globals())")]), **options)
    assert printed(plain) == "False\n"


def test_a_stop_interrupts_the_cell_and_ends_the_run(run_cells):
    stop = StopToken()
    threading.Timer(0.3, stop.stop).start()
    begin = time.monotonic()
    run = run_cells("import time", "time.sleep(60)", "print('never')", stop=stop)
    assert run.stopped
    assert run.failure is None
    assert time.monotonic() - begin < 10
    assert "KeyboardInterrupt" in str(code_cells(run)[1].outputs)


def test_a_stop_ends_a_cell_that_swallows_interrupts(run_cells):
    stop = StopToken()
    threading.Timer(0.3, stop.stop).start()
    stubborn = "import time\nwhile True:\n    try: time.sleep(60)\n    except KeyboardInterrupt: pass"
    assert run_cells(stubborn, stop=stop).stopped


def test_a_run_stopped_before_it_began_runs_no_cell(run_cells):
    stop = StopToken()
    stop.stop()
    run = run_cells("print('never')", stop=stop)
    assert run.stopped
    assert printed(run) == ""


def test_a_timeout_is_for_the_whole_notebook(run_cells):
    run = run_cells("import time", *["time.sleep(0.2)"] * 50, timeout=0.6)
    assert run.timed_out
    assert not run.stopped


def test_the_death_of_the_kernel_fails_the_notebook_and_names_the_signal(run_cells):
    run = run_cells("print('alive')", "import os; os.kill(os.getpid(), 9)")
    assert "SIGKILL" in run.failure.error
    assert run.failure.cell == 2
    assert printed(run) == "alive\n"


def test_an_exit_code_of_the_kernel_is_named(run_cells):
    assert "exit code 3" in run_cells("import os; os._exit(3)").failure.error


def test_an_extension_that_cannot_be_loaded_fails_before_the_first_cell(run_cells):
    run = run_cells("print('never')", extensions=("no_such_extension",))
    assert run.failure.setup
    assert "no_such_extension" in run.failure.error
    assert printed(run) == ""


def test_a_folder_that_does_not_exist_fails_before_the_first_cell(run_cells, tmp_path):
    run = run_cells("print('never')", cwd=tmp_path / "nowhere")
    assert run.failure.setup
    assert "nowhere" in run.failure.error


def test_an_unknown_kernel_fails_by_name(run_cells):
    run = run_cells("1", kernel_name="no-such-kernel")
    assert run.failure.setup
    assert "no-such-kernel" in run.failure.error


def test_a_missing_notebook_file_is_named(tmp_path):
    birth = Birth(home=tmp_path, workspace_root=tmp_path, notebook_path="/x")
    with pytest.raises(NotFound, match=r"absent\.ipynb"):
        run_notebook(
            Path(tmp_path / "absent.ipynb"), output=tmp_path / "o.ipynb", birth=birth, environ={}, cwd=tmp_path
        )


def test_displays_are_updated_and_cleared_as_in_a_browser(run_cells):
    run = run_cells(
        "from IPython.display import display, clear_output\nh = display('old', display_id=True)",
        "h.update('new')",
        "print('gone')\nclear_output()\nprint('stays')",
    )
    assert run.notebook.cells[0].outputs[0].data["text/plain"] == "'new'"
    assert printed(run) == "stays\n"


def test_widget_states_are_saved_in_the_notebook(run_cells):
    run = run_cells("import ipywidgets\nipywidgets.IntSlider(7)")
    states = run.notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert any(state["state"].get("value") == 7 for state in states.values())


def test_input_is_refused_instead_of_waited_for(run_cells):
    assert "StdinNotImplementedError" in run_cells("input('name?')").failure.error


def test_several_notebooks_run_at_once_from_threads(run_cells, tmp_path):
    results = {}

    def one(number: int) -> None:
        results[number] = printed(run_cells(f"print({number})", output=tmp_path / f"{number}.ipynb"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: f"{number}\n" for number in range(4)}
