"""The run pages as HTML: pure functions, everything escaped, nothing loaded from anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from re import sub
from typing import Any
from urllib.parse import quote, urlencode

from dbutils_local.core.state import Failure
from dbutils_local.store.records import JobRecord, Page, RunSummary
from dbutils_local.views import html
from dbutils_local.views.html import pill, when
from dbutils_local.views.snapshot import (
    AttemptView,
    Snapshot,
    TaskView,
    duration,
    failure_place,
    label,
    tone,
    walk,
)

_HERE = resources.files("jupyter_ext.server")
STYLE = html.PAGE_STYLE + (_HERE / "pages.css").read_text("utf-8")
SCRIPT = (_HERE / "pages.js").read_text("utf-8")


@dataclass(frozen=True)
class Site:
    """What every page needs to know: where it lies, and the hidden field that proves a form is ours."""

    base: str  # ends in /dbutils-local/
    xsrf: str = ""
    nonce: str = ""


@dataclass(frozen=True)
class Filters:
    """What the list of runs is narrowed to, as the form has it."""

    job: str = ""
    state: str = ""
    since: str = ""
    until: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The same as query parameters, without the empty ones."""
        named = {"job": self.job, "state": self.state, "since": self.since, "until": self.until}
        return {name: value for name, value in named.items() if value}


STATES = ("RUNNING", "QUEUED", "SUCCESS", "SUCCESS_WITH_FAILURES", "FAILED", "TIMEDOUT", "CANCELED", "SKIPPED")


def page(site: Site, title: str, body: str, current: str = "") -> str:
    """A whole page."""
    links = "".join(
        f'<a href="{escape(site.base + path)}"{" aria-current=page" if name == current else ""}>{name}</a>'
        for name, path in (("Runs", ""), ("Jobs", "jobs"))
    )
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · dbutils-local</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
        f'<body class="dbl" data-base="{escape(site.base)}"><nav><b>dbutils-local</b>{links}</nav><main>{body}</main>'
        f'<script nonce="{escape(site.nonce)}">{SCRIPT}</script></body></html>'
    )


# ---------------------------------------------------------------- lists


def runs_page(site: Site, rows: Page[RunSummary], filters: Filters, now: int) -> str:
    """The history, newest first."""
    table = runs_table(site, rows.items, now)
    body = f"<h1>Runs</h1>{_filter_form(site, filters)}{table}{_pager(site.base, rows, filters.query)}"
    return page(site, "Runs", body, "Runs")


def _filter_form(site: Site, filters: Filters) -> str:
    options = [("", "any state"), ("ACTIVE", "active"), *((word, label(word)) for word in STATES)]
    chosen = "".join(
        f'<option value="{value}"{" selected" if value == filters.state else ""}>{escape(text)}</option>'
        for value, text in options
    )
    return (
        f'<form class="bar" method="get" action="{escape(site.base)}">'
        f'<label>Job name or id<input name="job" value="{escape(filters.job)}"></label>'
        f'<label>State<select name="state">{chosen}</select></label>'
        f'<label>From<input type="date" name="since" value="{escape(filters.since)}"></label>'
        f'<label>To<input type="date" name="until" value="{escape(filters.until)}"></label>'
        f'<button>Filter</button><a class="button quiet" href="{escape(site.base)}">Clear</a></form>'
    )


