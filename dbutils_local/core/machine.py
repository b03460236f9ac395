"""The run state machine: what an event does to a run, and what follows from where it stands.

Three questions, each a pure function of the state (and of `now`, epoch ms):

    apply(state, event)          the state after the event
    consequences(state, now)     events due because of the state itself: skips, timeouts, loop ends, the run's end
    ready(state, now)            keys of tasks whose attempt may start now

A driver records consequences until there are none, starts what is ready, waits until `next_wake` or an outcome, and
records that. Retries, run_if, for_each concurrency, skips, cancel and the final result are decided here and nowhere
else (jobs reference, sections 4 and 5).
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dbutils_local.core.events import (
    CancelRequested,
    DurationWarned,
    Event,
    Noticed,
    RunAbandoned,
    RunCreated,
    RunDequeued,
    RunFinished,
    RunQueued,
    RunRepaired,
    RunSkipped,
    RunStarted,
    RunTimedOut,
    TaskCanceled,
    TaskExpanded,
    TaskFailed,
    TaskNotRun,
    TaskStarted,
    TaskStubbed,
    TaskSucceeded,
    TaskTerminating,
    TaskTimedOut,
)
from dbutils_local.core.loops import expand, iteration_ended, iteration_key, iterations, loop_end
from dbutils_local.core.plan import plan
from dbutils_local.core.repair import plan_for_repair
from dbutils_local.core.state import (
    Attempt,
    Failure,
    LifeCycle,
    Repair,
    Result,
    RunState,
    TaskState,
)
from dbutils_local.core.verdict import conclusion, verdict
from dbutils_local.spec.job import JobSettings

# `max_retries: -1` is not quite for ever: Databricks was reported to stop at 5,000 (jobs reference, 5.4).
ENDLESS_RETRIES = 5000

DRIVER_DIED = "The process that drove this run ended before the run did"


def fold(events: Iterable[Event]) -> RunState:
    """The state after `events`, the first of which is RunCreated."""
    stream = iter(events)
    first = next(stream, None)
    if not isinstance(first, RunCreated):
        raise ValueError(f"a run begins with RunCreated, not {type(first).__name__}")
    with without_collecting():
        state = begin(first)
        for event in stream:
            apply(state, event)
    return state


@contextmanager
def without_collecting() -> Iterator[None]:
    """Reading a run or a job makes many objects and no garbage: looking for some again and again would cost more."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def begin(event: RunCreated) -> RunState:
    """A run that was just asked for; raises InvalidSpec or UserError if its settings make no plan."""
    settings = JobSettings.model_validate(dict(event.settings))
    planned = plan(settings, only=event.only, stubs=event.stubs, stub_values=event.stub_values)
    state = RunState(
        run_id=event.run_id,
        job_id=event.job_id,
        plan=planned,
        settings=event.settings,
        created_at=event.at,
        updated_at=event.at,
        run_type=event.run_type,
        trigger=event.trigger,
        trigger_info=event.trigger_info,
        creator=event.creator,
        job_parameters=dict(event.job_parameters),
        overriding_parameters=dict(event.overriding_parameters),
        spec_folder=event.spec_folder,
        workspace_root=event.workspace_root,
        files=event.files,
        origin=event.origin,
        parent_task_run_id=event.parent_task_run_id,
        max_concurrency=event.max_concurrency,
    )
    for task in planned.tasks.values():
        state.tasks[task.key] = TaskState(task.key, task)
    _open(state, planned.tasks)
    return state


