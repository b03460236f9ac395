"""The report of a run: one HTML file with DAG, timeline, tasks, parameters, values and executed notebooks in it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from html import escape

from dbutils_local.views import graph, timeline
from dbutils_local.views.palette import VARIABLES
from dbutils_local.views.snapshot import Snapshot, TaskView, duration, walk

PAGE_STYLE = (
    VARIABLES
    + """
:root{color-scheme:light dark}
body.dbl{margin:0;background:var(--dbl-paper);color:var(--dbl-text)}
body.dbl{font:14px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
main,header,nav{max-width:1280px;margin:0 auto;padding:0 24px}
h1{font-size:21px;margin:20px 0 4px}h2{font-size:15px;margin:28px 0 8px}
a{color:#2272b4}@media(prefers-color-scheme:dark){a{color:#7ab8f0}}
.soft{color:var(--dbl-soft)}.scroll{overflow:auto;border:1px solid var(--dbl-grid);border-radius:6px;padding:4px}
table{border-collapse:collapse;width:100%;font-size:13px}th{text-align:left;color:var(--dbl-soft);font-weight:500}
table.pairs{width:auto}table.pairs td:first-child{min-width:180px}
td,th{border-bottom:1px solid var(--dbl-grid);padding:6px 14px 6px 0;vertical-align:top;white-space:nowrap}
td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:90px}
td:last-child{white-space:normal;overflow-wrap:anywhere;padding-right:0}
td.number{white-space:nowrap}tr.iteration td:first-child{padding-left:18px}
.state{display:inline-block;padding:0 9px;border-radius:10px;border:1px solid;font-size:12px;white-space:nowrap}
code,pre{font:12.5px/1.45 ui-monospace,Menlo,Consolas,monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0;max-height:420px;overflow:auto}
pre.error{border-left:3px solid var(--dbl-failed-accent);padding:6px 10px;background:var(--dbl-failed)}
details{margin:8px 0;border:1px solid var(--dbl-grid);border-radius:6px;padding:6px 12px}
summary{cursor:pointer;font-weight:600}
iframe{width:100%;height:70vh;border:0;background:var(--dbl-paper)}
.notice{border-left:3px solid var(--dbl-retry-accent);background:var(--dbl-retry);padding:4px 10px;margin:6px 0}
"""
    + "".join(
        f".state-{tone}{{background:var(--dbl-{tone});border-color:var(--dbl-{tone}-accent)}}"
        for tone in ("success", "failed", "skipped", "running", "retry", "stopped", "waiting")
    )
)
# Frames grow to their notebook; without scripts they scroll.
_GROW = (
    "const fit=f=>{const d=f.contentDocument;if(!d||!d.body)return;d.querySelectorAll('iframe').forEach(fit);"
    "f.style.height=Math.ceil(d.body.getBoundingClientRect().bottom+16)+'px'};"
    "for(const f of document.querySelectorAll('iframe'))f.closest('details').addEventListener('toggle',()=>fit(f))"
)


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What an attempt left behind: its notebook as an HTML document (or why there is none), and its logs."""

    notebook: str = ""
    missing: str = ""
    logs: str = ""


@dataclass(frozen=True, slots=True)
class _Policy:
    """The page may show only what is in it: nothing is loaded, and only our own script runs."""

    scripts: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in self.scripts)
        allowed = hashes or "'none'"
        return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"


def report(snapshot: Snapshot, tasks: Mapping[str, TaskReport]) -> str:
    """The whole page, self-contained; `tasks` maps task and iteration keys to what they left behind."""
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title(snapshot))}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(str(_Policy((_GROW,))))}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{PAGE_STYLE}</style></head>'
        f'<body class="dbl"><header>{heading(snapshot)}</header><main>{overview(snapshot)}'
        f"<h2>Results</h2>{''.join(details(task, tasks.get(task.key)) for task in walk(snapshot.tasks))}"
        f"</main><script>{_GROW}</script></body></html>"
    )


def title(snapshot: Snapshot) -> str:
    """`nightly · run 12 · Succeeded`."""
    return f"{snapshot.name} · run {snapshot.run_id} · {snapshot.label}"


def heading(snapshot: Snapshot) -> str:
    """Name, state and the times of a run."""
    facts = [
        f"run {snapshot.run_id}",
        f"job {snapshot.job_id}" if snapshot.job_id else "",
        f"started {when(snapshot.started_at or snapshot.created_at)}",
        f"took {duration(snapshot.duration_ms)}"
        if snapshot.is_final
        else f"running for {duration(snapshot.duration_ms)}",
        f"queued {duration(snapshot.queued_ms)}" if snapshot.queued_ms else "",
        f"trigger {snapshot.trigger}",
        f"by {snapshot.creator}" if snapshot.creator else "",
        f"repaired {snapshot.repair_count}×" if snapshot.repair_count else "",
    ]
    told = "".join(f'<p class="notice">{escape(notice)}</p>' for notice in snapshot.notices)
    message = f'<pre class="error">{escape(snapshot.message)}</pre>' if snapshot.message else ""
    return (
        f"<h1>{escape(snapshot.name)} {pill(snapshot.label, snapshot.tone)}</h1>"
        f'<p class="soft">{escape(" · ".join(fact for fact in facts if fact))}</p>{message}{told}'
    )


