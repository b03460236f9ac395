"""What a statement says by a value, as text."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.spark.constants import Reading, direct, with_files, with_identifiers, with_variables


def _value(expression: str) -> str:
    return f"<{expression}>"


def _files(text: str) -> tuple[str, list[Reading]]:
    seen: list[Reading] = []

    def relation(reading: Reading) -> str:
        seen.append(reading)
        return "FILES"

    return with_files(text, _value, relation), seen


def test_a_variable_that_is_set_is_put_in_also_inside_quotes() -> None:
    conf = {"a.b": "/data", "x": "1"}
    text = "SELECT '${a.b}', ${ x }, '${none}' FROM csv.`${spark:a.b}/t`"
    assert with_variables(text, conf.get) == "SELECT '/data', 1, '${none}' FROM csv.`/data/t`"


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("SELECT * FROM IDENTIFIER('c.s.t') x", "SELECT * FROM c.s.t x"),
        ("INSERT INTO identifier(:c || '.t') (a) VALUES (f(1))", "INSERT INTO <:c || '.t'> (a) VALUES (f(1))"),
        ("USE IDENTIFIER(concat_ws('.', :c, lower('S')))", "USE <concat_ws('.', :c, lower('S'))>"),
        ("SELECT identifier FROM t", "SELECT identifier FROM t"),
        ("SELECT 'IDENTIFIER(1)'", "SELECT 'IDENTIFIER(1)'"),
    ],
)
def test_an_identifier_is_the_name_it_gives(text: str, filled: str) -> None:
    assert with_identifiers(text, _value) == filled


def test_files_are_read_as_their_arguments_say() -> None:
    text, seen = _files(
        "CREATE TABLE b AS SELECT * FROM read_files('/b/*.csv', format => 'CSV', header => true, sep => ';')"
    )
    assert text == "CREATE TABLE b AS SELECT * FROM (SELECT *, CAST(NULL AS STRING) AS `_rescued_data` FROM FILES)"
    assert seen == [Reading("/b/*.csv", "csv", {"header": "true", "sep": ";", "inferschema": "true"})]


def test_a_format_that_is_not_said_is_the_ending_and_a_path_can_be_computed() -> None:
    _, seen = _files("SELECT * FROM read_files(path => :p || '/x', format => 'json', inferColumnTypes => false)")
    assert seen == [Reading("<:p || '/x'>", "json", {})]
    assert [_files(f"SELECT * FROM read_files('/x/a{end}')")[1][0].format for end in (".csv.gz", ".txt", ".jsonl")] == [
        "csv",
        "text",
        "json",
    ]
    with pytest.raises(UserError, match="pass format"):
        _files("SELECT * FROM read_files('/x')")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT *, _metadata.file_path FROM read_files('/x', format => 'json')",
        "SELECT * FROM read_files('/x', format => 'csv', schema => 'a INT')",
        "SELECT * FROM read_files('/x', format => 'text')",
    ],
)
def test_nothing_is_rescued_where_a_schema_is_given_or_the_files_facts_are_asked_for(text: str) -> None:
    assert "_rescued_data" not in _files(text)[0]


def test_hints_are_refused_by_name() -> None:
    with pytest.raises(NotSupportedHere, match="schemahints"):
        _files("SELECT * FROM read_files('/x', format => 'csv', schemaHints => 'a INT')")


def test_files_as_a_relation_have_their_options_behind_them() -> None:
    assert direct(Reading("/x", "parquet"), "/l/x") == "parquet.`/l/x`"
    assert direct(Reading("/x", "csv", {"quote": "'"}), "/l/x") == "csv.`/l/x` WITH ('quote' = '\\'')"


# --- on Spark itself ---


def _rows(spark: Any, text: str, **args: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in spark.sql(text, args=args or None).collect()]


def test_spark_reads_files_names_and_settings_as_databricks_writes_them(spark: Any, spark_home: Path) -> None:
    folder = spark_home / "dbfs/shop/books"
    folder.mkdir(parents=True)
    (folder / "1.csv").write_text("id;price\nB1;2.5\nB2;\n")
    options = "format => 'csv', header => true, sep => ';'"
    spark.sql(f"CREATE TABLE main.default.const_books AS SELECT * FROM read_files('/shop/books', {options})")
    assert _rows(spark, "SELECT * FROM const_books ORDER BY id") == [("B1", 2.5, None), ("B2", None, None)]
    shaped = f"read_files('/shop/books', schema => 'i STRING, p DECIMAL(5, 2)', {options})"
    assert _rows(spark, f"SELECT * FROM {shaped} WHERE i = 'B1'") == [("B1", Decimal("2.50"))]
    assert _rows(spark, f"SELECT _metadata.file_name FROM read_files('/shop/books', {options}) LIMIT 1") == [("1.csv",)]
    spark.conf.set("shop.folder", "dbfs:/shop")
    assert _rows(spark, "SELECT count(*) FROM csv.`${shop.folder}/books`") == [(3,)]
    named = "SELECT count(*) FROM IDENTIFIER(:c || '.default.' || :t)"
    assert _rows(spark, named, c="main", t="const_books") == [(2,)]
    spark.conf.unset("shop.folder")


def test_spark_takes_paths_into_text_as_databricks_does(spark: Any) -> None:
    spark.sql('CREATE OR REPLACE TEMP VIEW told AS SELECT \'{"a": {"b": [1, 2]}, "n": "x"}\' AS p')
    frame = spark.sql("SELECT p:a.b[1], p:n AS named FROM told WHERE p:n = 'x'")
    assert (frame.columns, [tuple(row) for row in frame.collect()]) == (["b", "named"], [("2", "x")])
    assert _rows(spark, "SELECT parse_json(p):n::STRING FROM told") == [("x",)]


def test_files_that_are_read_say_their_databricks_name(spark: Any, spark_home: Path) -> None:
    for folder in ("volumes/c/s/v", "dbfs/named"):
        (spark_home / folder).mkdir(parents=True)
        (spark_home / folder / "a.json").write_text('{"a": 1}')
    told = [
        spark.read.json("/Volumes/c/s/v/a.json").select("_metadata.file_path"),
        spark.read.format("binaryFile").load("dbfs:/named").select("path"),
        spark.sql("SELECT _metadata.file_path FROM json.`/named/*.json`"),
    ]
    assert [frame.collect()[0][0] for frame in told] == [
        "dbfs:/Volumes/c/s/v/a.json",
        "dbfs:/named/a.json",
        "dbfs:/named/a.json",
    ]
    elsewhere = spark_home / "elsewhere.json"
    elsewhere.write_text('{"a": 1}')
    assert spark.read.json(f"file:{elsewhere}").select("_metadata.file_path").collect()[0][0] == f"file:{elsewhere}"
