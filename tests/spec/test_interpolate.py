"""`${...}`: what is a reference, and what is put in its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.errors import InvalidSpec
from dbutils_local.spec import interpolate
from dbutils_local.spec.interpolate import REFERENCE, Interpolation, Unresolved, steps
from dbutils_local.spec.tree import Node, Place, Steps, node_of

VALUES = node_of({"a": {"b": [{"c": 1}], "t": "x"}, "f": 1e21, "small": 1e-5, "one": 1.0, "nothing": None})


def lookup(path: Steps) -> Node | None:
    if path[0] == "later":
        return None
    found = VALUES.get(*path)
    if found is None:
        raise Unresolved("reference does not exist")
    return found


def resolved(value: Any) -> Any:
    return Interpolation(lookup).resolve(node_of(value)).plain()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${a.b[0].c}", 1),
        ("${a.b}", [{"c": 1}]),
        ("${a.t}${a.t}", "xx"),
        ("n${a.b[0].c}", "n1"),
        ("${f} ${small} ${one}", "1e+21 1e-05 1"),
        ("${later.x} ${a.t}", "${later.x} x"),
        ("${later.x}", "${later.x}"),
        ("${1a} ${a.} ${} $a {a}", "${1a} ${a.} ${} $a {a}"),
    ],
)
def test_references_are_replaced(text: str, value: object) -> None:
    assert resolved({"k": text}) == {"k": value}


def test_a_missing_value_is_a_problem_and_the_text_stays() -> None:
    work = Interpolation(lookup)
    assert work.resolve(node_of({"k": ["${a.z}", "${nothing} in text"]})).plain() == {
        "k": ["${a.z}", "${nothing} in text"]
    }
    assert [problem.message for problem in work.problems] == [
        "k[0]: reference does not exist",
        "k[1]: ${nothing} has no value and cannot stand inside text",
    ]


@pytest.mark.parametrize(("text", "path"), [("var.x", ("var", "x")), ("a.b[0][1].c", ("a", "b", 0, 1, "c"))])
def test_paths_have_names_and_numbers(text: str, path: Steps) -> None:
    assert steps(text) == path


@given(st.text())
def test_text_without_a_reference_is_left_as_it_is(text: str) -> None:
    if not REFERENCE.search(text):
        assert resolved(text) == text


def test_references_that_repeat_each_other_again_and_again_are_refused_by_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interpolate, "MAX_REPLACED", 999)
    levels = {f"v{n}": [f"${{v{n - 1}}}"] * 10 if n else ["x"] for n in range(5)}
    tree = node_of(levels, Place(None, 7, 3))

    def below(path: Steps) -> Node | None:
        return tree.get(*path)

    with pytest.raises(InvalidSpec, match="replaced more than 999 times") as raised:
        Interpolation(below).resolve(node_of("${v4}", Place(None, 9, 1)))
    assert raised.value.problems[0].line == 9
