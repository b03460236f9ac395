"""The run pages: handlers that read a query or a form, ask the desk in a thread, and hand the answer to markup."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, TypeVar

from tornado import web
from tornado.httputil import url_concat

from dbutils_local.core.state import RunState
from dbutils_local.engine.drive import epoch_ms
from dbutils_local.errors import MissingExtra, NotFound, UserError
from dbutils_local.store import artifacts
from dbutils_local.store.records import JobRecord, RunFilter
from dbutils_local.views.notebook import notebook_html
from dbutils_local.views.snapshot import Snapshot, TaskView
from jupyter_ext.server import markup
from jupyter_ext.server.base import Guarded
from jupyter_ext.server.markup import Filters, Site, TaskPage

T = TypeVar("T")

PAGE = 50
MATRIX = 20  # runs of a job's matrix
_DAY = timedelta(days=1)


class Pages(Guarded):
    """What all pages share: the login, the policy that nothing is loaded from elsewhere, errors as pages."""

    @cached_property
    def nonce(self) -> str:
        """Proves that the page's script is ours; another one for every answer."""
        return secrets.token_urlsafe(16)

    @property
    def content_security_policy(self) -> str:
        """Only what is in the page, and our own server."""
        return (
            f"default-src 'none'; script-src 'nonce-{self.nonce}'; style-src 'unsafe-inline'; img-src 'self' data:; "
            "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
        )

    def refuse_stranger(self) -> None:
        """To the login and back; a form without a login is refused."""
        if self.request.method not in ("GET", "HEAD"):
            super().refuse_stranger()
        self.redirect(url_concat(self.get_login_url(), {"next": str(self.request.uri)}))

    @property
    def site(self) -> Site:
        return Site(f"{self.base_url}dbutils-local/", self.xsrf_form_html(), self.nonce)

    async def thread(self, work: Callable[[], T]) -> T:
        """Do blocking work beside the event loop."""
        return await asyncio.to_thread(work)

    def show(self, page: str) -> None:
        """Answer a page that nobody keeps a copy of."""
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(page)

    def go(self, path: str) -> None:
        """To another page after a form was sent."""
        self.redirect(f"{self.base_url}dbutils-local/{path}", status=303)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        info = kwargs.get("exc_info")
        told = self.error_of(status_code, info[1] if info else None)
        self.set_status(told.status)
        self.show(markup.error_page(self.site, told.status, told.message))

    def given_parameters(self) -> dict[str, str]:
        """What a form says about parameters: its fields, and `name=value` lines."""
        given = {
            name[6:]: self.get_body_argument(name) for name in self.request.body_arguments if name.startswith("param.")
        }
        for line in self.get_body_argument("more", "").splitlines():
            name, mark, value = line.partition("=")
            if line.strip() and (not mark or not name.strip()):
                raise UserError(f"'{line.strip()}' is no parameter: write name=value")
            if name.strip():
                given[name.strip()] = value.strip()
        return given


class RunsPage(Pages):
    """`/dbutils-local/`: the history, narrowed by job, state and date."""

    async def get(self) -> None:
        filters = Filters(*(self.get_query_argument(name, "") for name in ("job", "state", "since", "until")))
        wanted = _wanted(filters)
        token = self.get_query_argument("page", "") or None
        rows = await self.thread(lambda: self.desk.workspace.runs(wanted, PAGE, token))
        self.show(markup.runs_page(self.site, rows, filters, epoch_ms()))


def _wanted(filters: Filters) -> RunFilter:
    since, until = _day(filters.since), _day(filters.until)
    number = int(filters.job) if filters.job.isascii() and filters.job.isdigit() and len(filters.job) < 19 else None
    return RunFilter(
        job_id=number,
        name=filters.job if filters.job and number is None else None,
        active=True if filters.state == "ACTIVE" else None,
        states=(filters.state,) if filters.state and filters.state != "ACTIVE" else (),
        since=_ms(since) if since else None,
        until=_ms(until + _DAY) - 1 if until else None,
    )


