"""Which engine notebooks need for their SQL, told from their text."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbutils_local.settings import Settings
from dbutils_local.sql.choice import environment_for, needs_spark

HEADER = "# Databricks notebook source\n"
SQL_ONLY = HEADER + "# MAGIC %sql\n# MAGIC SELECT 'spark'\n"


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("df = spark.table('t')", True),
        ("import pyspark.sql.functions as F", True),
        ("def f():\n    return sql('select 1')", True),
        ("from databricks.sdk.runtime import spark\nspark.range(1)", True),
        ("from databricks.sdk.runtime import dbutils", False),
        ("# spark.table would do", False),
        ("table = 1\nprint(table)", False),
        ("print('spark')", False),
        ("half a line (", False),
    ],
)
def test_a_notebook_that_names_spark_needs_it(tmp_path: Path, code: str, needed: bool) -> None:
    assert needs_spark([_write(tmp_path / "a.py", HEADER + code)], tmp_path) is needed


def test_sql_alone_does_not_need_spark(tmp_path: Path) -> None:
    assert not needs_spark([_write(tmp_path / "a.py", SQL_ONLY)], tmp_path)


def test_what_is_included_or_run_counts_and_circles_end(tmp_path: Path) -> None:
    first = _write(tmp_path / "first.py", SQL_ONLY + "\n# COMMAND ----------\n\n# MAGIC %run ./lib/second\n")
    _write(
        tmp_path / "lib/second.py", HEADER + "dbutils.notebook.run('../third', 60)\ndbutils.notebook.run('../no', 1)"
    )
    third = _write(tmp_path / "third.py", HEADER + "# MAGIC %run ./first\n")
    assert not needs_spark([first], tmp_path)
    third.write_text(HEADER + "spark.range(3)")
    assert needs_spark([first], tmp_path)


def test_a_setting_that_names_an_engine_is_kept(tmp_path: Path) -> None:
    notebook = _write(tmp_path / "a.py", HEADER + "spark.range(3)")
    assert environment_for(Settings(home=tmp_path, sql_engine="duckdb"), [notebook], tmp_path) == {}
