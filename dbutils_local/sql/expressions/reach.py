"""Writes onto every expression of a statement the type it has on Databricks, as far as its text and its tables tell.

DuckDB divides decimals as floating point numbers, gives no error for an index beyond an array, and knows overloads only
for the types it has itself: to answer as Databricks does, the translation has to know the types before DuckDB does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dbutils_local.sql.expressions.rules import common, inner_type, type_of
from dbutils_local.sql.names import place
from dbutils_local.sql.scope import Scope


def typed(tree: Any, scope: Scope) -> None:
    """Write the type of every expression that is known onto its node (`node.type`)."""
    Reach(scope).complete(tree)


class Reach:
    """The types of one statement on their way: each node is looked at once, each table asked for once."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._tables: dict[str, dict[str, Any]] = {}
        self._seen: set[int] = set()

    def complete(self, tree: Any) -> None:
        """Give every node below `tree` its type, operands first."""
        for node in reversed(list(tree.walk())):
            if id(node) not in self._seen:
                self._seen.add(id(node))
                if node.type is None and isinstance(node, exp.Condition | exp.Subquery | exp.Alias | exp.Window):
                    node.type = type_of(node, self.column)

    def column(self, column: Any) -> Any:
        """The type of a column: of the nearest query around it that reads a table or query with such a column."""
        name, qualifier = column.name.lower(), column.table.lower()
        node = column.parent
        while node is not None:
            for source in _read_by(node):
                if qualifier and source.alias_or_name.lower() != qualifier:
                    continue
                columns = self._columns(source)
                if columns is None:
                    return None  # it may be one of a source nobody knows
                if name in columns:
                    return columns[name]
            if isinstance(node, exp.Select) and not qualifier and (made := _made_before(node, name)) is not None:
                self.complete(made)
                return made.type
            node = node.parent
        return None

    def _columns(self, source: Any) -> dict[str, Any] | None:
        """Column types by lower-case name; None when the columns are not known."""
        if isinstance(source, exp.Subquery):
            return self._projected(source.this, source.args.get("alias"))
        if isinstance(source, exp.Values) and source.args.get("alias") is not None:
            return self._listed(source)
        if isinstance(source, exp.Lateral) and source.args.get("alias") is not None:
            return self._generated(source)
        if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
            return None
        cte = _cte(source)
        if cte is not None:
            return self._projected(cte.this, cte.args.get("alias"))
        parts = [part.name for part in source.parts]
        if len(parts) > 3:
            return None
        return self._table(place(parts, self._scope)) or None

    def _listed(self, values: Any) -> dict[str, Any]:
        """The columns of VALUES: what all rows have in common in each place."""
        names = [column.name.lower() for column in values.args["alias"].columns]
        self.complete(values)
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in values.expressions]
        places = list(zip(*rows, strict=False))
        return {name: common(list(place)) for name, place in zip(names, places, strict=False)}

    def _generated(self, lateral: Any) -> dict[str, Any]:
        """The columns of LATERAL VIEW explode(...): an item, or key and value; of other generators only the names."""
        names = [column.name.lower() for column in lateral.args["alias"].columns]
        self.complete(lateral.this)
        items = lateral.this.this.type if isinstance(lateral.this, exp.Explode | exp.Posexplode) else None
        inner = [inner_type(part) for part in items.expressions] if items is not None else []
        kinds = [exp.DataType.build("INT"), *inner] if isinstance(lateral.this, exp.Posexplode) else inner
        return dict(zip(names, kinds, strict=True)) if len(kinds) == len(names) else dict.fromkeys(names)

    def _table(self, name: str) -> dict[str, Any]:
        if name not in self._tables:
            self._tables[name] = {
                column.name.lower(): _duckdb_type(column.kind) for column in self._scope.columns_of(name)
            }
        return self._tables[name]

    def _projected(self, query: Any, alias: Any) -> dict[str, Any] | None:
        if isinstance(query, exp.SetOperation):
            return self._united(query, alias)
        if isinstance(query, exp.Subquery):
            return self._projected(query.this, alias)
        if not isinstance(query, exp.Select):
            return None
        found: list[tuple[str, Any]] = []
        for item in query.selects:
            if item.is_star:
                starred = self._starred(item, query)
                if starred is None:
                    return None
                found += starred
            else:
                self.complete(item)
                found.append((item.alias_or_name.lower(), item.type))
        return _renamed(found, alias)

    def _starred(self, item: Any, query: Any) -> list[tuple[str, Any]] | None:
        """The columns behind `*` or `t.*`."""
        if isinstance(item, exp.Star) and item.args.get("except_") is None and item.args.get("replace") is None:
            wanted = None
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            wanted = item.table.lower()
        else:
            return None
        found: list[tuple[str, Any]] = []
        for source in _read_by(query):
            if wanted is not None and source.alias_or_name.lower() != wanted:
                continue
            columns = self._columns(source)
            if columns is None:
                return None
            found += columns.items()
        return found

    def _united(self, query: Any, alias: Any) -> dict[str, Any] | None:
        """A column of a union has a known type where both sides agree on it."""
        left, right = self._projected(query.left, None), self._projected(query.right, None)
        if left is None or right is None or len(left) != len(right):
            return None
        both = [
            (name, kind if kind is not None and kind == other else None)
            for (name, kind), other in zip(left.items(), right.values(), strict=True)
        ]
        return _renamed(both, alias)


def _renamed(columns: list[tuple[str, Any]], alias: Any) -> dict[str, Any]:
    names = [column.name.lower() for column in alias.columns] if isinstance(alias, exp.TableAlias) else []
    if len(names) == len(columns):
        return {name: kind for name, (_, kind) in zip(names, columns, strict=True)}
    return dict(columns)


def _duckdb_type(text: str) -> Any:
    try:
        return exp.DataType.build(text, dialect="duckdb")
    except SqlglotError:
        return None


def _read_by(node: Any) -> Iterator[Any]:
    """The tables and subqueries a statement reads, those a column may come from."""
    if isinstance(node, exp.Select):
        origin = node.args.get("from_")
        if origin is not None:
            yield from _with_joins(origin.this)
        for join in node.args.get("joins") or []:
            yield from _with_joins(join.this)
        yield from node.args.get("laterals") or []
    elif isinstance(node, exp.Merge):
        yield node.this
        yield node.args["using"]
    elif isinstance(node, exp.Update | exp.Delete) and node.this is not None:
        yield node.this


def _with_joins(source: Any) -> Iterator[Any]:
    yield source
    for join in source.args.get("joins") or []:
        yield from _with_joins(join.this)
    yield from source.args.get("laterals") or []


def _made_before(select: Any, name: str) -> Any | None:
    """An output column a later one names: a lateral column alias."""
    return next((item for item in select.selects if isinstance(item, exp.Alias) and item.alias.lower() == name), None)


def _cte(table: Any) -> Any | None:
    """The common table expression a table's name means, None when it is a real table."""
    if len(table.parts) > 1:
        return None
    name, node = table.name.lower(), table.parent
    while node is not None:
        for cte in getattr(node, "ctes", []) or []:
            if cte.alias.lower() == name:
                return cte
        node = node.parent
    return None
