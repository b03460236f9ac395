"""What is wrong with a spec's shape, said in one sentence a fault with its place: pydantic's findings, translated."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dbutils_local.errors import Problem
from dbutils_local.spec.base import Spec
from dbutils_local.spec.tasks import KINDS, Task
from dbutils_local.spec.tree import Node, show

_TASK_NUMBER = re.compile(r"\btasks\[([0-9]+)\]")
_FOUND = {
    dict: "a mapping",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "nothing",
}


def with_task_key(problem: Problem, job: Node) -> Problem:
    """`tasks[plan]` for `tasks[6]`: a bundle's tasks are sorted, so their numbers tell nobody anything."""

    def named(match: re.Match[str]) -> str:
        key = job.get("tasks", int(match[1]), "task_key")
        return match[0] if key is None else f"tasks[{key.value}]"

    return replace(problem, message=_TASK_NUMBER.sub(named, problem.message, count=1))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` was probably meant to be."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` or, where nothing is near, nothing."""
    near = nearest(word, known)
    return f"; did you mean {near!r}?" if near else ""


def problems_of(error: ValidationError, root: Node, model: type[Spec], prefix: str = "") -> list[Problem]:
    """Every finding of pydantic as a Problem, placed by the tree that was validated."""
    return [_problem(details, root, model, prefix) for details in error.errors(include_url=False)]


def _problem(details: ErrorDetails, root: Node, model: type[Spec], prefix: str) -> Problem:
    path = tuple(step for step in details["loc"] if step != "[key]")
    node = root.nearest(path)
    place = node.key if details["type"] == "extra_forbidden" and node.key else node.place
    where = ".".join(part for part in (prefix, show(path)) if part)
    sentence = _sentence(details, path, model)
    return place.problem(f"{where}: {sentence}" if where else sentence)


def _sentence(details: ErrorDetails, path: Sequence[str | int], model: type[Spec]) -> str:
    context = details.get("ctx", {})
    value = details.get("input")
    match details["type"]:
        case "extra_forbidden":
            return f"unknown key {path[-1]!r}{_hint(str(path[-1]), model_at(path[:-1], model))}"
        case "missing":
            return "is missing"
        case "enum":
            return f"cannot be {value!r}{_enum_hint(value, path, model)}"
        case "string_type":
            return f"must be text, found {_kind(value)}"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"must be a whole number, found {_show(value)}"
        case "bool_type" | "bool_parsing":
            return f"must be true or false, found {_show(value)}"
        case "list_type":
            return f"must be a list, found {_kind(value)}"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"must be a mapping, found {_kind(value)}"
        case "string_pattern_mismatch":
            return f"{value!r} does not match {context.get('pattern')}"
        case "string_too_long":
            return f"is {len(str(value))} characters long; the limit is {context.get('max_length')}"
        case "string_too_short":
            return "is empty"
        case "too_long":
            return (
                f"has {context.get('actual_length')} entries; the limit is {context.get('max_length')}"
                if "max_length" in context
                else details["msg"]
            )
        case "too_short":
            return "needs at least one entry"
        case "greater_than_equal" | "less_than_equal":
            bound = f"at least {context['ge']}" if "ge" in context else f"at most {context.get('le')}"
            return f"must be {bound}, found {value}"
    return details["msg"]


def _kind(value: Any) -> str:
    return _FOUND.get(type(value), type(value).__name__)


def _show(value: Any) -> str:
    return _kind(value) if isinstance(value, dict | list) or value is None else repr(value)


def _hint(word: str, model: type[Spec] | None) -> str:
    if model is None:
        return ""
    known = names_of(model)
    if near := did_you_mean(word, known):
        return near
    if model is Task and (
        owners := [kind for kind in KINDS if word in names_of(inner_model(Task.model_fields[kind].annotation))]
    ):
        return f"; it belongs inside {' or '.join(owners)}"
    return f"; known here: {', '.join(known)}" if len(known) <= 12 else ""


def _enum_hint(value: Any, path: Sequence[str | int], model: type[Spec]) -> str:
    owner = model_at(path[:-1], model)
    field = field_named(owner, str(path[-1])) if owner else None
    words = _words(field.annotation) if field else []
    near = did_you_mean(str(value).upper(), words) or did_you_mean(str(value), words)
    return f"{near or ';'} known: {', '.join(words)}" if words else ""


def field_named(model: type[Spec], name: str) -> Any:
    """The pydantic field that is written as `name`, or None."""
    return next((field for key, field in model.model_fields.items() if name in (field.alias, key)), None)


def names_of(model: type[Spec] | None) -> list[str]:
    """The keys a model knows, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def model_at(path: Sequence[str | int], model: type[Spec]) -> type[Spec] | None:
    """The model that describes what stands at `path`."""
    current: type[Spec] | None = model
    for step in path:
        if isinstance(step, str) and current is not None:
            field = field_named(current, step)
            current = inner_model(field.annotation) if field else None
    return current


def inner_model(annotation: Any) -> type[Spec] | None:
    """The model inside an annotation such as `list[Task] | None`, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    return next((found for part in get_args(annotation) if (found := inner_model(part))), None)


def _words(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [member.value for member in annotation]
    return next((found for part in get_args(annotation) if (found := _words(part))), [])
