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


def _sql_goes_to_spark(home: Path, notebook: Path, root: Path) -> bool:
    return bool(environment_for(Settings(home=home), [notebook], root))


def test_sql_goes_to_spark_where_other_notebooks_of_the_repository_use_it(tmp_path: Path, java: None) -> None:
    root = tmp_path / "repository"
    tables = _write(root / "setup/tables.sql", "-- Databricks notebook source\nCREATE SCHEMA bronze")
    cells = _write(root / "setup/cells.py", SQL_ONLY)
    other = _write(root / "ingest/load.py", HEADER + "print('no spark here')")
    assert not _sql_goes_to_spark(tmp_path, tables, root)
    other.write_text(HEADER + "spark.range(3).write.saveAsTable('bronze.t')")
    assert _sql_goes_to_spark(tmp_path, tables, root)
    assert _sql_goes_to_spark(tmp_path, cells, root)


def test_plain_modules_and_notebooks_of_other_folders_do_not_draw_sql_to_spark(tmp_path: Path, java: None) -> None:
    root = tmp_path / "repository"
    tables = _write(root / "tables.sql", "-- Databricks notebook source\nSELECT 1")
    _write(root / "library.py", "spark.range(3)")
    _write(root / ".venv/notebook.py", HEADER + "spark.range(3)")
    _write(tmp_path / "elsewhere/notebook.py", HEADER + "spark.range(3)")
    assert not _sql_goes_to_spark(tmp_path, tables, root)


def test_a_notebook_without_sql_is_not_asked_what_lies_beside_it(tmp_path: Path, java: None) -> None:
    plain = _write(tmp_path / "plain.py", HEADER + "print(1)")
    _write(tmp_path / "other.py", HEADER + "spark.range(3)")
    assert not _sql_goes_to_spark(tmp_path / "home", plain, tmp_path)


def test_without_java_sql_stays_on_the_embedded_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    tables = _write(tmp_path / "tables.sql", "-- Databricks notebook source\nSELECT 1")
    _write(tmp_path / "load.py", HEADER + "spark.range(3)")
    assert not _sql_goes_to_spark(tmp_path / "home", tables, tmp_path)


@pytest.fixture
def java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where a JDK would be."""
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))


@pytest.mark.parametrize(
    "words", ["DESCRIBE HISTORY t", "SELECT * FROM t VERSION AS OF 1", "create table u shallow clone t"]
)
def test_sql_that_asks_for_versions_of_tables_goes_to_spark(tmp_path: Path, java: None, words: str) -> None:
    notebook = _write(tmp_path / "a.py", HEADER + f"# MAGIC %sql\n# MAGIC {words}\n")
    assert needs_spark([notebook], tmp_path)
