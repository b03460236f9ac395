"""Dynamic value references: `{{job.parameters.x}}`, `{{tasks.a.values.b}}`, `{{input}}` and the rest become text.

Everything here follows the jobs reference, section 3: pure substitution in the strings of a task; what is no reference
stays as it is written; a known namespace with an unknown member is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from dbutils_local.core.state import Attempt, Result, RunState, TaskState
from dbutils_local.errors import UserError

NAMESPACES = frozenset({"job", "task", "tasks", "workspace", "input", "backfill"})

# The old spellings and what they mean now (3.3); task_retry_count alone has no exact successor: it counts from 0.
DEPRECATED: Mapping[str, tuple[str, ...]] = {
    "job_id": ("job", "id"),
    "run_id": ("task", "run_id"),
    "parent_run_id": ("job", "run_id"),
    "start_date": ("job", "start_time", "iso_date"),
    "start_time": ("job", "start_time", "timestamp_ms"),
    "task_retry_count": ("task_retry_count",),
    "task_key": ("task", "name"),
}

# There is no workspace here: what its id and address are when nobody serves the API.
LOCAL_WORKSPACE_ID = "0"
LOCAL_WORKSPACE_URL = "http://127.0.0.1:8765"

# How RunState.trigger_info names what a trigger knew when it fired.
TRIGGER_TIME = "time"  # epoch ms
TRIGGER_LOCATION = "location"
TRIGGER_TABLES = "updated_tables"  # list of names
TRIGGER_COMMITS = "commits"  # table name -> {"timestamp": epoch ms, "version": number}

_PART = r"(?:`[^`{}]+`|\[[^\[\]{}]+\]|[\w-]+)"
_REFERENCE = re.compile(rf"\{{\{{\s*({_PART}(?:\.{_PART})*)\s*\}}\}}")
_BRACES = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_PARTS = re.compile(_PART)

_NO_INPUT = object()

_TRIGGER_TYPES = {"ONE_TIME": "onetime"}  # every other trigger word is itself in lower case


class UnresolvedReference(UserError):
    """A reference into a known namespace that has no value; the message names it."""

    error_code = "INVALID_PARAMETER_VALUE"

    def __init__(self, reference: str, why: str) -> None:
        super().__init__(f"{reference}: {why}")
        self.reference = reference


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference as written, and its parts with the old spellings replaced."""

    text: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upstream:
    """What can be said of another task of the run."""

    run_id: int | None = None
    execution_count: int = 0
    notebook_path: str | None = None
    result: Result | None = None
    error_code: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Any] | None = None  # of a SQL task, an object each
    alert_state: str | None = None


def _nobody(key: str) -> Upstream | None:
    return None


@dataclass(frozen=True)
class Scope:
    """Everything the references of one task can mean; times in epoch ms."""

    job_id: int = 0
    job_name: str = ""
    job_run_id: int = 0
    repair_count: int = 0
    start_time: int = 0
    trigger_type: str = "onetime"
    trigger_time: int = 0
    trigger: Mapping[str, Any] = field(default_factory=dict)
    job_parameters: Mapping[str, str] = field(default_factory=dict)
    task_key: str = ""
    task_run_id: int = 0
    execution_count: int = 1
    notebook_path: str | None = None
    upstream: Callable[[str], Upstream | None] = _nobody  # a function: most tasks ask for few of thousands
    workspace_id: str = LOCAL_WORKSPACE_ID
    workspace_url: str = LOCAL_WORKSPACE_URL
    input: Any = _NO_INPUT  # the element, inside a for_each task
    backfill: int | None = None


# ---------------------------------------------------------------- substitution


def resolve(text: str, scope: Scope) -> str:
    """`text` with every reference replaced; UnresolvedReference names the first one that has no value."""
    if "{{" not in text:
        return text
    return _REFERENCE.sub(lambda match: _replacement(match, scope), text)


def resolve_value(value: Any, scope: Scope) -> Any:
    """JSON with the references in its strings replaced, at any depth; keys are left alone."""
    match value:
        case str():
            return resolve(value, scope)
        case Mapping():
            return {key: resolve_value(member, scope) for key, member in value.items()}
        case list() | tuple():
            return [resolve_value(member, scope) for member in value]
    return value


