"""The command line in processes of its own, with a home and a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

COMMAND = (sys.executable, "-m", "dbutils_local")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as exactly one JSON document."""
        return json.loads(self.out)


@dataclass
class Bench:
    """A folder with specs and notebooks, a home, and the command line over both."""

    folder: Path
    home: Path
    environ: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        """A file of this folder; the text is dedented."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def notebook(self, name: str, *cells: str) -> Path:
        """A notebook in Databricks' source format."""
        cells = tuple(textwrap.dedent(cell).strip() for cell in cells)
        return self.write(name, "# Databricks notebook source\n" + "\n\n# COMMAND ----------\n\n".join(cells) + "\n")

    def job(self, name: str, *tasks: dict[str, Any], **settings: Any) -> Path:
        """Job settings as JSON."""
        return self.write(name, json.dumps({"name": Path(name).stem, **settings, "tasks": list(tasks)}))

    def env(self) -> dict[str, str]:
        return {**os.environ, "DBUTILS_LOCAL_HOME": str(self.home), **self.environ}

    def __call__(self, *args: object, stdin: str = "", timeout: float = 120) -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            [*COMMAND, *map(str, args)],
            cwd=self.folder,
            env=self.env(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *args: object) -> subprocess.Popen[str]:
        """Start a command in a session of its own, as a terminal would."""
        process = subprocess.Popen(
            [*COMMAND, *map(str, args)],
            cwd=self.folder,
            env=self.env(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def processes(self) -> list[psutil.Process]:
        """Every living process that was started for this home."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                mine = process.environ().get("DBUTILS_LOCAL_HOME") == str(self.home)
                if mine and process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
                    found.append(process)
        return found

    def commands(self) -> dict[int, str]:
        """pid -> command line of every living process of this home."""
        found = {}
        for process in self.processes():
            with suppress(psutil.Error):
                found[process.pid] = " ".join(process.cmdline())
        return found

    def run_ids(self) -> list[int]:
        return [row["run_id"] for row in self("runs", "list", "-o", "json").json["runs"]]


def until(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for something to become true, and return it."""
    give_up = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < give_up, f"still not true after {seconds} s: {what}"
        time.sleep(0.05)


def tasks_of(document: dict[str, Any]) -> dict[str, str]:
    """task_key -> result of a Run document; the last attempt counts."""
    ends = sorted(document["tasks"], key=lambda task: (task.get("attempt_number") or 0, task["run_id"]))
    return {task["task_key"]: task["state"].get("result_state", task["state"]["life_cycle_state"]) for task in ends}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench of this test alone; when it is over, nothing of it runs any more."""
    yield from a_bench(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One bench for the tests of a module that do not disturb each other."""
    yield from a_bench(tmp_path_factory.mktemp("shared"))


def end(process: subprocess.Popen[str]) -> str:
    """Kill a command that a failed test left running, and let go of its pipes; what it said."""
    if process.poll() is None:
        process.kill()
    if process.stdout is None or process.stdout.closed:
        return ""
    return "".join(process.communicate(timeout=30))


def a_bench(folder: Path) -> Iterator[Bench]:
    work = folder / "work"
    work.mkdir()
    made = Bench(work, folder / "home")
    yield made
    told = [end(process) for process in made.started]
    try:
        until(lambda: not made.processes(), 10)
    except AssertionError as error:
        raise AssertionError(f"left behind: {made.commands()}; what the commands said: {told}") from error
    finally:
        for process in made.processes():
            with suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
