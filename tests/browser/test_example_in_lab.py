"""The example notebook as a new user meets it: by hand in JupyterLab, from its first cell to the green picture."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

EXAMPLE = Path(__file__).parents[2] / "notebooks"


def test_the_example_runs_by_hand_from_widgets_to_the_green_picture(open_file: Any, screen: Any) -> None:
    pytest.importorskip("matplotlib")
    shutil.copytree(EXAMPLE, screen.lab.root / "example", ignore=shutil.ignore_patterns(".*", "pictures"))
    notebook = open_file(screen.lab.root / "example" / "by_hand.ipynb")
    code = notebook.code_cells()
    load, widgets, include, read, child, job = code
    assert notebook.run(load) == ""
    assert notebook.run(widgets) == ""
    labels = notebook.bar.locator(".widget-label").all_inner_texts()
    assert labels == ["Records", "Output folder", "Year"]
    notebook.bar.locator(".dbl-widget-year select").select_option("2015")
    assert notebook.run(include) == ""
    shown = notebook.run(read)
    assert "2015" in shown
    assert "2012" not in shown
    screen.shoot("example-widgets")
    assert notebook.run(child) != ""
    notebook.start(job)
    boxes = notebook.cells.nth(job).locator("svg.dbl .dbl-task")
    expect(boxes).to_have_count(7)
    notebook.wait(job, timeout=180_000)
    states = {box.get_attribute("data-task"): box.get_attribute("data-state") for box in boxes.all()}
    assert states.pop("explain_gap") == "EXCLUDED"
    assert set(states.values()) == {"SUCCESS"}, [box.get_attribute("aria-label") for box in boxes.all()]
    notebook.cells.nth(job).locator("svg.dbl").scroll_into_view_if_needed()
    screen.shoot("example-green")
    assert not [url for url in screen.requests if not url.startswith((screen.lab.url, "data:", "blob:"))]