def text_of(value: Any) -> str:
    """How a value looks inside text: strings bare, all else compact JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=str)


def references_in(text: str) -> list[Reference]:
    """The references of a text that will be replaced, or fail, in order."""
    return list(_references(text))


def unknown_references(text: str) -> list[str]:
    """What looks like a reference but is none, and so stays in the text as written."""
    known = {reference.text for reference in _references(text)}
    return [found for found in _BRACES.findall(text) if found not in known]


def fault_of(reference: Reference) -> str | None:
    """What is wrong with a reference whatever the run does (an unknown member of a known namespace), or None."""
    return None if _has_shape(reference.parts) else _no_such_member(reference.parts)


def _references(text: str) -> Iterator[Reference]:
    for match in _REFERENCE.finditer(text):
        parts = _parts_of(match[1])
        if parts is not None:
            yield Reference(match[0], parts)


def _parts_of(path: str) -> tuple[str, ...] | None:
    """The parts of a path with old spellings replaced; None if no namespace of ours is meant."""
    parts = tuple(part.strip("`") if part[0] == "`" else part.strip("[]") for part in _PARTS.findall(path))
    if len(parts) == 1 and parts[0] in DEPRECATED:
        return DEPRECATED[parts[0]]
    # A namespace alone says nothing (3.1: bad syntax is left verbatim); only `input` is a value of its own.
    known = parts[0] in NAMESPACES and (len(parts) > 1 or parts[0] == "input")
    return parts if known else None


def _replacement(match: re.Match[str], scope: Scope) -> str:
    parts = _parts_of(match[1])
    if parts is None:
        return match[0]
    try:
        return text_of(_value(parts, scope))
    except _Missing as missing:
        raise UnresolvedReference(match[0], str(missing)) from None


# ---------------------------------------------------------------- what a path means


class _Missing(Exception):
    """Why a path has no value."""


def _no_such_member(parts: Sequence[str]) -> str:
    return f"'{parts[0]}' has no member '{'.'.join(parts[1:])}'"


# The shapes of section 3.2: `*` stands for one name, `**` for the rest of the path, TIME for one way to write a time.
_TIME = "<time>"
_SHAPES: tuple[tuple[str, ...], ...] = (
    ("job", "id"),
    ("job", "name"),
    ("job", "run_id"),
    ("job", "repair_count"),
    ("job", "start_time", _TIME),
    ("job", "parameters", "**"),
    ("job", "trigger", "type"),
    ("job", "trigger", "time", _TIME),
    ("job", "trigger", "file_arrival", "location"),
    ("job", "trigger", "table_update", "updated_tables"),
    ("job", "trigger", "table_update", "*", "*", "*", "commit_timestamp", _TIME),
    ("job", "trigger", "table_update", "*", "*", "*", "version"),
    ("task", "name"),
    ("task", "run_id"),
    ("task", "execution_count"),
    ("task", "notebook_path"),
    ("task_retry_count",),
    ("tasks", "*", "run_id"),
    ("tasks", "*", "execution_count"),
    ("tasks", "*", "notebook_path"),
    ("tasks", "*", "result_state"),
    ("tasks", "*", "error_code"),
    ("tasks", "*", "values", "**"),
    ("tasks", "*", "output", "rows"),
    ("tasks", "*", "output", "first_row"),
    ("tasks", "*", "output", "first_row", "**"),
    ("tasks", "*", "output", "alert_state"),
    ("workspace", "id"),
    ("workspace", "url"),
    ("input",),
    ("input", "**"),
    ("backfill", _TIME),
)


def _has_shape(parts: Sequence[str]) -> bool:
    return any(_fits(parts, shape) for shape in _SHAPES)


def _fits(parts: Sequence[str], shape: Sequence[str]) -> bool:
    if shape[-1] == "**":
        head = shape[:-1]
        return len(parts) > len(head) and _fits(parts[: len(head)], head)
    return len(parts) == len(shape) and all(
        want in ("*", part) or (want == _TIME and _is_time(part)) for part, want in zip(parts, shape, strict=True)
    )


def _value(parts: tuple[str, ...], scope: Scope) -> Any:
    if not _has_shape(parts):
        raise _Missing(_no_such_member(parts))
    match parts:
        case ("job", *rest):
            return _of_job(rest, scope)
        case ("task", member):
            return _of_task(member, scope)
        case ("task_retry_count",):
            return scope.execution_count - 1
        case ("tasks", key, *rest):
            return _of_upstream(key, rest, scope)
        case ("workspace", member):
            return scope.workspace_id if member == "id" else scope.workspace_url
        case ("input", *rest):
            return _of_input(rest, scope)
        case ("backfill", form):
            return _time(form, scope.backfill, "only a backfill run has it")
    raise _Missing(_no_such_member(parts))


def _of_job(rest: list[str], scope: Scope) -> Any:
    match rest:
        case ["id"]:
            return scope.job_id
        case ["name"]:
            return scope.job_name
        case ["run_id"]:
            return scope.job_run_id
        case ["repair_count"]:
            return scope.repair_count
        case ["start_time", form]:
            return _time(form, scope.start_time, "the run has no start time")
        case ["parameters", *name]:
            return _member(scope.job_parameters, ".".join(name), "the job has no parameter {name!r} in this run")
    return _of_trigger(rest[1:], scope)


def _of_trigger(rest: list[str], scope: Scope) -> Any:
    match rest:
        case ["type"]:
            return scope.trigger_type
        case ["time", form]:
            return _time(form, scope.trigger_time, "the run was not started by a trigger")
        case ["file_arrival", _]:
            return _member(scope.trigger, TRIGGER_LOCATION, "the run was not started by a file arrival")
        case ["table_update", "updated_tables"]:
            return _member(scope.trigger, TRIGGER_TABLES, "the run was not started by a table update")
    table = ".".join(rest[1:4])
    commits = _member(scope.trigger, TRIGGER_COMMITS, "the run was not started by a table update")
    commit = _member(commits, table, "the table {name!r} was not updated")
    return commit["version"] if rest[4] == "version" else _time(rest[5], commit["timestamp"], "unknown")


def _of_task(member: str, scope: Scope) -> Any:
    match member:
        case "name":
            return scope.task_key
        case "run_id":
            return scope.task_run_id
        case "execution_count":
            return scope.execution_count
    if scope.notebook_path is None:
        raise _Missing("this task runs no notebook")
    return scope.notebook_path


def _of_upstream(key: str, rest: list[str], scope: Scope) -> Any:
    task = scope.upstream(key)
    if task is None:
        raise _Missing(f"there is no task {key!r} in this run")
    match rest:
        case ["result_state"]:
            return _ended(key, task).lower()
        case ["error_code"]:
            _ended(key, task)
            return task.error_code
        case ["notebook_path"]:
            return _present(task.notebook_path, f"the task {key!r} runs no notebook")
        case ["run_id"]:
            return _present(task.run_id, f"the task {key!r} did not run")
        case ["execution_count"]:
            return task.execution_count
        case ["values", *name]:
            return _task_value(key, task, ".".join(name))
        case ["output", "alert_state"]:
            return _present(task.alert_state, f"the task {key!r} gave no alert state")
    return _output(key, task, rest[1:])


def _ended(key: str, task: Upstream) -> Result:
    if task.result is None:
        raise _Missing(f"the task {key!r} has not ended: it must be upstream of this task")
    return task.result


def _task_value(key: str, task: Upstream, name: str) -> Any:
    if name in task.values:
        return task.values[name]
    if task.run_id is None:
        state = f" ({task.result.value})" if task.result else ""
        raise _Missing(f"the task {key!r} did not run{state}, so it set no task value {name!r}")
    known = ", ".join(sorted(task.values)) or "none"
    raise _Missing(f"the task {key!r} set no task value {name!r}; it set: {known}")


def _output(key: str, task: Upstream, rest: list[str]) -> Any:
    rows = _present(task.rows, f"the task {key!r} gave no SQL output")
    if rest == ["rows"]:
        return rows
    if not rows:
        raise _Missing(f"the SQL output of the task {key!r} has no rows")
    return _member(rows[0], ".".join(rest[1:]), "the SQL output has no column {name!r}") if rest[1:] else rows[0]


def _of_input(rest: list[str], scope: Scope) -> Any:
    if scope.input is _NO_INPUT:
        raise _Missing("only the task inside a for_each_task has an input")
    if not rest:
        return scope.input
    if not isinstance(scope.input, Mapping):
        raise _Missing(f"the input {text_of(scope.input)} is no object, so it has no field")
    return _member(scope.input, ".".join(rest), "the input has no field {name!r}")


def _member(values: Mapping[str, Any], name: str, otherwise: str) -> Any:
    if name not in values:
        raise _Missing(otherwise.format(name=name))
    return values[name]


def _present(value: Any, otherwise: str) -> Any:
    if value is None:
        raise _Missing(otherwise)
    return value


# ---------------------------------------------------------------- times, always UTC (3.2, ARG)

_TIMESTAMP = "timestamp_ms"
_CALENDAR: Mapping[str, Callable[[datetime], Any]] = {
    "iso_date": lambda moment: moment.strftime("%Y-%m-%d"),
    "iso_datetime": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso_weekday": lambda moment: moment.isoweekday(),
    "is_weekday": lambda moment: moment.isoweekday() < 6,
    "year": lambda moment: moment.year,
    "month": lambda moment: moment.month,
    "day": lambda moment: moment.day,
    "hour": lambda moment: moment.hour,
    "minute": lambda moment: moment.minute,
    "second": lambda moment: moment.second,
}


def _is_time(form: str) -> bool:
    return form == _TIMESTAMP or form in _CALENDAR


def _time(form: str, at: int | None, otherwise: str) -> Any:
    if not at:
        raise _Missing(otherwise)
    return at if form == _TIMESTAMP else _CALENDAR[form](datetime.fromtimestamp(at // 1000, UTC))


# ---------------------------------------------------------------- the scope of a task of a run


def scope_of(
    state: RunState,
    key: str,
    *,
    workspace_id: str = LOCAL_WORKSPACE_ID,
    workspace_url: str = LOCAL_WORKSPACE_URL,
    task_run_id: int,
    at: int,
) -> Scope:
    """What the references of an attempt that is about to start mean; `key` may be an iteration's (`loop[3]`)."""
    task = state.tasks[key]
    scope = Scope(
        job_id=state.job_id,
        job_name=str(state.settings.get("name") or "Untitled"),
        job_run_id=state.run_id,
        repair_count=state.repair_count,
        start_time=state.started_at or at,
        trigger_type=trigger_type(state),
        trigger_time=_trigger_time(state),
        trigger=state.trigger_info,
        job_parameters=raw_job_parameters(state),
        task_key=task.planned.key,
        task_run_id=task_run_id,
        execution_count=len(task.attempts) + 1,
        notebook_path=_notebook_path(state, key) if task.planned.kind == "notebook_task" else None,
        upstream=lambda other: _upstream(state, other),
        workspace_id=workspace_id,
        workspace_url=workspace_url,
        input=_input(state, task),
        backfill=state.trigger_info.get("backfill_time"),
    )
    return replace(scope, job_parameters=resolve_value(scope.job_parameters, scope))


