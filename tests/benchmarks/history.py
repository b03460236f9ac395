"""The history: what a page of `runs list` and an event cost when many runs are stored."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from statistics import median

from dbutils_local.core.events import Event, Noticed, RunCreated
from dbutils_local.store.records import RunFilter, RunSummary
from dbutils_local.store.sqlite import SqliteStore
from tests.benchmarks.report import Report

SUBJECT = "history"
SIZES = (1_000, 10_000, 100_000)
LIMIT_MS = 50.0
ROUNDS = 9

FILTERS = {
    "newest": RunFilter(),
    "one job": RunFilter(job_id=7),
    "by name": RunFilter(name="job7"),
    "failed, 1 of 5,000": RunFilter(states=("FAILED",)),
    "failed of one job": RunFilter(job_id=0, states=("FAILED",)),
    "active, none": RunFilter(active=True),
}


def run(report: Report) -> None:
    """Pages and appends at three sizes, the largest against the limit."""
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            store = SqliteStore(Path(folder) / "history.sqlite", locks=Path(folder) / "locks")
            store.new_ids()
            _fill(Path(folder) / "history.sqlite", size)
            _pages(report, store, size)
            if size == SIZES[-1]:
                _appends(report, store)
            store.close()


def _pages(report: Report, store: SqliteStore, size: int) -> None:
    limit = LIMIT_MS if size == SIZES[-1] else None
    for name, wanted in FILTERS.items():
        value = _milliseconds(lambda wanted=wanted: store.list_runs(wanted, 20))
        report.figure(SUBJECT, f"{size:,} runs: a page of 20, {name}", value, "ms", limit)
    middle = store.list_runs(RunFilter(until=size * 500), 20).next_token
    value = _milliseconds(lambda: store.list_runs(RunFilter(), 20, middle))
    report.figure(SUBJECT, f"{size:,} runs: a page of 20 in the middle", value, "ms", limit)


def _appends(report: Report, store: SqliteStore) -> None:
    run_id = SIZES[-1] + 1
    created: list[Event] = [RunCreated(at=1, run_id=run_id, job_id=1, settings={})]
    summary = store.create_run(RunSummary(run_id, 1, "job1", created_at=1), created)
    events: list[Event] = [Noticed(at=1, message="x")]
    value = _milliseconds(lambda: [store.append(run_id, events, summary) for _ in range(100)]) / 100
    report.figure(SUBJECT, "an event appended, on disk", value, "ms")


def _milliseconds(action: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        action()
        times.append((time.perf_counter() - start) * 1000)
    return median(times)


def _fill(path: Path, size: int) -> None:
    """Finished runs of 50 jobs, written past the store: it would take a minute to create them one by one."""
    columns = [field.name for field in fields(RunSummary)]
    marks = ", ".join("?" * len(columns))
    connection = sqlite3.connect(path)
    with connection:
        connection.executemany(
            f"INSERT INTO runs ({', '.join(columns)}) VALUES ({marks})",
            ([getattr(_finished(number), column) for column in columns] for number in range(1, size + 1)),
        )
    connection.close()


def _finished(number: int) -> RunSummary:
    at = number * 1000
    return RunSummary(
        number,
        number % 50,
        f"job{number % 50}",
        life_cycle_state="TERMINATED",
        result_state="FAILED" if number % 5000 == 0 else "SUCCESS",
        created_at=at,
        started_at=at,
        ended_at=at + 500,
        updated_at=at + 500,
        number_in_job=number,
    )
