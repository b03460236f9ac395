"""The only loop: record what follows, start what is ready, wait for what ends. What it decides, core.machine decides.

Only the driving process writes a run's events, and it holds the run's lock while it does. Others leave requests in the
run's mailbox; this process's own faces use a Control.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from dbutils_local.core import machine
from dbutils_local.core.events import (
    CancelRequested,
    Event,
    Noticed,
    RunStarted,
    TaskCanceled,
    TaskExpanded,
    TaskFailed,
    TaskStarted,
    TaskStubbed,
    TaskSucceeded,
    TaskTerminating,
    TaskTimedOut,
)
from dbutils_local.core.state import Failure, LifeCycle, RunState
from dbutils_local.engine.summary import summarize
from dbutils_local.errors import DbutilsLocalError, InvalidState
from dbutils_local.executors.base import Executor, Expanded, Failed, Outcome, Stopped, StopToken, Succeeded
from dbutils_local.store.records import Request, RunStore, RunSummary

# How often the mailbox is looked at, in seconds: the delay of a cancel asked for by another process.
MAILBOX_INTERVAL = 0.2

Listener = Callable[[RunState, tuple[Event, ...]], None]


def epoch_ms() -> int:
    """The time now in epoch milliseconds, UTC."""
    return time.time_ns() // 1_000_000


class Preparation:
    """What must be known to start an attempt; built by engine.prepare, faked in tests."""

    def start(self, state: RunState, key: str, task_run_id: int, stop: StopToken, at: int) -> Started | Refused:
        """Resolve references and parameters of the task and find its executor."""
        raise TypeError("Preparation is a contract: use engine.prepare.TaskPreparation")


@dataclass(frozen=True)
class Started:
    """An attempt that can run: what the log keeps of it, and the call that does it."""

    run: Callable[[], Outcome]
    parameters: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, Any] = field(default_factory=dict)
    inline: bool = False  # cheap: done in the driver's own thread


@dataclass(frozen=True)
class Refused:
    """An attempt that fails before it starts: a reference that cannot be resolved, a task kind nobody runs."""

    failure: Failure


@dataclass
class Control:
    """How the face that drives a run in its own process talks to the loop; safe from signal handlers and threads."""

    inbox: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)

    def cancel(self, key: str | None = None) -> None:
        """Ask for the run, or one task of it, to be cancelled."""
        self.inbox.put(Request(0, "cancel", {"key": key} if key else {}))


@dataclass(frozen=True)
class _Ended:
    key: str
    outcome: Outcome


class Driver:
    """Drives one run to its end. Use `drive`."""

    def __init__(
        self,
        store: RunStore,
        state: RunState,
        summary: RunSummary,
        preparation: Preparation,
        *,
        slots: int,
        listeners: Iterable[Listener] = (),
        control: Control | None = None,
        clock: Callable[[], int] = epoch_ms,
    ) -> None:
        self._store = store
        self.state = state
        self._summary = summary
        self._preparation = preparation
        self._slots = slots
        self._listeners = tuple(listeners)
        self._inbox = (control or Control()).inbox
        self._clock = clock
        self._pool: ThreadPoolExecutor | None = None
        self._tokens: dict[str, StopToken] = {}
        self._running = 0
        self._ids: list[int] = []
        self._batch: list[Event] = []
        self._mailbox_due = 0.0

    def run(self) -> RunState:
        """Loop until the run is final; whatever happens, no task is left running."""
        try:
            if self.state.phase in (LifeCycle.PENDING, LifeCycle.QUEUED):
                self._record(RunStarted(self._clock()))
            while True:
                seen = self._clock()
                self._settle()
                if self.state.is_final and not self._running:
                    return self.state
                started = self._start_ready()
                self._commit()
                if not started:
                    self._wait(seen)
        except BaseException:
            self._stop_everything()
            raise
        finally:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)

    # ------------------------------------------------------------ recording

    def _record(self, *events: Event) -> None:
        for event in events:
            machine.apply(self.state, event)
            self._batch.append(event)
            if isinstance(event, TaskTerminating) and event.key in self._tokens:
                # From a thread: stopping may wait for a process, and the loop must go on.
                threading.Thread(target=self._tokens[event.key].stop, daemon=True).start()

    def _commit(self) -> None:
        """Write what was recorded in one transaction, then tell the listeners."""
        if not self._batch:
            return
        events, self._batch = tuple(self._batch), []
        self._summary = summarize(self.state, self._summary)
        self._store.append(self.state.run_id, events, self._summary)
        for listener in self._listeners:
            listener(self.state, events)

    def _settle(self) -> None:
        while events := machine.consequences(self.state, self._clock()):
            self._record(*events)
        if self.state.is_final:
            self._commit()

    # ------------------------------------------------------------ starting

    def _start_ready(self) -> bool:
        """Start what is ready and has a slot; True if something ended at once, so that the loop should go round."""
        moved = False
        for key in machine.ready(self.state, self._clock()):
            task = self.state.tasks[key]
            if task.planned.stubbed and not task.forced:
                self._record(TaskStubbed(self._clock(), key, self._new_id(), dict(task.planned.stub_values)))
                moved = True
            elif task.planned.kind in _CHEAP or self._running < self._slots:
                moved |= self._start(key)
        return moved

    def _start(self, key: str) -> bool:
        stop, task_run_id, now = StopToken(), self._new_id(), self._clock()
        started = self._preparation.start(self.state, key, task_run_id, stop, now)
        if isinstance(started, Refused):
            self._record(TaskStarted(now, key, task_run_id), TaskFailed(now, key, started.failure))
            return True
        self._record(TaskStarted(now, key, task_run_id, started.parameters, started.resolved))
        if started.inline:
            self._end(key, _guarded(started.run))
            return True
        self._tokens[key] = stop
        self._running += 1
        # The start must be on disk before the task's code runs: a survivor must know that it did.
        self._commit()
        self._threads().submit(lambda: self._inbox.put(_Ended(key, _guarded(started.run))))
        return False

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._slots, thread_name_prefix=f"run-{self.state.run_id}")
        return self._pool

    def _new_id(self) -> int:
        if not self._ids:
            self._ids = list(reversed(self._store.new_ids(16)))
        return self._ids.pop()

    # ------------------------------------------------------------ waiting

    def _wait(self, seen: int) -> None:
        """Sleep until an outcome, a request, or the next time at which something is due that was not at `seen`."""
        wake = machine.next_wake(self.state, seen)
        seconds = MAILBOX_INTERVAL if wake is None else min(MAILBOX_INTERVAL, max(0.0, (wake - self._clock()) / 1000))
        with contextlib.suppress(queue.Empty):
            self._hear(self._inbox.get(timeout=max(seconds, 0.001)))
            while True:
                self._hear(self._inbox.get_nowait())
        if time.monotonic() >= self._mailbox_due:
            self._mailbox_due = time.monotonic() + MAILBOX_INTERVAL
            for request in self._store.take(self.state.run_id):
                self._hear(request)
        self._commit()

    def _hear(self, message: Any) -> None:
        match message:
            case _Ended(key, outcome):
                self._running -= 1
                self._tokens.pop(key, None)
                self._end(key, outcome)
            case Request(kind="cancel", body=body):
                asked: str | None = body.get("key")
                if not self.state.is_final and (asked is None or asked in self.state.tasks):
                    self._record(CancelRequested(self._clock(), asked))

    def _end(self, key: str, outcome: Outcome) -> None:
        """Record how an attempt ended, and what is to be said of it: a notice in one task's output is easily missed."""
        now = self._clock()
        self._record(event_of(self.state, key, outcome, now))
        if isinstance(outcome, Succeeded | Failed):
            said = str(outcome.output.get("info") or "").splitlines()
            self._record(*(Noticed(now, f"{key}: {line}", key) for line in said if line))

    def _stop_everything(self) -> None:
        for token in list(self._tokens.values()):
            with contextlib.suppress(Exception):
                token.stop()


