"""The widgets of a notebook as ipywidgets, pinned above it by the labextension or shown in the first cell's output."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dbutils_local.dbutils.saved import entry
from dbutils_local.dbutils.widgets import (
    Source,
    Widget,
    WidgetChanged,
    WidgetCreated,
    WidgetEvent,
    WidgetKind,
    WidgetRead,
    WidgetRemoved,
    Widgets,
)
from dbutils_local.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_ext.kernel.bar import Bar

ORDERS = ("name", "creation")
BOX_CLASS = "dbl-panel"


class Panel:
    """Draws a `Widgets` model and writes back what people choose.

    Its callbacks may run in the main thread, in a subshell's thread, or after the cell that caused them.
    """

    def __init__(self, model: Widgets, bar: Bar, *, order: str = "name") -> None:
        if order not in ORDERS:
            raise UserError(f"the setting widget_order cannot be {order!r}; known ones: {', '.join(ORDERS)}")
        self._model = model
        self._bar = bar
        self._by_name = order == "name"
        self._lock = threading.RLock()
        self._controls: dict[str, Any] = {}
        self._box: Any = None
        self._shown: Any = None  # the display handle in the first cell's output
        self._drawing = threading.local()
        self._forget = model.observe(self._on_event)
        for widget in model.defined():
            self._draw(widget, model.values()[widget.name])

    def close(self) -> None:
        """Stop listening and take the panel off every screen."""
        self._forget()
        self._bar.show(None)
        with self._lock:
            if self._box is not None:
                self._box.close_all() if hasattr(self._box, "close_all") else self._box.close()
            self._box, self._shown, self._controls = None, None, {}

    def find_home(self) -> None:
        """Show the panel below the running cell if no bar shows it: the frontend has hung up since it was drawn."""
        with self._lock:
            if self._controls and self._shown is None and not self._bar.is_there:
                self._display()

    def _on_event(self, event: WidgetEvent) -> None:
        match event:
            case WidgetCreated(widget, value):
                self._draw(widget, value)
            case WidgetChanged(widget, value, source):
                self._redraw(widget, value)
                if source is Source.PANEL:
                    self._bar.keep(widget.name, entry(widget, value))
            case WidgetRemoved(name):
                self._erase(name)
                self._bar.keep(name, None)
            case WidgetRead(name):
                self._bar.was_read(name)

    def _draw(self, widget: Widget, value: str) -> None:
        with self._lock, self._silently():
            old = self._controls.get(widget.name)
            self._controls[widget.name] = control = make_control(widget, value)
            control.observe(self._chosen(widget), names="value")
            self._arrange()
            if old is not None:
                old.close()

    def _redraw(self, widget: Widget, value: str) -> None:
        with self._lock, self._silently():
            control = self._controls.get(widget.name)
            if control is not None:
                control.value = widget.selected(value) if widget.kind is WidgetKind.MULTISELECT else value

    def _erase(self, name: str) -> None:
        with self._lock:
            control = self._controls.pop(name, None)
            if control is not None:
                self._arrange()
                control.close()

    def _chosen(self, widget: Widget) -> Callable[[Any], None]:
        def on_value(change: Any) -> None:
            if getattr(self._drawing, "now", False):
                return
            value = change["new"]
            text = ",".join(value) if isinstance(value, tuple) else str(value)
            self._model.assign(widget.name, text, by=Source.PANEL)
            self._bar.was_chosen(widget.name)

        return on_value

    @contextmanager
    def _silently(self) -> Iterator[None]:
        # What we draw ourselves is nobody's choice; a choice made meanwhile in another thread is one.
        self._drawing.now = True
        try:
            yield
        finally:
            self._drawing.now = False

    def _arrange(self) -> None:
        names = sorted(self._controls) if self._by_name else list(self._controls)
        children = tuple(self._controls[name] for name in names)
        if self._box is None:
            self._box = _make_box()
        self._box.children = children
        self._box.layout.display = "flex" if children else "none"
        self._bar.show(self._box.model_id if children else None)
        self.find_home()

    def _display(self) -> None:
        from IPython.display import display

        self._shown = display(self._box, display_id=True)
        self._bar.on_arrival(self._withdraw)

    def _withdraw(self) -> None:
        # The bar turned out to be there after all: one panel is enough.
        with self._lock:
            shown, self._shown = self._shown, None
        if shown is not None:
            from IPython.display import HTML

            shown.update(HTML(""))


def make_control(widget: Widget, value: str) -> Any:
    """The ipywidget of one widget, holding `value`."""
    import ipywidgets

    # A subshell's callback that closed over the value trait would race with typing: one change a commit is enough.
    common = {"description": widget.title, "style": {"description_width": "initial"}, "tooltip": widget.name}
    match widget.kind:
        case WidgetKind.TEXT:
            control = ipywidgets.Text(value=value, continuous_update=False, **common)
        case WidgetKind.COMBOBOX:
            control = ipywidgets.Combobox(
                value=value, options=widget.choices, ensure_option=False, continuous_update=False, **common
            )
        case WidgetKind.DROPDOWN:
            control = ipywidgets.Dropdown(value=value, options=widget.choices, **common)
        case WidgetKind.MULTISELECT:
            rows = min(max(len(widget.choices), 2), 4)
            control = ipywidgets.SelectMultiple(
                value=widget.selected(value), options=widget.choices, rows=rows, **common
            )
    control.add_class("dbl-widget")
    control.add_class(f"dbl-widget-{css_name(widget.name)}")
    return control


def css_name(name: str) -> str:
    """A widget's name as part of a CSS class: what a class cannot hold becomes a hyphen."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)


def _make_box() -> Any:
    import ipywidgets

    box = ipywidgets.Box(
        layout={"display": "flex", "flex_flow": "row wrap", "align_items": "flex-start", "grid_gap": "4px 16px"}
    )
    box.add_class(BOX_CLASS)
    return box
