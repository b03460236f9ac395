"""A table that one engine cannot find and the other has: the message says so and names the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbutils_local.settings import Settings
from dbutils_local.spark.warehouse import Manifest
from dbutils_local.sql.elsewhere import duckdb_may_have_it, spark_may_have_it
from dbutils_local.sql.engine import engine_for
from dbutils_local.sql.result import StatementFailed


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, sql_engine="duckdb")


def test_the_embedded_engine_says_that_spark_has_the_table(settings: Settings) -> None:
    folder = settings.home / "spark-warehouse"
    folder.mkdir()
    Manifest(tables={"default.orders": {}}).write(folder / "catalog.json")
    engine = engine_for(settings)
    with pytest.raises(StatementFailed, match=r"Spark has a table default\.orders in this home.*sql_engine = spark"):
        engine.execute("SELECT * FROM orders")
    with pytest.raises(StatementFailed) as caught:
        engine.execute("SELECT * FROM others")
    assert "Spark has" not in str(caught.value)
    engine.close()


def test_spark_is_told_that_the_embedded_engine_has_the_table(settings: Settings) -> None:
    engine = engine_for(settings)
    engine.execute("CREATE TABLE orders (a INT); CREATE VIEW v AS SELECT 1 AS a")
    engine.close()
    advice = duckdb_may_have_it(settings.home)
    missing = "[TABLE_OR_VIEW_NOT_FOUND] The table or view `{}` cannot be found. Verify the spelling."
    assert "a table main.default.orders" in advice(missing.format("ORDERS"))
    assert "a table main.default.v" in advice(missing.format("default`.`v"))
    assert advice(missing.format("other")) == ""
    assert advice("[DIVIDE_BY_ZERO] Division by zero.") == ""


def test_where_nothing_was_made_nothing_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    missing = "[TABLE_OR_VIEW_NOT_FOUND] Catalog Error: Table with name t does not exist!"
    assert spark_may_have_it(tmp_path)(missing) == duckdb_may_have_it(tmp_path)(missing) == ""
    assert list(tmp_path.iterdir()) == []
