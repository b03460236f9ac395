"""What a process has of a JVM that another one owns: the line to its owner, and the session made for it there."""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dbutils_local.kernels import frames
from dbutils_local.spark.sharing import CANCEL


@dataclass
class Loan:
    """What this process has borrowed, until it closes `connection` or dies."""

    connection: socket.socket
    terms: Mapping[str, Any]
    first: Any = None  # the JVM's session that was made for this process
    is_used: bool = False  # whether `first` has been given out

    def is_lost(self, patience: float = 0.0) -> bool:
        """Whether the lender is gone, and its JVM with it, or goes within `patience` seconds."""
        if self.connection.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self.connection, select.POLLIN)
        return bool(poll.poll(patience * 1000))

    def cancel(self) -> None:
        """Have this process's running jobs stopped."""
        with suppress(OSError):
            frames.send(self.connection, {"do": CANCEL})

    def session(self) -> Any:
        """The JVM session for the next Python session: the one in use, or a fresh one after `stop()`."""
        from pyspark.sql import SparkSession

        current = SparkSession._instantiatedSession
        if current is not None and current._sc._jsc is not None:
            return current._jsparkSession
        is_used, self.is_used = self.is_used, True
        return self.first.newSession() if is_used else self.first
