"""Widgets: named text values a notebook declares, and people, jobs and callers fill in (reference 1)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Final

from dbutils_local.dbutils.help import Helpful
from dbutils_local.dbutils.java import DefaultValueNotInChoicesList, IllegalArgument, InputWidgetNotDefined

MAX_CHOICES: Final = 1024
# The reference marks these as recollection, so going over them is said and not refused.
MAX_WIDGETS: Final = 512
MAX_NAME: Final = 1024
MAX_TEXT: Final = 2048


class WidgetKind(Enum):
    """The four kinds, in Databricks' words."""

    TEXT = "text"
    DROPDOWN = "dropdown"
    COMBOBOX = "combobox"
    MULTISELECT = "multiselect"

    @property
    def is_closed(self) -> bool:
        """True when a value has to be one of the choices."""
        return self in (WidgetKind.DROPDOWN, WidgetKind.MULTISELECT)


class Source(Enum):
    """Who gave a widget its value."""

    PARAMETER = "parameter"  # a job, notebook.run, or the command line
    RUN = "run"  # %run path $name=value
    PANEL = "panel"  # a person


@dataclass(frozen=True, slots=True)
class Widget:
    """A widget's definition; `choices` are what the panel offers, a passed value outside the declared ones included."""

    name: str
    kind: WidgetKind
    default: str
    choices: tuple[str, ...] = ()
    label: str | None = None

    @property
    def title(self) -> str:
        """What the panel shows: the label, or else the name."""
        return self.label or self.name

    def selected(self, value: str) -> tuple[str, ...]:
        """The choices a multiselect's comma-joined value stands for; any other kind's value alone."""
        if self.kind is not WidgetKind.MULTISELECT or value in self.choices:
            return (value,)
        return tuple(value.split(",")) if value else ()

    def takes(self, value: str) -> bool:
        """Whether `value` can be this widget's value."""
        return not self.kind.is_closed or set(self.selected(value)) <= set(self.choices)


@dataclass(frozen=True, slots=True)
class WidgetCreated:
    """A widget was defined, or defined anew; `value` is what `get` now answers."""

    widget: Widget
    value: str


@dataclass(frozen=True, slots=True)
class WidgetChanged:
    """A defined widget has another value."""

    widget: Widget
    value: str
    source: Source


@dataclass(frozen=True, slots=True)
class WidgetRemoved:
    """A widget is gone."""

    name: str


@dataclass(frozen=True, slots=True)
class WidgetRead:
    """Code asked for a value: what *Run Accessed Commands* goes by."""

    name: str


WidgetEvent = WidgetCreated | WidgetChanged | WidgetRemoved | WidgetRead
Observer = Callable[[WidgetEvent], None]


@dataclass(frozen=True, slots=True)
class _Given:
    value: str
    source: Source


