"""A pytest plugin: fixtures that run notebooks and jobs, and a `dbutils` of their own for each test.

pytest loads it in every project that has this package installed, so nothing heavy is imported before a fixture is used.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from dbutils_local.asking import Asking
    from dbutils_local.dbutils.handle import DBUtils
    from dbutils_local.engine.forkservers import ForkServers
    from dbutils_local.result import RunResult, TaskResult

__all__ = [
    "CellResult",
    "NotebookFailed",
    "NotebookResult",
    "dbutils",
    "dbutils_local_home",
    "dbutils_local_warm",
    "run_job",
    "run_notebook",
]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Lines of a failing cell that an assertion message shows.
SHOWN_LINES = 40
# Tags of the cells that papermill puts into an executed notebook.
_ADDED = frozenset({"papermill-error-cell-tag", "injected-parameters"})


class NotebookFailed(AssertionError):
    """A notebook of a test failed: the message shows the cell and its traceback, `result` is what it left."""

    def __init__(self, message: str, result: NotebookResult) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class CellResult:
    """One code cell as it was run; `number` counts all cells of the notebook from 1, as our messages do."""

    number: int
    source: str
    outputs: Sequence[Mapping[str, Any]] = ()  # nbformat outputs

    @property
    def text(self) -> str:
        """What the cell printed, and the text form of what it showed."""
        return "".join(_text(output) for output in self.outputs)

    @property
    def traceback(self) -> str:
        """The traceback the cell ended with, without colours; empty if it did not fail."""
        raised = [output for output in self.outputs if output.get("output_type") == "error"]
        return _COLOUR.sub("", "\n".join(raised[-1].get("traceback") or ())) if raised else ""


@dataclass(frozen=True)
class NotebookResult:
    """What a notebook left behind."""

    path: Path
    state: str  # SUCCESS, FAILED, TIMEDOUT ...
    exit_value: str | None = None
    error: str | None = None  # "ZeroDivisionError: division by zero"
    cells: Sequence[CellResult] = ()
    task_values: Mapping[str, Any] = field(default_factory=dict)
    run: RunResult | None = field(default=None, repr=False)

    @property
    def outputs(self) -> list[Mapping[str, Any]]:
        """The nbformat outputs of all cells, in order."""
        return [output for cell in self.cells for output in cell.outputs]

    @property
    def text(self) -> str:
        """What all cells printed and showed as text."""
        return "".join(cell.text for cell in self.cells)


@pytest.fixture
def dbutils_local_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of this test alone: its runs, secrets, `dbfs:/` and volumes."""
    home = tmp_path_factory.mktemp("dbutils_local_home")
    monkeypatch.setenv("DBUTILS_LOCAL_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def dbutils_local_warm() -> Iterator[Warm]:
    """One fork server for all runs of the session, started by the first: a test need not wait for the imports again."""
    warm = Warm()
    yield warm
    warm.close()


@pytest.fixture
def run_notebook(dbutils_local_home: Path, request: pytest.FixtureRequest, dbutils_local_warm: Warm) -> RunNotebook:
    """`run_notebook(path, params=..., timeout=..., check=True) -> NotebookResult`.

    A relative path counts from the test's file, else from the current folder. A notebook that fails raises
    NotebookFailed, or with `check=False` is returned as it is.
    """
    return RunNotebook(request.path.parent, dbutils_local_warm)


@pytest.fixture
def run_job(dbutils_local_home: Path, request: pytest.FixtureRequest, dbutils_local_warm: Warm) -> RunJob:
    """`run_job(spec, params=..., **asked) -> RunResult`, `spec` being a file or the job settings themselves.

    Keyword arguments are those of the command line: `job`, `target`, `variables`, `only`, `stubs`, `stub_values`. A
    failed run is returned, not raised: assert on it; pytest then shows its table.
    """
    return RunJob(request.path.parent, dbutils_local_warm)


@pytest.fixture
def dbutils(dbutils_local_home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> DBUtils:
    """A fresh `dbutils` over an empty home; code under test that asks for the process's own meets it too."""
    from dbutils_local.dbutils import handle
    from dbutils_local.dbutils.session import Session, by_hand

    made = handle.DBUtils.of(Session(by_hand(os.environ, request.path.parent), os.environ))
    monkeypatch.setattr(handle, "_current", made)
    return made


class Warm:
    """Drives the runs of a test session in this process."""

    def __init__(self) -> None:
        self._servers: ForkServers | None = None

    def drive(self, asking: Asking) -> RunResult:
        """Start a run and wait for its end."""
        from dbutils_local.engine.drive import epoch_ms
        from dbutils_local.engine.forkservers import ForkServers
        from dbutils_local.result import RunResult

        self._servers = self._servers or ForkServers(asking.settings)
        state = asking.drive(forkservers=self._servers)
        return RunResult.of(state, asking.settings, epoch_ms())

    def close(self) -> None:
        """End the fork server."""
        if self._servers is not None:
            self._servers.__exit__(None, None, None)


@dataclass(frozen=True)
class RunNotebook:
    """What the fixture `run_notebook` gives."""

    folder: Path
    warm: Warm

    def __call__(
        self,
        path: str | os.PathLike[str],
        params: Mapping[str, object] | None = None,
        timeout: float | None = None,
        *,
        check: bool = True,
    ) -> NotebookResult:
        """Run one notebook in a kernel of its own; `timeout` in seconds."""
        __tracebackhide__ = True
        from dbutils_local.asking import Asking

        file = _beside(path, self.folder)
        asking = Asking.of(file, params=_texts(params))
        run = self.warm.drive(_limited(asking, timeout) if timeout is not None else asking)
        [task] = run.tasks.values()
        result = _notebook_result(file, run, task)
        if check and not run:
            raise NotebookFailed(_complaint(result, run.message), result)
        return result


@dataclass(frozen=True)
class RunJob:
    """What the fixture `run_job` gives."""

    folder: Path
    warm: Warm

    def __call__(
        self,
        spec: str | os.PathLike[str] | Mapping[str, Any],
        params: Mapping[str, object] | None = None,
        **asked: Any,
    ) -> RunResult:
        """Run one job to its end."""
        __tracebackhide__ = True
        from dbutils_local.asking import Asking

        if isinstance(spec, Mapping):
            import json

            where, asked = self.folder / "job.json", {**asked, "text": json.dumps(spec)}
        else:
            where = _beside(spec, self.folder)
        return self.warm.drive(Asking.of(where, params=_texts(params), **asked))


def _limited(asking: Asking, timeout: float) -> Asking:
    settings = asking.source.settings
    tasks = [task.model_copy(update={"timeout_seconds": max(1, round(timeout))}) for task in settings.tasks or ()]
    return replace(asking, source=replace(asking.source, settings=settings.model_copy(update={"tasks": tasks})))


def _notebook_result(file: Path, run: RunResult, task: TaskResult) -> NotebookResult:
    cells = run.notebook(task.key)["cells"] if task.notebook_file else []
    code = [
        CellResult(number, cell["source"], cell.get("outputs") or ())
        for number, cell in enumerate(filter(_is_own, cells), 1)
        if cell["cell_type"] == "code"
    ]
    return NotebookResult(file, task.state, task.exit_value, task.error or None, code, dict(task.values), run)


def _is_own(cell: Mapping[str, Any]) -> bool:
    """Whether a cell is the notebook's own: papermill adds some, which must not count."""
    return not _ADDED & set((cell.get("metadata") or {}).get("tags") or ())


def _complaint(result: NotebookResult, message: str) -> str:
    """The failing cell and its traceback, as a reader of test output wants them."""
    failed = next((cell for cell in result.cells if cell.traceback), None)
    ended = f"ended {result.state}: {result.error or message}"
    if failed is None:
        return f"{result.path.name} {ended}"
    lines = failed.source.splitlines()
    left_out = [f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []
    source = "\n".join(f"    {line}" for line in [*lines[:SHOWN_LINES], *left_out])
    said = result.error or ended
    return f"{result.path.name}, cell {failed.number}: {said}\n\n{source}\n\n{failed.traceback}"


def _beside(path: str | os.PathLike[str], folder: Path) -> Path:
    beside = folder / path
    return beside if beside.exists() else Path(path).absolute()


def _texts(params: Mapping[str, object] | None) -> dict[str, str]:
    return {name: value if isinstance(value, str) else str(value) for name, value in (params or {}).items()}


def _text(output: Mapping[str, Any]) -> str:
    if output.get("output_type") == "stream":
        return str(output["text"])
    shown = (output.get("data") or {}).get("text/plain", "")
    return f"{shown}\n" if shown else ""
