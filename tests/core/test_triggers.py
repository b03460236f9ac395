"""When triggers are due; the cron cases are fire times that Quartz itself computed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.core import triggers
from dbutils_local.core.quartz import Cron
from dbutils_local.core.triggers import Every, Streak, Watch, after_run, clock_of, look, next_fire, settled
from dbutils_local.errors import UserError
from dbutils_local.spec.job import FileArrival, JobSettings

DATA = Path(__file__).parents[1] / "data" / "quartz"
# Quartz fires 31W on the 30th of a 30-day month whose 31st would be a Saturday.
QUIRKS = {("0 30 9 31W * ?", "Europe/Paris"): {"2027-04-30T07:30:00Z"}}


def rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (DATA / name).read_text("utf-8").splitlines()]


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def fires(cron: Cron, start: int) -> Iterator[int]:
    at: int | None = start
    while (at := cron.next_after(at)) is not None:
        yield at


def check(expression: str, zone: str, start: str, expected: str) -> None:
    if expected.startswith("ERR"):
        with pytest.raises(UserError):
            Cron.parse(expression, zone)
        return
    cron = Cron.parse(expression, zone)
    wanted = [ms(time) for time in expected.split(",") if time and time not in QUIRKS.get((expression, zone), ())]
    assert [at for at, _ in zip(fires(cron, ms(start)), wanted, strict=False)] == wanted, expression


@pytest.mark.parametrize("row", rows("oracle.tsv"), ids=lambda row: f"{row[0]} {row[1]}")
def test_chosen_expressions_fire_as_in_quartz(row: list[str]) -> None:
    check(*row)


def test_random_expressions_fire_as_in_quartz() -> None:
    for row in rows("fuzz.tsv"):
        check(*row)


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("* * * * *", "has 5 fields; Quartz has six or seven"),
        ("0 0 12 * * MON", "exactly one of day of the month and day of the week must be '?', found neither"),
        ("0 0 12 ? * ?", "must be '?', found both"),
        ("61 0 12 * * ?", "the second 61 is not between 0 and 59"),
        ("0 0 12 ? FOO MON", "'FOO' is no month"),
        ("0 0 12 ? * 6#6", "a number from 1 to 5 follows '#'"),
        ("0 0 12 L-31 * ?", "the offset from the last day is at most 30"),
        ("0 0 12 L,15 * ?", "'L' is no day of the month"),
        ("0 0 12 15W,16 * ?", "'15W' is no day of the month"),
        ("0 0 12 ? * 6L,2", "'6L' is no day of the week"),
        ("0 0/0 12 * * ?", "the step '0' of the minute"),
        ("0 0 12 * * ? 2030-2020", "runs backwards"),
        ("0 , 12 * * ?", "'' is no minute"),
        ("? 0 12 * * ?", "'?' is no second"),
    ],
)
def test_what_is_wrong_with_an_expression_is_said(expression: str, fault: str) -> None:
    with pytest.raises(UserError) as caught:
        Cron.parse(expression, "UTC")
    assert str(caught.value).startswith(f"quartz_cron_expression {expression!r}: ")
    assert fault in str(caught.value)


def test_an_unknown_zone_is_named() -> None:
    for zone in ("Mars/Olympus", "", "../etc/passwd"):
        with pytest.raises(UserError, match="is no time zone"):
            Cron.parse("0 0 12 * * ?", zone)


def test_what_never_fires_says_so() -> None:
    assert Cron.parse("0 0 12 31 2 ?", "UTC").next_after(0) is None
    assert Cron.parse("0 0 12 1 1 ? 1999", "UTC").next_after(ms("2020-01-01T00:00:00Z")) is None


@given(st.integers(0, 4_000_000_000_000), st.integers(1, 10**10), st.integers(0, 4_000_000_000_000))
def test_a_periodic_trigger_is_due_once_an_interval(anchor: int, interval: int, at: int) -> None:
    due = Every(interval, anchor).next_after(at)
    assert due > at or due == anchor > at
    assert (due - anchor) % interval == 0
    assert at < anchor or due - at <= interval


def test_scheduled_runs_keep_ten_seconds_apart() -> None:
    each_second = Cron.parse("* * * * * ?", "UTC")
    first = next_fire(each_second, 0)
    assert first == 1_000
    assert next_fire(each_second, first, last=first) == 11_000


def test_what_was_missed_is_not_made_up_for() -> None:
    daily = Cron.parse("0 0 8 * * ?", "UTC")
    assert next_fire(daily, ms("2027-01-10T09:00:00Z"), last=ms("2027-01-01T08:00:00Z")) == ms("2027-01-11T08:00:00Z")


def settings(**members: Any) -> JobSettings:
    return JobSettings.model_validate(members)


def test_the_clock_of_a_job_is_its_schedule_or_period() -> None:
    cron = {"quartz_cron_expression": "0 0 8 * * ?", "timezone_id": "UTC"}
    assert isinstance(clock_of(settings(schedule=cron), 0), Cron)
    assert clock_of(settings(trigger={"periodic": {"interval": 2, "unit": "HOURS"}}), 5) == Every(7_200_000, 5)
    assert clock_of(settings(trigger={"file_arrival": {"url": "/Volumes/a/b/c/"}}), 0) is None
    assert clock_of(settings(), 0) is None


def test_a_later_word_overrides_the_pause_status() -> None:
    paused = settings(continuous={"pause_status": "PAUSED"})
    assert triggers.is_paused(paused)
    assert not triggers.is_paused(paused, override=False)
    assert not triggers.is_paused(settings(continuous={}))
    assert triggers.is_paused(settings(continuous={}), override=True)


PLAIN = FileArrival(url="/Volumes/a/b/c/")


def test_a_file_arrives_when_it_has_stopped_growing() -> None:
    watch = Watch(before={"a": (1, 1)})
    assert settled({"a": (2, 2), "b": (1, 1)}, watch) == []
    watch, fired = look(PLAIN, watch, {"a": (2, 2), "b": (1, 1)}, new=0, now=60_000)
    assert not fired
    assert settled({"a": (2, 2), "b": (1, 1)}, watch) == ["a", "b"]


def test_several_files_in_one_look_start_one_run() -> None:
    watch, fired = look(PLAIN, Watch({}), {"a": (1, 1), "b": (1, 1)}, new=2, now=60_000)
    assert fired
    _, fired = look(PLAIN, watch, watch.before, new=0, now=120_000)
    assert not fired


def test_a_run_waits_until_no_more_files_come() -> None:
    trigger = FileArrival(url="/x/", wait_after_last_change_seconds=120)
    watch, fired = look(trigger, Watch({}), {}, new=1, now=60_000)
    assert not fired
    watch, fired = look(trigger, watch, {}, new=1, now=120_000)
    assert not fired
    watch, fired = look(trigger, watch, {}, new=0, now=180_000)
    assert not fired
    watch, fired = look(trigger, watch, {}, new=0, now=240_000)
    assert fired
    assert (watch.waiting, watch.last_fired) == (0, 240_000)


def test_two_runs_keep_their_distance() -> None:
    trigger = FileArrival(url="/x/", min_time_between_triggers_seconds=300)
    watch, fired = look(trigger, Watch({}, last_fired=100_000), {}, new=1, now=160_000)
    assert not fired
    _, fired = look(trigger, watch, {}, new=0, now=400_000)
    assert fired


def test_a_continuous_job_starts_again_soon_and_backs_off_after_failures() -> None:
    streak, due = after_run(Streak(5), 0, 1_000, succeeded=True)
    assert (streak, due) == (Streak(), 2_000)
    pauses = []
    for _ in range(12):
        streak, due = after_run(streak, 0, 1_000, succeeded=False)
        pauses.append(due - 1_000)
    assert pauses[:4] == [10_000, 20_000, 40_000, 80_000]
    assert pauses[-1] == triggers.LAST_BACKOFF_MS
    streak, due = after_run(streak, 0, triggers.HEALTHY_MS, succeeded=False)
    assert (streak, due - triggers.HEALTHY_MS) == (Streak(1), triggers.FIRST_BACKOFF_MS)
