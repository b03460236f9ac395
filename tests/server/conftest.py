"""A real `serve` in a process of its own with a home of its own, and clients for it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TOKEN = "test-token"
NOTEBOOK = """# Databricks notebook source
dbutils.widgets.text("day", "none")
print("working on", dbutils.widgets.get("day"))

# COMMAND ----------
dbutils.jobs.taskValues.set("rows", 5)
dbutils.notebook.exit("done " + dbutils.widgets.get("day"))
"""


@dataclass
class Served:
    """A running server: its address, its folders, and what it said."""

    url: str
    home: Path
    workspace: Path
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    token: str = TOKEN

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def end(self) -> None:
        """Stop it and let go of its pipe."""
        if self.process.poll() is None:
            self.stop()
        if self.process.stderr is not None:
            self.process.stderr.close()


def start(home: Path, workspace: Path, *options: str) -> Served:
    """`dbutils-local serve` on a free port; returns when it answers."""
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "work.py").write_text(NOTEBOOK)
    environ = {
        **os.environ,
        "DBUTILS_LOCAL_HOME": str(home),
        "HOME": str(home.parent),
        "JUPYTER_CONFIG_DIR": str(home.parent / "jc"),
    }
    environ["JUPYTER_RUNTIME_DIR"] = str(home.parent / "jr")
    environ["DBUTILS_LOCAL_WORKSPACE"] = str(workspace)
    process = subprocess.Popen(
        [sys.executable, "-m", "dbutils_local", "serve", "--port", "0", "--token", TOKEN, *options],
        cwd=workspace,
        env=environ,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    served = Served("", home, workspace, process)
    assert process.stderr is not None
    for line in process.stderr:
        served.said.append(line)
        if found := re.search(r"run pages: (http://\S+)/dbutils-local/", line):
            served.url = found[1]
            break
    else:
        process.wait(timeout=30)
        process.stderr.close()
        raise AssertionError("the server did not start: " + "".join(served.said))
    # The pipe is read to its end, so that the server never waits for a reader.
    threading.Thread(target=lambda: served.said.extend(process.stderr or ()), daemon=True).start()
    return served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that only look or start small things."""
    folder = tmp_path_factory.mktemp("served")
    running = start(folder / "home", folder / "workspace")
    yield running
    running.end()
