"""dbt tasks: the set-up everywhere, a real project where dbt is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dbutils_local.executors import dbt
from dbutils_local.executors.base import Failed, Succeeded, TaskContext
from dbutils_local.executors.dbt import DbtExecutor
from dbutils_local.spec.tasks import Task
from dbutils_local.sql.duckdb_engine import DuckDbEngine


def dbt_task(project: Path, *commands: str, **more: Any) -> Task:
    return Task.model_validate(
        {
            "task_key": "t",
            "dbt_task": {"commands": list(commands), "project_directory": str(project), "warehouse_id": "w", **more},
        }
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "models").mkdir(parents=True)
    (folder / "dbt_project.yml").write_text("name: demo\nversion: '1.0'\nprofile: demo\nmodel-paths: [models]\n")
    (folder / "models" / "orders.sql").write_text("{{ config(materialized='table') }} select 1 as id, 2 as amount")
    (folder / "models" / "total.sql").write_text("select sum(amount) as total from {{ ref('orders') }}")
    return folder


def test_without_dbt_the_task_names_the_extra(
    project: Path, make_context: Callable[..., TaskContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt, "_has", lambda module: False)
    outcome = DbtExecutor().run(dbt_task(project, "dbt run"), make_context())
    assert isinstance(outcome, Failed)
    assert outcome.failure.setup
    assert "dbutils-local[dbt]" in outcome.failure.error


def test_a_folder_without_a_project_is_named(
    tmp_path: Path, make_context: Callable[..., TaskContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt, "_has", lambda module: True)
    outcome = DbtExecutor().run(dbt_task(tmp_path, "dbt run"), make_context())
    assert isinstance(outcome, Failed)
    assert f"no dbt_project.yml in {tmp_path}" in outcome.failure.error


def test_the_profile_written_names_the_local_warehouse(project: Path, make_context: Callable[..., TaskContext]) -> None:
    context = make_context()
    member = dbt_task(project, "dbt run", schema="reports", catalog="dev").dbt_task
    assert member is not None
    folder = dbt._profiles(member, project, context)
    assert isinstance(folder, Path)
    written = yaml.safe_load((folder / "profiles.yml").read_text())["demo"]["outputs"]["local"]
    assert written["type"] == "duckdb"
    assert written["schema"] == "reports"
    assert Path(written["path"]) == context.home / "sql" / "catalogs" / "dev.duckdb"


@pytest.mark.skipif(importlib.util.find_spec("dbt") is None, reason="the extra dbt is not installed")
def test_models_are_tables_that_sql_reads_and_a_failing_command_stops(
    project: Path, make_context: Callable[..., TaskContext]
) -> None:
    context = make_context()
    assert isinstance(DbtExecutor().run(dbt_task(project, "dbt run"), context), Succeeded)
    engine = DuckDbEngine(context.home / "sql", local_path=Path)
    assert engine.execute("SELECT total FROM main.default.total")[0].rows == ((2,),)
    engine.close()
    (project / "models" / "bad.sql").write_text("select * from nowhere")
    outcome = DbtExecutor().run(dbt_task(project, "dbt run", "dbt test"), context)
    assert isinstance(outcome, Failed)
    assert "`dbt run` ended with exit code 1" in outcome.failure.error
    assert "model.demo.bad" in outcome.failure.trace
    assert not (context.folder / "dbt" / "1").exists()
