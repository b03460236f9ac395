"""Queries and expressions inside a statement as DuckDB text: expressions rewritten, tables in their places."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.rewrite import rewritten
from dbutils_local.sql.expressions.text import parse, render
from dbutils_local.sql.scope import Scope
from dbutils_local.sql.sources.tables import placed


def adapted(tree: Any, scope: Scope) -> Any:
    """A tree with tables in their places and expressions in DuckDB's terms."""
    return placed(rewritten(tree, scope), scope)


def query_text(tree: Any, scope: Scope) -> str:
    """A Databricks query tree as DuckDB text."""
    if isinstance(tree, exp.Values):
        tree = exp.Select(expressions=[exp.Star()]).from_(tree)
    if isinstance(tree, exp.Table):
        tree = exp.Select(expressions=[exp.Star()]).from_(tree)
    return render(adapted(tree, scope))


def expression_text(text: str, scope: Scope) -> str:
    """One Databricks expression as DuckDB text."""
    select = adapted(parse(f"SELECT {text} AS dbutils_local_value"), scope)
    item = select.selects[0]
    return render(item.this if isinstance(item, exp.Alias) else item)
