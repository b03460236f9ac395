"""A run as text: rows of a live table, one line a change, the final summary, the DAG drawn with dashes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dbutils_local.views.snapshot import Snapshot, TaskView, Tone, duration, walk

MAX_VALUE = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the live task table; `tone` says its colour."""

    key: str
    kind: str
    state: str
    duration: str
    detail: str
    tone: Tone
    indent: int = 0


def rows(snapshot: Snapshot) -> list[Row]:
    """The live table: every task, and under a for_each task the iterations that run or failed."""
    table = []
    for task in snapshot.tasks:
        table.append(_row(task))
        table += [_row(item, 1) for item in task.iterations if item.tone in (Tone.RUNNING, Tone.FAILED, Tone.RETRY)]
    return table


def _row(task: TaskView, indent: int = 0) -> Row:
    spent = duration(task.duration_ms) if task.attempts and not task.stubbed else ""
    return Row(task.key, task.kind.removesuffix("_task"), _state(task), spent, detail(task), task.tone, indent)


def _state(task: TaskView) -> str:
    return f"{task.word} (stubbed)" if task.stubbed else task.word


def detail(task: TaskView) -> str:
    """What else is worth a line: progress of a loop, the error, the exit value, which try this is."""
    parts = []
    if task.loop is not None:
        parts.append(
            f"{task.loop.done}/{task.loop.total} iterations"
            + (f", {task.loop.failed} failed" if task.loop.failed else "")
        )
    if task.retries:
        parts.append(f"attempt {task.retries + 1}")
    if task.error:
        parts.append(f"{task.error} ({task.place})" if task.place else task.error)
    elif task.value is not None:
        parts.append(f"value {one_line(task.value)}")
    elif task.message and task.word != "SUCCESS":
        parts.append(task.message)
    return "; ".join(parts)


def one_line(text: str, length: int = MAX_VALUE) -> str:
    """`text` on one line and not longer than `length`, the cut shown."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def changes(before: Snapshot | None, after: Snapshot) -> Iterator[str]:
    """One line for every state that changed, and one for every new notice."""
    seen = before.notices if before else ()
    yield from (f"notice: {notice}" for notice in after.notices[len(seen) :])
    if (before is None or before.word != after.word) and not after.is_final:
        yield f"run {after.run_id} {after.word}" + (f": {after.queue_reason}" if after.word == "QUEUED" else "")
    old = {task.key: task for task in walk(before.tasks)} if before else {}
    for task in walk(after.tasks):
        yield from _change(old.get(task.key), task)
    if after.is_final and (before is None or not before.is_final):
        yield f"run {after.run_id} {after.word} in {duration(after.duration_ms)}" + (
            f": {after.message}" if after.message else ""
        )


def _change(before: TaskView | None, task: TaskView) -> Iterator[str]:
    known = (before.word, len(before.attempts)) if before else ("BLOCKED", 0)
    if known == (task.word, len(task.attempts)):
        return
    spent = f" in {duration(task.duration_ms)}" if task.is_final and task.attempts and not task.stubbed else ""
    more = detail(task) if task.is_final or task.retries else ""
    yield f"{task.key} {_state(task)}{spent}" + (f": {more}" if more else "")


def summary(snapshot: Snapshot) -> str:
    """How a run ended: each task's state, duration and exit value, and for failures the error and where it happened."""
    head = f"Run {snapshot.run_id} of {snapshot.name}: {snapshot.word} in {duration(snapshot.duration_ms)}"
    lines = [head + (f"\n  {snapshot.message}" if snapshot.message else "")]
    if snapshot.parameters:
        lines.append(
            "  parameters: " + ", ".join(f"{name}={one_line(value, 60)}" for name, value in snapshot.parameters.items())
        )
    lines += [f"  notice: {notice}" for notice in snapshot.notices]
    shown = [(task, 0) for task in snapshot.tasks]
    shown = [pair for task, _ in shown for pair in ((task, 0), *((item, 1) for item in task.iterations))]
    width = max((len(task.key) + 2 * indent for task, indent in shown), default=0)
    words = max((len(_state(task)) for task, _ in shown), default=0)
    for task, indent in shown:
        lines += _summary_lines(task, indent, width, words)
    return "\n".join(lines)


def _summary_lines(task: TaskView, indent: int, width: int, words: int) -> list[str]:
    spent = duration(task.duration_ms) if task.attempts and not task.stubbed else "-"
    name = "  " * indent + task.key
    facts = []
    if task.loop is not None:
        facts.append(f"{task.loop.succeeded}/{task.loop.total} iterations succeeded")
    if len(task.attempts) > 1:
        facts.append(f"{len(task.attempts)} attempts")
    if task.value is not None:
        facts.append(f"value: {one_line(task.value)}")
    if task.message and not task.failure and task.word != "SUCCESS":
        facts.append(task.message)
    lines = [f"  {name:<{width}}  {_state(task):<{words}}  {spent:>9}  {'; '.join(facts)}".rstrip()]
    if task.failure is not None:
        lines.append(f"      error: {task.failure.error}")
        if task.place:
            lines.append(f"      where: {task.place}")
    return lines


_MARKS = {
    Tone.SUCCESS: "✓",
    Tone.FAILED: "✗",
    Tone.SKIPPED: "○",
    Tone.RUNNING: "▶",
    Tone.RETRY: "↻",
    Tone.STOPPED: "■",
    Tone.WAITING: "·",
}


def dag(snapshot: Snapshot) -> str:
    """The DAG in a terminal: one line a task in the order in which they can run, with what it waits for."""
    lines = [f"{snapshot.name}  {snapshot.word}  {duration(snapshot.duration_ms)}"]
    width = max((len(task.key) for task in snapshot.tasks), default=0)
    depth: dict[str, int] = {}
    for task in snapshot.tasks:
        depth[task.key] = 1 + max((depth.get(edge.upstream, -1) for edge in task.edges), default=-1)
        waits = ", ".join(edge.upstream + (f" = {edge.outcome}" if edge.outcome else "") for edge in task.edges)
        spent = duration(task.duration_ms) if task.attempts and not task.stubbed else ""
        loop = f" {task.loop.done}/{task.loop.total}" if task.loop else ""
        text = f"{_MARKS[task.tone]} {task.key:<{width}}  {_state(task)}{loop}  {spent}".rstrip()
        lines.append("  " * (1 + depth[task.key]) + text + (f"  ← {waits}" if waits else ""))
    return "\n".join(lines)
