"""Reference 1.9: how widgets and parameters get into SQL text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dbutils_local.errors import UserError
from dbutils_local.sql.parameters import (
    CreateWidget,
    RemoveWidget,
    UnboundParameter,
    bind_literals,
    markers,
    parse_widget_statement,
    substitute_get_argument,
    substitute_legacy,
    substitute_mustache,
)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT :p",
        "SELECT 1 + :p",
        "f(:p)",
        "x = :p",
        "LIMIT :p",
        "IN (1, :p)",
        "CASE WHEN :p THEN 1 END",
        "IDENTIFIER(:p)",
        "LOCATION :p",
    ],
)
def test_a_colon_where_an_expression_may_start_is_a_marker(text: str) -> None:
    assert [mark.name for mark in markers(text)] == ["p"]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 'a:p'",
        'SELECT ":p"',
        "SELECT x::p",
        "SELECT raw:p",
        "SELECT d :a.b",
        "SELECT f(x):p",
        "-- :p",
        "/* :p */",
        "`:p`",
        "a[0]:p",
    ],
)
def test_other_colons_are_not_markers(text: str) -> None:
    assert markers(text) == []


def test_a_marker_becomes_a_string_value_and_never_text() -> None:
    assert bind_literals("SELECT :p", {"p": "x' OR 1=1 --"}) == r"SELECT 'x\' OR 1=1 --'"


def test_names_of_markers_ignore_case() -> None:
    assert bind_literals("SELECT :Day", {"day": "x"}) == "SELECT 'x'"


def test_a_marker_without_a_value_is_an_error_that_names_it() -> None:
    with pytest.raises(UnboundParameter, match=r"\[UNBOUND_SQL_PARAMETER\].*: p\..*known ones: q"):
        bind_literals("SELECT :p", {"q": "1"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT ${n}", "SELECT v"),
        ("SELECT $n", "SELECT v"),
        ("SELECT '${n}', `$n`", "SELECT 'v', `v`"),
        (r"SELECT \$n", "SELECT $n"),
        (r"SELECT $\n", "SELECT $n"),
        ("SELECT ${a.b}", "SELECT w"),
        ("SELECT ${other} $$body$$", "SELECT ${other} $$body$$"),
        ("SELECT ${ n }", "SELECT v"),
    ],
)
def test_legacy_markers_are_replaced_as_text(text: str, expected: str) -> None:
    assert substitute_legacy(text, {"n": "v", "a.b": "w"}) == expected


def test_get_argument_gives_the_value_as_a_string() -> None:
    assert substitute_get_argument('SELECT getArgument("n")', {"n": "it's"}) == r"SELECT 'it\'s'"


@pytest.mark.parametrize(
    ("text", "widget"),
    [
        ('CREATE WIDGET TEXT n DEFAULT "v"', CreateWidget("text", "n", "v")),
        ("create widget text `a b` default 'it\\'s'", CreateWidget("text", "a b", "it's")),
        (
            'CREATE WIDGET DROPDOWN n DEFAULT "a" CHOICES SELECT * FROM (VALUES ("a"),("b"));',
            CreateWidget("dropdown", "n", "a", 'SELECT * FROM (VALUES ("a"),("b"))'),
        ),
        (
            'CREATE WIDGET COMBOBOX n DEFAULT "a" CHOICES SELECT x FROM t',
            CreateWidget("combobox", "n", "a", "SELECT x FROM t"),
        ),
        (
            'CREATE WIDGET MULTISELECT n DEFAULT "a" CHOICES SELECT x FROM t',
            CreateWidget("multiselect", "n", "a", "SELECT x FROM t"),
        ),
        ("REMOVE WIDGET n", RemoveWidget("n")),
        ("SELECT 1", None),
        ("CREATE TABLE widget (a INT)", None),
    ],
)
def test_widget_statements_become_records(text: str, widget: CreateWidget | RemoveWidget | None) -> None:
    assert parse_widget_statement(text) == widget


@pytest.mark.parametrize(
    "text",
    [
        "CREATE WIDGET TEXT n",
        "CREATE WIDGET TEXT n DEFAULT v",
        'CREATE WIDGET DROPDOWN n DEFAULT "a"',
        'CREATE WIDGET NUMBER n DEFAULT "1"',
        "REMOVE WIDGET",
    ],
)
def test_a_malformed_widget_statement_says_what_was_expected(text: str) -> None:
    with pytest.raises(UserError, match=r"WIDGET|default"):
        parse_widget_statement(text)


@pytest.mark.parametrize(
    "choices", ["(VALUES 'a', 'b')", "(SELECT 'a' UNION SELECT 'b')", "SELECT 'a' UNION SELECT 'b'"]
)
def test_choices_may_stand_in_brackets(choices: str, rows: Callable[..., Any]) -> None:
    found = parse_widget_statement(f"CREATE WIDGET DROPDOWN w DEFAULT 'a' CHOICES {choices}")
    assert isinstance(found, CreateWidget)
    assert found.choices is not None
    assert sorted(rows(found.choices)) == [("a",), ("b",)]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("SELECT {{ name }}, {{name}}", "SELECT 'it\\'s', 'it\\'s'"),
        ("USE `{{odd}}`", "USE `a``b`"),
        ("""SELECT '{{name}}-x', "{{name}}" """, """SELECT 'it\\'s-x', "it's" """),
        ("SELECT {{nobody}} -- {{name}}\n/* {{name}} */", "SELECT {{nobody}} -- {{name}}\n/* {{name}} */"),
        ("SELECT {{two words}}, {{ }}", "SELECT 'z', {{ }}"),
    ],
)
def test_mustaches_become_literals_or_the_text_in_quotes(text: str, read: str) -> None:
    values = {"name": "it's", "odd": "a`b", "two words": "z"}
    assert substitute_mustache(text, values) == read