def _day(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError as error:
        raise UserError(f"'{text}' is no date: write YYYY-MM-DD") from error


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


class RunPage(Pages):
    """`/dbutils-local/runs/ID`."""

    async def get(self, run_id: str) -> None:
        picture, job = await self.thread(lambda: self._seen(int(run_id)))
        self.show(markup.run_page(self.site, picture, job))

    def _seen(self, run_id: int) -> tuple[Snapshot, JobRecord | None]:
        picture = self.desk.picture(run_id)
        try:
            return picture, self.desk.workspace.get_job(picture.job_id)
        except NotFound:
            return picture, None


class RunLive(Pages):
    """The part of a run's page that changes, for the page's own script."""

    async def get(self, run_id: str) -> None:
        picture = await self.thread(lambda: self.desk.picture(int(run_id)))
        self.set_header("X-Run-Final", "true" if picture.is_final else "false")
        self.show(markup.run_body(self.site, picture))


class RunExport(Pages):
    """The report of a run as a file."""

    async def get(self, run_id: str) -> None:
        page = await self.thread(lambda: self.desk.report(int(run_id)))
        self.set_header("Content-Disposition", f'attachment; filename="run-{int(run_id)}.html"')
        self.show(page)


class CancelRun(Pages):
    """The Cancel button."""

    async def post(self, run_id: str) -> None:
        await self.thread(lambda: self.desk.cancel(int(run_id)))
        self.go(f"runs/{int(run_id)}")


class RepairRun(Pages):
    """The Repair form."""

    async def post(self, run_id: str) -> None:
        tasks = self.get_body_arguments("task")
        dependents = bool(self.get_body_argument("dependents", ""))
        given = self.given_parameters()
        if not tasks:
            raise UserError("Tick at least one task to run again.")
        await self.thread(lambda: self._repair(int(run_id), tasks, dependents, given))
        self.go(f"runs/{int(run_id)}")

    def _repair(self, run_id: int, tasks: list[str], dependents: bool, given: dict[str, str]) -> None:
        latest = self.desk.look(run_id, lambda state, *_: state.repairs[-1].repair_id if state.repairs else None)
        known = self.desk.picture(run_id).parameters
        changed = {name: value for name, value in given.items() if known.get(name) != value}
        self.desk.workspace.repair(
            run_id,
            rerun_tasks=tasks,
            rerun_dependent_tasks=dependents,
            latest_repair_id=latest,
            job_parameters=changed,
        )


class TaskHandler(Pages):
    """`/dbutils-local/runs/ID/tasks/KEY`, one attempt of it."""

    async def get(self, run_id: str, key: str) -> None:
        asked = _attempt_number(self.get_query_argument("attempt", ""))
        seen = await self.thread(lambda: self._seen(int(run_id), key, asked))
        self.show(markup.task_page(self.site, seen))

    def _seen(self, run_id: int, key: str, asked: int | None) -> TaskPage:
        picture = self.desk.picture(run_id)
        task = picture.task(key)
        if task is None:
            raise NotFound(f"Run {run_id} has no task '{key}'.")
        if not task.attempts:
            return TaskPage(picture, task, 0)
        number = asked if asked is not None and asked < len(task.attempts) else len(task.attempts) - 1
        folder = self.desk.workspace.attempt_folder(run_id, key, number)
        children = sorted(file.name for file in (folder / artifacts.CHILDREN).glob("*.ipynb"))
        return TaskPage(
            picture,
            task,
            number,
            logs=self.desk.workspace.logs(run_id, key, number),
            failure=task.attempts[number].failure,
            has_notebook=(folder / artifacts.NOTEBOOK).is_file() or _is_coming(task),
            children=children,
        )


def _is_coming(task: TaskView) -> bool:
    """Whether a notebook will be there in a moment."""
    return task.kind == "notebook_task" and not task.is_final


def _attempt_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


class TaskLogs(Pages):
    """The logs of an attempt as text, for the page's own script."""

    async def get(self, run_id: str, key: str) -> None:
        number = _attempt_number(self.get_query_argument("attempt", "")) or 0
        text, final = await self.thread(lambda: self._read(int(run_id), key, number))
        self.set_header("X-Run-Final", "true" if final else "false")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(text)

    def _read(self, run_id: int, key: str, number: int) -> tuple[str, bool]:
        final = self.desk.look(run_id, lambda state, *_: _known(state, key).is_final)
        return self.desk.workspace.logs(run_id, key, number), final


def _known(state: RunState, key: str) -> Any:
    if key not in state.tasks:
        raise NotFound(f"Run {state.run_id} has no task '{key}'.")
    return state.tasks[key]


class TaskNotebook(Pages):
    """The executed notebook of an attempt, or one it ran in turn, as a page in which nothing runs."""

    @property
    def content_security_policy(self) -> str:
        """The page around it may measure it; it may do nothing at all."""
        shown = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        return f"sandbox allow-same-origin; {shown}; frame-ancestors 'self'"

    async def get(self, run_id: str, key: str) -> None:
        number = _attempt_number(self.get_query_argument("attempt", "")) or 0
        child = self.get_query_argument("child", "")
        self.show(await self.thread(lambda: self._rendered(int(run_id), key, number, child)))

    def _rendered(self, run_id: int, key: str, number: int, child: str) -> str:
        self.desk.look(run_id, lambda state, *_: _known(state, key))  # a key of the run, so no path of a stranger's
        folder = self.desk.workspace.attempt_folder(run_id, key, number)
        file = folder / artifacts.CHILDREN / Path(child).name if child else folder / artifacts.NOTEBOOK
        if not file.is_file():
            return "<p>Nothing to see yet.</p>"
        import nbformat

        read: Any = nbformat.read
        try:
            return notebook_html(read(file, as_version=4))
        except MissingExtra as error:
            return f"<p>{escape(str(error))}</p>"
        except ValueError as error:  # it is just being written
            return f"<p>The notebook cannot be read just now: {escape(str(error))}</p>"


class JobsPage(Pages):
    """`/dbutils-local/jobs`."""

    async def get(self) -> None:
        name, token = self.get_query_argument("name", ""), self.get_query_argument("page", "") or None
        rows = await self.thread(lambda: self.desk.workspace.list_jobs(name or None, PAGE, token))
        self.show(markup.jobs_page(self.site, rows, name))


class JobPage(Pages):
    """`/dbutils-local/jobs/ID`."""

    async def get(self, job_id: str) -> None:
        row, recent = await self.thread(lambda: self._seen(int(job_id)))
        self.show(markup.job_page(self.site, row, recent))

    def _seen(self, job_id: int) -> tuple[JobRecord, list[Snapshot]]:
        row = self.desk.workspace.get_job(job_id)
        runs = self.desk.workspace.runs(RunFilter(job_id=job_id), MATRIX)
        return row, [self.desk.picture(run.run_id) for run in runs.items]


class RunNow(Pages):
    """The Run now form."""

    async def post(self, job_id: str) -> None:
        given = self.given_parameters()
        row = await self.thread(lambda: self._start(int(job_id), given))
        self.go(f"runs/{row}")

    def _start(self, job_id: int, given: dict[str, str]) -> int:
        settings = self.desk.workspace.get_job(job_id).settings
        defaults = {item["name"]: item.get("default") for item in settings.get("parameters") or ()}
        changed = {name: value for name, value in given.items() if defaults.get(name) != value}
        return self.desk.workspace.run_now(job_id, job_parameters=changed).run_id


class Slash(Pages):
    """`/dbutils-local` without its slash."""

    @web.authenticated
    def get(self) -> None:
        self.go("")


_RUN = r"/dbutils-local/runs/([0-9]{1,18})"
_TASK = _RUN + r"/tasks/([^/]+)"
_JOB = r"/dbutils-local/jobs/([0-9]{1,18})"
PAGES: list[tuple[Any, ...]] = [
    (r"/dbutils-local", Slash),
    (r"/dbutils-local/", RunsPage),
    (_RUN, RunPage),
    (_RUN + "/live", RunLive),
    (_RUN + "/export", RunExport),
    (_RUN + "/cancel", CancelRun),
    (_RUN + "/repair", RepairRun),
    (_TASK, TaskHandler),
    (_TASK + "/logs", TaskLogs),
    (_TASK + "/notebook", TaskNotebook),
    (r"/dbutils-local/jobs", JobsPage),
    (_JOB, JobPage),
    (_JOB + "/run-now", RunNow),
]