def apply(state: RunState, event: Event) -> RunState:
    """The state after `event`. Changed in place and returned: a fold over 5,000 tasks must not copy 5,000 tasks."""
    state.updated_at = event.at
    match event:
        case RunCreated():
            raise ValueError("RunCreated begins a run: use begin or fold")
        case RunQueued(at, reason):
            state.phase, state.queued_at, state.queue_reason = LifeCycle.QUEUED, at, reason
        case RunDequeued():
            state.phase = LifeCycle.PENDING
        case RunSkipped(at, message):
            _skip_run(state, at, message)
        case RunStarted(at):
            state.phase = LifeCycle.RUNNING
            state.started_at = state.started_at or at
            state.round_started_at = at
        case TaskStarted():
            _start(state, event)
        case TaskSucceeded(at, key, value, values, output):
            attempt = _end_attempt(state, key, at, Result.SUCCESS)
            attempt.value, attempt.values, attempt.output = value, values, output
            _finish(state, key, at, Result.SUCCESS)
        case TaskFailed():
            _fail(state, event)
        case TaskExpanded(_, key, inputs):
            expand(state, key, inputs)
        case TaskTerminating(_, key, why):
            _terminate(state, key, why)
        case TaskTimedOut(at, key, values):
            _stop(state, key, at, Result.TIMEDOUT, values)
        case TaskCanceled(at, key, values):
            _stop(state, key, at, Result.CANCELED, values)
        case TaskNotRun(at, key, result, message):
            _finish(state, key, at, result, message)
        case TaskStubbed():
            _stub(state, event)
        case CancelRequested(_, None):
            state.canceled = True
        case CancelRequested(_, key) if key is not None:
            if not state.tasks[key].is_final:
                state.stopping[key] = None
        case RunTimedOut():
            state.timed_out = True
        case DurationWarned(_, None):
            state.warned = True
        case DurationWarned(_, key) if key is not None:
            state.tasks[key].warned = True
        case Noticed(_, message, _):
            if message not in state.notices:
                state.notices.append(message)
        case RunRepaired():
            _repair(state, event)
        case RunFinished(at, result, message):
            _close(state, at, result, message)
        case RunAbandoned(at, message):
            _abandon(state, at, message)
    return state


def ready(state: RunState, now: int) -> list[str]:
    """Keys whose next attempt may start, in the order in which they became ready."""
    if state.phase is not LifeCycle.RUNNING or _is_ending(state):
        return []
    return [*state.ready, *(key for key in state.retrying if state.tasks[key].due <= now)]


def consequences(state: RunState, now: int) -> list[Event]:
    """Events that are due now because of where the run stands; record them and ask again, until there are none."""
    if state.is_final:
        return []
    return [*_doomed(state, now), *_stopping(state, now), *_overdue(state, now), *_closing(state, now)] or list(
        _ending(state, now)
    )


def next_wake(state: RunState, seen: int = 0) -> int | None:
    """When `consequences` or `ready` will next change by time alone (epoch ms); None: only an event can change them.

    What was due at `seen` is left out: a retry that waits for a slot must not keep its driver awake.
    """
    times: list[int] = []
    if not _is_ending(state):
        times += [state.tasks[key].due for key in state.retrying]
        times += [due for due in (_job_deadline(state), _job_warning(state)) if due is not None]
    for key in state.active:
        times += [due for due in _attempt_times(state.tasks[key]) if due is not None]
    return min((time for time in times if time > seen), default=None)


# ---------------------------------------------------------------- starting and ending an attempt


def _start(state: RunState, event: TaskStarted) -> None:
    task = state.tasks[event.key]
    state.ready.pop(task.key, None)
    state.retrying.pop(task.key, None)
    state.active[task.key] = None
    _new_attempt(state, task, event.task_run_id, event.at, event.parameters, event.resolved)
    task.phase = LifeCycle.RUNNING


def _new_attempt(
    state: RunState,
    task: TaskState,
    task_run_id: int,
    at: int,
    parameters: Mapping[str, str] | None = None,
    resolved: Mapping[str, Any] | None = None,
) -> Attempt:
    attempt = Attempt(
        len(task.attempts),
        task_run_id,
        at,
        parameters=parameters or {},
        resolved=resolved or {},
        repair=state.repair_count,
    )
    task.attempts.append(attempt)
    task.tries += 1
    if state.repairs:
        state.repairs[-1].task_run_ids.append(task_run_id)
    return attempt


