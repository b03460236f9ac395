"""The server under load: 200 clients that poll while 50 runs are in flight, and what starting a run costs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.report import Report

SUBJECT = "serve"
CLIENTS = 200
RUNS = 50
POLL_SECONDS = 1.0  # the shortest interval of the SDK's waiter
SECONDS = 20.0
LIMIT_GET_MS = 250.0
LIMIT_RUN_NOW_MS = 30.0
TOKEN = "bench"


def run(report: Report) -> None:
    """Serve a home of its own on the loopback, load it, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        process, port = _start(Path(folder))
        try:
            asyncio.run(_measure(report, port))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def _start(folder: Path) -> tuple[subprocess.Popen[str], int]:
    (folder / "work").mkdir()
    (folder / "work" / "wait.py").write_text("import time\ntime.sleep(45)\n")
    environ = {**os.environ, "DBUTILS_LOCAL_HOME": str(folder / "home"), "HOME": str(folder)}
    environ["DBUTILS_LOCAL_WORKSPACE"] = str(folder / "work")
    process = subprocess.Popen(
        [sys.executable, "-m", "dbutils_local", "serve", "--port", "0", "--token", TOKEN],
        cwd=folder / "work",
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"run pages: http://127\.0\.0\.1:(\d+)/", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, int(found[1])
    raise RuntimeError("the server did not start")


class Client:
    """One connection kept open, as clients keep it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of one request."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        writer.write(head.encode() + f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
        headers = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(re.search(r"(?i)content-length: (\d+)", headers)[1])  # type: ignore[index]
        return int(headers.split()[1]), json.loads(await reader.readexactly(length))

    async def close(self) -> None:
        """Let go of the connection."""
        if self._streams is not None:
            self._streams[1].close()
            await self._streams[1].wait_closed()


async def _measure(report: Report, port: int) -> None:
    client = Client(port)
    task = {"task_key": "wait", "spark_python_task": {"python_file": "wait.py"}}
    check = {"task_key": "check", "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}
    quick = await client.ask("POST", "/api/2.2/jobs/create", {"tasks": [check], "max_concurrent_runs": 1000})
    await _run_now(report, client, quick[1]["job_id"])
    long = await client.ask("POST", "/api/2.2/jobs/create", {"tasks": [task, check], "max_concurrent_runs": 1000})
    runs = []
    for _ in range(RUNS):
        _, told = await client.ask("POST", "/api/2.2/jobs/run-now", {"job_id": long[1]["job_id"]})
        runs.append(told["run_id"])
    await _in_flight(client, runs)
    took, failures = await _poll(port, runs)
    going = await _going(client, runs)
    took.sort()
    detail = (
        f"{CLIENTS} clients every {POLL_SECONDS:g} s, {going} runs in flight, {len(took)} requests, {failures} errors"
    )
    report.figure(SUBJECT, "runs/get, median", took[len(took) // 2], "ms", detail=detail)
    report.figure(SUBJECT, "runs/get, 95th percentile", took[int(len(took) * 0.95)], "ms", LIMIT_GET_MS, detail)
    report.figure(SUBJECT, "requests that failed", failures, "", 0)
    await client.ask("POST", "/api/2.2/jobs/runs/cancel-all", {"job_id": long[1]["job_id"]})
    await _all_over(client, long[1]["job_id"])
    await client.close()


async def _run_now(report: Report, client: Client, job_id: int) -> None:
    """One after the other, once the server is warm."""
    took = []
    for number in range(25):
        begun = time.perf_counter()
        status, _ = await client.ask("POST", "/api/2.2/jobs/run-now", {"job_id": job_id})
        assert status == 200
        if number >= 5:
            took.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(0.5)  # the last run's process is not what is measured
    took.sort()
    report.figure(SUBJECT, "run-now, median", took[len(took) // 2], "ms", LIMIT_RUN_NOW_MS)


async def _in_flight(client: Client, runs: list[int]) -> None:
    for run_id in runs:
        while True:
            _, told = await client.ask("GET", f"/api/2.2/jobs/runs/get?run_id={run_id}")
            if told["state"]["life_cycle_state"] != "PENDING":
                break
            await asyncio.sleep(0.2)


async def _poll(port: int, runs: list[int]) -> tuple[list[float], int]:
    took: list[float] = []
    failures = 0
    end = time.perf_counter() + SECONDS

    async def one(number: int) -> None:
        nonlocal failures
        client = Client(port)
        await asyncio.sleep(POLL_SECONDS * number / CLIENTS)
        while time.perf_counter() < end:
            begun = time.perf_counter()
            status, _ = await client.ask("GET", f"/api/2.2/jobs/runs/get?run_id={runs[number % len(runs)]}")
            took.append((time.perf_counter() - begun) * 1000)
            failures += status != 200
            await asyncio.sleep(max(0.0, POLL_SECONDS - (time.perf_counter() - begun)))
        await client.close()

    await asyncio.gather(*(one(number) for number in range(CLIENTS)))
    return took, failures


async def _going(client: Client, runs: list[int]) -> int:
    """How many are still running: what was measured was measured beside them."""
    states = [(await client.ask("GET", f"/api/2.2/jobs/runs/get?run_id={run_id}"))[1]["state"] for run_id in runs]
    return sum(state["life_cycle_state"] == "RUNNING" for state in states)


async def _all_over(client: Client, job_id: int) -> None:
    for _ in range(300):
        _, told = await client.ask("GET", f"/api/2.2/jobs/runs/list?job_id={job_id}&active_only=true")
        if not told.get("runs"):
            return
        await asyncio.sleep(0.2)