def overview(snapshot: Snapshot, links: Mapping[str, str] | None = None) -> str:
    """Graph, timeline, task table and parameters."""
    return (
        f'<h2>Graph</h2><div class="scroll">{graph.svg(snapshot, links=links)}</div>'
        f'<h2>Timeline</h2><div class="scroll">{timeline.svg(snapshot)}</div>'
        f"<h2>Tasks</h2>{task_table(snapshot.tasks, links)}"
        f"{pairs('Job parameters', snapshot.parameters)}"
    )


def task_table(tasks: Iterable[TaskView], links: Mapping[str, str] | None = None) -> str:
    """One row a task, iterations indented under theirs."""
    head = "".join(
        f"<th>{name}</th>"
        for name in ("Task", "Kind", "State", "Started", "Duration", "Attempts", "Exit value or error")
    )
    body = "".join(
        _table_row(task, links or {}, False) + "".join(_table_row(i, links or {}, True) for i in task.iterations)
        for task in tasks
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _table_row(task: TaskView, links: Mapping[str, str], iteration: bool) -> str:
    name = escape(task.key)
    link = links.get(task.key)
    said = task.error or (task.value if task.value is not None else task.message if task.word != "SUCCESS" else "")
    if task.loop is not None and not task.error:
        said = f"{task.loop.succeeded} of {task.loop.total} iterations succeeded"
    cells = (
        f'<a href="{escape(link)}">{name}</a>' if link else name,
        escape(task.kind.removesuffix("_task")),
        pill(task.label, task.tone),
        escape(when(task.started_at)) if task.started_at else "–",
        duration(task.duration_ms) if task.attempts and not task.stubbed else "–",
        str(len(task.attempts)) if not task.stubbed else "–",
        f"<code>{escape(graph.shorten(str(said), 300))}</code>" if said else "",
    )
    opening = '<tr class="iteration">' if iteration else "<tr>"
    return opening + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def details(task: TaskView, left: TaskReport | None, *, opened: bool = False) -> str:
    """One task's error, parameters, values, attempts, logs and executed notebook, folded."""
    place = f" ({task.place})" if task.place else ""
    error = f"<p>{escape(task.error)}{escape(place)}</p>" if task.failure else ""
    trace = f'<pre class="error">{escape(task.failure.trace)}</pre>' if task.failure and task.failure.trace else ""
    value = f"<p>Exit value: <code>{escape(task.value)}</code></p>" if task.value is not None else ""
    head = f"<summary>{escape(task.key)} {pill(task.label, task.tone)}</summary>"
    facts = f"{error}{trace}{value}{pairs('Parameters', task.parameters)}{pairs('Task values', task.values)}"
    opening = f'<details id="task-{escape(task.key)}"{" open" if opened else ""}>'
    return f"{opening}{head}{facts}{_attempts(task)}{_logs(left)}{frame(left)}</details>"


def _attempts(task: TaskView) -> str:
    if len(task.attempts) < 2:
        return ""
    items = "".join(
        f"<tr><td>attempt {a.number}</td><td>{pill(a.result or 'RUNNING', a.tone)}</td>"
        f"<td>{escape(when(a.started_at))}</td><td>{duration(a.duration_ms)}</td>"
        f"<td>{'repair ' + str(a.repair) if a.repair else ''}</td></tr>"
        for a in task.attempts
    )
    return f'<h2>Attempts</h2><table class="pairs"><tbody>{items}</tbody></table>'


def _logs(left: TaskReport | None) -> str:
    return f"<h2>Logs</h2><pre>{escape(left.logs)}</pre>" if left and left.logs else ""


def frame(left: TaskReport | None) -> str:
    """The executed notebook in a frame in which nothing can run."""
    if left is None:
        return ""
    if left.missing:
        return f'<p class="notice">{escape(left.missing)}</p>'
    if not left.notebook:
        return ""
    inner = left.notebook.replace("&", "&amp;").replace('"', "&quot;")
    # The frame may be measured by its page (same origin), but nothing in it may run.
    opening = '<iframe sandbox="allow-same-origin" title="executed notebook"'
    return f'<h2>Executed notebook</h2>{opening} srcdoc="{inner}"></iframe>'


def pairs(name: str, values: Mapping[str, object]) -> str:
    """A titled table of names and values; nothing if there are none."""
    if not values:
        return ""
    items = "".join(
        f"<tr><td>{escape(key)}</td><td><code>{escape(_plain(value))}</code></td></tr>" for key, value in values.items()
    )
    return f'<h2>{escape(name)}</h2><table class="pairs"><tbody>{items}</tbody></table>'


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def pill(text: str, tone: str) -> str:
    """A state word in its colour."""
    return f'<span class="state state-{tone}">{escape(text)}</span>'


def when(at: int) -> str:
    """Epoch ms as a UTC time people can read."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "not yet"
