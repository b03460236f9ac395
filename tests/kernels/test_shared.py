"""A program that all who name its key use together: started once, anew when it has ended, gone with its server."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from dbutils_local.kernels import processes
from dbutils_local.kernels.forkserver import ForkServer, Refused

SPEAKER = """
import os, socket, sys
from pathlib import Path
listener = socket.socket(fileno=int(sys.argv[1]))
Path(f"litter/{os.getpid()}-mine").mkdir()
while True:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(f"{os.getpid()} {sys.argv[2]}".encode())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "speaker.py").write_text(SPEAKER)
    (tmp_path / "litter").mkdir()
    return tmp_path


def asked(server: ForkServer, folder: Path, key: str = "one") -> str:
    return server.shared(key, "speaker", "hello", os.environ, folder, litter=folder / "litter")


def said(address: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(address)
        return connection.recv(100).decode()


def test_all_who_name_a_key_use_one_program(server: ForkServer, folder: Path) -> None:
    first = said(asked(server, folder))
    assert first.endswith(" hello")
    assert said(asked(server, folder)) == first
    assert said(asked(server, folder, key="another")) != first


def test_one_that_was_killed_leaves_nothing_and_the_next_to_ask_gets_another(server: ForkServer, folder: Path) -> None:
    address = asked(server, folder, key="killed")
    pid = int(said(address).split()[0])
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while (again := asked(server, folder, key="killed")) == address:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert int(said(again).split()[0]) != pid
    assert f"{pid}-mine" not in os.listdir(folder / "litter")


def test_it_ends_with_its_server(folder: Path) -> None:
    with ForkServer.start(pool_size=0) as server:
        pid = int(said(asked(server, folder)).split()[0])
        assert pid in processes.descendants(server.pid)
    assert not Path(f"/proc/{pid}").exists()
    assert not os.listdir(folder / "litter")


def test_a_process_of_another_environment_is_refused(
    server: ForkServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", "/elsewhere")
    with pytest.raises(Refused, match="belongs to the environment /elsewhere"):
        asked(server, folder)
