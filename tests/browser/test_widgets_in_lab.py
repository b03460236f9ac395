"""Widgets in a real JupyterLab: the bar, the values, reruns, exits and restarts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SAVED = "application/vnd.databricks.v1+notebook"
DEFINE = """dbutils.widgets.text("b_day", "2026-11-22", "Day")
dbutils.widgets.dropdown("a_city", "Oslo", ["Oslo", "Rome"], "City")
dbutils.widgets.combobox("c_free", "x", ["x", "y"])
dbutils.widgets.multiselect("d_many", "1", ["1", "2", "3"], "Many")"""


def test_a_value_changed_in_the_bar_is_read_by_the_next_cell(open_notebook: Any, screen: Any) -> None:
    notebook = open_notebook(["%load_ext dbutils_local", DEFINE, "print(dbutils.widgets.getAll())"])
    notebook.run(0)
    assert notebook.run(1) == ""
    expect(notebook.bar).to_be_visible()
    labels = notebook.bar.locator(".widget-label").all_inner_texts()
    assert labels == ["City", "Day", "c_free", "Many"]
    assert notebook.bar.bounding_box()["height"] > 30
    notebook.bar.locator(".widget-text input").first.fill("2026-12-24")
    notebook.bar.locator(".widget-text input").first.press("Enter")
    notebook.bar.locator(".dbl-widget-a_city select").select_option("Rome")
    notebook.bar.locator(".widget-select-multiple select").select_option(["1", "3"])
    shown = notebook.run(2)
    screen.shoot("widget-bar")
    assert eval(shown) == {"b_day": "2026-12-24", "a_city": "Rome", "c_free": "x", "d_many": "1,3"}
    assert not [url for url in screen.requests if not url.startswith((screen.lab.url, "data:", "blob:"))]
    assert screen.complaints == []


def test_a_reloaded_page_finds_the_bar_again(open_notebook: Any, screen: Any) -> None:
    notebook = open_notebook(
        ["%load_ext dbutils_local\ndbutils.widgets.text('t', 'before')", "dbutils.widgets.get('t')"]
    )
    notebook.run(0)
    notebook.saved()
    screen.load(reset=False)
    notebook.reopen()
    field = notebook.bar.locator(".widget-text input")
    expect(field).to_have_value("before")
    field.fill("after")
    field.press("Enter")
    assert notebook.run(1) == "'after'"


def test_a_panel_defined_in_the_loading_cell_moves_into_the_bar(open_notebook: Any) -> None:
    notebook = open_notebook(["%load_ext dbutils_local\ndbutils.widgets.text('t', '1', 'Label')"])
    notebook.run(0)
    expect(notebook.bar).to_be_visible()
    expect(notebook.cells.nth(0).locator(".widget-text")).to_have_count(0)


def test_a_kernel_that_loads_the_extension_at_its_start_has_the_bar_too(open_notebook: Any) -> None:
    notebook = open_notebook(["dbutils.widgets.text('t', '1', 'Label')"], kernel="loaded")
    assert notebook.run(0) == ""
    expect(notebook.bar.locator(".widget-label")).to_have_text("Label")


def test_exit_stops_a_run_all_without_a_red_traceback(open_notebook: Any, screen: Any) -> None:
    notebook = open_notebook(
        ["%load_ext dbutils_local", "print('lost')\ndbutils.notebook.exit('done early')", "print('never')"]
    )
    notebook.run_all()
    assert notebook.wait(1) == "Notebook exited: done early"
    screen.page.wait_for_timeout(1000)
    assert notebook.text(2) == ""
    expect(notebook.cells.nth(1).locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    screen.shoot("exit")


def test_after_a_restart_a_run_all_goes_on_in_a_fresh_python(open_notebook: Any) -> None:
    notebook = open_notebook(
        [
            "%load_ext dbutils_local\ndbutils.widgets.text('t', 'kept')\nleft = 1",
            "dbutils.library.restartPython()",
            "print('left' in globals(), dbutils.widgets.get('t'))",
            "print('last')",
        ]
    )
    notebook.run_all()
    expect(notebook.cells.nth(3).locator(".jp-OutputArea-output")).to_have_text("last\n", timeout=90_000)
    assert notebook.text(2).strip() == "False kept"
    expect(notebook.bar.locator(".widget-text input")).to_have_value("kept")


def test_a_restart_in_an_included_notebook_goes_on_inside_it(open_notebook: Any, lab: Any) -> None:
    cells = ["gone = 1", "dbutils.library.restartPython()", "here = 'gone' not in globals()"]
    separator = "\n\n# COMMAND ----------\n\n"
    (lab.root / "restarts.py").write_text("# Databricks notebook source\n" + separator.join(cells) + "\n")
    notebook = open_notebook(["%load_ext dbutils_local", "%run ./restarts", "print(here)"])
    notebook.run_all()
    expect(notebook.cells.nth(2).locator(".jp-OutputArea-output")).to_have_text("True\n", timeout=90_000)


def test_a_cell_whose_reply_is_late_is_not_run_again_after_a_restart(open_notebook: Any) -> None:
    notebook = open_notebook(
        ["%load_ext dbutils_local\nleft = 1", "dbutils.library.restartPython()", "print('left' in globals())"]
    )
    notebook.run(0)
    notebook.page.evaluate("document.querySelector('.jp-Notebook .jp-Cell .jp-InputPrompt').textContent = '[*]:'")
    notebook.start(1)
    notebook.start(2)
    expect(notebook.cells.nth(2).locator(".jp-OutputArea-output")).to_have_text("False\n", timeout=90_000)


def test_a_change_runs_the_cells_that_read_the_widget_and_no_sql(open_notebook: Any) -> None:
    notebook = open_notebook(
        [
            "%load_ext dbutils_local\ndbutils.widgets.text('t', '1')",
            "print('reads', dbutils.widgets.get('t'))",
            "print('reads not')",
        ]
    )
    for index in range(3):
        notebook.run(index)
    expect(notebook.bar.locator("select")).to_have_value("run_accessed_commands")
    notebook.bar.locator(".widget-text input").fill("2")
    notebook.bar.locator(".widget-text input").press("Enter")
    expect(notebook.cells.nth(1).locator(".jp-OutputArea-output")).to_have_text("reads 2\n")
    expect(notebook.cells.nth(2).locator(".jp-InputPrompt")).to_have_text("[3]:")


def test_what_a_person_chose_is_saved_with_the_notebook_and_found_by_the_next_kernel(open_notebook: Any) -> None:
    notebook = open_notebook(
        ["%load_ext dbutils_local\ndbutils.widgets.text('t', 'default', 'T')", "print(dbutils.widgets.get('t'))"]
    )
    notebook.run(0)
    assert SAVED not in notebook.saved().metadata
    notebook.bar.locator(".widget-text input").fill("typed")
    notebook.bar.locator(".widget-text input").press("Enter")
    notebook.page.wait_for_function("jupyterapp.shell.currentWidget.model.dirty")
    kept = notebook.saved().metadata[SAVED]
    assert {name: one["currentValue"] for name, one in kept["widgets"].items()} == {"t": "typed"}
    notebook.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    notebook.run(0)
    assert notebook.run(1) == "typed\n"


def test_a_table_is_good_to_look_at_in_both_themes(open_notebook: Any, screen: Any) -> None:
    notebook = open_notebook(
        [
            "%load_ext dbutils_local",
            "import pandas as pd\ncities = ['Oslo', 'Rome', None] * 20\n"
            "display(pd.DataFrame({'city': cities, 'n': range(60), 'mean': [1.5, 2.25, 3.0] * 20}))",
            "displayHTML('<h2>Sandboxed</h2><p>text</p>')",
        ]
    )
    notebook.run(0)
    shown = notebook.run(1)
    assert "60 rows · 3 columns" in shown
    notebook.run(2)
    frame = notebook.cells.nth(2).frame_locator("iframe")
    expect(frame.locator("h2")).to_have_text("Sandboxed")
    notebook.page.wait_for_function("document.querySelector('iframe.dbl-html').getBoundingClientRect().height < 200")
    screen.shoot("table-light")
    screen.theme("JupyterLab Dark")
    screen.shoot("table-dark")
    screen.theme("JupyterLab Light")
