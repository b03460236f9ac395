"""Trees: what YAML and JSON mean, and where everything stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.errors import InvalidSpec
from dbutils_local.spec import tree

FILE = Path("job.yml")


def parsed(text: str, name: str = "job.yml") -> Any:
    return tree.parse(text, Path(name)).plain()


def fault(text: str, name: str = "job.yml") -> str:
    with pytest.raises(InvalidSpec) as error:
        tree.parse(text, Path(name))
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", 1000),
        ("-3", -3),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("12:30:45", "12:30:45"),
        ("2026-11-22", "2026-11-22"),
        ("1.2.3", "1.2.3"),
        ('"7"', "7"),
        ("!!str 7", "7"),
    ],
)
def test_scalars_are_read_as_the_bundle_tool_reads_them(text: str, value: object) -> None:
    assert parsed(f"key: {text}\n") == {"key": value}


def test_every_value_and_key_knows_its_line_and_column() -> None:
    node = tree.parse("tasks:\n  - task_key: a\n    libraries: [x, y]\n", FILE)
    assert node.nearest(("tasks", 0, "task_key")).place == tree.Place(FILE, 2, 15)
    assert node.nearest(("tasks", 0, "libraries")).key == tree.Place(FILE, 3, 5)
    assert node.nearest(("tasks", 0, "libraries", 1)).place == tree.Place(FILE, 3, 20)


def test_what_is_not_there_is_placed_at_the_nearest_thing_around_it() -> None:
    node = tree.parse("tasks:\n  - task_key: a\n", FILE)
    assert node.nearest(("tasks", 0, "notebook_task", "notebook_path")).place.line == 2


def test_anchors_and_merge_keys_are_followed_and_the_own_key_wins() -> None:
    text = "base: &base {a: 1, b: 2}\nother: &other {b: 3, c: 4}\njob:\n  <<: [*base, *other]\n  a: 9\n"
    assert parsed(text)["job"] == {"a": 9, "b": 2, "c": 4}


def test_a_key_written_twice_is_a_fault_naming_both_lines() -> None:
    assert fault("name: a\ntasks: []\nname: b\n") == "job.yml:3:1: the key 'name' is written twice (first on line 1)"


def test_all_keys_written_twice_are_told_at_once() -> None:
    assert len(fault("a: 1\na: 2\nb: {c: 1, c: 2}\n").splitlines()) == 2


def test_broken_yaml_is_one_sentence_with_its_place() -> None:
    assert fault("tasks: [\n  a\nname: x\n").startswith("job.yml:3:")
    assert "a tab stands where YAML wants spaces" in fault("name: x\n\ttasks: 1\n")


def test_an_empty_file_is_named_empty() -> None:
    assert fault("# nothing\n") == "job.yml: is empty"


def test_a_second_document_is_refused() -> None:
    assert "single document" in fault("a: 1\n---\nb: 2\n")


def test_an_anchor_that_contains_itself_is_refused() -> None:
    assert "contains itself" in fault("a: &a [*a]\n")


def test_anchors_that_explode_are_refused_before_they_do() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "through its anchors" in fault("\n".join(levels))


def test_json_may_have_tabs_and_surrogate_escapes_and_keeps_places() -> None:
    text = '{\n\t"name":\t"\\ud83d\\ude00 \\/",\n\t"n": 1.0\n}'
    node = tree.parse(text, Path("job.json"))
    assert node.plain() == {"name": "😀 /", "n": 1.0}
    assert node.nearest(("n",)).place == tree.Place(Path("job.json"), 3, 7)


def test_broken_json_is_told_by_the_json_reader() -> None:
    assert fault('{"a": 1,}', "job.json").startswith("job.json:1:")
    assert "two" not in fault("{'a': 1}", "job.json")


def test_a_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "job.yml"
    path.write_bytes(b"name: \xff\n")
    with pytest.raises(InvalidSpec, match="not UTF-8"):
        tree.read(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_json_text_is_read_as_the_json_module_reads_it(value: object) -> None:
    text = json.dumps({"value": value}, indent="\t")
    assert tree.parse(text, Path("x.json")).plain() == json.loads(text)


@given(VALUES)
def test_plain_data_survives_the_way_through_a_tree(value: object) -> None:
    assert tree.node_of(value).plain() == value
