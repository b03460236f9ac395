"""Borrows a Spark session: this process's PySpark on a JVM that another process owns and lends to several.

On Databricks the notebooks of a cluster are sessions of one Spark application. Catalog, tables and global temporary
views are common; temporary views, functions and SQL settings are each session's own. PySpark's classes stay its own:
only what would end the application for the others, or start a second one, does less here.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from dbutils_local.errors import DbutilsLocalError, UserError
from dbutils_local.kernels import environment, frames
from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.forkserver import ForkServer
from dbutils_local.kernels.kernel import KernelFailed
from dbutils_local.settings import Settings
from dbutils_local.spark import jvm, limits
from dbutils_local.spark.host import Wanted
from dbutils_local.spark.loan import Loan

START_TIMEOUT: Final = 600.0  # seconds until a JVM answers, on a machine that is busy with everything else
NOTICE_TIMEOUT: Final = 5.0  # seconds until a host has noticed that its JVM has ended, and the fork server that it has
RETRY_INTERVAL: Final = 0.1
_HOST: Final = "dbutils_local.spark.host"
# Who has another of these wants another JVM.
_JVM_VARIABLES: Final = (
    "JAVA_HOME",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "SPARK_HOME",
    "SPARK_CONF_DIR",
    "SPARK_SUBMIT_OPTS",
    "SPARK_DRIVER_MEMORY",
    "SPARK_DIST_CLASSPATH",
    "HADOOP_CONF_DIR",
    "PYSPARK_SUBMIT_ARGS",
    "PYSPARK_PIN_THREAD",
)
# What a process has for itself, and what PySpark would be misled by.
_OWN_VARIABLES: Final = (environment.VARIABLE, "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET")


class SparkLost(DbutilsLocalError):
    """The JVM that this process's session lived in has ended."""


_loan: Loan | None = None


def is_borrowed() -> bool:
    """Whether this process's session lives in a JVM of somebody else's."""
    return _loan is not None


def is_lost() -> bool:
    """Whether it lived in one that has ended."""
    return _loan is not None and _loan.is_lost()


def host_of(settings: Settings, environ: Mapping[str, str], forkserver: str) -> str | None:
    """Where the host of that fork server's kernels listens, started if need be; None: it cannot have one."""
    wanted = Wanted(str(settings.home), jvm.configuration(settings))
    variables = {name: environ.get(name) for name in _JVM_VARIABLES}
    key = hashlib.sha256((wanted.text() + json.dumps(variables)).encode()).hexdigest()
    given = {name: value for name, value in environ.items() if name not in _OWN_VARIABLES}
    try:
        server = ForkServer.connect(forkserver)
        return server.shared(key, _HOST, wanted.text(), given, settings.home, litter=wanted.scratches)
    except KernelFailed:
        return None


def borrowed(settings: Settings, environ: Mapping[str, str]) -> Any | None:
    """A PySpark session on the JVM this process is meant to share; None where it is meant to start its own.

    UserError when the JVM does not start.
    """
    global _loan
    if is_lost():
        _forget()
    if _loan is None:
        _loan = _agreed(settings, environ)
    if _loan is None:
        return None
    from pyspark.sql import SparkSession

    with _interrupts_left_alone():
        spark = SparkSession.builder.getOrCreate()
    _equip_workers(spark.sparkContext, _loan.terms)
    return spark


def _agreed(settings: Settings, environ: Mapping[str, str]) -> Loan | None:
    birth = Birth.read(environ)
    if birth is None or sys.platform != "linux":
        return None
    deadline = time.monotonic() + NOTICE_TIMEOUT
    while True:
        address = birth.spark or (birth.forkserver and host_of(settings, environ, birth.forkserver))
        if not address or _has_own_jvm():
            return None
        try:
            return _negotiated(address)
        except (ConnectionError, FileNotFoundError) as error:  # a host that is just ending; the next one answers
            if time.monotonic() > deadline:
                raise UserError("Spark did not start: the process that was to start its JVM ended") from error
        time.sleep(RETRY_INTERVAL)