def _end_attempt(state: RunState, key: str, at: int, result: Result) -> Attempt:
    attempt = state.tasks[key].attempts[-1]
    attempt.ended_at, attempt.result, attempt.terminating = at, result, None
    state.active.pop(key, None)
    state.closing.pop(key, None)
    return attempt


def _fail(state: RunState, event: TaskFailed) -> None:
    task = state.tasks[event.key]
    attempt = _end_attempt(state, event.key, event.at, Result.FAILED)
    attempt.failure, attempt.values, attempt.output = event.failure, event.values, event.output
    if _may_retry(state, task):
        _wait_for_retry(state, task, attempt)
    else:
        _finish(state, event.key, event.at, Result.FAILED, event.failure.message)
        if event.failure.setup:
            task.phase = LifeCycle.INTERNAL_ERROR


def _stop(state: RunState, key: str, at: int, result: Result, values: Mapping[str, Any]) -> None:
    task = state.tasks[key]
    attempt = _end_attempt(state, key, at, result)
    attempt.values = values
    if result is Result.TIMEDOUT and task.planned.retry_on_timeout and _may_retry(state, task):
        _wait_for_retry(state, task, attempt)
    else:
        message = "Run timed out." if result is Result.TIMEDOUT else "Run cancelled."
        _finish(state, key, at, result, message)


def _may_retry(state: RunState, task: TaskState) -> bool:
    if _is_ending(state) or task.key in state.stopping or _parent_is_stopping(state, task):
        return False
    allowed = task.planned.max_retries
    return task.tries <= (ENDLESS_RETRIES if allowed < 0 else allowed)


def _parent_is_stopping(state: RunState, task: TaskState) -> bool:
    if task.parent is None:
        return False
    above = state.tasks[task.parent].attempt
    return above is not None and above.terminating is not None


def _wait_for_retry(state: RunState, task: TaskState, attempt: Attempt) -> None:
    # The interval counts from the start of the failed attempt (jobs reference, 5.4).
    task.due = max(attempt.ended_at, attempt.started_at + task.planned.min_retry_interval_ms)
    task.phase = LifeCycle.WAITING_FOR_RETRY
    state.retrying[task.key] = None


def _terminate(state: RunState, key: str, why: str) -> None:
    task = state.tasks[key]
    task.attempts[-1].terminating = why
    task.phase = LifeCycle.TERMINATING
    state.stopping.pop(key, None)
    if task.loop is not None:
        for index in task.loop.waiting:
            state.doomed[iteration_key(key, index)] = Result.CANCELED
        task.loop.waiting.clear()
        for child in iterations(state, task):
            if child.key in state.active:
                state.stopping[child.key] = None
            elif not child.is_final:
                state.doomed[child.key] = Result.CANCELED


def _stub(state: RunState, event: TaskStubbed) -> None:
    task = state.tasks[event.key]
    state.ready.pop(event.key, None)
    attempt = _new_attempt(state, task, event.task_run_id, event.at)
    attempt.values, attempt.result, attempt.ended_at = event.values, Result.SUCCESS, event.at
    if "outcome" in event.values and task.planned.kind == "condition_task":
        attempt.value = str(event.values["outcome"]).lower()
    task.stubbed = True
    _finish(state, event.key, event.at, Result.SUCCESS)


def _finish(state: RunState, key: str, at: int, result: Result, message: str = "") -> None:
    """The task is final: tell whoever waits for it."""
    task = state.tasks[key]
    for index in (state.ready, state.doomed, state.active, state.retrying, state.closing, state.stopping):
        index.pop(key, None)
    task.phase, task.result, task.message, task.ended_at = LifeCycle.TERMINATED, result, message, at
    if task.parent is not None:
        iteration_ended(state, state.tasks[task.parent], result)
        return
    if task.values:
        state.speakers[key] = None
    state.open -= 1
    for below in state.plan.downstream.get(key, ()):
        waiting = state.tasks[below]
        if not waiting.is_final:
            waiting.pending -= 1
            if waiting.pending == 0:
                _decide(state, waiting)


