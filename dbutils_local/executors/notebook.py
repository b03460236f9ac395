"""The notebook task: a notebook of any source format, run by papermill in a kernel of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbutils_local.core import evidence
from dbutils_local.core.state import Failure
from dbutils_local.executors import libraries
from dbutils_local.executors.attempt import born, redact_file, redacted, redacted_failure
from dbutils_local.executors.base import Failed, Outcome, Stopped, Succeeded, TaskContext
from dbutils_local.spec.tasks import Task


class NotebookExecutor:
    """Runs the notebook: its exit value, task values or error are the outcome, its executed copy stays."""

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Run to the end, or until the task is stopped."""
        from dbutils_local import notebooks
        from dbutils_local.kernels.kernel import KernelFailed
        from dbutils_local.kernels.runner import run_notebook

        assert task.notebook_task is not None
        path = Path(task.notebook_task.notebook_path)
        if not path.is_file():
            why = f"Notebook not found: {path}"  # Databricks' own words (jobs reference, 5.2)
            return Failed(Failure(why, code="RESOURCE_NOT_FOUND", message=why, setup=True))
        python = libraries.interpreter_for(task, context)
        if isinstance(python, Failed | Stopped):
            return python
        birth = born(context, path)
        if python is None:
            _start_spark_early(path, context)
        try:
            ended = run_notebook(
                notebooks.to_nbformat(notebooks.read(path)),
                output=context.folder / evidence.NOTEBOOK,
                birth=birth,
                environ=context.environ,
                cwd=path.parent,
                stop=context.stop,
                forkserver=context.forkserver,
                parameters=context.parameters,
                python=python,
            )
        except KernelFailed as error:
            why = context.redact(str(error))
            return Failed(Failure(why, code="DRIVER_ERROR", message=why, setup=True))
        finally:
            redact_file(context.folder / evidence.OUTBOX, context.redact)
        return _outcome(ended, context.redact)


def _start_spark_early(path: Path, context: TaskContext) -> None:
    """The run's JVM starts beside the kernel that is going to use it."""
    from dbutils_local.sql import choice

    # Set where any notebook of the job uses Spark: the others are not read for it.
    if context.forkserver is None or context.environ.get(choice.VARIABLE) != "spark":
        return
    if choice.needs_spark([path], context.workspace_root):
        from dbutils_local import spark

        spark.start_early(context.environ, context.forkserver)


def _outcome(ended: Any, redact: Callable[[str], str]) -> Outcome:
    values = redacted(dict(ended.values), redact)
    if ended.stopped or ended.timed_out:
        return Stopped(values)
    notices = list(ended.notices)
    if ended.swallowed_exit is not None:
        notices.append("dbutils.notebook.exit was caught by an `except`, so the notebook went on after it")
    output = {"info": redact("\n".join(notices))} if notices else {}
    if ended.failure is not None:
        return Failed(redacted_failure(ended.failure, redact), values, output)
    return Succeeded(None if ended.exit_value is None else redact(ended.exit_value), values, output)
