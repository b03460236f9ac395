"""`%workflow` and `%%workflow`: the words of the command line in a cell, with a live picture of the run."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbutils_local.core.state import LifeCycle
from dbutils_local.errors import UserError

if TYPE_CHECKING:
    import click

    from dbutils_local.asking import Asking
    from dbutils_local.core.events import Event
    from dbutils_local.core.state import RunState
    from dbutils_local.result import RunResult
    from jupyter_ext.kernel.face import Face


def run_workflow(face: Face, line: str, cell: str | None) -> Any:
    """Do what the words say; for a run its RunResult, for other verbs what the command line prints."""
    words = shlex.split(line)
    if cell is not None:
        return _run(face, words, cell)
    if not words:
        raise UserError(
            "%workflow: say what: run SPEC, validate SPEC, runs list, jobs list; %workflow --help lists all"
        )
    if words[0] == "run" and not {"-h", "--help"} & set(words):
        return _run(face, words[1:], None)
    return _other(words)


def _run(face: Face, words: Sequence[str], cell: str | None) -> RunResult:
    from dbutils_local.engine.drive import epoch_ms
    from dbutils_local.result import RunResult
    from jupyter_ext.kernel.live import follow

    asking, concurrency = asked(face, words, cell)
    for problem in asking.warnings:
        print(f"warning: {problem}", file=sys.stderr)
    state = follow(face.ip, asking.workspace, _started(asking, concurrency))
    result = RunResult.of(state, asking.workspace.settings, epoch_ms())
    face.was_shown(result)
    return result


def _started(asking: Asking, concurrency: int) -> int:
    """The id of the run, which a process of its own drives; a queued one waits here for its turn."""
    with ExitStack() as hold:
        run_id = asking.create(max_concurrency=concurrency, hold=hold)
        try:
            asking.workspace.wait_for_turn(run_id, [_say_queued])
        except KeyboardInterrupt:
            hold.close()
            asking.workspace.cancel(run_id)
            raise
    asking.workspace.launch(run_id)
    return run_id


def _say_queued(state: RunState, events: tuple[Event, ...]) -> None:
    if state.phase is LifeCycle.QUEUED:
        print(f"run {state.run_id}: {state.queue_reason}", file=sys.stderr, flush=True)


def asked(face: Face, words: Sequence[str], cell: str | None) -> tuple[Asking, int]:
    """The request the words of `run` stand for, checked (with `cell` its text is the spec), and --max-concurrency."""
    from dbutils_local.asking import Asking
    from dbutils_local.cli.options import named, pairs, task_values
    from dbutils_local.cli.run import run

    given = _parameters(run, words if cell is None else [str(_place(face)), *words])
    asking = Asking.of(
        given["spec"],
        job=given["job"],
        target=given["target"],
        variables=pairs(given["variables"], "--var"),
        arguments=given["arguments"],
        params=pairs(given["params"], "-p"),
        only=named(given["only"], "--only"),
        start=given["start"],
        stubs=named(given["stubs"], "--stub"),
        stub_values=task_values(given["values"]),
        check=not given["no_check"],
        settings=face.session.settings,
        text=cell,
    )
    return asking, given["max_concurrency"]


def _place(face: Face) -> Path:
    """Where a spec in a cell lies: its relative paths are relative to the notebook's folder."""
    file = face.session.birth.notebook_file
    return (file.parent if file else Path.cwd()) / "%%workflow"


def _parameters(command: click.Command, words: Sequence[str]) -> dict[str, Any]:
    import click

    try:
        with command.make_context("%workflow run", list(words)) as context:
            return dict(context.params)
    except click.ClickException as error:
        raise UserError(f"%workflow run: {error.format_message()}") from None


def _other(words: Sequence[str]) -> None:
    import click

    from dbutils_local.cli import main

    try:
        with main.make_context("%workflow", list(words)) as context:
            # Not main.invoke: that one turns errors into exit codes, here they are the cell's.
            click.Group.invoke(main, context)
    except click.exceptions.Exit as end:
        code = end.exit_code
    except click.ClickException as error:
        raise UserError(f"%workflow: {error.format_message()}") from None
    except UserError as error:
        # Without the frames of the command line's own machinery.
        raise error.with_traceback(None) from None
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    else:
        return
    if code:
        raise UserError(f"%workflow {' '.join(words)}: ended with exit code {code}")
