"""Real kernels to run cells in, one for a module's tests, and an IPython shell in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Ran:
    """What came of a cell."""

    status: str
    ename: str = ""
    evalue: str = ""
    outputs: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def stdout(self) -> str:
        return "".join(one["text"] for one in self.outputs if one.get("name") == "stdout")

    @property
    def stderr(self) -> str:
        return "".join(one["text"] for one in self.outputs if one.get("name") == "stderr")

    @property
    def plain(self) -> str:
        return "\n".join(one["data"]["text/plain"] for one in self.outputs if "text/plain" in one.get("data", {}))

    @property
    def html(self) -> str:
        return "\n".join(one["data"]["text/html"] for one in self.outputs if "text/html" in one.get("data", {}))

    @property
    def traceback(self) -> str:
        import re

        lines = [line for one in self.outputs if one.get("ename") for line in one["traceback"]]
        return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


class Kernel:
    """A running ipykernel with the extension loaded, in a folder of its own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        from jupyter_client.manager import start_new_kernel

        self.folder = folder
        self.home = Path(environ["DBUTILS_LOCAL_HOME"])
        self.manager, self.client = start_new_kernel(
            kernel_name="python3",
            cwd=str(folder),
            env={**os.environ, **environ},
            extra_arguments=["--HistoryManager.enabled=False"],
            stderr=subprocess.DEVNULL,
        )

    def __call__(self, code: str) -> Ran:
        """Run a cell and wait for its end."""
        return self.wait(self.client.execute(code, stop_on_error=True))

    def wait_idle(self, message_id: str) -> Ran:
        """Everything a message that has no reply led to."""
        ran = Ran("ok")
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            ran.messages.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return ran

    def wait(self, message_id: str) -> Ran:
        """Everything a cell that was sent led to."""
        ran = Ran("ok")
        clear = False
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            ran.messages.append(message)
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind == "clear_output":
                clear = True
            if kind in ("stream", "display_data", "execute_result", "error"):
                ran.outputs = [] if clear else ran.outputs
                clear = False
                ran.outputs.append(content)
        reply = self.client.get_shell_msg(timeout=60)
        while reply["parent_header"].get("msg_id") != message_id:
            reply = self.client.get_shell_msg(timeout=60)
        ran.status = reply["content"]["status"]
        ran.ename = reply["content"].get("ename", "")
        ran.evalue = reply["content"].get("evalue", "")
        return ran

    def write(self, name: str, text: str) -> Path:
        """A file in the kernel's folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("notebooks")
    running = Kernel(folder, {"DBUTILS_LOCAL_HOME": str(tmp_path_factory.mktemp("home"))})
    try:
        loaded = running("%load_ext dbutils_local")
        assert loaded.status == "ok", loaded.traceback
        assert loaded.outputs == []
        yield running
    finally:
        running.close()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """IPython as in a terminal, in this process, with the extension loaded in `tmp_path`."""
    import types

    from IPython.core.interactiveshell import InteractiveShell

    from dbutils_local.dbutils import handle

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DBUTILS_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    handle.renew()
    on_interrupt = signal.getsignal(signal.SIGINT)  # a cell puts a guard in its place
    ip = InteractiveShell.instance(user_module=types.ModuleType("__main__"))
    ip.history_manager.enabled = False
    ip.extension_manager.load_extension("dbutils_local")
    yield ip
    ip.extension_manager.unload_extension("dbutils_local")
    ip.history_manager.end_session()
    InteractiveShell.clear_instance()
    signal.signal(signal.SIGINT, on_interrupt)
