"""Delta tables on a real session: written, read at versions, changed, altered, and read by others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deltalake
import pyarrow
import pytest

from dbutils_local.errors import NotSupportedHere, UserError

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def rows(frame: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in frame.collect()]


def operations(spark: Any, table: str) -> list[str]:
    return [row.operation for row in spark.sql(f"DESCRIBE HISTORY {table}").collect()]


class TestByPath:
    """`spark.read.format("delta").load(path)` and `df.write.format("delta").save(path)`."""

    def test_versions_are_read_in_every_way(self, spark: Any) -> None:
        spark.range(3).write.format("delta").save("/d/v")
        spark.range(3, 5).write.format("delta").mode("append").save("/d/v")
        first = spark.sql("DESCRIBE HISTORY '/d/v'").orderBy("version").first().timestamp
        at_first = first.strftime("%Y-%m-%d %H:%M:%S.%f")
        reader = spark.read.format("delta")
        frames = [
            reader.option("versionAsOf", 0).load("/d/v"),
            spark.read.format("delta").option("timestampAsOf", at_first).load("/d/v"),
            spark.read.format("delta").load("/d/v@v0"),
            spark.sql("SELECT * FROM delta.`/d/v` VERSION AS OF 0"),
            spark.sql(f"SELECT * FROM delta.`/d/v` TIMESTAMP AS OF '{at_first}'"),
            spark.sql("SELECT * FROM delta.`/d/v`@v0"),
        ]
        assert [frame.count() for frame in frames] == [3] * len(frames)
        assert spark.read.load("/d/v").count() == spark.sql("SELECT * FROM delta.`dbfs:/d/v`").count() == 5
        with pytest.raises(Exception, match=r"version 9. Available versions: \[0, 1\]"):
            spark.read.format("delta").option("versionAsOf", 9).load("/d/v")

    def test_a_frame_made_earlier_shows_what_later_changes_leave(self, spark: Any) -> None:
        spark.range(3).write.format("delta").save("/d/old")
        before = spark.read.format("delta").load("/d/old")
        spark.sql("DELETE FROM delta.`/d/old` WHERE id = 0")
        assert before.count() == 2
        before.where("id > 1").write.format("delta").mode("overwrite").save("/d/old")
        assert rows(before) == [(2,)], "a table may be overwritten with what is read from it"

    def test_rows_must_fit_unless_the_schema_may_change(self, spark: Any) -> None:
        spark.range(1).write.format("delta").save("/d/fit")
        wider = spark.sql("SELECT 1L AS id, 'x' AS b")
        with pytest.raises(Exception, match="A schema mismatch detected when writing to the Delta table"):
            wider.write.format("delta").mode("append").save("/d/fit")
        with pytest.raises(Exception, match="DELTA_FAILED_TO_MERGE_FIELDS"):
            spark.sql("SELECT 'x' AS id").write.format("delta").mode("append").save("/d/fit")
        wider.write.format("delta").mode("append").option("mergeSchema", True).save("/d/fit")
        assert sorted(rows(spark.read.format("delta").load("/d/fit"))) == [(0, None), (1, "x")]
        other = spark.sql("SELECT 'only' AS c")
        other.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save("/d/fit")
        assert spark.read.format("delta").load("/d/fit").columns == ["c"]
        with pytest.raises(Exception, match="DELTA_PATH_EXISTS"):
            other.write.format("delta").save("/d/fit")

    def test_other_formats_do_not_open_a_delta_table(self, spark: Any) -> None:
        spark.range(1).write.format("delta").save("/d/form")
        with pytest.raises(Exception, match="DELTA_INVALID_FORMAT"):
            spark.read.parquet("/d/form")
        with pytest.raises(Exception, match="DELTA_INVALID_FORMAT"):
            spark.range(1).write.mode("append").parquet("/d/form")
        assert spark.read.json("/d/form/_delta_log/*.json").where("commitInfo IS NOT NULL").count() == 1

    def test_part_of_a_table_is_replaced(self, spark: Any) -> None:
        spark.range(4).selectExpr("id % 2 AS p", "id").write.format("delta").partitionBy("p").save("/d/part")
        table = spark.read.format("delta").load("/d/part")
        new = spark.sql("SELECT 1L AS p, 9L AS id")
        new.write.format("delta").mode("overwrite").option("replaceWhere", "p = 1").save("/d/part")
        assert sorted(rows(table)) == [(0, 0), (0, 2), (1, 9)]
        with pytest.raises(Exception, match="DELTA_REPLACE_WHERE_MISMATCH"):
            new.write.format("delta").mode("overwrite").option("replaceWhere", "p = 0").save("/d/part")
        new.selectExpr("0L AS p", "id").write.format("delta").mode("overwrite").option(
            "partitionOverwriteMode", "dynamic"
        ).save("/d/part")
        assert sorted(rows(table)) == [(0, 9), (1, 9)]
        with pytest.raises(Exception, match="Partition columns do not match"):
            new.write.format("delta").mode("append").partitionBy("id").save("/d/part")

    def test_tables_of_others_are_read_and_changed_with_their_partitions(self, spark: Any, spark_home: Path) -> None:
        folder = spark_home / "dbfs" / "d" / "theirs"
        data = pyarrow.table({"p": ["x", "y=%", None], "v": [1, 2, 3]})
        deltalake.write_deltalake(str(folder), data, partition_by=["p"])
        spark.sql("CREATE TABLE theirs USING DELTA LOCATION '/d/theirs'")
        assert sorted(rows(spark.table("theirs")), key=str) == [("x", 1), ("y=%", 2), (None, 3)]
        more = pyarrow.table({"p": ["z"], "v": [4]})
        deltalake.write_deltalake(str(folder), more, partition_by=["p"], mode="append")
        assert spark.table("theirs").count() == 4
        spark.sql("UPDATE theirs SET v = v * 10 WHERE p = 'z'")
        assert rows(spark.sql("SELECT v FROM theirs WHERE p = 'z'")) == [(40,)]
        assert len(deltalake.DeltaTable(str(folder)).partitions()) == 4
        spark.sql("DROP TABLE theirs")
        assert folder.exists(), "the table was not the catalog's own"

    def test_parquet_files_of_earlier_versions_become_version_0(self, spark: Any) -> None:
        spark.range(2).write.parquet("/d/plain")
        spark.range(2, 3).write.format("delta").mode("append").save("/d/plain")
        assert spark.read.format("delta").load("/d/plain").count() == 3
        assert operations(spark, "'/d/plain'") == ["WRITE", "CONVERT"]
        spark._jsparkSession.sql("CREATE TABLE earlier USING parquet AS SELECT 1 AS a, 'x' AS b")
        spark.sql("UPDATE earlier SET b = 'y'")
        assert rows(spark.sql("SELECT * FROM earlier")) == [(1, "y")]
        assert rows(spark.sql("SELECT * FROM earlier VERSION AS OF 0")) == [(1, "x")]


class TestByName:
    """Tables of the catalog."""

    def test_a_table_tells_its_history_and_detail(self, spark: Any, spark_home: Path) -> None:
        spark.sql(
            "CREATE OR REPLACE TABLE told (id INT, p STRING) PARTITIONED BY (p) COMMENT 'c' TBLPROPERTIES (a.b = 1)"
        )
        assert tuple(spark.sql("INSERT INTO told VALUES (1, 'x'), (2, 'y')").first()) == (2, 2)
        spark.sql("UPDATE told SET p = 'z' WHERE id = 1")
        spark.sql("DELETE FROM told WHERE id = 2")
        history = spark.sql("DESCRIBE HISTORY told").collect()
        assert [(row.version, row.operation) for row in history] == [
            (3, "DELETE"),
            (2, "UPDATE"),
            (1, "WRITE"),
            (0, "CREATE OR REPLACE TABLE"),
        ]
        assert history[2].operationParameters == {"mode": "Append", "partitionBy": '["p"]'}
        assert history[0].operationMetrics["numDeletedRows"] == "1"
        detail = spark.sql("DESCRIBE DETAIL told").first()
        assert (detail.format, detail.name, detail.partitionColumns) == ("delta", "spark_catalog.default.told", ["p"])
        assert (detail.description, detail.properties, detail.numFiles) == ("c", {"a.b": "1"}, 1)
        assert rows(spark.sql("SHOW PARTITIONS told")) == [("z",)]
        assert ("a.b", "1") in rows(spark.sql("SHOW TBLPROPERTIES told"))
        described = {row.col_name: row.data_type for row in spark.sql("DESCRIBE TABLE EXTENDED told").collect()}
        assert described["Provider"] == "delta"
        assert described["Location"].endswith("/spark-warehouse/told")
        assert "PARTITIONED BY (p)" in spark.sql("SHOW CREATE TABLE told").first()[0]
        assert spark.table("told").columns == ["id", "p"]
        assert deltalake.DeltaTable(str(spark_home / "spark-warehouse" / "told")).count() == 1

    def test_an_older_version_comes_back_until_it_is_vacuumed(self, spark: Any) -> None:
        spark.sql("CREATE OR REPLACE TABLE back AS SELECT 1 AS a")
        spark.sql("INSERT OVERWRITE back SELECT 2")
        answer = spark.sql("RESTORE TABLE back TO VERSION AS OF 0").first()
        assert (answer.num_restored_files, answer.num_removed_files) == (1, 1)
        assert rows(spark.table("back")) == rows(spark.sql("SELECT * FROM back@v2")) == [(1,)]
        with pytest.raises(UserError, match="RETENTION_PERIOD_TOO_SHORT"):
            spark.sql("VACUUM back RETAIN 0 HOURS")
        spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
        try:
            assert len(spark.sql("VACUUM back RETAIN 0 HOURS DRY RUN").collect()) == 1
            spark.sql("VACUUM back RETAIN 0 HOURS")
        finally:
            spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")
        assert rows(spark.table("back")) == [(1,)]
        with pytest.raises(UserError, match="MISSING_FILES"):
            spark.sql("RESTORE TABLE back TO VERSION AS OF 1")

    def test_clones_live_on_their_own(self, spark: Any) -> None:
        spark.sql("CREATE OR REPLACE TABLE source AS SELECT 1 AS a")
        spark.sql("INSERT INTO source VALUES (2)")
        spark.sql("CREATE OR REPLACE TABLE shallow SHALLOW CLONE source VERSION AS OF 0")
        spark.sql("CREATE OR REPLACE TABLE deep CLONE source")
        spark.sql("DROP TABLE source")
        spark.sql("INSERT INTO shallow VALUES (9)")
        assert sorted(rows(spark.table("shallow"))) == [(1,), (9,)]
        assert sorted(rows(spark.table("deep"))) == [(1,), (2,)]
        assert operations(spark, "shallow") == ["WRITE", "CLONE"]

    def test_values_are_worked_out_numbered_and_checked(self, spark: Any) -> None:
        spark.sql(
            "CREATE OR REPLACE TABLE ruled (id BIGINT GENERATED ALWAYS AS IDENTITY, n STRING NOT NULL, "
            "up STRING GENERATED ALWAYS AS (upper(n)), d INT DEFAULT 7, short VARCHAR(3))"
        )
        spark.sql("INSERT INTO ruled (n) VALUES ('a'), ('b')")
        spark.sql("INSERT INTO ruled (n, d, short) VALUES ('c', DEFAULT, 'xyz')")
        spark.sql(
            "MERGE INTO ruled USING (SELECT 'b' AS n UNION ALL SELECT 'q') s ON ruled.n = s.n "
            "WHEN MATCHED THEN UPDATE SET n = 'bb' WHEN NOT MATCHED THEN INSERT (n) VALUES (s.n)"
        )
        assert rows(spark.sql("SELECT id, n, up, d FROM ruled ORDER BY id")) == [
            (1, "a", "A", 7),
            (2, "bb", "BB", 7),
            (3, "c", "C", 7),
            (4, "q", "Q", 7),
        ]
        spark.sql("ALTER TABLE ruled ADD CONSTRAINT small CHECK (d < 10)")
        for statement, why in (
            ("INSERT INTO ruled (n) VALUES (NULL)", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"),
            ("INSERT INTO ruled (d) VALUES (1)", "DELTA_MISSING_NOT_NULL_COLUMN_VALUE"),
            ("INSERT INTO ruled (n, d) VALUES ('x', 11)", r"CHECK constraint small \(d < 10\) violated.* - d : 11"),
            ("UPDATE ruled SET d = 12", "CHECK constraint small"),
            ("INSERT INTO ruled (n, up) VALUES ('x', 'wrong')", "Generated Column"),
            ("INSERT INTO ruled (id, n) VALUES (5, 'x')", "DELTA_IDENTITY_COLUMNS_EXPLICIT_INSERT_NOT_SUPPORTED"),
            ("INSERT INTO ruled (n, short) VALUES ('x', 'long')", "DELTA_EXCEED_CHAR_VARCHAR_LIMIT"),
            ("ALTER TABLE ruled ADD CONSTRAINT more CHECK (d > 7)", "DELTA_NEW_CHECK_CONSTRAINT_VIOLATION"),
        ):
            with pytest.raises(Exception, match=why):
                spark.sql(statement)
        assert spark.table("ruled").count() == 4

    def test_columns_are_added_renamed_and_dropped(self, spark: Any) -> None:
        spark.sql("CREATE OR REPLACE TABLE changing AS SELECT 1 AS a, 'x' AS b")
        spark.sql("ALTER TABLE changing ADD COLUMNS (c INT COMMENT 'new', d STRING AFTER a)")
        assert rows(spark.table("changing")) == [(1, None, "x", None)]
        with pytest.raises(Exception, match="DELTA_UNSUPPORTED_RENAME_COLUMN"):
            spark.sql("ALTER TABLE changing RENAME COLUMN b TO e")
        spark.sql("ALTER TABLE changing SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
        spark.sql("ALTER TABLE changing RENAME COLUMN b TO e")
        spark.sql("ALTER TABLE changing DROP COLUMN d")
        assert (spark.table("changing").columns, rows(spark.table("changing"))) == (["a", "e", "c"], [(1, "x", None)])
        assert spark.table("changing@v0").columns == ["a", "b"]
        spark.sql("ALTER TABLE changing RENAME TO changed_name")
        assert spark.table("changed_name").count() == 1
        with pytest.raises(NotSupportedHere, match="ALTER TABLE"):
            spark.sql("ALTER TABLE changed_name RECOVER PARTITIONS")

    def test_files_are_copied_in_once(self, spark: Any, spark_home: Path) -> None:
        folder = spark_home / "dbfs" / "d" / "csv"
        folder.mkdir(parents=True)
        (folder / "1.csv").write_text("id,v\n1,a\n2,b\n")
        spark.sql("CREATE OR REPLACE TABLE copied")
        statement = (
            "COPY INTO copied FROM (SELECT id::int AS id, v FROM '/d/csv') FILEFORMAT = CSV "
            "FORMAT_OPTIONS ('header' = 'true') COPY_OPTIONS ('mergeSchema' = 'true')"
        )
        assert [spark.sql(statement).first().num_affected_rows for _ in range(2)] == [2, 0]
        (folder / "2.csv").write_text("id,v\n3,c\n")
        assert spark.sql(statement).first().num_affected_rows == 1
        assert sorted(rows(spark.table("copied"))) == [(1, "a"), (2, "b"), (3, "c")]

    def test_frames_are_written_to_tables_by_their_newer_way(self, spark: Any) -> None:
        spark.range(2).writeTo("main.default.newer").using("delta").tableProperty("x", "y").createOrReplace()
        spark.range(2, 3).writeTo("newer").append()
        from pyspark.sql.functions import col

        spark.range(1).writeTo("newer").overwrite(col("id") < 2)
        assert sorted(rows(spark.table("newer"))) == [(0,), (2,)]
        with pytest.raises(Exception, match="TABLE_OR_VIEW_ALREADY_EXISTS"):
            spark.range(1).writeTo("newer").create()
        spark.range(3).write.insertInto("newer", overwrite=True)
        assert spark.table("newer").count() == 3

    def test_a_table_of_files_takes_the_place_of_a_delta_table(self, spark: Any) -> None:
        spark.sql("CREATE OR REPLACE TABLE swapped AS SELECT 1 AS a")
        spark.range(2).write.format("csv").mode("overwrite").saveAsTable("swapped")
        assert sorted(rows(spark.table("swapped"))) == [(0,), (1,)]
        spark.range(3).write.mode("overwrite").saveAsTable("swapped")
        assert operations(spark, "swapped") == ["CREATE OR REPLACE TABLE AS SELECT"]

    def test_a_dropped_table_leaves_nothing(self, spark: Any, spark_home: Path) -> None:
        spark.sql("CREATE OR REPLACE TABLE fleeting AS SELECT 1 AS a")
        spark.sql("DROP TABLE fleeting")
        assert not list(spark_home.rglob("fleeting/*.parquet"))
        spark.sql("CREATE TABLE fleeting AS SELECT 2 AS a")
        assert operations(spark, "fleeting") == ["CREATE TABLE AS SELECT"]
