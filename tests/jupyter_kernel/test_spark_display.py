"""Spark in a kernel: one session for all of it, started by the first cell that names it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark")]


@pytest.fixture(scope="module", autouse=True)
def frame(kernel: Any) -> None:
    pytest.importorskip("pyspark")
    made = kernel("df = spark.range(3).toDF('n')")
    assert made.status == "ok", made.traceback


def test_a_frame_is_a_table_by_display_and_by_its_method(kernel: Any) -> None:
    for code in ("display(df)", "df.display()", "display(df.pandas_api())"):
        ran = kernel(code)
        assert "<table>" in ran.html, ran.traceback
        assert "(3 rows" in ran.plain
        assert ran.stderr == ""


def test_more_rows_than_the_limit_are_said_without_counting(kernel: Any) -> None:
    assert "showing first 10,000 rows, there are more" in kernel("display(spark.range(20000))").plain


def test_the_names_are_the_real_things(kernel: Any) -> None:
    code = (
        "from pyspark.sql import SparkSession\nprint(isinstance(spark, SparkSession), sql('select 1 as a').first().a)"
    )
    assert kernel(code).stdout == "True 1\n"


def test_sql_cells_run_on_the_session_in_use(kernel: Any) -> None:
    kernel("df.createOrReplaceTempView('v')")
    assert "3" in kernel("%sql select sum(n) as s from v").plain
    assert kernel("from pyspark.sql import DataFrame\nprint(isinstance(_sqldf, DataFrame))").stdout == "True\n"


def test_a_streaming_frame_is_refused_by_name(kernel: Any) -> None:
    ran = kernel("display(spark.readStream.format('rate').load())")
    assert ran.ename == "NotSupportedHere"
    assert "streaming frame" in ran.evalue