def _has_own_jvm() -> bool:
    """Whether the user's code has started PySpark by itself before."""
    if "pyspark.core.context" not in sys.modules:
        return False
    from pyspark import SparkContext

    return SparkContext._gateway is not None


def _negotiated(address: str) -> Loan | None:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(START_TIMEOUT)
    try:
        connection.connect(address)
        frames.send(connection, {"pid": os.getpid()})
        import pyspark.sql  # while the other side starts its JVM

        received = frames.receive(connection)
        if received is None:
            raise ConnectionResetError
        terms, _ = received
        if "failed" in terms:
            raise UserError(terms["failed"])
        if terms["version"] != pyspark.__version__:
            connection.close()
            return None
        return _moved_in(Loan(connection, terms))
    except BaseException:
        connection.close()
        raise


def _moved_in(loan: Loan) -> Loan:
    """PySpark's gateway of this process is the borrowed one from now on."""
    from pyspark import SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    place = {"PYSPARK_GATEWAY_PORT": str(loan.terms["port"]), "PYSPARK_GATEWAY_SECRET": loan.terms["secret"]}
    os.environ.update(place)
    try:
        gateway = launch_gateway()  # type: ignore[no-untyped-call]
    finally:
        for name in place:
            os.environ.pop(name, None)
    _watch(gateway._gateway_client, loan)
    SparkContext._ensure_initialized(gateway=gateway)
    loan.first = SparkSession._get_j_spark_session_class(gateway.jvm).active()
    limits.lay(lambda: _loan)
    return loan


def _watch(client: Any, loan: Loan) -> None:
    """An interrupted call stops its jobs; a call to a JVM that is gone says so."""
    from py4j.protocol import ERROR, Py4JNetworkError  # type: ignore[import-untyped]

    send = client.send_command

    def send_command(*args: Any, **kwargs: Any) -> Any:
        if loan.is_lost():
            raise _lost()
        try:
            answer = send(*args, **kwargs)
        except KeyboardInterrupt:
            loan.cancel()
            raise
        except (OSError, Py4JNetworkError) as error:
            if loan.is_lost(NOTICE_TIMEOUT):
                raise _lost() from error
            raise
        if answer == ERROR and loan.is_lost(NOTICE_TIMEOUT):
            raise _lost()
        return answer

    client.send_command = send_command
    # py4j logs the broken connection, traceback and all, besides raising it.
    logging.getLogger().addFilter(lambda record: record.msg != "Exception while sending command.")


def _lost() -> SparkLost:
    return SparkLost(
        "Spark's JVM has ended (killed, or out of memory), and what this session held with it; the next cell that uses "
        "`spark` starts it anew"
    )


def _forget() -> None:
    """Let PySpark and us begin anew, after the JVM was lost."""
    global _loan
    from pyspark import SparkContext
    from pyspark.sql import SparkSession, SQLContext

    if _loan is not None:
        _loan.connection.close()
    _loan = None
    SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
    SparkSession._instantiatedSession = SparkSession._activeSession = None
    SQLContext._instantiatedContext = None


@contextmanager
def _interrupts_left_alone() -> Iterator[None]:
    """PySpark's handler of Ctrl-C would cancel everybody's jobs."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)


# --- workers --------------------------------------------------------------------------------------------------------


def _equip_workers(context: Any, terms: Mapping[str, Any]) -> None:
    """Python workers are children of the JVM, and stand where this process stands, with its environment."""
    context.environment.update(
        {
            name: value
            for name, value in os.environ.items()
            if terms["environ"].get(name) != value and name not in _OWN_VARIABLES
        }
    )
    context.pythonExec = _worker_program(Path.cwd(), Path(terms["scratch"]), context.pythonExec)


def _worker_program(folder: Path, scratch: Path, python: str) -> str:
    path = scratch / f"python-{os.getpid()}"
    path.write_text(f'#!/bin/sh\ncd {shlex.quote(str(folder))} && exec {shlex.quote(python)} "$@"\n', "utf-8")
    path.chmod(0o700)
    return str(path)
