"""The doors of `/api/2.x/jobs/runs/...`."""

from __future__ import annotations

from typing import Any

from dbutils_local.core.state import RunState
from dbutils_local.errors import NotFound, UserError
from dbutils_local.store import artifacts
from dbutils_local.store.records import RunFilter
from dbutils_local.wire import replies, requests
from dbutils_local.wire.replies import Logs
from jupyter_ext.server.base import Call, Doors
from jupyter_ext.server.desk import Desk
from jupyter_ext.server.jobs import listing, pages

RUNS = Doors()
# Databricks' own words (jobs reference, 6.6).
_MANY_TASKS = (
    "Retrieving the output of runs with multiple tasks is not supported. "
    "Please retrieve the output of each individual task run instead."
)


@RUNS.door("POST", "jobs/runs/submit")
def submit(desk: Desk, call: Call) -> dict[str, Any]:
    """`runs/submit`: start a one-off run."""
    asked = requests.submit(call.values)
    desk.roots.check(asked.settings)
    return {"run_id": desk.workspace.submit(asked.settings, idempotency_token=asked.idempotency_token).run_id}


@RUNS.door("GET", "jobs/runs/get")
def get(desk: Desk, call: Call) -> dict[str, Any]:
    """`runs/get`: a run, or with a task run id that task."""
    asked = requests.get_run(call.values)

    def told(state: RunState, key: str | None, number: int | None) -> dict[str, Any]:
        if key is None:
            return replies.run_reply(
                state,
                host=call.host,
                version=call.version,
                include_history=asked.include_history,
                include_resolved_values=asked.include_resolved_values,
                page_token=asked.page_token,
            )
        return replies.task_run_reply(
            state,
            key,
            number,
            run_id=asked.run_id,
            host=call.host,
            version=call.version,
            include_resolved_values=asked.include_resolved_values,
            page_token=asked.page_token,
        )

    return desk.look(asked.run_id, told)


@RUNS.door("GET", "jobs/runs/list")
def list_(desk: Desk, call: Call) -> dict[str, Any]:
    """`runs/list`: newest first."""
    asked = requests.list_runs(call.values)
    wanted = RunFilter(
        job_id=asked.job_id,
        active=asked.active,
        run_type=asked.run_type,
        since=asked.start_time_from,
        until=asked.start_time_to,
    )
    page = pages(
        lambda limit, token: desk.workspace.runs(wanted, limit, token), asked.limit, asked.page_token, asked.offset
    )
    if asked.expand_tasks:
        items = [desk.look(row.run_id, lambda state, *_: _expanded(state, call)) for row in page.items]
    else:
        creator = desk.workspace.settings.user
        items = [replies.run_item(row, creator=creator, host=call.host) for row in page.items]
    return listing("runs", items, page, call.version)


def _expanded(state: RunState, call: Call) -> dict[str, Any]:
    told = replies.run_reply(state, host=call.host, version=call.version)
    told.pop("next_page_token", None)  # of an element only has_more is told
    return told


@RUNS.door("GET", "jobs/runs/get-output")
def get_output(desk: Desk, call: Call) -> dict[str, Any]:
    """`runs/get-output`: what a task gave (jobs reference, 6.6)."""
    asked = requests.get_run(call.values)

    def told(state: RunState, key: str | None, number: int | None) -> dict[str, Any]:
        known = key or _lone_task(state)
        attempt = replies.attempt_of(state, known, number)
        logs = _logs(desk, state.run_id, known, attempt.number) if attempt else None
        run_id = asked.run_id if key else None
        return replies.output_reply(state, known, number, logs=logs, run_id=run_id, host=call.host)

    return desk.look(asked.run_id, told)


def _lone_task(state: RunState) -> str:
    """The output of a job run of one task is that task's; sources disagree, and this helps more clients."""
    if len(state.plan.tasks) != 1:
        raise UserError(_MANY_TASKS)
    return next(iter(state.plan.tasks))


def _logs(desk: Desk, run_id: int, key: str, attempt: int) -> Logs:
    folder = desk.workspace.attempt_folder(run_id, key, attempt)
    parts = [artifacts.tail(folder / name) for name in (artifacts.STDOUT, artifacts.STDERR)]
    text = "".join(part.text for part in parts)
    cut = text.encode("utf-8", "replace")[-replies.MAX_OUTPUT :].decode("utf-8", "ignore")
    return Logs(cut, len(cut) < len(text) or any(part.truncated for part in parts))


@RUNS.door("POST", "jobs/runs/cancel")
def cancel(desk: Desk, call: Call) -> dict[str, Any]:
    """`runs/cancel`: a run, or with a task run id that task."""
    desk.cancel(requests.one_id(call.values, "run_id"))
    return {}


@RUNS.door("POST", "jobs/runs/cancel-all")
def cancel_all(desk: Desk, call: Call) -> dict[str, Any]:
    """`runs/cancel-all`: a job's active runs, or all queued ones."""
    asked = requests.cancel_all(call.values)
    desk.workspace.cancel_all(asked.job_id, asked.all_queued_runs)
    return {}


@RUNS.door("POST", "jobs/runs/repair")
def repair(desk: Desk, call: Call) -> dict[str, Any]:
    """`runs/repair`: run parts of a finished run again."""
    asked = requests.repair(call.values)
    repair_id = desk.workspace.repair(
        asked.run_id,
        rerun_tasks=asked.rerun_tasks,
        rerun_all_failed_tasks=asked.rerun_all_failed_tasks,
        rerun_dependent_tasks=asked.rerun_dependent_tasks,
        latest_repair_id=asked.latest_repair_id,
        job_parameters=asked.job_parameters,
        overriding=asked.overriding,
    )
    return {"repair_id": repair_id}


@RUNS.door("POST", "jobs/runs/delete")
def delete(desk: Desk, call: Call) -> dict[str, Any]:
    """`runs/delete`: forget a finished run."""
    desk.workspace.delete_run(requests.one_id(call.values, "run_id"))
    return {}


@RUNS.door("GET", "jobs/runs/export")
def export(desk: Desk, call: Call) -> dict[str, Any]:
    """`runs/export`: the executed notebook of a task as HTML."""
    run_id, views = requests.export_views(call.values)
    state, key, number = desk.find(run_id)
    known = key or _lone_task(state)
    if state.tasks[known].planned.kind != "notebook_task":
        raise UserError(f"Run {run_id} is no run of a notebook task: only notebooks are exported.")
    if views == "DASHBOARDS":
        return {}  # notebooks of this machine have none
    attempt = replies.attempt_of(state, known, number)
    file = desk.workspace.notebook_file(state.run_id, known, attempt.number) if attempt else None
    if file is None:
        raise NotFound(f"Run {run_id} has left no notebook to export.")
    import nbformat

    from dbutils_local.views.notebook import notebook_html

    read: Any = nbformat.read  # it carries no types
    content = notebook_html(read(file, as_version=4))
    return {"views": [{"content": content, "name": known, "type": "NOTEBOOK"}]}
