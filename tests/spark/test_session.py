"""The real session: Databricks' names, paths and formats on it, and tables that outlive it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dbutils_local import spark as local_spark
from dbutils_local.settings import Settings
from dbutils_local.spark.warehouse import Manifest, Warehouse
from dbutils_local.sql.result import StatementFailed
from dbutils_local.sql.spark_engine import SparkEngine

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def rows(frame: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame.collect()]


def test_the_names_become_the_real_things(spark: Any, settings: Settings) -> None:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession, SQLContext

    namespace: dict[str, Any] = {}
    local_spark.install(namespace, settings)
    local_spark.prepare(namespace, "x = 1")
    assert isinstance(namespace["spark"], local_spark.Lazy)
    local_spark.prepare(namespace, "spark.range(1)")
    assert isinstance(namespace["spark"], SparkSession)
    assert isinstance(namespace["sc"], SparkContext)
    assert isinstance(namespace["sqlContext"], SQLContext)
    assert rows(namespace["sql"]("SELECT 1")) == [(1,)]
    assert local_spark.active() is spark


def test_udfs_run_in_this_python(spark: Any) -> None:
    from pyspark.sql.functions import udf

    version = udf(lambda _: sys.version)
    assert rows(spark.range(1).select(version("id"))) == [(sys.version,)]


def test_udfs_import_from_the_folders_on_the_drivers_path(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyspark.sql.functions import udf

    for folder, answer in (("first", 1), ("second", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "beside_the_notebook.py").write_text(f"def answer(_):\n    return {answer}\n")
    monkeypatch.syspath_prepend(tmp_path / "second")
    monkeypatch.syspath_prepend(tmp_path / "first")
    monkeypatch.delitem(sys.modules, "beside_the_notebook", raising=False)
    import beside_the_notebook  # type: ignore[import-not-found]

    assert rows(spark.range(1).select(udf(beside_the_notebook.answer, "int")("id"))) == [(1,)]
    assert spark.sparkContext.parallelize([0]).map(beside_the_notebook.answer).collect() == [1]


def test_three_level_names_and_other_catalogs(spark: Any) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS main.names")
    spark.sql("CREATE TABLE main.names.t AS SELECT 1 AS a")
    assert rows(spark.table("main.names.t")) == rows(spark.sql("SELECT * FROM hive_metastore.names.t")) == [(1,)]
    spark.sql("CREATE CATALOG IF NOT EXISTS dev")
    spark.sql("USE CATALOG dev")
    spark.sql("CREATE SCHEMA s")
    spark.range(2).write.saveAsTable("s.u")
    assert spark.catalog.currentCatalog() == "dev"
    assert rows(spark.sql("SELECT count(*) FROM s.u")) == [(2,)]
    assert rows(spark.sql("SHOW SCHEMAS")) == [("default",), ("s",)]
    assert ("s", "u", False) in rows(spark.sql("SHOW TABLES IN dev.s"))  # beside the session's temporary views
    spark.sql("USE main.default")
    assert spark.catalog.tableExists("dev.s.u")
    assert rows(spark.sql("SHOW CATALOGS")) == [("dev",), ("main",), ("workspace",)]
    spark.sql("DROP CATALOG dev CASCADE")
    assert rows(spark.sql("SHOW CATALOGS")) == [("main",), ("workspace",)]


def test_an_unknown_catalog_says_which_there_are(spark: Any) -> None:
    with pytest.raises(Exception, match=r"NO_SUCH_CATALOG_EXCEPTION.*Known here: main"):
        spark.sql("USE CATALOG prod")
    with pytest.raises(Exception, match=r"Catalog 'prod' was not found.*CREATE CATALOG prod"):
        spark.sql("SELECT * FROM prod.s.t")


def test_a_replaced_table_may_read_itself(spark: Any) -> None:
    spark.sql("CREATE OR REPLACE TABLE self AS SELECT 1 AS a")
    spark.sql("CREATE OR REPLACE TABLE self AS SELECT a + 1 AS a FROM self")
    assert rows(spark.table("self")) == [(2,)]


def test_databricks_paths_are_folders_of_the_home(spark: Any, spark_home: Path) -> None:
    spark.range(3).write.mode("overwrite").option("header", True).csv("/Volumes/a/b/c/out")
    assert list((spark_home / "volumes" / "a" / "b" / "c" / "out").glob("*.csv"))
    assert spark.read.option("header", True).csv("dbfs:/Volumes/a/b/c/out").count() == 3
    spark.sql("CREATE OR REPLACE TEMP VIEW v USING csv OPTIONS (path '/Volumes/a/b/c/out', header 'true')")
    assert rows(spark.sql("SELECT count(*) FROM v")) == [(3,)]
    assert spark.sparkContext.textFile("/Volumes/a/b/c/out").count() >= 3


def test_cluster_settings_have_local_values(spark: Any) -> None:
    assert spark.conf.get("spark.databricks.clusterUsageTags.clusterName") == "local"
    spark.conf.set("spark.databricks.clusterUsageTags.clusterName", "mine")
    assert spark.conf.get("spark.databricks.clusterUsageTags.clusterName") == "mine"
    spark.conf.unset("spark.databricks.clusterUsageTags.clusterName")
    assert spark.conf.get("spark.databricks.nope", "default") == "default"


def test_statements_with_no_work_here_say_so(spark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    spark.sql("GRANT SELECT ON TABLE t TO someone").collect()
    assert "GRANT: nothing done" in capsys.readouterr().err


def test_streams_read_and_write_databricks_paths(spark: Any) -> None:
    spark.range(3).write.mode("overwrite").parquet("/Volumes/a/b/c/source")
    stream = spark.readStream.schema("id bigint").parquet("/Volumes/a/b/c/source")
    query = (
        stream.writeStream.trigger(availableNow=True)
        .option("checkpointLocation", "/Volumes/a/b/c/check")
        .toTable("main.default.streamed")
    )
    query.awaitTermination()
    assert spark.table("streamed").count() == 3
    older = stream.writeStream.trigger(availableNow=True).option("checkpointLocation", "/Volumes/a/b/c/again")
    older.table("main.default.streamed_too").awaitTermination()
    assert spark.table("streamed_too").count() == 3


def test_a_statement_without_a_result_has_no_columns(spark: Any) -> None:
    frame = spark.sql("USE CATALOG hive_metastore")
    assert (frame.columns, frame.collect()) == ([], [])


def test_another_session_finds_tables_views_and_partitions(spark: Any, spark_home: Path) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS shared")
    spark.sql("CREATE OR REPLACE TABLE shared.t AS SELECT 1 AS a, 'x' AS b")
    spark.range(4).selectExpr("id", "id % 2 AS p").write.format("parquet").partitionBy("p").mode(
        "overwrite"
    ).saveAsTable("shared.parts")
    spark.sql("USE shared")
    spark.sql("CREATE OR REPLACE VIEW v AS SELECT a FROM t")
    spark.sql("USE default")
    first = _our_warehouse()
    for name in ("shared.v", "shared.t", "shared.parts"):
        first._forget(name)
    other = Warehouse(spark, spark_home / "spark-warehouse")
    other.absorb()
    assert rows(spark.sql("SELECT * FROM shared.v")) == [(1,)]
    assert rows(spark.sql("DESCRIBE shared.t"))[1][:2] == ("b", "string")
    assert rows(spark.sql("SELECT p, count(*) FROM shared.parts GROUP BY p ORDER BY p")) == [(0, 2), (1, 2)]
    spark.sql("DROP TABLE shared.t")
    assert not (spark_home / "spark-warehouse" / "shared.db" / "t").exists(), (
        "a table taken over is still a managed one"
    )


def test_what_is_dropped_while_another_session_writes_stays_dropped(spark: Any, spark_home: Path) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS racing")
    spark.sql("CREATE OR REPLACE TABLE racing.t AS SELECT 1 AS a")
    path = spark_home / "spark-warehouse" / "catalog.json"
    _our_warehouse()._external.dropTable("racing", "t", True, True)
    others = Manifest.read(path)
    others.version += 1
    others.catalogs = [*others.catalogs, "theirs"]
    others.write(path)
    _our_warehouse().publish()
    written = Manifest.read(path)
    assert "racing.t" not in written.tables
    assert "theirs" in written.catalogs
    spark.sql("DROP CATALOG theirs")


def _our_warehouse() -> Warehouse:
    from dbutils_local.spark import surface

    assert surface._surface is not None
    return surface._surface.warehouse


def test_a_broken_view_keeps_no_session_from_the_rest(spark: Any, spark_home: Path) -> None:
    spark.sql("CREATE SCHEMA IF NOT EXISTS broken")
    spark.sql("CREATE TABLE broken.base AS SELECT 1 AS a")
    spark.sql("CREATE VIEW broken.a_second AS SELECT * FROM broken.base")
    spark.sql("CREATE VIEW broken.a_first AS SELECT * FROM broken.a_second")
    spark.sql("CREATE VIEW broken.orphan AS SELECT * FROM broken.base")
    path = spark_home / "spark-warehouse" / "catalog.json"
    manifest = Manifest.read(path)
    manifest.tables["broken.orphan"]["ddl"] = "CREATE VIEW broken.orphan AS SELECT * FROM broken.gone"
    manifest.version += 1
    manifest.write(path)
    for name in ("orphan", "a_first", "a_second", "base"):
        _our_warehouse()._forget(f"broken.{name}")
    told: list[str] = []
    Warehouse(spark, spark_home / "spark-warehouse", told.append).absorb()
    assert rows(spark.sql("SELECT * FROM broken.a_first")) == [(1,)]
    assert any(line.startswith("view broken.orphan cannot be used: [TABLE_OR_VIEW_NOT_FOUND]") for line in told)


_CHILD = """
import sys
from pathlib import Path
from dbutils_local import spark
from dbutils_local.settings import Settings
session = spark.session(Settings(home=Path(sys.argv[1])))
print(session.table("parent").collect()[0][0])
session.sql("INSERT INTO parent VALUES (2)")
session.sql("CREATE TABLE child AS SELECT 3 AS a")
session.sql("DROP TABLE gone")
spark.stop()
"""


def test_a_child_process_sees_its_callers_tables_and_the_other_way_round(spark: Any, spark_home: Path) -> None:
    spark.sql("CREATE OR REPLACE TABLE parent AS SELECT 1 AS a")
    spark.sql("CREATE OR REPLACE TABLE gone AS SELECT 1 AS a")
    assert spark.table("parent").count() == 1
    done = subprocess.run([sys.executable, "-c", _CHILD, str(spark_home)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "1", done.stderr
    assert sorted(rows(spark.sql("SELECT * FROM parent"))) == [(1,), (2,)]
    assert rows(spark.table("child")) == [(3,)]
    assert not spark.catalog.tableExists("gone")


def test_sql_cells_run_on_spark_with_parameters(spark: Any) -> None:
    engine = SparkEngine(spark, limit=2)
    [made, selected] = engine.execute(
        "CREATE OR REPLACE TABLE p AS SELECT * FROM range(5); SELECT id, :p AS v FROM IDENTIFIER(:t)",
        {"p": "x", "t": "p"},
    )
    assert made.rows == ((5, 5),), "rows affected and inserted"
    assert (selected.columns, selected.types, selected.row_count, len(selected.rows)) == (
        ("id", "v"),
        ("bigint", "string"),
        5,
        2,
    )
    assert selected.frame.count() == 5
    assert engine.execute("SELECT '${p}'", {"p": "legacy"})[0].rows == (("legacy",),)
    with pytest.raises(StatementFailed, match=r"(?s)TABLE_OR_VIEW_NOT_FOUND.*\(line 2\).*SELECT \* FROM nope"):
        engine.execute("SELECT 1;\nSELECT * FROM nope")
    with pytest.raises(StatementFailed, match="UNBOUND_SQL_PARAMETER"):
        engine.execute("SELECT :missing")
    assert engine.execute("DESCRIBE HISTORY p")[0].row_count == 1
