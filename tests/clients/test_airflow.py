"""Apache Airflow's Databricks provider, its hook and operators, drives our jobs from its own environment."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import environment
from tests.server.conftest import Served

pytestmark = [pytest.mark.clients, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def told(served: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the journey inside Airflow's environment saw."""
    python = environment("airflow", "apache-airflow", "apache-airflow-providers-databricks")
    home = tmp_path_factory.mktemp("airflow")
    host, port = served.url.removeprefix("http://").split(":")
    connection = {
        "conn_type": "databricks",
        "host": host,
        "port": int(port),
        "schema": "http",
        "password": served.token,
    }
    environ = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "HOME": str(home)}
    environ["AIRFLOW_CONN_DATABRICKS_DEFAULT"] = json.dumps(connection)
    journey = Path(__file__).with_name("airflow_journey.py")
    done = subprocess.run(
        [str(python), str(journey)], env=environ, cwd=home, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_the_connection_is_found_good(told: dict[str, Any]) -> None:
    assert told["connection"][0] is True


def test_a_job_is_created_once_and_found_by_its_name(told: dict[str, Any]) -> None:
    assert told["again"]
    assert told["found"]


def test_operators_run_a_job_and_a_one_off_run(told: dict[str, Any]) -> None:
    assert (told["run"], told["submitted"]) == ("SUCCESS", "SUCCESS")
    assert "hello you" in told["output"]
    assert "/dbutils-local/" in told["page"]


def test_the_asynchronous_client_is_understood(told: dict[str, Any]) -> None:
    assert told["async"]["state"] == "SUCCESS"
    assert told["async"]["tasks"] == 2


def test_a_failed_run_fails_the_operator_and_names_the_task(told: dict[str, Any]) -> None:
    assert "bad" in told["broken"]
    assert "broken on purpose" in told["broken"]


def test_a_failed_run_is_repaired_by_the_operator(told: dict[str, Any]) -> None:
    assert told["repairs"]
    assert told["repaired"]


def test_runs_are_cancelled_and_permissions_set(told: dict[str, Any]) -> None:
    assert told["cancelled"] in ("PENDING", "RUNNING", "TERMINATING", "TERMINATED")
    assert told["permissions"]["object_type"] == "job"
