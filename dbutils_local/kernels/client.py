"""Runs the cells of one notebook in one kernel: nbclient's handling of outputs over a plain, synchronous message loop.

nbclient starts three asyncio tasks a cell and polls; here one zmq poll waits for output, reply, the death of the
process and the order to stop. What a message does to the notebook is nbclient's `process_message`, unchanged.
"""

from __future__ import annotations

import signal
import time
from typing import Any

from nbclient.exceptions import CellExecutionComplete, CellTimeoutError, DeadKernelError
from nbclient.util import run_sync
from papermill.clientwrap import PapermillNotebookClient

from dbutils_local.kernels.bootstrap import bootstrap_code, extension_names
from dbutils_local.kernels.execution import GRACE, CellError, Ending, Execution
from dbutils_local.kernels.kernel import Kernel, KernelFailed, zmq_poller
from dbutils_local.kernels.packages import after_restart
from dbutils_local.kernels.start import start_kernel

# Exception names by which the kernel side speaks to us.
EXIT, RESTART, RESTART_IN_RUN = "NotebookExit", "RestartPython", "RestartPythonInRun"
ALIVE_EVERY = 1.0  # seconds between looks at a process that cannot tell of its death
IOPUB_SILENCE = 30.0  # seconds to wait for the outputs of a cell that has answered


class MustEnd(Exception):
    """The run was stopped or timed out while a cell ran."""


