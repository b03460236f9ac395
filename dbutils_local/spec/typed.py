"""The values of a job in the types the bundle tool gives them: text where text belongs, numbers where numbers do."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Union, get_args, get_origin

from dbutils_local.errors import Problem
from dbutils_local.spec.base import Spec, text_of
from dbutils_local.spec.faults import did_you_mean, field_named, inner_model, names_of
from dbutils_local.spec.tree import Node, Steps, show

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


def without_unknown(node: Node, model: type[Spec], path: Steps = ()) -> tuple[Node, list[Problem]]:
    """`node` without the keys that `model` does not know and that are no slip of the pen, and a doubt for each.

    The bundle tool leaves such keys out with a warning; templates in wide use have them.
    """
    members: dict[str, Node] = {}
    doubts: list[Problem] = []
    known = names_of(model)
    for key, below in node.mapping.items():
        field = field_named(model, key)
        if field is None and not did_you_mean(key, known):
            where = show((*path, key))
            doubts.append(
                (below.key or below.place).problem(f"{where}: unknown key {key!r}: it has no effect", "warning")
            )
            continue
        inner = inner_model(field.annotation) if field is not None and key != _CLUSTER else None
        members[key], found = (below, []) if inner is None else _without_unknown_below(below, inner, (*path, key))
        doubts.extend(found)
    return replace(node, value=members), doubts


def _without_unknown_below(node: Node, model: type[Spec], path: Steps) -> tuple[Node, list[Problem]]:
    match node.value:
        case dict():
            return without_unknown(node, model, path)
        case list():
            pairs = [_without_unknown_below(below, model, (*path, index)) for index, below in enumerate(node.items)]
            return replace(node, value=[below for below, _ in pairs]), [doubt for _, found in pairs for doubt in found]
    return node, []


def typed(node: Node, model: type[Spec]) -> Node:
    """`node` with every scalar in the type its field has in `model`.

    Keys the model does not know and scalars without a value are left out, as the bundle tool does with a warning.
    """
    members = {}
    for key, below in node.mapping.items():
        field = field_named(model, key)
        if field is None:
            continue
        found = _cluster(below) if key == _CLUSTER else _of(below, field.annotation)
        if found is not None:
            members[key] = found
    return replace(node, value=members)


def _of(node: Node, annotation: Any) -> Node | None:
    kinds = _kinds(annotation)
    match node.value:
        case dict():
            return _mapping(node, kinds)
        case list():
            elements = next((get_args(kind)[0] for kind in kinds if get_origin(kind) is list), Any)
            found = [_of(below, elements) for below in node.items]
            return replace(node, value=[below for below in found if below is not None])
        case None:
            return None if kinds & {str, int, bool, float} else node
    return replace(node, value=_scalar(node.value, kinds))


def _mapping(node: Node, kinds: set[Any]) -> Node:
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Spec):
            return typed(node, kind)
        if get_origin(kind) is dict:
            found = {key: _of(below, get_args(kind)[1]) for key, below in node.mapping.items()}
            return replace(node, value={key: below for key, below in found.items() if below is not None})
    return node


def _kinds(annotation: Any) -> set[Any]:
    """The plain types of an annotation such as `Annotated[str, …] | None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        return set().union(*(_kinds(part) for part in get_args(annotation)))
    if hasattr(annotation, "__metadata__"):
        return _kinds(get_args(annotation)[0])
    return {annotation}


def _scalar(value: Any, kinds: set[Any]) -> Any:
    if bool in kinds:
        return _switch(value)
    if int in kinds:
        return _number(value, int)
    return text_of(value) if str in kinds else value


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
