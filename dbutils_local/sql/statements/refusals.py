"""Statements with no meaning here, and statements with no work to do: each with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.scan import Kind, Token
from dbutils_local.sql.statements.request import Request
from dbutils_local.sql.steps import Nothing, Step

_NO_TIME_TRAVEL = "no time travel on DuckDB tables: they keep no versions"
_NO_HISTORY = "no history on DuckDB tables: they keep no versions"
_NO_PIPELINES = "pipelines do not run here"
_NO_MATERIALIZED = "materialized views are refreshed by Databricks; use CREATE TABLE ... AS"
_NO_CLOUD = "there is no cloud storage behind this machine"
_NO_CONNECTIONS = "there are no connections here"
_NO_SHARING = "there is no Delta Sharing here"
_NOT_DELTA = "tables here are DuckDB tables, not Delta"
_NO_GRANTS = "there are no grants here: the file belongs to you"
_NO_PROCEDURES = "procedures are not run by the embedded SQL engine"
_NOT_DATABRICKS = "Databricks has no such statement"

# By first words: why the embedded engine cannot do it.
REFUSED: Mapping[str, str] = {
    "DESCRIBE HISTORY": _NO_HISTORY,
    "DESC HISTORY": _NO_HISTORY,
    "RESTORE": _NO_TIME_TRAVEL,
    "CREATE STREAMING TABLE": _NO_PIPELINES,
    "CREATE OR REFRESH": _NO_PIPELINES,
    "CREATE OR REPLACE STREAMING": _NO_PIPELINES,
    "CREATE LIVE": _NO_PIPELINES,
    "CREATE FLOW": _NO_PIPELINES,
    "APPLY CHANGES": _NO_PIPELINES,
    "CREATE MATERIALIZED VIEW": _NO_MATERIALIZED,
    "CREATE OR REPLACE MATERIALIZED": _NO_MATERIALIZED,
    "CREATE EXTERNAL LOCATION": _NO_CLOUD,
    "CREATE STORAGE CREDENTIAL": _NO_CLOUD,
    "CREATE CONNECTION": _NO_CONNECTIONS,
    "CREATE FOREIGN CATALOG": _NO_CONNECTIONS,
    "CREATE SHARE": _NO_SHARING,
    "CREATE RECIPIENT": _NO_SHARING,
    "CREATE BLOOMFILTER": "DuckDB tables have no Bloom filter index",
    "CONVERT TO DELTA": _NOT_DELTA,
    "GENERATE": _NOT_DELTA,
    "SYNC": "there is only one metastore here",
    "LIST": "use %fs ls or dbutils.fs.ls",
    "PUT": "use dbutils.fs.cp",
    "GET": "use dbutils.fs.cp",
    "ADD JAR": "there is no JVM behind the embedded SQL engine; set sql_engine = spark",
    "ADD FILE": "there is no cluster here",
    "BEGIN": "SQL scripts (BEGIN ... END) are not run by the embedded SQL engine; set sql_engine = spark",
    "CALL": _NO_PROCEDURES,
    "CREATE PROCEDURE": _NO_PROCEDURES,
    "SHOW PARTITIONS": "DuckDB tables have no partitions",
    "SHOW GRANTS": _NO_GRANTS,
    "SHOW GRANT": _NO_GRANTS,
    "SHOW VOLUMES": "list /Volumes with dbutils.fs.ls or %fs ls",
    "INSERT OVERWRITE DIRECTORY": "use CREATE TABLE ... AS, or write files from Python",
    "LOAD DATA": "use COPY INTO or read_files",
    "CREATE INDEX": _NOT_DATABRICKS,
    "ATTACH": _NOT_DATABRICKS,
    "DETACH": _NOT_DATABRICKS,
    "PRAGMA": _NOT_DATABRICKS,
    "INSTALL": _NOT_DATABRICKS,
    "LOAD": _NOT_DATABRICKS,
    "COPY": f"{_NOT_DATABRICKS} but COPY INTO",
    "CREATE WIDGET": "widgets are made in notebook cells, and there is no notebook here",
    "REMOVE WIDGET": "widgets are made in notebook cells, and there is no notebook here",
}

_LAYOUT = "DuckDB lays its files out by itself"
_RIGHTS = "there are no users and rights on this machine"
_ON_THIS_MACHINE = "the data is on this machine already"
_NO_TAGS = "tags are not kept here"

# By first words: why there is nothing to do.
NO_WORK: Mapping[str, str] = {
    "OPTIMIZE": _LAYOUT,
    "VACUUM": "DuckDB tables keep no old versions",
    "ANALYZE": "DuckDB keeps its own statistics",
    "FSCK": _LAYOUT,
    "REORG": _LAYOUT,
    "MSCK": "DuckDB tables have no partitions",
    "CACHE": _ON_THIS_MACHINE,
    "UNCACHE": _ON_THIS_MACHINE,
    "CLEAR CACHE": _ON_THIS_MACHINE,
    "REFRESH": "nothing is cached",
    "GRANT": _RIGHTS,
    "REVOKE": _RIGHTS,
    "DENY": _RIGHTS,
    "SET TAG": _NO_TAGS,
    "UNSET TAG": _NO_TAGS,
    "SET TBLPROPERTIES": "table properties are not kept here",
    "RESET": "there are no Spark settings here",
}


def refused(phrase: str) -> Callable[[Request], NoReturn]:
    """The handler of a statement that is refused."""

    def handler(_: Request) -> NoReturn:
        raise NotSupportedHere(f"{phrase} is not done by the embedded SQL engine: {REFUSED[phrase]}")

    return handler


def without_work(phrase: str) -> Callable[[Request], Step]:
    """The handler of a statement there is nothing to do for."""

    def handler(request: Request) -> Step:
        return Nothing(f"{request.tokens[0].word}: nothing done, {NO_WORK[phrase]}")

    return handler


def refuse_time_travel(request: Request) -> None:
    """Raise NotSupportedHere where the statement asks for an older version of a table."""
    if _travels_in_time(request.tokens):
        raise NotSupportedHere(
            f"VERSION AS OF / TIMESTAMP AS OF is not done by the embedded SQL engine: {_NO_TIME_TRAVEL}"
        )


def _travels_in_time(tokens: Sequence[Token]) -> bool:
    """`VERSION|TIMESTAMP AS OF ...`, or the short form `table@v3`."""
    words = [token.word for token in tokens]
    for index in range(len(words) - 1):
        if words[index : index + 3] in (["VERSION", "AS", "OF"], ["TIMESTAMP", "AS", "OF"]):
            return True
        if (
            words[index] == "@"
            and re.fullmatch(r"V\d+|\d{17}", words[index + 1])
            and index
            and tokens[index - 1].kind is Kind.NAME
        ):
            return True
    return False
