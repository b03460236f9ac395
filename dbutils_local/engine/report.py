"""The HTML report of a run from what its attempts left behind."""

from __future__ import annotations

import json
from pathlib import Path

from dbutils_local.core.state import RunState
from dbutils_local.errors import MissingExtra
from dbutils_local.imports import import_nbformat
from dbutils_local.store import artifacts
from dbutils_local.views import html
from dbutils_local.views.snapshot import TaskView, snapshot, walk


def report(state: RunState, runs: Path, now: int) -> str:
    """One self-contained page: graph, timeline, tasks, and each task's executed notebook and logs."""
    picture = snapshot(state, now)
    return html.report(picture, {task.key: left(task, runs, state.run_id) for task in walk(picture.tasks)})


def left(task: TaskView, runs: Path, run_id: int) -> html.TaskReport:
    """What the latest attempt of a task left: its executed notebook rendered, and the end of its logs."""
    if not task.attempts:
        return html.TaskReport()
    folder = artifacts.folder(runs, run_id, task.key, task.attempts[-1].number)
    try:
        return html.TaskReport(notebook=_notebook(folder / artifacts.NOTEBOOK), logs=logs(folder))
    except MissingExtra as error:
        return html.TaskReport(missing=str(error), logs=logs(folder))


def logs(folder: Path) -> str:
    """The last 5 MB of stdout, then of stderr."""
    parts = [artifacts.tail(folder / name) for name in (artifacts.STDOUT, artifacts.STDERR)]
    return "".join(f"[earlier output left out]\n{part.text}" if part.truncated else part.text for part in parts)


def printed(folder: Path) -> str:
    """What a notebook's cells printed so far, from its executed copy: a notebook has no log files of its own."""
    try:
        cells = json.loads((folder / artifacts.NOTEBOOK).read_text("utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", ()) if output["output_type"] == "stream"]
        return "".join(text if isinstance(text := output["text"], str) else "".join(text) for output in outputs)
    except (OSError, ValueError, KeyError):
        return ""  # not there yet, or just being written


def _notebook(path: Path) -> str:
    if not path.is_file():
        return ""
    nbformat = import_nbformat()

    from dbutils_local.views.notebook import notebook_html

    return notebook_html(nbformat.read(path, as_version=4))
