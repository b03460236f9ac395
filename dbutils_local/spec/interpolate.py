"""`${...}` references of a bundle put in place: values keep their type, text takes what can stand in text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dbutils_local.errors import InvalidSpec, Problem
from dbutils_local.spec.tree import Node, Steps, show

MAX_REPLACED = 200_000  # references in one pass; 5,000 tasks with ten each have 50,000
# Each text matches in one way only: what almost is a reference must not be tried in all ways there are.
_SEGMENT = r"[^\W\d_][^\W_]*(?:[-_]+[^\W_]+)*"
_PATH = rf"{_SEGMENT}(?:\.{_SEGMENT}(?:\[[0-9]+\])*)*(?:\[[0-9]+\])*"
REFERENCE = re.compile(rf"(?<!\$)\$\{{({_PATH})\}}")
_MALFORMED = re.compile(r"(?<!\$)\$\{([^{}]*)\}")
_ESCAPED = "$${"  # stands for `${` that is no reference
ESCAPED_JOB = "$${resources.jobs."
_ESCAPED_ANY = re.compile(r"\$\$\{")
_ESCAPED_NO_JOB = re.compile(r"\$\$\{(?!resources\.jobs\.)")
_STEP = re.compile(r"\[([0-9]+)\]|([^.\[\]]+)")


class Unresolved(Exception):
    """A reference that has no value; the message is the sentence for the user."""


class _TooMany(Exception):
    pass


# A value, None to leave the reference as text, or Unresolved.
Lookup = Callable[[Steps], Node | None]


def steps(reference: str) -> Steps:
    """`var.x.list[0]` as ("var", "x", "list", 0)."""
    return tuple(int(index) if index else name for index, name in _STEP.findall(reference))


@dataclass
class Interpolation:
    """One pass over a tree; what went wrong is collected in `problems`, with the place of the text that said it."""

    lookup: Lookup
    problems: list[Problem] = field(default_factory=list)
    replaced: int = 0

    def resolve(self, node: Node, path: Steps = (), seen: tuple[str, ...] = ()) -> Node:
        """`node` with all its references replaced; one that fails stays as text."""
        match node.value:
            case dict():
                return replace(
                    node, value={key: self.resolve(below, (*path, key), seen) for key, below in node.value.items()}
                )
            case list():
                return replace(
                    node, value=[self.resolve(below, (*path, i), seen) for i, below in enumerate(node.value)]
                )
            case str() if "${" in node.value:
                return self._resolved_text(node, path, seen)
        return node

    def _resolved_text(self, node: Node, path: Steps, seen: tuple[str, ...]) -> Node:
        try:
            return self._text(node, seen)
        except _TooMany:
            said = (
                f"references are replaced more than {MAX_REPLACED:,} times: a variable repeats another again and again"
            )
            raise InvalidSpec([node.place.problem(said)]) from None
        except Unresolved as error:
            where = f"{show(path)}: " if path else ""
            problem = node.place.problem(f"{where}{error}")
            if problem not in self.problems:
                self.problems.append(problem)
            return node

    def _text(self, node: Node, seen: tuple[str, ...]) -> Node:
        text = str(node.value)
        if pure := REFERENCE.fullmatch(text):
            found = self._value(pure[1], seen)
            # The place of the reference, not of the value: relative paths count from where a variable is used.
            return node if found is None else replace(found, place=node.place, key=node.key)
        put_in = replace(node, value=REFERENCE.sub(lambda match: self._in_text(match, seen), text))
        # A reference may stand inside another one: `${var.size_${bundle.target}}`.
        return self._text(put_in, seen) if put_in.value != text and "${" in put_in.value else put_in

    def _in_text(self, match: re.Match[str], seen: tuple[str, ...]) -> str:
        found = self._value(match[1], seen)
        return match[0] if found is None else _as_text(match[1], found)

    def _value(self, reference: str, seen: tuple[str, ...]) -> Node | None:
        if reference in seen:
            raise Unresolved(
                f"cycle detected in field resolution: {' -> '.join((*seen[seen.index(reference) :], reference))}"
            )
        self.replaced += 1
        if self.replaced > MAX_REPLACED:
            raise _TooMany
        found = self.lookup(steps(reference))
        if found is None:
            return None
        return self._below(found, (*seen, reference))

    def _below(self, found: Node, seen: tuple[str, ...]) -> Node:
        match found.value:
            case dict():
                return replace(found, value={key: self._below(below, seen) for key, below in found.value.items()})
            case list():
                return replace(found, value=[self._below(below, seen) for below in found.value])
            case str() if "${" in found.value:
                return self._text(found, seen)
        return found


def _as_text(reference: str, node: Node) -> str:
    match node.value:
        case str():
            return node.value
        case bool():
            return "true" if node.value else "false"
        case int():
            return str(node.value)
        case float():
            return _shortest(node.value)
        case None:
            raise Unresolved(f"${{{reference}}} has no value and cannot stand inside text")
    kind = "map" if isinstance(node.value, dict) else "sequence"
    raise Unresolved(f"${{{reference}}}: cannot interpolate non-primitive value of type {kind} into string")


def _shortest(value: float) -> str:
    """A float as the bundle tool writes it into text: shortest form, an exponent only from 1e21 on and below 1e-4."""
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    if exponent and not -5 < int(exponent) < 21:
        return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}"
    from dbutils_local.spec.base import plain_float

    return plain_float(value)


def unescaped(node: Node, *, keep_jobs: bool = False) -> Node:
    """`node` with every `$${` as the `${` it stands for; to be done once, after all references.

    With `keep_jobs` not those before `resources.jobs.`: such references are replaced later, when the jobs have ids.
    """
    if any(isinstance(below.value, str) and _ESCAPED in below.value for _, below in node.walk()):
        return _unescaped(node, _ESCAPED_NO_JOB if keep_jobs else _ESCAPED_ANY)
    return node


def _unescaped(node: Node, escaped: re.Pattern[str]) -> Node:
    match node.value:
        case dict():
            return replace(node, value={key: _unescaped(below, escaped) for key, below in node.value.items()})
        case list():
            return replace(node, value=[_unescaped(below, escaped) for below in node.value])
        case str():
            return replace(node, value=escaped.sub("${", node.value))
    return node


def malformed(root: Node) -> list[Problem]:
    """A warning for every `${...}` that cannot be a reference and is therefore left as text."""
    return [
        node.place.problem(f"{show(path)}: invalid variable reference {match[0]}: it stays as text", "warning")
        for path, node in root.walk()
        if isinstance(node.value, str) and "${" in node.value
        for match in _MALFORMED.finditer(node.value)
        if not REFERENCE.fullmatch(match[0])
    ]
