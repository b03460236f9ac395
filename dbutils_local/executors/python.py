"""The Python file task: `python FILE ARGUMENT...` in a process group of its own, with `dbutils` at hand."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dbutils_local.core import evidence
from dbutils_local.core.state import Failure
from dbutils_local.executors import libraries
from dbutils_local.executors.attempt import born, redact_file, redacted
from dbutils_local.executors.base import Failed, Outcome, Stopped, Succeeded, TaskContext
from dbutils_local.executors.program import Ended, run_program
from dbutils_local.kernels import outbox
from dbutils_local.spec.tasks import Task

TAIL_CHARACTERS = 64 * 1024  # how much of stderr is searched for the error
_TRACEBACK = "Traceback (most recent call last):"
_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+)', re.MULTILINE)
_ERROR_LINE = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Warning|Group)?(?::|$)")


class PythonExecutor:
    """Runs the file; exit code 0 is success, and the error is the last traceback on stderr."""

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Run to the end, or until the task is stopped."""
        python_task = task.spark_python_task
        assert python_task is not None
        path = Path(python_task.python_file)
        if not path.is_file():
            why = f"Python file not found: {path}"
            return Failed(Failure(why, code="RESOURCE_NOT_FOUND", message=why, setup=True))
        return run_script(path, python_task.parameters or (), task, context, path.parent)


def run_script(path: Path, arguments: Sequence[str], task: Task, context: TaskContext, cwd: Path) -> Outcome:
    """Run a Python file with its arguments as a task does, on the Python that the task names."""
    python = libraries.interpreter_for(task, context)
    if isinstance(python, Failed | Stopped):
        return python
    named = born(context, path).write(context.folder / evidence.BIRTH)
    # Unbuffered, so that what a killed script had printed is in its log.
    environ = {**context.environ, "PYTHONUNBUFFERED": "1", **named}
    ended = run_program(
        [str(python or sys.executable), "-m", "dbutils_local.dbutils.script", str(path), *arguments],
        environ=environ,
        cwd=cwd,
        stdout=context.folder / evidence.STDOUT,
        stderr=context.folder / evidence.STDERR,
        stop=context.stop,
        redact=context.redact,
        forkserver=context.forkserver,
    )
    return _outcome(ended, context)


def _outcome(ended: Ended, context: TaskContext) -> Outcome:
    sayings = list(outbox.read(context.folder / evidence.OUTBOX))
    redact_file(context.folder / evidence.OUTBOX, context.redact)
    values = redacted(
        {saying.key: saying.value for saying in sayings if isinstance(saying, outbox.TaskValue)}, context.redact
    )
    output = _info(sayings, context.redact)
    if ended.stopped:
        return Stopped(values)
    if ended.code != 0:
        return Failed(failure_of(ended, _end_of(context.folder / evidence.STDERR)), values, output)
    exits = [saying.value for saying in sayings if isinstance(saying, outbox.Exit)]
    return Succeeded(context.redact(exits[-1]) if exits else None, values, output)


def _info(sayings: Sequence[outbox.Saying], redact: Callable[[str], str]) -> dict[str, Any]:
    notices = [saying.message for saying in sayings if isinstance(saying, outbox.Notice)]
    return {"info": redact("\n".join(notices))} if notices else {}


def failure_of(ended: Ended, stderr: str) -> Failure:
    """Why a Python program failed, from the end of its stderr (redacted already) and how it ended."""
    start = stderr.rfind(_TRACEBACK)
    if start < 0 or ended.code < 0:
        last = next((line for line in reversed(stderr.splitlines()) if line.strip()), "")
        return Failure(f"The program {ended.words}" + (f": {last.strip()}" if last else ""), trace=stderr)
    trace = stderr[start:].rstrip()
    lines = trace.splitlines()
    # Frames are indented; the error is the first line after them that is not, and its message may go on below.
    error = next(
        (line for line in lines[1:] if line and not line.startswith((" ", "\t")) and _ERROR_LINE.match(line)), ""
    )
    frames = list(_FRAME.finditer(trace))
    return Failure(
        error or f"The program {ended.words}",
        trace=trace,
        file=frames[-1]["file"] if frames else None,
        line=int(frames[-1]["line"]) if frames else None,
    )


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_CHARACTERS))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
