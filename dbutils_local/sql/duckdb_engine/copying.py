"""COPY INTO, remembering in the catalog's file which files went into which table."""

from __future__ import annotations

from typing import Any

from dbutils_local.errors import UserError
from dbutils_local.sql import names, steps
from dbutils_local.sql.duckdb_engine.answers import listed
from dbutils_local.sql.duckdb_engine.changing import in_transaction
from dbutils_local.sql.duckdb_engine.session import Session
from dbutils_local.sql.duckdb_engine.shapes import columns_of_query
from dbutils_local.sql.result import StatementResult
from dbutils_local.sql.scan import quote
from dbutils_local.sql.sources.files import data_files, reader


def copy_into(session: Session, step: steps.CopyInto, text: str) -> StatementResult:
    """COPY INTO, remembering in the catalog's file which files went into which table."""
    memory = names.qualified(step.catalog, names.HIDDEN_SCHEMA, "copied_files")
    session.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {names.qualified(step.catalog, names.HIDDEN_SCHEMA)}")
    session.connection.execute(
        f"CREATE TABLE IF NOT EXISTS {memory} (target VARCHAR, path VARCHAR, modified BIGINT, size BIGINT)"
    )
    known = session.connection.execute(
        f"SELECT path, modified, size FROM {memory} WHERE target = ?", [step.table]
    ).fetchall()
    chosen = [item for item in _copied(session, step) if step.force or item not in set(known)]
    if not chosen:
        return listed(session, text, *_copy_answer(0), notice="COPY INTO: no new files", cast="BIGINT")
    source = reader(step.format, [path for path, _, _ in chosen], step.options)
    query = step.select.replace(_source_name(session, step), f"({source})") if step.select is not None else source
    additions = _missing_columns(session, step, query)
    insert = f"INSERT INTO {step.table} BY NAME {query}"
    remember = [
        f"INSERT INTO {memory} VALUES ({quote(step.table)}, {quote(path)}, {modified}, {size})"
        for path, modified, size in chosen
    ]
    before = session.connection.execute(f"SELECT count(*) FROM {step.table}").fetchone()[0]
    in_transaction(session, [*additions, insert, *remember])
    after = session.connection.execute(f"SELECT count(*) FROM {step.table}").fetchone()[0]
    return listed(session, text, *_copy_answer(after - before), cast="BIGINT")


def _source_name(session: Session, step: steps.CopyInto) -> str:
    return (
        names.qualified(session.catalog, session.schema, steps.SOURCE)
        if step.select and "." + names.ident(steps.SOURCE) in step.select
        else names.ident(steps.SOURCE)
    )


def _copied(session: Session, step: steps.CopyInto) -> list[tuple[str, int, int]]:
    root = session.local_path(step.path)
    files = [root / name for name in step.files] if step.files else list(data_files(root))
    if step.pattern is not None:
        files = [file for file in files if file.match(step.pattern) or file.relative_to(root).match(step.pattern)]
    missing = [file for file in files if not file.is_file()]
    if missing or (not files and not root.exists()):
        raise UserError(f"[PATH_NOT_FOUND] Path does not exist: {step.path} (here: {missing[0] if missing else root})")
    return [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files]


def _missing_columns(session: Session, step: steps.CopyInto, query: str) -> list[str]:
    have = {column.name.lower() for column in session.columns_of(step.table)}
    new = [(name, kind) for name, kind in columns_of_query(session, query) if name.lower() not in have]
    if new and not step.merge_schema:
        listed = ", ".join(name for name, _ in new)
        raise UserError(
            f"[COPY_INTO_SCHEMA_MISMATCH] the files have columns the table has not: {listed}. Add "
            "COPY_OPTIONS ('mergeSchema' = 'true') to add them"
        )
    added = [f"ALTER TABLE {step.table} ADD COLUMN {names.ident(name)} {kind}" for name, kind in new]
    empty = have == {names.NO_COLUMNS} and added
    return [*added, f"ALTER TABLE {step.table} DROP COLUMN {names.NO_COLUMNS}"] if empty else added


def _copy_answer(number: int) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    return ("num_affected_rows", "num_inserted_rows", "num_skipped_corrupt_files"), [(number, number, 0)]
