"""What a body or query string asks for, as typed requests; anything else is refused in Databricks' words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dbutils_local.core.plan import plan
from dbutils_local.errors import MalformedRequest, NotSupportedHere, UserError
from dbutils_local.spec.job import JobSettings, resolved
from dbutils_local.wire.reading import Fields, expected

MAX_LEGACY_PARAMETERS = 10_000  # bytes of JSON, each of the *_params (jobs reference, 2.4)
MAX_TOKEN = 64
MAX_OFFSET = 1000
RUN_TYPES = ("JOB_RUN", "SUBMIT_RUN", "WORKFLOW_RUN")
# Clients that name no version in their path get what the newest gives.
QUEUED_BY_DEFAULT = "2.2"


@dataclass(frozen=True, slots=True)
class RunNow:
    """Start a run of a stored job."""

    job_id: int
    job_parameters: Mapping[str, str] = field(default_factory=dict)
    overriding: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    queue: bool | None = None
    idempotency_token: str | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """Start a one-off run."""

    settings: JobSettings
    idempotency_token: str | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """Run parts of a finished run again."""

    run_id: int
    rerun_tasks: tuple[str, ...] = ()
    rerun_all_failed_tasks: bool = False
    rerun_dependent_tasks: bool = False
    latest_repair_id: int | None = None
    job_parameters: Mapping[str, str] = field(default_factory=dict)
    overriding: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reset:
    """Replace all settings of a job."""

    job_id: int
    new_settings: JobSettings


@dataclass(frozen=True, slots=True)
class Update:
    """Replace some settings of a job; `new_settings` is the plain JSON of what was named."""

    job_id: int
    new_settings: Mapping[str, Any]
    fields_to_remove: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetJob:
    """Look at a job."""

    job_id: int
    page_token: str | None = None
    include_trigger_state: bool = False


@dataclass(frozen=True, slots=True)
class ListJobs:
    """List jobs, newest first."""

    limit: int = 20
    page_token: str | None = None
    name: str | None = None
    expand_tasks: bool = False
    offset: int = 0


@dataclass(frozen=True, slots=True)
class GetRun:
    """Look at a run or a task run."""

    run_id: int
    include_history: bool = False
    include_resolved_values: bool = False
    page_token: str | None = None


@dataclass(frozen=True, slots=True)
class ListRuns:
    """List runs, newest first; times in epoch ms."""

    job_id: int | None = None
    active: bool | None = None
    run_type: str | None = None
    start_time_from: int | None = None
    start_time_to: int | None = None
    expand_tasks: bool = False
    limit: int = 20
    page_token: str | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Cancel a job's active runs, or all queued runs."""

    job_id: int | None
    all_queued_runs: bool


# ---------------------------------------------------------------- settings of jobs


def job_settings(values: Mapping[str, Any], *, where: str = "settings", whole: bool = True) -> JobSettings:
    """JobSettings of a body; every fault is named with its field. `whole`: its tasks must make a graph."""
    if "tasks" in values and not isinstance(values["tasks"], list):
        raise expected("array", f"{where}.tasks", values["tasks"])
    try:
        settings = JobSettings.model_validate(dict(values))
    except ValidationError as error:
        raise _refusal(error, where) from error
    if whole:
        plan(settings)
    return settings


def _refusal(error: ValidationError, where: str) -> UserError:
    """The worst fault first: what we do not serve, then what has the wrong shape, then what is missing or wrong."""
    faults = [_fault(details, where) for details in error.errors(include_url=False)]
    order = (NotSupportedHere, MalformedRequest, UserError)
    return min(faults, key=lambda fault: next(place for place, kind in enumerate(order) if isinstance(fault, kind)))


def _fault(details: ErrorDetails, where: str) -> UserError:
    name = _name(details["loc"], where)
    value = details.get("input")
    match details["type"]:
        case "extra_forbidden":
            return NotSupportedHere(f"Field '{name}' is not served here; leave it out.")
        case "missing":
            return UserError(f"Missing required field: {name}")
        case "dict_type" | "model_type" | "model_attributes_type":
            return expected("object", name, value)
        case "list_type":
            return expected("array", name, value)
        case "string_type":
            return expected("string", name, value)
        case "int_type" | "int_parsing" | "int_from_float" | "whole_number":
            return expected("number", name, value)
        case "bool_type" | "bool_parsing":
            return expected("boolean", name, value)
    return UserError(f"{name}: {details['msg']}")


