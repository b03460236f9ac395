"""A job as the bundle tool reads it: every value in the type of its field, what cannot be read left out."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin

from dbutils_local.errors import Problem
from dbutils_local.spec.base import Spec, text_of
from dbutils_local.spec.faults import did_you_mean, names_of
from dbutils_local.spec.tree import Node, Steps, show

Kinds = frozenset[Any]
"""The plain types one field may hold."""

_CLUSTER = "new_cluster"
# A cluster has no model here: what is not among these names is text.
_WHOLE_OF_A_CLUSTER = (
    *("autotermination_minutes", "boot_disk_size", "ebs_volume_count", "ebs_volume_iops", "ebs_volume_size"),
    *("ebs_volume_throughput", "first_on_demand", "local_ssd_count", "max_workers", "min_workers", "num_workers"),
    *("remote_disk_throughput", "spot_bid_price_percent", "total_initial_remote_disk_size"),
)
_FLOATS_OF_A_CLUSTER = ("spot_bid_max_price",)
_SWITCHES_OF_A_CLUSTER = (
    *("apply_policy_default_values", "enable_elastic_disk", "enable_encryption", "enable_local_disk_encryption"),
    *("is_single_node", "jobs", "notebooks", "use_ml_runtime", "use_preemptible_executors"),
)
_TRUE = frozenset(("true", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"))
_FALSE = frozenset(("false", "n", "N", "no", "No", "NO", "off", "Off", "OFF"))


def as_read(node: Node, model: type[Spec], path: Steps = ()) -> tuple[Node, list[Problem]]:
    """`node` as the bundle tool reads it for `model`, with a doubt for everything that it leaves out.

    Scalars get the type of their field. Keys that the model does not know and values that cannot be what their field
    holds have no effect; but a key that looks like a slip of the pen is kept, so that it is told as a fault.
    """
    reading = _Reading(keeps_slips=True)
    return reading.model(node, model, path), reading.doubts


def typed(node: Node, model: type[Spec]) -> Node:
    """`node` as the bundle tool reads it, slips left out as well."""
    return _Reading(keeps_slips=False).model(node, model, ())


@dataclass
class _Reading:
    keeps_slips: bool
    doubts: list[Problem] = field(default_factory=list)

    def model(self, node: Node, model: type[Spec], path: Steps) -> Node:
        members = {}
        for key, below in node.mapping.items():
            kinds = _fields(model).get(key)
            if kinds is None:
                found = self._unknown(below, key, model, path)
            else:
                found = _cluster(below) if key == _CLUSTER else self.value(below, kinds, (*path, key))
            if found is not None:
                members[key] = found
        return replace(node, value=members)

    def _unknown(self, node: Node, key: str, model: type[Spec], path: Steps) -> Node | None:
        if did_you_mean(key, names_of(model)):
            return node if self.keeps_slips else None
        where = show((*path, key))
        doubt = (node.key or node.place).problem(f"{where}: unknown key {key!r}: it has no effect", "warning")
        self.doubts.append(doubt)
        return None

    def value(self, node: Node, kinds: Kinds, path: Steps) -> Node | None:
        """The value as one of the kinds its field holds; None where it has no effect."""
        match node.value:
            case dict():
                return self._mapping(node, kinds, path)
            case list():
                return self._list(node, kinds, path)
            case None:
                return None if kinds & {str, int, bool, float} else node
        found = _scalar(node.value, kinds)
        if found is None:
            return self._misfit(node, kinds, path)
        return node if found is node.value else replace(node, value=found)

    def _mapping(self, node: Node, kinds: Kinds, path: Steps) -> Node | None:
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, Spec):
                return self.model(node, kind, path)
            if _origin(kind) is dict:
                inner = _kinds(get_args(kind)[1])
                found = {key: self.value(below, inner, (*path, key)) for key, below in node.mapping.items()}
                return replace(node, value={key: below for key, below in found.items() if below is not None})
        return node if Any in kinds else self._misfit(node, kinds, path)

    def _list(self, node: Node, kinds: Kinds, path: Steps) -> Node | None:
        elements = next((get_args(kind)[0] for kind in kinds if _origin(kind) is list), None)
        if elements is None:
            return node if Any in kinds else self._misfit(node, kinds, path)
        inner = _kinds(elements)
        found = [self.value(below, inner, (*path, index)) for index, below in enumerate(node.items)]
        return replace(node, value=[below for below in found if below is not None])

    def _misfit(self, node: Node, kinds: Kinds, path: Steps) -> Node | None:
        text = f"{show(path)}: must be {_words(kinds)}, found {_found(node.value)}: it has no effect"
        self.doubts.append(node.place.problem(text, "warning"))
        return None


@cache
def _fields(model: type[Spec]) -> dict[str, Kinds]:
    """What the fields of a model hold, by the names they are written as."""
    found = {name: _kinds(field.annotation) for name, field in model.model_fields.items()}
    return {**found, **{field.alias: found[name] for name, field in model.model_fields.items() if field.alias}}


def _kinds(annotation: Any) -> Kinds:
    """The plain types of an annotation such as `Annotated[str, …] | None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        return frozenset().union(*(_kinds(part) for part in get_args(annotation)))
    if hasattr(annotation, "__metadata__"):
        return _kinds(get_args(annotation)[0])
    return frozenset([annotation])


def _scalar(value: Any, kinds: Kinds) -> Any:
    """The value as one of the kinds; None if it can be none of them."""
    if isinstance(value, str) and value.startswith("${"):
        return value  # what has no value yet, or was told to have none
    found = None
    if bool in kinds:
        found = _switch(value) if isinstance(_switch(value), bool) else None
    elif int in kinds:
        number = _number(value, int)
        found = number if isinstance(number, int) and not isinstance(number, bool) else None
    if found is None and (str in kinds or Any in kinds or any(_is_enum(kind) for kind in kinds)):
        return text_of(value) if Any not in kinds else value
    return found


def _origin(kind: object) -> object:
    return get_origin(kind)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _words(kinds: Kinds) -> str:
    if int in kinds:
        return "a whole number"
    if bool in kinds:
        return "true or false"
    if any(_origin(kind) is list for kind in kinds):
        return "a list"
    return "text" if str in kinds or any(_is_enum(kind) for kind in kinds) else "a mapping"


def _found(value: Any) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)


def _switch(value: Any) -> Any:
    return value in _TRUE if isinstance(value, str) and value in _TRUE | _FALSE else value


def _number(value: Any, kind: Callable[[Any], float]) -> Any:
    """`value` as a number if it is one; a reference stays as it is."""
    try:
        number = kind(value)
    except (TypeError, ValueError):
        return value
    return value if isinstance(value, bool) or (isinstance(value, float) and number != value) else number


def _cluster(node: Node, name: str = "") -> Node | None:
    match node.value:
        case dict():
            found = {key: _cluster(below, key) for key, below in node.mapping.items()}
            return replace(node, value={key: below for key, below in found.items() if below is not None})
        case list():
            elements = [_cluster(below, name) for below in node.items]
            return replace(node, value=[below for below in elements if below is not None])
        case None:
            return None
    if name in _WHOLE_OF_A_CLUSTER:
        return replace(node, value=_number(node.value, int))
    if name in _FLOATS_OF_A_CLUSTER:
        return replace(node, value=_number(node.value, float))
    return replace(node, value=_switch(node.value) if name in _SWITCHES_OF_A_CLUSTER else text_of(node.value))
