"""Runs one notebook from its cells to its result: the one door for tasks and for `dbutils.notebook.run`."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dbutils_local.core.state import Failure
from dbutils_local.errors import NotFound
from dbutils_local.imports import import_papermill
from dbutils_local.kernels import folders, outbox
from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.executed import write_notebook
from dbutils_local.kernels.execution import Alarm, Ending, Execution, NeverStopped, StopSignal
from dbutils_local.kernels.failed import failure_of, hints
from dbutils_local.kernels.kernel import KernelRequest


@dataclass(frozen=True)
class NotebookRun:
    """How a notebook ended: by an exit, a failure, a stop or a timeout; none of them: it ran to its end."""

    notebook: Any  # the executed nbformat node, also written to `output`
    exit_value: str | None = None  # None: it never called dbutils.notebook.exit
    failure: Failure | None = None
    values: Mapping[str, Any] = field(default_factory=dict)  # task values it set
    stopped: bool = False
    timed_out: bool = False
    swallowed_exit: str | None = None  # an exit value that an `except` kept from ending the notebook
    notices: tuple[str, ...] = ()  # sentences for the user that belong to the attempt


def run_notebook(
    source: Any,
    *,
    output: Path,
    birth: Birth,
    environ: Mapping[str, str],
    cwd: Path,
    stop: StopSignal | None = None,
    timeout: float | None = None,
    forkserver: str | None = None,
    kernel_name: str | None = None,
    parameters: Mapping[str, str] | None = None,
    extensions: tuple[str, ...] | None = None,
    python: Path | None = None,
) -> NotebookRun:
    """Run a notebook in a fresh kernel and write its executed copy to `output`.

    `source` is an nbformat v4 node (not changed) or the path of an .ipynb. `timeout` is in seconds, for the whole
    notebook; None or 0: none. `parameters` are injected as papermill does, only where a cell is tagged `parameters`.
    `python` is the interpreter, if not ours. What the notebook does wrong is in the result; NotFound and the like are
    raised only for what was asked wrongly.
    """
    nb = _load(source)
    with _private_folder(forkserver) as folder:
        birth = birth if birth.outbox else replace(birth, outbox=folder / "outbox.jsonl")
        birth = birth if birth.forkserver or not forkserver else replace(birth, forkserver=forkserver)
        full_environ = dict(environ) | birth.write(folder / "birth.json")
        request = KernelRequest(full_environ, cwd, _kernel_of(nb, kernel_name), forkserver, extensions, python)
        alarm = Alarm(stop or NeverStopped(), timeout)
        execution = Execution(birth, request, alarm, output)
        try:
            executed = _execute(nb, execution, _injected(nb, parameters or {}))
        finally:
            alarm.close()
            if execution.notebook is not None:
                write_notebook(execution.notebook, output)
        return _result(executed, execution)


def _private_folder(forkserver: str | None) -> contextlib.AbstractContextManager[Path]:
    """For the birth file; with a fork server in its folder, which goes with it even if this process is killed."""
    shared = Path(forkserver).parent if forkserver else None
    return folders.private(shared if shared and shared.is_dir() else None)


def _load(source: Any) -> Any:
    """The notebook as papermill prepares it, a copy of our own."""
    import_papermill()
    from papermill.iorw import load_notebook_node

    if not isinstance(source, str | os.PathLike):
        return load_notebook_node(source)
    path = Path(source)
    if not path.is_file():
        raise NotFound(f"notebook not found: {path}")
    return load_notebook_node(str(path))


def _kernel_of(nb: Any, asked: str | None) -> str | None:
    """The kernel to start: the one asked for, else the notebook's own if its language is not Python, else ours."""
    if asked:
        return asked
    spec = nb.metadata.get("kernelspec", {})
    return None if _language(nb).startswith(("python", "ipython")) else spec.get("name")


def _language(nb: Any) -> str:
    spec = nb.metadata.get("kernelspec", {})
    return str(spec.get("language") or nb.metadata.get("language_info", {}).get("name") or "python").lower()


def _injected(nb: Any, parameters: Mapping[str, str]) -> dict[str, Any]:
    """What papermill is to inject: the parameters that can be Python names, if a cell is tagged for them."""
    cell = next((cell for cell in nb.cells if "parameters" in cell.metadata.get("tags", [])), None)
    if cell is None:
        return {}
    return {name: value for name, value in parameters.items() if name.isidentifier()}


def _execute(nb: Any, execution: Execution, injected: dict[str, Any]) -> Any:
    """What papermill.execute_notebook does, which would make a second text of the whole notebook only to drop it."""
    from papermill.exceptions import PapermillExecutionError
    from papermill.execute import prepare_notebook_metadata, raise_for_execution_errors, remove_error_markers
    from papermill.parameterize import parameterize_notebook

    from dbutils_local.kernels.papermill_engine import DbutilsLocalEngine

    # dbutils.notebook.run: what papermill says at INFO would stand in the cell of a notebook that logs at INFO itself.
    logging.getLogger("papermill").setLevel(logging.WARNING)
    kernel = execution.kernel.name or "python3"
    if injected:
        nb = parameterize_notebook(
            nb, injected, kernel_name=kernel, language=_language(nb), engine_name="dbutils_local"
        )
    nb = remove_error_markers(prepare_notebook_metadata(nb, None, None, False))
    executed = DbutilsLocalEngine.execute_notebook(nb, kernel, progress_bar=False, execution=execution)
    try:
        raise_for_execution_errors(executed, None)  # marks the cell
    except PapermillExecutionError:
        return execution.notebook
    return executed


def _result(nb: Any, execution: Execution) -> NotebookRun:
    sayings = list(outbox.read(execution.birth.outbox)) if execution.birth.outbox else []
    exits = [saying.value for saying in sayings if isinstance(saying, outbox.Exit)]
    exited = execution.ending is Ending.EXITED
    return NotebookRun(
        notebook=nb,
        exit_value=exits[-1] if exited and exits else None,
        failure=failure_of(nb, execution) if execution.ending in (Ending.FAILED, Ending.DIED) else None,
        values={saying.key: saying.value for saying in sayings if isinstance(saying, outbox.TaskValue)},
        stopped=execution.ending is Ending.STOPPED,
        timed_out=execution.ending is Ending.TIMED_OUT,
        swallowed_exit=exits[-1] if exits and not exited else None,
        notices=(
            *execution.notices,
            *(saying.message for saying in sayings if isinstance(saying, outbox.Notice)),
            *hints(execution.error),
        ),
    )
