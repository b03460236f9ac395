"""The history of one process, kept in memory: for tests and for runs that nobody asks about later."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from dbutils_local.core.events import Event, TaskStarted, TaskStubbed
from dbutils_local.core.state import FINAL
from dbutils_local.errors import AlreadyExists, NotFound
from dbutils_local.store.claims import identity, is_alive
from dbutils_local.store.paging import Cursor, Place, page_of
from dbutils_local.store.records import JobRecord, Page, Request, RunFilter, RunSummary, T


class MemoryStore:
    """A RunStore that is gone with its process; safe for several threads."""

    def __init__(self) -> None:
        self._mutex = threading.RLock()
        self._next = 1
        self._runs: dict[int, RunSummary] = {}
        self._events: dict[int, list[Event]] = {}
        self._task_runs: dict[int, tuple[int, str, int]] = {}
        self._attempts: dict[tuple[int, str], int] = {}
        self._tokens: dict[str, int] = {}
        self._jobs: dict[int, JobRecord] = {}
        self._mailbox: list[Request] = []
        self._driven: set[int] = set()
        self._claims: dict[int, str] = {}
        self._seen: set[tuple[str, str]] = set()
        self._notes: dict[str, str] = {}

    def close(self) -> None:
        """Nothing to close."""

    def new_ids(self, count: int = 1) -> range:
        with self._mutex:
            first, self._next = self._next, self._next + count
        return range(first, first + count)

    def create_run(self, summary: RunSummary, events: Sequence[Event]) -> RunSummary:
        with self._mutex:
            if summary.idempotency_token in self._tokens:
                return self.summary(self._tokens[summary.idempotency_token])
            if summary.run_id in self._runs:
                raise AlreadyExists(f"Run {summary.run_id} exists already.")
            if summary.idempotency_token is not None:
                self._tokens[summary.idempotency_token] = summary.run_id
            created = replace(summary, number_in_job=summary.number_in_job or summary.run_id, seq=len(events))
            self._runs[summary.run_id] = created
            self._events[summary.run_id] = []
            self._add(summary.run_id, events)
            return created

    def append(self, run_id: int, events: Sequence[Event], summary: RunSummary) -> None:
        with self._mutex:
            before = self.summary(run_id)
            self._add(run_id, events)
            self._runs[run_id] = replace(
                before,
                life_cycle_state=summary.life_cycle_state,
                result_state=summary.result_state,
                message=summary.message,
                started_at=summary.started_at,
                ended_at=summary.ended_at,
                updated_at=summary.updated_at,
                repair_count=summary.repair_count,
                seq=before.seq + len(events),
            )

    def events(self, run_id: int, after: int = 0) -> list[tuple[int, Event]]:
        with self._mutex:
            self.summary(run_id)
            return list(enumerate(self._events[run_id][after:], after + 1))

    def summary(self, run_id: int) -> RunSummary:
        with self._mutex:
            if run_id not in self._runs:
                raise NotFound(f"Run {run_id} does not exist.")
            return self._runs[run_id]

    def run_of_task(self, task_run_id: int) -> tuple[int, str, int] | None:
        with self._mutex:
            return self._task_runs.get(task_run_id)

    def list_runs(self, wanted: RunFilter, limit: int = 20, token: str | None = None) -> Page[RunSummary]:
        with self._mutex:
            rows = [summary for summary in self._runs.values() if _matches(summary, wanted)]
        return _page(rows, limit, token, lambda summary: (summary.created_at, summary.run_id))

    def active_runs(self, job_id: int | None = None) -> list[RunSummary]:
        with self._mutex:
            rows = [
                summary for summary in self._runs.values() if _matches(summary, RunFilter(job_id=job_id, active=True))
            ]
        return sorted(rows, key=lambda summary: (summary.created_at, summary.run_id))

    def delete_run(self, run_id: int) -> None:
        with self._mutex:
            self.summary(run_id)
            del self._runs[run_id], self._events[run_id]
            self._task_runs = {key: value for key, value in self._task_runs.items() if value[0] != run_id}
            self._attempts = {key: value for key, value in self._attempts.items() if key[0] != run_id}
            self._mailbox = [request for request in self._mailbox if request.run_id != run_id]

    def prune(self, before_ms: int) -> list[int]:
        """Forget the runs that ended before `before_ms` (epoch ms) and return their ids."""
        with self._mutex:
            old = [
                run.run_id
                for run in self._runs.values()
                if run.life_cycle_state in FINAL and max(run.ended_at, run.created_at) < before_ms
            ]
            for run_id in old:
                self.delete_run(run_id)
            self._tokens = {token: run_id for token, run_id in self._tokens.items() if run_id not in old}
            return old

    def save_job(self, job: JobRecord) -> None:
        with self._mutex:
            self._jobs[job.job_id] = job

    def job(self, job_id: int) -> JobRecord:
        with self._mutex:
            if job_id not in self._jobs:
                raise NotFound(f"Job {job_id} does not exist.")
            return self._jobs[job_id]

    def list_jobs(self, name: str | None = None, limit: int = 20, token: str | None = None) -> Page[JobRecord]:
        with self._mutex:
            rows = [job for job in self._jobs.values() if name is None or job.name.casefold() == name.casefold()]
        return _page(rows, limit, token, lambda job: (job.created_at, job.job_id))

    def delete_job(self, job_id: int) -> None:
        with self._mutex:
            self.job(job_id)
            del self._jobs[job_id]

    def post(self, request: Request) -> None:
        with self._mutex:
            self.summary(request.run_id)
            self._mailbox.append(request)

    def take(self, run_id: int) -> list[Request]:
        with self._mutex:
            taken = [request for request in self._mailbox if request.run_id == run_id]
            self._mailbox = [request for request in self._mailbox if request.run_id != run_id]
            return taken

    def lock(self, run_id: int) -> AbstractContextManager[bool]:
        return self._hold(run_id)

    @contextmanager
    def _hold(self, run_id: int) -> Iterator[bool]:
        with self._mutex:
            mine = run_id not in self._driven
            self._driven.add(run_id)
            if mine:
                self._claims.pop(run_id, None)
        try:
            yield mine
        finally:
            if mine:
                with self._mutex:
                    self._driven.discard(run_id)

    def is_driven(self, run_id: int) -> bool:
        with self._mutex:
            return run_id in self._driven

    def claim(self, run_id: int, pid: int | None) -> None:
        with self._mutex:
            self._claims.pop(run_id, None)
            if pid is not None:
                self._claims[run_id] = identity(pid)

    def is_claimed(self, run_id: int) -> bool | None:
        with self._mutex:
            said = self._claims.get(run_id)
        return None if said is None else is_alive(said)

    def remember(self, scope: str, keys: Iterable[str]) -> list[str]:
        with self._mutex:
            new = [key for key in dict.fromkeys(keys) if (scope, key) not in self._seen]
            self._seen.update((scope, key) for key in new)
            return new

    def note(self, name: str, value: Any = None) -> Any:
        with self._mutex:
            if value is not None:
                self._notes[name] = json.dumps(value)
            return json.loads(self._notes[name]) if name in self._notes else None

    def _add(self, run_id: int, events: Sequence[Event]) -> None:
        self._events[run_id].extend(events)
        for event in events:
            if isinstance(event, TaskStarted | TaskStubbed):
                attempt = self._attempts.get((run_id, event.key), 0)
                self._attempts[run_id, event.key] = attempt + 1
                self._task_runs[event.task_run_id] = (run_id, event.key, attempt)


def _matches(summary: RunSummary, wanted: RunFilter) -> bool:
    return (
        wanted.job_id in (None, summary.job_id)
        and wanted.name in (None, summary.name)
        and wanted.run_type in (None, summary.run_type)
        and (wanted.active is None or wanted.active == (summary.life_cycle_state not in FINAL))
        and (not wanted.states or summary.life_cycle_state in wanted.states or summary.result_state in wanted.states)
        and (wanted.since is None or summary.created_at >= wanted.since)
        and (wanted.until is None or summary.created_at <= wanted.until)
    )


def _page(rows: Sequence[T], limit: int, token: str | None, place_of: Callable[[T], Place]) -> Page[T]:
    cursor = Cursor.read(token)
    behind = sorted((row for row in rows if cursor.admits(place_of(row))), key=place_of, reverse=not cursor.backward)
    return page_of(behind[: limit + 1], limit, cursor, place_of)
