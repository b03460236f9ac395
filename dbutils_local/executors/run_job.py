"""The run_job task: another job's run, started and waited for through what the driver hands in."""

from __future__ import annotations

from dbutils_local.core.state import Failure
from dbutils_local.executors.base import Failed, Outcome, TaskContext
from dbutils_local.spec.tasks import Task

# The deprecated ways of passing something to the child's tasks.
_LEGACY = ("notebook_params", "python_params", "python_named_params", "jar_params", "sql_params", "dbt_commands")


class RunJobExecutor:
    """Starts the child job with the task's parameters; the task ends as the child does (jobs reference, 4.6)."""

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Run the child to its end; a stop of the task is passed on to it."""
        child = task.run_job_task
        assert child is not None
        try:
            job_id = int(child.job_id)
        except ValueError:
            why = f"run_job_task.job_id {child.job_id!r} names no job that is stored on this machine"
            return Failed(Failure(why, code="RESOURCE_NOT_FOUND", message=why, setup=True))
        legacy = {name: getattr(child, name) for name in _LEGACY if getattr(child, name)}
        return context.run_job(job_id, context.parameters, legacy, context.stop)
