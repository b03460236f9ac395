"""The kernel's end of the line to the labextension: the widget bar, reruns after a change, and restarts."""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from dbutils_local.errors import UserError

TARGET = "dbutils_local.bar"
RECENT = 100  # cells
PATIENCE = 30.0  # seconds a frontend has for a restart
INTERRUPTED = 10.0  # seconds left once it, or a person, interrupted


class OnChange(Enum):
    """What happens when a person changes a widget (reference 1.7)."""

    RUN_NOTEBOOK = "run_notebook"
    RUN_ACCESSED = "run_accessed_commands"
    NOTHING = "do_nothing"

    @classmethod
    def of(cls, word: str) -> OnChange:
        """The setting `on_widget_change` as people write it."""
        try:
            return cls(word)
        except ValueError:
            known = ", ".join(one.value for one in cls)
            raise UserError(f"the setting on_widget_change cannot be {word!r}; known ones: {known}") from None


class Bar:
    """One comm a kernel. Opening it where no labextension listens is harmless: the frontend closes it again.

    What the frontend says is heard only after every cell that already waits (a Run all); so where a server with our
    labextension started this kernel, it is `expected` to be there until it hangs up.
    """

    def __init__(self, on_change: OnChange = OnChange.RUN_ACCESSED, *, expected: bool = False) -> None:
        self.on_change = on_change
        self._there = expected
        self._lock = threading.RLock()
        self._comm: Any = None
        self._model_id: str | None = None
        self._arrivals: list[Callable[[], None]] = []
        self._cell: str | None = None
        self._begun: deque[str | None] = deque(maxlen=RECENT)
        self._readers: dict[str, set[str]] = {}

    @property
    def is_there(self) -> bool:
        """Whether a frontend has answered, or is expected to."""
        return self._there

    def open(self) -> None:
        """Call the frontend."""
        import comm

        opened = comm.create_comm(target_name=TARGET, data={"model_id": None})
        # Else ipykernel 7.4 holds what we hear back until the running cell ends; the attribute is private.
        if hasattr(opened, "_reply_subshell_for"):
            opened._reply_subshell_for = lambda data, default: default
        opened.on_msg(self._heard)
        opened.on_close(self._hung_up)
        self._comm = opened

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            opened, self._comm, self._there = self._comm, None, False
            self._arrivals.clear()
        if opened is not None:
            opened.close()

    def show(self, model_id: str | None) -> None:
        """Show this widget model above the notebook, or nothing."""
        with self._lock:
            changed, self._model_id = self._model_id != model_id, model_id
        if changed and self._there:
            self._say(self._shown())

    def _shown(self) -> dict[str, Any]:
        return {"model_id": self._model_id, "on_change": self.on_change.value}

    def on_arrival(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when a frontend answers."""
        with self._lock:
            self._arrivals.append(callback)

    def enter_cell(self, cell_id: str | None, message_id: str | None = None) -> None:
        """A cell starts to run, asked for by this message: what is read now is read by it."""
        with self._lock:
            self._cell = cell_id
            self._begun.append(message_id)
            for readers in self._readers.values():
                readers.discard(cell_id or "")

    def was_read(self, name: str) -> None:
        """The running cell asked for a widget's value."""
        with self._lock:
            if self._cell:
                self._readers.setdefault(name, set()).add(self._cell)

    def keep(self, name: str, entry: dict[str, Any] | None) -> None:
        """Have the frontend write a widget into the notebook's metadata, or take it out of it."""
        if self._there:
            self._say({"keep": {"name": name, "entry": entry}})

    def was_chosen(self, name: str) -> None:
        """A person changed a widget: have the frontend run again what the setting says."""
        match self.on_change:
            case OnChange.RUN_NOTEBOOK:
                self._say({"run": "all"})
            case OnChange.RUN_ACCESSED:
                with self._lock:
                    cells = sorted(self._readers.get(name, ()))
                if cells:
                    self._say({"run": cells})
            case OnChange.NOTHING:
                pass

    def restart(self, then: str, is_ending: Callable[[], bool], again: bool = False) -> bool:
        """Have the frontend restart this kernel, run `then` in it, and go on with the cells that wait.

        With `again` the cell that asked comes first, once more.

        Returns when `is_ending()`: until then this cell keeps the waiting ones from running in the old process. False
        if there is no frontend of ours, or it does not do it in time.
        """
        if not self._there:
            return False
        # A server interrupts before it shuts down, and may do so while the order is still being sent.
        with _counting_interrupts() as interrupts:
            # The replies to the cells before may still be on their way to the frontend: these cells do not wait.
            begun = list(self._begun)
            self._say({"restart": {"code": then, "cell": self._cell, "begun": begun, "again": again}})
            return _wait(is_ending, interrupts)

    def _say(self, data: dict[str, Any]) -> None:
        opened = self._comm
        if opened is not None:
            opened.send(data)

    def _heard(self, message: Any) -> None:
        # The frontend says hello when it first hears of us, and again after a page was reloaded; it knows what a
        # person chose for the notebook before a restart.
        data = message["content"]["data"]
        if "on_change" in data:
            self.on_change = OnChange(data["on_change"])
        if "hello" not in data:
            return
        with self._lock:
            self._there = True
            arrivals, self._arrivals = self._arrivals, []
        for callback in arrivals:
            callback()
        self._say(self._shown())

    def _hung_up(self, message: Any) -> None:
        with self._lock:
            self._there, self._comm = False, None


def _wait(happened: Callable[[], bool], interrupts: list[int]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.02)
        if interrupts:
            interrupts.clear()
            deadline = min(deadline, time.monotonic() + INTERRUPTED)
    return happened()


@contextmanager
def _counting_interrupts() -> Iterator[list[int]]:
    """SIGINT raises nothing, it is only counted; where no handler can be set (a subshell's thread) none arrives."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield seen
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
