"""The iterations of a for_each task: which may start, and how the loop ends (jobs reference, 4.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dbutils_local.core.events import Event, TaskCanceled, TaskFailed, TaskSucceeded, TaskTimedOut
from dbutils_local.core.state import CANCELING, FAILING, Failure, Loop, Result, RunState, TaskState


def iteration_key(key: str, index: int) -> str:
    """The node key of iteration `index` (from 0) of a for_each task: task keys hold no brackets, so it is unique."""
    return f"{key}[{index}]"


def iterations(state: RunState, task: TaskState) -> Iterator[TaskState]:
    """The iterations of a loop, in the order of its inputs."""
    inputs = task.loop.inputs if task.loop else ()
    return (state.tasks[iteration_key(task.key, index)] for index in range(len(inputs)))


def expand(state: RunState, key: str, inputs: Sequence[object]) -> None:
    """The loop knows its inputs: an iteration each, of which as many may start as its concurrency allows."""
    task = state.tasks[key]
    nested = task.planned.nested
    assert nested is not None
    loop = task.loop = Loop(tuple(inputs))
    for index in range(len(inputs)):
        name = iteration_key(key, index)
        child = state.tasks.get(name)
        if child is not None and child.result is Result.SUCCESS:
            loop.done += 1  # a repair or a retry of the loop runs only what had not succeeded
            continue
        earlier = child.attempts if child is not None else []
        state.tasks[name] = TaskState(name, nested, attempts=earlier, iteration=index, parent=key)
        loop.waiting.append(index)
    loop.waiting.reverse()
    _refill(state, task, loop)


def _refill(state: RunState, task: TaskState, loop: Loop) -> None:
    while loop.waiting and loop.active < task.planned.concurrency:
        name = iteration_key(task.key, loop.waiting.pop())
        if not state.tasks[name].is_final:
            loop.active += 1
            state.ready[name] = None
    if loop.done == len(loop.inputs):
        state.closing[task.key] = None


def iteration_ended(state: RunState, task: TaskState, result: Result) -> None:
    """One iteration of the loop `task` is final: its slot is free."""
    loop = task.loop
    assert loop is not None
    loop.done += 1
    loop.active = max(0, loop.active - 1)
    loop.canceled += result in CANCELING
    loop.failed += result in FAILING and result not in CANCELING
    _refill(state, task, loop)


def loop_end(state: RunState, key: str, now: int) -> Event:
    """How a loop ends whose iterations are all final (jobs reference, 4.5)."""
    task = state.tasks[key]
    attempt, loop = task.attempts[-1], task.loop
    assert loop is not None
    if attempt.terminating == "timeout":
        return TaskTimedOut(now, key)
    if attempt.terminating == "cancel" or (loop.canceled and not loop.failed):
        return TaskCanceled(now, key)
    if loop.failed:
        first = next(child for child in iterations(state, task) if child.result in (Result.FAILED, Result.TIMEDOUT))
        reason = first.attempts[-1].failure
        why = reason.error if reason else first.result
        error = f"{loop.failed} of {len(loop.inputs)} iterations failed; the first: {first.key}: {why}"
        return TaskFailed(now, key, Failure(error))
    return TaskSucceeded(now, key)
