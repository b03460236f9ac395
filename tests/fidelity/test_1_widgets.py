"""Reference section 1: dbutils.widgets, a test a row."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from dbutils_local.dbutils.widgets import Source, Widget, WidgetKind


def define(dbutils: Any, kind: str, name: str = "w", default: str = "a", choices: tuple[str, ...] = ("a", "b")) -> None:
    arguments = (name, default) if kind == "text" else (name, default, list(choices))
    getattr(dbutils.widgets, kind)(*arguments)


def model(dbutils: Any) -> Any:
    return dbutils._session.widgets


# 1.1 Signatures


@pytest.mark.parametrize("kind", ["text", "dropdown", "combobox", "multiselect"])
def test_1_1_a_widget_is_made_and_returns_none(dbutils, kind):
    arguments = ("w", "a") if kind == "text" else ("w", "a", ["a", "b"])
    assert getattr(dbutils.widgets, kind)(*arguments, "Label") is None
    assert model(dbutils).defined()[0].label == "Label"


def test_1_1_text_default_may_be_empty(dbutils):
    dbutils.widgets.text("w", "")
    assert dbutils.widgets.get("w") == ""


def test_1_1_dropdown_default_must_be_one_of_choices(dbutils):
    with pytest.raises(Exception, match="Selection sequence must include z"):
        dbutils.widgets.dropdown("w", "z", ["a"])


def test_1_1_combobox_default_need_not_be_in_choices(dbutils):
    dbutils.widgets.combobox("w", "z", ["a"])
    assert dbutils.widgets.get("w") == "z"


def test_1_1_multiselect_default_is_one_choice(dbutils):
    dbutils.widgets.multiselect("w", "a", ["a", "b"])
    assert dbutils.widgets.get("w") == "a"


def test_1_1_get_returns_the_current_value(dbutils):
    dbutils.widgets.text("w", "v")
    assert dbutils.widgets.get("w") == "v"


def test_1_1_get_all_returns_a_dict_of_strings(dbutils):
    dbutils.widgets.text("a", "1")
    dbutils.widgets.text("b", "2")
    assert dbutils.widgets.getAll() == {"a": "1", "b": "2"}


def test_1_1_get_argument_returns_value_or_fallback(dbutils):
    dbutils.widgets.text("a", "1")
    assert dbutils.widgets.getArgument("a", "other") == "1"
    assert dbutils.widgets.getArgument("b", "other") == "other"
    assert dbutils.widgets.getArgument("b", defaultValue="x") == dbutils.widgets.getArgument("b", optional="x") == "x"


def test_1_1_remove_of_an_undefined_widget_is_an_error(dbutils):
    with pytest.raises(Exception, match="No input widget named w is defined"):
        dbutils.widgets.remove("w")


def test_1_1_remove_takes_the_widget_away(dbutils):
    dbutils.widgets.text("w", "v")
    assert dbutils.widgets.remove("w") is None
    with pytest.raises(Exception, match="No input widget named w is defined"):
        dbutils.widgets.get("w")


def test_1_1_remove_all_is_no_error_when_there_are_none(dbutils):
    assert dbutils.widgets.removeAll() is None


def test_1_1_help_prints(dbutils, capsys):
    dbutils.widgets.help()
    dbutils.widgets.help("text")
    assert "text(name: String, defaultValue: String, label: String): void" in capsys.readouterr().out


def test_1_1_keywords_in_both_spellings(dbutils):
    dbutils.widgets.text(name="a", defaultValue="1", label="A")
    dbutils.widgets.text(name="b", default_value="2")
    dbutils.widgets.dropdown(name="c", default_value="x", choices=["x"], label="C")
    assert dbutils.widgets.getAll() == {"a": "1", "b": "2", "c": "x"}


def test_1_1_a_missing_default_is_a_type_error(dbutils):
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'defaultValue'"):
        dbutils.widgets.text("w")


def test_1_1_there_is_no_set(dbutils):
    assert not hasattr(dbutils.widgets, "set")


# 1.2 Values


def test_1_2_all_values_are_strings(dbutils):
    dbutils.widgets.text("n", 5)
    dbutils.widgets.dropdown("d", 2, [1, 2, 3])
    assert dbutils.widgets.getAll() == {"n": "5", "d": "2"}


def test_1_2_multiselect_joins_by_comma_without_quoting(dbutils):
    dbutils.widgets.multiselect("m", "a", ["a", "b", "c d"])
    model(dbutils).assign("m", "a,c d")
    assert dbutils.widgets.get("m").split(",") == ["a", "c d"]


def test_1_2_nothing_selected_is_an_empty_string(dbutils):
    dbutils.widgets.multiselect("m", "a", ["a", "b"])
    model(dbutils).assign("m", "")
    assert dbutils.widgets.get("m") == ""


@pytest.mark.parametrize("kind", ["text", "combobox"])
def test_1_2_free_values_are_not_trimmed_or_validated(dbutils, kind):
    define(dbutils, kind)
    model(dbutils).assign("w", "  anything ")
    assert dbutils.widgets.get("w") == "  anything "


@pytest.mark.parametrize("kind", ["dropdown", "multiselect"])
def test_1_2_empty_default_only_among_choices(dbutils, kind):
    define(dbutils, kind, default="", choices=("", "a"))
    assert dbutils.widgets.get("w") == ""
    with pytest.raises(Exception, match="Selection sequence must include"):
        define(dbutils, kind, name="v", default="", choices=("a",))


@pytest.mark.parametrize("name", ["4. Start Date", "a.b", "1x", "with space", "Case"])
def test_1_2_names_may_hold_spaces_dots_and_digits(dbutils, name):
    dbutils.widgets.text(name, "v")
    assert dbutils.widgets.get(name) == "v"


def test_1_2_names_are_case_sensitive(dbutils):
    dbutils.widgets.text("Name", "v")
    with pytest.raises(Exception, match="No input widget named name is defined"):
        dbutils.widgets.get("name")


# 1.3 Errors


@pytest.mark.parametrize("call", ["get", "getArgument", "remove"])
def test_1_3_an_unknown_name_is_input_widget_not_defined(dbutils, call):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - what code in notebooks does
        getattr(dbutils.widgets, call)("nope")
    text = "com.databricks.dbutils_v1.InputWidgetNotDefined: No input widget named nope is defined"
    assert text in str(caught.value)
    assert str(caught.value).startswith("An error occurred while calling o")
    assert f".{call}.\n: " in str(caught.value)


@pytest.mark.parametrize("kind", ["dropdown", "multiselect"])
def test_1_3_a_default_outside_choices(dbutils, kind):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        define(dbutils, kind, default="z")
    text = "com.databricks.dbutils_v1.DefaultValueNotInChoicesList: Selection sequence must include z"
    assert text in str(caught.value)


def test_1_3_probe_by_text_and_by_type_name(dbutils):
    with pytest.raises(Exception, match="InputWidgetNotDefined") as caught:
        dbutils.widgets.get("x")
    assert "InputWidgetNotDefined" in type(caught.value).__name__


def test_1_3_probe_by_py4j_class_and_java_exception(dbutils):
    from py4j.protocol import Py4JJavaError

    with pytest.raises(Py4JJavaError) as caught:
        dbutils.widgets.get("x")
    java = caught.value.java_exception
    assert java.getClass().getName() == "com.databricks.dbutils_v1.InputWidgetNotDefined"
    assert java.getMessage() == "No input widget named x is defined"


def test_1_3_without_py4j_it_is_a_plain_exception(dbutils, monkeypatch):
    monkeypatch.delitem(sys.modules, "py4j.protocol", raising=False)
    with pytest.raises(Exception, match="No input widget named x is defined"):
        dbutils.widgets.get("x")


def test_1_3_a_py4j_that_is_imported_later_counts(dbutils, monkeypatch):
    module = ModuleType("py4j.protocol")
    module.Py4JJavaError = type("Py4JJavaError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "py4j.protocol", module)
    with pytest.raises(module.Py4JJavaError):
        dbutils.widgets.get("x")


# 1.4 Limits


def test_1_4_more_than_1024_choices_fails(dbutils):
    dbutils.widgets.dropdown("ok", "0", [str(n) for n in range(1024)])
    with pytest.raises(Exception, match="the limit is 1024"):
        dbutils.widgets.dropdown("w", "0", [str(n) for n in range(1025)])


@pytest.mark.parametrize(
    ("name", "default", "label"), [("n" * 1025, "v", None), ("w", "v" * 2049, None), ("w", "v", "l" * 2049)]
)
def test_1_4_the_other_limits_are_said_and_not_enforced(dbutils, capsys, name, default, label):
    dbutils.widgets.text(name, default, label)
    assert dbutils.widgets.get(name) == default
    assert "over Databricks' limit" in capsys.readouterr().err


def test_1_4_more_than_512_widgets_is_said(dbutils, capsys):
    for number in range(513):
        dbutils.widgets.text(str(number), "")
    assert "513, is over Databricks' limit of 512" in capsys.readouterr().err


# 1.5 Re-creating


def test_1_5_the_definition_is_replaced(dbutils):
    dbutils.widgets.dropdown("w", "a", ["a", "b"], "Old")
    dbutils.widgets.dropdown("w", "c", ["c"], "New")
    assert model(dbutils).defined() == (Widget("w", WidgetKind.DROPDOWN, "c", ("c",), "New"),)
    assert dbutils.widgets.get("w") == "c"


def test_1_5_a_chosen_value_stays_while_valid(dbutils):
    define(dbutils, "dropdown")
    model(dbutils).assign("w", "b")
    dbutils.widgets.dropdown("w", "c", ["c", "b"])
    assert dbutils.widgets.get("w") == "b"


def test_1_5_a_chosen_value_no_longer_valid_gives_way(dbutils):
    define(dbutils, "dropdown")
    model(dbutils).assign("w", "b")
    dbutils.widgets.dropdown("w", "c", ["c", "d"])
    assert dbutils.widgets.get("w") == "c"


def test_1_5_a_passed_value_stays(make):
    dbutils = make(parameters={"w": "passed"})
    dbutils.widgets.text("w", "x")
    dbutils.widgets.text("w", "y")
    assert dbutils.widgets.get("w") == "passed"


def test_1_5_create_remove_create_in_one_cell_works(dbutils):
    dbutils.widgets.text("w", "old")
    model(dbutils).assign("w", "chosen")
    dbutils.widgets.remove("w")
    dbutils.widgets.text("w", "new")
    assert dbutils.widgets.get("w") == "new"


def test_1_5_a_change_of_type_replaces_the_widget(dbutils):
    dbutils.widgets.text("w", "a")
    model(dbutils).assign("w", "free text")
    dbutils.widgets.dropdown("w", "a", ["a", "b"])
    assert model(dbutils).defined()[0].kind is WidgetKind.DROPDOWN
    assert dbutils.widgets.get("w") == "a"


# 1.6 Parameters passed from outside


def test_1_6_a_passed_parameter_is_read_though_no_widget_was_defined(make):
    assert make(parameters={"p": "v"}).widgets.get("p") == "v"


def test_1_6_a_passed_value_beats_a_later_default(make):
    dbutils = make(parameters={"p": "v"})
    dbutils.widgets.text("p", "default")
    assert dbutils.widgets.get("p") == "v"


def test_1_6_not_passed_means_the_default(make):
    dbutils = make(parameters={"other": "v"})
    dbutils.widgets.text("p", "default")
    assert dbutils.widgets.get("p") == "default"


@pytest.mark.parametrize("kind", ["dropdown", "multiselect"])
def test_1_6_a_passed_value_outside_choices_is_used_shown_and_said_once(make, capsys, kind):
    dbutils = make(parameters={"w": "z"})
    define(dbutils, kind)
    define(dbutils, kind)
    assert dbutils.widgets.get("w") == "z"
    assert model(dbutils).defined()[0].choices == ("a", "b", "z")
    assert capsys.readouterr().err.count("not among its choices") == 1


def test_1_6_a_passed_value_survives_remove_all(make):
    dbutils = make(parameters={"p": "v"})
    dbutils.widgets.removeAll()
    dbutils.widgets.text("p", "default")
    assert dbutils.widgets.get("p") == "v"


def test_1_6_get_all_holds_passed_parameters_too(make):
    dbutils = make(parameters={"p": "v"})
    dbutils.widgets.text("w", "d")
    assert dbutils.widgets.getAll() == {"w": "d", "p": "v"}


# 1.7 Panel


def test_1_7_the_panel_shows_the_label_else_the_name(dbutils):
    dbutils.widgets.text("a", "", "Label")
    dbutils.widgets.text("b", "")
    assert [widget.title for widget in model(dbutils).defined()] == ["Label", "b"]


def test_1_7_a_change_in_the_panel_is_seen_by_the_next_get(dbutils):
    dbutils.widgets.text("a", "")
    model(dbutils).assign("a", "typed", by=Source.PANEL)
    assert dbutils.widgets.get("a") == "typed"


# 1.8 %run


def test_1_8_run_arguments_set_the_callees_widgets(dbutils):
    with model(dbutils).bind({"X": "10"}):
        dbutils.widgets.text("X", "1")
        assert dbutils.widgets.get("X") == "10"


def test_1_8_without_arguments_the_callee_uses_its_defaults(dbutils):
    with model(dbutils).bind({}):
        dbutils.widgets.text("X", "1")
        assert dbutils.widgets.get("X") == "1"


def test_1_8_a_callee_reads_the_callers_widgets(dbutils):
    dbutils.widgets.text("c", "caller")
    with model(dbutils).bind({}):
        assert dbutils.widgets.get("c") == "caller"


def test_1_8_a_callee_cannot_remove_the_callers_widgets(dbutils, capsys):
    dbutils.widgets.text("c", "caller")
    with model(dbutils).bind({}):
        dbutils.widgets.remove("c")
        dbutils.widgets.removeAll()
    assert dbutils.widgets.get("c") == "caller"
    assert "was not removed" in capsys.readouterr().err


def test_1_8_the_caller_gets_its_own_value_back(dbutils):
    dbutils.widgets.text("X", "caller")
    with model(dbutils).bind({"X": "callee"}):
        assert dbutils.widgets.get("X") == "callee"
    assert dbutils.widgets.get("X") == "caller"
