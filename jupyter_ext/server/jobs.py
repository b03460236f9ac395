"""The doors of `/api/2.x/jobs/...` that are about jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dbutils_local.errors import UserError
from dbutils_local.spec.job import resolved
from dbutils_local.store.records import JobRecord, Page
from dbutils_local.wire import requests
from dbutils_local.wire.jobs import job_item, job_reply, permissions_reply
from jupyter_ext.server.base import Call, Doors
from jupyter_ext.server.desk import Desk

T = TypeVar("T")

JOBS = Doors()
LEVELS = {
    "CAN_VIEW": "Can view",
    "CAN_MANAGE_RUN": "Can manage run",
    "IS_OWNER": "Is owner",
    "CAN_MANAGE": "Can manage",
}


@JOBS.door("POST", "jobs/create")
def create(desk: Desk, call: Call) -> dict[str, Any]:
    """`jobs/create`: store a job."""
    settings = requests.create(call.values, call.version)
    desk.roots.check(settings)
    return {"job_id": desk.workspace.create_job(settings)}


@JOBS.door("GET", "jobs/get")
def get(desk: Desk, call: Call) -> dict[str, Any]:
    """`jobs/get`: one job, in pages of its tasks."""
    asked = requests.get_job(call.values)
    record = desk.workspace.get_job(asked.job_id)
    return _told(record, call.version, asked.page_token, asked.include_trigger_state)


def _told(record: JobRecord, version: str, page_token: str | None = None, trigger: bool = False) -> dict[str, Any]:
    return job_reply(
        record.job_id,
        record.settings,
        created_at=record.created_at,
        creator=record.creator,
        version=version,
        page_token=page_token,
        paused=record.paused,
        include_trigger_state=trigger,
    )


@JOBS.door("GET", "jobs/list")
def list_(desk: Desk, call: Call) -> dict[str, Any]:
    """`jobs/list`: newest first."""
    asked = requests.list_jobs(call.values)
    # API 2.0 knows no pages of jobs: it gives all of them, with their tasks.
    everything = call.version == "2.0" and "limit" not in call.values
    page = pages(
        lambda limit, token: desk.workspace.list_jobs(asked.name, limit, token),
        1_000_000 if everything else asked.limit,
        asked.page_token,
        asked.offset,
    )
    jobs = [_listed(record, call.version, asked.expand_tasks) for record in page.items]
    return listing("jobs", jobs, page, call.version)


def _listed(record: JobRecord, version: str, expand: bool) -> dict[str, Any]:
    if not expand and version != "2.0":
        return job_item(
            record.job_id,
            record.settings,
            created_at=record.created_at,
            creator=record.creator,
            paused=record.paused,
        )
    told = _told(record, version)
    told.pop("next_page_token", None)  # of an element only has_more is told
    return told


@JOBS.door("POST", "jobs/update")
def update(desk: Desk, call: Call) -> dict[str, Any]:
    """`jobs/update`: replace the named fields (jobs reference, 6.4)."""
    asked = requests.update(call.values)
    desk.roots.check(requests.job_settings(asked.new_settings, whole=False))
    desk.workspace.update_job(asked.job_id, asked.new_settings, asked.fields_to_remove)
    return {}


@JOBS.door("POST", "jobs/reset")
def reset(desk: Desk, call: Call) -> dict[str, Any]:
    """`jobs/reset`: replace all settings."""
    asked = requests.reset(call.values)
    desk.roots.check(asked.new_settings)
    desk.workspace.reset_job(asked.job_id, resolved(asked.new_settings))
    return {}


@JOBS.door("POST", "jobs/delete")
def delete(desk: Desk, call: Call) -> dict[str, Any]:
    """`jobs/delete`: forget a job; its history stays."""
    desk.delete_job(requests.one_id(call.values, "job_id"))
    return {}


@JOBS.door("POST", "jobs/run-now")
def run_now(desk: Desk, call: Call) -> dict[str, Any]:
    """`jobs/run-now`: start a run in a process of its own."""
    asked = requests.run_now(call.values)
    row = desk.workspace.run_now(
        asked.job_id,
        job_parameters=asked.job_parameters,
        overriding=asked.overriding,
        only=asked.only,
        queue=asked.queue,
        idempotency_token=asked.idempotency_token,
    )
    return {"run_id": row.run_id, "number_in_job": row.number_in_job or row.run_id}


# ---------------------------------------------------------------- permissions: kept and shown, nobody is kept out


@JOBS.door("GET", "permissions/jobs/{id}")
def permissions(desk: Desk, call: Call) -> dict[str, Any]:
    """`permissions/jobs/ID`: who was granted what."""
    record = desk.workspace.get_job(int(call.parts[0]))
    return permissions_reply("job", record.job_id, record.settings.get("access_control_list") or [], record.creator)


@JOBS.door("PUT", "permissions/jobs/{id}")
def set_permissions(desk: Desk, call: Call) -> dict[str, Any]:
    """Replace what was granted."""
    return _grant(desk, call, [])


@JOBS.door("PATCH", "permissions/jobs/{id}")
def update_permissions(desk: Desk, call: Call) -> dict[str, Any]:
    """Add to what was granted."""
    record = desk.workspace.get_job(int(call.parts[0]))
    return _grant(desk, call, record.settings.get("access_control_list") or [])


def _grant(desk: Desk, call: Call, known: Sequence[dict[str, Any]]) -> dict[str, Any]:
    given = call.values.get("access_control_list") or []
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise UserError("access_control_list: expected a list of objects")
    kept = [entry for entry in known if _who(entry) not in {_who(new) for new in given}]
    desk.workspace.update_job(int(call.parts[0]), {"access_control_list": [*kept, *given]})
    return permissions(desk, call)


def _who(entry: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(entry.get(name) for name in ("user_name", "group_name", "service_principal_name"))


@JOBS.door("GET", "permissions/jobs/{id}/permissionLevels")
def permission_levels(desk: Desk, call: Call) -> dict[str, Any]:
    """`permissions/jobs/ID/permissionLevels`."""
    desk.workspace.get_job(int(call.parts[0]))
    return {"permission_levels": [{"permission_level": level, "description": text} for level, text in LEVELS.items()]}


# ---------------------------------------------------------------- lists


def pages(read: Callable[[int, str | None], Page[T]], limit: int, token: str | None, offset: int = 0) -> Page[T]:
    """`limit` items behind `token`; the deprecated `offset` is counted out first."""
    if offset and not token:
        skipped = read(offset, None)
        if skipped.next_token is None:
            return Page(())
        token = skipped.next_token
    return read(limit, token)


def listing(name: str, items: Sequence[dict[str, Any]], page: Page[Any], version: str) -> dict[str, Any]:
    """A list reply: the array is absent when empty; `has_more` is told before API 2.2 only."""
    reply: dict[str, Any] = {name: list(items)} if items else {}
    if version != "2.2":
        reply["has_more"] = page.next_token is not None
    if page.next_token:
        reply["next_page_token"] = page.next_token
    if page.prev_token:
        reply["prev_page_token"] = page.prev_token
    return reply
