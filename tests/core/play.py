"""A run played without kernels: a clock that only moves when asked, and outcomes written down beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dbutils_local.core import machine
from dbutils_local.core.events import (
    CancelRequested,
    Event,
    RunCreated,
    RunRepaired,
    RunStarted,
    TaskCanceled,
    TaskExpanded,
    TaskFailed,
    TaskStarted,
    TaskSucceeded,
    TaskTerminating,
    TaskTimedOut,
)
from dbutils_local.core.repair import repair_keys
from dbutils_local.core.state import Failure, RunState

OK = "ok"
FAIL = "fail"
HANG = "hang"  # runs until it is stopped


def task(key: str, after: Iterable[str] = (), **fields: Any) -> dict[str, Any]:
    """A notebook task; `after` holds keys, or `cond:true` for an outcome edge."""
    edges = []
    for name in after:
        upstream, _, outcome = name.partition(":")
        edges.append({"task_key": upstream, **({"outcome": outcome} if outcome else {})})
    member = {} if any(name.endswith("_task") for name in fields) else {"notebook_task": {"notebook_path": f"/{key}"}}
    return {"task_key": key, "depends_on": edges, **member, **fields}


def condition(key: str, after: Iterable[str] = (), **fields: Any) -> dict[str, Any]:
    return task(key, after, condition_task={"op": "EQUAL_TO", "left": "1", "right": "1"}, **fields)


def loop(
    key: str, after: Iterable[str] = (), concurrency: int = 1, nested: Mapping[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    inner = task(f"{key}_iteration", **(nested or {}))
    return task(key, after, for_each_task={"inputs": "[]", "concurrency": concurrency, "task": inner}, **fields)


@dataclass
class Play:
    """One run. `outcomes[key]` is a list of what its attempts do, the last one again and again: OK, FAIL, HANG, a
    condition's "true"/"false", a dict of task values, or a list of a loop's inputs."""

    tasks: Sequence[Mapping[str, Any]]
    outcomes: dict[str, Any] = field(default_factory=dict)
    took: int = 1000  # ms every attempt lasts
    slots: int = 1000
    settings: dict[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    stubs: tuple[str, ...] = ()
    stub_values: dict[str, dict[str, Any]] = field(default_factory=dict)
    now: int = 1_000_000
    events: list[Event] = field(default_factory=list)
    during: Callable[[Play], None] = lambda play: None  # called after every step

    def __post_init__(self) -> None:
        self.ids = 100
        self.ends: dict[str, int] = {}
        created = RunCreated(
            self.now,
            1,
            1,
            {"name": "job", **self.settings, "tasks": list(self.tasks)},
            only=self.only,
            stubs=self.stubs,
            stub_values=self.stub_values,
        )
        self.events.append(created)
        self.state: RunState = machine.begin(created)
        self.record(RunStarted(self.now))

    def record(self, *events: Event) -> None:
        for event in events:
            machine.apply(self.state, event)
            self.events.append(event)
            if isinstance(event, TaskTerminating) and event.key in self.ends:
                self.ends[event.key] = self.now + 10

    def run(self) -> Play:
        """Play to the end."""
        for _ in range(100_000):
            self.step()
            if self.state.is_final and not self.ends:
                return self
        raise AssertionError(f"the run does not end: {self.state}")

    def step(self) -> None:
        while events := machine.consequences(self.state, self.now):
            self.record(*events)
        for key in machine.ready(self.state, self.now):
            if len(self.ends) < self.slots:
                self._start(key)
        self.during(self)
        while events := machine.consequences(self.state, self.now):
            self.record(*events)
        if self.state.is_final and not self.ends:
            return
        if machine.ready(self.state, self.now) and len(self.ends) < self.slots:
            return
        wake = machine.next_wake(self.state, self.now)
        times = [*self.ends.values(), *([wake] if wake is not None else [])]
        assert times, f"nothing would ever happen again: {self.state}"
        self.now = max(self.now, min(times))
        for key in [key for key, at in self.ends.items() if at <= self.now]:
            del self.ends[key]
            self._end(key)

    def _start(self, key: str) -> None:
        planned = self.state.tasks[key].planned
        self.ids += 1
        if planned.stubbed and not self.state.tasks[key].forced:
            from dbutils_local.core.events import TaskStubbed

            self.record(TaskStubbed(self.now, key, self.ids, planned.stub_values))
            return
        self.record(TaskStarted(self.now, key, self.ids))
        does = self._outcome(key)
        if planned.kind == "condition_task":
            self.record(TaskSucceeded(self.now, key, "true" if does == OK else does))
        elif planned.kind == "for_each_task":
            self.record(TaskExpanded(self.now, key, tuple(does if isinstance(does, list) else ())))
        else:
            self.ends[key] = 10**15 if does == HANG else self.now + self.took

    def _outcome(self, key: str) -> Any:
        planned = self.outcomes.get(key, OK)
        if self.state.tasks[key].planned.kind == "for_each_task" or not isinstance(planned, list):
            return planned
        return planned[min(len(self.state.tasks[key].attempts), len(planned)) - 1]

    def _end(self, key: str) -> None:
        why = self.state.tasks[key].attempts[-1].terminating
        does = self._outcome(key)
        if why is not None:
            self.record(TaskTimedOut(self.now, key) if why == "timeout" else TaskCanceled(self.now, key))
        elif does == FAIL:
            self.record(TaskFailed(self.now, key, Failure("RuntimeError: no")))
        else:
            self.record(TaskSucceeded(self.now, key, values=does if isinstance(does, dict) else {}))

    def cancel(self, key: str | None = None) -> None:
        self.record(CancelRequested(self.now, key))

    def repair(self, **asked: Any) -> Play:
        """Repair the finished run and play it to its end."""
        keys = repair_keys(self.state, **asked)
        self.ids += 1
        self.now += 60_000
        self.record(RunRepaired(self.now, self.ids, keys, self.state.settings), RunStarted(self.now))
        return self.run()

    @property
    def results(self) -> dict[str, str]:
        return {key: str(item.result) for key, item in self.state.tasks.items()}

    @property
    def result(self) -> str:
        return str(self.state.result)

    def starts(self, key: str) -> list[int]:
        return [attempt.started_at for attempt in self.state.tasks[key].attempts]


def play(*tasks: Mapping[str, Any], **fields: Any) -> Play:
    """A run of these tasks, played to its end."""
    return Play(tasks, **fields).run()
