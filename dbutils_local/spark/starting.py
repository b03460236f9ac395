"""Starting the one Spark session of a process: PySpark here, or Sail, Spark Connect, Databricks Connect when chosen."""

from __future__ import annotations

import atexit
import importlib.util
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dbutils_local.errors import MissingExtra, UserError
from dbutils_local.settings import Settings

_lock = threading.RLock()
_thread = threading.local()
_session: Any = None
_scratch: Path | None = None  # of this process's own JVM
_lends_at: str | None = None  # the socket at which it is lent to others


def active() -> Any | None:
    """The session in use in this process, None when nothing has started one."""
    if _session is not None and not _is_stopped(_session):
        return _session
    if "pyspark.sql" not in sys.modules:
        return None
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


def session(settings: Settings, environ: Mapping[str, str] | None = None) -> Any:
    """The Spark session of this process, started if need be (10 to 20 s for PySpark).

    Raises MissingExtra when no engine is installed, UserError when one is but cannot start.
    """
    global _session
    with _lock:
        if _session is None or _is_stopped(_session):
            _thread.is_starting = True
            try:
                _session = _start(settings, os.environ if environ is None else environ)
            finally:
                _thread.is_starting = False
        return _session


def is_starting() -> bool:
    """Whether what runs now is part of starting the session."""
    return getattr(_thread, "is_starting", False)


def stop() -> None:
    """End this process's session and give the Python classes back as they were."""
    global _session
    with _lock:
        if _session is not None:
            from dbutils_local.spark import surface

            surface.remove()
            _session.stop()
            _session = None


def is_lost() -> bool:
    """Whether this process's session lived in a JVM of another process that has ended."""
    if _session is None:
        return False
    from dbutils_local.spark import borrowing

    return borrowing.is_lost()


def _is_stopped(spark: Any) -> bool:
    """Whether the user's code ended it with `spark.stop()`, or its JVM is gone; Spark Connect's cannot be asked."""
    if is_lost():
        return True
    context = getattr(spark, "_sc", None)
    return context is not None and getattr(context, "_jsc", None) is None


def _start(settings: Settings, environ: Mapping[str, str]) -> Any:
    match chosen_engine(settings.spark_engine):
        case "pyspark":
            return _pyspark(settings, environ)
        case "sail":
            return _sail()
        case "connect":
            return _connect(environ)
        case _:
            return _databricks_connect()


def chosen_engine(setting: str) -> str:
    """The engine to start: the one named, or for `auto` the first installed of pyspark and sail."""
    known = {
        "pyspark": ("pyspark.sql", "spark"),
        "sail": ("pysail", "sail"),
        "connect": ("pyspark.sql", "spark"),
        "databricks-connect": ("databricks.connect", "spark"),
    }
    if setting == "auto":
        found = next((name for name in ("pyspark", "sail") if _installed(known[name][0])), None)
        if found is None:
            raise MissingExtra("spark", "spark")
        return found
    if setting not in known:
        raise UserError(f"spark_engine cannot be {setting!r}; known ones: auto, {', '.join(known)}")
    module, extra = known[setting]
    if not _installed(module):
        if setting == "databricks-connect":
            raise UserError(
                "spark_engine = databricks-connect needs the package databricks-connect: pip install databricks-connect"
            )
        raise MissingExtra(f"spark (spark_engine = {setting})", extra)
    return setting


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


# --- PySpark --------------------------------------------------------------------------------------------------------


def _pyspark(settings: Settings, environ: Mapping[str, str]) -> Any:
    from dbutils_local.spark import borrowing, jvm, surface, workers

    jvm.need_java(environ)
    jvm.choose_python()
    spark = borrowing.borrowed(settings, environ) or _own(settings)
    jvm.quiet()
    surface.apply(spark, settings, shared=borrowing.is_borrowed() or _lends_at is not None)
    workers.follow_the_driver(spark, settings)
    return spark


def start_early(environ: Mapping[str, str], forkserver: str) -> None:
    """Have the JVM of a fork server's processes started, for one that is about to come and will want it.

    `environ` is that process's own. What stands in the way is told when it asks.
    """
    from dbutils_local.spark import borrowing, jvm

    with suppress(UserError):
        settings = Settings.load(environ)
        if chosen_engine(settings.spark_engine) == "pyspark":
            jvm.need_java(environ)
            borrowing.host_of(settings, environ, forkserver)


def _own(settings: Settings) -> Any:
    global _scratch
    from dbutils_local.spark import jvm

    _scratch = jvm.new_scratch(settings.home / "spark")
    return jvm.launch(jvm.configuration(settings), _scratch)


def lend(settings: Settings, environ: Mapping[str, str], folder: Callable[[], Path]) -> str | None:
    """Where the notebooks that this process runs in turn find the JVM they are to share with it.

    None: they ask the run's fork server, as this process does, or have another engine. Otherwise it is this process's
    own JVM, which is started when the first of them, or this process, needs it; its socket is made in `folder()`.
    """
    global _lends_at
    from dbutils_local.kernels.environment import Birth

    birth = Birth.read(environ)
    if birth is not None and birth.spark is not None:
        return birth.spark
    if _shares_above(birth is not None and birth.forkserver is not None) or not _can_lend(settings):
        return None
    with _lock:
        if _lends_at is None or not Path(_lends_at).exists():
            _lends_at = str(folder() / f"spark-{os.getpid()}.sock")
            _serve(_lends_at, settings, environ)
        return _lends_at


def _shares_above(has_forkserver: bool) -> bool:
    from dbutils_local.spark import borrowing

    return borrowing.is_borrowed() or (has_forkserver and _session is None)


def _serve(address: str, settings: Settings, environ: Mapping[str, str]) -> None:
    from dbutils_local.spark import sharing, surface

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    lent = (listener, lambda: session(settings, environ), lambda: _scratch)
    threading.Thread(target=sharing.serve, args=lent, name="spark-lender", daemon=True).start()
    if _session is not None:
        surface.share()


def _can_lend(settings: Settings) -> bool:
    with suppress(UserError):
        return sys.platform == "linux" and chosen_engine(settings.spark_engine) == "pyspark"
    return False


# --- other engines --------------------------------------------------------------------------------------------------


def _sail() -> Any:
    if not _installed("pyspark.sql"):
        raise MissingExtra("spark (spark_engine = sail)", "sail")
    os.environ.setdefault("RUST_LOG", "error")  # it tells of every session on stderr
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    _, port = server.listening_address
    atexit.register(server.stop)
    return SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()


def _connect(environ: Mapping[str, str]) -> Any:
    remote = environ.get("SPARK_REMOTE")
    if not remote:
        raise UserError(
            "spark_engine = connect needs the address of a Spark Connect server in SPARK_REMOTE, such as "
            "sc://127.0.0.1:15002"
        )
    from pyspark.sql import SparkSession

    return SparkSession.builder.remote(remote).getOrCreate()


def _databricks_connect() -> Any:
    from databricks.connect import DatabricksSession

    return DatabricksSession.builder.getOrCreate()