class NotebookClient(PapermillNotebookClient):  # type: ignore[misc]
    """papermill's client with our kernels and our loop."""

    def __init__(self, nb_man: Any, execution: Execution, **options: Any) -> None:
        super().__init__(nb_man, **options)
        self.execution = execution
        self._kernel: Kernel | None = None
        self._poller: Any = None
        self.clear_before_next_output = False

    def execute(self, **kwargs: Any) -> Any:
        """Run all cells; how it ended is in `self.execution`, the outputs are in the notebook."""
        self.reset_execution_trackers()
        try:
            self._begin()
            run_hook(self.on_notebook_start, notebook=self.nb)
            self.papermill_execute_cells()
            self.set_widgets_metadata()
            run_hook(self.on_notebook_complete, notebook=self.nb)
        except (KernelFailed, MustEnd) as error:
            # Told to end while the kernel was still starting: its failure is our own doing.
            self.execution.ending = self.execution.alarm.reason or Ending.DIED
            self.execution.error = CellError("KernelFailed", str(error), (), None)
        finally:
            self._close()
        return self.nb

    def papermill_execute_cells(self) -> None:
        """Each cell in turn, until one fails, exits, or the run must end."""
        for index, cell in enumerate(self.nb.cells):
            if reason := self.execution.alarm.reason:
                self.execution.ending = reason
                return
            if cell.cell_type != "code" or not cell.source.strip():
                self._pass_over(cell)
                continue
            self.nb_man.cell_start(cell, index)
            try:
                goes_on = self._run(cell, index)
            except KernelFailed:
                cell.metadata.papermill.update(status=self.nb_man.PENDING, exception=None, start_time=None)
                raise
            except BaseException:
                self.nb_man.cell_exception(cell, cell_index=index)
                self.nb_man.cell_complete(cell, cell_index=index)
                raise
            self.nb_man.cell_complete(cell, cell_index=index)
            if not goes_on:
                return

    def _pass_over(self, cell: Any) -> None:
        """Markdown and empty cells cost nothing; papermill counts them as completed."""
        cell.metadata.papermill["status"] = self.nb_man.COMPLETED
        if self.nb_man.pbar:
            self.nb_man.pbar.update(1)

    def _run(self, cell: Any, index: int) -> bool:
        """Run one cell and note what it did to the run; True: go on with the next."""
        try:
            reply = self.run_cell(cell, index)
        except MustEnd:
            self.execution.ending = self.execution.alarm.reason or Ending.STOPPED
            self.nb_man.cell_exception(cell, cell_index=index)
            return False
        except DeadKernelError:
            assert self._kernel is not None
            if reason := self._kernel.start_failure:
                raise KernelFailed(reason) from None
            self._fail(cell, index, CellError("DeadKernelError", _how_it_died(self._kernel), (), index), Ending.DIED)
            return False
        except CellTimeoutError as error:
            self._fail(cell, index, CellError("CellTimeoutError", str(error), (), index), Ending.FAILED)
            return False
        content = reply["content"]
        if content["status"] != "error":
            return True
        return self._after_error(cell, index, content)

    def _after_error(self, cell: Any, index: int, content: dict[str, Any]) -> bool:
        error = CellError(
            content.get("ename", "Error"), content.get("evalue", ""), tuple(content.get("traceback") or ()), index
        )
        if reason := self.execution.alarm.reason:
            self.execution.ending = reason
            self.nb_man.cell_exception(cell, cell_index=index)
            return False
        if error.ename == EXIT:
            self.execution.ending = Ending.EXITED
            show_exit(cell, error.evalue)
            return False
        if error.ename in (RESTART, RESTART_IN_RUN):
            cell.outputs = [output for output in cell.outputs if not _is_error(output, error.ename)]
            self._restart()
            return error.ename == RESTART or self._run_on(cell, index)
        if self._is_allowed(cell, error.ename):
            return True
        run_hook(self.on_cell_error, cell=cell, cell_index=index, execute_reply={"content": content})
        self._fail(cell, index, error, Ending.FAILED)
        return False

    def _run_on(self, cell: Any, index: int) -> bool:
        """Run a cell again that goes on where a restart cut it; what it showed before stays above."""
        shown = cell.outputs
        try:
            return self._run(cell, index)
        finally:
            cell.outputs[:0] = shown

    def _is_allowed(self, cell: Any, ename: str) -> bool:
        if self.force_raise_errors:
            return False
        return bool(
            self.allow_errors or ename in self.allow_error_names or "raises-exception" in cell.metadata.get("tags", [])
        )

    def _fail(self, cell: Any, index: int, error: CellError, ending: Ending) -> None:
        self.execution.ending, self.execution.error = ending, error
        if not any(output.output_type == "error" for output in cell.outputs):
            cell.outputs.append(_error_output(error))
        self.nb_man.cell_exception(cell, cell_index=index)

    # -- the kernel

    def _begin(self) -> None:
        """A kernel that is ready for cells. KernelFailed, MustEnd."""
        try:
            self._start()
        except DeadKernelError:
            assert self._kernel is not None
            raise KernelFailed(self._kernel.start_failure or _how_it_died(self._kernel)) from None

    def _start(self) -> None:
        kernel = start_kernel(self.execution.kernel, self.execution.alarm)
        self._kernel, self.kc = kernel, kernel.client
        for notice in kernel.notices:
            if notice not in self.execution.notices:
                self.execution.notices.append(notice)
        channels = (self.kc.shell_channel.socket, self.kc.iopub_channel.socket)
        self._poller = zmq_poller(*channels, self.execution.alarm.socket.fileno(), kernel.life)
        self._bootstrap()

    def _bootstrap(self) -> None:
        """Learn the language and load our extensions, where the kernel has not; silent, so counters stay clean."""
        assert self._kernel is not None
        language = self._kernel.language_info or self._ask(self.kc.kernel_info())["language_info"]
        self.nb.metadata["language_info"] = dict(language)
        if self._kernel.has_extensions or language["name"] != "python":
            return
        names = self.execution.kernel.extensions
        code = bootstrap_code(extension_names() if names is None else names)
        content = self._ask(self.kc.execute(code, silent=True, store_history=False))
        if content["status"] == "error":
            raise KernelFailed(f"the kernel extension could not be loaded: {content['ename']}: {content['evalue']}")

    def _ask(self, msg_id: str) -> Any:
        return self._converse(msg_id, None, None)["content"]

    def _restart(self) -> None:
        self._close()
        self.execution.kernel = after_restart(self.execution.kernel)
        self._begin()

    def _close(self) -> None:
        kernel, self._kernel, self._poller = self._kernel, None, None
        if kernel is not None:
            kernel.close()

    # -- one cell

    def run_cell(self, cell: Any, index: int) -> dict[str, Any]:
        """Execute the cell, fill in its outputs, return the execute reply.

        Raises MustEnd, DeadKernelError, CellTimeoutError.
        """
        run_hook(self.on_cell_start, cell=cell, cell_index=index)
        if self.record_timing:
            cell["metadata"]["execution"] = {}
        run_hook(self.on_cell_execute, cell=cell, cell_index=index)
        cell.outputs = []
        self.clear_before_next_output = False
        msg_id = self.kc.execute(cell.source, store_history=True, stop_on_error=not self._is_allowed(cell, ""))
        self.code_cells_executed += 1
        run_hook(self.on_cell_complete, cell=cell, cell_index=index)
        reply = self._converse(msg_id, cell, index)
        if self.record_timing:
            cell["metadata"]["execution"]["shell.execute_reply"] = (
                reply["header"]["date"].isoformat().replace("+00:00", "Z")
            )
        run_hook(self.on_cell_executed, cell=cell, cell_index=index, execute_reply=reply)
        return reply

    def _converse(self, msg_id: str, cell: Any, index: int | None) -> dict[str, Any]:
        """Take in messages until the reply to `msg_id` and its `idle` are here."""
        kernel, shell, iopub = self._kernel, self.kc.shell_channel, self.kc.iopub_channel
        assert kernel is not None
        limit = Limits(self._get_timeout(cell) if cell is not None else None)
        reply: dict[str, Any] | None = None
        idle = False
        while reply is None or not idle:
            ready = dict(self._poller.poll(limit.poll_ms(self.execution.alarm.seconds_left)))
            self.nb_man.tick()
            if iopub.socket in ready:
                idle = self._take_outputs(iopub, msg_id, cell, index) or idle
                limit.heard()
            if shell.socket in ready:
                message = shell.get_msg(timeout=0)
                if message["parent_header"].get("msg_id") == msg_id:
                    reply = message
                    limit.heard()
            if shell.socket in ready or iopub.socket in ready:
                if not (self.execution.alarm.reason and not limit.killed):
                    continue
            elif kernel.life in ready or (kernel.life is None and not ready and not kernel.is_alive()):
                raise MustEnd if self.execution.alarm.reason else DeadKernelError("Kernel died")
            self._enforce(kernel, limit, cell, reply is not None)
        return reply

    def _take_outputs(self, iopub: Any, msg_id: str, cell: Any, index: int | None) -> bool:
        """Every output message that is here; True: the kernel said it is done with this request."""
        while True:
            message = iopub.get_msg(timeout=0)
            if message["parent_header"].get("msg_id") == msg_id:
                if cell is None:
                    if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                        return True
                else:
                    try:
                        self.process_message(message, cell, index)
                    except CellExecutionComplete:
                        return True
            if not iopub.socket.poll(0):
                return False

    def _enforce(self, kernel: Kernel, limit: Limits, cell: Any, replied: bool) -> None:
        """Interrupt, then kill, a cell that must end; raise for a cell that took too long."""
        if self.execution.alarm.reason:
            if limit.interrupted_at is None:
                limit.interrupted_at = time.monotonic()
                if self.execution.alarm.socket.fileno() in self._poller:
                    self._poller.unregister(self.execution.alarm.socket.fileno())
                kernel.interrupt()
            elif time.monotonic() - limit.interrupted_at >= GRACE:
                kernel.kill()
                raise MustEnd
        elif limit.is_over():
            if not self.interrupt_on_timeout or limit.interrupted_at is not None:
                raise CellTimeoutError.error_from_timeout_and_cell(
                    "Cell execution timed out", int(limit.timeout or 0), cell
                )
            limit.interrupted_at = time.monotonic()
            kernel.interrupt()
        elif replied and time.monotonic() - limit.heard_at > IOPUB_SILENCE:
            raise CellTimeoutError.error_from_timeout_and_cell(
                "Timeout waiting for IOPub output", int(IOPUB_SILENCE), cell
            )


