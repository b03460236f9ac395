"""Starts PySpark's JVM: its settings, its scratch folder, and its words when it does not start."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from dbutils_local.errors import UserError
from dbutils_local.settings import Settings

# The JVM says on stderr what no notebook wants to read; errors come to Python as exceptions anyway.
_LOG4J = """rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
"""


def launch(conf: Mapping[str, str], scratch: Path) -> Any:
    """A PySpark session on a JVM of this process's own, which takes 5 to 20 s; UserError says why there is none."""
    choose_python()
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("dbutils-local")
    for key, value in (_places(scratch) | dict(conf)).items():
        builder = builder.config(key, value)
    with _stderr_of_children(scratch / "driver.log"):
        try:
            return builder.getOrCreate()
        except Exception as error:
            raise UserError(_why_not(error, scratch / "driver.log")) from error


def choose_python() -> None:
    """Workers must be this Python: another one has not the notebook's packages."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)


def quiet() -> None:
    """PySpark writes every analysis error to stderr as JSON, stack and all, besides raising it."""
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL + 1)


def new_scratch(folder: Path) -> Path:
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


def _places(scratch: Path) -> dict[str, str]:
    log4j = scratch / "log4j2.properties"
    log4j.write_text(_LOG4J, "utf-8")
    return {
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={log4j.as_uri()}",
        "spark.local.dir": str(scratch),
    }


DBFS: Final = "spark.hadoop.fs.dbfs.impl"  # set where this JVM knows dbfs:/


def configuration(settings: Settings) -> dict[str, str]:
    """Every Spark setting of a local session but its scratch folder's; `spark_conf` of the settings comes last."""
    warehouse = settings.home / "spark-warehouse"
    warehouse.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = {
        "spark.master": "local[*]",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": str(max(2, min(8, os.cpu_count() or 2))),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(warehouse),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.legacy.createHiveTableByDefault": "false",
        # Partitions are found by looking at the folders, so every session sees those another one wrote.
        "spark.sql.hive.manageFilesourcePartitions": "false",
    }
    return found | _dbfs(settings.home) | _delta(settings.delta_jars) | dict(settings.spark_conf)


def _dbfs(home: Path) -> dict[str, str]:
    """`dbfs:/` as a file system of Hadoop: a file that is read by that name says it in `_metadata.file_path`."""
    for name in ("dbfs", "volumes"):
        (home / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    view = "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme"
    return {
        DBFS: view,
        "spark.hadoop.fs.viewfs.overload.scheme.target.dbfs.impl": "org.apache.hadoop.fs.LocalFileSystem",
        "spark.hadoop.fs.viewfs.mounttable.default.link./Volumes": (home / "volumes").as_uri(),
        "spark.hadoop.fs.viewfs.mounttable.default.linkFallback": (home / "dbfs").as_uri(),
    }


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


def need_java(environ: Mapping[str, str]) -> None:
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
