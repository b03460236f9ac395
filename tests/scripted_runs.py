"""Runs made of events, for tests that only look at runs: no kernel, no store, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dbutils_local.core.events import (
    Event,
    Noticed,
    RunCreated,
    RunRepaired,
    RunStarted,
    TaskExpanded,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
)
from dbutils_local.core.machine import apply, begin, consequences, ready
from dbutils_local.core.state import Failure, RunState

START = 1_760_000_000_000

NIGHTLY: dict[str, Any] = {
    "name": "nightly",
    "parameters": [{"name": "day", "default": "2026-11-22"}],
    "tasks": [
        {"task_key": "plan", "notebook_task": {"notebook_path": "plan.py"}, "max_retries": 2},
        {
            "task_key": "enough_rows",
            "depends_on": [{"task_key": "plan"}],
            "condition_task": {"op": "GREATER_THAN", "left": "{{tasks.plan.values.rows}}", "right": "100"},
        },
        {
            "task_key": "per_region",
            "depends_on": [{"task_key": "enough_rows", "outcome": "true"}],
            "for_each_task": {
                "inputs": '["eu", "us", "<b>"]',
                "concurrency": 2,
                "task": {"task_key": "region", "notebook_task": {"notebook_path": "region.py"}},
            },
        },
        {
            "task_key": "shortfall",
            "depends_on": [{"task_key": "enough_rows", "outcome": "false"}],
            "notebook_task": {"notebook_path": "shortfall.py"},
        },
        {
            "task_key": "publish",
            "depends_on": [{"task_key": "per_region"}, {"task_key": "shortfall"}],
            "run_if": "NONE_FAILED",
            "notebook_task": {"notebook_path": "publish.py"},
        },
        {
            "task_key": "cleanup",
            "depends_on": [{"task_key": "publish"}, {"task_key": "plan"}],
            "run_if": "ALL_DONE",
            "notebook_task": {"notebook_path": "cleanup.py"},
        },
    ],
}
# What each task does; a list gives its attempts one by one.
CALM: dict[str, Any] = {"plan": {"value": "planned", "values": {"rows": 500}}, "enough_rows": {"value": "true"}}
BROKEN = Failure(
    "ZeroDivisionError: division by zero", "Traceback <most recent>\n  1 / 0", file="region.py", cell=3, line=12
)


class Script:
    """Plays a job: every ready task starts, takes a second, and does what `acts` says (nothing said: succeeds)."""

    def __init__(self, settings: Mapping[str, Any] = NIGHTLY, acts: Mapping[str, Any] = CALM, **created: Any) -> None:
        self.acts = dict(acts)
        self.at = START
        self.ids = iter(range(1001, 10**9))
        first = RunCreated(self.at, 7, 3, settings, **created)
        self.events: list[Event] = [first]
        self.state = begin(first)

    def record(self, event: Event) -> None:
        self.events.append(event)
        apply(self.state, event)

    def play(self, limit: int = 10_000) -> Script:
        """Go on until the run ends or `limit` events are recorded."""
        if self.state.phase == "PENDING":
            self.record(RunStarted(self.at))
        for event in self._next():
            if len(self.events) >= limit:
                break
            self.record(event)
        return self

    def repair(self, keys: tuple[str, ...], acts: Mapping[str, Any]) -> Script:
        self.acts = dict(acts)
        self.at += 60_000
        self.record(RunRepaired(self.at, next(self.ids), keys, self.state.settings))
        return self.play()

    def notice(self, message: str) -> None:
        self.record(Noticed(self.at, message))

    def _next(self) -> Iterator[Event]:
        while not self.state.is_final:
            due = consequences(self.state, self.at)
            yield from due
            starting = [] if due else ready(self.state, self.at)
            for key in starting:
                yield TaskStarted(self.at, key, next(self.ids), {"day": "2026-11-22"}, {"notebook_path": f"{key}.py"})
            self.at += 0 if due else 1000
            for key in [key for key in self.state.active if self._acts(key)]:
                yield self._outcome(key)

    def _acts(self, key: str) -> bool:
        task = self.state.tasks[key]
        return task.loop is None or task.attempts[-1].number > 0

    def _outcome(self, key: str) -> Event:
        task = self.state.tasks[key]
        act = self.acts.get(key, {})
        if isinstance(act, list):
            act = act[min(task.tries - 1, len(act) - 1)]
        if isinstance(act, Failure):
            return TaskFailed(self.at, key, act)
        if task.planned.kind == "for_each_task" and task.loop is None:
            return TaskExpanded(self.at, key, ("eu", "us", "<b>"))
        return TaskSucceeded(self.at, key, **act)


def played(acts: Mapping[str, Any] = CALM, **created: Any) -> RunState:
    """The nightly job, played to its end."""
    return Script(acts=acts, **created).play().state
