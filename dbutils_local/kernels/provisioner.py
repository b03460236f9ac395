"""A jupyter_client provisioner that forks kernels: the kernelspec `dbutils_local` starts in a blink everywhere."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.local_provisioner import LocalProvisioner

from dbutils_local.kernels.forkserver import ForkedProcess, ForkServer, Refused, ServerGone
from dbutils_local.settings import Settings

# What only people at a keyboard need: completion, widgets.
INTERACTIVE_PRELOAD = ("jedi", "ipywidgets")

_lock = threading.Lock()
_server: ForkServer | None = None


def shared_server() -> ForkServer:
    """The fork server of this process, started when first wanted and again if it was killed."""
    global _server
    with _lock:
        if _server is None or not _server.is_running:
            _close_server()
            _server = ForkServer.start(preload=(*INTERACTIVE_PRELOAD, *Settings.load().preload), pool_size=0)
        return _server


@atexit.register
def _close_server() -> None:
    global _server
    if _server is not None:
        _server.close()
        _server = None


class _Process(ForkedProcess):
    """As LocalProvisioner expects a process to be."""

    stdin = stdout = stderr = None

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; nothing is kept open for a process that has ended."""
        code = super().wait(timeout)
        self.close()
        return code

    def terminate(self) -> None:
        """What a forked kernel needs no time for."""
        self.kill()


class ForkedKernelProvisioner(LocalProvisioner):  # type: ignore[misc, unused-ignore]
    """Forks the kernel where that is possible; anything else is started as LocalProvisioner does, and logged."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Fork, or start, the kernel whose connection file `pre_launch` has written."""
        if (arguments := _forkable(cmd)) is not None:
            try:
                process: Any = await asyncio.to_thread(_launch, arguments, kwargs)
            except (Refused, ServerGone) as reason:
                self.log.warning("The kernel starts the ordinary way: %s", reason)
            else:
                self.process = process
                self.pid = self.pgid = process.pid
                self.cwd = kwargs.get("cwd") or os.getcwd()
                return self.connection_info
        return await super().launch_kernel(cmd, **kwargs)


def _forkable(cmd: list[str]) -> list[str] | None:
    """ipykernel's arguments, if `cmd` is an ipykernel in this interpreter and on this platform."""
    is_ours = ForkServer.is_possible() and cmd[1:3] == ["-m", "ipykernel_launcher"] and _same_python(cmd[0])
    return cmd[3:] if is_ours else None


def _same_python(executable: str) -> bool:
    with contextlib.suppress(OSError):
        return os.path.samefile(executable, sys.executable) and os.path.dirname(executable) in (
            "",
            os.path.dirname(sys.executable),
        )
    return False


def _launch(arguments: list[str], kwargs: dict[str, Any]) -> _Process:
    files = [kwargs.get(name) for name in ("stdin", "stdout", "stderr")]
    with open(os.devnull, "rb") as null:
        numbers = [
            null.fileno() if file is None and default == 0 else _number(file, default)
            for default, file in enumerate(files)
        ]
        forked = shared_server().launch(arguments, kwargs["env"], Path(kwargs.get("cwd") or os.getcwd()), numbers)
    return _Process(forked.pid, forked._connection)


def _number(file: Any, default: int) -> int:
    if file is None:
        return default
    return file if isinstance(file, int) else int(file.fileno())