# ---------------------------------------------------------------- run_if


def _decide(state: RunState, task: TaskState) -> None:
    """All upstream tasks are final: the task may start, or it never will."""
    if task.planned.stubbed:
        state.ready[task.key] = None
        return
    disabled = task.planned.disabled and not task.forced
    result = Result.DISABLED if disabled else verdict(state, task.planned)
    if result is None:
        state.ready[task.key] = None
    else:
        state.doomed[task.key] = result


# ---------------------------------------------------------------- what follows by itself


def _is_ending(state: RunState) -> bool:
    return state.canceled or state.timed_out


def _doomed(state: RunState, now: int) -> Iterator[Event]:
    for key, result in state.doomed.items():
        yield TaskNotRun(now, key, result, _REASONS.get(result, ""))


_REASONS = {
    Result.UPSTREAM_FAILED: "An upstream task failed.",
    Result.UPSTREAM_CANCELED: "An upstream task was canceled.",
    Result.CANCELED: "Run cancelled.",
    Result.EXCLUDED: "The run condition of this task was not met.",
    Result.DISABLED: "This task is disabled.",
}


def _stopping(state: RunState, now: int) -> Iterator[Event]:
    """Ends of what a cancel or the job's timeout reaches."""
    if _is_ending(state):
        why = "timeout" if state.timed_out and not state.canceled else "cancel"
        for task in state.tasks.values():
            if task.is_final or task.key in state.doomed:
                continue
            if task.key not in state.active:
                yield TaskNotRun(now, task.key, Result.CANCELED, _REASONS[Result.CANCELED])
            elif task.attempts[-1].terminating is None:
                yield TaskTerminating(now, task.key, why)
        return
    for key in state.stopping:
        if key in state.doomed:
            continue  # its end is being recorded already, and a second one would count it out twice
        if key not in state.active:
            yield TaskNotRun(now, key, Result.CANCELED, _REASONS[Result.CANCELED])
        elif state.tasks[key].attempts[-1].terminating is None:
            yield TaskTerminating(now, key, "cancel")


def _overdue(state: RunState, now: int) -> Iterator[Event]:
    for key in state.active:
        timeout, warning = _attempt_times(state.tasks[key])
        if timeout is not None and timeout <= now and not _is_ending(state):
            yield TaskTerminating(now, key, "timeout")
        if warning is not None and warning <= now:
            yield DurationWarned(now, key)
    deadline, warning = _job_deadline(state), _job_warning(state)
    if deadline is not None and deadline <= now and not _is_ending(state):
        yield RunTimedOut(now)
    if warning is not None and warning <= now:
        yield DurationWarned(now)


def _attempt_times(task: TaskState) -> tuple[int | None, int | None]:
    """When the running attempt times out, and when its duration warning is due."""
    attempt, planned = task.attempts[-1], task.planned
    timeout = attempt.started_at + planned.timeout_ms if planned.timeout_ms and attempt.terminating is None else None
    warning = attempt.started_at + planned.warn_after_ms + 1 if planned.warn_after_ms and not task.warned else None
    return timeout, warning


def _job_deadline(state: RunState) -> int | None:
    if state.phase is not LifeCycle.RUNNING or not state.plan.timeout_ms or _is_ending(state):
        return None
    return state.round_started_at + state.plan.timeout_ms


def _job_warning(state: RunState) -> int | None:
    if state.phase is not LifeCycle.RUNNING or not state.plan.warn_after_ms or state.warned:
        return None
    return state.round_started_at + state.plan.warn_after_ms + 1


def _closing(state: RunState, now: int) -> Iterator[Event]:
    return (loop_end(state, key, now) for key in state.closing)


