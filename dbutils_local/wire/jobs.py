"""Stored jobs as the Jobs API tells them: settings with the server's defaults filled in, in pages of 100."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from dbutils_local.errors import UserError

PAGE = 100
PAGED = "2.2"  # older versions give nested arrays whole
_NESTED = ("tasks", "job_clusters", "environments", "parameters")
# Written, read back elsewhere: run_as as run_as_user_name, the access list by the permissions endpoint.
_WRITE_ONLY = ("access_control_list", "permissions", "run_as", "lifecycle")
_TRIGGERS = ("schedule", "trigger", "continuous")
_SOURCED = ("notebook_task", "spark_python_task", "dbt_task")


def job_reply(
    job_id: int,
    settings: Mapping[str, Any],
    *,
    created_at: int,
    creator: str,
    version: str = PAGED,
    page_token: str | None = None,
    paused: bool | None = None,
    include_trigger_state: bool = False,
) -> dict[str, Any]:
    """A Job: `jobs/get`, and with `expand_tasks` an element of `jobs/list` (jobs reference, 1.1 and 6.5)."""
    filled = filled_settings(settings, paused)
    page, more = paged({name: filled[name] for name in _NESTED if name in filled}, version, page_token)
    reply = _job(
        job_id, {**{k: v for k, v in filled.items() if k not in _NESTED}, **page}, created_at, creator, settings
    )
    if version == "2.0":
        reply["settings"] = single_task_form(reply["settings"])
    if include_trigger_state and (state := _trigger_state(filled)):
        reply["trigger_state"] = state
    return {**reply, **more}


def job_item(
    job_id: int, settings: Mapping[str, Any], *, created_at: int, creator: str, paused: bool | None = None
) -> dict[str, Any]:
    """An element of `jobs/list` without `expand_tasks`: no tasks, no clusters."""
    filled = filled_settings(settings, paused)
    return _job(job_id, {k: v for k, v in filled.items() if k not in _NESTED}, created_at, creator, settings)


def _job(
    job_id: int, told: Mapping[str, Any], created_at: int, creator: str, settings: Mapping[str, Any]
) -> dict[str, Any]:
    run_as = settings.get("run_as") or {}
    return {
        "job_id": job_id,
        "creator_user_name": creator,
        "run_as_user_name": run_as.get("user_name") or run_as.get("service_principal_name") or creator,
        "created_time": created_at,
        "settings": dict(told),
    }


def filled_settings(settings: Mapping[str, Any], paused: bool | None = None) -> dict[str, Any]:
    """Settings as a server tells them: defaults filled in as measured, what is only ever written left out."""
    told = {k: v for k, v in settings.items() if k not in _WRITE_ONLY and v is not None}
    filled = {
        "name": "Untitled",
        "email_notifications": {},
        "webhook_notifications": {},
        "timeout_seconds": 0,
        "max_concurrent_runs": 1,
        **told,
        "format": "MULTI_TASK",
    }
    if "tasks" in filled:
        git = "git_source" in filled
        filled["tasks"] = [filled_task(task, git) for task in filled["tasks"]]
    if paused is not None:
        for name in _TRIGGERS:
            if name in filled:
                filled[name] = {**filled[name], "pause_status": "PAUSED" if paused else "UNPAUSED"}
    return filled


def filled_task(task: Mapping[str, Any], git: bool = False) -> dict[str, Any]:
    """A task with the defaults a server fills in."""
    filled: dict[str, Any] = {"run_if": "ALL_SUCCESS", "email_notifications": {}, "timeout_seconds": 0, **task}
    for member in _SOURCED:
        if member in filled and not filled[member].get("source"):
            # A script's empty source never means Git (jobs reference, 1.3).
            source = "GIT" if git and member != "spark_python_task" else "WORKSPACE"
            filled[member] = {**filled[member], "source": source}
    return filled


def single_task_form(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The API 2.0 shape of a job of one task: what the task says stands at the top."""
    tasks: Sequence[Mapping[str, Any]] = settings.get("tasks") or ()
    if len(tasks) != 1:
        return dict(settings)
    lone = {k: v for k, v in tasks[0].items() if k not in ("task_key", "run_if", "depends_on")}
    rest = {k: v for k, v in settings.items() if k != "tasks"}
    return {**lone, **rest, "format": "SINGLE_TASK"}


def _trigger_state(filled: Mapping[str, Any]) -> dict[str, Any]:
    triggers = [filled[name] for name in _TRIGGERS if name in filled]
    return {"pause_status": triggers[0].get("pause_status") or "UNPAUSED"} if triggers else {}


def permissions_reply(kind: str, identity: int, access: Sequence[Mapping[str, Any]], owner: str) -> dict[str, Any]:
    """`permissions/jobs/ID`: what was written, and the owner; nobody is kept out here."""
    entries = [{"user_name": owner, "all_permissions": [_permission("IS_OWNER")], "display_name": owner}]
    for item in access:
        who = {name: item[name] for name in ("user_name", "group_name", "service_principal_name") if item.get(name)}
        level = item.get("permission_level") or item.get("level")
        if who and level and level != "IS_OWNER":
            entries.append({**who, "all_permissions": [_permission(str(level))]})
    return {"object_id": f"/{kind}s/{identity}", "object_type": kind, "access_control_list": entries}


def _permission(level: str) -> dict[str, Any]:
    return {"permission_level": level, "inherited": False}


# ---------------------------------------------------------------- paging of nested arrays


def paged(
    arrays: Mapping[str, Sequence[Any]], version: str, token: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One page of every array, and `has_more`/`next_page_token` (jobs reference, 6.5); whole before API 2.2."""
    if version != PAGED:
        return {name: list(items) for name, items in arrays.items()}, {}
    start = page_start(token)
    page = {name: list(items[start : start + PAGE]) for name, items in arrays.items() if start == 0 or items[start:]}
    more = any(len(items) > start + PAGE for items in arrays.values())
    return page, {"has_more": True, "next_page_token": page_token(start + PAGE)} if more else {}


def page_token(start: int) -> str:
    """The opaque token of the page that begins at `start`."""
    return base64.urlsafe_b64encode(f"nested:{start}".encode()).decode()


def page_start(token: str | None) -> int:
    """Where the page of a token begins; UserError for a token that is not ours."""
    if not token:
        return 0
    try:
        word, _, start = base64.urlsafe_b64decode(token.encode("ascii")).decode().partition(":")
        if word != "nested" or not start.isascii() or not start.isdigit() or len(start) > 9:
            raise ValueError(word)
        return int(start)
    except (ValueError, UnicodeError) as error:
        raise UserError(f"Invalid page token '{token}': use next_page_token of an earlier answer.") from error
