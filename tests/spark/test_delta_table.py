"""DeltaTable where Delta itself is not installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.spark.delta_table import DeltaTable, IdentityGenerator, configure_spark_with_delta_pip

on_spark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def test_the_module_is_found_by_its_name_and_a_projects_own_goes_first(tmp_path: Any) -> None:
    code = (
        "from dbutils_local.dbutils import shims; shims.install({})\n"
        "from delta.tables import DeltaTable; from delta import *; print(DeltaTable.__module__)\n"
        "print(configure_spark_with_delta_pip.__module__)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["dbutils_local.spark.delta_table"] * 2
    (tmp_path / "delta").mkdir()
    (tmp_path / "delta" / "tables.py").write_text("class DeltaTable: pass")
    code = code.partition("\nprint(")[0]
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "delta.tables"


def test_a_builder_of_sessions_needs_no_jars() -> None:
    builder = object()
    assert configure_spark_with_delta_pip(builder) is builder


class TestOnSpark:
    """On a real session."""

    pytestmark = on_spark

    @pytest.fixture
    def made(self, spark: Any) -> Callable[[str], DeltaTable]:
        def make(path: str) -> DeltaTable:
            rows = spark.sql("SELECT * FROM VALUES (1, 'a'), (2, 'b'), (3, NULL) AS v(id, n)")
            rows.write.format("delta").mode("overwrite").save(path)
            return DeltaTable.forPath(spark, path)

        return make

    def test_text_and_columns_are_conditions_and_values(self, spark: Any, made: Callable[[str], DeltaTable]) -> None:
        from pyspark.sql.functions import col, lit

        table = made("/delta/api/merged")
        news = spark.sql("SELECT * FROM VALUES (1, 'x'), (9, 'y') AS v(id, n)").alias("s")
        same = (col("t.id") == col("s.id")) & (col("s.n") != "q=(1")
        merge = table.alias("t").merge(news, same).whenMatchedUpdate(set={"n": lit("it's (fine)")})
        merge.whenNotMatchedInsertAll(condition="s.id > 5").whenNotMatchedBySourceDelete(col("t.id") == 3).execute()
        assert self.rows(table) == [(1, "it's (fine)"), (2, "b"), (9, "y")]
        table.delete("id = 9")
        table.update(col("id").isin(2, 4), {"merged.n": "upper(n)"})
        assert self.rows(table) == [(1, "it's (fine)"), (2, "B")]
        told = [tuple(row) for row in table.history(2).select("operation", "operationParameters.predicate").collect()]
        assert told[0][0] == "UPDATE"
        assert told[1] == ("DELETE", '["(id = 9)"]')

    def test_a_merge_may_add_the_sources_columns(self, spark: Any, made: Callable[[str], DeltaTable]) -> None:
        table = made("/delta/api/widened")
        news = spark.sql("SELECT 9 AS id, 'y' AS n, 2.5D AS more").alias("s")
        merge = table.alias("t").merge(news, "t.id = s.id").whenMatchedUpdateAll().whenNotMatchedInsertAll()
        merge.withSchemaEvolution().execute()
        assert self.rows(table) == [(1, "a", None), (2, "b", None), (3, None, None), (9, "y", 2.5)]

    def test_versions_come_back(self, spark: Any, made: Callable[[str], DeltaTable]) -> None:
        table = made("/delta/api/restored")
        table.delete()
        assert table.toDF().count() == 0
        answer = table.restoreToVersion(table.history().agg({"version": "max"}).first()[0] - 1).first()
        assert answer.num_restored_files == answer.num_of_files_after_restore
        assert table.toDF().count() == 3
        assert table.detail().first().numFiles == answer.num_of_files_after_restore
        assert table.optimize().executeZOrderBy("id").first().metrics.numFilesAdded == 1
        with pytest.raises(UserError, match="RETENTION_PERIOD_TOO_SHORT"):
            table.vacuum(0)

    def test_tables_are_built(self, spark: Any) -> None:
        builder = DeltaTable.createOrReplace(spark).tableName("main.default.built").comment("made here")
        builder.addColumn("id", "BIGINT", generatedAlwaysAs=IdentityGenerator(10, 5))
        builder.addColumn("n", "STRING", nullable=False).addColumn("up", "STRING", generatedAlwaysAs="upper(n)")
        table = builder.partitionedBy("n").property("a.b", "c").execute()
        spark.sql("INSERT INTO built (n) VALUES ('x'), ('y')")
        assert self.rows(table) == [(10, "x", "X"), (15, "y", "Y")]
        detail = table.detail().first()
        assert (detail.partitionColumns, detail.properties, detail.description) == (["n"], {"a.b": "c"}, "made here")
        assert DeltaTable.createIfNotExists(spark).tableName("built").addColumn(
            "z", "INT"
        ).execute().toDF().columns == [
            "id",
            "n",
            "up",
        ]

    def test_a_table_found_by_its_path_is_the_one_of_the_catalog(self, spark: Any) -> None:
        spark.sql("CREATE SCHEMA IF NOT EXISTS processed LOCATION '/mnt/api/processed'")
        rows = spark.sql("SELECT 1 AS id, 7 AS race")
        rows.write.format("delta").mode("overwrite").partitionBy("race").saveAsTable("processed.results")
        table = DeltaTable.forPath(spark, "/mnt/api/processed/results")
        news = spark.sql("SELECT 2 AS id, 8 AS race")
        table.alias("t").merge(news.alias("s"), "t.id = s.id").whenNotMatchedInsertAll().execute()
        assert self.rows(DeltaTable.forName(spark, "processed.results")) == [(1, 7), (2, 8)]
        assert DeltaTable.isDeltaTable(spark, "/mnt/api/processed/results")
        spark.sql("DROP SCHEMA processed CASCADE")

    def test_what_is_no_delta_table_is_said(self, spark: Any) -> None:
        assert not DeltaTable.isDeltaTable(spark, "/nowhere")
        with pytest.raises(Exception, match="DELTA_MISSING_DELTA_TABLE"):
            DeltaTable.forPath(spark, "/nowhere")
        spark.sql("CREATE OR REPLACE TEMP VIEW nothing_to_change AS SELECT 1 AS a")
        with pytest.raises(Exception, match="DELTA_ONLY_OPERATION"):
            DeltaTable.forName(spark, "nothing_to_change")

    def test_what_is_not_done_is_refused_by_name(self, spark: Any, made: Callable[[str], DeltaTable]) -> None:
        with pytest.raises(NotSupportedHere, match=r"DeltaTable\.dropFeatureSupport"):
            made("/delta/api/refused").dropFeatureSupport("x")

    def rows(self, table: DeltaTable) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in table.toDF().orderBy("id").collect()]
