"""Notebook tasks, in real kernels."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from dbutils_local.core import evidence
from dbutils_local.executors.base import Failed, Stopped, Succeeded, TaskContext
from dbutils_local.executors.notebook import NotebookExecutor
from dbutils_local.spec.tasks import Task


def notebook(tmp_path: Path, *cells: str) -> Task:
    path = tmp_path / "work" / "report.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text("# Databricks notebook source\n" + "\n\n# COMMAND ----------\n\n".join(cells) + "\n")
    return Task.model_validate({"task_key": "t", "notebook_task": {"notebook_path": str(path)}})


def test_a_notebook_gets_its_parameters_folder_and_values_and_gives_its_own(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    task = notebook(
        tmp_path,
        'dbutils.widgets.text("day", "none")\nday = dbutils.widgets.get("day")',
        'import os\nprint(day, os.getcwd(), dbutils.jobs.taskValues.get("up", "n"))',
        'dbutils.jobs.taskValues.set("rows", [1, {"a": 2}])\ndbutils.notebook.exit(day + "!")',
        "raise AssertionError('not reached')",
    )
    context = make_context(parameters={"day": "2026-11-22"}, task_values={"up": {"n": 7}})
    outcome = NotebookExecutor().run(task, context)
    assert outcome == Succeeded("2026-11-22!", {"rows": [1, {"a": 2}]})
    executed = nbformat.read(context.folder / evidence.NOTEBOOK, as_version=4)
    printed = "".join(output.get("text", "") for cell in executed.cells for output in cell.get("outputs", ()))
    assert f"2026-11-22 {tmp_path / 'work'} 7" in printed


def test_a_failing_cell_is_named_and_values_set_before_are_kept(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    task = notebook(tmp_path, 'dbutils.jobs.taskValues.set("k", 1)', "x = 1\n1 / 0")
    outcome = NotebookExecutor().run(task, make_context())
    assert isinstance(outcome, Failed)
    assert outcome.failure.error == "ZeroDivisionError: division by zero"
    assert (outcome.failure.cell, outcome.failure.setup) == (2, False)
    assert outcome.values == {"k": 1}


def test_secrets_stay_out_of_values_errors_and_the_outbox(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    task = notebook(
        tmp_path,
        's = "hun" + "ter2"\ndbutils.jobs.taskValues.set("k", {"deep": [s]})',
        "dbutils.notebook.exit(s)",
    )
    context = make_context(redact=lambda text: text.replace("hunter2", "[REDACTED]"))
    assert NotebookExecutor().run(task, context) == Succeeded("[REDACTED]", {"k": {"deep": ["[REDACTED]"]}})
    assert "hunter2" not in (context.folder / evidence.OUTBOX).read_text()


def test_a_notebook_that_is_not_there_fails_before_it_starts(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    task = Task.model_validate({"task_key": "t", "notebook_task": {"notebook_path": str(tmp_path / "no.py")}})
    outcome = NotebookExecutor().run(task, make_context())
    assert isinstance(outcome, Failed)
    assert outcome.failure.error == f"Notebook not found: {tmp_path / 'no.py'}"
    assert (outcome.failure.code, outcome.failure.setup) == ("RESOURCE_NOT_FOUND", True)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_stopped_notebook_keeps_what_it_had_said(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    task = notebook(
        tmp_path, 'dbutils.jobs.taskValues.set("k", 1)\nopen("ready", "w").close()\nimport time\ntime.sleep(60)'
    )
    context = make_context()

    def stop() -> None:
        while not (tmp_path / "work" / "ready").exists():
            threading.Event().wait(0.02)
        context.stop.stop()

    threading.Thread(target=stop, daemon=True).start()
    assert NotebookExecutor().run(task, context) == Stopped({"k": 1})


def test_a_notebook_whose_environment_cannot_be_made_does_not_start(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    path = notebook(tmp_path, "1").member.notebook_path
    task = Task.model_validate(
        {"task_key": "t", "notebook_task": {"notebook_path": path}, "libraries": [{"whl": "none.whl"}]}
    )
    outcome = NotebookExecutor().run(task, make_context())
    assert isinstance(outcome, Failed)
    assert outcome.failure.code == "LIBRARY_INSTALLATION_ERROR"
    assert not (make_context().folder / evidence.NOTEBOOK).exists()
