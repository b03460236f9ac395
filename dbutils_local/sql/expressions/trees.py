"""DuckDB's side of a tree: calls, text read as a tree, and what DuckDB can tell of an argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlglot
from sqlglot import exp

from dbutils_local.sql.scope import Scope

Rewrite = Callable[[Any, Scope], Any]


def call(name: str, *arguments: Any) -> Any:
    """A call of a DuckDB function or macro."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def duck(text: str, **parts: Any) -> Any:
    """DuckDB text as a tree; a `:name` in it is the tree passed under that name."""
    tree = sqlglot.parse_one(text, read="duckdb")
    for mark in list(tree.find_all(exp.Placeholder)):
        mark.replace(parts[mark.name].copy())
    return tree


def kept_type(new: Any, old: Any) -> Any:
    """The new node with the type of the one it stands for."""
    new.type = old.type
    return new


def as_known(new: Any, old: Any) -> Any:
    """The new node cast to the type the old one is known to have."""
    return kept_type(exp.cast(new, old.type.copy()), old)


def plain(node: Any) -> bool:
    """Whether DuckDB can tell the type of an argument when it chooses between overloads."""
    return (
        node.find(exp.AggFunc, exp.Window, exp.Subquery, exp.Select) is None and node.find_ancestor(exp.Lambda) is None
    )


def raising(error: Exception) -> Any:
    """Raise `error` where an expression is wanted."""
    raise error
