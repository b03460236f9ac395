"""YAML and JSON text as a tree in which every value knows its place in its file."""

from __future__ import annotations

import gc
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from dbutils_local.errors import InvalidSpec, Problem

MAX_REPEATED = 200_000  # values that are there again through anchors; 5,000 tasks that share a cluster have 150,000
_TWICE = "is written twice"
_EMPTY = "is empty"
MERGE_TAG = "tag:yaml.org,2002:merge"

_INT = re.compile(r"[-+]?[0-9][0-9_]*\Z")
_OTHER_INT = re.compile(r"[-+]?0(?:x[0-9a-fA-F]+|o[0-7]+|b[01]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
# 0xD800..0xDFFF; moved by 0x0800 they are characters of private use.
_SURROGATE = re.compile(r"\\u([dD][89a-fA-F][0-9a-fA-F]{2})")
_UNREADABLE = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")
_INFINITY = {".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; line and column count from 1, 0 = not from a text."""

    file: Path | None
    line: int = 0
    column: int = 0

    def problem(self, message: str, severity: str = "error") -> Problem:
        """A Problem at this place."""
        return Problem(message, self.file, self.line or None, self.column or None, severity=severity)


NOWHERE = Place(None)
Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place: a dict of Nodes, a list of Nodes, or a scalar.

    `key` is the place of the mapping key it stands under; `anchored` says that the text gives it an anchor (`&name`).
    """

    value: Any
    place: Place = NOWHERE
    key: Place | None = None
    anchored: bool = False

    @property
    def mapping(self) -> dict[str, Node]:
        """Its members if it is a mapping, else nothing."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> list[Node]:
        """Its elements if it is a list, else nothing."""
        return self.value if isinstance(self.value, list) else []

    @property
    def text(self) -> str | None:
        """Its text if it is a string."""
        return self.value if isinstance(self.value, str) else None

    def get(self, *path: str | int) -> Node | None:
        """The node at `path` below this one."""
        node: Node | None = self
        for step in path:
            if node is None:
                return None
            if isinstance(step, int):
                node = node.items[step] if step < len(node.items) else None
            else:
                node = node.mapping.get(step)
        return node

    def members(self, *path: str | int) -> dict[str, Node]:
        """The members of the mapping at `path`; nothing when there is none."""
        found = self.get(*path)
        return found.mapping if found is not None else {}

    def elements(self, *path: str | int) -> list[Node]:
        """The elements of the list at `path`; nothing when there is none."""
        found = self.get(*path)
        return found.items if found is not None else []

    def nearest(self, path: Sequence[str | int]) -> Node:
        """The node at `path`, or the deepest one on the way there."""
        node = self
        for step in path:
            below = node.get(step) if isinstance(step, str | int) else None
            if below is None:
                break
            node = below
        return node

    def plain(self) -> Any:
        """The value without places."""
        match self.value:
            case dict():
                return {key: node.plain() for key, node in self.value.items()}
            case list():
                return [node.plain() for node in self.value]
        return self.value

    def walk(self, path: Steps = ()) -> Iterator[tuple[Steps, Node]]:
        """This node and all below it, with their paths, parents first."""
        yield path, self
        for key, node in self.mapping.items():
            yield from node.walk((*path, key))
        for index, node in enumerate(self.items):
            yield from node.walk((*path, index))

    def with_members(self, **members: Node) -> Node:
        """This mapping with `members` put in or replaced."""
        return replace(self, value={**self.mapping, **members})

    def without(self, *keys: str) -> Node:
        """This mapping without `keys`."""
        return replace(self, value={key: node for key, node in self.mapping.items() if key not in keys})


def node_of(value: Any, place: Place = NOWHERE) -> Node:
    """Plain data as a tree, everything at one place."""
    match value:
        case Node():
            return value
        case Mapping():
            return Node({str(key): node_of(below, place) for key, below in value.items()}, place, place)
        case list() | tuple():
            return Node([node_of(below, place) for below in value], place, place)
    return Node(value, place, place)


def show(path: Sequence[str | int]) -> str:
    """A path as people write it: `tasks[0].notebook_task`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def read(path: Path, problems: list[Problem] | None = None) -> Node:
    """The tree of a .yml, .yaml or .json file; InvalidSpec with the place when the text is not well formed.

    Keys written twice are put into `problems` when it is given, so that other faults can be told with them.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSpec([Problem(f"is not UTF-8 text (byte {error.start})", path)]) from None
    except OSError as error:
        raise InvalidSpec([Problem(f"cannot be read: {error.strerror}", path)]) from error
    return parse(text, path, problems)


def parse(text: str, path: Path | None = None, problems: list[Problem] | None = None) -> Node:
    """The tree of a YAML text (or of a JSON text when `path` ends in .json); `problems` as for `read`."""
    found: list[Problem] = []
    with _collector_resting():
        if path is not None and path.suffix.lower() == ".json":
            data = _json(text, path)
            node = _with_values(_Reader(_as_yaml(text), path, found).tree(), data)
        else:
            node = _Reader(text, path, found).tree()
    if problems is not None:
        problems.extend(found)
    elif found:
        raise InvalidSpec(found)
    return node


def doubts_of_a_bundle(problems: Sequence[Problem]) -> list[Problem]:
    """`problems` of reading, milder where the bundle tool is.

    Of a key written twice it takes the last, and a file of comments only is no fault.
    """
    return [_milder(problem) for problem in problems]


def _milder(problem: Problem) -> Problem:
    if _TWICE in problem.message:
        return replace(problem, message=f"{problem.message}: the last one counts", severity="warning")
    return replace(problem, severity="warning") if problem.message == _EMPTY else problem


@contextmanager
def _collector_resting() -> Iterator[None]:
    """A tree is built of many small objects that all stay: looking for garbage among them doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _as_yaml(text: str) -> str:
    """JSON as YAML can read it, every character in its place: YAML knows no tabs, surrogates or control characters."""
    without_surrogates = _SURROGATE.sub(lambda match: f"\\u{int(match[1], 16) + 0x0800:04x}", text)
    return _UNREADABLE.sub("\ufffd", without_surrogates.replace("\t", " "))


def _with_values(node: Node, data: Any) -> Node:
    """The tree with the values the JSON reader found: the YAML reader was asked for the places only."""
    match data:
        case dict():
            pairs = zip(node.mapping.values(), data.items(), strict=True)
            return replace(node, value={key: _with_values(below, value) for below, (key, value) in pairs})
        case list():
            return replace(
                node, value=[_with_values(below, value) for below, value in zip(node.items, data, strict=True)]
            )
    return replace(node, value=data)


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidSpec([Problem(f"is not valid JSON: {error.msg}", path, error.lineno, error.colno)]) from None
    except RecursionError:
        raise InvalidSpec([Problem("is nested too deeply", path)]) from None


class _Reader:
    """Turns one text into a tree, collecting duplicate keys on the way."""

    def __init__(self, text: str, path: Path | None, problems: list[Problem]) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.path = path
        self.problems = problems
        self.known: dict[int, tuple[Node, int]] = {}
        self.open: set[int] = set()

    def tree(self) -> Node:
        composed = self._compose()
        if composed is None:
            raise InvalidSpec([Problem(_EMPTY, self.path)])
        try:
            node, _ = self._convert(composed)
        except RecursionError:
            raise InvalidSpec([Problem("is nested too deeply", self.path)]) from None
        return node

    def _compose(self) -> yaml.Node | None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            composed: yaml.Node | None = yaml.compose(self.text, Loader=loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
            words = " ".join(part for part in (error.context, error.problem) if part)
            if line and column and self.lines[line - 1][column - 1 : column] == "\t":
                words = "a tab stands where YAML wants spaces"
            raise InvalidSpec([Problem(f"is not valid YAML: {words}", self.path, line, column)]) from None
        except (yaml.YAMLError, RecursionError) as error:
            raise InvalidSpec([Problem(f"is not valid YAML: {error}", self.path)]) from None
        return composed

    def _convert(self, composed: yaml.Node) -> tuple[Node, int]:
        identity = id(composed)
        if identity in self.known:
            return self.known[identity]
        if identity in self.open:
            raise InvalidSpec([self._place(composed).problem("an anchor contains itself")])
        self.open.add(identity)
        value, size = self._value(composed)
        self.open.discard(identity)
        if size - len(self.known) > MAX_REPEATED:
            raise InvalidSpec(
                [self._place(composed).problem(f"repeats more than {MAX_REPEATED:,} values through its anchors")]
            )
        node = Node(value, self._place(composed), anchored=self._starts(composed, "&"))
        self.known[identity] = (node, size)
        return node, size

    def _value(self, composed: yaml.Node) -> tuple[Any, int]:
        match composed:
            case yaml.MappingNode():
                return self._mapping(composed)
            case yaml.SequenceNode():
                converted = [self._convert(below) for below in composed.value]
                return [node for node, _ in converted], 1 + sum(size for _, size in converted)
            case yaml.ScalarNode():
                written_as_text = composed.style in ("'", '"', "|", ">") or self._starts(composed, "!!str")
                return scalar(composed.value, quoted=written_as_text), 1
        return None, 1

    def _mapping(self, composed: yaml.MappingNode) -> tuple[dict[str, Node], int]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        total = 1
        for key_node, value_node in composed.value:
            node, size = self._convert(value_node)
            total += size
            place = self._place(key_node)
            if key_node.tag == MERGE_TAG:
                merged = {**self._merged(node, place), **merged}
                continue
            key = self._key(key_node, place)
            if key in own:
                first = own[key].key
                line = f" (first on line {first.line})" if first else ""
                self.problems.append(place.problem(f"the key {key!r} {_TWICE}{line}"))
            own[key] = replace(node, key=place)
        return {**merged, **own}, total

    def _merged(self, node: Node, place: Place) -> dict[str, Node]:
        sources = node.items if isinstance(node.value, list) else [node]
        result: dict[str, Node] = {}
        for source in reversed(sources):
            if not isinstance(source.value, dict):
                self.problems.append(place.problem("'<<' merges mappings only"))
            result |= source.mapping
        return result

    def _key(self, node: yaml.Node, place: Place) -> str:
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        self.problems.append(place.problem("a key must be plain text"))
        return ""

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.path, node.start_mark.line + 1, node.start_mark.column + 1)

    def _starts(self, node: yaml.Node, sign: str) -> bool:
        line = self.lines[node.start_mark.line] if node.start_mark.line < len(self.lines) else ""
        return line.startswith(sign, node.start_mark.column)


def scalar(text: str, *, quoted: bool = False) -> Any:
    """The value of a YAML scalar: 1.2's booleans and null, decimal numbers with leading zeros, no dates, no base 60."""
    if quoted:
        return text
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if _INT.match(text):
        return int(text.replace("_", ""))
    if _OTHER_INT.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    return _INFINITY.get(text.lower(), text)
