"""Secrets never leave: their values are replaced by `[REDACTED]` in whatever is shown or kept (reference 6.1)."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Final

MARK: Final = "[REDACTED]"
SHORTEST: Final = 4  # shorter values would blacken ordinary text


class Redactor:
    """Knows values that must not be shown; thread-safe. With no value known it costs one comparison a call."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._values: tuple[str, ...] = ()
        self.learn(*values)

    def learn(self, *values: str) -> None:
        """From now on hide these values, and, of a value of several lines, each long enough line."""
        parts = {
            part for value in values for part in (value, value.rstrip("\n"), *_lines(value)) if len(part) >= SHORTEST
        }
        if not parts:
            return
        with self._lock:
            # Longest first: a value that contains another one must go as a whole.
            self._values = tuple(sorted({*self._values, *parts}, key=lambda part: (-len(part), part)))

    @property
    def knows(self) -> bool:
        """Whether there is anything to hide."""
        return bool(self._values)

    def redact(self, text: str) -> str:
        """`text` with every known value replaced."""
        for value in self._values:
            if value in text:
                text = text.replace(value, MARK)
        return text

    def redact_tree(self, tree: Any) -> Any:
        """The same for a JSON-like tree (mimebundles, task values): every text in it, keys included."""
        if not self._values:
            return tree
        match tree:
            case str():
                return self.redact(tree)
            case dict():
                return {self.redact_tree(key): self.redact_tree(value) for key, value in tree.items()}
            case list():
                return [self.redact_tree(item) for item in tree]
            case tuple():
                return tuple(self.redact_tree(item) for item in tree)
            case _:
                return tree

    def stream(self) -> StreamRedactor:
        """A redactor of one stream, for text that arrives in pieces."""
        return StreamRedactor(self)

    def safe(self, text: str) -> int:
        """How much of `text` can be shown whatever comes next: all before a value that may go on beyond its end."""
        cut = len(text) - self._beginning(text)
        for value in self._values:
            start = text.find(value)
            while start != -1:
                if start < cut < start + len(value):
                    cut = start
                start = text.find(value, start + 1)
        return cut

    def _beginning(self, text: str) -> int:
        longest = max((len(value) for value in self._values), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            tail = text[-length:]
            if any(len(value) > length and value.startswith(tail) for value in self._values):
                return length
        return 0


def _lines(value: str) -> list[str]:
    lines = value.splitlines()
    return lines if len(lines) > 1 else []


class StreamRedactor:
    """Redacts one stream of text; holds back only an end that could be the beginning of a secret."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._tail = ""

    def feed(self, text: str) -> str:
        """What can be shown now."""
        if not self._redactor.knows and not self._tail:
            return text
        text = self._tail + text
        cut = self._redactor.safe(text)
        self._tail = text[cut:]
        return self._redactor.redact(text[:cut])

    def flush(self) -> str:
        """What was held back: the stream, or the cell, is over."""
        tail, self._tail = self._tail, ""
        return self._redactor.redact(tail)


class RedactedText:
    """A text stream whose writes are redacted before they reach the one below; all else is that one's."""

    def __init__(self, below: Any, redactor: Redactor) -> None:
        self._below = below
        self._stream = redactor.stream()
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Write what can be shown now."""
        with self._lock:
            self._below.write(self._stream.feed(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write every line."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what was held back too: whoever flushes wants to see it."""
        with self._lock:
            self._below.write(self._stream.flush())
            self._below.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def __iter__(self) -> Any:
        return iter(self._below)