class Limits:
    """How long one cell may still take, and what was done about it."""

    def __init__(self, timeout: float | None) -> None:
        self.timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self.interrupted_at: float | None = None
        self.heard_at = time.monotonic()
        self.killed = False

    def heard(self) -> None:
        self.heard_at = time.monotonic()

    def is_over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def poll_ms(self, run_seconds_left: float | None) -> int:
        """How long to sleep at most before looking at the clock again."""
        waits = [ALIVE_EVERY if self.interrupted_at is None else GRACE / 5]
        if self._deadline is not None:
            waits.append(max(0.0, self._deadline - time.monotonic()))
        if run_seconds_left:
            waits.append(run_seconds_left)
        return int(min(waits) * 1000) + 1


def run_hook(hook: Any, **kwargs: Any) -> None:
    """nbclient's hooks may be plain functions or coroutines."""
    if hook is not None:
        from nbclient.util import run_hook as call

        run_sync(call)(hook, **kwargs)


def show_exit(cell: Any, value: str) -> None:
    """The cell that exited shows that instead of an error (reference 2.4), if the kernel has not shown it already."""
    import nbformat.v4

    new_output: Any = nbformat.v4.new_output
    cell.outputs = [output for output in cell.outputs if not _is_error(output, EXIT)]
    shown = ("".join(output.get("data", {}).get("text/plain", "")) for output in cell.outputs)
    if not any(text.startswith("Notebook exited:") for text in shown):
        cell.outputs.append(new_output("display_data", {"text/plain": f"Notebook exited: {value}"}))


def _is_error(output: Any, ename: str) -> bool:
    return bool(output.output_type == "error" and output.ename == ename)


def _error_output(error: CellError) -> Any:
    import nbformat.v4

    new_output: Any = nbformat.v4.new_output
    return new_output(
        "error",
        ename=error.ename,
        evalue=error.evalue,
        traceback=list(error.traceback) or [f"{error.ename}: {error.evalue}"],
    )


def _how_it_died(kernel: Kernel) -> str:
    code, words = kernel.exit_code(), kernel.last_words()
    by = (
        f" of signal {-code} ({signal.Signals(-code).name})"
        if code is not None and code < 0
        else f" with exit code {code}"
    )
    hint = "; it may have run out of memory" if code == -9 and not words else ""
    return (
        f"the Python process of the notebook died{by if code is not None else ''}{hint}{f': {words}' if words else ''}"
    )
