"""Where else a table is that an engine cannot find: DuckDB and Spark keep the tables of one home apart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from dbutils_local.errors import HomeUnusable
from dbutils_local.settings import PREFIX
from dbutils_local.sql import names, warehouse

Advice = Callable[[str], str]  # a failed statement's reason to a sentence that follows it, or nothing

_SPARK_TABLES = Path("spark-warehouse", "catalog.json")  # below the home; written by dbutils_local.spark.warehouse
_MISSING = re.compile(r"\[TABLE_OR_VIEW_NOT_FOUND\].*?(?:with name |view )[`\"]?(?P<name>[^\s!]+)", re.DOTALL)
_PATIENCE = 2.0  # seconds; another process may be at work in the DuckDB files


def spark_may_have_it(home: Path) -> Advice:
    """For the embedded engine: that Spark has the missing table, and how to get at it."""

    def advice(reason: str) -> str:
        found = _found(reason, lambda: _of_spark(home))
        if found is None:
            return ""
        return (
            f" Spark has a table {found} in this home, which the embedded SQL engine does not see: "
            f"set sql_engine = spark ({PREFIX}SQL_ENGINE=spark) to work on Spark's tables."
        )

    return advice


def duckdb_may_have_it(home: Path) -> Advice:
    """For Spark: that the embedded engine has the missing table, and how to get at it."""

    def advice(reason: str) -> str:
        found = _found(reason, lambda: _of_duckdb(home / warehouse.FOLDER))
        if found is None:
            return ""
        return (
            f"\nThe embedded SQL engine (DuckDB) has a table {found} in this home, which Spark does not see: make it "
            f"with sql_engine = spark ({PREFIX}SQL_ENGINE=spark), or read it with sql_engine = duckdb."
        )

    return advice


def _found(reason: str, tables: Callable[[], Iterator[str]]) -> str | None:
    """The full name of a table there is elsewhere with the name that is missing."""
    missing = _MISSING.search(reason)
    if missing is None:
        return None
    wanted = re.sub(r"[`\"]", "", missing.group("name")).rsplit(".", 1)[-1].lower()
    return next((name for name in tables() if name.rsplit(".", 1)[-1].lower() == wanted), None)


def _of_spark(home: Path) -> Iterator[str]:
    try:
        manifest = json.loads((home / _SPARK_TABLES).read_text("utf-8"))
    except (OSError, ValueError):
        return
    yield from (name.replace("__", ".", 1) for name in manifest.get("tables", {}))


def _of_duckdb(folder: Path) -> Iterator[str]:
    import duckdb

    known = [warehouse.file_of(folder, names.DEFAULT_CATALOG), *warehouse.catalog_files(folder)]
    files = [file for file in known if file.is_file()]
    if not files:
        return
    try:
        with warehouse.turn(folder, _PATIENCE):
            for file in files:
                with duckdb.connect(str(file), read_only=True) as connection:
                    rows = connection.execute(
                        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal UNION ALL "
                        "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"
                    ).fetchall()
                yield from (f"{names.outside(file.stem)}.{schema}.{table}" for schema, table in rows)
    except (duckdb.Error, HomeUnusable):
        return