class Widgets:
    """The widgets of one top-level notebook; safe to use from any thread.

    Observers are called outside the lock, in the thread that caused the event, and may call back.
    """

    def __init__(
        self, parameters: Mapping[str, str] | None = None, notice: Callable[[str], None] = lambda _: None
    ) -> None:
        self._lock = threading.RLock()
        self._widgets: dict[str, Widget] = {}
        self._passed = {name: str(value) for name, value in (parameters or {}).items()}
        self._given = {name: _Given(value, Source.PARAMETER) for name, value in self._passed.items()}
        self._kept: frozenset[str] = frozenset()  # widgets of the caller while a %run callee runs
        self._lingering: set[str] = set()  # arguments of a %run that is over, for widgets only its callee has
        self._observers: list[Observer] = []
        self._notice = notice

    def observe(self, callback: Observer) -> Callable[[], None]:
        """Call `callback` with every event from now on; returns a function that ends it."""
        with self._lock:
            self._observers.append(callback)
        return lambda: self._forget(callback)

    def _forget(self, callback: Observer) -> None:
        with self._lock:
            if callback in self._observers:
                self._observers.remove(callback)

    def _tell(self, event: WidgetEvent) -> None:
        with self._lock:
            observers = tuple(self._observers)
        for callback in observers:
            callback(event)

    def defined(self) -> tuple[Widget, ...]:
        """Every defined widget in the order of definition."""
        with self._lock:
            return tuple(self._widgets.values())

    def define(self, widget: Widget) -> None:
        """Define a widget, or replace the definition of that name; a value that was given stays while it is valid.

        Raises DefaultValueNotInChoicesList, and IllegalArgument over 1024 choices.
        """
        _check(widget)
        with self._lock:
            complaints = list(_over_limits(widget, len(self._widgets.keys() | {widget.name})))
            widget, complaint = self._settle(widget)
            self._widgets[widget.name] = widget
            value = self._value(widget.name)
        for line in (*complaints, *complaint):
            self._notice(line)
        self._tell(WidgetCreated(widget, value))

    def _settle(self, widget: Widget) -> tuple[Widget, tuple[str, ...]]:
        # Databricks documents neither: design/DECISIONS, "Re-creating a widget" and "A passed value outside ...".
        given = self._given.get(widget.name)
        if given is None or widget.takes(given.value):
            return widget, ()
        if given.source is Source.PANEL:
            self._back_to_passed(widget.name)
            return self._settle(widget) if widget.name in self._given else (widget, ())
        extra = tuple(part for part in widget.selected(given.value) if part not in widget.choices)
        known = self._widgets.get(widget.name)
        said_before = known is not None and set(extra) <= set(known.choices)
        widened = Widget(widget.name, widget.kind, widget.default, widget.choices + extra, widget.label)
        found = f"the passed value {given.value!r} is not among its choices {list(widget.choices)}"
        line = f"widget {widget.name!r}: {found}; it is used as passed"
        return widened, () if said_before else (line,)

    def _back_to_passed(self, name: str) -> None:
        if name in self._passed:
            self._given[name] = _Given(self._passed[name], Source.PARAMETER)
        else:
            self._given.pop(name, None)

    def assign(self, name: str, value: str, by: Source = Source.PANEL) -> None:
        """Give a widget another value; raises InputWidgetNotDefined, or IllegalArgument for one outside its choices."""
        with self._lock:
            widget = self._widgets.get(name)
            if widget is None:
                raise not_defined("assign", name)
            if not widget.takes(value):
                raise IllegalArgument(
                    "assign", f"widget {name!r} cannot be {value!r}: its choices are {list(widget.choices)}"
                )
            changed = self._value(name) != value
            self._given[name] = _Given(value, by)
        if changed:
            self._tell(WidgetChanged(widget, value, by))

    def _value(self, name: str) -> str:
        given = self._given.get(name)
        return given.value if given is not None else self._widgets[name].default

    def find(self, name: str) -> str | None:
        """The value of a defined widget or passed parameter; None if there is neither."""
        with self._lock:
            value = self._value(name) if name in self._given or name in self._widgets else None
        self._tell(WidgetRead(name))
        return value

    def values(self) -> dict[str, str]:
        """Every value by name: defined widgets first, then parameters passed for widgets nobody defined."""
        with self._lock:
            return {
                name: self._value(name)
                for name in (*self._widgets, *(n for n in self._given if n not in self._widgets))
            }

    def find_all(self) -> dict[str, str]:
        """As `values`, and each of them counts as read."""
        values = self.values()
        for name in values:
            self._tell(WidgetRead(name))
        return values

    def kept(self) -> dict[str, Any]:
        """All there is to know, as JSON-like values, for the process that takes over after a restart of Python."""
        with self._lock:
            return {
                "widgets": [asdict(widget) | {"kind": widget.kind.value} for widget in self._widgets.values()],
                "given": {name: [given.value, given.source.value] for name, given in self._given.items()},
            }

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take over what `kept` gave; nobody is told."""
        with self._lock:
            self._given |= {name: _Given(value, Source(source)) for name, (value, source) in kept["given"].items()}
            for fields in kept["widgets"]:
                known = fields | {"kind": WidgetKind(fields["kind"]), "choices": tuple(fields["choices"])}
                self._widgets[known["name"]] = Widget(**known)

    def remove(self, name: str) -> None:
        """Remove one widget and what a person chose; a passed parameter stays. Raises InputWidgetNotDefined."""
        with self._lock:
            if name not in self._widgets and name not in self._given:
                raise not_defined("remove", name)
            kept = name in self._kept
            if not kept:
                self._drop(name)
        if kept:
            self._notice(f"widget {name!r} belongs to the notebook that called this one by %run; it was not removed")
        else:
            self._tell(WidgetRemoved(name))

    def remove_all(self) -> None:
        """Remove every widget (except, under %run, those of the caller)."""
        with self._lock:
            gone = [name for name in self._widgets if name not in self._kept]
            for name in gone:
                self._drop(name)
        for name in gone:
            self._tell(WidgetRemoved(name))

    def _drop(self, name: str) -> None:
        self._widgets.pop(name, None)
        given = self._given.get(name)
        if given is not None and given.source is Source.PANEL:
            self._back_to_passed(name)

    @contextmanager
    def bind(self, arguments: Mapping[str, str]) -> Iterator[None]:
        """The scope of `%run path $name=value ...`: the callee sees `arguments`; the caller gets its own values back.

        A widget only the callee defined keeps the value it was called with, for there is one namespace, until the
        next `%run`, which starts from the defaults (reference 1.8).
        """
        with self._lock:
            self._forget_lingering()
            before = {name: self._given.get(name) for name in arguments if name in self._widgets or name in self._given}
            outer, self._kept = self._kept, frozenset(self._widgets)
            self._given |= {name: _Given(str(value), Source.RUN) for name, value in arguments.items()}
        try:
            yield
        finally:
            with self._lock:
                self._kept = outer
                self._lingering |= arguments.keys() - before.keys()
                for name, given in before.items():
                    if given is None:
                        self._given.pop(name, None)
                    else:
                        self._given[name] = given

    def _forget_lingering(self) -> None:
        for name in self._lingering:
            given = self._given.get(name)
            if given is not None and given.source is Source.RUN:
                self._back_to_passed(name)
        self._lingering.clear()


def not_defined(call: str, name: str) -> InputWidgetNotDefined:
    """The error of a name that is neither defined nor passed, in Databricks' words."""
    return InputWidgetNotDefined(call, f"No input widget named {name} is defined")