def raw_job_parameters(state: RunState) -> dict[str, str]:
    """The job parameters of a run, references not yet replaced: defaults, then what the run overrides or adds."""
    defaults = {entry["name"]: str(entry["default"]) for entry in state.settings.get("parameters") or ()}
    return defaults | dict(state.job_parameters)


def trigger_type(state: RunState) -> str:
    """`{{job.trigger.type}}` of a run."""
    return _TRIGGER_TYPES.get(state.trigger, state.trigger.lower())


def _trigger_time(state: RunState) -> int:
    at = int(state.trigger_info.get(TRIGGER_TIME) or state.created_at)
    # A cron time is rounded down to the minute (3.2).
    return at - at % 60_000 if state.trigger == "PERIODIC" else at


def _input(state: RunState, task: TaskState) -> Any:
    if task.parent is None or task.iteration is None:
        return _NO_INPUT
    loop = state.tasks[task.parent].loop
    return loop.inputs[task.iteration] if loop else _NO_INPUT


def _notebook_path(state: RunState, key: str) -> str | None:
    task = state.tasks[key]
    wanted = task.parent or key
    for settings in state.settings.get("tasks") or ():
        if settings["task_key"] == wanted:
            own = settings["for_each_task"]["task"] if task.parent else settings
            path = (own.get("notebook_task") or {}).get("notebook_path")
            return str(path) if path else None
    return None


def _upstream(state: RunState, key: str) -> Upstream | None:
    task = state.tasks.get(key)
    if task is None or task.parent is not None:
        return None
    attempt = task.attempt
    sql = (attempt.output.get("sql_output") or {}) if attempt else {}
    return Upstream(
        run_id=attempt.task_run_id if attempt else None,
        execution_count=len(task.attempts),
        notebook_path=_notebook_path(state, key),
        result=task.result,
        error_code=_error_code(task, attempt),
        values=task.values,
        rows=sql.get("rows"),
        alert_state=sql.get("alert_state"),
    )


def _error_code(task: TaskState, attempt: Attempt | None) -> str:
    """`RUN_EXECUTION_ERROR` is spelled `RunExecutionError` in a reference (3.2)."""
    if task.result is None or task.result.is_success or attempt is None or attempt.failure is None:
        return ""
    return "".join(word.capitalize() for word in attempt.failure.code.split("_"))
