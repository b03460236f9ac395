"""What fires a job, with a clock that only moves when told (jobs reference, 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dbutils_local.engine.schedule import Scheduler
from dbutils_local.spec.job import JobSettings, resolved
from dbutils_local.store.memory import MemoryStore
from dbutils_local.store.records import JobRecord, RunSummary

START = 1_800_000_000_000  # a full minute


class Board:
    """A scheduler over one job, and what it started."""

    def __init__(self, **trigger: Any) -> None:
        self.now = START
        self.store = MemoryStore()
        self.started: list[tuple[int, str, dict[str, Any]]] = []
        self.files: dict[str, tuple[int, int]] = {}
        settings = resolved(JobSettings.model_validate({"name": "job", **trigger}))
        self.store.save_job(JobRecord(7, "job", settings, START - 5000, "me"))
        self.scheduler = self.new()

    def new(self) -> Scheduler:
        def start(job_id: int, trigger: str, info: Any) -> None:
            self.started.append((self.now, trigger, dict(info)))

        return Scheduler(self.store, start, lambda job_id: None, lambda url: dict(self.files), lambda: self.now)

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1000
            self.scheduler.tick()


def cron(expression: str, **more: Any) -> dict[str, Any]:
    return {"schedule": {"quartz_cron_expression": expression, "timezone_id": "UTC", **more}}


def test_a_cron_schedule_fires_at_its_times_and_says_which_time_it_was():
    board = Board(**cron("0 * * * * ?"))
    board.pass_seconds(121)
    assert [(at - START, trigger) for at, trigger, _ in board.started] == [(60_000, "PERIODIC"), (120_000, "PERIODIC")]
    assert board.started[0][2] == {"time": START + 60_000}


def test_what_was_missed_while_nobody_looked_is_not_made_up_for():
    board = Board(**cron("0 * * * * ?"))
    board.scheduler.tick()
    board.now += 3_600_000
    board.scheduler.tick()
    assert len(board.started) == 1
    board.scheduler = board.new()
    board.now += 3_600_000
    board.scheduler.tick()
    assert len(board.started) == 1


@pytest.mark.parametrize("paused", [True, False])
def test_a_paused_schedule_does_not_fire_and_unpausing_fires_nothing_at_once(paused):
    board = Board(**cron("0 * * * * ?", pause_status="PAUSED" if paused else "UNPAUSED"))
    board.pass_seconds(90)
    assert bool(board.started) is not paused
    board.started.clear()
    board.store.save_job(replace(board.store.job(7), paused=not paused))
    board.pass_seconds(20)
    assert board.started == []
    board.pass_seconds(20)
    assert bool(board.started) is paused


def test_a_periodic_trigger_fires_every_interval():
    board = Board(trigger={"periodic": {"interval": 1, "unit": "HOURS"}})
    board.pass_seconds(3601)
    assert [trigger for _, trigger, _ in board.started] == ["PERIODIC"]


def test_a_new_file_fires_once_and_those_that_were_there_do_not():
    board = Board(trigger={"file_arrival": {"url": "/Volumes/a/b/c/"}})
    board.files["old"] = (1, 1)
    board.pass_seconds(130)
    assert board.started == []
    board.files["new"] = (5, 5)
    board.pass_seconds(180)
    assert [(trigger, info["location"]) for _, trigger, info in board.started] == [("FILE_ARRIVAL", "/Volumes/a/b/c/")]
    board.files["new"] = (6, 6)
    board.pass_seconds(180)
    assert len(board.started) == 1


def test_a_file_that_came_while_the_server_was_down_fires_after_a_restart():
    board = Board(trigger={"file_arrival": {"url": "/Volumes/a/b/c/"}})
    board.pass_seconds(70)
    board.files["new"] = (5, 5)
    board.scheduler = board.new()
    board.pass_seconds(130)
    assert len(board.started) == 1


def test_a_continuous_job_runs_again_after_its_end_and_waits_longer_after_failures():
    board = Board(continuous={})
    board.scheduler.tick()
    assert [trigger for _, trigger, _ in board.started] == ["CONTINUOUS"]
    ended = RunSummary(
        1, 7, "job", life_cycle_state="TERMINATED", result_state="FAILED", created_at=START, ended_at=START + 1
    )
    board.store.create_run(ended, [])
    board.started.clear()
    board.pass_seconds(5)
    assert board.started == []
    board.pass_seconds(10)
    assert board.started != []
