"""Session variables where an expression names one: columns of the name come first."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.trees import duck
from dbutils_local.sql.names import place
from dbutils_local.sql.scope import Scope


def variable(node: Any, scope: Scope) -> Any:
    """A session variable, unless a column of that name is in reach: columns come first."""
    if not scope.variables:
        return node
    qualifier = [part.name.lower() for part in node.parts[:-1]]
    variable = scope.variables.get(node.name.lower())
    if variable is None or qualifier not in ([], ["session"], ["system", "session"]):
        return node
    if not qualifier and _is_column(node, scope):
        return node
    value = duck(f"(CAST({variable.literal} AS {variable.kind}))")
    return exp.alias_(value, node.name, quoted=True) if isinstance(node.parent, exp.Select) else value


def _is_column(node: Any, scope: Scope) -> bool:
    """Whether a table the statement reads, or a query inside it, has a column of the variable's name."""
    name, root = node.name.lower(), node.root()
    made = {item.alias.lower() for item in root.find_all(exp.Alias)}
    made |= {column.name.lower() for alias in root.find_all(exp.TableAlias) for column in alias.columns}
    return name in made or any(
        column.name.lower() == name
        for table in root.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier)
        for column in scope.columns_of(place([part.name for part in table.parts], scope))
    )
