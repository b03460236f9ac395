"""A warehouse of its own for each test, with the Databricks paths below the test's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.sql.duckdb_engine import DuckDbEngine

Rows = list[tuple[Any, ...]]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDbEngine]:
    """A session on an empty warehouse."""
    engine = DuckDbEngine(tmp_path / "sql", local_path=lambda path: tmp_path / path.removeprefix("dbfs:").strip("/"))
    yield engine
    engine.close()


@pytest.fixture
def rows(engine: DuckDbEngine) -> Callable[..., Rows]:
    """The rows of the last of some statements; keyword arguments are its parameters."""
    return lambda text, **parameters: list(engine.execute(text, parameters)[-1].rows)
