"""Starting the one Spark session of a process: PySpark here, or Sail, Spark Connect, Databricks Connect when chosen."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dbutils_local.errors import MissingExtra, UserError
from dbutils_local.settings import Settings

_lock = threading.RLock()
_session: Any = None

# The JVM says on stderr what no notebook wants to read; errors come to Python as exceptions anyway.
_LOG4J = """rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
"""


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
            _session = _start(settings, os.environ if environ is None else environ)
        return _session


def stop() -> None:
    """End this process's session and give the Python classes back as they were."""
    global _session
    with _lock:
        if _session is not None:
            from dbutils_local.spark import surface

            surface.remove()
            _session.stop()
            _session = None


def _is_stopped(spark: Any) -> bool:
    """Whether the user's code ended it with `spark.stop()`; sessions of Spark Connect cannot be asked."""
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
    _need_java(environ)
    scratch = _scratch(settings.home / "spark")
    # Workers must be this Python: another one has not the notebook's packages.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("dbutils-local")
    for key, value in configuration(settings, scratch).items():
        builder = builder.config(key, value)
    with _stderr_of_children(scratch / "driver.log"):
        try:
            spark = builder.getOrCreate()
        except Exception as error:
            raise UserError(_why_not(error, scratch / "driver.log")) from error
    # PySpark writes every analysis error to stderr as JSON, stack and all, besides raising it.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL + 1)
    from dbutils_local.spark import surface

    surface.apply(spark, settings)
    return spark


def _scratch(folder: Path) -> Path:
    """A folder for this process's Spark; those of processes that died without tidying up go."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in folder.iterdir():
        pid = left.name.partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=folder))
    atexit.register(shutil.rmtree, scratch, True)
    return scratch


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # os.kill would end it there
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def configuration(settings: Settings, scratch: Path) -> dict[str, str]:
    """Every Spark setting of a local session; `spark_conf` of the settings comes last."""
    log4j = scratch / "log4j2.properties"
    log4j.write_text(_LOG4J, "utf-8")
    warehouse = settings.home / "spark-warehouse"
    warehouse.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = {
        "spark.master": "local[*]",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log4j.as_uri()}",
        "spark.local.dir": str(scratch),
        "spark.sql.shuffle.partitions": str(max(2, min(8, os.cpu_count() or 2))),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(warehouse),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.legacy.createHiveTableByDefault": "false",
        # Partitions are found by looking at the folders, so every session sees those another one wrote.
        "spark.sql.hive.manageFilesourcePartitions": "false",
        # Delta reads a table's newest columns; Parquet in its place must look into every file for them.
        "spark.sql.parquet.mergeSchema": "true",
    }
    return found | _delta(settings.delta_jars) | dict(settings.spark_conf)


def _delta(folder: Path | None) -> dict[str, str]:
    if folder is None:
        return {}
    jars = sorted(str(jar) for jar in folder.glob("*.jar"))
    if not jars:
        raise UserError(f"delta_jars: {folder} holds no .jar file; put delta-spark and delta-storage there")
    return {
        "spark.jars": ",".join(jars),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.sources.default": "delta",
    }


def _need_java(environ: Mapping[str, str]) -> None:
    home = environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / ("java.exe" if os.name == "nt" else "java")).is_file():
        return
    if shutil.which("java", path=environ.get("PATH")) is None:
        raise UserError(
            "spark needs Java 17 or newer: no `java` on the PATH and no JAVA_HOME; install a JDK, or set "
            "spark_engine = sail"
        )


@contextmanager
def _stderr_of_children(log: Path) -> Iterator[None]:
    """Processes started meanwhile write their stderr to `log`: the JVM's banners would stand in the notebook's cell."""
    with log.open("ab") as file:
        sys.stderr.flush()
        saved = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _why_not(error: Exception, log: Path) -> str:
    with suppress(OSError):
        lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip() and "WARN" not in line]
        if lines:
            return f"Spark did not start: {str(error).splitlines()[0]}\n" + "\n".join(lines[:10])
    return f"Spark did not start: {error}"


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
