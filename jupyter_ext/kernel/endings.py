"""How a cell ends that exits its notebook, restarts Python, or meets an error of ours: no traceback of our inside."""

from __future__ import annotations

import ast
import contextlib
import html
import linecache
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import CalledProcessError
from types import TracebackType
from typing import TYPE_CHECKING, Any

from dbutils_local.dbutils.exits import NotebookExit
from dbutils_local.dbutils.java import JavaError
from dbutils_local.dbutils.library import RestartPython, RestartPythonInRun
from dbutils_local.errors import DbutilsLocalError

if TYPE_CHECKING:
    from jupyter_ext.kernel.face import Face

_BOX = (
    "padding:4px 10px;border-left:3px solid var(--jp-success-color1,#2e7d32);"
    "color:var(--jp-content-font-color1,inherit);white-space:pre-wrap"
)
EXIT_TYPE = "application/vnd.dbutils-local.exit+json"


def catch_endings(face: Face, undo: ExitStack) -> None:
    """Handle our exceptions in the shell; the reply stays an error with their name, so queued cells are aborted."""
    ip = face.ip
    before, tb_before = ip.custom_exceptions, ip.CustomTB

    def handle(shell: Any, kind: type[BaseException], error: BaseException, trace: Any, tb_offset: Any = None) -> None:
        # The reply to the frontend carries the last traceback shown: not one of an earlier cell.
        shell._last_traceback = []
        match error:
            case NotebookExit():
                show_exit(ip, face.session.redactor.redact(error.value))
            case RestartPython():
                tell_of_unrun(face, _statements_after(trace))
                restart(face, error)
            case _:
                show_to_the_callers_line(shell, kind, error, trace)

    ip.set_custom_exc((NotebookExit, RestartPython, DbutilsLocalError, JavaError, CalledProcessError), handle)

    def put_back() -> None:
        ip.custom_exceptions, ip.CustomTB = before, tb_before

    undo.callback(put_back)


def show_to_the_callers_line(shell: Any, kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """The usual traceback, ending at the user's line that called us: what lies below explains nothing to them."""
    _cut_below_the_user(trace)
    _forget_inner_causes(error)
    # One frame above the cell is IPython's own.
    lines = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=1)
    shell._showtraceback(kind, error, lines)


def _cut_below_the_user(trace: TracebackType | None) -> None:
    last = None
    while trace is not None:
        if not _is_inside(trace):
            last = trace
        trace = trace.tb_next
    if last is not None:
        last.tb_next = None


def _forget_inner_causes(error: BaseException) -> None:
    """Drop a cause that we caught ourselves: the message says it already."""
    cause = error.__cause__ or error.__context__
    if cause is not None and _is_inside(cause.__traceback__):
        error.__cause__, error.__suppress_context__ = None, True


def _is_inside(trace: TracebackType | None) -> bool:
    return trace is not None and trace.tb_frame.f_code.co_filename.startswith(_INSIDE)


def _folder_of(module: str) -> str:
    return str(Path(sys.modules[module].__file__ or "").parent) + os.sep


_INSIDE = (*map(_folder_of, ("dbutils_local", "jupyter_ext", "IPython")), contextlib.__file__)


def show_exit(ip: Any, value: str) -> None:
    """Replace the cell's output by `Notebook exited: <value>` (reference 2.4)."""
    text = f"Notebook exited: {value}"
    if getattr(ip, "kernel", None) is None:
        print(text)
        return
    from IPython.display import clear_output, display

    clear_output(wait=True)
    bundle = {
        "text/plain": text,
        "text/html": f'<div style="{_BOX}">{html.escape(text)}</div>',
        EXIT_TYPE: {"value": value},
    }
    display(bundle, raw=True)


def tell_of_unrun(face: Face, statements: int) -> None:
    """Say that a restart ended its cell before `statements` of it were run."""
    if statements:
        face.session.notice(
            f"Python restarts, which ends this cell: {statements} statement{'s' * (statements > 1)} after "
            "restartPython() did not run; put what follows a restart into the next cell"
        )


def _statements_after(trace: TracebackType | None) -> int:
    """How many statements of the cell that `trace` comes from stand below the one that raised."""
    while trace is not None and _is_inside(trace):
        trace = trace.tb_next
    if trace is None:
        return 0
    source = "".join(linecache.getlines(trace.tb_frame.f_code.co_filename))
    with contextlib.suppress(SyntaxError):
        return sum(statement.lineno > trace.tb_lineno for statement in ast.parse(source).body)
    return 0


def restart(face: Face, error: RestartPython) -> None:
    """Start Python afresh: in a run the runner does it; in JupyterLab the labextension, which runs what waits."""
    if not face.is_interactive:
        return
    if face.bar is not None and face.bar.is_there:
        print("Python restarts: variables and imports are gone, widgets stay.", flush=True)
        # What waits in this process's queue runs in the next one, whatever interrupts the rest of this cell.
        face.ip.input_transformers_cleanup.append(lambda lines: [] if face.ip.exit_now else lines)
        again = isinstance(error, RestartPythonInRun)
        if face.bar.restart(revival(face, error.rest), lambda: bool(face.ip.exit_now), again):
            return
    if getattr(face.ip, "kernel", None) is not None:
        print("Python restarts: variables and imports are gone. Run %load_ext dbutils_local again, then go on below.")
        face.ip.input_transformers_cleanup.append(_refuse_what_waits)
        # The server (or VS Code) sees the process end and starts it again.
        face.ip.kernel.do_shutdown(restart=True)
    else:
        face.ip.reset(new_session=False)
        face.bind()
        print("Variables are gone; imported modules stay loaded: start IPython again where packages were upgraded.")


def _refuse_what_waits(lines: list[str]) -> list[str]:
    from IPython.core.error import UsageError

    raise UsageError("Python restarts: this cell was not run. Run it again in the fresh process.")


def revival(face: Face, rest: Sequence[tuple[str, int]] = ()) -> str:
    """Code that makes a fresh kernel know the widgets as they are now (reference 6.4: they survive)."""
    kept = face.session.kept(rest)
    return f"import jupyter_ext.kernel.session; jupyter_ext.kernel.session.revive({kept!r})"
