"""A fork server for the whole room, and a short way to run cells."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.forkserver import ForkServer
from dbutils_local.kernels.runner import NotebookRun, run_notebook

RunCells = Callable[..., NotebookRun]


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    with ForkServer.start(pool_size=1) as server:
        yield server


@pytest.fixture
def notebook() -> Callable[..., Any]:
    """A notebook node of these code cells."""
    return lambda *cells: new_notebook(cells=[new_code_cell(cell) for cell in cells])


@pytest.fixture
def run_cells(server: ForkServer, tmp_path: Path, notebook: Callable[..., Any]) -> RunCells:
    """Run code cells in a warm kernel without extensions; every argument of run_notebook can be given."""

    def run(*cells: str, **options: Any) -> NotebookRun:
        arguments: dict[str, Any] = {
            "output": tmp_path / "executed.ipynb",
            "birth": Birth(home=tmp_path, workspace_root=tmp_path, notebook_path="/test"),
            "environ": dict(os.environ),
            "cwd": tmp_path,
            "forkserver": server.address,
            "extensions": (),
        }
        return run_notebook(notebook(*cells), **(arguments | options))

    return run


def printed(run: NotebookRun) -> str:
    """Everything the cells wrote to stdout."""
    outputs = (output for cell in run.notebook.cells for output in cell.get("outputs", ()))
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")
