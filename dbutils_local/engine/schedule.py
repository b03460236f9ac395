"""Starts runs when their jobs' triggers are due; lives in `serve` and in a Jupyter server, one a home at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from dbutils_local.core import triggers
from dbutils_local.core.references import TRIGGER_LOCATION, TRIGGER_TIME
from dbutils_local.core.state import LifeCycle
from dbutils_local.core.triggers import Clock, Streak, Watch
from dbutils_local.engine import launch
from dbutils_local.engine.drive import epoch_ms
from dbutils_local.errors import DbutilsLocalError
from dbutils_local.spec.job import FileArrival, JobSettings
from dbutils_local.store.records import JobRecord, RunFilter, RunStore

log = logging.getLogger("dbutils_local.schedule")

# Start a run of a job: (job_id, trigger word, trigger_info).
StartRun = Callable[[int, str, Mapping[str, Any]], object]
# Every file below a url with its size and time of change.
ListFiles = Callable[[str], triggers.Listing]

TICK_SECONDS = 1.0
# The lock that says which process of a home fires its triggers; no job or run has this id.
_SCHEDULER = -1


@dataclass
class _Job:
    """What the scheduler knows of one job between two ticks."""

    record: JobRecord
    settings: JobSettings
    clock: Clock | None = None
    due: int | None = None
    last_fired: int | None = None
    watch: Watch | None = None
    next_look: int = 0
    streak: Streak = field(default_factory=Streak)
    last_run: int = 0
    not_before: int = 0


class Scheduler:
    """Looks at the stored jobs once a second; what was missed while nobody looked is not made up for (7.1)."""

    def __init__(
        self,
        store: RunStore,
        start_run: StartRun,
        start_queued: Callable[[int], object],
        list_files: ListFiles,
        clock: Callable[[], int] = epoch_ms,
    ) -> None:
        self._store = store
        self._start_run = start_run
        self._start_queued = start_queued
        self._list_files = list_files
        self._now = clock
        self._jobs: dict[int, _Job] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Tick in a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self._run, name="schedule", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Fire nothing more; runs that were started go on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._store.lock(_SCHEDULER) as mine:
                while mine and not self._stop.wait(TICK_SECONDS):
                    self.tick()
            self._stop.wait(5 * TICK_SECONDS)

    def tick(self) -> None:
        """Fire what is due now. What goes wrong with one job is logged and concerns no other."""
        records = {record.job_id: record for record in self._stored()}
        for job_id in [job_id for job_id in self._jobs if job_id not in records]:
            del self._jobs[job_id]
        for record in records.values():
            try:
                self._look_at(self._known(record))
            except DbutilsLocalError as error:
                log.warning("trigger of job %s: %s", record.job_id, error)
        for job_id in {row.job_id for row in self._store.active_runs() if row.life_cycle_state == LifeCycle.QUEUED}:
            self._start_queued(job_id)

    def _stored(self) -> Iterator[JobRecord]:
        token: str | None = None
        while True:
            page = self._store.list_jobs(None, 100, token)
            yield from page.items
            token = page.next_token
            if token is None:
                return

    def _known(self, record: JobRecord) -> _Job:
        known = self._jobs.get(record.job_id)
        if known is None or known.record != record:
            settings = JobSettings.model_validate(dict(record.settings))
            known = _Job(record, settings, last_run=self._latest(record.job_id))
            if not triggers.is_paused(settings, record.paused):
                # Unpausing or changing a trigger does not fire it at once: the next time is counted from now.
                known.clock = triggers.clock_of(settings, record.created_at)
                known.due = triggers.next_fire(known.clock, self._now()) if known.clock else None
            self._jobs[record.job_id] = known
        return known

    def _look_at(self, job: _Job) -> None:
        if triggers.is_paused(job.settings, job.record.paused):
            return
        if job.clock is not None:
            self._on_time(job, job.clock)
        if job.settings.trigger is not None and job.settings.trigger.file_arrival is not None:
            self._on_files(job, job.settings.trigger.file_arrival)
        if job.settings.continuous is not None:
            self._on_end(job)

    # ------------------------------------------------------------ by the clock

    def _on_time(self, job: _Job, clock: Clock) -> None:
        now = self._now()
        if job.due is None or job.due > now:
            return
        due, job.last_fired = job.due, now
        job.due = triggers.next_fire(clock, now, now)
        self._start_run(job.record.job_id, "PERIODIC", {TRIGGER_TIME: due})

    # ------------------------------------------------------------ by files

    def _on_files(self, job: _Job, trigger: FileArrival) -> None:
        now = self._now()
        if now < job.next_look:
            return
        job.next_look = now + triggers.FILE_INTERVAL_MS
        listing = self._list_files(trigger.url)
        scope = f"files of job {job.record.job_id} {trigger.url}"
        if job.watch is None:
            job.watch = Watch(listing)
            if self._store.note(scope) is None:
                # What was there before the trigger is no arrival.
                self._store.note(scope, now)
                self._store.remember(scope, listing)
            return
        new = self._store.remember(scope, triggers.settled(listing, job.watch))
        job.watch, fire = triggers.look(trigger, job.watch, listing, len(new), now)
        if fire:
            self._start_run(job.record.job_id, "FILE_ARRIVAL", {TRIGGER_TIME: now, TRIGGER_LOCATION: trigger.url})

    # ------------------------------------------------------------ one after the other

    def _on_end(self, job: _Job) -> None:
        job_id = job.record.job_id
        if launch.bury_dead(self._store, self._store.active_runs(job_id)):
            return
        page = self._store.list_runs(RunFilter(job_id=job_id, active=False), 1)
        if page.items and page.items[0].run_id != job.last_run:
            row = page.items[0]
            job.last_run = row.run_id
            good = row.result_state in ("SUCCESS", "SUCCESS_WITH_FAILURES")
            job.streak, job.not_before = triggers.after_run(job.streak, row.created_at, row.ended_at, good)
        if self._now() >= job.not_before:
            self._start_run(job_id, "CONTINUOUS", {TRIGGER_TIME: self._now()})

    def _latest(self, job_id: int) -> int:
        page = self._store.list_runs(RunFilter(job_id=job_id, active=False), 1)
        return page.items[0].run_id if page.items else 0

    def __enter__(self) -> Scheduler:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