def runs_table(site: Site, rows: Sequence[RunSummary], now: int) -> str:
    """One row a run."""
    if not rows:
        return '<p class="empty">No runs yet.</p>'
    head = "".join(f"<th>{name}</th>" for name in ("Run", "Job", "State", "Started", "Duration", "Trigger", ""))
    body = "".join(_run_row(site, row, now) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _run_row(site: Site, row: RunSummary, now: int) -> str:
    word = row.result_state or row.life_cycle_state
    spent = duration((row.ended_at or now) - row.started_at) if row.started_at else "–"
    repaired = f" · repaired {row.repair_count}×" if row.repair_count else ""
    job = escape(row.name)
    if row.run_type == "JOB_RUN":
        job = f'<a href="{escape(site.base)}jobs/{row.job_id}">{job}</a>'
    cells = (
        f'<a href="{escape(site.base)}runs/{row.run_id}">{row.run_id}</a>',
        job,
        pill(label(word), tone(word)),
        when(row.created_at),
        spent,
        escape(row.trigger.lower().replace("_", " ")) + repaired,
        escape(row.message[:160]),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _pager(path: str, rows: Page[Any], query: Mapping[str, str]) -> str:
    links = [
        f'<a class="button quiet" href="{escape(path)}?{escape(urlencode({**query, "page": token}))}">{text}</a>'
        for text, token in (("Newer", rows.prev_token), ("Older", rows.next_token))
        if token
    ]
    return f'<p class="actions">{"".join(links)}</p>' if links else ""


def jobs_page(site: Site, rows: Page[JobRecord], name: str) -> str:
    """Stored jobs, newest first."""
    head = "".join(f"<th>{text}</th>" for text in ("Job", "Id", "Tasks", "Trigger", "Created", ""))
    body = "".join(_job_row(site, row) for row in rows.items)
    table = (
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        if body
        else '<p class="empty">No jobs yet.</p>'
    )
    form = (
        f'<form class="bar" method="get" action="{escape(site.base)}jobs">'
        f'<label>Name<input name="name" value="{escape(name)}"></label><button>Find</button></form>'
    )
    pager = _pager(f"{site.base}jobs", rows, {"name": name} if name else {})
    return page(site, "Jobs", f"<h1>Jobs</h1>{form}{table}{pager}", "Jobs")


def _job_row(site: Site, row: JobRecord) -> str:
    link = f"{escape(site.base)}jobs/{row.job_id}"
    cells = (
        f'<a href="{link}">{escape(row.name)}</a>',
        str(row.job_id),
        str(len(row.settings.get("tasks") or ())),
        escape(_trigger(row)),
        when(row.created_at),
        _form(site, f"{link}/run-now", '<button class="quiet">Run now</button>', ""),
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _form(site: Site, action: str, inner: str, style: str = "stack") -> str:
    """A form that changes something: it carries the proof that it is ours."""
    return f'<form class="{style}" method="post" action="{action}">{site.xsrf}{inner}</form>'


def _trigger(row: JobRecord) -> str:
    settings = row.settings
    paused = " (paused)" if row.paused else ""
    if schedule := settings.get("schedule"):
        return f"{schedule.get('quartz_cron_expression')} {schedule.get('timezone_id')}{paused}"
    if trigger := settings.get("trigger"):
        return (
            next((name for name in ("periodic", "file_arrival", "table_update") if trigger.get(name)), "trigger")
            + paused
        )
    return f"continuous{paused}" if settings.get("continuous") else "no trigger"


# ---------------------------------------------------------------- one job


def job_page(site: Site, row: JobRecord, recent: Sequence[Snapshot]) -> str:
    """A job: Run now with parameters, its latest runs as a matrix, its settings."""
    body = (
        f"<h1>{escape(row.name)}</h1>"
        f'<p class="soft">job {row.job_id} · {escape(_trigger(row))} · '
        f"created {when(row.created_at)} by {escape(row.creator)}</p>"
        f'<div class="actions">{run_now_form(site, row)}'
        f'<a class="button quiet" href="{escape(site.base)}?job={row.job_id}">All its runs</a></div>'
        f"<h2>Latest runs</h2>{matrix(site, recent)}"
        f"<h2>Settings</h2><pre>{escape(json.dumps(row.settings, indent=2, ensure_ascii=False))}</pre>"
    )
    return page(site, row.name, body, "Jobs")


def run_now_form(site: Site, row: JobRecord) -> str:
    """Run now, with a field for each job parameter and room for more."""
    known = {str(item["name"]): str(item.get("default", "")) for item in row.settings.get("parameters") or ()}
    fields = f"{_parameter_fields(known)}<button>Run now</button>"
    form = _form(site, f"{escape(site.base)}jobs/{row.job_id}/run-now", fields)
    return f"<details><summary>Run now</summary>{form}</details>"


def _parameter_fields(known: Mapping[str, str]) -> str:
    fields = "".join(
        f'<label>{escape(name)}<input name="param.{escape(name)}" value="{escape(value)}"></label>'
        for name, value in known.items()
    )
    return f'{fields}<label>More parameters, one name=value a line<textarea name="more" rows="2"></textarea></label>'


def matrix(site: Site, recent: Sequence[Snapshot]) -> str:
    """Runs from left to right, oldest first, a cell a task."""
    if not recent:
        return '<p class="empty">No runs yet.</p>'
    shown = list(reversed(recent))
    keys = list(dict.fromkeys(task.key for run in shown for task in run.tasks))
    heads = [_cell(run.tone, f"run {run.run_id}: {run.label}") for run in shown]
    links = [
        f'<a href="{escape(run_link(site, run.run_id))}">{cell}</a>' for run, cell in zip(shown, heads, strict=True)
    ]
    head = "".join(f"<th>{link}</th>" for link in links)
    rows = "".join(
        f"<tr><td>{escape(key)}</td>{''.join(f'<td>{_task_cell(site, run, key)}</td>' for run in shown)}</tr>"
        for key in keys
    )
    table = f'<table class="matrix"><thead><tr><th>run</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="scroll">{table}</div>'


def _task_cell(site: Site, run: Snapshot, key: str) -> str:
    task = next((task for task in run.tasks if task.key == key), None)
    if task is None:
        return ""
    told = f"{key}: {task.label}, {duration(task.duration_ms)}"
    return f'<a href="{escape(task_link(site, run.run_id, key))}">{_cell(task.tone, told)}</a>'


def _cell(colour: str, told: str) -> str:
    return f'<span class="cell state-{colour}" title="{escape(told)}" role="img" aria-label="{escape(told)}"></span>'


# ---------------------------------------------------------------- one run


def run_link(site: Site, run_id: int) -> str:
    """The address of a run's page."""
    return f"{site.base}runs/{run_id}"


def task_link(site: Site, run_id: int, key: str) -> str:
    """The address of a task's page."""
    return f"{run_link(site, run_id)}/tasks/{quote(key, safe='')}"


def run_page(site: Site, picture: Snapshot, job: JobRecord | None) -> str:
    """One run: what can be done with it, then its picture, kept up to date while it runs."""
    link = run_link(site, picture.run_id)
    live = "" if picture.is_final else f' data-live="{escape(link)}/live"'
    body = f"{_actions(site, picture, job)}<div{live}>{run_body(site, picture)}</div>"
    return page(site, html.title(picture), body, "Runs")


def run_body(site: Site, picture: Snapshot) -> str:
    """The part of a run's page that changes."""
    links = {task.key: task_link(site, picture.run_id, task.key) for task in walk(picture.tasks)}
    return html.heading(picture) + html.overview(picture, links)


def _actions(site: Site, picture: Snapshot, job: JobRecord | None) -> str:
    link = escape(run_link(site, picture.run_id))
    buttons = []
    if not picture.is_final:
        buttons.append(_form(site, f"{link}/cancel", '<button class="danger">Cancel run</button>', ""))
    elif picture.result != "SUCCESS" and picture.tasks and picture.phase != "SKIPPED":
        buttons.append(_repair_form(site, picture))
    if job is not None:
        buttons.append(run_now_form(site, job))
    buttons.append(f'<a class="button quiet" href="{link}/export">Export as HTML</a>')
    return f'<div class="actions">{"".join(buttons)}</div>'


def _repair_form(site: Site, picture: Snapshot) -> str:
    """Unsuccessful tasks are ticked; those below them go along, as Databricks' own page does it."""
    wrong = ("FAILED", "TIMEDOUT", "CANCELED", "UPSTREAM_FAILED", "UPSTREAM_CANCELED")
    boxes = "".join(
        _check("task", task.key, task.word in wrong, f"{escape(task.key)} {pill(task.label, task.tone)}")
        for task in picture.tasks
    )
    below = _check("dependents", "1", True, "and everything below them")
    fields = f"{boxes}{below}{_parameter_fields(picture.parameters)}<button>Repair run</button>"
    form = _form(site, f"{escape(run_link(site, picture.run_id))}/repair", fields)
    return f"<details><summary>Repair run</summary>{form}</details>"


def _check(name: str, value: str, ticked: bool, text: str) -> str:
    mark = " checked" if ticked else ""
    return f'<label class="check"><input type="checkbox" name="{name}" value="{escape(value)}"{mark}>{text}</label>'


# ---------------------------------------------------------------- one task


@dataclass(frozen=True)
class TaskPage:
    """Everything one attempt of a task has to show."""

    picture: Snapshot
    task: TaskView
    number: int  # attempt
    logs: str = ""
    failure: Failure | None = None  # of that attempt
    has_notebook: bool = False
    children: Sequence[str] = field(default=())  # notebooks it ran in turn


def task_page(site: Site, seen: TaskPage) -> str:
    """One task: attempts, parameters, values, error, logs and the executed notebook."""
    task, run = seen.task, seen.picture
    link = task_link(site, run.run_id, task.key)
    parts = (
        f'<p class="soft"><a href="{escape(run_link(site, run.run_id))}">{escape(run.name)} · run {run.run_id}</a></p>',
        f"<h1>{escape(task.key)} {pill(task.label, task.tone)}</h1>",
        f'<p class="soft">{escape(_task_facts(task))}</p>',
        _attempt_links(link, seen),
        _failure(seen.failure),
        f"<p>Exit value: <code>{escape(task.value)}</code></p>" if task.value is not None else "",
        html.pairs("Parameters", task.parameters),
        html.pairs("Task values", task.values),
        _iterations(site, seen),
        _logs(link, seen),
        _notebook(link, seen),
    )
    return page(site, f"{task.key} · run {run.run_id}", "".join(parts), "Runs")


def _failure(failure: Failure | None) -> str:
    if failure is None:
        return ""
    place = f" ({failure_place(failure)})" if failure_place(failure) else ""
    trace = f"<h2>Traceback</h2><pre>{escape(_plain(failure.trace))}</pre>" if failure.trace else ""
    return f'<pre class="error">{escape(failure.error + place)}</pre>{trace}'


def _plain(trace: str) -> str:
    return sub(r"\x1b\[[0-9;]*m", "", trace)


def _task_facts(task: TaskView) -> str:
    parts = [
        task.kind.removesuffix("_task"),
        f"task run {task.task_run_id}" if task.task_run_id else "",
        f"started {when(task.started_at)}" if task.started_at else "not started",
        f"took {duration(task.duration_ms)}" if task.ended_at and task.attempts else "",
        task.message,
    ]
    return " · ".join(part for part in parts if part)


def _attempt_links(link: str, seen: TaskPage) -> str:
    if len(seen.task.attempts) < 2:
        return ""
    items = "".join(_attempt_row(link, attempt, attempt.number == seen.number) for attempt in seen.task.attempts)
    return f'<h2>Attempts</h2><table class="pairs"><tbody>{items}</tbody></table>'


def _attempt_row(link: str, attempt: AttemptView, shown: bool) -> str:
    mark = " aria-current=true" if shown else ""
    cells = (
        f'<a href="{escape(link)}?attempt={attempt.number}"{mark}>attempt {attempt.number}</a>',
        pill(label(attempt.result or "RUNNING"), attempt.tone),
        when(attempt.started_at),
        duration(attempt.duration_ms),
        f"repair {attempt.repair}" if attempt.repair else "",
    )
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _iterations(site: Site, seen: TaskPage) -> str:
    if not seen.task.iterations:
        return ""
    links = {item.key: task_link(site, seen.picture.run_id, item.key) for item in seen.task.iterations}
    return f"<h2>Iterations</h2>{html.task_table(seen.task.iterations, links)}"


def _logs(link: str, seen: TaskPage) -> str:
    running = not seen.task.is_final and bool(seen.task.attempts)
    if not seen.logs and not running:
        return ""
    live = f' data-live="{escape(link)}/logs?attempt={seen.number}" data-kind="text"' if running else ""
    return f'<h2>Logs</h2><pre id="logs"{live}>{escape(seen.logs)}</pre>'


def _notebook(link: str, seen: TaskPage) -> str:
    executed = _frame("Executed notebook", f"{link}/notebook?attempt={seen.number}") if seen.has_notebook else ""
    queries = {name: urlencode({"attempt": seen.number, "child": name}) for name in seen.children}
    return executed + "".join(_frame(name, f"{link}/notebook?{query}") for name, query in queries.items())


def _frame(title: str, source: str) -> str:
    return f'<h2>{escape(title)}</h2><iframe title="{escape(title)}" src="{escape(source)}"></iframe>'


def error_page(site: Site, status: int, message: str) -> str:
    """Something was asked wrongly, or is not there."""
    home = f'<p><a href="{escape(site.base)}">All runs</a></p>'
    body = f'<h1>{status}</h1><pre class="error">{escape(message)}</pre>{home}'
    return page(site, str(status), body)
