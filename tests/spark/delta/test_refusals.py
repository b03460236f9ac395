"""What Delta tables do not do here, on a real session: nothing is changed, and the reason is named or shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from dbutils_local.errors import NotSupportedHere
from dbutils_local.spark.delta_table import DeltaTable
from dbutils_local.sql import names, warehouse

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("CREATE TABLE governed2 (a INT) WITH ROW FILTER f ON (a)", "WITH ROW FILTER"),
        ("ALTER TABLE governed SET ROW FILTER f ON (a)", "SET ROW FILTER"),
        ("ALTER TABLE governed ALTER COLUMN a SET MASK f", "COLUMN a SET MASK"),
        ("ALTER TABLE governed ADD COLUMN b INT MASK f", "column b ... MASK"),
        ("CREATE OR REPLACE TABLE governed AS SELECT * FROM table_changes('governed', 0)", "table_changes"),
    ],
)
def test_what_would_change_the_rows_is_refused_and_nothing_is_written(spark: Any, text: str, named: str) -> None:
    spark.sql("CREATE TABLE IF NOT EXISTS governed (a INT)")
    with pytest.raises(NotSupportedHere) as caught:
        spark.sql(text)
    assert named in str(caught.value)
    assert spark.sql("DESCRIBE HISTORY governed").count() == 1
    assert not spark.catalog.tableExists("governed2")


def test_a_change_feed_is_said_not_to_be_kept(spark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    spark.sql("CREATE TABLE fed (a INT) TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    spark.sql("INSERT INTO fed VALUES (1)")
    assert capsys.readouterr().err.count("no change feed is kept here") == 1
    for key in ("readChangeFeed", "readChangeData"):
        with pytest.raises(NotSupportedHere, match="no change feed is written"):
            spark.read.option(key, "true").option("startingVersion", 0).table("fed")


def test_what_changes_no_row_is_done_in_another_way_and_said(spark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    spark.sql("CREATE TABLE compacted_in_part (a INT, p INT) PARTITIONED BY (p)")
    spark.sql("OPTIMIZE compacted_in_part WHERE p = 1")
    table = DeltaTable.forName(spark, "compacted_in_part")
    table.optimize().where("p = 1").executeCompaction()
    table.generate("symlink_format_manifest")
    told = capsys.readouterr().err
    assert (told.count("OPTIMIZE ... WHERE"), told.count("one manifest")) == (1, 1)


def test_a_clone_has_the_properties_it_is_given(spark: Any) -> None:
    spark.sql("CREATE TABLE cloned (a INT)")
    made = DeltaTable.forName(spark, "cloned").clone("cloned2", True, False, {"it's.mine": "yes"})
    assert made.detail().collect()[0]["properties"]["it's.mine"] == "yes"


def test_a_table_that_only_duckdb_has_is_named_beside_sparks_error(spark: Any, spark_home: Path) -> None:
    folder = spark_home / warehouse.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(warehouse.file_of(folder, names.DEFAULT_CATALOG))) as connection:
        connection.execute("CREATE TABLE main.only_in_duckdb (a INT)")
    with pytest.raises(Exception, match="TABLE_OR_VIEW_NOT_FOUND") as caught:
        spark.sql("SELECT * FROM only_in_duckdb")
    assert "sql_engine = spark" in "".join(caught.value.__notes__)
