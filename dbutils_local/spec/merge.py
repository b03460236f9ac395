"""How two configuration trees become one: maps member by member, lists end to end, of scalars the later one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dbutils_local.errors import InvalidSpec
from dbutils_local.spec.tree import Node, show


def merge(base: Node, over: Node, path: tuple[str | int, ...] = ()) -> Node:
    """`base` with `over` laid on it; InvalidSpec where a map meets a list or a scalar."""
    match base.value, over.value:
        case (_, None):
            return base
        case (None, _):
            return over
        case dict(), dict():
            return replace(base, value=_members(base, over, path))
        case list(), list():
            return replace(base, value=[*base.items, *over.items])
        case (dict() | list(), _) | (_, dict() | list()) if not _is_reference(base) and not _is_reference(over):
            raise InvalidSpec([over.place.problem(f"{show(path)}: cannot lay {_kind(over)} over {_kind(base)}")])
    return replace(over, key=over.key or base.key)


def _members(base: Node, over: Node, path: tuple[str | int, ...]) -> dict[str, Node]:
    merged = dict(base.mapping)
    for key, node in over.mapping.items():
        merged[key] = merge(merged[key], node, (*path, key)) if key in merged else node
    return merged


def _is_reference(node: Node) -> bool:
    return isinstance(node.value, str) and node.value.startswith("${")


def _kind(node: Node) -> str:
    return (
        "a mapping" if isinstance(node.value, dict) else "a list" if isinstance(node.value, list) else "a single value"
    )


def merge_by_key(listed: Node, key: str, *, ordered: bool = False) -> Node:
    """A list whose elements of the same `key` are merged; `ordered` sorts by it; those without one are merged too."""
    found: dict[str, Node] = {}
    for node in listed.items:
        slot = _name(node, key)
        found[slot] = merge(found[slot], node, (key, slot)) if slot in found else node
    merged = list(found.values())
    return replace(listed, value=sorted(merged, key=lambda node: _name(node, key)) if ordered else merged)


def _name(node: Node, key: str) -> str:
    below = node.get(key)
    return str(below.value) if below is not None and isinstance(below.value, str | int) else ""


def at(root: Node, path: Sequence[str], node: Node | None) -> Node:
    """`root` with `node` at `path` (made on the way where missing), or without it when `node` is None."""
    first, *rest = path
    if rest:
        below = root.get(first)
        start = below if below is not None and isinstance(below.value, dict) else Node({}, root.place)
        return root.with_members(**{first: at(start, rest, node)})
    return root.without(first) if node is None else root.with_members(**{first: node})