def _name(location: tuple[int | str, ...], where: str) -> str:
    name = where
    for step in location:
        name += f"[{step}]" if isinstance(step, int) else f".{step}"
    return name


def create(body: Mapping[str, Any], version: str) -> JobSettings:
    """`jobs/create`; jobs of API 2.2 queue unless they say otherwise (jobs reference, rule 15)."""
    if version == QUEUED_BY_DEFAULT and body.get("queue") is None:
        body = {**body, "queue": {"enabled": True}}
    return job_settings(body)


def reset(body: Mapping[str, Any]) -> Reset:
    """`jobs/reset`."""
    fields = Fields(body)
    job_id, new = fields.identity("job_id"), fields.table("new_settings")
    # Airflow sends the access list beside the settings; there is nobody here to grant or refuse anything to.
    fields.ignore("access_control_list")
    fields.done()
    if new is None:
        raise UserError("Missing required field: new_settings")
    return Reset(job_id, job_settings(new, where="new_settings"))


def update(body: Mapping[str, Any]) -> Update:
    """`jobs/update`."""
    fields = Fields(body)
    job_id, new = fields.identity("job_id"), fields.table("new_settings")
    removed = fields.texts("fields_to_remove") or []
    fields.done()
    known = {name.split("/")[0] for name in removed} - set(JobSettings.model_fields)
    if known:
        raise UserError(f"fields_to_remove: '{sorted(known)[0]}' is no field of a job's settings")
    settings = job_settings(new or {}, where="new_settings", whole=False)
    return Update(job_id, resolved(settings), tuple(removed))


def submit(body: Mapping[str, Any]) -> Submit:
    """`runs/submit`; the older single-task form at the top of the body is wrapped into one task."""
    fields = Fields(body)
    name, token = fields.text("run_name"), _token(fields)
    rest = fields.rest()
    if not rest.get("tasks") and not any(member.endswith("_task") for member in rest):
        # Databricks' own words (jobs reference, 6.7).
        raise UserError("Run settings must be specified.")
    return Submit(job_settings({**rest, "name": name or "Untitled"}), token)


# ---------------------------------------------------------------- runs


def run_now(body: Mapping[str, Any]) -> RunNow:
    """`jobs/run-now`."""
    fields = Fields(body)
    queue = fields.table("queue")
    request = RunNow(
        fields.identity("job_id"),
        fields.text_map("job_parameters") or {},
        _overriding(fields),
        tuple(fields.texts("only") or ()),
        Fields(queue).flag("enabled") if queue else None,
        _token(fields),
    )
    fields.ignore("performance_target", "duration_target")
    fields.done()
    return request


def repair(body: Mapping[str, Any]) -> Repair:
    """`runs/repair`."""
    fields = Fields(body)
    request = Repair(
        fields.identity("run_id"),
        tuple(fields.texts("rerun_tasks") or ()),
        fields.flag("rerun_all_failed_tasks") or False,
        fields.flag("rerun_dependent_tasks") or False,
        fields.whole("latest_repair_id"),
        fields.text_map("job_parameters") or {},
        _overriding(fields),
    )
    fields.ignore("performance_target", "duration_target")
    fields.done()
    return request


def _overriding(fields: Fields) -> dict[str, Any]:
    """The deprecated `*_params`; empty ones are as good as absent (jobs reference, 2.4)."""
    maps = {name: fields.text_map(name) for name in ("notebook_params", "python_named_params", "sql_params")}
    lists = {
        name: fields.texts(name) for name in ("jar_params", "python_params", "spark_submit_params", "dbt_commands")
    }
    given: dict[str, Any] = {name: value for name, value in {**maps, **lists}.items() if value}
    if pipeline := fields.table("pipeline_params"):
        given["pipeline_params"] = pipeline
    for name in ("notebook_params", "jar_params", "python_params", "spark_submit_params"):
        size = len(json.dumps({name: given[name]}).encode()) if name in given else 0
        if size > MAX_LEGACY_PARAMETERS:
            raise UserError(f"{name} is {size} bytes of JSON; the limit is {MAX_LEGACY_PARAMETERS} bytes.")
    for name in ("python_params", "spark_submit_params"):
        if not all(item.isascii() for item in given.get(name, ())):
            raise UserError(f"{name} may hold ASCII characters only.")
    if "jar_params" in given and "notebook_params" in given:
        raise UserError("jar_params and notebook_params cannot be given together.")
    return given


