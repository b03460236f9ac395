"""Databricks SQL text in Spark's terms: pure, no session needed."""

from __future__ import annotations

import pytest

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
        ("CREATE TABLE t (a INT) USING DELTA", ("CREATE TABLE t (a INT) USING DELTA",)),
        ("CREATE OR REPLACE TABLE s.t AS SELECT 1 AS a", ("CREATE OR REPLACE TABLE s.t AS SELECT 1 AS a",)),
        (
            "CREATE OR REPLACE TABLE s.t (a INT) USING csv",
            ("DROP TABLE IF EXISTS s.t", "CREATE TABLE s.t (a INT) USING csv"),
        ),
        (
            "CREATE OR REPLACE TABLE s.t USING csv AS SELECT 1 AS a",
            (
                "DROP TABLE IF EXISTS s.t__new",
                "CREATE TABLE s.t__new USING csv AS SELECT 1 AS a",
                "DROP TABLE IF EXISTS s.t",
                "ALTER TABLE s.t__new RENAME TO s.t",
            ),
        ),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", ("CREATE OR REPLACE VIEW v AS SELECT 1",)),
        ("DELETE FROM delta.`/x`", ("DELETE FROM delta.`/x`",)),
    ],
)
def test_delta_tables_are_left_to_those_who_keep_them(text: str, texts: tuple[str, ...]) -> None:
    assert plan(text, MAIN).texts == texts
    assert plan("CREATE OR REPLACE TABLE t USING csv", Means(delta=True)).texts == (
        "CREATE OR REPLACE TABLE t USING csv",
    )


def test_reading_changes_nothing_for_others() -> None:
    assert not plan("SELECT 1", MAIN).changes
    assert plan("INSERT INTO t VALUES (1)", MAIN).changes
