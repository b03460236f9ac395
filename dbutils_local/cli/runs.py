"""`dbutils-local runs`: the history, and what can be done with a run."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbutils_local.cli.options import ID, echo_json, echo_table, listed, named, output_option, pairs, params_option
from dbutils_local.errors import NotFound, UserError

if TYPE_CHECKING:
    from dbutils_local.core.state import RunState, TaskState
    from dbutils_local.workspace import Workspace

_AGO = re.compile(r"(\d+)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@click.group()
def runs() -> None:
    """List, show, cancel, repair, export and delete runs.

    \b
    Example:
      dbutils-local runs list --state FAILED --since 2d
    """


def _open() -> Workspace:
    from dbutils_local.workspace import Workspace

    return Workspace.open()


@runs.command("list")
@click.option("--job", "job", metavar="NAME", help="Name or id of a job.")
@click.option(
    "--state", "states", multiple=True, metavar="S", help="A life cycle or result word, e.g. FAILED, RUNNING."
)
@click.option("--since", metavar="T", help="A time (2026-11-22, 2026-11-22T10:00) or an age (30m, 12h, 7d).")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--page", "token", metavar="TOKEN", help="The next page, as the last one named it.")
@output_option
def list_(
    job: str | None, states: Sequence[str], since: str | None, limit: int, token: str | None, output: str
) -> None:
    """Runs, newest first.

    \b
    Example:
      dbutils-local runs list --job nightly --state FAILED --since 2d
    """
    from dbutils_local.store.records import RunFilter
    from dbutils_local.views.snapshot import duration

    wanted = RunFilter(
        job_id=int(job) if job and job.isdigit() else None,
        name=job if job and not job.isdigit() else None,
        states=_states(listed(states)),
        since=_since(since) if since else None,
    )
    page = _open().runs(wanted, limit, token)
    if output == "json":
        echo_json({"runs": [asdict(row) for row in page.items], "next_page_token": page.next_token})
        return
    if not page.items:
        click.echo("no runs")
        return
    now = int(time.time() * 1000)
    echo_table(
        ("run", "job", "name", "state", "started", "time", ""),
        [
            (
                row.run_id,
                row.job_id,
                row.name,
                row.result_state or row.life_cycle_state,
                _when(row.created_at),
                duration((row.ended_at or now) - row.created_at),
                row.message[:80],
            )
            for row in page.items
        ],
    )
    if page.next_token:
        click.echo(f"more: --page {page.next_token}", err=True)


@runs.command()
@click.argument("run_id", type=ID)
@output_option
def show(run_id: int, output: str) -> None:
    """One run: states, times, attempts, parameters, values, errors.

    \b
    Example:
      dbutils-local runs show 17 -o json
    """
    from dbutils_local.engine.drive import epoch_ms
    from dbutils_local.views import text
    from dbutils_local.views.snapshot import snapshot

    workspace = _open()
    state, _, _ = workspace.find(run_id)
    if output == "json":
        echo_json(workspace.document(state))
        return
    now = snapshot(state, epoch_ms())
    click.echo(text.summary(now))
    click.echo(f"  started {_when(now.created_at)}" + (f", ended {_when(now.ended_at)}" if now.ended_at else ""))
    for repair in state.repairs:
        click.echo(
            f"  repair {repair.repair_id} at {_when(repair.started_at)}: "
            f"{', '.join(repair.keys)} -> {repair.result or 'running'}"
        )


@runs.command("output")
@click.argument("run_id", type=ID)
@click.option("--task", metavar="K", help="One task (or iteration, as K[0]).")
@output_option
def output_(run_id: int, task: str | None, output: str) -> None:
    """Exit values, task values and errors of a run's tasks.

    \b
    Example:
      dbutils-local runs output 17 --task load
    """
    workspace = _open()
    state, key, _ = workspace.find(run_id)
    chosen = [_task(state, task or key)] if task or key else list(state.tasks.values())
    found = {item.key: _output(workspace, state, item) for item in chosen}
    if output == "json":
        echo_json(found)
        return
    for name, values in found.items():
        click.echo(f"{name}: {values['state']}")
        for label in ("exit_value", "error", "notebook", "logs"):
            if values[label]:
                click.echo(f"  {label.replace('_', ' ')}: {values[label]}")
        for value_key, value in values["task_values"].items():
            click.echo(f"  value {value_key}: {value!r}")
        if values["error_trace"]:
            click.echo("\n".join(f"    {line}" for line in values["error_trace"].splitlines()))


def _output(workspace: Workspace, state: RunState, task: TaskState) -> dict[str, Any]:
    attempt = task.attempt
    if attempt is None:
        empty: dict[str, Any] = dict.fromkeys(("exit_value", "error", "error_trace", "notebook", "logs"))
        return {"state": (task.result or task.phase).value, "task_values": {}, **empty}
    notebook = workspace.notebook_file(state.run_id, task.key, attempt.number)
    return {
        "state": (task.result or task.phase).value,
        "exit_value": attempt.value,
        "task_values": dict(attempt.values),
        "error": attempt.failure.error if attempt.failure else None,
        "error_trace": attempt.failure.trace if attempt.failure else None,
        "notebook": str(notebook) if notebook else None,
        "logs": workspace.logs(state.run_id, task.key, attempt.number) or None,
    }


@runs.command()
@click.argument("run_id", type=ID)
@click.option("--task", metavar="K", help="One task only.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run ends.")
@output_option
def logs(run_id: int, task: str | None, follow: bool, output: str) -> None:
    """What a run's tasks wrote to stdout and stderr.

    \b
    Example:
      dbutils-local runs logs 17 --task load -f
    """
    workspace = _open()
    state, key, _ = workspace.find(run_id)
    if task:
        _task(state, task)
    seen: dict[str, int] = {}
    last = ""
    while True:
        state = workspace.state(state.run_id)
        done = state.is_final or not follow
        chosen = [item for item in list(state.tasks.values()) if (task or key or item.key) == item.key]
        if output == "text":
            for item in chosen:
                last = _print_new(workspace, state, item, seen, last)
        elif done:
            echo_json({item.key: _logs(workspace, state, item) for item in chosen})
        if done:
            return
        time.sleep(0.3)


def _logs(workspace: Workspace, state: RunState, item: TaskState) -> list[dict[str, Any]]:
    return [
        {"attempt_number": attempt.number, "logs": workspace.logs(state.run_id, item.key, attempt.number)}
        for attempt in item.attempts
    ]


def _print_new(workspace: Workspace, state: RunState, item: TaskState, seen: dict[str, int], last: str) -> str:
    """Print what the task's attempts have written since; the name of the attempt that wrote last."""
    for attempt in item.attempts:
        name = f"{item.key} attempt {attempt.number}"
        text = workspace.logs(state.run_id, item.key, attempt.number)
        if len(text) > seen.get(name, 0):
            if name != last:
                click.echo(f"==> {name} <==")
            click.echo(text[seen.get(name, 0) :], nl=False)
            seen[name] = len(text)
            last = name
    return last