def _check(widget: Widget) -> None:
    if len(widget.choices) > MAX_CHOICES:
        raise IllegalArgument(
            widget.kind.value, f"widget {widget.name!r} has {len(widget.choices)} choices; the limit is {MAX_CHOICES}"
        )
    if widget.kind.is_closed and widget.default not in widget.choices:
        raise DefaultValueNotInChoicesList(widget.kind.value, f"Selection sequence must include {widget.default}")


def _over_limits(widget: Widget, count: int) -> Iterator[str]:
    measures = (
        ("the notebook's number of widgets", count, MAX_WIDGETS),
        ("the name's length", len(widget.name), MAX_NAME),
        ("the label's length", len(widget.label or ""), MAX_TEXT),
        ("the default's length", len(widget.default), MAX_TEXT),
    )
    for what, found, limit in measures:
        if found > limit:
            over = f"{what}, {found}, is over Databricks' limit of {limit}"
            yield f"widget {widget.name[:80]!r}: {over}; it is accepted here"


_MISSING: Final[Any] = object()


class WidgetsUtils(Helpful):
    """`dbutils.widgets`: what notebook code calls. Keyword names are accepted in camelCase and in snake_case."""

    _module = "widgets"

    def __init__(self, model: Widgets) -> None:
        self._model = model

    def text(
        self, name: str, defaultValue: Any = _MISSING, label: str | None = None, *, default_value: Any = _MISSING
    ) -> None:
        """Define a widget of free text."""
        self._define(WidgetKind.TEXT, name, (defaultValue, default_value), (), label)

    def dropdown(
        self,
        name: str,
        defaultValue: Any = _MISSING,
        choices: Iterable[Any] = _MISSING,
        label: str | None = None,
        *,
        default_value: Any = _MISSING,
    ) -> None:
        """Define a widget that holds one of its choices."""
        self._define(WidgetKind.DROPDOWN, name, (defaultValue, default_value), choices, label)

    def combobox(
        self,
        name: str,
        defaultValue: Any = _MISSING,
        choices: Iterable[Any] = _MISSING,
        label: str | None = None,
        *,
        default_value: Any = _MISSING,
    ) -> None:
        """Define a widget of free text that offers choices."""
        self._define(WidgetKind.COMBOBOX, name, (defaultValue, default_value), choices, label)

    def multiselect(
        self,
        name: str,
        defaultValue: Any = _MISSING,
        choices: Iterable[Any] = _MISSING,
        label: str | None = None,
        *,
        default_value: Any = _MISSING,
    ) -> None:
        """Define a widget that holds any number of its choices; its value joins them by commas."""
        self._define(WidgetKind.MULTISELECT, name, (defaultValue, default_value), choices, label)

    def _define(
        self, kind: WidgetKind, name: str, defaults: tuple[Any, Any], choices: Iterable[Any], label: str | None
    ) -> None:
        default = next((value for value in defaults if value is not _MISSING), _MISSING)
        for argument, value in (("defaultValue", default), ("choices", choices)):
            if value is _MISSING:
                raise TypeError(f"{kind.value}() missing 1 required positional argument: {argument!r}")
        if isinstance(choices, str):
            raise TypeError(f"{kind.value}() choices must be a list of strings, not the string {choices!r}")
        offered = tuple(dict.fromkeys(_text(choice) for choice in choices))
        self._model.define(Widget(str(name), kind, _text(default), offered, None if label is None else str(label)))

    def get(self, name: str) -> str:
        """The current value, always text; raises InputWidgetNotDefined."""
        value = self._model.find(name)
        if value is None:
            raise not_defined("get", name)
        return value

    def getAll(self) -> dict[str, str]:
        """Every widget's value by name."""
        return self._model.find_all()

    def getArgument(
        self,
        name: str,
        defaultValue: str | None = None,
        *,
        optional: str | None = None,
        default_value: str | None = None,
    ) -> str:
        """The current value, or the fallback if there is no such widget (deprecated on Databricks)."""
        value = self._model.find(name)
        fallback = next((text for text in (defaultValue, optional, default_value) if text is not None), None)
        if value is None and fallback is None:
            raise not_defined("getArgument", name)
        return str(fallback) if value is None else value

    def remove(self, name: str) -> None:
        """Remove one widget; raises InputWidgetNotDefined."""
        self._model.remove(name)

    def removeAll(self) -> None:
        """Remove every widget."""
        self._model.remove_all()


def _text(value: Any) -> str:
    return "" if value is None else str(value)
