"""Widgets in a real JupyterLab: the bar, the values, reruns, exits and restarts."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

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
