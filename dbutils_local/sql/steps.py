"""What one statement comes to: the closed set of things the embedded engine can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Count(Enum):
    """Which columns of counts Databricks answers a change with."""

    NONE = "none"
    AFFECTED = "num_affected_rows"
    INSERTED = "num_inserted_rows"
    MERGED = "merge"


@dataclass(frozen=True)
class Query:
    """A DuckDB query whose rows are the answer."""

    sql: str
    notice: str | None = None


@dataclass(frozen=True)
class Change:
    """DuckDB statements run in one transaction; the last one's count is the answer.

    `checks` run before them: a check is a query that must give no row, and the message for when it does.
    """

    statements: tuple[str, ...]
    count: Count = Count.NONE
    notice: str | None = None
    checks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CreateAs:
    """A table or view made of a query; `head` ends where the query begins."""

    head: str
    query: str
    notice: str | None = None


@dataclass(frozen=True)
class MakeTempView:
    """A temporary view of this session."""

    name: str
    query: str
    replace: bool
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class UseNamespace:
    """USE: a new current schema; None keeps or, with a new catalog, resets it."""

    catalog: str | None
    schema: str | None


@dataclass(frozen=True)
class CreateCatalog:
    name: str
    if_not_exists: bool


@dataclass(frozen=True)
class DropCatalog:
    name: str
    if_exists: bool
    cascade: bool


@dataclass(frozen=True)
class MakeFolder:
    """CREATE VOLUME: a folder; DROP VOLUME: it goes."""

    path: str  # /Volumes/catalog/schema/volume
    drop: bool = False
    lenient: bool = False  # IF NOT EXISTS, IF EXISTS
    notice: str | None = None


@dataclass(frozen=True)
class Declare:
    """DECLARE VARIABLE; `kind` and `value` are DuckDB text."""

    names: tuple[str, ...]
    kind: str | None
    value: str
    replace: bool


@dataclass(frozen=True)
class Assign:
    """SET VAR: `query` gives one row with a column for each name."""

    names: tuple[str, ...]
    query: str


@dataclass(frozen=True)
class DropVariable:
    name: str
    if_exists: bool


@dataclass(frozen=True)
class RunText:
    """EXECUTE IMMEDIATE: `text` and the arguments are DuckDB expressions."""

    text: str
    arguments: tuple[tuple[str | None, str], ...]
    into: tuple[str, ...]


@dataclass(frozen=True)
class Describe:
    """DESCRIBE TABLE."""

    table: str  # DuckDB name
    shown: str  # as Databricks shows it
    extended: bool = False
    column: str | None = None


@dataclass(frozen=True)
class DescribeDetail:
    table: str
    shown: str


@dataclass(frozen=True)
class DescribeQuery:
    sql: str


@dataclass(frozen=True)
class ShowCreate:
    table: str
    shown: str


@dataclass(frozen=True)
class CopyInto:
    """COPY INTO: files that were copied before are left out."""

    table: str  # DuckDB name
    catalog: str
    path: str
    pattern: str | None
    files: tuple[str, ...]
    format: str
    options: Mapping[str, str]
    select: str | None  # DuckDB query over the placeholder SOURCE, or None for every column
    force: bool
    merge_schema: bool


SOURCE = "dbutils_local_copy_source"


@dataclass(frozen=True)
class Nothing:
    """A statement that has no work to do here, and says so."""

    notice: str


Step = (
    Query
    | Change
    | CreateAs
    | MakeTempView
    | UseNamespace
    | CreateCatalog
    | DropCatalog
    | MakeFolder
    | Declare
    | Assign
    | DropVariable
    | RunText
    | Describe
    | DescribeDetail
    | DescribeQuery
    | ShowCreate
    | CopyInto
    | Nothing
)
