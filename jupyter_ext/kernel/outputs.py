"""What leaves a kernel: secrets hidden, and no more text than the cell's limit."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbutils_local.redaction import Redactor, StreamRedactor

MEGABYTE = 1024 * 1024
# Comm messages are left alone: a widget's state belongs to the person who typed it and holds binary buffers.
SHOWN = frozenset({"display_data", "update_display_data", "execute_result", "error", "execute_reply"})


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


class Stream:
    """The text of stdout or stderr on its way out; what may be the beginning of a secret waits for what follows."""

    def __init__(self, budget: Budget, redactor: Callable[[], Redactor]) -> None:
        self._budget = budget
        self._redactor = redactor
        self._known: Redactor | None = None
        self._feed: StreamRedactor | None = None
        self._lock = threading.Lock()

    def pass_on(self, text: str) -> str:
        """What of `text`, and of what waited, may be seen now."""
        with self._lock:
            return self._budget.take(self._current().feed(text))

    def settle(self) -> str:
        """What still waits: nothing will follow."""
        with self._lock:
            return self._current().flush()

    def _current(self) -> StreamRedactor:
        redactor = self._redactor()
        if self._feed is None or self._known is not redactor:
            self._known, self._feed = redactor, redactor.stream()
        return self._feed


class Curtain:
    """Stands between the kernel and whoever looks; `redactor()` is asked each time, for the session may be renewed."""

    def __init__(self, ip: Any, redactor: Callable[[], Redactor]) -> None:
        self.budget = Budget()
        self._kernel = getattr(ip, "kernel", None)
        self._redactor = redactor
        self._settle: list[Callable[[], None]] = []

    def draw(self, undo: ExitStack) -> None:
        """Hang the curtain; `undo` takes it down."""
        if self._kernel is not None:
            self._cover_messages(self._kernel.session, undo)
        else:
            for name in ("stdout", "stderr"):
                self._cover_terminal(name, undo)

    def settle(self) -> None:
        """The cell is over: show what was held back because a secret might have begun there."""
        for settle in self._settle:
            settle()

    def _cover_terminal(self, name: str, undo: ExitStack) -> None:
        plain = getattr(sys, name)
        # Not by replacing `write`: IPython does that around each cell, and puts the plain one back at the end of ours.
        covered = _Terminal(plain, Stream(self.budget, self._redactor))
        setattr(sys, name, covered)
        self._settle.append(covered.settle)
        undo.callback(lambda: setattr(sys, name, plain) if getattr(sys, name) is covered else None)

    def _cover_messages(self, session: Any, undo: ExitStack) -> None:
        messages = _Messages(session.send, self.budget, self._redactor)
        session.send = messages.send
        self._settle.append(messages.settle)
        # Whoever covered it after us keeps their cover.
        undo.callback(lambda: delattr(session, "send") if vars(session).get("send") == messages.send else None)


class _Terminal:
    """sys.stdout or sys.stderr of a terminal, with its text going through a Stream."""

    def __init__(self, plain: Any, stream: Stream) -> None:
        self._plain = plain
        self._stream = stream

    def write(self, text: str) -> int:
        self._plain.write(self._stream.pass_on(text))
        return len(text)

    def settle(self) -> None:
        self._plain.write(self._stream.settle())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


class _Messages:
    """Every message a kernel sends: stdout, stderr, displays, results and errors all pass here."""

    def __init__(self, send: Callable[..., Any], budget: Budget, redactor: Callable[[], Redactor]) -> None:
        self._plain = send
        self._redactor = redactor
        self._streams = {name: Stream(budget, redactor) for name in ("stdout", "stderr")}
        self._routes: dict[str, _Route] = {}

    def send(self, socket: Any, msg_or_type: Any, content: Any = None, *args: Any, **kwargs: Any) -> Any:
        if _kind(msg_or_type) == "stream":
            return self._send_text(socket, msg_or_type, content, kwargs)
        if (redactor := self._redactor()).knows and _kind(msg_or_type) in SHOWN:
            if isinstance(msg_or_type, dict):
                msg_or_type = {**msg_or_type, "content": redactor.redact_tree(msg_or_type["content"])}
            content = redactor.redact_tree(content)
        return self._plain(socket, msg_or_type, content, *args, **kwargs)

    def _send_text(self, socket: Any, msg_or_type: Any, content: Any, kwargs: dict[str, Any]) -> Any:
        # ipykernel 7 hands over a whole message, ipykernel 6 its parts.
        whole = isinstance(msg_or_type, dict)
        said = msg_or_type["content"] if whole else content
        parent = msg_or_type["parent_header"] if whole else kwargs.get("parent")
        route = self._routes[said["name"]] = _Route(socket, parent, kwargs.get("ident"))
        return self._emit(said["name"], route, self._streams[said["name"]].pass_on(said["text"]))

    def _emit(self, name: str, route: _Route, text: str) -> Any:
        if not text:
            return None
        said = {"name": name, "text": text}
        return self._plain(route.socket, "stream", said, parent=route.parent, ident=route.ident)

    def settle(self) -> None:
        """To be called in the running cell: waits until its text has passed, then sends what was held back."""
        if not self._redactor().knows:
            return
        for name, stream in self._streams.items():
            getattr(sys, name).flush()
            if name in self._routes:
                self._emit(name, self._routes[name], stream.settle())


@dataclass(frozen=True, slots=True)
class _Route:
    """How the last text of a stream went out."""

    socket: Any
    parent: Any
    ident: Any


def _kind(msg_or_type: Any) -> str:
    return str(msg_or_type["header"]["msg_type"] if isinstance(msg_or_type, dict) else msg_or_type)
