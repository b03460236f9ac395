"""How a run is shown while it goes: a live task table on a terminal, one line a change elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from dbutils_local.core.events import Event
from dbutils_local.core.state import RunState
from dbutils_local.engine.drive import epoch_ms
from dbutils_local.views import text
from dbutils_local.views.snapshot import Snapshot, Tone, duration, snapshot

if TYPE_CHECKING:
    from rich.table import Table

# A table is drawn at most this often (seconds).
FRAME = 0.1
_STYLES = {
    Tone.SUCCESS: "green",
    Tone.FAILED: "red",
    Tone.SKIPPED: "magenta",
    Tone.RUNNING: "cyan",
    Tone.RETRY: "yellow",
    Tone.STOPPED: "bright_black",
    Tone.WAITING: "bright_black",
}


class Progress(Protocol):
    """Told of every change of a run."""

    def __call__(self, state: RunState, events: tuple[Event, ...] = ()) -> None:
        """The run changed."""
        ...


@contextmanager
def progress() -> Iterator[Progress]:
    """The right display for where stderr goes."""
    if sys.stderr.isatty():
        with _LiveTable() as table:
            yield table
    else:
        yield _Lines()


class _Lines:
    """One line a change, with the time: for logs and pipes."""

    def __init__(self) -> None:
        self._before: Snapshot | None = None

    def __call__(self, state: RunState, events: tuple[Event, ...] = ()) -> None:
        now = snapshot(state, epoch_ms())
        for line in text.changes(self._before, now):
            print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
        self._before = now


class _LiveTable:
    """A table that is drawn again as the run goes on, and stays as it ended."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._state: RunState | None = None
        self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=False)
        self._drawn = 0.0
        self._noticed = 0

    def __enter__(self) -> _LiveTable:
        import threading

        self._live.start()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._ticker.join()
        self._draw()
        self._live.stop()

    def __call__(self, state: RunState, events: tuple[Event, ...] = ()) -> None:
        self._state = state
        for notice in state.notices[self._noticed :]:
            self._live.console.print(f"notice: {notice}", markup=False, highlight=False)
        self._noticed = len(state.notices)
        if time.monotonic() - self._drawn >= FRAME:
            self._draw()

    def _tick(self) -> None:
        """Durations go on counting while nothing happens."""
        while not self._stop.wait(0.5):
            self._draw()

    def _draw(self) -> None:
        if self._state is None:
            return
        self._drawn = time.monotonic()
        try:
            table = task_table(snapshot(self._state, epoch_ms()))
        except RuntimeError:
            return  # the driver changed a dict while it was read: the next frame will do
        self._live.update(table, refresh=True)


def task_table(now: Snapshot) -> Table:
    """The run as a rich table."""
    from rich.table import Table
    from rich.text import Text

    title = f"{now.name}  run {now.run_id}  {now.word}  {duration(now.duration_ms)}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column, options in _COLUMNS.items():
        table.add_column(column, **options)
    for row in text.rows(now):
        table.add_row(
            Text("  " * row.indent + row.key),
            Text(row.kind, style="bright_black"),
            Text(row.state, style=_STYLES[row.tone]),
            row.duration,
            Text(text.one_line(row.detail, 90)),
        )
    return table


_COLUMNS: dict[str, dict[str, Any]] = {
    "task": {"no_wrap": True},
    "kind": {"no_wrap": True},
    "state": {"no_wrap": True},
    "time": {"justify": "right", "no_wrap": True},
    "": {"overflow": "ellipsis", "no_wrap": True},
}
