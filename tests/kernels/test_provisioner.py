"""The kernelspec `dbutils_local`: any Jupyter client starts forked kernels with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import jupyter_ext
from dbutils_local.kernels import provisioner
from dbutils_local.kernels.forkserver import ForkServer

pytestmark = pytest.mark.skipif(not ForkServer.is_possible(), reason="kernels are forked on Linux only")


@pytest.fixture(autouse=True)
def kernelspec(tmp_path, monkeypatch) -> Iterator[None]:
    """The spec as the wheel installs it, found through JUPYTER_PATH."""
    shutil.copytree(Path(jupyter_ext.__file__).parent / "kernelspec", tmp_path / "jupyter/kernels/dbutils_local")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    yield
    provisioner._close_server()


def is_forked(pid: int) -> bool:
    return psutil.Process(pid).ppid() == provisioner.shared_server().pid


def test_nbclient_runs_a_notebook_in_a_forked_kernel(tmp_path):
    nb = new_notebook(cells=[new_code_cell("import os\nprint(os.getcwd(), os.getppid())")])
    NotebookClient(nb, kernel_name="dbutils_local", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert nb.cells[0].outputs[0].text == f"{tmp_path} {provisioner.shared_server().pid}\n"


def test_the_kernel_has_dbutils_from_its_start(tmp_path, monkeypatch):
    monkeypatch.setenv("DBUTILS_LOCAL_HOME", str(tmp_path / "home"))
    sources = ["dbutils.widgets.text('t', 'v')\nprint(dbutils.widgets.get('t'))", "%load_ext dbutils_local"]
    nb = new_notebook(cells=[new_code_cell(source) for source in sources])
    NotebookClient(nb, kernel_name="dbutils_local", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [one.text for one in nb.cells[0].outputs if one.output_type == "stream"] == ["v\n"]
    assert nb.cells[1].outputs == []


def test_a_restarted_kernel_is_reached_over_the_same_channels():
    manager, client = start_new_kernel(kernel_name="dbutils_local")
    try:
        assert is_forked(manager.provisioner.pid)
        client.execute_interactive("x = 1")
        first = manager.provisioner.pid
        manager.restart_kernel(now=True)
        client.wait_for_ready(timeout=30)
        assert manager.provisioner.pid != first
        assert client.execute_interactive("x")["content"]["ename"] == "NameError"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert not manager.is_alive()


def test_a_kernel_is_interrupted_and_told_dead_as_any_other():
    manager, client = start_new_kernel(kernel_name="dbutils_local")
    try:
        client.execute("print('on', flush=True)\nimport time\ntime.sleep(60)")
        while client.get_iopub_msg(timeout=20)["msg_type"] != "stream":
            pass
        manager.interrupt_kernel()
        reply = client.get_shell_msg(timeout=20)
        while reply["msg_type"] != "execute_reply":
            reply = client.get_shell_msg(timeout=20)
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        psutil.Process(manager.provisioner.pid).kill()
        while manager.is_alive():
            pass
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_kernelspec_with_another_command_is_started_as_it_says(tmp_path):
    folder = tmp_path / "jupyter/kernels/other"
    folder.mkdir()
    spec = json.loads((tmp_path / "jupyter/kernels/dbutils_local/kernel.json").read_text())
    spec["argv"] = ["python", "-X", "dev", *spec["argv"][1:]]
    (folder / "kernel.json").write_text(json.dumps(spec))
    manager = KernelManager(kernel_name="other")
    manager.start_kernel()
    try:
        assert not is_forked(manager.provisioner.pid)
    finally:
        manager.shutdown_kernel(now=True)


def test_a_killed_server_is_replaced(tmp_path):
    first = provisioner.shared_server().pid
    psutil.Process(first).kill()
    while provisioner._server.is_running:
        pass
    nb = new_notebook(cells=[new_code_cell("1")])
    NotebookClient(nb, kernel_name="dbutils_local").execute()
    assert provisioner.shared_server().pid != first
