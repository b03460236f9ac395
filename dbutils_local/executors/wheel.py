"""The Python wheel task: an entry point of an installed package, called with the task's arguments."""

from __future__ import annotations

from pathlib import Path

from dbutils_local.executors.base import Outcome, TaskContext
from dbutils_local.executors.python import run_script
from dbutils_local.spec.tasks import Task

_ENTRY_POINT = Path(__file__).with_name("entry_point.py")


class WheelExecutor:
    """Calls the entry point in a process of its own; its libraries come from the task (jobs reference, 1.3)."""

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Run to the end, or until the task is stopped."""
        wheel = task.python_wheel_task
        assert wheel is not None
        if wheel.named_parameters is None:
            arguments = list(wheel.parameters or ())
        else:
            # The task's own and the job's, precedence already applied.
            arguments = [f"--{name}={value}" for name, value in context.parameters.items()]
        command = [wheel.package_name, wheel.entry_point, *arguments]
        return run_script(_ENTRY_POINT, command, task, context, context.spec_folder or context.workspace_root)