@runs.command()
@click.argument("run_id", type=ID)
def cancel(run_id: int) -> None:
    """Cancel a run, or with a task run id one task of it.

    \b
    Example:
      dbutils-local runs cancel 17
    """
    _open().cancel(run_id)
    click.echo(f"cancel of {run_id} requested", err=True)


@runs.command()
@click.argument("run_id", type=ID)
@click.option("--tasks", multiple=True, metavar="a,b", help="Exactly these tasks.")
@click.option("--all-failed", is_flag=True, help="Every task that did not succeed (the default).")
@click.option("--dependents", is_flag=True, help="And everything below them.")
@params_option
@output_option
def repair(
    run_id: int, tasks: Sequence[str], all_failed: bool, dependents: bool, params: Sequence[str], output: str
) -> None:
    """Run failed or named tasks of a finished run again, with the spec and the code as they are now.

    \b
    Example:
      dbutils-local runs repair 17 --tasks load --dependents -p day=2026-11-22
    """
    from dbutils_local import intake
    from dbutils_local.cli.run import INTERRUPTED, exit_code, follow_here, show_end

    if tasks and all_failed:
        raise UserError("--tasks and --all-failed exclude each other")
    workspace = _open()
    state = workspace.state(run_id)
    workspace.repair(
        run_id,
        rerun_tasks=named(tasks, "--tasks"),
        rerun_all_failed_tasks=not tasks,
        rerun_dependent_tasks=dependents,
        latest_repair_id=state.repairs[-1].repair_id if state.repairs else None,
        job_parameters=pairs(params, "-p"),
        source=intake.again(state.origin, workspace),
        launch_it=False,
    )
    ended, interrupted = follow_here(partial(workspace.drive, run_id))
    show_end(workspace, ended, output)
    sys.exit(INTERRUPTED if interrupted else exit_code(ended))


@runs.command()
@click.argument("run_id", type=ID)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def export(run_id: int, file: Path) -> None:
    """Write the run as one self-contained HTML page.

    \b
    Example:
      dbutils-local runs export 17 run17.html
    """
    page = _open().export(run_id)
    try:
        file.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}") from error
    click.echo(str(file))


@runs.command()
@click.argument("run_id", type=ID)
def delete(run_id: int) -> None:
    """Forget a finished run and what it left behind.

    \b
    Example:
      dbutils-local runs delete 17
    """
    _open().delete_run(run_id)


def _task(state: RunState, key: str | None) -> TaskState:
    if key not in state.tasks:
        raise NotFound(f"run {state.run_id} has no task {key!r}; its tasks are: {', '.join(state.tasks)}")
    return state.tasks[key]


def _states(words: Sequence[str]) -> tuple[str, ...]:
    from dbutils_local.core.state import LifeCycle, Result

    known = [*LifeCycle, *Result]
    for word in words:
        if word.upper() not in known:
            raise UserError(f"--state {word}: expected one of {', '.join(known)}")
    return tuple(word.upper() for word in words)


def _since(text: str) -> int:
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            return int((datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})).timestamp() * 1000)
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise UserError(f"--since {text}: expected a time such as 2026-11-22T10:00 or an age such as 12h") from error


def _when(at: int) -> str:
    return datetime.fromtimestamp(at / 1000).strftime("%Y-%m-%d %H:%M:%S")
