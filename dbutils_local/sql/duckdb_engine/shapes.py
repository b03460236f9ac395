"""The columns a query would give, and the query with those cast whose types Databricks does not have."""

from __future__ import annotations

from typing import Any

from dbutils_local.sql import names
from dbutils_local.sql.duckdb_engine.session import Session
from dbutils_local.sql.duckdb_engine.types import needs_cast


def columns_of_query(session: Session, sql: str) -> list[tuple[str, Any]]:
    """Pairs of column name and DuckDB type (duckdb.DuckDBPyType) of a DuckDB query."""
    relation = session.connection.sql(sql)
    return list(zip(relation.columns, relation.types, strict=True))


def databricks_typed(session: Session, sql: str) -> str:
    """The query with columns of types Databricks does not have cast to those it has."""
    columns = columns_of_query(session, sql)
    casts = {index: needs_cast(kind) for index, (_, kind) in enumerate(columns)}
    unique = len({name.lower() for name, _ in columns}) == len(columns)
    if not any(casts.values()):
        return sql
    inner = [names.ident(name) if unique else names.ident(f"c{index}") for index, (name, _) in enumerate(columns)]
    outer = [
        f"CAST({column} AS {kind}) AS {names.ident(name)}"
        if (kind := casts[index])
        else f"{column} AS {names.ident(name)}"
        for index, (column, (name, _)) in enumerate(zip(inner, columns, strict=True))
    ]
    return f"SELECT {', '.join(outer)} FROM ({sql}) AS dbutils_local_shaped({', '.join(inner)})"
