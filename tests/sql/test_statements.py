"""What Databricks statements give on the embedded engine; values checked against Spark 4.3 where it has them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from dbutils_local.sql.duckdb_engine import DuckDbEngine

Rows = list[tuple[Any, ...]]
JAN_1 = datetime.date(2024, 1, 1)

QUERIES: list[tuple[str, Any, str]] = [
    # expression, value, type
    ("1 / 2", 0.5, "double"),
    ("5 DIV 2", 2, "bigint"),
    ("-7 % 3", -1, "int"),
    ("pmod(-7, 3)", 2, "int"),
    ("CAST(1.7 AS INT)", 1, "int"),
    ("CAST(-1.7D AS BIGINT)", -1, "bigint"),
    ("CAST(' 12 ' AS BIGINT)", 12, "bigint"),
    ("try_cast('1.7' AS INT)", None, "int"),
    ("CAST(true AS INT)", 1, "int"),
    ("CAST(TIMESTAMP'1970-01-02' AS BIGINT)", 86400, "bigint"),
    ("1.5", Decimal("1.5"), "decimal(2,1)"),
    ("date_add('2024-01-01', 1)", datetime.date(2024, 1, 2), "date"),
    ("date_sub(DATE'2024-01-01', 1)", datetime.date(2023, 12, 31), "date"),
    ("add_months('2024-01-31', 1)", datetime.date(2024, 2, 29), "date"),
    ("DATE'2024-01-31' + INTERVAL 1 DAY", datetime.date(2024, 2, 1), "date"),
    ("DATE'2024-01-31' - INTERVAL 1 MONTH", datetime.date(2023, 12, 31), "date"),
    ("TIMESTAMP'2024-01-31 01:00:00' + INTERVAL 1 DAY", datetime.datetime(2024, 2, 1, 1), "timestamp"),
    ("unix_timestamp('2024-01-01 00:00:00')", 1704067200, "bigint"),
    ("unix_timestamp('2024', 'yyyy')", 1704067200, "bigint"),
    ("from_unixtime(0)", "1970-01-01 00:00:00", "string"),
    ("sequence(DATE'2024-01-01', DATE'2024-01-02', INTERVAL 1 DAY)", [JAN_1, datetime.date(2024, 1, 2)], "array<date>"),
    ("sequence(3, 1)", [3, 2, 1], "array<int>"),
    ("trunc('2024-05-07', 'MM')", datetime.date(2024, 5, 1), "date"),
    ("weekday('2024-01-07')", 6, "int"),
    ("dayofweek('2024-01-07')", 1, "int"),
    ("year('2024-05-07')", 2024, "int"),
    ("datediff('2024-05-03', '2024-05-01')", 2, "int"),
    ("to_date('01.05.2024', 'dd.MM.yyyy')", datetime.date(2024, 5, 1), "date"),
    ("date_format('2024-05-01', 'yyyy/MM')", "2024/05", "string"),
    ("last_day('2024-02-01')", datetime.date(2024, 2, 29), "date"),
    ("substring_index('a.b.c', '.', 2)", "a.b", "string"),
    ("substring_index('a.b.c', '.', -1)", "c", "string"),
    ("substring('hello', 0, 2)", "he", "string"),
    ("substring('hello', -3, 2)", "ll", "string"),
    ("substring('hello', -10, 7)", "he", "string"),
    ("initcap('heLLo woRLD')", "Hello World", "string"),
    ("concat_ws('-', 'a', NULL, 'b')", "a-b", "string"),
    ("regexp_extract('ab12', '([a-z]+)([0-9]+)', 2)", "12", "string"),
    ("regexp_replace('aXbX', 'X', '-')", "a-b-", "string"),
    ("split('a,b', ',')[0]", "a", "string"),
    ("'it''s'", "it's", "string"),
    ('"double"', "double", "string"),
    ("exists(array(1, 2), x -> x > 1)", True, "boolean"),
    ("forall(array(1, 2), x -> x > 1)", False, "boolean"),
    ("filter(array(1, 2), x -> x > 1)", [2], "array<int>"),
    ("transform(array(1, 2), x -> x + 1)", [2, 3], "array<int>"),
    ("aggregate(array(1, 2), 0, (a, x) -> a + x)", 3, "int"),
    ("slice(array(1, 2, 3, 4), -2, 2)", [3, 4], "array<int>"),
    ("array_position(array(1, 2), 3)", 0, "bigint"),
    ("map('a', 1)['a']", 1, "int"),
    ("array(1, 2)[0]", 1, "int"),
    ("element_at(array(1, 2), -1)", 2, "int"),
    ("size(array(1, 2))", 2, "int"),
    (
        """from_json('{"a":1,"b":["x"]}', 'a INT, b ARRAY<STRING>')""",
        {"a": 1, "b": ["x"]},
        "struct<a:int,b:array<string>>",
    ),
    ("""get_json_object('{"a":{"b":"q"}}', '$.a.b')""", "q", "string"),
    ("format_number(12345.678, 2)", "12,345.68", "string"),
    ("current_user()", "local@localhost", "string"),
    ("current_catalog()", "main", "string"),
    ("current_schema()", "default", "string"),
    ("typeof('a')", "string", "string"),
    ("md5('a')", "0cc175b9c0f1b6a831c399e269772661", "string"),
]


@pytest.mark.parametrize(("expression", "value", "kind"), QUERIES, ids=[row[0] for row in QUERIES])
def test_an_expression_has_databricks_value_and_type(
    engine: DuckDbEngine, expression: str, value: Any, kind: str
) -> None:
    [result] = engine.execute(f"SELECT {expression} AS v")
    assert (result.rows[0][0], result.types) == (value, (kind,))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT percentile_approx(x, 0.5) FROM VALUES (1), (2), (3), (4) t(x)", [(2,)]),
        ("SELECT percentile(x, 0.5), median(x) FROM VALUES (1), (2), (3), (4) t(x)", [(2.5, 2.5)]),
        ("SELECT CAST(sum(x) AS INT) FROM VALUES (1.6), (2.7) t(x)", [(4,)]),
        ("SELECT approx_count_distinct(x) FROM VALUES (1), (1), (2) t(x)", [(2,)]),
        ("SELECT explode(map('a', 1, 'b', 2)) AS (k, v)", [("a", 1), ("b", 2)]),
        ("SELECT id, k, v FROM (SELECT 1 id, map('a', 1) m) LATERAL VIEW explode(m) e AS k, v", [(1, "a", 1)]),
        ("SELECT id, x FROM (SELECT 1 id, array() m) LATERAL VIEW OUTER explode(m) e AS x", [(1, None)]),
        (
            "SELECT id, p, x FROM (SELECT 1 id, array('a', 'b') m) LATERAL VIEW posexplode(m) e AS p, x",
            [(1, 0, "a"), (1, 1, "b")],
        ),
        ("SELECT posexplode(array('x', 'y'))", [(0, "x"), (1, "y")]),
        ("SELECT a, y FROM (SELECT 1 a) t, LATERAL explode(array(3, 4)) AS e(y)", [(1, 3), (1, 4)]),
        ("SELECT inline(array(struct(1 AS a, 'x' AS b)))", [(1, "x")]),
        ("SELECT stack(2, 1, 2, 3)", [(1, 2), (3, None)]),
        ("SELECT * FROM range(3)", [(0,), (1,), (2,)]),
        ('SELECT raw:a.b, raw:c::int FROM (SELECT \'{"a":{"b":"q"},"c":3}\' raw)', [("q", 3)]),
        (
            "SELECT * FROM (SELECT 'a' m, 1 x, 9 g UNION ALL SELECT 'b', 2, 9) PIVOT (sum(x) FOR m IN ('a', 'b'))",
            [(9, 1, 2)],
        ),
        ("SELECT a FROM VALUES (1), (2) t(a) QUALIFY row_number() OVER (ORDER BY a) = 1", [(1,)]),
        ("SELECT a, sum(b) s FROM VALUES ('x', 1), ('x', 2) t(a, b) GROUP BY ALL ORDER BY ALL", [("x", 3)]),
        ("SELECT a FROM VALUES (2), (NULL), (1) t(a) ORDER BY a", [(None,), (1,), (2,)]),
        ("WITH a AS (SELECT 1 x), b AS (SELECT * FROM a) SELECT * FROM b", [(1,)]),
        ("SELECT /*+ BROADCAST(t) */ * EXCEPT (a) FROM VALUES (1, 2) t(a, b)", [(2,)]),
        ("VALUES (1, 2)", [(1, 2)]),
    ],
)
def test_a_query_gives_databricks_rows(rows: Callable[..., Rows], query: str, expected: Rows) -> None:
    assert rows(query) == expected


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (
            "SELECT count(*), sum(x), max(x) + 1, 'a', 1 FROM VALUES (1) t(x)",
            ["count(1)", "sum(x)", "(max(x) + 1)", "a", "1"],
        ),
        ("SELECT CAST('12' AS BIGINT)", ["CAST(12 AS BIGINT)"]),
        ("SELECT explode(map('a', 1))", ["key", "value"]),
        ("SELECT explode(array(1))", ["col"]),
        ("SELECT * FROM VALUES (1, 2)", ["col1", "col2"]),
        ("SELECT stack(1, 1, 2)", ["col0", "col1"]),
    ],
)
def test_columns_without_a_name_are_called_as_on_databricks(engine: DuckDbEngine, query: str, names: list[str]) -> None:
    assert list(engine.execute(query)[0].columns) == names


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("SELECT 1 / 0", "DIVIDE_BY_ZERO"),
        ("SELECT 1 % 0", "REMAINDER_BY_ZERO"),
        ("SELECT CAST('1.7' AS INT)", "CAST_INVALID_INPUT"),
        ("SELECT CAST('x' AS DATE)", "CAST_INVALID_INPUT"),
        ("SELECT * FROM nope", "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELECT nope FROM VALUES (1) t(a)", "UNRESOLVED_COLUMN"),
        ("SELECT nope(1)", "UNRESOLVED_ROUTINE"),
        ("SELEC 1", "PARSE_SYNTAX_ERROR"),
        ("USE SCHEMA nope", "SCHEMA_NOT_FOUND"),
        ("USE CATALOG nope", "NO_SUCH_CATALOG_EXCEPTION"),
        ("DESCRIBE SCHEMA nope", "SCHEMA_NOT_FOUND"),
        ("CREATE SCHEMA default", "SCHEMA_ALREADY_EXISTS"),
        ("SELECT :p", "UNBOUND_SQL_PARAMETER"),
    ],
)
def test_a_failing_statement_carries_databricks_error_class_and_itself(
    engine: DuckDbEngine, query: str, error: str
) -> None:
    from dbutils_local.sql.result import StatementFailed

    with pytest.raises(StatementFailed, match=rf"(?s)^\[{error}.*In the statement.*{query[:6]}") as failure:
        engine.execute(query)
    assert "main_" not in str(failure.value)


def test_statements_before_a_failing_one_have_taken_effect(engine: DuckDbEngine, rows: Callable[..., Rows]) -> None:
    from dbutils_local.sql.result import StatementFailed

    with pytest.raises(StatementFailed, match="line 3"):
        engine.execute("CREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\nSELECT nope FROM t")
    assert rows("SELECT * FROM t") == [(1,)]


def test_python_variables_are_not_tables(engine: DuckDbEngine) -> None:
    import pandas

    from dbutils_local.sql.result import StatementFailed

    frame = pandas.DataFrame({"a": [1]})
    assert len(frame) == 1
    with pytest.raises(StatementFailed, match="TABLE_OR_VIEW_NOT_FOUND"):
        engine.execute("SELECT * FROM frame")


def test_reduce_may_have_a_finish(rows: Callable[..., Rows]) -> None:
    assert rows("SELECT reduce(array(10, 20), 0, (t, a) -> t + a, a -> a * 2)") == [(60,)]
