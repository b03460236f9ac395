"""Streams from and to Delta tables, and Auto Loader, on a real session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dbutils_local.errors import NotSupportedHere

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def rows(frame: Any) -> list[tuple[Any, ...]]:
    return sorted((tuple(row) for row in frame.collect()), key=str)


def run(writer: Any, target: str, check: str) -> None:
    asked = writer.option("checkpointLocation", check).trigger(availableNow=True)
    query = asked.start(target) if target.startswith("/") else asked.toTable(target)
    query.awaitTermination()


def test_a_stream_takes_what_is_new_and_writes_each_batch_once(spark: Any) -> None:
    spark.range(2).write.format("delta").save("/st/source")

    def follow() -> list[tuple[Any, ...]]:
        run(spark.readStream.format("delta").load("/st/source").writeStream, "main.default.followed", "/st/check")
        return rows(spark.table("followed"))

    assert follow() == [(0,), (1,)]
    spark.range(2, 3).write.format("delta").mode("append").save("/st/source")
    assert follow() == follow() == [(0,), (1,), (2,)]
    told = spark.sql("DESCRIBE HISTORY followed").select("operation", "operationParameters.epochId").collect()
    assert [tuple(row) for row in told[:2]] == [("STREAMING UPDATE", "1"), ("STREAMING UPDATE", "0")]
    spark.sql("UPDATE delta.`/st/source` SET id = 9 WHERE id = 0")
    with pytest.raises(Exception, match="STREAM_FAILED"):
        follow()
    stream = spark.readStream.format("delta").option("skipChangeCommits", "true").load("/st/source")
    run(stream.writeStream, "/st/skipped", "/st/check-skipped")
    assert spark.read.format("delta").load("/st/skipped").count() == 3


def test_complete_results_take_the_place_of_earlier_ones(spark: Any) -> None:
    spark.range(2).write.saveAsTable("counted")
    for more in (2, 3):
        stream = spark.readStream.table("counted").groupBy().count()
        run(stream.writeStream.format("delta").outputMode("complete"), "/st/count", "/st/check-count")
        assert rows(spark.read.format("delta").load("/st/count")) == [(more,)]
        spark.range(1).write.mode("append").saveAsTable("counted")


def test_batches_are_merged_by_a_function(spark: Any) -> None:
    spark.range(2).write.format("delta").save("/st/batches")
    spark.sql("CREATE OR REPLACE TABLE upserted (id BIGINT)")

    def upsert(batch: Any, number: int) -> None:
        batch.createOrReplaceTempView("updates")
        batch.sparkSession.sql("MERGE INTO upserted t USING updates u ON t.id = u.id WHEN NOT MATCHED THEN INSERT *")

    stream = spark.readStream.format("delta").load("/st/batches").writeStream.foreachBatch(upsert)
    query = stream.option("checkpointLocation", "/st/check-batches").trigger(once=True).start()
    query.awaitTermination()
    assert rows(spark.table("upserted")) == [(0,), (1,)]


def test_auto_loader_infers_keeps_and_widens_the_schema(spark: Any, spark_home: Path) -> None:
    folder = spark_home / "dbfs" / "st" / "landing"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text('{"a": 1, "b": {"c": 2}}\n')

    def load(**more: str) -> None:
        reader = spark.readStream.format("cloudFiles").option("cloudFiles.format", "json")
        reader = reader.option("cloudFiles.schemaLocation", "/st/schema").options(**more)
        run(reader.load("/st/landing").writeStream.option("mergeSchema", "true"), "landed", "/st/check-landed")

    load()
    (folder / "2.json").write_text('{"a": 3, "z": "new"}\n')
    load(**{"cloudFiles.schemaHints": "z STRING"})
    assert spark.table("landed").columns == ["a", "b", "_rescued_data", "z"]
    assert rows(spark.table("landed")) == [("1", '{"c": 2}', None, None), ("3", None, None, "new")]


def test_what_streams_cannot_do_is_refused_by_name(spark: Any) -> None:
    reader = spark.readStream.format("cloudFiles").option("cloudFiles.format", "json")
    with pytest.raises(NotSupportedHere, match=r"cloudFiles\.cleansource"):
        reader.option("cloudFiles.cleanSource", "DELETE").load("/st/x")
    spark.range(1).write.format("delta").save("/st/feed")
    with pytest.raises(NotSupportedHere, match="readChangeFeed"):
        spark.readStream.format("delta").option("readChangeFeed", "true").load("/st/feed")
    with pytest.raises(NotSupportedHere, match="readChangeFeed"):
        spark.read.format("delta").option("readChangeFeed", "true").load("/st/feed")


def test_auto_loader_keeps_its_columns_where_evolution_is_off(spark: Any, spark_home: Path) -> None:
    folder = spark_home / "dbfs" / "st" / "fixed"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text('{"a": 1}\n')

    def load() -> Any:
        reader = spark.readStream.format("cloudFiles").option("cloudFiles.format", "json")
        reader = reader.option("cloudFiles.schemaEvolutionMode", "none")
        return reader.option("cloudFiles.schemaLocation", "/st/fixed-schema").load("/st/fixed")

    assert load().columns == ["a", "_rescued_data"]
    (folder / "2.json").write_text('{"a": 3, "z": "new"}\n')
    assert load().columns == ["a", "_rescued_data"]
    given = spark.readStream.format("cloudFiles").option("cloudFiles.format", "json").schema("a INT")
    assert given.option("rescuedDataColumn", "_rest").load("/st/fixed").columns == ["a", "_rest"]
