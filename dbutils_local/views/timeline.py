"""When everything in a run happened, as a Gantt chart: queue, attempts, retries and iterations in one SVG."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from dbutils_local.views.graph import shorten
from dbutils_local.views.palette import STYLE, fallback
from dbutils_local.views.snapshot import AttemptView, Snapshot, TaskView, Tone, duration

ROW = 24
BAR = 14
TOP = 28
PLOT = 640
# Room right of the plot, so that the label of a bar that ends the run is not cut off.
END = 90
MAX_ITERATIONS = 40
_STEPS_MS = (
    *(100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000),
    *(900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 28_800_000, 86_400_000),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """Epoch ms to pixels."""

    start: int
    end: int
    left: float

    def x(self, at: int) -> float:
        share = (at - self.start) / max(1, self.end - self.start)
        return self.left + PLOT * min(1.0, max(0.0, share))


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    task: TaskView | None = None
    indent: int = 0


def svg(snapshot: Snapshot) -> str:
    """The timeline of a run as one SVG element that needs nothing else."""
    rows = list(_rows(snapshot))
    left = 24 + 7.7 * min(34, max((len(row.name) + 2 * row.indent for row in rows), default=8))
    scale = Scale(snapshot.created_at or snapshot.started_at, _end(snapshot), left)
    height = TOP + ROW * len(rows) + 10
    width = left + PLOT + END
    title = f"Timeline of run {snapshot.run_id}: {snapshot.label}, {duration(snapshot.duration_ms)}"
    body = "".join(_row(row, snapshot, scale, TOP + ROW * index) for index, row in enumerate(rows))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="dbl" role="img" aria-label="{escape(title)}" '
        f'width="{width:g}" height="{height}" viewBox="0 0 {width:g} {height}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>{_grid(scale, height)}{body}</svg>"
    )


def _end(snapshot: Snapshot) -> int:
    ends = [snapshot.ended_at or snapshot.now, *(task.ended_at for task in snapshot.tasks)]
    return max(*ends, (snapshot.created_at or 0) + 100)


def _rows(snapshot: Snapshot) -> Iterable[_Row]:
    yield _Row("run")
    for task in snapshot.tasks:
        yield _Row(task.key, task)
        for iteration in task.iterations[:MAX_ITERATIONS]:
            yield _Row(iteration.key, iteration, 1)
        if len(task.iterations) > MAX_ITERATIONS:
            yield _Row(f"+ {len(task.iterations) - MAX_ITERATIONS} more iterations", None, 1)


def _grid(scale: Scale, height: int) -> str:
    span = scale.end - scale.start
    step = next((step for step in _STEPS_MS if span / step <= 8), max(_STEPS_MS[-1], span // 8))
    ticks = []
    for offset in range(0, span + 1, step):
        x = scale.x(scale.start + offset)
        ticks.append(
            f'<line class="dbl-grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 6}" stroke="#dfe3e7"/>'
            f'<text class="dbl-fact" x="{x:.1f}" y="{TOP - 13}" text-anchor="middle">{_tick(offset)}</text>'
        )
    return "".join(ticks)


def _tick(offset: int) -> str:
    return (
        "0" if offset == 0 else duration(offset).replace(".0 s", " s").replace(" m 00 s", " m").replace(" h 00 m", " h")
    )


def _row(row: _Row, snapshot: Snapshot, scale: Scale, y: int) -> str:
    name = (
        f'<text class="{"dbl-fact" if row.indent else "dbl-key"}" x="{12 + 14 * row.indent}" y="{y + BAR - 2}">'
        f"{escape(shorten(row.name, 34 - 2 * row.indent))}<title>{escape(row.name)}</title></text>"
    )
    if row.task is not None:
        return name + _task(row.task, scale, y, snapshot.now)
    return name if row.indent else name + _run(snapshot, scale, y)


def _run(snapshot: Snapshot, scale: Scale, y: int) -> str:
    end = snapshot.ended_at or snapshot.now
    parts = []
    if snapshot.queued_ms:
        parts.append(
            _bar(Tone.WAITING, snapshot.created_at, snapshot.created_at + snapshot.queued_ms, "queued", scale, y)
        )
    if snapshot.started_at:
        parts.append(_bar(snapshot.tone, snapshot.started_at, end, snapshot.label, scale, y))
    return "".join(parts) + _label(scale.x(end), y, duration(snapshot.duration_ms))


def _task(task: TaskView, scale: Scale, y: int, now: int) -> str:
    parts = [_gap(before, after, scale, y) for before, after in pairwise(task.attempts)]
    for attempt in task.attempts:
        said = f"{task.key}, attempt {attempt.number}: {attempt.result or task.label}, {duration(attempt.duration_ms)}"
        parts.append(_bar(attempt.tone, attempt.started_at, attempt.ended_at or now, said, scale, y))
    if not task.attempts:
        return f'<text class="dbl-note" x="{scale.left:g}" y="{y + BAR - 2}">{escape(task.label.lower())}</text>'
    last = task.attempts[-1]
    note = "stubbed" if task.stubbed else duration(last.duration_ms)
    return "".join(parts) + _label(scale.x(last.ended_at or now), y, note)


def _gap(before: AttemptView, after: AttemptView, scale: Scale, y: int) -> str:
    """The wait between two attempts."""
    middle = y + BAR / 2
    return (
        f'<line class="dbl-edge dbl-off" x1="{scale.x(before.ended_at):.1f}" x2="{scale.x(after.started_at):.1f}" '
        f'y1="{middle}" y2="{middle}" stroke="#8a929c"><title>waiting for retry</title></line>'
    )


def _bar(tone: Tone, start: int, end: int, said: str, scale: Scale, y: int) -> str:
    left = scale.x(start)
    width = max(2.0, scale.x(end) - left)
    return (
        f'<g class="dbl-task dbl-{tone}"><title>{escape(said)}</title>'
        f'<rect class="dbl-box" x="{left:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" rx="3" {fallback(tone)}/></g>'
    )


def _label(x: float, y: int, text: str) -> str:
    return f'<text class="dbl-fact" x="{x + 6:.1f}" y="{y + BAR - 3}">{escape(text)}</text>'
