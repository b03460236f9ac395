"""`dbutils.jobs.taskValues`: small JSON values one task leaves for the tasks after it (reference 4.1)."""

from __future__ import annotations

import copy
import json
import threading
from typing import TYPE_CHECKING, Any, Final

from dbutils_local.dbutils.help import Helpful
from dbutils_local.errors import NotSupportedHere
from dbutils_local.kernels.outbox import TaskValue, read

if TYPE_CHECKING:
    from dbutils_local.dbutils.session import Session

MAX_BYTES: Final = 48 * 1024
# Databricks' pages say "per job run" and "per task and job run"; counted here per task run (design/DECISIONS).
MAX_VALUES: Final = 250


class TaskValuesUtils(Helpful):
    """`dbutils.jobs.taskValues`."""

    _module = "jobs.taskValues"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._own: dict[str, Any] | None = None

    def set(self, key: str, value: Any) -> None:
        """Leave `value` under `key`; outside a job nothing happens.

        Raises TypeError for what JSON cannot hold, ValueError over a limit, NotSupportedHere in an iteration.
        """
        if not self._session.is_job:
            return
        job = self._session.birth.job
        if job is not None and job.is_iteration:
            where = f"task {job.task_key!r}, key {key!r}"
            raise NotSupportedHere(f"setting task values is not supported for iterations ({where})")
        stored = self._checked(key, value)
        with self._lock:
            own = self._values_so_far()
            if key not in own and len(own) >= MAX_VALUES:
                raise ValueError(f"task value {key!r} is one too many: a task can set at most {MAX_VALUES} task values")
            own[key] = stored
        self._session.say(TaskValue(key, stored))

    def _checked(self, key: str, value: Any) -> Any:
        if not isinstance(key, str):
            raise TypeError(f"the key of a task value must be a string, not {type(key).__name__}")
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise type(error)(f"task value {key!r} cannot be stored as JSON: {error}") from error
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MAX_BYTES:
            raise ValueError(f"task value {key!r} is {size} bytes of JSON; the limit is {MAX_BYTES} bytes (48 KiB)")
        return self._session.redactor.redact_tree(json.loads(text))

    def _values_so_far(self) -> dict[str, Any]:
        # Read back, because Python may have been restarted in the middle of the task.
        if self._own is None:
            outbox = self._session.birth.outbox
            sayings = read(outbox) if outbox is not None else ()
            self._own = {saying.key: saying.value for saying in sayings if isinstance(saying, TaskValue)}
        return self._own

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:
        """What `taskKey` last set under `key` in this job run, else `default`; outside a job `debugValue`.

        A notebook that runs by itself has no other tasks: its `debugValue` is used, with a notice. Raises TypeError
        outside a job without `debugValue`, ValueError in one with neither value nor default.
        """
        if not self._session.is_job:
            if debugValue is None:
                raise TypeError(
                    "Must pass debugValue when calling get outside of a job context. debugValue cannot be None."
                )
            return debugValue
        values = self._of_task(taskKey)
        if values is not None and key in values:
            return copy.deepcopy(values[key])
        job = self._session.birth.job
        if debugValue is not None and job is not None and job.is_alone:
            said = f"task value {key!r} of task {taskKey!r}: run by itself, this notebook uses its debugValue"
            self._session.notice(f"{said} {debugValue!r}")
            return debugValue
        if default is not None:
            return default
        raise ValueError(_missing(taskKey, key, values is not None))

    def _of_task(self, task_key: str) -> Any:
        job = self._session.birth.job
        if job is not None and task_key == job.task_key:
            with self._lock:
                return dict(self._values_so_far())
        return self._session.birth.task_values.get(task_key)


def _missing(task_key: str, key: str, task_is_known: bool) -> str:
    if task_is_known:
        return f"No task value with key {key!r} was set by task {task_key!r} in this job run, and no default was given."
    return (
        f"No task {task_key!r} has set a task value or ended before this task started, "
        f"so there is no value with key {key!r}; no default was given."
    )


class JobsUtils(Helpful):
    """`dbutils.jobs`."""

    _module = "jobs"

    def __init__(self, session: Session) -> None:
        self.taskValues = TaskValuesUtils(session)
