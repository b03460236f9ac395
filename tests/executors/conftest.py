"""What an attempt of a task is given, in a temporary home."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.executors.base import Outcome, Stopped, StopToken, TaskContext
from dbutils_local.kernels.environment import JobContext


def no_child(job_id: int, parameters: Mapping[str, str], overriding: Mapping[str, Any], stop: StopToken) -> Outcome:
    return Stopped()


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., TaskContext]:
    """A context; keyword arguments replace its members."""
    folder = tmp_path / "home" / "runs" / "1" / "t" / "0"
    folder.mkdir(parents=True)
    context = TaskContext(
        task_key="t",
        job=JobContext(1, "job", 1, 2, "t"),
        home=tmp_path / "home",
        workspace_root=tmp_path,
        folder=folder,
        parameters={},
        environ={**os.environ, "DBUTILS_LOCAL_HOME": str(tmp_path / "home"), "PYTHONWARNINGS": "default"},
        task_values={},
        stop=StopToken(),
        run_job=no_child,
        spec_folder=tmp_path,
    )
    return lambda **members: replace(context, **members)
