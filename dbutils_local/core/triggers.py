"""When a job's trigger is next due; pure: times come in and go out as epoch milliseconds, UTC (jobs reference, 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dbutils_local.core.quartz import Cron
from dbutils_local.spec.job import FileArrival, JobSettings, PauseStatus, Periodic, TimeUnit

# Scheduled runs of one job start at least this far apart, however the expression reads (7.1).
MIN_SPACING_MS = 10_000
# Files are looked for about once a minute (7.3).
FILE_INTERVAL_MS = 60_000
# A continuous job's next run starts this long after the last one's good end (7.5: within 60 s).
CONTINUOUS_PAUSE_MS = 1_000
# After failures the pause doubles from the first to the last figure; Databricks does not publish its own.
FIRST_BACKOFF_MS = 10_000
LAST_BACKOFF_MS = 3_600_000
# A run that lasted this long was healthy: the failures before it no longer count.
HEALTHY_MS = 600_000

_UNIT_MS = {
    TimeUnit.MINUTES: 60_000,
    TimeUnit.HOURS: 3_600_000,
    TimeUnit.DAYS: 86_400_000,
    TimeUnit.WEEKS: 604_800_000,
}


@dataclass(frozen=True, slots=True)
class Every:
    """A periodic trigger: every `interval` ms, counted from `anchor` (when the job was stored)."""

    interval: int
    anchor: int

    def next_after(self, at: int) -> int:
        """The first time after `at`."""
        return (
            self.anchor + ((at - self.anchor) // self.interval + 1) * self.interval
            if at >= self.anchor
            else self.anchor
        )


Clock = Cron | Every


def clock_of(settings: JobSettings, anchor: int) -> Clock | None:
    """The clock that a job's schedule or periodic trigger is; None for a job that no clock starts."""
    if settings.schedule is not None:
        return Cron.parse(settings.schedule.quartz_cron_expression, settings.schedule.timezone_id)
    if settings.trigger is not None and settings.trigger.periodic is not None:
        return every(settings.trigger.periodic, anchor)
    return None


def every(periodic: Periodic, anchor: int) -> Every:
    """The clock of a periodic trigger."""
    return Every(periodic.interval * _UNIT_MS[periodic.unit], anchor)


def next_fire(clock: Clock, now: int, last: int | None = None) -> int | None:
    """When to fire next: after `now`, so what was missed is not made up for, and not too soon after `last`."""
    return clock.next_after(now if last is None else max(now, last + MIN_SPACING_MS - 1))


def is_paused(settings: JobSettings, override: bool | None = None) -> bool:
    """Whether a job's trigger may not fire; `override` is what pause or unpause said later."""
    if override is not None:
        return override
    triggers = (settings.schedule, settings.trigger, settings.continuous)
    return any(trigger is not None and trigger.pause_status is PauseStatus.PAUSED for trigger in triggers)


# ---------------------------------------------------------------- files

Stamp = tuple[int, int]  # size in bytes, time of the last change in ns
Listing = Mapping[str, Stamp]  # every file under the watched place


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of a watched place between two looks at it."""

    before: Listing
    waiting: int = 0  # new files that no run was started for yet
    last_change: int = 0  # when the latest of them arrived
    last_fired: int = 0


def settled(listing: Listing, watch: Watch) -> list[str]:
    """Files that did not change since the last look: what is still being written has not arrived yet."""
    return [path for path, stamp in listing.items() if watch.before.get(path) == stamp]


def look(trigger: FileArrival, watch: Watch, listing: Listing, new: int, now: int) -> tuple[Watch, bool]:
    """The watch after a look that found `new` settled files never seen before, and whether a run is to be started.

    A name counts once, so writing an existing file again is no arrival. Several files in one look make one run.
    """
    arrived = replace(
        watch,
        before=listing,
        waiting=watch.waiting + new,
        last_change=now if new else watch.last_change,
    )
    quiet = now - arrived.last_change >= (trigger.wait_after_last_change_seconds or 0) * 1000
    spaced = now - arrived.last_fired >= (trigger.min_time_between_triggers_seconds or 0) * 1000
    if arrived.waiting and quiet and spaced:
        return replace(arrived, waiting=0, last_fired=now), True
    return arrived, False


# ---------------------------------------------------------------- continuous


@dataclass(frozen=True, slots=True)
class Streak:
    """How a continuous job has gone lately."""

    failures: int = 0  # in a row, unhealthy ones only


def after_run(streak: Streak, started: int, ended: int, succeeded: bool) -> tuple[Streak, int]:
    """The streak with one more run in it, and when the next one may start."""
    if succeeded:
        return Streak(), ended + CONTINUOUS_PAUSE_MS
    failures = 1 if ended - started >= HEALTHY_MS else streak.failures + 1
    pause = min(FIRST_BACKOFF_MS * 2 ** min(failures - 1, 20), LAST_BACKOFF_MS)
    return Streak(failures), ended + pause
