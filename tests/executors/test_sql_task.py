"""SQL tasks, run for real on the embedded engine."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.core import evidence
from dbutils_local.executors import sql_answer
from dbutils_local.executors.base import Failed, Stopped, StopToken, Succeeded, TaskContext
from dbutils_local.executors.sql import SqlExecutor
from dbutils_local.spec.tasks import Task


def task(tmp_path: Path, text: str) -> Task:
    path = tmp_path / "query.sql"
    path.write_text(text)
    return Task.model_validate({"task_key": "t", "sql_task": {"warehouse_id": "w", "file": {"path": str(path)}}})


def test_a_sql_file_gives_its_last_rows_to_references(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    text = """
        CREATE OR REPLACE TABLE orders AS SELECT * FROM VALUES ('north', 10.5), ('south', 20.0) AS t(region, amount);
        -- the answer
        SELECT region, amount, DATE'2024-01-01' AS day FROM orders WHERE region = :region
    """
    context = make_context(parameters={"region": "south"})
    outcome = SqlExecutor().run(task(tmp_path, text), context)
    assert isinstance(outcome, Succeeded), outcome
    assert outcome.output["sql_output"]["rows"] == [{"region": "south", "amount": "20.0", "day": "2024-01-01"}]
    log = (context.folder / evidence.STDOUT).read_text()
    assert "CREATE OR REPLACE TABLE orders" in log
    assert "|south |20.0  |" in log


def test_parameters_in_braces_are_put_in(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    text = "USE CATALOG {{catalog}}; USE IDENTIFIER({{schema}}); SELECT {{stage}} = 'dev' AS dev, '{{stage}}-x' AS x"
    context = make_context(parameters={"catalog": "main", "schema": "default", "stage": "dev"})
    outcome = SqlExecutor().run(task(tmp_path, text), context)
    assert isinstance(outcome, Succeeded), outcome
    assert outcome.output["sql_output"]["rows"] == [{"dev": True, "x": "dev-x"}]


def test_tables_pass_from_one_task_to_the_next(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    SqlExecutor().run(task(tmp_path, "CREATE TABLE t AS SELECT 1 AS a"), make_context())
    outcome = SqlExecutor().run(task(tmp_path, "SELECT a FROM main.default.t"), make_context())
    assert isinstance(outcome, Succeeded)
    assert outcome.output["sql_output"]["rows"] == [{"a": 1}]


def test_a_failing_statement_fails_the_task_with_itself(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    outcome = SqlExecutor().run(task(tmp_path, "SELECT 1;\nSELECT * FROM nope"), make_context())
    assert isinstance(outcome, Failed)
    assert outcome.failure.error.startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert "SELECT * FROM nope" in outcome.failure.trace
    assert "line 2" in outcome.failure.trace


def test_notices_are_told(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    outcome = SqlExecutor().run(task(tmp_path, "CREATE TABLE t (a INT); OPTIMIZE t"), make_context())
    assert isinstance(outcome, Succeeded)
    assert "OPTIMIZE: nothing done" in outcome.output["info"]


def test_secrets_are_kept_out_of_rows_and_logs(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    context = make_context(redact=lambda text: text.replace("hush", "[REDACTED]"), parameters={"p": "hush"})
    outcome = SqlExecutor().run(task(tmp_path, "SELECT :p AS v"), context)
    assert isinstance(outcome, Succeeded)
    assert outcome.output["sql_output"]["rows"] == [{"v": "[REDACTED]"}]
    assert "hush" not in (context.folder / evidence.STDOUT).read_text()


def test_a_saved_query_is_a_file_named_in_the_settings(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    query = Task.model_validate({"task_key": "t", "sql_task": {"warehouse_id": "w", "query": {"query_id": "abc"}}})
    context = make_context()
    outcome = SqlExecutor().run(query, context)
    assert isinstance(outcome, Failed)
    assert outcome.failure.setup
    assert "'abc' is not on this machine" in outcome.failure.error
    (tmp_path / "saved.sql").write_text("SELECT 5 AS five")
    environ = {**context.environ, "DBUTILS_LOCAL_QUERIES": "abc=saved.sql"}
    outcome = SqlExecutor().run(query, make_context(environ=environ, folder=context.folder))
    assert isinstance(outcome, Succeeded)
    assert outcome.output["sql_output"]["rows"] == [{"five": 5}]


def test_a_task_that_is_stopped_ends_its_statement(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    stop = StopToken()
    endless = "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.id % 7 = b.id % 11"
    timer = threading.Timer(2.0, stop.stop)
    timer.start()
    assert isinstance(SqlExecutor().run(task(tmp_path, endless), make_context(stop=stop)), Stopped)
    timer.join()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("1.50"), "1.50"),
        (datetime.datetime(2024, 1, 2, 3, 4), "2024-01-02 03:04:00"),
        (float("nan"), "nan"),
        (b"ab", "YWI="),
        ({"a": [datetime.date(2024, 1, 1)]}, {"a": ["2024-01-01"]}),
        (None, None),
        (True, True),
    ],
)
def test_values_become_json(value: Any, expected: Any) -> None:
    assert sql_answer.plain(value) == expected


def test_what_references_keep_is_bounded(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    outcome = SqlExecutor().run(task(tmp_path, "SELECT id FROM range(1500)"), make_context())
    assert isinstance(outcome, Succeeded)
    assert len(outcome.output["sql_output"]["rows"]) == 1000
    assert "first 1000 of 1500 rows" in outcome.output["info"]
    assert len(sql_answer.fitting([{"text": "x" * 1000}] * 100)) == 48
