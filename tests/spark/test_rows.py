"""DELETE, UPDATE and MERGE on Spark's Delta tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.spark.rows import Action, Clause, MultipleMatches, Side, read, staged

real = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


def test_a_merge_is_taken_apart() -> None:
    found = read(
        "MERGE INTO s.t AS a USING (SELECT 1 AS k) b ON a.k = b.k WHEN MATCHED AND b.k > 1 THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET a.N = b.k, m = 2 WHEN NOT MATCHED THEN INSERT (k, n) VALUES (b.k, 'x') "
        "WHEN NOT MATCHED BY SOURCE THEN DELETE"
    )
    assert (found.table, found.alias, found.source, found.source_alias) == ("s.t", "`a`", "(SELECT 1 AS k)", "`b`")
    assert found.clauses == (
        Clause(Side.MATCHED, Action.DELETE, "b.k > 1"),
        Clause(Side.MATCHED, Action.UPDATE, None, {"n": "b.k", "m": "2"}),
        Clause(Side.SOURCE_ONLY, Action.INSERT, None, {"k": "b.k", "n": "'x'"}),
        Clause(Side.TARGET_ONLY, Action.DELETE),
    )


def test_stars_mean_all_columns_and_the_schema_of_the_target_goes() -> None:
    found = read("MERGE INTO s.t USING u ON s.t.k = u.k WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *")
    assert found.on == "t.k = u.k"
    assert [clause.values for clause in found.clauses] == [None, None]


def test_a_bare_name_in_a_clause_for_one_side_is_that_sides_column() -> None:
    change = read(
        "MERGE INTO t AS a USING u AS b ON a.k = b.k WHEN MATCHED AND n > 1 THEN UPDATE SET m = 2 "
        "WHEN NOT MATCHED AND n > 0 THEN INSERT (k, m) VALUES (k, filter(xs, x -> x > k)) "
        "WHEN NOT MATCHED BY SOURCE AND m < 3 THEN UPDATE SET m = m + 1"
    )
    text = staged(change, {"k": "int", "m": "int"})
    assert "IS NOT NULL AND coalesce((n > 1), false) THEN 0" in text
    assert "coalesce((`b`.n > 0), false) THEN 1" in text
    assert "THEN CAST(`b`.k AS int)" in text
    assert "THEN CAST(FILTER(`b`.xs, x -> x > `b`.k) AS int)" in text
    assert "coalesce((`a`.m < 3), false) THEN 2" in text
    assert "THEN CAST(`a`.m + 1 AS int)" in text


def test_what_cannot_be_read_or_has_no_name_is_refused() -> None:
    with pytest.raises(UserError, match="PARSE_SYNTAX_ERROR"):
        read("UPDATE SET WHERE")
    with pytest.raises(NotSupportedHere, match="give the table a name"):
        read("DELETE FROM parquet.`/x`")


@pytest.fixture
def table(spark: Any) -> Callable[[], list[tuple[Any, ...]]]:
    spark.sql("CREATE OR REPLACE TABLE changed AS SELECT * FROM VALUES (1, 'a'), (2, 'b'), (3, NULL) AS v(id, n)")
    return lambda: [tuple(row) for row in spark.table("changed").orderBy("id").collect()]


class TestOnSpark:
    """On a real session."""

    pytestmark = real

    def test_rows_go_and_change(self, spark: Any, table: Callable[[], Any]) -> None:
        assert spark.sql("DELETE FROM changed WHERE n = 'b'").first().num_affected_rows == 1
        assert table() == [(1, "a"), (3, None)]  # a condition that is NULL is not met
        spark.sql("UPDATE changed AS c SET c.n = upper(coalesce(n, 'x')) WHERE c.id IN (SELECT max(id) FROM changed)")
        assert table() == [(1, "a"), (3, "X")]
        assert spark.sql("DELETE FROM changed").first().num_affected_rows == 2
        assert table() == []

    def test_a_merge_updates_inserts_and_deletes(self, spark: Any, table: Callable[[], Any]) -> None:
        spark.sql("SELECT * FROM VALUES (1, 'new'), (2, NULL), (9, 'more') AS v(id, n)").createOrReplaceTempView("news")
        answer = spark.sql(
            "MERGE INTO changed t USING news s ON t.id = s.id WHEN MATCHED AND s.n IS NULL THEN DELETE "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT * "
            "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET n = :word",
            args={"word": "alone"},
        )
        assert table() == [(1, "new"), (3, "alone"), (9, "more")]
        assert tuple(answer.first()) == (4, 2, 1, 1)

    def test_two_matches_for_one_row_are_an_error_and_nothing_changes(
        self, spark: Any, table: Callable[[], Any]
    ) -> None:
        with pytest.raises(MultipleMatches, match="multiple source rows"):
            spark.sql(
                "MERGE INTO changed USING (SELECT explode(array(1, 1)) AS k) s ON changed.id = s.k "
                "WHEN MATCHED THEN UPDATE SET n = 'q'"
            )
        assert table() == [(1, "a"), (2, "b"), (3, None)]
        assert not spark.catalog.tableExists("dbutils_local_staged")

    def test_a_partition_without_rows_goes_in_every_mode(self, spark: Any) -> None:
        spark.sql("SELECT 1 AS a, 1 AS p UNION SELECT 2, 2").write.partitionBy("p").saveAsTable("parted")
        spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
        try:
            spark.sql("DELETE FROM parted WHERE p = 1")
            assert spark.conf.get("spark.sql.sources.partitionOverwriteMode") == "dynamic"
        finally:
            spark.conf.unset("spark.sql.sources.partitionOverwriteMode")
        assert [tuple(row) for row in spark.table("parted").collect()] == [(2, 2)]

    def test_a_merge_that_finds_nothing_to_do_is_a_version_too(self, spark: Any, table: Callable[[], Any]) -> None:
        source = "(SELECT 9 AS id, 'z' AS n)"
        merge = f"MERGE INTO changed AS t USING {source} AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT *"
        for inserted in ("1", "0"):
            spark.sql(merge)
            told = spark.sql("DESCRIBE HISTORY changed").first()
            assert (told.operation, told.operationMetrics["numTargetRowsInserted"]) == ("MERGE", inserted)
        assert table() == [(1, "a"), (2, "b"), (3, None), (9, "z")]
