"""The columns of a table in DuckDB's words: types, defaults, generated columns, identity numbers."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.expressions.casts import cast_text
from dbutils_local.sql.expressions.text import render
from dbutils_local.sql.names import IDENTITY_PREFIX, ident
from dbutils_local.sql.scan import code, quote
from dbutils_local.sql.scope import Scope
from dbutils_local.sql.statements.adapted import adapted


def column_line(item: Any, table: str, types: dict[str, str], scope: Scope) -> tuple[str, list[str], str | None, bool]:
    """One column line, the sequences it needs, its comment, and whether a key was left out."""
    kind = types[item.name.lower()]
    line, sequences, comment, keyed = [ident(item.name), kind], [], None, False
    for constraint in item.constraints:
        match constraint.kind:
            case exp.NotNullColumnConstraint() as null:
                line.append("NULL" if null.args.get("allow_null") else "NOT NULL")
            case exp.CommentColumnConstraint() as text:
                comment = text.this.name
            case exp.DefaultColumnConstraint() as default:
                line.append(f"DEFAULT {render(adapted(default.this.copy(), scope))}")
            case exp.GeneratedAsIdentityColumnConstraint() as identity:
                sequence = _sequence_name(table, item.name)
                sequences.append(_sequence(sequence, identity))
                line.append(f"DEFAULT nextval({quote(sequence)})")
            case exp.ComputedColumnConstraint() as computed:
                line.append(f"AS ({_computed(computed.this, types, kind, scope)})")
            case exp.PrimaryKeyColumnConstraint() | exp.Reference() | exp.ForeignKey():
                keyed = True
            case other:
                raise NotSupportedHere(
                    f"column {item.name}: {other.sql('databricks')} is not done by the embedded SQL engine"
                )
    return " ".join(line), sequences, comment, keyed


def _computed(expression: Any, types: dict[str, str], kind: str, scope: Scope) -> str:
    """A generated column's expression, its columns cast to their types so that DuckDB can choose overloads."""
    tree = expression.copy()
    for column in list(tree.find_all(exp.Column)):
        if column.name.lower() in types and column is not tree:
            column.replace(exp.cast(column.copy(), exp.DataType.build(types[column.name.lower()], dialect="duckdb")))
    return cast_text(render(adapted(tree, scope)), kind)


def _sequence_name(table: str, column: str) -> str:
    catalog, schema, name = _unquoted(table)
    return f"{ident(catalog)}.{ident(schema)}.{ident(IDENTITY_PREFIX + name + '_' + column)}"


def _unquoted(table: str) -> list[str]:
    return [token.text.replace('""', '"').strip('"') for token in code(table) if token.text != "."]


def _sequence(name: str, identity: Any) -> str:
    start, step = identity.args.get("start"), identity.args.get("increment")
    first = start.sql("duckdb") if start is not None else "1"
    by = step.sql("duckdb") if step is not None else "1"
    bounds = "" if not by.startswith("-") else " MINVALUE -9223372036854775808 MAXVALUE 9223372036854775807"
    return f"CREATE SEQUENCE IF NOT EXISTS {name} INCREMENT BY {by}{bounds} START WITH {first}"


def dropped_sequences(table: str, scope: Scope) -> list[str]:
    """The sequences behind a table's identity columns, to go with it."""
    found = []
    for column in scope.columns_of(table):
        if column.default is not None and IDENTITY_PREFIX in column.default:
            found.append(f"DROP SEQUENCE IF EXISTS {_sequence_name(table, column.name)}")
    return found
