"""The papermill engine `dbutils_local`: papermill's conventions, our kernels, and saves by the clock."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from papermill.engines import NBClientEngine, NotebookExecutionManager

from dbutils_local.kernels import folders
from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.executed import write_notebook
from dbutils_local.kernels.execution import Alarm, Ending, Execution, NeverStopped
from dbutils_local.kernels.kernel import KernelRequest
from dbutils_local.settings import Settings

SAVE_EVERY = 2.0  # seconds; papermill itself saves twice a cell, which costs the square of the notebook's size


class ClockedManager(NotebookExecutionManager):  # type: ignore[misc]
    """papermill's bookkeeping of a run; the notebook is written by the clock, and by papermill at the end."""

    def __init__(self, nb: Any, output: Path | None = None, **options: Any) -> None:
        super().__init__(nb, **options)
        self._output = output
        self._is_changed = False
        self._next_save = time.monotonic() + SAVE_EVERY
        self.is_ending = False

    def save(self, **kwargs: Any) -> None:
        """Something has changed: write it if the last time is long enough ago, else at a later `tick`."""
        self._is_changed = True
        self.tick()

    def tick(self) -> None:
        """Write what has changed if the last time is long enough ago (longer for notebooks that take long to write)."""
        now = time.monotonic()
        if not self._is_changed or now < self._next_save or self.is_ending:
            return
        self.write()
        self._is_changed = False
        took = time.monotonic() - now
        self._next_save = now + max(SAVE_EVERY, 20 * took)

    def write(self) -> None:
        """Write the notebook as it is now, wherever it is to go."""
        if self._output is not None:
            write_notebook(self.nb, self._output)
        super().save()

    def autosave_cell(self) -> None:
        self.save()

    def notebook_complete(self, **kwargs: Any) -> None:
        """As papermill does, but cells that never ran stay `pending`, and the final write is left to papermill."""
        self.is_ending = True
        pending = [cell for cell in self.nb.cells if cell.metadata.papermill["status"] == self.PENDING]
        super().notebook_complete(**kwargs)
        for cell in pending:
            cell.metadata.papermill["status"] = self.PENDING


class DbutilsLocalEngine(NBClientEngine):  # type: ignore[misc]
    """`papermill in.ipynb out.ipynb --engine dbutils_local`."""

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str | None,
        output_path: str | None = None,
        progress_bar: bool = True,
        log_output: bool = False,
        autosave_cell_every: int = 30,
        **kwargs: Any,
    ) -> Any:
        """As papermill's, with our manager; without an `execution` the engine finds out itself where it stands."""
        execution = kwargs.get("execution")
        manager = ClockedManager(
            nb,
            output=execution.output if execution else None,
            output_path=output_path,
            progress_bar=progress_bar,
            log_output=log_output,
            autosave_cell_every=autosave_cell_every,
        )
        if execution is not None:
            execution.notebook = nb
        manager.notebook_start()
        try:
            cls.execute_managed_notebook(manager, kernel_name, log_output=log_output, **kwargs)
        except BaseException:
            manager.notebook_complete()
            manager.write()
            raise
        manager.notebook_complete()
        return manager.nb

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str | None,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        execution: Execution | None = None,
        input_path: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Run the cells; how it ended is in `execution`."""
        from papermill.log import logger

        from dbutils_local.kernels.client import NotebookClient

        options = dict(
            kwargs,
            timeout=execution_timeout or kwargs.get("timeout"),
            startup_timeout=start_timeout,
            kernel_name=kernel_name or "",
            log=logger,
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
        )
        if execution is not None:
            # papermill was handed a node, and would keep the whole notebook once more as its own path.
            paths = {"input_path": execution.birth.notebook_file, "output_path": execution.output}
            nb_man.nb.metadata.papermill.update({name: str(path) if path else None for name, path in paths.items()})
            return NotebookClient(nb_man, execution, **options).execute()
        with folders.private() as folder:
            own = _own_execution(kernel_name, input_path, folder)
            try:
                NotebookClient(nb_man, own, **options).execute()
            finally:
                own.alarm.close()
            if own.ending is Ending.DIED and own.error is not None and own.error.index is None:
                raise RuntimeError(own.error.evalue)
        return nb_man.nb

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """A notebook that names no kernel is Python: source notebooks never do."""
        return name or nb.metadata.get("kernelspec", {}).get("name") or "python3"

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """A notebook that names no language is Python."""
        spec = nb.metadata.get("kernelspec", {})
        return language or nb.metadata.get("language_info", {}).get("name") or spec.get("language") or "python"


def _own_execution(kernel_name: str | None, input_path: Any, folder: Path) -> Execution:
    """For papermill's own command line and library: the notebook stands where its file is."""
    settings = Settings.load()
    file = Path(input_path).absolute() if isinstance(input_path, str) and os.path.exists(input_path) else None
    birth = Birth(
        home=settings.home,
        workspace_root=settings.workspace or Path.cwd(),
        notebook_path="/" + (file.with_suffix("").name if file else "notebook"),
        notebook_file=file,
        outbox=folder / "outbox.jsonl",
        artifacts=folder,
    )
    environ = dict(os.environ) | birth.write(folder / "birth.json")
    return Execution(birth, KernelRequest(environ, Path.cwd(), kernel_name), Alarm(NeverStopped(), None))
