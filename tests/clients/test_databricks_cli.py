"""The legacy `databricks-cli` package drives our jobs, at each version of the Jobs API it knows.

It forgets the port of its host, so the server of these tests listens on port 80 of a loopback address of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import environment, scripts
from tests.server.conftest import Served, start

pytestmark = pytest.mark.clients


ADDRESS = "127.0.0.77"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server where this tool will look for it; only root (or a machine without low ports) can have one."""
    with socket.socket() as probe:
        try:
            probe.bind((ADDRESS, 80))
        except OSError as error:
            pytest.skip(f"the tool needs port 80 of {ADDRESS}: {error.strerror}")
    folder = tmp_path_factory.mktemp("cli")
    running = start(folder / "home", folder / "workspace", "--host", ADDRESS, "--port", "80")
    scripts(running)
    yield running
    running.end()


class Cli:
    """Calls `databricks ...` as a user's shell would."""

    def __init__(self, served: Served, home: Path, version: str) -> None:
        python = environment("databricks-cli", "databricks-cli", "setuptools<81")
        self._command = str(python.with_name("databricks"))
        self._environ = {**os.environ, "HOME": str(home), "DATABRICKS_CONFIG_FILE": str(home / "databrickscfg")}
        self._environ |= {"DATABRICKS_HOST": served.url, "DATABRICKS_TOKEN": served.token, "PYTHONWARNINGS": "ignore"}
        self("jobs", "configure", f"--version={version}")

    def __call__(self, *words: str) -> str:
        done = subprocess.run([self._command, *words], env=self._environ, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self(*words))

    def ended(self, run_id: int) -> Any:
        """The run once it has ended."""
        for _ in range(300):
            told = self.json("runs", "get", "--run-id", str(run_id))
            if told["state"]["life_cycle_state"] in ("TERMINATED", "INTERNAL_ERROR", "SKIPPED"):
                return told
            time.sleep(0.2)
        raise AssertionError("the run did not end")


@pytest.fixture(params=["2.0", "2.1"])
def cli(served: Served, tmp_path: Path, request: pytest.FixtureRequest) -> Cli:
    return Cli(served, tmp_path, request.param)


def settings(name: str, file: str = "hello.py") -> dict[str, Any]:
    return {
        "name": name,
        "tasks": [{"task_key": "a", "spark_python_task": {"python_file": file, "parameters": ["you"]}}],
    }


def test_a_job_is_created_listed_run_and_deleted(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps(settings("by the old tool")))
    job_id = cli.json("jobs", "create", "--json-file", str(tmp_path / "job.json"))["job_id"]
    assert f"{job_id}" in cli("jobs", "list")
    assert cli.json("jobs", "get", "--job-id", str(job_id))["settings"]["name"] == "by the old tool"
    run_id = cli.json("jobs", "run-now", "--job-id", str(job_id))["run_id"]
    assert cli.ended(run_id)["state"]["result_state"] == "SUCCESS"
    assert "hello you" in cli.json("runs", "get-output", "--run-id", str(run_id))["logs"]
    assert str(run_id) in cli("runs", "list", "--job-id", str(job_id))
    cli("jobs", "reset", "--job-id", str(job_id), "--json", json.dumps(settings("renamed")))
    assert cli.json("jobs", "get", "--job-id", str(job_id))["settings"]["name"] == "renamed"
    cli("jobs", "delete", "--job-id", str(job_id))
    assert f"{job_id} " not in cli("jobs", "list")


def test_a_one_off_run_of_the_oldest_form_is_submitted(cli: Cli) -> None:
    body = {"run_name": "oldest", "existing_cluster_id": "c", "spark_python_task": {"python_file": "broken.py"}}
    run_id = cli.json("runs", "submit", "--json", json.dumps(body))["run_id"]
    assert cli.ended(run_id)["state"]["result_state"] == "FAILED"


def test_a_run_is_cancelled(cli: Cli) -> None:
    body = {"run_name": "long", "tasks": settings("long", "sleeper.py")["tasks"]}
    run_id = cli.json("runs", "submit", "--json", json.dumps(body))["run_id"]
    cli("runs", "cancel", "--run-id", str(run_id))
    assert cli.ended(run_id)["state"]["result_state"] == "CANCELED"
