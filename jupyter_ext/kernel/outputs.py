"""What leaves a kernel: secrets hidden, and no more text than the cell's limit."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbutils_local.redaction import Redactor, StreamRedactor

MEGABYTE = 1024 * 1024
# Comm messages are left alone: a widget's state belongs to the person who typed it and holds binary buffers.
SHOWN = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error", "execute_reply"})


class Budget:
    """How many characters a cell may still print; `megabytes` None: no limit was asked for."""

    def __init__(self) -> None:
        self.megabytes: int | None = None
        self._left: int | None = None
        self._cut = False

    def refill(self) -> None:
        """A new cell begins."""
        self._left = None if self.megabytes is None else self.megabytes * MEGABYTE
        self._cut = False

    def take(self, text: str) -> str:
        """The part of `text` that still fits; where the limit is met a line says so."""
        if self._left is None or len(text) <= self._left:
            self._left = None if self._left is None else self._left - len(text)
            return text
        shown, self._left = text[: self._left], 0
        notice = "" if self._cut else f"\n*** output cut at {self.megabytes} MB (%set_cell_max_output_size_in_mb) ***\n"
        self._cut = True
        return shown + notice


class _CoveredStream:
    """stdout or stderr with secrets hidden; a text that may be the beginning of a secret waits for what follows."""

    def __init__(self, stream: Any, budget: Budget, redactor: Callable[[], Redactor]) -> None:
        self._plain: Callable[[str], Any] = stream.write
        self._budget = budget
        self._redactor = redactor
        self._lock = threading.RLock()
        self._known: Redactor | None = None
        self._feed: StreamRedactor | None = None

    def write(self, text: str) -> int:
        with self._lock:
            shown = self._budget.take(self._current().feed(text)) if isinstance(text, str) else text
            if shown or not text:
                self._plain(shown)
        return len(text)

    def settle(self) -> None:
        with self._lock:
            if tail := self._current().flush():
                self._plain(tail)

    def _current(self) -> StreamRedactor:
        redactor = self._redactor()
        if self._feed is None or self._known is not redactor:
            self._known, self._feed = redactor, redactor.stream()
        return self._feed


class Curtain:
    """Stands between the kernel and whoever looks; `redactor()` is asked each time, for the session may be renewed."""

    def __init__(self, ip: Any, redactor: Callable[[], Redactor]) -> None:
        self.budget = Budget()
        self._ip = ip
        self._redactor = redactor
        self._covered: list[_CoveredStream] = []

    def draw(self, undo: ExitStack) -> None:
        """Hang the curtain; `undo` takes it down."""
        for stream in (sys.stdout, sys.stderr):
            self._cover_stream(stream, undo)
        kernel = getattr(self._ip, "kernel", None)
        if kernel is not None:
            self._cover_messages(kernel.session, undo)

    def settle(self) -> None:
        """The cell is over: show what was held back because a secret might have begun there."""
        for stream in self._covered:
            stream.settle()

    def _cover_stream(self, stream: Any, undo: ExitStack) -> None:
        covered = _CoveredStream(stream, self.budget, self._redactor)
        stream.write = covered.write
        self._covered.append(covered)
        undo.callback(_uncover, stream, stream.write, "write")

    def _cover_messages(self, session: Any, undo: ExitStack) -> None:
        plain = session.send

        def send(stream: Any, msg_or_type: Any, content: Any = None, *args: Any, **kwargs: Any) -> Any:
            redactor = self._redactor()
            if redactor.knows:
                msg_or_type, content = _clean(redactor, msg_or_type, content)
            return plain(stream, msg_or_type, content, *args, **kwargs)

        session.send = send
        undo.callback(_uncover, session, send, "send")


def _clean(redactor: Redactor, msg_or_type: Any, content: Any) -> tuple[Any, Any]:
    if isinstance(msg_or_type, dict):
        kind = msg_or_type.get("msg_type") or msg_or_type.get("header", {}).get("msg_type")
        if kind in SHOWN:
            msg_or_type = {**msg_or_type, "content": redactor.redact_tree(msg_or_type.get("content"))}
    elif msg_or_type in SHOWN:
        content = redactor.redact_tree(content)
    return msg_or_type, content


def _uncover(covered: Any, cover: Any, name: str) -> None:
    # Whoever covered it after us keeps their cover.
    if covered.__dict__.get(name) == cover:
        delattr(covered, name)
