"""The engine: what a task costs when its work is nothing, how that grows, and whether memory stays where it was."""

from __future__ import annotations

import gc
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from dbutils_local.core.state import RunState
from dbutils_local.settings import Settings
from dbutils_local.spec.job import JobSettings
from dbutils_local.views.snapshot import snapshot
from dbutils_local.workspace import Workspace
from tests.benchmarks.report import Report

SUBJECT = "engine"
SMALL, LARGE = 1_000, 5_000
LIMIT_MS = 3.0  # a task
LIMIT_GROWTH = 6.0  # for five times as many tasks
RUNS, TASKS = 30, 200  # of the test of memory
LIMIT_MB = 10.0


def run(report: Report) -> None:
    """Graphs of condition tasks through the real engine and SQLite."""
    for shape, upstream in SHAPES.items():
        (small_wall, small), (large_wall, large) = (_driven(count, upstream) for count in (SMALL, LARGE))
        report.figure(SUBJECT, f"{shape}, {SMALL:,} conditions: each", small_wall / SMALL * 1000, "ms", LIMIT_MS)
        report.figure(SUBJECT, f"{shape}, {LARGE:,} conditions: each", large_wall / LARGE * 1000, "ms")
        # CPU time: what else the machine does has no say in how our own work grows.
        report.figure(
            SUBJECT,
            f"{shape}: {LARGE:,} to {SMALL:,}",
            large / small,
            "x",
            LIMIT_GROWTH,
            f"{small:.2f} s, {large:.2f} s",
        )
    _memory(report)


def _memory(report: Report) -> None:
    """One process that drives run after run, as a server's children and a notebook with %workflow do."""
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder))
        settings = _job(TASKS, SHAPES["layers of 10"])
        for number in range(RUNS):
            workspace.drive(workspace.submit(settings, launch_it=False).run_id)
            if number == RUNS // 3:
                gc.collect()
                before = process.memory_info().rss
        gc.collect()
        growth = (process.memory_info().rss - before) / 1e6
    report.figure(SUBJECT, f"{RUNS * 2 // 3} more runs of {TASKS} tasks: memory grew", growth, "MB", LIMIT_MB)


def _driven(count: int, upstream: Any) -> tuple[float, float]:
    """Seconds, by the wall clock and of CPU, from asking for a run to its end and a picture of it."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = _workspace(Path(folder))
        settings = _job(count, upstream)
        begin, cpu = time.perf_counter(), time.process_time()
        state: RunState = workspace.drive(workspace.submit(settings, launch_it=False).run_id)
        snapshot(state, state.ended_at)
        took = time.perf_counter() - begin, time.process_time() - cpu
        assert str(state.result) == "SUCCESS", state.message
        return took


def _workspace(folder: Path) -> Workspace:
    return Workspace.open(Settings(home=folder / "home"), folder)


def _job(count: int, upstream: Any) -> JobSettings:
    condition = {"op": "EQUAL_TO", "left": "{{job.run_id}}", "right": "{{job.run_id}}"}
    tasks = [
        {
            "task_key": f"t{number}",
            "condition_task": condition,
            "depends_on": [{"task_key": f"t{above}", "outcome": "true"} for above in upstream(number)],
        }
        for number in range(count)
    ]
    return JobSettings.model_validate({"name": "many", "tasks": tasks})


SHAPES = {
    "a chain": lambda number: [number - 1] if number else [],
    "all at once": lambda number: [],
    "layers of 10": lambda number: range(number // 10 * 10 - 10, number // 10 * 10) if number >= 10 else [],
}
