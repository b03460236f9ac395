"""DeltaTable where Delta itself is not installed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from dbutils_local.errors import NotSupportedHere
from dbutils_local.spark.delta_table import DeltaTable

on_spark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def test_the_module_is_found_by_its_name_and_a_projects_own_goes_first(tmp_path: Any) -> None:
    code = (
        "from dbutils_local.dbutils import shims; shims.install({})\n"
        "from delta.tables import DeltaTable; from delta import *; print(DeltaTable.__module__)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "dbutils_local.spark.delta_table"
    (tmp_path / "delta").mkdir()
    (tmp_path / "delta" / "tables.py").write_text("class DeltaTable: pass")
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "delta.tables"


@pytest.mark.parametrize("name", ["create", "createIfNotExists", "createOrReplace", "replace", "convertToDelta"])
def test_what_builds_tables_is_refused_by_name(name: str) -> None:
    with pytest.raises(NotSupportedHere, match=f"DeltaTable.{name} is not done"):
        getattr(DeltaTable, name)(None)


class TestOnSpark:
    """On a real session."""

    pytestmark = on_spark

    def test_text_and_columns_are_conditions_and_values(self, spark: Any) -> None:
        from pyspark.sql.functions import col, lit

        spark.sql("CREATE OR REPLACE TABLE kept AS SELECT * FROM VALUES (1, 'a'), (2, 'b'), (3, NULL) AS v(id, n)")
        table = DeltaTable.forName(spark, "kept")
        news = spark.sql("SELECT * FROM VALUES (1, 'x'), (9, 'y') AS v(id, n)").alias("s")
        same = (col("t.id") == col("s.id")) & (col("s.n") != "q=(1")
        merge = table.alias("t").merge(news, same).whenMatchedUpdate(set={"n": lit("it's (fine)")})
        merge.whenNotMatchedInsertAll(condition="s.id > 5").whenNotMatchedBySourceDelete(col("t.id") == 3).execute()
        assert self.rows(table) == [(1, "it's (fine)"), (2, "b"), (9, "y")]
        table.delete("id = 9")
        table.update(col("id").isin(2, 4), {"kept.n": "upper(n)"})
        assert self.rows(table) == [(1, "it's (fine)"), (2, "B")]

    def test_what_needs_a_log_or_a_path_is_refused(self, spark: Any) -> None:
        spark.sql("CREATE TABLE IF NOT EXISTS kept2 AS SELECT 1 AS a")
        table = DeltaTable.forName(spark, "kept2")
        with pytest.raises(NotSupportedHere, match=r"DeltaTable.history"):
            table.history()
        with pytest.raises(NotSupportedHere, match=r"forPath"):
            DeltaTable.forPath(spark, "/x")
        assert not DeltaTable.isDeltaTable(spark, "/nowhere")

    def rows(self, table: DeltaTable) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in table.toDF().orderBy("id").collect()]
