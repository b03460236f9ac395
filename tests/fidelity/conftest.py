"""A fresh `dbutils` for each row of the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.dbutils.session import DBUtils, Session
from dbutils_local.kernels.environment import Birth, JobContext

Make = Callable[..., DBUtils]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Builds a `dbutils`: by hand, or with `job=` as a task of a job; all of Birth's fields can be given."""

    def build(environ: Mapping[str, str] | None = None, **fields: Any) -> DBUtils:
        known: dict[str, Any] = {
            "home": tmp_path / "home",
            "workspace_root": tmp_path,
            "notebook_path": "/Users/me/project/notebook",
            "outbox": tmp_path / "outbox.jsonl",
        }
        return DBUtils.of(Session(Birth(**(known | fields)), {"HOME": str(tmp_path), **(environ or {})}))

    return build


@pytest.fixture
def dbutils(make: Make) -> DBUtils:
    """As a person has it in a notebook."""
    return make()


@pytest.fixture
def job() -> JobContext:
    """A task of a job run."""
    return JobContext(
        job_id=11, job_name="nightly", run_id=22, task_run_id=33, task_key="load", start_time=1_700_000_000_000
    )


@pytest.fixture
def in_job(make: Make, job: JobContext) -> DBUtils:
    """As a task of a job has it."""
    return make(job=job)
