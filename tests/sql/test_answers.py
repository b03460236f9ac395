"""The embedded engine answers as Spark does: the same values, types, column names and classes of errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dbutils_local.sql.duckdb_engine import DuckDbEngine
from dbutils_local.sql.result import StatementFailed
from tests.sql.answers import Answer, error_class, known, queries, written

ANSWERS = known()
SETUP, QUERIES = queries()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbEngine]:
    """One session for all: an expression changes nothing."""
    engine = DuckDbEngine(tmp_path_factory.mktemp("answers") / "sql", local_path=Path)
    with engine.open():
        yield engine
    engine.close()


def _answer(session: DuckDbEngine, sql: str) -> Answer:
    try:
        [result] = session.execute(f"SELECT {sql} AS v")
    except StatementFailed as error:
        return {"sql": sql, "error": error_class(str(error))}
    rows = [written(row[0]) for row in result.rows]
    return {"sql": sql, "type": result.types[0], "value": rows[0] if len(rows) == 1 else rows}


@pytest.mark.parametrize("expected", ANSWERS, ids=[answer["sql"] for answer in ANSWERS])
def test_an_expression_is_answered_as_spark_answers_it(session: DuckDbEngine, expected: Answer) -> None:
    assert _answer(session, expected["sql"]) == expected


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckDbEngine]:
    """One session with the two tables the queries read."""
    engine = DuckDbEngine(tmp_path_factory.mktemp("queries") / "sql", local_path=Path)
    with engine.open():
        for statement in SETUP:
            engine.execute(statement)
        yield engine
    engine.close()


@pytest.mark.parametrize("expected", QUERIES, ids=[answer["sql"] for answer in QUERIES])
def test_a_query_is_answered_as_spark_answers_it(tables: DuckDbEngine, expected: Answer) -> None:
    [result] = tables.execute(expected["sql"])
    assert list(result.columns) == expected["columns"]
    assert list(result.types) == expected["types"]
    assert [[written(value) for value in row] for row in result.rows] == expected["rows"]