def _ending(state: RunState, now: int) -> Iterator[Event]:
    """The run's own end: every task is final, and somebody drives it or it was cancelled before anybody did."""
    if state.open == 0 and not state.active and (state.phase is LifeCycle.RUNNING or state.canceled):
        result, message = conclusion(state)
        yield RunFinished(now, result, message)


# ---------------------------------------------------------------- the run itself


def _open(state: RunState, keys: Iterable[str]) -> None:
    """Make `keys` wait for those of their upstream tasks that are not final."""
    opened = list(keys)
    for key in opened:
        task = state.tasks[key]
        task.pending = sum(not state.tasks[name].is_final for name in {edge.upstream for edge in task.planned.edges})
    state.open = sum(not state.tasks[key].is_final for key in state.plan.tasks)
    for key in opened:
        if state.tasks[key].pending == 0:
            _decide(state, state.tasks[key])


def _skip_run(state: RunState, at: int, message: str) -> None:
    state.phase, state.result, state.message = LifeCycle.SKIPPED, Result.MAXIMUM_CONCURRENT_RUNS_REACHED, message
    state.ended_at = at
    for task in state.tasks.values():
        task.phase = LifeCycle.SKIPPED
    state.open = 0


def _close(state: RunState, at: int, result: Result, message: str) -> None:
    # A failed job run reports INTERNAL_ERROR + FAILED, its failing task TERMINATED + FAILED (jobs reference, rule 9).
    state.phase = LifeCycle.INTERNAL_ERROR if result is Result.FAILED else LifeCycle.TERMINATED
    state.result, state.message, state.ended_at = result, message, at
    if state.repairs:
        last = state.repairs[-1]
        last.ended_at, last.result, last.message = at, result, message


def _abandon(state: RunState, at: int, message: str) -> None:
    if state.open == 0:
        # Only the run's own end was not written down any more: what the tasks came to stands.
        _close(state, at, *conclusion(state))
        return
    failure = Failure(message, code="INTERNAL_ERROR", message=message, setup=True)
    for task in state.tasks.values():
        if task.is_final:
            continue
        if task.key in state.active:
            attempt = task.attempts[-1]
            attempt.ended_at, attempt.result, attempt.failure, attempt.terminating = at, Result.FAILED, failure, None
            task.phase, task.result = LifeCycle.INTERNAL_ERROR, Result.FAILED
        else:
            task.phase, task.result = LifeCycle.TERMINATED, Result.CANCELED
        task.message, task.ended_at = message, at
    for index in (state.ready, state.doomed, state.active, state.retrying, state.closing, state.stopping):
        index.clear()
    state.open = 0
    state.abandoned = True
    _close(state, at, Result.FAILED, message)


# ---------------------------------------------------------------- repair


def _repair(state: RunState, event: RunRepaired) -> None:
    if not state.repairs:
        state.original = Repair(0, state.created_at, (), state.ended_at, state.result, state.message)
    state.repairs.append(Repair(event.repair_id, event.at, event.keys))
    state.plan, state.settings = plan_for_repair(state, event), event.settings
    state.files = event.files or state.files
    # Omitting parameters restores the original run's values; giving them overrides (jobs reference, 2.5).
    state.job_parameters.update(event.job_parameters)
    state.overriding_parameters.update(event.overriding_parameters)
    state.phase, state.result, state.message, state.ended_at = LifeCycle.PENDING, None, "", 0
    state.canceled = state.timed_out = state.abandoned = state.warned = False
    state.round_started_at = event.at
    for key, planned in state.plan.tasks.items():
        known = state.tasks.setdefault(key, TaskState(key, planned))
        known.planned = planned
    for key in event.keys:
        _reset(state.tasks[key])
    _open(state, event.keys)


def _reset(task: TaskState) -> None:
    task.phase, task.result, task.message = LifeCycle.BLOCKED, None, ""
    task.ended_at = task.tries = task.due = 0
    task.stubbed = task.warned = False
    task.forced = True
