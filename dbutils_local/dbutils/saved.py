"""The widgets that a Databricks `.ipynb` file carries in its metadata: they exist though no cell makes them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from dbutils_local.dbutils.widgets import Source, Widget, WidgetKind

_NOTEBOOK: Final = "application/vnd.databricks.v1+notebook"


def saved_widgets(file: Path | None, *, is_job: bool) -> dict[str, Any]:
    """What `Widgets.restore` takes; a job starts from the defaults, a person from the values last chosen (7.2)."""
    found = list(_entries(file))
    given = {widget.name: [value, Source.PANEL.value] for widget, value in found if value is not None and not is_job}
    return {"widgets": [_fields(widget) for widget, _ in found], "given": given}


def entry(widget: Widget, value: str) -> dict[str, Any]:
    """A widget with its value as Databricks writes it into the metadata (7.2), under the widget's name."""
    said = {"defaultValue": widget.default, "label": widget.label, "name": widget.name}
    choices = list(widget.choices)
    is_text = widget.kind is WidgetKind.TEXT
    shown: dict[str, Any] = {"widgetDisplayType": "Text", "validationRegex": None}
    if not is_text:
        fixed, multiple = widget.kind.is_closed, widget.kind is WidgetKind.MULTISELECT
        shown = {"widgetDisplayType": "Dropdown", "choices": choices, "fixedDomain": fixed, "multiselect": multiple}
    offered: dict[str, Any] = {"validationRegex": None} if is_text else {"choices": choices}
    options = {"widgetType": widget.kind.value, "autoCreated": None, **offered}
    return {
        "currentValue": value,
        "nuid": str(uuid.uuid4()),
        "typedWidgetInfo": {"autoCreated": False, **said, "parameterDataType": "String", "options": shown},
        "widgetInfo": {"widgetType": widget.kind.value, **said, "options": options},
    }


def _fields(widget: Widget) -> dict[str, Any]:
    return {
        "name": widget.name,
        "kind": widget.kind.value,
        "default": widget.default,
        "choices": widget.choices,
        "label": widget.label,
    }


def _entries(file: Path | None) -> Iterator[tuple[Widget, str | None]]:
    if file is None or file.suffix != ".ipynb":
        return
    try:
        text = file.read_text("utf-8")
        saved = json.loads(text)["metadata"][_NOTEBOOK]["widgets"] if "widgetInfo" in text else {}
        entries = list(saved.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # an unreadable notebook is said where it is run
    for entry in entries:
        widget = _widget(entry.get("widgetInfo") if isinstance(entry, dict) else None)
        if widget is not None:
            value = entry.get("currentValue")
            yield widget, value if isinstance(value, str) else None


def _widget(info: Any) -> Widget | None:
    if not isinstance(info, dict) or not isinstance(info.get("name"), str):
        return None
    kind, options = info.get("widgetType"), info.get("options")
    if kind not in [one.value for one in WidgetKind]:
        return None
    choices = options.get("choices") if isinstance(options, dict) else None
    default, label = str(info.get("defaultValue") or ""), info.get("label") or None
    return Widget(info["name"], WidgetKind(kind), default, tuple(map(str, choices or ())), label)
