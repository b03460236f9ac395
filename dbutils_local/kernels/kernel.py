"""A live kernel process and the channels to it, however it was started."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from dbutils_local.errors import DbutilsLocalError
from dbutils_local.kernels import folders
from dbutils_local.kernels.processes import kill_tree

if TYPE_CHECKING:
    import zmq
    from jupyter_client.blocking.client import BlockingKernelClient

STARTUP_TIMEOUT = 60.0  # seconds a kernel may take to answer for the first time
PLAIN_PYTHON = frozenset({"python3", "python", "dbutils_local"})  # kernel names that mean: this interpreter, our kernel


class KernelFailed(DbutilsLocalError):
    """A kernel could not be started, or died before it was ready."""


@dataclass(frozen=True)
class KernelRequest:
    """What a new kernel is to be: the exact environment and folder of its process."""

    environ: Mapping[str, str]
    cwd: Path
    name: str | None = None  # None or one of PLAIN_PYTHON: Python, with this interpreter
    forkserver: str | None = None  # address; None: start the ordinary way
    extensions: tuple[str, ...] | None = None  # IPython extensions of a Python kernel; None: those that are installed
    python: Path | None = None  # interpreter of a Python kernel, for instance of a task's own environment; None: ours


class Kernel(Protocol):
    """One kernel, used for one notebook and thrown away."""

    client: BlockingKernelClient
    pid: int
    notices: tuple[str, ...]  # what the user should know about how it was started
    language_info: Mapping[str, Any] | None  # as in kernel_info_reply; None: ask the kernel
    has_extensions: bool  # True: it has loaded the request's extensions itself

    @property
    def life(self) -> int | None:
        """A file descriptor that becomes readable when the process ends; None: ask `is_alive`."""

    @property
    def start_failure(self) -> str | None:
        """Why it gave up before the first cell, if it did."""

    def is_alive(self) -> bool:
        """Whether the process runs."""

    def exit_code(self) -> int | None:
        """Of the ended process (negative: the signal); None: it runs, or nobody knows."""

    def interrupt(self) -> None:
        """SIGINT to the kernel and what it started, as Jupyter's stop button does."""

    def kill(self) -> None:
        """End the process and everything it started, at once."""

    def last_words(self) -> str:
        """What the process wrote past its channels (a crash report of the interpreter, for instance)."""

    def close(self) -> None:
        """Kill it, close the channels, leave no file; returns without waiting for the process."""


def context() -> zmq.Context[Any]:
    """The one zmq context of this process (a forked child gets its own)."""
    import zmq

    return zmq.Context.instance()


def connect(info: Mapping[str, Any]) -> BlockingKernelClient:
    """Channels to the kernel of this connection info: shell and iopub, no heartbeat thread."""
    from jupyter_client.blocking.client import BlockingKernelClient

    client = BlockingKernelClient(context=context())
    client.load_connection_info(cast(Any, dict(info)))
    client.start_channels(stdin=False, hb=False, control=False)
    return client


def wait_until_ready(kernel: Kernel, timeout: float = STARTUP_TIMEOUT) -> None:
    """Return when the kernel answers on shell and its output channel is known to reach us.

    jupyter_client's own way ends with a 0.2 s wait for silence; here the `idle` that belongs to our own request is
    enough, since every earlier request's messages come before it.
    """
    shell, iopub = kernel.client.shell_channel, kernel.client.iopub_channel
    deadline = time.monotonic() + timeout
    asked: list[str] = []
    while True:
        asked.append(kernel.client.kernel_info())
        pause = time.monotonic() + min(0.05 * len(asked), 1.0)
        while (left := pause - time.monotonic()) > 0:
            if iopub.socket.poll(int(left * 1000) + 1) and _is_idle(message := iopub.get_msg(timeout=0), asked):
                _drain(shell, iopub, asked, message["parent_header"]["msg_id"])
                return
        if not kernel.is_alive():
            raise KernelFailed(f"the kernel died while it started{_because(kernel.last_words())}")
        if time.monotonic() > deadline:
            raise KernelFailed(f"the kernel did not answer within {timeout:.0f} s{_because(kernel.last_words())}")


