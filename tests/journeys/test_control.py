"""Runs that are interrupted, cancelled, repaired, or run in part."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from tests.journeys.conftest import Bench, tasks_of, until


@pytest.fixture
def sleeper(bench: Bench) -> Bench:
    """A job that says by a file that its notebook runs, then sleeps; `after` would follow, `always` cleans up."""
    started = str(bench.folder / "started.txt")
    bench.notebook("sleeps.py", f"import time\nopen({started!r}, 'w').close()\ntime.sleep(300)")
    bench.notebook("after.py", "1")
    bench.job(
        "sleeper.json",
        {"task_key": "sleeps", "notebook_task": {"notebook_path": "./sleeps.py"}},
        {"task_key": "after", "depends_on": [{"task_key": "sleeps"}], "notebook_task": {"notebook_path": "./after.py"}},
    )
    return bench


@pytest.mark.parametrize("to_group", [False, True], ids=["the process", "its group, as a terminal does"])
def test_ctrl_c_cancels_the_run_and_leaves_no_process(sleeper: Bench, to_group: bool) -> None:
    driver = sleeper.start("run", "sleeper.json", "-o", "json")
    until((sleeper.folder / "started.txt").exists)
    below = psutil.Process(driver.pid).children(recursive=True)
    os.killpg(driver.pid, signal.SIGINT) if to_group else driver.send_signal(signal.SIGINT)
    out, err = driver.communicate(timeout=30)
    assert driver.returncode == 130, err
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(below, timeout=5)
    assert alive == []
    assert '"result_state": "CANCELED"' in out
    [row] = sleeper("runs", "list", "-o", "json").json["runs"]
    assert (row["life_cycle_state"], row["result_state"]) == ("TERMINATED", "CANCELED")


def test_a_run_is_cancelled_from_another_process(sleeper: Bench) -> None:
    driver = sleeper.start("run", "sleeper.json")
    until((sleeper.folder / "started.txt").exists)
    [run_id] = sleeper.run_ids()
    assert sleeper("runs", "cancel", run_id).code == 0
    driver.communicate(timeout=30)
    assert driver.returncode == 1
    told = sleeper("runs", "show", run_id, "-o", "json").json
    assert tasks_of(told) == {"sleeps": "CANCELED", "after": "CANCELED"}
    assert told["state"]["state_message"] == "Run cancelled."


def test_one_task_is_cancelled_by_its_task_run_id(sleeper: Bench) -> None:
    driver = sleeper.start("run", "sleeper.json")
    until((sleeper.folder / "started.txt").exists)
    [run_id] = sleeper.run_ids()
    task = sleeper("runs", "show", run_id, "-o", "json").json["tasks"][0]
    assert task["state"]["life_cycle_state"] == "RUNNING"
    sleeper("runs", "cancel", task["run_id"])
    driver.communicate(timeout=30)
    told = sleeper("runs", "show", run_id, "-o", "json").json
    assert tasks_of(told) == {"sleeps": "CANCELED", "after": "UPSTREAM_CANCELED"}


def test_an_active_run_is_neither_deleted_nor_repaired(sleeper: Bench) -> None:
    driver = sleeper.start("run", "sleeper.json")
    until((sleeper.folder / "started.txt").exists)
    [run_id] = sleeper.run_ids()
    for verb in ("delete", "repair"):
        told = sleeper("runs", verb, run_id)
        assert told.code == 2
        assert f"Run {run_id} is still active" in told.err
    driver.send_signal(signal.SIGINT)
    driver.communicate(timeout=30)


def test_logs_are_followed_while_they_are_written(bench: Bench) -> None:
    bench.write("talks.py", "import time\nfor n in range(3):\n    print('line', n, flush=True)\n    time.sleep(0.3)\n")
    bench.job("talks.json", {"task_key": "talks", "spark_python_task": {"python_file": "./talks.py"}})
    driver = bench.start("run", "talks.json")
    [run_id] = until(bench.run_ids)
    followed = bench("runs", "logs", run_id, "-f")
    assert followed.out.count("line") == 3
    assert bench("runs", "logs", run_id, "--task", "talks").out == followed.out
    driver.communicate(timeout=30)


# ---------------------------------------------------------------- in part, and again


@pytest.fixture(scope="module")
def parts(shared: Bench) -> Bench:
    """load -> check (fails unless ok.txt lies there) -> publish, with `side` beside them."""
    ok = str(shared.folder / "ok.txt")
    shared.notebook("load.py", "dbutils.jobs.taskValues.set('rows', 3)")
    shared.notebook(
        "check.py",
        f"import os\nassert os.path.exists({ok!r}), 'no ok file'",
        "rows = dbutils.jobs.taskValues.get('load', 'rows', debugValue=-1)",
        "dbutils.jobs.taskValues.set('checked', rows * 10)",
        "dbutils.notebook.exit(str(rows))",
    )
    shared.notebook(
        "publish.py",
        "dbutils.widgets.text('who', 'nobody')",
        "dbutils.notebook.exit(dbutils.widgets.get('who') + str(dbutils.jobs.taskValues.get('check', 'checked')))",
    )
    shared.job(
        "parts.json",
        {"task_key": "load", "notebook_task": {"notebook_path": "./load.py"}},
        {"task_key": "check", "depends_on": [{"task_key": "load"}], "notebook_task": {"notebook_path": "./check.py"}},
        {
            "task_key": "publish",
            "depends_on": [{"task_key": "check"}],
            "notebook_task": {"notebook_path": "./publish.py"},
        },
        parameters=[{"name": "who", "default": "all"}],
    )
    return shared


def test_a_failed_run_shows_why_and_is_repaired_with_the_files_as_they_are_now(parts: Bench) -> None:
    failed = parts("run", "parts.json")
    assert failed.code == 1
    assert "AssertionError: no ok file" in failed.out
    assert "check.py" in failed.out
    [run_id] = parts.run_ids()
    told = parts("runs", "output", run_id, "--task", "check")
    assert "assert os.path.exists" in told.out
    (parts.folder / "ok.txt").touch()
    repaired = parts("runs", "repair", run_id, "-p", "who=us", "-o", "json")
    assert repaired.code == 0, repaired.err
    by_key = {
        task["task_key"]: task for task in repaired.json["tasks"] if task["state"].get("result_state") == "SUCCESS"
    }
    assert {key: task["attempt_number"] for key, task in by_key.items()} == {"load": 0, "check": 1, "publish": 0}
    assert by_key["publish"]["output"]["notebook_output"]["result"] == "us30"
    history = repaired.json["repair_history"]
    assert [entry["type"] for entry in history] == ["ORIGINAL", "REPAIR"]
    assert "-> SUCCESS" in parts("runs", "show", run_id).out
    again = parts("runs", "repair", run_id)
    assert again.code == 2
    assert "no failed task" in again.err
    exact = parts("runs", "repair", run_id, "--tasks", "publish", "-o", "json")
    assert exact.code == 0, exact.err
    assert [entry["type"] for entry in exact.json["repair_history"]] == ["ORIGINAL", "REPAIR", "REPAIR"]


def test_only_some_tasks_run(parts: Bench) -> None:
    told = parts("run", "parts.json", "--only", "load", "-o", "json")
    assert tasks_of(told.json) == {"load": "SUCCESS"}
    (parts.folder / "ok.txt").touch()
    told = parts("run", "parts.json", "--only", "+check", "-o", "json")
    assert tasks_of(told.json) == {"load": "SUCCESS", "check": "SUCCESS"}


def test_from_a_task_on_the_last_runs_values_stand_in(parts: Bench) -> None:
    (parts.folder / "ok.txt").touch()
    assert parts("run", "parts.json").code == 0
    time.sleep(0.01)
    told = parts("run", "parts.json", "--from", "publish", "-o", "json")
    assert told.code == 0, told.err
    by_key = {task["task_key"]: task for task in told.json["tasks"]}
    assert by_key["publish"]["output"]["notebook_output"]["result"] == "all30"
    assert by_key["check"]["stubbed"] is True
    assert "stubbed" in parts("runs", "show", told.json["run_id"]).out.lower()


def test_a_stub_gives_the_values_it_is_told(parts: Bench) -> None:
    told = parts("run", "parts.json", "--stub", "check", "--task-value", "check.checked=5", "-p", "who=x", "-o", "json")
    assert told.code == 0, told.err
    assert tasks_of(told.json)["check"] == "SUCCESS"
    assert told.json["task_values"]["check"] == {"checked": 5}
    publish = next(task for task in told.json["tasks"] if task["task_key"] == "publish")
    assert publish["output"]["notebook_output"]["result"] == "x5"


def test_from_without_an_earlier_run_names_the_way_on(bench: Bench) -> None:
    bench.notebook("a.py", "1")
    bench.job(
        "ab.json",
        {"task_key": "a", "notebook_task": {"notebook_path": "./a.py"}},
        {"task_key": "b", "depends_on": [{"task_key": "a"}], "notebook_task": {"notebook_path": "./a.py"}},
    )
    told = bench("run", "ab.json", "--from", "b")
    assert told.code == 2
    assert "no earlier run" in told.err
    assert "--stub a" in told.err
    assert not bench.home.exists()
