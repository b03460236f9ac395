"""The SQL task: a file of statements, or a saved query mapped to one, on the local engine."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbutils_local.core import evidence
from dbutils_local.core.state import Failure
from dbutils_local.errors import DbutilsLocalError, UserError
from dbutils_local.executors import sql_answer
from dbutils_local.executors.attempt import born, redacted
from dbutils_local.executors.base import Failed, Outcome, Stopped, Succeeded, TaskContext
from dbutils_local.executors.program import run_program
from dbutils_local.files import Mounts
from dbutils_local.paths import Places
from dbutils_local.settings import Settings
from dbutils_local.spec.tasks import Task
from dbutils_local.sql.parameters import substitute_mustache

ASKED = "sql.json"  # what the program of a Spark engine is asked
ANSWERED = "sql_output.json"


class SqlExecutor:
    """Runs every statement of the file in order; the first that fails fails the task (jobs reference, 1.3)."""

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Run to the end, or until the task is stopped."""
        settings = replace(Settings.load(context.environ), home=context.home, workspace=context.workspace_root)
        try:
            path = _file(task, settings, context)
            text = substitute_mustache(path.read_text("utf-8-sig"), context.parameters)
        except (OSError, UserError) as error:
            return Failed(Failure(str(error), code="RESOURCE_NOT_FOUND", message=str(error), setup=True))
        if settings.sql_engine == "spark":
            return _in_a_process(text, path, context)
        return _here(text, path, settings, context)


def _file(task: Task, settings: Settings, context: TaskContext) -> Path:
    member = task.sql_task
    assert member is not None
    if member.file is not None:
        return Path(member.file.path)
    if member.query is None:
        raise UserError("sql_task: alerts and dashboards are not run on this machine")
    identity = member.query.query_id
    if identity not in settings.queries:
        raise UserError(
            f"sql_task: the saved query {identity!r} is not on this machine; map it to a file: queries = "
            f'{{ "{identity}" = "query.sql" }} '
            f"in {settings.home / 'config.toml'}"
        )
    return (context.spec_folder or context.workspace_root) / Path(settings.queries[identity]).expanduser()


def _here(text: str, path: Path, settings: Settings, context: TaskContext) -> Outcome:
    """On DuckDB, in this thread; stopping the task interrupts the statement that runs."""
    from dbutils_local.sql.engine import engine_for

    places = Places(context.home, context.workspace_root, Mounts(context.home).table())
    try:
        engine = engine_for(settings, places=places, limit=sql_answer.MAX_ROWS)
    except UserError as error:
        return Failed(Failure(str(error), code="FEATURE_DISABLED", message=str(error), setup=True))
    forget = context.stop.on_stop(engine.interrupt)
    try:
        results = engine.execute(text, context.parameters)
    except DbutilsLocalError as error:
        return Stopped() if context.stop.is_set else _failed(str(error), path, context)
    finally:
        forget()
        engine.close()
    if context.stop.is_set:
        return Stopped()
    _append(context.folder / evidence.STDOUT, context.redact(sql_answer.log(results)))
    found = redacted(sql_answer.output(results, text), context.redact)
    return Succeeded(output=found)


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _failed(message: str, path: Path, context: TaskContext) -> Failed:
    said = context.redact(message)
    _append(context.folder / evidence.STDERR, said + "\n")
    return Failed(Failure(said.splitlines()[0], trace=said, file=str(path)))


def _in_a_process(text: str, path: Path, context: TaskContext) -> Outcome:
    """On Spark, in a process of its own, on the JVM of the run if there is one."""
    asked, answered = context.folder / ASKED, context.folder / ANSWERED
    _private(asked, {"text": text, "parameters": dict(context.parameters), "answer": str(answered)})
    ended = run_program(
        [sys.executable, "-m", "dbutils_local.executors.sql", str(asked)],
        environ={
            **context.environ,
            **born(context, path).write(context.folder / evidence.BIRTH),
            "DBUTILS_LOCAL_HOME": str(context.home),
            "DBUTILS_LOCAL_WORKSPACE": str(context.workspace_root),
        },
        cwd=path.parent,
        stdout=context.folder / evidence.STDOUT,
        stderr=context.folder / evidence.STDERR,
        stop=context.stop,
        redact=context.redact,
        forkserver=context.forkserver,
    )
    asked.unlink(missing_ok=True)
    if ended.stopped:
        return Stopped()
    answer: dict[str, Any] = json.loads(answered.read_text("utf-8")) if answered.is_file() else {}
    answered.unlink(missing_ok=True)
    if ended.code == 0 and "output" in answer:
        return Succeeded(output=redacted(answer["output"], context.redact))
    said = context.redact(answer.get("error") or f"The program {ended.words}")
    return Failed(Failure(said.splitlines()[0], trace=said, file=str(path)))


def _private(path: Path, content: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content), "utf-8")


def main(asked: Path) -> int:
    """Run what `asked` holds on Spark and leave the answer beside it; 1 when a statement failed."""
    from dbutils_local import spark
    from dbutils_local.sql.engine import engine_for

    wanted = json.loads(asked.read_text("utf-8"))
    settings = Settings.load()
    try:
        engine = engine_for(settings, open_spark=lambda: spark.session(settings), limit=sql_answer.MAX_ROWS)
        results = engine.execute(wanted["text"], wanted["parameters"])
    except DbutilsLocalError as error:
        print(error, file=sys.stderr)
        _private(Path(wanted["answer"]), {"error": str(error)})
        return 1
    finally:
        spark.stop()
    print(sql_answer.log(results))
    _private(Path(wanted["answer"]), {"output": sql_answer.output(results, wanted["text"])})
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
