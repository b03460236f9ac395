"""A fork server that begins before anybody knows whether it is wanted."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dbutils_local.kernels.forkserver import ForkServer

pytestmark = pytest.mark.skipif(not ForkServer.is_possible(), reason="kernels are forked on Linux only")

START_AND_TELL = """
    import os, sys
    from pathlib import Path
    from dbutils_local.kernels.forkserver import ForkServer
    from dbutils_local.kernels.kernel import KernelRequest
    ForkServer.start_early()
    with ForkServer.start(expected=1) as server:
        kernel = server.kernel(KernelRequest(dict(os.environ), Path.cwd(), extensions=()))
        code = "import sys, os; print(sys.argv[0][-21:], sys.path[0], os.getppid() == %d)" % server.pid
        def show(message):
            if message["msg_type"] == "stream": print(message["content"]["text"], end="")
        kernel.client.execute_interactive(code, output_hook=show)
        kernel.close()
        print(os.path.dirname(server.address))
"""


def program(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(text))
    return path


def test_an_early_server_is_taken_over_by_the_next_start(tmp_path):
    said = subprocess.run(
        [sys.executable, str(program(tmp_path, START_AND_TELL))], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said[0].startswith("ipykernel_launcher.py")
    assert said[0].endswith("True")
    assert str(tmp_path) not in said[0]
    assert not Path(said[1]).exists()


def test_a_forked_program_splits_its_own_server_off(server, tmp_path):
    with open(tmp_path / "out", "wb") as out:
        process = server.run(
            [str(program(tmp_path, START_AND_TELL))], dict(os.environ), tmp_path, stdout=out, stderr=out
        )
        code = process.wait(60)
        process.close()
    text = (tmp_path / "out").read_text()
    assert code == 0, text
    said = text.splitlines()
    assert said[0].startswith("ipykernel_launcher.py")
    assert str(tmp_path) not in said[0]
    assert said[0].endswith("True")
    assert not Path(said[1]).exists()


def test_an_early_server_that_nobody_wants_ends_with_its_process(tmp_path):
    script = program(
        tmp_path,
        """
        from dbutils_local.kernels import forkserver
        forkserver.ForkServer.start_early()
        [server] = forkserver._early.values()
        print(server.pid, server.address)
        """,
    )
    said = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout.split()
    assert not Path(f"/proc/{said[0]}").exists()
    assert not Path(said[1]).parent.exists()