def _token(fields: Fields) -> str | None:
    token = fields.text("idempotency_token")
    if token and len(token) > MAX_TOKEN:
        raise UserError(f"idempotency_token is {len(token)} characters long; the limit is {MAX_TOKEN}.")
    return token or None


def one_id(body: Mapping[str, Any], name: str) -> int:
    """A body that holds one id: delete, cancel, runs/delete."""
    fields = Fields(body)
    value = fields.identity(name)
    fields.done()
    return value


def cancel_all(body: Mapping[str, Any]) -> CancelAll:
    """`runs/cancel-all`."""
    fields = Fields(body)
    request = CancelAll(fields.whole("job_id"), fields.flag("all_queued_runs") or False)
    fields.done()
    if request.job_id is None and not request.all_queued_runs:
        raise UserError("Missing required field: job_id")
    return request


# ---------------------------------------------------------------- looking (unknown query parameters are let through)


def get_job(query: Mapping[str, Any]) -> GetJob:
    """`jobs/get`."""
    fields = Fields(query)
    return GetJob(
        fields.identity("job_id"), fields.text("page_token") or None, fields.flag("include_trigger_state") or False
    )


def list_jobs(query: Mapping[str, Any]) -> ListJobs:
    """`jobs/list`."""
    fields = Fields(query)
    return ListJobs(
        _limit(fields, default=20, most=100),
        fields.text("page_token") or None,
        fields.text("name") or None,
        fields.flag("expand_tasks") or False,
        _offset(fields),
    )


def get_run(query: Mapping[str, Any]) -> GetRun:
    """`runs/get` and `runs/get-output`."""
    fields = Fields(query)
    return GetRun(
        fields.identity("run_id"),
        fields.flag("include_history") or False,
        fields.flag("include_resolved_values") or False,
        fields.text("page_token") or None,
    )


def list_runs(query: Mapping[str, Any]) -> ListRuns:
    """`runs/list`."""
    fields = Fields(query)
    active, completed = fields.flag("active_only") or False, fields.flag("completed_only") or False
    if active and completed:
        raise UserError("active_only and completed_only exclude each other.")
    run_type = fields.text("run_type") or None
    if run_type is not None and run_type not in RUN_TYPES:
        raise UserError(f"run_type: '{run_type}' is none of {', '.join(RUN_TYPES)}.")
    return ListRuns(
        fields.whole("job_id"),
        True if active else False if completed else None,
        run_type,
        fields.whole("start_time_from"),
        fields.whole("start_time_to"),
        fields.flag("expand_tasks") or False,
        _limit(fields, default=20, most=25, zero_is_most=True),
        fields.text("page_token") or None,
        _offset(fields),
    )


def export_views(query: Mapping[str, Any]) -> tuple[int, str]:
    """`runs/export`: the run id, and which views (CODE, DASHBOARDS or ALL)."""
    fields = Fields(query)
    views = (fields.text("views_to_export") or "CODE").upper()
    if views not in ("CODE", "DASHBOARDS", "ALL"):
        raise UserError(f"views_to_export: '{views}' is none of CODE, DASHBOARDS, ALL.")
    return fields.identity("run_id"), views


def _limit(fields: Fields, *, default: int, most: int, zero_is_most: bool = False) -> int:
    limit = fields.whole("limit")
    if limit is None:
        return default
    if limit == 0 and zero_is_most:
        return most
    if not 1 <= limit <= most:
        raise UserError(f"limit must be between 1 and {most}, found {limit}.")
    return limit


def _offset(fields: Fields) -> int:
    offset = fields.whole("offset") or 0
    if not 0 <= offset <= MAX_OFFSET:
        raise UserError(f"offset must be between 0 and {MAX_OFFSET}, found {offset}; use page_token.")
    return offset
