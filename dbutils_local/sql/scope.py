"""What the translation of a statement must know of the session it is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dbutils_local.sql.names import DEFAULT_CATALOG, DEFAULT_SCHEMA


@dataclass(frozen=True)
class Column:
    """One column of a table as the engine knows it; `kind` and `default` are DuckDB text."""

    name: str
    kind: str
    default: str | None = None


@dataclass(frozen=True)
class Variable:
    """A session variable: its DuckDB type and its value as a DuckDB literal."""

    kind: str
    literal: str
    text: str  # the value as plain text, for IDENTIFIER


def _no_columns(_: str) -> list[Column]:
    return []


def _same_path(path: str) -> list[str]:
    return [path]


def _no_text(_: str) -> str | None:
    return None


@dataclass(frozen=True)
class Scope:
    """What translation needs to know of the session; the callables look, they change nothing."""

    catalog: str = DEFAULT_CATALOG
    schema: str = DEFAULT_SCHEMA
    user: str = "local@localhost"
    temp_views: frozenset[str] = frozenset()  # lower case
    variables: Mapping[str, Variable] = field(default_factory=dict)  # lower case
    columns_of: Callable[[str], list[Column]] = _no_columns  # of a DuckDB table name; [] when there is none
    files: Callable[[str], list[str]] = _same_path  # the data files below a Databricks path
    text_of: Callable[[str], str | None] = _no_text  # the value of a constant DuckDB expression, as text
