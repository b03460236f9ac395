"""The same doors inside an ordinary Jupyter server, below its base URL and with its token."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from tests.server.conftest import Served
from tests.server.test_doors import ask

BASE = "/some/base"


def _wait_for(port: int) -> None:
    """Jupyter says its address a moment before it listens there."""
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on port {port}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`jupyter server` as a user starts it; the extension is found by the configuration our package installs."""
    folder = tmp_path_factory.mktemp("jupyter")
    installed = folder / "etc" / "jupyter_server_config.d"
    installed.mkdir(parents=True)
    ours = Path(__file__).parents[2] / "jupyter_ext" / "config" / "dbutils_local.json"
    (installed / "dbutils_local.json").write_text(ours.read_text())
    (folder / "work").mkdir()
    (folder / "work" / "hello.py").write_text("print('hello')\n")
    environ = {**os.environ, "HOME": str(folder), "JUPYTER_CONFIG_PATH": str(folder / "etc")}
    environ |= {"DBUTILS_LOCAL_HOME": str(folder / "home"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime")}
    options = [f"--ServerApp.base_url={BASE}", "--IdentityProvider.token=its-token", "--ServerApp.ip=127.0.0.1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--port=0", *options],
        cwd=folder / "work",
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Served("", folder / "home", folder / "work", process, token="its-token")
    assert process.stderr is not None
    for line in process.stderr:
        running.said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:(\d+)/", line):
            running.url = f"http://127.0.0.1:{found[1]}{BASE}"
            _wait_for(int(found[1]))
            break
    else:
        raise AssertionError("".join(running.said))
    threading.Thread(target=lambda: running.said.extend(process.stderr or ()), daemon=True).start()
    yield running
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=30)
    process.stderr.close()


def test_the_sdk_drives_jobs_below_a_base_url(served: Served) -> None:
    client = WorkspaceClient(config=Config(host=served.url, token=served.token, retry_timeout_seconds=10))
    assert client.current_user.me().user_name
    body = {"run_name": "r", "tasks": [{"task_key": "a", "spark_python_task": {"python_file": "hello.py"}}]}
    run_id = client.api_client.do("POST", "/api/2.2/jobs/runs/submit", body=body)
    ended = client.jobs.wait_get_run_job_terminated_or_skipped(int(dict(run_id)["run_id"]))  # type: ignore[call-overload]
    assert ended.state is not None
    assert ended.state.state_message == ""
    assert (ended.run_page_url or "").startswith(f"{served.url}/dbutils-local/")
    client.api_client._api_client._session.close()


def test_jupyters_own_doors_stay_as_they_are(served: Served) -> None:
    assert ask(served, "GET", "/api/status").status == 200
    assert ask(served, "GET", "/api/status", token="wrong").status == 403
    assert ask(served, "GET", "/api/2.2/jobs/list", token="wrong").status == 401


def test_pages_lie_below_the_base_url_too(served: Served) -> None:
    page = ask(served, "GET", "/dbutils-local/")
    assert page.status == 200
    assert f'href="{BASE}/dbutils-local/jobs"' in page.body.decode()
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy


def test_the_token_in_the_query_is_a_login_too(served: Served) -> None:
    answer = ask(served, "GET", f"/api/2.2/jobs/list?token={served.token}", token=None)
    assert answer.status == 200
    told: Any = json.loads(answer.body)
    assert "jobs" not in told
