"""The server can go and come back: no run is lost, and none is left behind by a clean end."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.server.conftest import Served, start
from tests.server.test_doors import ask

TASK = {"task_key": "count", "spark_python_task": {"python_file": "count.py"}}
COUNT = "import time\nfor i in range(30):\n    print(i, flush=True)\n    time.sleep(0.1)\n"


def wait_for(served: Served, run_id: int, *words: str) -> dict[str, Any]:
    """The run once it is in one of these states."""
    for _ in range(600):
        told: dict[str, Any] = ask(served, "GET", f"/api/2.2/jobs/runs/get?run_id={run_id}").json
        if {told["state"]["life_cycle_state"], told["state"].get("result_state")} & set(words):
            return told
        time.sleep(0.1)
    raise AssertionError(f"run {run_id} is {told['state']}")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_outlives_its_server_and_is_found_by_the_next_one(tmp_path: Path, ending: int) -> None:
    first = start(tmp_path / "home", tmp_path / "workspace")
    (first.workspace / "count.py").write_text(COUNT)
    run_id = ask(first, "POST", "/api/2.2/jobs/runs/submit", {"run_name": "survivor", "tasks": [TASK]}).json["run_id"]
    wait_for(first, run_id, "RUNNING")
    first.process.send_signal(ending)
    first.process.wait(timeout=30)
    second = start(tmp_path / "home", tmp_path / "workspace")
    try:
        told = wait_for(second, run_id, "SUCCESS", "FAILED")
        assert told["state"]["result_state"] == "SUCCESS"
        task_run = told["tasks"][0]["run_id"]
        assert "29" in ask(second, "GET", f"/api/2.2/jobs/runs/get-output?run_id={task_run}").json["logs"]
    finally:
        assert second.stop() == 0
    first.end()
    second.end()


def test_a_clean_end_leaves_no_process_behind(tmp_path: Path) -> None:
    served = start(tmp_path / "home", tmp_path / "workspace")
    below = psutil.Process(served.process.pid).children(recursive=True)
    assert served.stop() == 0
    _, alive = psutil.wait_procs(below, timeout=10)
    assert alive == []
    served.end()


def test_an_address_that_is_taken_is_told_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            start(tmp_path / "home", tmp_path / "workspace", "--port", port)


def test_a_home_that_cannot_be_used_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(AssertionError, match="cannot create the home folder"):
        start(tmp_path / "home", tmp_path / "workspace")
