"""The widget model: what observers hear, and laws under any order of calls and from many threads."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.dbutils.widgets import (
    Source,
    Widget,
    WidgetChanged,
    WidgetCreated,
    WidgetKind,
    WidgetRead,
    WidgetRemoved,
    Widgets,
)

TEXT = Widget("w", WidgetKind.TEXT, "a")
CHOICES = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)
KINDS = st.sampled_from([WidgetKind.DROPDOWN, WidgetKind.MULTISELECT])


def recorded(widgets: Widgets) -> list[object]:
    events: list[object] = []
    widgets.observe(events.append)
    return events


def test_an_observer_hears_the_life_of_a_widget():
    widgets = Widgets()
    events = recorded(widgets)
    widgets.define(TEXT)
    widgets.assign("w", "b")
    widgets.find("w")
    widgets.remove("w")
    assert events == [
        WidgetCreated(TEXT, "a"),
        WidgetChanged(TEXT, "b", Source.PANEL),
        WidgetRead("w"),
        WidgetRemoved("w"),
    ]


def test_assigning_the_same_value_tells_nobody():
    widgets = Widgets()
    widgets.define(TEXT)
    events = recorded(widgets)
    widgets.assign("w", "a")
    assert events == []


def test_an_observer_that_left_hears_nothing():
    widgets = Widgets()
    events: list[object] = []
    widgets.observe(events.append)()
    widgets.define(TEXT)
    assert events == []


def test_an_observer_may_call_back():
    widgets = Widgets()
    seen = []
    widgets.observe(lambda event: seen.append(widgets.values()) if isinstance(event, WidgetCreated) else None)
    widgets.define(TEXT)
    assert seen == [{"w": "a"}]


def test_a_closed_widget_refuses_other_values():
    widgets = Widgets()
    widgets.define(Widget("w", WidgetKind.DROPDOWN, "a", ("a", "b")))
    with pytest.raises(Exception, match="cannot be 'z'"):
        widgets.assign("w", "z")


def test_an_unknown_widget_cannot_be_assigned():
    with pytest.raises(Exception, match="No input widget named w is defined"):
        Widgets().assign("w", "z")


def test_a_person_overrides_a_passed_parameter_and_removal_brings_it_back():
    widgets = Widgets({"w": "passed"})
    widgets.define(TEXT)
    widgets.assign("w", "typed")
    assert widgets.find("w") == "typed"
    widgets.remove("w")
    widgets.define(TEXT)
    assert widgets.find("w") == "passed"


def test_a_choice_that_holds_a_comma_can_be_selected():
    widgets = Widgets()
    widgets.define(Widget("w", WidgetKind.MULTISELECT, "a,b", ("a,b", "c")))
    assert widgets.find("w") == "a,b"


@given(KINDS, CHOICES, CHOICES, st.data())
def test_after_any_redefinition_the_value_is_one_the_widget_takes(kind, before, after, data):
    widgets = Widgets()
    widgets.define(Widget("w", kind, before[0], tuple(before)))
    chosen = data.draw(st.sampled_from(before))
    widgets.assign("w", chosen)
    widgets.define(Widget("w", kind, after[0], tuple(after)))
    assert widgets.find("w") == (chosen if chosen in after else after[0])


@given(KINDS, CHOICES, st.sampled_from(["x", "a", ""]))
def test_a_passed_value_always_wins_and_is_shown(kind, choices, passed):
    widgets = Widgets({"w": passed})
    widgets.define(Widget("w", kind, choices[0], tuple(choices)))
    (widget,) = widgets.defined()
    assert widgets.find("w") == passed
    assert widget.takes(passed)


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4), st.dictionaries(st.text(min_size=1), st.text()))
def test_run_arguments_leave_the_callers_values_alone(callers, arguments):
    widgets = Widgets()
    for name, value in callers.items():
        widgets.define(Widget(name, WidgetKind.TEXT, value))
    with widgets.bind(arguments):
        assert {name: widgets.find(name) for name in arguments} == arguments
    assert {name: widgets.find(name) for name in callers} == callers


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4), CHOICES)
def test_what_is_kept_is_restored(texts, choices):
    before, after = Widgets({"p": "passed"}), Widgets({"p": "passed"})
    for name, value in texts.items():
        before.define(Widget(name, WidgetKind.TEXT, value))
    before.define(Widget("many", WidgetKind.MULTISELECT, choices[0], tuple(choices), "Label"))
    before.assign("many", ",".join(choices))
    after.restore(before.kept())
    assert (after.values(), after.defined()) == (before.values(), before.defined())


def test_threads_lose_nothing():
    widgets = Widgets()

    def work(number: int) -> None:
        for step in range(50):
            name = f"{number}.{step}"
            widgets.define(Widget(name, WidgetKind.TEXT, "a"))
            widgets.assign(name, "b")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert widgets.values() == {f"{number}.{step}": "b" for number in range(8) for step in range(50)}
