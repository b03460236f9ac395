"""Databricks SQL text in Spark's terms: pure, no session needed."""

from __future__ import annotations

import pytest

from dbutils_local.errors import NotSupportedHere
from dbutils_local.spark.dialect import Act, Means, Names, plan, rewritten

MAIN = Means(Names("main", frozenset({"main", "dev"})), local=lambda path: f"/local{path}")
DEV = Means(Names("dev", frozenset({"main", "dev"})))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM main.s.t", "SELECT * FROM s.t"),
        ("SELECT * FROM hive_metastore.s.t", "SELECT * FROM s.t"),
        ("SELECT * FROM dev.s.t", "SELECT * FROM dev__s.t"),
        ("SELECT dev.s.t.c FROM dev.s.t", "SELECT dev__s.t.c FROM dev__s.t"),
        ("SELECT t.a.b FROM t", "SELECT t.a.b FROM t"),
        ("SELECT 'main.s.t' -- main.s.t", "SELECT 'main.s.t' -- main.s.t"),
        ("SELECT * FROM other.s.t", "SELECT * FROM other.s.t"),
        ("CREATE SCHEMA IF NOT EXISTS dev.s", "CREATE SCHEMA IF NOT EXISTS dev__s"),
        ("DROP SCHEMA dev.s CASCADE", "DROP SCHEMA dev__s CASCADE"),
        ("SHOW TABLES IN dev.s", "SHOW TABLES IN dev__s"),
        ("SHOW TABLES IN main.s", "SHOW TABLES IN s"),
        ("SELECT * FROM csv.`/Volumes/a/b/c.csv`", "SELECT * FROM csv.`/local/Volumes/a/b/c.csv`"),
        ("CREATE TABLE t (a INT) LOCATION '/mnt/x'", "CREATE TABLE t (a INT) LOCATION '/local/mnt/x'"),
        (
            "CREATE TEMP VIEW v USING csv OPTIONS (path '/x', header 'true')",
            "CREATE TEMP VIEW v USING csv OPTIONS (path '/local/x', header 'true')",
        ),
        ("SELECT current_catalog()", "SELECT 'main' AS `current_catalog()`"),
    ],
)
def test_names_and_paths_are_put_in_place(text: str, expected: str) -> None:
    assert rewritten(text, MAIN) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT x.a FROM s.t x JOIN s.u ON x.a = u.a", "SELECT x.a FROM dev__s.t x JOIN dev__s.u ON x.a = u.a"),
        ("INSERT INTO s.t VALUES (1)", "INSERT INTO dev__s.t VALUES (1)"),
        ("CREATE SCHEMA s", "CREATE SCHEMA dev__s"),
        ("SELECT * FROM main.s.t", "SELECT * FROM s.t"),
    ],
)
def test_in_another_catalog_two_part_names_are_its_own(text: str, expected: str) -> None:
    assert rewritten(text, DEV) == expected


@pytest.mark.parametrize(
    ("text", "act", "name"),
    [
        ("USE CATALOG dev", Act.USE_CATALOG, "dev"),
        ("SET CATALOG `dev`", Act.USE_CATALOG, "dev"),
        ("USE main.s", Act.USE_CATALOG, "main"),
        ("CREATE CATALOG IF NOT EXISTS x", Act.CREATE_CATALOG, "x"),
        ("DROP CATALOG IF EXISTS x CASCADE", Act.DROP_CATALOG, "x"),
        ("SHOW CATALOGS", Act.SHOW_CATALOGS, ""),
        ("SHOW SCHEMAS IN dev", Act.SHOW_SCHEMAS, "dev"),
        ("CREATE VOLUME IF NOT EXISTS s.v", Act.MAKE_FOLDER, "/Volumes/main/s/v"),
        ("OPTIMIZE t", Act.NOTHING, ""),
        ("GRANT SELECT ON t TO u", Act.NOTHING, ""),
    ],
)
def test_statements_only_databricks_has_are_acts_of_our_own(text: str, act: Act, name: str) -> None:
    found = plan(text, MAIN)
    assert (found.act, found.name) == (act, name)
    assert act is not Act.NOTHING or found.notices


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("CREATE TABLE t (a INT) USING DELTA", ("CREATE TABLE t (a INT) USING PARQUET",)),
        (
            "CREATE TABLE t (a INT, d DATE) USING DELTA PARTITIONED BY (d)",
            ("CREATE TABLE t (a INT, d DATE) USING PARQUET ",),
        ),
        ("CREATE TABLE t (a INT) CLUSTER BY AUTO", ("CREATE TABLE t (a INT) ",)),
        (
            "CREATE TABLE t (a INT) USING CSV PARTITIONED BY (a)",
            ("CREATE TABLE t (a INT) USING CSV PARTITIONED BY (a)",),
        ),
        ("CREATE OR REPLACE TABLE s.t (a INT)", ("DROP TABLE IF EXISTS s.t", "CREATE TABLE s.t (a INT)")),
        (
            "CREATE OR REPLACE TABLE s.t AS SELECT 1 AS a",
            (
                "DROP TABLE IF EXISTS s.t__new",
                "CREATE TABLE s.t__new AS SELECT 1 AS a",
                "DROP TABLE IF EXISTS s.t",
                "ALTER TABLE s.t__new RENAME TO s.t",
            ),
        ),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", ("CREATE OR REPLACE VIEW v AS SELECT 1",)),
    ],
)
def test_parquet_stands_for_delta(text: str, texts: tuple[str, ...]) -> None:
    assert plan(text, MAIN).texts == texts


def test_the_substitution_is_told_and_real_delta_is_left_alone() -> None:
    assert "Parquet" in plan("CREATE TABLE t (a INT)", MAIN).notices[0]
    with_delta = Means(delta=True)
    for text in (
        "CREATE TABLE t (a INT) USING DELTA PARTITIONED BY (a)",
        "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
        "OPTIMIZE t",
    ):
        assert plan(text, with_delta).texts == (text,)
        assert not plan(text, with_delta).notices


@pytest.mark.parametrize(
    "text",
    [
        "DESCRIBE HISTORY t",
        "DESCRIBE DETAIL t",
        "SELECT * FROM t VERSION AS OF 1",
        "RESTORE TABLE t TO VERSION AS OF 1",
        "COPY INTO t FROM '/x' FILEFORMAT = CSV",
        "CREATE TABLE t SHALLOW CLONE s",
    ],
)
def test_what_needs_delta_is_refused_by_name(text: str) -> None:
    with pytest.raises(NotSupportedHere, match="is not done by local Spark"):
        plan(text, MAIN)


@pytest.mark.parametrize(
    "text", ["MERGE INTO s.t USING s ON t.a = s.a WHEN MATCHED THEN DELETE", "UPDATE s.t SET a = 1", "DELETE FROM s.t"]
)
def test_changes_of_rows_are_done_by_us_without_delta_and_by_delta_with_it(text: str) -> None:
    assert (plan(text, MAIN).act, plan(text, MAIN).changes) == (Act.CHANGE_ROWS, True)
    assert plan(text, Means(delta=True)).act is Act.RUN


def test_reading_changes_nothing_for_others() -> None:
    assert not plan("SELECT 1", MAIN).changes
    assert plan("INSERT INTO t VALUES (1)", MAIN).changes
