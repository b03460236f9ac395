"""What runs SQL: the contract both engines keep, and which engine is chosen."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from dbutils_local.errors import MissingExtra, UserError
from dbutils_local.files import Mounts
from dbutils_local.paths import Places, to_local
from dbutils_local.settings import Settings
from dbutils_local.sql.elsewhere import duckdb_may_have_it, spark_may_have_it
from dbutils_local.sql.result import ROW_LIMIT, StatementResult


class Engine(Protocol):
    """Runs Databricks SQL; one instance is one session (its temporary views, variables and current schema)."""

    name: str

    def execute(self, sql_text: str, parameters: Mapping[str, str] | None = None) -> list[StatementResult]:
        """Run every statement in order and return one result each.

        `parameters` serve `:name` markers, `${name}` and `getArgument`. The first statement that fails raises
        StatementFailed; those before it have taken effect.
        """
        ...

    def interrupt(self) -> None:
        """Stop the statement that runs now; callable from any thread."""
        ...

    def close(self) -> None:
        """End the session; temporary views and variables are gone."""
        ...


def engine_for(
    settings: Settings,
    spark: Any | None = None,
    open_spark: Callable[[], Any] | None = None,
    limit: int = ROW_LIMIT,
    places: Places | None = None,
) -> Engine:
    """The engine `settings.sql_engine` names: auto is Spark when a session (`spark`) is in use, else DuckDB.

    `open_spark` starts a session where Spark is asked for by name and none runs yet; `places` say where dbfs:/ and
    /Volumes lie (default: below the home of the settings). Raises MissingExtra when the
    optional dependency of the chosen engine is absent.
    """
    match settings.sql_engine:
        case "duckdb":
            return _duckdb(settings, limit, places)
        case "spark":
            return _spark(spark if spark is not None else _opened(open_spark), limit, settings)
        case "auto":
            return _spark(spark, limit, settings) if spark is not None else _duckdb(settings, limit, places)
    raise UserError(f"sql_engine cannot be {settings.sql_engine!r}; known ones: auto, duckdb, spark")


def _opened(open_spark: Callable[[], Any] | None) -> Any:
    if open_spark is None:
        raise UserError(
            "sql_engine = spark, but no Spark session is in use here; touch `spark` first or set sql_engine = duckdb"
        )
    return open_spark()


def _embedded_installed() -> bool:
    return importlib.util.find_spec("duckdb") is not None and importlib.util.find_spec("sqlglot") is not None


def _duckdb(settings: Settings, limit: int, places: Places | None) -> Engine:
    if not _embedded_installed():
        raise MissingExtra("%sql", "sql")
    from dbutils_local.sql.duckdb_engine import DuckDbEngine
    from dbutils_local.sql.warehouse import FOLDER

    mounts = Mounts(settings.home)
    root = settings.workspace or Path.cwd()

    def local_path(path: str) -> Path:
        return to_local(path, places or Places(settings.home, root, mounts.table()))

    return DuckDbEngine(
        settings.home / FOLDER,
        local_path=local_path,
        user=settings.user,
        namespaces=settings.namespaces,
        limit=limit,
        advice=spark_may_have_it(settings.home),
    )


def _spark(spark: Any, limit: int, settings: Settings) -> Engine:
    from dbutils_local.sql.spark_engine import SparkEngine

    advice = duckdb_may_have_it(settings.home) if _embedded_installed() else None
    return SparkEngine(spark, limit=limit, advice=advice)
