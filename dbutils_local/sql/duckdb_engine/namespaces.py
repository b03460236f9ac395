"""The current schema, catalogs as files, volumes as folders."""

from __future__ import annotations

import re
import shutil

from dbutils_local.errors import UserError
from dbutils_local.sql import names, steps
from dbutils_local.sql.duckdb_engine.session import Session
from dbutils_local.sql.result import StatementResult


def use_namespace(session: Session, step: steps.UseNamespace, text: str) -> StatementResult:
    """USE: a catalog or schema that is there becomes the current one."""
    catalog = names.canonical(step.catalog) if step.catalog is not None else session.catalog
    schema = step.schema if step.schema is not None else names.DEFAULT_SCHEMA
    if catalog not in session.catalogs():
        raise UserError(
            f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{step.catalog}' was not found. Known here: "
            f"{', '.join(session.catalogs())}; "
            f"make it once with CREATE CATALOG {step.catalog}, or name it in the setting catalogs "
            "(DBUTILS_LOCAL_CATALOGS)"
        )
    found = session.connection.execute(
        "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND lower(schema_name) = ?",
        [names.inside(catalog), schema.lower()],
    ).fetchone()
    if found is None:
        raise UserError(
            f"[SCHEMA_NOT_FOUND] The schema `{catalog}`.`{schema}` cannot be found. Verify the "
            "spelling and correctness of the schema and catalog."
        )
    session.use(catalog, found[0])
    return StatementResult(text)


def create_catalog(session: Session, step: steps.CreateCatalog, text: str) -> StatementResult:
    """CREATE CATALOG: a file."""
    name = names.canonical(step.name)
    if not re.fullmatch(r"[\w-]+", name):
        raise UserError(f"a catalog's name is made of letters, digits, _ and -; found {step.name!r}")
    if name in session.catalogs():
        if step.if_not_exists:
            return StatementResult(text)
        raise UserError(f"[CATALOG_ALREADY_EXISTS] Catalog '{step.name}' already exists")
    session.attach(name)
    return StatementResult(text)


def drop_catalog(session: Session, step: steps.DropCatalog, text: str) -> StatementResult:
    """DROP CATALOG: its file goes."""
    name = names.canonical(step.name)
    if name not in session.catalogs() or name == names.DEFAULT_CATALOG:
        if step.if_exists and name != names.DEFAULT_CATALOG:
            return StatementResult(text)
        raise UserError(f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{step.name}' was not found or is the default one")
    tables = session.connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE database_name = ? LIMIT 1", [names.inside(name)]
    ).fetchone()
    if tables is not None and not step.cascade:
        raise UserError(f"[UC_CATALOG_NOT_EMPTY] Catalog '{step.name}' is not empty. Use DROP CATALOG ... CASCADE")
    if session.catalog == name:
        session.use(names.DEFAULT_CATALOG, names.DEFAULT_SCHEMA)
    session.connection.execute(f"DETACH {names.ident(names.inside(name))}")
    session.file_of(name).unlink()
    return StatementResult(text)


def make_folder(session: Session, step: steps.MakeFolder, text: str) -> StatementResult:
    """CREATE and DROP VOLUME: a folder comes or goes."""
    folder = session.local_path(step.path)
    if step.drop:
        if not folder.is_dir() and not step.lenient:
            raise UserError(f"[VOLUME_DOES_NOT_EXIST] Volume '{step.path}' does not exist")
        shutil.rmtree(folder, ignore_errors=True)
        return StatementResult(text)
    if folder.is_dir() and not step.lenient:
        raise UserError(f"[VOLUME_ALREADY_EXISTS] Volume '{step.path}' already exists")
    folder.mkdir(parents=True, exist_ok=True)
    return StatementResult(text, notice=step.notice)
