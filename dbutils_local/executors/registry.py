"""Which executor does a task kind: our own by name, then those that other packages name in an entry-point group."""

from __future__ import annotations

import functools
from importlib import import_module

from dbutils_local.core.state import Failure
from dbutils_local.executors.base import Executor, Failed, Outcome, TaskContext
from dbutils_local.spec.base import Mark, Support
from dbutils_local.spec.tasks import Task

GROUP = "dbutils_local.executors"

# The same as our entry points say, kept here so that a run need not read the metadata of every installed package.
BUILT_IN = {
    "notebook_task": "dbutils_local.executors.notebook:NotebookExecutor",
    "spark_python_task": "dbutils_local.executors.python:PythonExecutor",
    "python_wheel_task": "dbutils_local.executors.wheel:WheelExecutor",
    "spark_jar_task": "dbutils_local.executors.jar:JarExecutor",
    "sql_task": "dbutils_local.executors.sql:SqlExecutor",
    "dbt_task": "dbutils_local.executors.dbt:DbtExecutor",
    "condition_task": "dbutils_local.executors.condition:ConditionExecutor",
    "for_each_task": "dbutils_local.executors.for_each:ForEachExecutor",
    "run_job_task": "dbutils_local.executors.run_job:RunJobExecutor",
}


class UnknownKind:
    """Fails a task of a kind that nobody on this machine can do, by name: never green without having run."""

    inline = True

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Failed, saying which kind it is and the two ways on."""
        why = f"task kind {task.kind} does not run on this machine: {_reason(task.kind)}"
        return Failed(Failure(why, code="FEATURE_DISABLED", message=why, setup=True))


@functools.cache
def executor_for(kind: str) -> Executor:
    """The executor of a task kind, one for all threads; of an unknown kind one that fails by name."""
    if kind in BUILT_IN:
        module, _, name = BUILT_IN[kind].partition(":")
        built: Executor = getattr(import_module(module), name)()
        return built
    return _named_elsewhere(kind) or UnknownKind()


def runs_here(kind: str) -> bool:
    """Whether a task kind can be run on this machine."""
    return not isinstance(executor_for(kind), UnknownKind)


def _named_elsewhere(kind: str) -> Executor | None:
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=kind):
        executor: Executor = point.load()()
        return executor
    return None


def _reason(kind: str) -> str:
    field = Task.model_fields.get(kind)
    marks = [mark for mark in field.metadata if isinstance(mark, Mark)] if field else []
    refused = next((mark.message for mark in marks if mark.support is Support.REFUSED), "")
    return refused or "leave the task out (--only) or stand in for it (--stub TASK)"
