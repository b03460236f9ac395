"""The JAR task: a main class on the local Java, through spark-submit when the JAR uses Spark."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from dbutils_local.core import evidence
from dbutils_local.core.state import Failure
from dbutils_local.errors import MissingExtra, UserError
from dbutils_local.executors.base import Failed, Outcome, Stopped, Succeeded, TaskContext
from dbutils_local.executors.program import run_program
from dbutils_local.files import Mounts
from dbutils_local.paths import Places, to_local
from dbutils_local.spec.tasks import SparkJarTask, Task


class JarExecutor:
    """Calls the main class in a JVM of its own; exit code 0 is success (jobs reference, 1.3)."""

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Run to the end, or until the task is stopped."""
        jar = task.spark_jar_task
        assert jar is not None
        try:
            jars = _jars(task, jar, context)
            command, environ = _command(jar, jars, context.environ)
        except UserError as error:
            return Failed(Failure(str(error), code="RESOURCE_NOT_FOUND", message=str(error), setup=True))
        ended = run_program(
            command,
            environ=environ,
            cwd=context.spec_folder or context.workspace_root,
            stdout=context.folder / evidence.STDOUT,
            stderr=context.folder / evidence.STDERR,
            stop=context.stop,
            redact=context.redact,
        )
        if ended.stopped:
            return Stopped()
        if ended.code != 0:
            reason, trace = _exception(context.folder / evidence.STDERR)
            return Failed(Failure(reason or f"The program {ended.words}", trace=trace))
        return Succeeded()


def _jars(task: Task, jar: SparkJarTask, context: TaskContext) -> list[Path]:
    """Every JAR the task names, as files of this machine."""
    named = [jar.jar_uri] if jar.jar_uri else []
    for library in task.libraries or ():
        if library.maven is not None:
            raise UserError(
                f"library maven {library.maven.coordinates}: nothing is fetched from Maven here; put the "
                "JAR on disk and name it "
                "with `jar: path`"
            )
        named += [library.jar] if library.jar is not None else []
    if not named:
        raise UserError("spark_jar_task: no JAR is named; add `libraries: [{jar: path}]` to the task")
    return [_local(name, context) for name in named]


def _local(name: str, context: TaskContext) -> Path:
    beside = ((context.spec_folder or context.workspace_root) / name).absolute()
    places = Places(context.home, context.workspace_root, Mounts(context.home).table())
    candidates = [beside] if ":" not in name else []
    if name.startswith("/") or ":" in name:
        candidates.append(to_local(name, places))
    found = next((candidate for candidate in candidates if candidate.is_file()), None)
    if found is None:
        raise UserError(f"library jar {name}: no such file; looked for {', '.join(map(str, candidates))}")
    return found


def _command(jar: SparkJarTask, jars: Sequence[Path], environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The program and its environment."""
    main = jar.main_class_name
    if not main:
        raise UserError("spark_jar_task: main_class_name is missing")
    arguments = list(jar.parameters or ())
    if any(uses_spark(one) for one in jars):
        return _spark_submit(main, jars, arguments, environ)
    java = _java(environ)
    return [java, "-cp", os.pathsep.join(map(str, jars)), main, *arguments], dict(environ)


def _java(environ: Mapping[str, str]) -> str:
    home = environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else "java"
    if shutil.which(java, path=environ.get("PATH")) is None:
        raise UserError("a JAR task needs Java: no `java` on the PATH and no JAVA_HOME; install a JDK")
    return java


def uses_spark(jar: Path) -> bool:
    """Whether a class in the JAR names one of Spark's."""
    try:
        with zipfile.ZipFile(jar) as archive:
            return any(
                b"org/apache/spark" in archive.read(name) for name in archive.namelist() if name.endswith(".class")
            )
    except zipfile.BadZipFile as error:
        raise UserError(f"{jar} is not a JAR: {error}") from error


def _spark_submit(
    main: str, jars: Sequence[Path], arguments: Sequence[str], environ: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    found = importlib.util.find_spec("pyspark")
    if found is None or found.origin is None:
        raise MissingExtra("a JAR task that uses Spark", "spark")
    home = Path(found.origin).parent
    script = home / "bin" / ("spark-submit.cmd" if sys.platform == "win32" else "spark-submit")
    others = ["--jars", ",".join(map(str, jars[1:]))] if len(jars) > 1 else []
    settings = [
        "--conf",
        "spark.ui.enabled=false",
        "--conf",
        "spark.driver.host=127.0.0.1",
        "--conf",
        "spark.driver.bindAddress=127.0.0.1",
    ]
    command = [str(script), "--master", "local[*]", "--class", main, *settings, *others, str(jars[0]), *arguments]
    more = {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    return command, {**environ, **more}


def _exception(stderr: Path) -> tuple[str, str]:
    """The exception that ended the main thread, and its stack."""
    try:
        text = stderr.read_text("utf-8", "replace")
    except OSError:
        return "", ""
    start = text.rfind('Exception in thread "main" ')
    if start < 0:
        return "", text[-4000:]
    trace = text[start:].rstrip()
    return trace.splitlines()[0].removeprefix('Exception in thread "main" '), trace
