"""papermill's own users: their command line, their library, their conventions, with our engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from papermill.exceptions import PapermillExecutionError

from dbutils_local.kernels import papermill_engine

METADATA = {
    "kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"},
    "language_info": {"name": "python"},
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DBUTILS_LOCAL_HOME", str(tmp_path / "home"))


@pytest.fixture
def source(tmp_path) -> Path:
    cells = [
        new_code_cell("n = 1", metadata={"tags": ["parameters"]}),
        new_code_cell("print('n is', n)"),
    ]
    path = tmp_path / "in.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=METADATA), path)
    return path


def execute(source, output, **options):
    return papermill.execute_notebook(source, output, engine_name="dbutils_local", progress_bar=False, **options)


def test_the_library_runs_a_notebook_with_our_engine(source, tmp_path):
    executed = execute(source, tmp_path / "out.ipynb", parameters={"n": 5})
    on_disk = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    nbformat.validate(on_disk)
    assert on_disk.cells[2].outputs[0].text == "n is 5\n"
    assert executed.metadata.papermill.parameters == {"n": 5}
    assert [cell.metadata.papermill.status for cell in on_disk.cells] == ["completed"] * 3


def test_the_command_line_runs_a_notebook_with_our_engine(source, tmp_path):
    command = [sys.executable, "-m", "papermill", str(source), str(tmp_path / "out.ipynb")]
    done = subprocess.run(
        [*command, "--engine", "dbutils_local", "-p", "n", "7"], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "n is 7" in (tmp_path / "out.ipynb").read_text()


def test_a_failing_notebook_raises_and_is_marked_as_papermill_does(tmp_path):
    nb = new_notebook(cells=[new_code_cell("1 / 0"), new_code_cell("2")], metadata=METADATA)
    with pytest.raises(PapermillExecutionError, match="division by zero"):
        execute(nb, tmp_path / "out.ipynb")
    on_disk = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert "An Exception was encountered" in on_disk.cells[0].source
    code = [cell for cell in on_disk.cells if cell.cell_type == "code"]
    assert [cell.metadata.papermill.status for cell in code] == ["failed", "pending"]


def test_a_cell_that_takes_too_long_fails_the_notebook(tmp_path):
    nb = new_notebook(cells=[new_code_cell("import time; time.sleep(30)")], metadata=METADATA)
    with pytest.raises(PapermillExecutionError, match="timed out"):
        execute(nb, tmp_path / "out.ipynb", execution_timeout=1)


def test_a_kernel_that_does_not_exist_is_named(tmp_path):
    nb = new_notebook(cells=[new_code_cell("1")], metadata=METADATA)
    with pytest.raises(RuntimeError, match="no-such-kernel"):
        execute(nb, tmp_path / "out.ipynb", kernel_name="no-such-kernel")


def test_a_databricks_notebook_can_exit_under_papermill(tmp_path):
    nb = new_notebook(cells=[new_code_cell("dbutils.notebook.exit('v')"), new_code_cell("1 / 0")], metadata=METADATA)
    executed = execute(nb, tmp_path / "out.ipynb")
    assert "Notebook exited: v" in json.dumps(executed.cells[0].outputs)
    assert executed.cells[1].metadata.papermill.status == "pending"


def test_cell_output_is_logged_into_files_as_papermill_does(source, tmp_path):
    with open(tmp_path / "stdout", "w") as out:
        execute(source, tmp_path / "out.ipynb", stdout_file=out)
    assert (tmp_path / "stdout").read_text() == "n is 1\n"


def test_a_notebook_of_many_cells_is_written_a_few_times_only(tmp_path, monkeypatch):
    written = []
    real = papermill.engines.write_ipynb
    monkeypatch.setattr(papermill.engines, "write_ipynb", lambda nb, path: (written.append(path), real(nb, path)))
    monkeypatch.setattr(papermill_engine, "SAVE_EVERY", 0.2)
    cells = [new_code_cell("import time"), *[new_code_cell("time.sleep(0.01)") for _ in range(60)]]
    execute(new_notebook(cells=cells, metadata=METADATA), tmp_path / "out.ipynb")
    assert 1 <= len(written) <= 10


def test_the_folder_of_the_kernel_is_the_one_papermill_was_started_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    nb = new_notebook(cells=[new_code_cell("import os; print(os.getcwd())")], metadata=METADATA)
    executed = execute(nb, tmp_path / "out.ipynb")
    assert executed.cells[0].outputs[0].text == f"{os.getcwd()}\n"
