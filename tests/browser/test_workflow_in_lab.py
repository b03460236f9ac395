"""A job run from a notebook in a real JupyterLab: the picture turns green, and the Workflows panel lists the run."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SOURCE = "# Databricks notebook source\n"
JOB = """name: three-steps
tasks:
  - {task_key: first, notebook_task: {notebook_path: ./first.py}}
  - {task_key: left, depends_on: [{task_key: first}], notebook_task: {notebook_path: ./leaf.py}}
  - {task_key: right, depends_on: [{task_key: first}], notebook_task: {notebook_path: ./leaf.py}}
"""


@pytest.fixture
def job(lab: Any) -> str:
    (lab.root / "first.py").write_text(SOURCE + 'dbutils.jobs.taskValues.set("n", 3)\ndbutils.notebook.exit("ok")\n')
    (lab.root / "leaf.py").write_text(
        SOURCE + 'import time\ntime.sleep(1)\nprint(dbutils.jobs.taskValues.get("first", "n"))\n'
    )
    (lab.root / "job.yml").write_text(JOB)
    return "job.yml"


def test_the_picture_of_a_run_turns_green(open_notebook: Any, screen: Any, job: str) -> None:
    notebook = open_notebook(
        ["%load_ext dbutils_local", f"%workflow run {job}", "_.state, _.tasks['first'].exit_value, _.task_values", "__"]
    )
    notebook.run(0)
    notebook.start(1)
    boxes = notebook.cells.nth(1).locator("svg.dbl .dbl-task")
    expect(boxes).to_have_count(3, timeout=60_000)
    screen.page.locator(".dbl-running").first.wait_for()
    screen.shoot("dag-running")
    notebook.wait(1)
    states = [box.get_attribute("data-state") for box in boxes.all()]
    assert states == ["SUCCESS"] * 3, [box.get_attribute("aria-label") for box in boxes.all()]
    assert notebook.cells.nth(1).locator("svg.dbl").count() == 1
    screen.shoot("dag-green")
    assert notebook.run(2) == "('SUCCESS', 'ok', {'first': {'n': 3}})"
    saved = notebook.saved().cells[1].outputs
    assert len(saved) == 1
    assert "<svg" in saved[0]["data"]["text/html"]
    assert "SUCCESS" in saved[0]["data"]["text/plain"].upper()
    assert not [url for url in screen.requests if not url.startswith((screen.lab.url, "data:", "blob:"))]


def test_the_workflows_panel_lists_starts_and_shows_runs(open_notebook: Any, screen: Any, job: str) -> None:
    notebook = open_notebook(["%load_ext dbutils_local", f"%workflow jobs create {job}"])
    notebook.run(0)
    notebook.run(1)
    screen.page.evaluate("jupyterapp.commands.execute('dbutils-local:workflows')")
    panel = screen.page.locator(".dbl-workflows")
    line = panel.locator("li", has_text="three-steps").first
    expect(line).to_be_visible()
    line.get_by_role("button", name="Run").click()
    expect(panel.locator(".dbl-state").first).to_have_text("SUCCESS", timeout=60_000)
    assert panel.locator(".dbl-said").inner_text() == ""
    screen.shoot("workflows-panel")
