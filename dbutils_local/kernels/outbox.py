"""What code inside a kernel or script says to its driver: one JSON line a saying, one writer, kept with the attempt."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Exit:
    """`dbutils.notebook.exit(value)` ran; it may have been swallowed: it counts if the notebook ended so."""

    value: str


@dataclass(frozen=True, slots=True)
class TaskValue:
    """`dbutils.jobs.taskValues.set(key, value)`; `value` is JSON."""

    key: str
    value: Any


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the user that belongs to the attempt, not to a cell."""

    message: str


@dataclass(frozen=True, slots=True)
class Child:
    """A notebook run in turn by `dbutils.notebook.run`: where its executed copy lies and how it ended."""

    path: str
    artifact: str
    state: str


Saying = Exit | TaskValue | Notice | Child

_KINDS: dict[str, type[Any]] = {"exit": Exit, "task_value": TaskValue, "notice": Notice, "child": Child}
_NAMES = {kind: name for name, kind in _KINDS.items()}


class Outbox:
    """The writing end; safe to use from several threads of its one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def say(self, saying: Saying) -> None:
        """Append one saying; it is on disk for the driver as soon as this returns, even if the process dies next."""
        fields = {name: getattr(saying, name) for name in saying.__slots__}
        line = json.dumps({"say": _NAMES[type(saying)], **fields}) + "\n"
        with self._lock:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(handle, line.encode())
            finally:
                os.close(handle)


def read(path: Path) -> Iterator[Saying]:
    """Every saying in order; a torn last line (the writer was killed) is left out."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            fields = json.loads(line)
            yield _KINDS[fields.pop("say")](**fields)
        except ValueError:
            continue
