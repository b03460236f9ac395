"""What a person sees of a run while it goes."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from dbutils_local.cli.progress import _Lines, task_table
from dbutils_local.core.machine import apply, begin
from dbutils_local.core.state import Failure
from dbutils_local.views.snapshot import snapshot
from tests.scripted_runs import CALM, NIGHTLY, Script


def test_one_line_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    script = Script(NIGHTLY, {**CALM, "plan": [Failure("RuntimeError: not yet"), CALM["plan"]]}).play()
    lines = _Lines()
    state = begin(script.events[0])  # type: ignore[arg-type]
    for event in script.events[1:]:
        lines(apply(state, event), (event,))
    told = [line[9:] for line in capsys.readouterr().err.splitlines()]
    assert told[0] == "run 7 RUNNING"
    assert any(line.startswith("plan WAITING_FOR_RETRY") for line in told)
    assert any(line.startswith("per_region[1] SUCCESS") for line in told)
    assert told[-1].startswith("run 7 SUCCESS in")
    assert len(told) == len(set(told))


def test_the_table_has_a_row_a_task() -> None:
    script = Script().play()
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(task_table(snapshot(script.state, script.at)))
    text = console.export_text()
    assert "nightly" in text
    for word in ("plan", "enough_rows", "per_region", "EXCLUDED", "cleanup"):
        assert word in text


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_terminal_gets_a_live_table_and_stdout_stays_one_document(tmp_path: Path) -> None:
    (tmp_path / "quick.py").write_text("print('quick')\n")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "dbutils_local", "run", "quick.py", "-o", "json"],
        cwd=tmp_path,
        env={**os.environ, "DBUTILS_LOCAL_HOME": str(tmp_path / "home"), "TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(master)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.decode().startswith("{\n")
    assert b"quick" in shown
    assert b"SUCCESS" in shown
    assert b"\x1b[" in shown
