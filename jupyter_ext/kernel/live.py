"""A run as it happens: one output that is drawn again at every change, stays in the notebook, and has a text form."""

from __future__ import annotations

import html
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbutils_local.engine.drive import epoch_ms
from dbutils_local.views import graph, text
from dbutils_local.views.snapshot import Snapshot, duration, snapshot

if TYPE_CHECKING:
    from dbutils_local.core.state import RunState
    from dbutils_local.workspace import Workspace

FRAME = 0.25  # seconds between two drawings at the least
TICK = 1.0  # seconds after which running durations are drawn again though nothing happened
SMALLEST = 0.65  # of a graph's own size
PATIENCE = 30.0  # seconds a cancelled run is watched


@dataclass(frozen=True)
class Picture:
    """A run at one moment, as IPython shows it."""

    now: Snapshot

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._html(), "text/plain": text.summary(self.now)}

    def _html(self) -> str:
        head = f"{self.now.name} · run {self.now.run_id} · {self.now.label} · {duration(self.now.duration_ms)}"
        lines = [line for line in (self.now.message, *self.now.notices) if line]
        foot = "".join(f'<div style="opacity:.75;font-size:.9em">{html.escape(line)}</div>' for line in lines)
        return (
            f'<div class="dbl-live" data-state="{self.now.word}" style="overflow:auto">'
            f'<div style="padding:2px 0;font-weight:600">{html.escape(head)}</div>{self._drawing()}{foot}</div>'
        )

    def _drawing(self) -> str:
        """The graph, made smaller to fit the cell as long as it can be read; beyond that it scrolls."""
        svg = graph.svg(self.now)
        width = re.search(r' width="([\d.]+)"', svg)
        least = float(width[1]) * SMALLEST if width else 0
        return f"<style>.dbl-live svg.dbl{{max-width:100%;height:auto;min-width:{least:.0f}px}}</style>{svg}"


def follow(ip: Any, workspace: Workspace, run_id: int) -> RunState:
    """Show the run until it has ended; an interrupt cancels it, shows its end, and goes on up."""
    screen = _Lines() if getattr(ip, "kernel", None) is None else _Output()
    try:
        return _watch(screen, workspace, run_id)
    except KeyboardInterrupt:
        workspace.cancel(run_id)
        _watch(screen, workspace, run_id, until=time.monotonic() + PATIENCE)
        raise


def _watch(screen: _Output | _Lines, workspace: Workspace, run_id: int, until: float = float("inf")) -> RunState:
    seen, drawn = -1, 0.0
    while True:
        state, seq = workspace.state(run_id), workspace.store.summary(run_id).seq
        now = time.monotonic()
        if seq != seen or state.is_final or now - drawn >= TICK:
            screen.draw(snapshot(state, epoch_ms()))
            seen, drawn = seq, now
        if state.is_final or now >= until:
            return state
        time.sleep(FRAME)


class _Output:
    """One display that is updated in place."""

    def __init__(self) -> None:
        self._handle: Any = None

    def draw(self, now: Snapshot) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(Picture(now), display_id=True)
        else:
            self._handle.update(Picture(now))


class _Lines:
    """A terminal: a line for each change; the summary is what the value shows."""

    def __init__(self) -> None:
        self._before: Snapshot | None = None

    def draw(self, now: Snapshot) -> None:
        for line in text.changes(self._before, now):
            print(line)
        self._before = now
