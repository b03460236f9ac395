"""What a table is: DESCRIBE and SHOW CREATE."""

from __future__ import annotations

import re

from dbutils_local.errors import UserError
from dbutils_local.sql import steps
from dbutils_local.sql.duckdb_engine.answers import listed
from dbutils_local.sql.duckdb_engine.session import Session
from dbutils_local.sql.duckdb_engine.shapes import columns_of_query
from dbutils_local.sql.duckdb_engine.types import word
from dbutils_local.sql.result import StatementResult


def describe(session: Session, step: steps.Describe, text: str) -> StatementResult:
    """DESCRIBE TABLE, of the whole table or of one column."""
    relation = session.connection.sql(f"SELECT * FROM {step.table}")
    comments, comment = _comments(session, step.table)
    rows = [(name, word(kind), comments.get(name)) for name, kind in zip(relation.columns, relation.types, strict=True)]
    if step.column is not None:
        found = next((row for row in rows if row[0].lower() == step.column.lower()), None)
        if found is None:
            raise UserError(f"[COLUMN_NOT_FOUND] The column `{step.column}` cannot be found in {step.shown}.")
        return listed(
            session,
            text,
            ("info_name", "info_value"),
            [("col_name", found[0]), ("data_type", found[1]), ("comment", found[2] or "NULL")],
        )
    if step.extended:
        rows += _detailed(session, step.shown, comment)
    return listed(session, text, ("col_name", "data_type", "comment"), rows)


def _detailed(session: Session, shown: str, comment: str | None) -> list[tuple[str, str, str | None]]:
    catalog, schema, table = shown.split(".")[-3:]
    details = {
        "Catalog": catalog,
        "Database": schema,
        "Table": table,
        "Owner": session.user,
        "Comment": comment or "",
        "Type": "MANAGED",
        "Provider": "duckdb",
        "Location": str(session.file_of(catalog)),
    }
    return [
        ("", "", ""),
        ("# Detailed Table Information", "", ""),
        *((name, value, "") for name, value in details.items()),
    ]


def describe_query(session: Session, step: steps.DescribeQuery, text: str) -> StatementResult:
    """DESCRIBE QUERY."""
    rows = [(name, word(kind), None) for name, kind in columns_of_query(session, step.sql)]
    return listed(session, text, ("col_name", "data_type", "comment"), rows)


def describe_detail(session: Session, step: steps.DescribeDetail, text: str) -> StatementResult:
    """DESCRIBE DETAIL, as far as a DuckDB table has such details."""
    session.connection.sql(f"SELECT * FROM {step.table} LIMIT 0")
    _, comment = _comments(session, step.table)
    location = session.file_of(step.shown.split(".")[0])
    columns = ("format", "name", "description", "location", "partitionColumns", "numFiles")
    notice = "DESCRIBE DETAIL: the table is a DuckDB table; sizes, times and properties of Delta are not kept"
    return listed(session, text, columns, [("duckdb", step.shown, comment, str(location), [], 1)], notice)


def show_create(session: Session, step: steps.ShowCreate, text: str) -> StatementResult:
    """SHOW CREATE TABLE: columns and types."""
    relation = session.connection.sql(f"SELECT * FROM {step.table}")
    lines = [f"  {name} {word(kind).upper()}" for name, kind in zip(relation.columns, relation.types, strict=True)]
    body = ",\n".join(lines)
    notice = "SHOW CREATE TABLE: columns and types only; constraints, defaults and view queries are not shown"
    return listed(
        session, text, ("createtab_stmt",), [(f"CREATE TABLE {step.shown} (\n{body})\nUSING delta\n",)], notice
    )


def _comments(session: Session, table: str) -> tuple[dict[str, str | None], str | None]:
    parts = [part.strip('"').replace('""', '"') for part in re.findall(r'"(?:[^"]|"")*"|[^.]+', table)]
    where = "database_name = ? AND schema_name = ? AND table_name = ?"
    columns = session.connection.execute(
        f"SELECT column_name, comment FROM duckdb_columns() WHERE {where}", parts
    ).fetchall()
    comment = session.connection.execute(f"SELECT comment FROM duckdb_tables() WHERE {where}", parts).fetchone()
    return dict(columns), comment[0] if comment is not None else None
