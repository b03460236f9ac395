"""Reading JSON from strangers: size, depth and number limits, and fields of a known type or one clear sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from dbutils_local.errors import MalformedRequest, NotSupportedHere, UserError

MAX_BODY = 10 * 1024 * 1024  # bytes, as Databricks (jobs reference, 6.2)
MAX_DEPTH = 64
MAX_INT64 = 2**63 - 1

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NAMES = {
    dict: "OBJECT",
    list: "ARRAY",
    str: "STRING",
    bool: "BOOLEAN",
    int: "NUMBER",
    float: "NUMBER",
    type(None): "NULL",
}


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a request body; an empty body is an empty object. MalformedRequest for anything else."""
    if len(body) > MAX_BODY:
        raise UserError(f"The request body is {len(body)} bytes; the limit is {MAX_BODY} bytes (10 MB).")
    if not body.strip():
        return {}
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise MalformedRequest(f"Could not parse request object: invalid JSON: {what}") from error
    if not isinstance(value, dict):
        raise MalformedRequest(f"Could not parse request object: Expected object, found {_NAMES[type(value)]}")
    check_limits(value)
    return value


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def check_limits(value: Any) -> None:
    """Refuse what could not be stored or answered: deep nesting, integers beyond 64 bits, text that is no Unicode."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            _check_scalar(item)
            if isinstance(item, dict):
                below += [*item, *item.values()]
            elif isinstance(item, list):
                below += item
        level = below
        if not level:
            return
    raise MalformedRequest(f"Could not parse request object: it is nested deeper than {MAX_DEPTH} levels")


def _check_scalar(item: Any) -> None:
    if isinstance(item, int) and not -MAX_INT64 <= item <= MAX_INT64:
        raise MalformedRequest("Could not parse request object: a number does not fit into 64 bits")
    if isinstance(item, float) and item in (float("inf"), float("-inf")):
        raise MalformedRequest("Could not parse request object: a number is too large")
    if isinstance(item, str):
        try:
            item.encode("utf-8")
        except UnicodeEncodeError as error:
            raise MalformedRequest("Could not parse request object: a text is not valid Unicode") from error


class Fields:
    """The fields of one JSON object (or query string), each read once by name and type; `done` refuses the rest."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {name: value for name, value in values.items() if value is not None}
        self._asked: set[str] = set()

    def _get(self, name: str) -> Any:
        self._asked.add(name)
        return self._values.get(name)

    def whole(self, name: str) -> int | None:
        """An integer; clients send it as a string as well (jobs reference, 6.2)."""
        value = self._get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise expected("number", name, value)
        if abs(value) > MAX_INT64:
            raise MalformedRequest(f"Could not parse request object: field '{name}' does not fit into 64 bits")
        return value

    def identity(self, name: str) -> int:
        """A required id."""
        value = self.whole(name)
        if value is None:
            raise UserError(f"Missing required field: {name}")
        return value

    def flag(self, name: str) -> bool | None:
        """A boolean; `True`, `true` and "true" are the same."""
        value = self._get(name)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in ("true", "false", ""):
            return value.strip().lower() == "true"
        raise expected("boolean", name, value)

    def text(self, name: str) -> str | None:
        """A string; numbers and booleans are taken as their text."""
        value = self._get(name)
        return None if value is None else plain_text(name, value)

    def texts(self, name: str) -> list[str] | None:
        """A list of strings; from a query string a single value is a list of one."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise expected("array", name, value)
        return [plain_text(f"{name}[{index}]", item) for index, item in enumerate(value)]

    def text_map(self, name: str) -> dict[str, str] | None:
        """An object of strings."""
        value = self._get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise expected("object", name, value)
        return {key: plain_text(f"{name}.{key}", item) for key, item in value.items() if item is not None}

    def table(self, name: str) -> dict[str, Any] | None:
        """An object, as it is."""
        value = self._get(name)
        if value is not None and not isinstance(value, dict):
            raise expected("object", name, value)
        return value

    def ignore(self, *names: str) -> None:
        """Accept fields that cannot change the result."""
        self._asked.update(names)

    def rest(self) -> dict[str, Any]:
        """Every field nobody asked for."""
        return {name: value for name, value in self._values.items() if name not in self._asked}

    def done(self) -> None:
        """Refuse the fields nobody asked for, by name: never a silent success."""
        if unknown := sorted(self.rest()):
            raise NotSupportedHere(f"Field '{unknown[0]}' is not served here; leave it out.")


def plain_text(name: str, value: Any) -> str:
    """A scalar as its text: numbers and booleans are accepted where a string belongs."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
    raise expected("string", name, value)


def expected(kind: str, name: str, value: Any) -> MalformedRequest:
    """Databricks' sentence for a value of the wrong JSON type (jobs reference, 6.7)."""
    found = _NAMES.get(type(value), type(value).__name__.upper())
    return MalformedRequest(f"Could not parse request object: Expected {kind} for field '{name}', found {found}")
