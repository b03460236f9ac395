"""Lends one Spark JVM to many processes: each gets a session and a gateway of its own, until it closes its connection.

A gateway's threads inherit what the thread that opened it had set: so the borrower's session is the active one in all
of them, and all their jobs carry its tag, whatever the borrower does.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dbutils_local.kernels import frames

CANCEL: Final = "cancel"
_TAG: Final = "dbutils-local-"


@dataclass(frozen=True)
class Lent:
    """One borrower's part of the JVM, as the thread that serves it sees it."""

    session: Any  # classic JVM SparkSession
    gateway: Any  # org.apache.spark.api.python.Py4JServer
    tag: str

    def cancel(self) -> None:
        """Stop the jobs the borrower has running."""
        self.session.sparkContext().cancelJobsWithTag(self.tag)

    def take_back(self) -> None:
        """Stop all it has running and close its gateway; what fails must not keep the rest from happening."""
        with suppress(Exception):
            self.cancel()
        with suppress(Exception):
            self._stop_streams()
        with suppress(Exception):
            self.gateway.shutdown()

    def _stop_streams(self) -> None:
        # Not session.streams(): a session that is asked for its queries is never forgotten by the application.
        for query in self.session.sharedState().activeStreamingQueries().values().toArray():
            if query.sparkSession().equals(self.session):
                with suppress(Exception):
                    query.stop()


def serve(listener: socket.socket, spark: Callable[[], Any], scratch: Callable[[], Path]) -> None:
    """Answer borrowers until the listener is closed; `spark()` is the PySpark session whose JVM is lent.

    `scratch()`: a folder that goes with the JVM. Each borrower has a thread here, and so one in the JVM.
    """
    numbers = iter(range(1, 1 << 62))
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        serving = threading.Thread(
            target=_serve_one, args=(connection, spark, scratch, next(numbers)), name="spark-borrower", daemon=True
        )
        serving.start()


def _serve_one(connection: socket.socket, spark: Callable[[], Any], scratch: Callable[[], Path], number: int) -> None:
    with connection, suppress(OSError):
        if frames.receive(connection) is None:
            return
        try:
            session = spark()
            lent = _lend(session, f"{_TAG}{number}")
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the borrower's to tell
            frames.send(connection, {"failed": str(error)})
            return
        try:
            frames.send(connection, _terms(session, lent, scratch()))
            while (said := frames.receive(connection)) is not None:
                if said[0].get("do") == CANCEL:
                    with suppress(Exception):
                        lent.cancel()
        finally:
            lent.take_back()


def _lend(spark: Any, tag: str) -> Lent:
    session = spark._jsparkSession.newSession()
    context = session.sparkContext()
    spark._get_j_spark_session_class(spark._jvm).setActiveSession(session)
    context.addJobTag(tag)
    gateway = spark._jvm.org.apache.spark.api.python.Py4JServer(context.conf())
    gateway.start()
    return Lent(session, gateway, tag)


def _terms(spark: Any, lent: Lent, scratch: Path) -> dict[str, Any]:
    import pyspark

    return {
        "port": lent.gateway.getListeningPort(),
        "secret": lent.gateway.secret(),
        "version": pyspark.__version__,
        "environ": dict(os.environ),
        "scratch": str(scratch),
    }
