"""Reference 7.2: widgets that come with an .ipynb file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.dbutils.saved import entry
from dbutils_local.dbutils.session import Session
from dbutils_local.dbutils.widgets import Widget, WidgetKind
from dbutils_local.kernels.environment import Birth, JobContext


def _notebook(path: Path, widgets: dict[str, Any]) -> Path:
    metadata = {"application/vnd.databricks.v1+notebook": {"language": "python", "widgets": widgets}}
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 0, "metadata": metadata, "cells": []}))
    return path


def _saved(name: str, kind: str, default: str, current: str, *choices: str) -> dict[str, Any]:
    info = {"widgetType": kind, "name": name, "defaultValue": default, "label": None}
    return {"currentValue": current, "widgetInfo": info | {"options": {"widgetType": kind, "choices": list(choices)}}}


def _session(tmp_path: Path, job: JobContext | None = None, **parameters: str) -> Session:
    widgets = {"t": _saved("t", "text", "d", "c"), "x": _saved("x", "dropdown", "1", "2", "1", "2")}
    file = _notebook(tmp_path / "n.ipynb", widgets)
    return Session(Birth(tmp_path, tmp_path, "/n", notebook_file=file, parameters=parameters, job=job), {})


def test_a_job_starts_from_the_defaults_and_what_it_is_passed(tmp_path: Path) -> None:
    job = JobContext(job_id=1, job_name="j", run_id=2, task_run_id=3, task_key="a")
    assert dict(_session(tmp_path, job).widgets.values()) == {"t": "d", "x": "1"}
    assert dict(_session(tmp_path, job, t="p").widgets.values()) == {"t": "p", "x": "1"}


def test_a_person_finds_the_values_last_chosen(tmp_path: Path) -> None:
    assert dict(_session(tmp_path).widgets.values()) == {"t": "c", "x": "2"}


@pytest.mark.parametrize("kind", list(WidgetKind))
def test_what_is_written_is_read_again(tmp_path: Path, kind: WidgetKind) -> None:
    choices = () if kind is WidgetKind.TEXT else ("a", "b")
    widget = Widget("w", kind, "a", choices, "Label")
    written = entry(widget, "b")
    file = _notebook(tmp_path / "n.ipynb", {"w": written})
    widgets = Session(Birth(tmp_path, tmp_path, "/n", notebook_file=file), {}).widgets
    assert widgets.defined() == (widget,)
    assert widgets.values() == {"w": "b"}
    assert written["typedWidgetInfo"]["options"].get("fixedDomain") is (None if not choices else kind.is_closed)


@pytest.mark.parametrize("widgets", [{}, {"a": None}, {"a": {"widgetInfo": {"name": 3}}}, {"widgetInfo": {}}])
def test_metadata_of_another_shape_is_no_widget(tmp_path: Path, widgets: dict[str, Any]) -> None:
    birth = Birth(tmp_path, tmp_path, "/n", notebook_file=_notebook(tmp_path / "n.ipynb", widgets))
    assert Session(birth, {}).widgets.defined() == ()
