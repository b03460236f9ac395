"""One notebook being run: what the engine is given, what may stop it, and what it found."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.kernel import KernelRequest

GRACE = 1.0  # seconds between the interrupt and the end of the kernel's processes


class StopSignal(Protocol):
    """The part of executors.base.StopToken that is used here."""

    @property
    def is_set(self) -> bool: ...

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]: ...


class NeverStopped:
    """For runs that only end by themselves."""

    is_set = False

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


class Ending(StrEnum):
    """How a notebook's cells came to an end."""

    COMPLETED = "completed"
    EXITED = "exited"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMED_OUT = "timed out"
    DIED = "died"


@dataclass(frozen=True)
class CellError:
    """The error a notebook ended with."""

    ename: str
    evalue: str
    traceback: tuple[str, ...]
    index: int | None  # of the cell, counted from 0; None: outside any cell


class Alarm:
    """Says when a run must end, and why; its `socket` wakes a poll when it is told from another thread."""

    def __init__(self, stop: StopSignal, timeout: float | None) -> None:
        self._ours, self.socket = socket.socketpair()
        self._stop = stop
        self._deadline = None if not timeout else time.monotonic() + timeout
        self._forget = stop.on_stop(self._ring)

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # closed just now: the run is over
            self._ours.send(b"!")

    @property
    def reason(self) -> Ending | None:
        """STOPPED or TIMED_OUT when the run must end, else None."""
        if self._stop.is_set:
            return Ending.STOPPED
        return Ending.TIMED_OUT if self.seconds_left == 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Until the timeout; None: there is none."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def close(self) -> None:
        """Give back the sockets."""
        self._forget()
        self._ours.close()
        self.socket.close()


@dataclass
class Execution:
    """Handed to the papermill engine; the second half is what it found."""

    birth: Birth
    kernel: KernelRequest
    alarm: Alarm
    output: Path | None = None  # where the executed copy is kept up to date; None: where papermill was told
    ending: Ending = Ending.COMPLETED
    error: CellError | None = None
    notices: list[str] = field(default_factory=list)
    notebook: Any = None  # the executed nbformat node, once the engine has begun