@contextlib.contextmanager
def _held(store: RunStore, run_id: int) -> Iterator[None]:
    """The run's lock. A reader that looks whether it is driven holds it for an instant: try for a moment."""
    give_up = time.monotonic() + 2
    while True:
        with store.lock(run_id) as mine:
            if mine:
                yield
                return
        if time.monotonic() > give_up:
            raise InvalidState(f"Run {run_id} is driven by another process.")
        time.sleep(0.01)


# Kinds that need neither a slot nor a thread of their own.
_CHEAP = frozenset({"condition_task", "for_each_task"})


def event_of(state: RunState, key: str, outcome: Outcome, at: int) -> Event:
    """What an executor's outcome means for the run."""
    task = state.tasks[key]
    why = task.attempts[-1].terminating
    match outcome:
        case Succeeded(value, values, output):
            return TaskSucceeded(at, key, value, values, output)
        case Expanded(inputs) if task.loop is not None and len(task.loop.inputs) != len(inputs):
            # Databricks' own words (jobs reference, 4.5).
            return TaskFailed(
                at, key, Failure("Inputs of a For each task repair must resolve to the same total iterations")
            )
        case Expanded(inputs):
            return TaskExpanded(at, key, inputs)
        case Failed(failure, values, output) if why is None:
            return TaskFailed(at, key, failure, values, output)
        case Failed(_, values) | Stopped(values):
            return TaskTimedOut(at, key, values) if why == "timeout" else TaskCanceled(at, key, values)


def _guarded(run: Callable[[], Outcome]) -> Outcome:
    """The outcome, also when the executor itself breaks: a defect of ours fails the task by name, never the run."""
    try:
        return run()
    except DbutilsLocalError as error:
        return Failed(
            Failure(
                f"{type(error).__name__}: {error}", code="INVALID_RUN_CONFIGURATION", message=str(error), setup=True
            )
        )
    except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on
        text = "".join(traceback.format_exception(error))
        return Failed(
            Failure(f"{type(error).__name__}: {error}", text, code="INTERNAL_ERROR", message=str(error), setup=True)
        )


def executor_is_inline(executor: Executor) -> bool:
    """Whether the driver may call it in its own thread."""
    return bool(getattr(executor, "inline", False))


def drive(
    store: RunStore,
    run_id: int,
    preparation: Preparation,
    *,
    slots: int,
    listeners: Iterable[Listener] = (),
    control: Control | None = None,
    is_held: bool = False,
) -> RunState:
    """Drive a stored run to its end in this process, return its final state; InvalidState if another process does.

    `slots` task runs go on at once, unless the run itself was asked for with a `max_concurrency`. With `is_held` the
    caller holds the run's lock.
    """
    with contextlib.nullcontext() if is_held else _held(store, run_id):
        state = machine.fold(event for _, event in store.events(run_id))
        if state.is_final:
            return state
        return Driver(
            store,
            state,
            store.summary(run_id),
            preparation,
            slots=state.max_concurrency or slots,
            listeners=listeners,
            control=control,
        ).run()
