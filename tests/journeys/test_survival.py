"""The driving process is killed without warning: what is left, what is told, and how it goes on."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.conftest import Bench, tasks_of, until

SLEEPS = "import time\ntime.sleep(300)"
SCRIPT = """
    import subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    open("started.txt", "w").close()
    time.sleep(0 if __import__("os").path.exists("go_on.txt") else 300)
    child.kill()
"""


@pytest.fixture
def chain(bench: Bench) -> Bench:
    """first (quick) -> second (sleeps until go_on.txt lies there) -> third, and a script beside it."""
    bench.notebook("first.py", "dbutils.jobs.taskValues.set('n', 7)", "dbutils.notebook.exit('one')")
    folder = str(bench.folder)
    bench.notebook(
        "second.py",
        f"import os, time\nopen({folder!r} + '/second.txt', 'w').close()\n"
        f"time.sleep(0 if os.path.exists({folder!r} + '/go_on.txt') else 300)",
        "dbutils.notebook.exit(str(dbutils.jobs.taskValues.get('first', 'n', debugValue=0)))",
    )
    bench.notebook("third.py", "dbutils.notebook.exit('three')")
    bench.job(
        "chain.json",
        {"task_key": "first", "notebook_task": {"notebook_path": "./first.py"}},
        {
            "task_key": "second",
            "depends_on": [{"task_key": "first"}],
            "notebook_task": {"notebook_path": "./second.py"},
        },
        {"task_key": "third", "depends_on": [{"task_key": "second"}], "notebook_task": {"notebook_path": "./third.py"}},
    )
    return bench


def kill(driver: subprocess.Popen[str]) -> None:
    driver.send_signal(signal.SIGKILL)
    driver.communicate(timeout=30)


def the_run(bench: Bench) -> dict[str, Any]:
    [run_id] = bench.run_ids()
    document: dict[str, Any] = bench("runs", "show", run_id, "-o", "json").json
    return document


def test_a_killed_run_is_told_as_an_internal_error_and_goes_on_by_repair(chain: Bench) -> None:
    driver = chain.start("run", "chain.json")
    until(lambda: (chain.folder / "second.txt").exists())
    kill(driver)
    until(lambda: not chain.processes(), 10)
    [row] = chain("runs", "list", "-o", "json").json["runs"]
    assert (row["life_cycle_state"], row["result_state"]) == ("INTERNAL_ERROR", "FAILED")
    assert "process that drove this run ended" in row["message"]
    assert "while second ran" in row["message"]
    told = the_run(chain)
    assert tasks_of(told) == {"first": "SUCCESS", "second": "FAILED", "third": "CANCELED"}
    assert told["task_values"] == {"first": {"n": 7}}
    assert chain("runs", "output", row["run_id"], "--task", "first", "-o", "json").json["first"]["exit_value"] == "one"
    chain.write("go_on.txt", "")
    repaired = chain("runs", "repair", row["run_id"], "-o", "json")
    assert repaired.code == 0, repaired.err
    assert tasks_of(repaired.json) == {"first": "SUCCESS", "second": "SUCCESS", "third": "SUCCESS"}
    by_key = {task["task_key"]: task for task in repaired.json["tasks"]}
    assert by_key["first"]["attempt_number"] == 0
    assert by_key["second"]["output"]["notebook_output"]["result"] == "7"


def test_killed_while_its_first_kernel_starts_it_is_told_too(chain: Bench) -> None:
    driver = chain.start("run", "chain.json")
    until(lambda: (chain.home / "history.sqlite").exists() and is_running(chain.home))
    kill(driver)
    until(lambda: not chain.processes(), 10)
    told = the_run(chain)
    assert told["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert set(tasks_of(told).values()) <= {"FAILED", "CANCELED"}


def is_running(home: Path) -> bool:
    with closing(sqlite3.connect(home / "history.sqlite")) as base:
        try:
            return bool(base.execute("select 1 from runs where life_cycle_state = 'RUNNING'").fetchone())
        except sqlite3.OperationalError:
            return False


def test_a_killed_detached_run_leaves_no_script_and_no_child_of_it(bench: Bench) -> None:
    bench.write("script.py", SCRIPT)
    bench.job("scripts.json", {"task_key": "s", "spark_python_task": {"python_file": "./script.py"}})
    job_id = bench("jobs", "create", "scripts.json").out.strip()
    run_id = int(bench("jobs", "run-now", job_id, "--no-wait").out)
    until(lambda: any("time.sleep(300)" in command for command in bench.commands().values()))
    [driver] = [pid for pid, command in bench.commands().items() if command.endswith(f"drive {run_id}")]
    os.kill(driver, signal.SIGKILL)
    until(lambda: not bench.processes(), 10)
    assert bench("runs", "list", "--state", "INTERNAL_ERROR", "-o", "json").json["runs"][0]["run_id"] == run_id


def test_a_sigterm_ends_a_detached_run_as_cancelled(bench: Bench) -> None:
    bench.notebook("sleeps.py", SLEEPS)
    bench.job("sleeps.json", {"task_key": "s", "notebook_task": {"notebook_path": "./sleeps.py"}})
    driver = bench.start("run", "sleeps.json")
    until(lambda: "RUNNING" in bench("runs", "list").out)
    driver.terminate()
    driver.communicate(timeout=20)
    assert the_run(bench)["state"]["result_state"] == "CANCELED"


@pytest.mark.parametrize("verb", [("run", "work.py"), ("runs", "list"), ("secrets", "create-scope", "s")])
def test_a_home_that_cannot_be_made_is_told_in_a_sentence(bench: Bench, verb: tuple[str, ...]) -> None:
    bench.notebook("work.py", "1")
    bench.home.write_text("a file where a folder should be")
    told = bench(*verb)
    assert told.code == 1
    assert told.out == ""
    [line] = told.err.splitlines()
    assert line.startswith(f"error: cannot create the home folder {bench.home}: ")
    assert "DBUTILS_LOCAL_HOME" in line


@pytest.fixture
def small_disk(bench: Bench) -> Iterator[Bench]:
    """The home lies on a disk of its own that holds 600 kB."""
    disk = bench.folder / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.strip()}")
    bench.home = disk / "home"
    yield bench
    subprocess.run(["umount", str(disk)], check=True)


def fill(bench: Bench) -> None:
    with suppress(OSError), (bench.home.parent / "fill").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 1024)


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount(8)")
def test_a_full_disk_is_told_in_a_sentence(small_disk: Bench) -> None:
    small_disk.write("work.py", "print('work')")
    assert small_disk("run", "work.py").code == 0
    fill(small_disk)
    for verb in (("run", "work.py"), ("runs", "list"), ("secrets", "create-scope", "s")):
        told = small_disk(*verb)
        assert told.code == 1, verb
        [line] = told.err.splitlines()
        assert "full" in line, verb
    (small_disk.home.parent / "fill").unlink()
    assert len(small_disk.run_ids()) == 1


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount(8)")
def test_a_disk_that_fills_up_during_a_run_is_told_and_leaves_no_process(small_disk: Bench) -> None:
    file = str(small_disk.home.parent / "fill")
    small_disk.notebook(
        "fills.py",
        f"with open({file!r}, 'wb', buffering=0) as f:\n    while True:\n        f.write(b'x' * 1024)",
    )
    told = small_disk("run", "fills.py")
    assert told.code == 1
    assert "Traceback" not in told.err
    until(lambda: not small_disk.processes(), 10)
    Path(file).unlink()
    [row] = small_disk("runs", "list", "-o", "json").json["runs"]
    assert row["result_state"] == "FAILED"


def test_a_history_that_is_no_database_is_told_in_a_sentence(bench: Bench) -> None:
    bench.home.mkdir()
    (bench.home / "history.sqlite").write_bytes(b"not a database, but long enough to be taken for one" * 100)
    told = bench("runs", "list")
    assert told.code == 1
    assert "Traceback" not in told.err
    assert "history.sqlite" in told.err


def test_processes_on_one_home_do_not_disturb_each_other(bench: Bench) -> None:
    bench.write("quick.py", "print('quick')")
    bench.job(
        "quick.json", *({"task_key": f"t{n}", "spark_python_task": {"python_file": "./quick.py"}} for n in range(2))
    )
    drivers = [bench.start("run", "quick.json", "-o", "json") for _ in range(3)]
    ends = [driver.communicate(timeout=120) for driver in drivers]
    assert [driver.returncode for driver in drivers] == [0, 0, 0], ends
    assert len(set(bench.run_ids())) == 3
    with closing(sqlite3.connect(bench.home / "history.sqlite")) as base:
        assert base.execute("pragma integrity_check").fetchone() == ("ok",)
