"""How Databricks' three-level names lie in DuckDB: a catalog is an attached file, and some names are taken there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from dbutils_local.errors import UserError

DEFAULT_CATALOG = "main"
DEFAULT_SCHEMA = "default"

# One catalog under several names: what a workspace without Unity Catalog calls its only one.
_SAME = {"spark_catalog": DEFAULT_CATALOG, "hive_metastore": DEFAULT_CATALOG}

# DuckDB refuses to attach a database of these names; `main` is the default catalog of many workspaces.
_RESERVED = frozenset({"main", "temp", "system", "memory"})

HIDDEN_SCHEMA = "dbutils_local_internal"  # our own memory inside a catalog file: files already copied in
NO_COLUMNS = "dbutils_local_no_columns"  # stands in a table made without columns until COPY INTO brings some
IDENTITY_PREFIX = "dbutils_local_identity_"  # sequences behind GENERATED ... AS IDENTITY


def canonical(catalog: str) -> str:
    """The one name of a catalog: lower case, aliases resolved."""
    folded = catalog.lower()
    return _SAME.get(folded, folded)


def inside(catalog: str) -> str:
    """The name a catalog is attached under in DuckDB."""
    name = canonical(catalog)
    return name + "_" if name.rstrip("_") in _RESERVED else name


def outside(attached: str) -> str:
    """The Databricks name of an attached catalog."""
    return attached[:-1] if attached.endswith("_") and attached.rstrip("_") in _RESERVED else attached


def shown(message: str) -> str:
    """A message of DuckDB with the catalogs named as Databricks has them."""
    return re.sub(r"\b(main|temp|system|memory)_(?=[.\"' ]|$)", r"\1", message)


def ident(name: str) -> str:
    """A quoted DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def qualified(catalog: str, schema: str, name: str | None = None) -> str:
    """A quoted DuckDB name; `catalog` is the Databricks one."""
    parts = [inside(catalog), schema, *([name] if name is not None else [])]
    return ".".join(ident(part) for part in parts)


class Where(Protocol):
    """What it takes to complete a name: the current catalog and schema, and the temporary views there are."""

    @property
    def catalog(self) -> str: ...
    @property
    def schema(self) -> str: ...
    @property
    def temp_views(self) -> frozenset[str]: ...


def place(parts: Sequence[str], where: Where) -> str:
    """The DuckDB name of a table, view or function given by its Databricks parts."""
    match list(parts):
        case [name] if name.lower() in where.temp_views:
            return f"temp.main.{ident(name)}"
        case [name]:
            return qualified(where.catalog, where.schema, name)
        case ["global_temp", name]:
            return f"temp.main.{ident(name)}"
        case [schema, name]:
            return qualified(where.catalog, schema, name)
        case [catalog, schema, name]:
            return qualified(catalog, schema, name)
    raise UserError(
        f"[IDENTIFIER_TOO_MANY_NAME_PARTS] {'.'.join(parts)} is not a valid identifier as it has more "
        "than 3 name parts."
    )


def full_name(parts: Sequence[str], where: Where) -> str:
    """`catalog.schema.name` as Databricks shows it."""
    return ".".join([where.catalog, where.schema][: 3 - len(parts)] + list(parts))
