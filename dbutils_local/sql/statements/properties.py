"""What stands behind the columns of a CREATE: flags, options, properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlglot import exp


def property_of(tree: Any, kind: type) -> Any | None:
    """The first property of a kind, None when there is none."""
    properties = tree.args.get("properties")
    return next((item for item in (properties.expressions if properties else []) if isinstance(item, kind)), None)


@dataclass(frozen=True)
class Flags:
    """OR REPLACE and IF NOT EXISTS of one CREATE."""

    or_replace: bool
    if_not_exists: bool

    def head(self, kind: str, name: str) -> str:
        """`CREATE ... name`."""
        return (
            f"CREATE {'OR REPLACE ' if self.or_replace else ''}{kind} "
            f"{'IF NOT EXISTS ' if self.if_not_exists else ''}{name}"
        )


def flags_of(tree: Any) -> Flags:
    """The flags of a parsed CREATE."""
    return Flags(bool(tree.args.get("replace")), bool(tree.args.get("exists")))


def options_of(tree: Any) -> dict[str, str]:
    """OPTIONS (key value, ...), keys in lower case."""
    found = property_of(tree, exp.OptionsProperty)
    pairs = found.expressions if found is not None else []
    return {_text(item.this).lower(): _text(item.args["value"]) for item in pairs}


def _text(node: Any) -> str:
    return str(node.this).lower() if isinstance(node, exp.Boolean) else str(node.name)


def column_defs(schema: Any) -> list[Any]:
    """The column definitions between the brackets, without constraints."""
    return [item for item in schema.expressions if isinstance(item, exp.ColumnDef)]
