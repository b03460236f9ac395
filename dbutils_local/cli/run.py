"""`dbutils-local run`: one job, here, now."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from dbutils_local.cli.options import (
    echo_json,
    named,
    output_option,
    pairs,
    params_option,
    spec_options,
    task_values,
)
from dbutils_local.cli.progress import progress
from dbutils_local.engine.drive import Control, epoch_ms
from dbutils_local.errors import InvalidSpec, UserError

if TYPE_CHECKING:
    from dbutils_local.core.state import RunState
    from dbutils_local.workspace import Workspace

INTERRUPTED = 130


@click.command()
@click.argument("spec", type=click.Path())
@click.argument("arguments", nargs=-1)
@spec_options
@params_option
@click.option(
    "--only", multiple=True, metavar="a,+b,c+", help="Only these tasks; + takes what is above or below along."
)
@click.option("--from", "start", metavar="TASK", help="TASK and everything below it, with the last run's task values.")
@click.option(
    "--stub", "stubs", multiple=True, metavar="TASK", help="Do not run TASK: it ends SUCCESS, marked stubbed."
)
@click.option("--task-value", "values", multiple=True, metavar="TASK.KEY=JSON", help="A task value of a stubbed task.")
@click.option("--no-check", is_flag=True, help="Do not read the notebooks for faults before the run.")
@click.option(
    "--max-concurrency", type=click.IntRange(min=0), default=0, help="Tasks at once; 0 = as many as are ready."
)
@output_option
def run(
    spec: str,
    arguments: Sequence[str],
    job: str | None,
    target: str | None,
    variables: Sequence[str],
    params: Sequence[str],
    only: Sequence[str],
    start: str | None,
    stubs: Sequence[str],
    values: Sequence[str],
    no_check: bool,
    max_concurrency: int,
    output: str,
) -> None:
    """Run a job, a bundle's job, a notebook or a .py file and show how it went.

    SPEC is a job file (.yml, .json), a bundle (databricks.yml or its folder), a notebook, or a plain .py file, whose
    ARGUMENTS stand after --. Exit code: 0 success, 1 any other end, 2 nothing was started, 130 interrupted.

    \b
    Example:
      dbutils-local run job.yml -p day=2026-11-22 --only load+
    """
    from dbutils_local.asking import Asking

    asking = Asking.of(
        spec,
        job=job,
        target=target,
        variables=pairs(variables, "--var"),
        arguments=arguments,
        params=pairs(params, "-p"),
        only=named(only, "--only"),
        start=start,
        stubs=named(stubs, "--stub"),
        stub_values=task_values(values),
        check=not no_check,
    )
    for warning in asking.warnings:
        click.echo(f"warning: {warning}", err=True)
    state, interrupted = follow_here(partial(asking.drive, max_concurrency=max_concurrency))
    show_end(asking.workspace, state, output)
    sys.exit(INTERRUPTED if interrupted else exit_code(state))


def follow_here(drive: Callable[..., RunState]) -> tuple[RunState, bool]:
    """Drive a run in this process, showing its progress; Ctrl-C cancels it. Returns its end, and if that happened.

    `drive` takes `listeners` and `control`, as Workspace.drive does.
    """
    control = Control()
    with interruptible(control) as interrupts, progress() as show:
        state = drive(listeners=[show], control=control)
    return state, bool(interrupts)


@contextmanager
def interruptible(control: Control) -> Iterator[list[int]]:
    """SIGINT and SIGTERM cancel the run and are counted; a second Ctrl-C ends this process at once."""
    seen: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            raise KeyboardInterrupt
        print("cancelling the run ...", file=sys.stderr, flush=True)
        control.cancel()

    before: dict[int, Any] = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show_end(workspace: Workspace, state: RunState, output: str) -> None:
    """The result on stdout: a summary, or exactly one JSON document."""
    from dbutils_local.views import text
    from dbutils_local.views.snapshot import snapshot

    if output == "json":
        echo_json(workspace.document(state))
    else:
        click.echo(text.summary(snapshot(state, epoch_ms())))


def exit_code(state: RunState) -> int:
    """0 for SUCCESS and SUCCESS_WITH_FAILURES, else 1."""
    return 0 if state.result is not None and state.result.is_success else 1


def tell(problems: Sequence[object]) -> None:
    """Problems as lines on stderr."""
    for problem in problems:
        click.echo(str(problem), err=True)


__all__ = ["InvalidSpec", "UserError", "exit_code", "follow_here", "run", "show_end", "tell"]