def wait_for_welcome(kernel: Kernel, timeout: float = STARTUP_TIMEOUT) -> None:
    """Return when the kernel's output channel has greeted us (ipykernel 7 on): from then on no message is lost."""
    iopub = kernel.client.iopub_channel
    poller = zmq_poller(iopub.socket, kernel.life)
    if not (ready := dict(poller.poll(int(timeout * 1000)))):
        raise KernelFailed(f"the kernel did not answer within {timeout:.0f} s{_because(kernel.last_words())}")
    if iopub.socket not in ready:
        raise KernelFailed(f"the kernel died while it started{_because(kernel.last_words())}")
    iopub.get_msg(timeout=0)


def zmq_poller(*sources: Any) -> zmq.Poller:
    """A poller for what can be read from these sockets and file descriptors (None is left out)."""
    import zmq

    poller = zmq.Poller()
    for source in sources:
        if source is not None:
            poller.register(source, zmq.POLLIN)
    return poller


def _is_idle(message: Mapping[str, Any], asked: list[str]) -> bool:
    ours = message["parent_header"].get("msg_id") in asked
    return ours and message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"


def _drain(shell: Any, iopub: Any, asked: list[str], first_seen: str) -> None:
    """Take in the answers to the requests that were sent while the output channel was still connecting."""
    open_on_iopub = set(asked[asked.index(first_seen) + 1 :])
    while open_on_iopub:
        message = iopub.get_msg(timeout=5)
        if _is_idle(message, asked):
            open_on_iopub.discard(message["parent_header"]["msg_id"])
    for _ in asked:
        shell.get_msg(timeout=5)


def _because(words: str) -> str:
    return f": {words}" if words else ""


@dataclass
class OrdinaryKernel:
    """A kernel started by jupyter_client, from any installed kernelspec."""

    client: BlockingKernelClient
    manager: Any
    folder: Path
    notices: tuple[str, ...] = ()
    language_info: Mapping[str, Any] | None = None
    has_extensions: bool = False
    life: int | None = None
    pid: int = field(init=False)

    def __post_init__(self) -> None:
        self.pid = self.manager.provisioner.pid

    @classmethod
    def start(cls, request: KernelRequest) -> OrdinaryKernel:
        """Start one and wait until it is ready; KernelFailed says why not."""
        from jupyter_client.manager import KernelManager

        folder = folders.make()
        try:
            is_python = request.name is None or request.name in PLAIN_PYTHON
            # TCP makes ipykernel 7 warn in the first cell, and ports are seen by other users of the machine.
            ipc = is_python and sys.platform != "win32"
            manager: Any = KernelManager(
                kernel_name="python3" if is_python else request.name,
                context=context(),
                connection_file=str(folder / "kernel.json"),
                **({"transport": "ipc", "ip": str(folder / "k")} if ipc else {}),
            )
            if is_python:
                manager.kernel_spec.argv = [
                    str(request.python or sys.executable),
                    "-m",
                    "ipykernel_launcher",
                    "-f",
                    "{connection_file}",
                ]
            with open(folder / "log", "wb") as log:
                extra = ["--HistoryManager.enabled=False"] if is_python else []
                manager.start_kernel(
                    env=dict(request.environ), cwd=str(request.cwd), stdout=log, stderr=log, extra_arguments=extra
                )
            folders.sweep()
            kernel = cls(connect(manager.get_connection_info()), manager, folder)
        except BaseException as error:
            folders.remove(folder)
            if isinstance(error, Exception):
                raise KernelFailed(f"the kernel {request.name or 'python3'!r} could not be started: {error}") from error
            raise
        try:
            wait_until_ready(kernel)
        except BaseException:
            kernel.close()
            raise
        return kernel

    @property
    def start_failure(self) -> str | None:
        return None

    def is_alive(self) -> bool:
        return bool(self.manager.is_alive())

    def exit_code(self) -> int | None:
        process = getattr(self.manager.provisioner, "process", None)
        return None if process is None else process.poll()

    def interrupt(self) -> None:
        if self.is_alive():
            self.manager.interrupt_kernel()

    def kill(self) -> None:
        if hasattr(os, "killpg"):
            kill_tree(self.pid)
        self.manager.shutdown_kernel(now=True)

    def last_words(self) -> str:
        return tail(self.folder / "log")

    def close(self) -> None:
        self.client.stop_channels()
        self.kill()
        self.manager.cleanup_resources()
        folders.remove(self.folder)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of what a kernel wrote to its own stdout and stderr."""
    try:
        text = log.read_text("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(text.strip().splitlines()[-lines:])
