"""Catalogs, schemas and volumes: made, dropped, changed, chosen."""

from __future__ import annotations

from dbutils_local.errors import UserError
from dbutils_local.sql.names import qualified
from dbutils_local.sql.scan import Kind, unquote
from dbutils_local.sql.statements.request import Cursor, Request, if_exists
from dbutils_local.sql.steps import Change, CreateCatalog, DropCatalog, MakeFolder, Nothing, Step, UseNamespace


def create_catalog(request: Request) -> Step:
    """CREATE CATALOG [IF NOT EXISTS] c."""
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    return CreateCatalog(cursor.name()[-1], lenient)


def drop_catalog(request: Request) -> Step:
    """DROP CATALOG [IF EXISTS] c [CASCADE]."""
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    return DropCatalog(cursor.name()[-1], lenient, cursor.take("CASCADE"))


def _schema_parts(cursor: Cursor) -> tuple[str, str]:
    parts, scope = cursor.name(), cursor.request.scope
    return (parts[0], parts[1]) if len(parts) == 2 else (scope.catalog, parts[0])


def create_schema(request: Request) -> Step:
    """CREATE SCHEMA [IF NOT EXISTS] s."""
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    catalog, schema = _schema_parts(cursor)
    words = [token.word for token in request.tokens[cursor.index :]]
    notice = "CREATE SCHEMA: LOCATION is not used, tables lie in the DuckDB file" if "LOCATION" in words else None
    return Change((f"CREATE SCHEMA {'IF NOT EXISTS ' if lenient else ''}{qualified(catalog, schema)}",), notice=notice)


def drop_schema(request: Request) -> Step:
    """DROP SCHEMA [IF EXISTS] s [CASCADE]."""
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    catalog, schema = _schema_parts(cursor)
    cascade = " CASCADE" if cursor.take("CASCADE") else ""
    return Change((f"DROP SCHEMA {'IF EXISTS ' if lenient else ''}{qualified(catalog, schema)}{cascade}",))


def create_volume(request: Request) -> Step:
    """A volume is a folder of the home."""
    return _volume(request, drop=False)


def drop_volume(request: Request) -> Step:
    """The folder goes with what is in it."""
    return _volume(request, drop=True)


def _volume(request: Request, drop: bool) -> Step:
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    parts, scope = cursor.name(), request.scope
    full = [*[scope.catalog, scope.schema][: 3 - len(parts)], *parts][-3:]
    located = "LOCATION" in [token.word for token in request.tokens[cursor.index :]]
    notice = "CREATE VOLUME: LOCATION is not used, the volume is a folder of the home" if located else None
    return MakeFolder("/Volumes/" + "/".join(full), drop, lenient, notice)


def create_external_volume(request: Request) -> Step:
    """CREATE EXTERNAL VOLUME: the same folder, its LOCATION is said not to be used."""
    return _volume(Request(request.text, (request.tokens[0], *request.tokens[2:]), request.scope), drop=False)


def alter_namespace(request: Request) -> Step:
    """ALTER CATALOG, SCHEMA or VOLUME: only changes what is not kept here."""
    return Nothing(f"ALTER {request.words(2)[1]}: nothing done, owners, tags and properties are not kept here")


def use(request: Request) -> Step:
    """USE [CATALOG | SCHEMA] name."""
    cursor = Cursor(request, 1)
    if cursor.take("CATALOG"):
        parts = [cursor.string()] if cursor.request.tokens[cursor.index].kind is Kind.STRING else cursor.name()
        cursor.end()
        return UseNamespace(parts[0], None)
    _ = cursor.take("SCHEMA") or cursor.take("DATABASE") or cursor.take("NAMESPACE")
    parts = cursor.name()
    cursor.end()
    if len(parts) > 2:
        raise UserError(
            f"[REQUIRES_SINGLE_PART_NAMESPACE] USE takes a schema or catalog.schema, found {'.'.join(parts)}"
        )
    return UseNamespace(parts[0] if len(parts) == 2 else None, parts[-1])


def set_catalog(request: Request) -> Step:
    """SET CATALOG name."""
    cursor = Cursor(request, 2)
    name = cursor.next()
    return UseNamespace(unquote(name.text) if name.kind is Kind.STRING else name.text.strip("`"), None)
