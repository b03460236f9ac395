"""Stored jobs by the command line: created, started, limited, queued."""

from __future__ import annotations

import json

import pytest

from tests.journeys.conftest import Bench, until


@pytest.fixture(scope="module")
def stored(shared: Bench) -> int:
    shared.notebook("say.py", "dbutils.notebook.exit(dbutils.widgets.get('who'))")
    shared.job(
        "say.json",
        {"task_key": "say", "notebook_task": {"notebook_path": "./say.py"}},
        parameters=[{"name": "who", "default": "you"}],
    )
    return int(shared("jobs", "create", "say.json").out)


def test_a_job_is_stored_listed_and_shown(shared: Bench, stored: int) -> None:
    [row] = shared("jobs", "list", "-o", "json").json["jobs"]
    assert row["job_id"] == stored
    assert "say" in shared("jobs", "list", "--name", "SAY").out
    assert shared("jobs", "list", "--name", "other").out == "no jobs\n"
    assert shared("jobs", "get", stored).json["settings"]["parameters"] == [{"name": "who", "default": "you"}]


def test_run_now_waits_for_the_end_and_takes_parameters(shared: Bench, stored: int) -> None:
    told = shared("jobs", "run-now", stored, "-p", "who=me", "-o", "json")
    assert told.code == 0, told.err
    assert told.json["job_id"] == stored
    assert told.json["tasks"][0]["output"]["notebook_output"]["result"] == "me"


def test_a_detached_run_goes_on_alone(shared: Bench, stored: int) -> None:
    run_id = shared("jobs", "run-now", stored, "--no-wait", "-o", "json").json["run_id"]
    ended = until(lambda: ended_run(shared, run_id))
    assert ended["tasks"][0]["output"]["notebook_output"]["result"] == "you"
    assert (shared.home / "runs" / str(run_id) / "driver.log").read_text() == ""


def ended_run(bench: Bench, run_id: int) -> dict | None:
    told = bench("runs", "show", run_id, "-o", "json").json
    return told if told["state"].get("result_state") else None


def test_settings_are_replaced_and_the_job_is_paused_and_forgotten(shared: Bench, stored: int) -> None:
    shared.job(
        "renamed.json",
        {"task_key": "say", "notebook_task": {"notebook_path": "./say.py"}},
        schedule={"quartz_cron_expression": "0 0 3 * * ?", "timezone_id": "UTC"},
    )
    job_id = int(shared("jobs", "create", "say.json").out)
    assert shared("jobs", "update", job_id, "renamed.json").code == 0
    assert "schedule" in shared("jobs", "list").out
    assert shared("jobs", "pause", job_id).code == 0
    assert "schedule (paused)" in shared("jobs", "list").out
    assert shared("jobs", "unpause", job_id).code == 0
    assert shared("jobs", "delete", job_id).code == 0
    assert shared("jobs", "get", job_id).code == 2


@pytest.mark.parametrize("queue", [False, True])
def test_over_the_limit_a_run_is_skipped_or_waits(bench: Bench, queue: bool) -> None:
    go_on = str(bench.folder / "go_on.txt")
    bench.write("wait.py", f"import os, time\nwhile not os.path.exists({go_on!r}):\n    time.sleep(0.05)\n")
    bench.job(
        "wait.json",
        {"task_key": "wait", "spark_python_task": {"python_file": "./wait.py"}},
        max_concurrent_runs=1,
        queue={"enabled": queue},
    )
    job_id = bench("jobs", "create", "wait.json").out.strip()
    first = int(bench("jobs", "run-now", job_id, "--no-wait").out)
    second = bench("jobs", "run-now", job_id, "-o", "json")
    (bench.folder / "go_on.txt").touch()
    if queue:
        assert second.code == 0
        assert "is queued" in second.err
        waited = second.json["run_id"]
        assert until(lambda: ended_run(bench, waited))["state"]["result_state"] == "SUCCESS"
    else:
        assert second.code == 1
        assert second.json["state"]["life_cycle_state"] == "SKIPPED"
        assert second.json["state"]["result_state"] == "MAXIMUM_CONCURRENT_RUNS_REACHED"
    assert until(lambda: ended_run(bench, first))["state"]["result_state"] == "SUCCESS"


@pytest.mark.parametrize("asked", ["queue", "skip", "nothing"])
def test_a_run_here_and_now_keeps_to_the_limit_its_job_gives(bench: Bench, asked: str) -> None:
    go_on = str(bench.folder / "go_on.txt")
    wait = bench.write("wait.py", f"import os, time\nwhile not os.path.exists({go_on!r}):\n    time.sleep(0.05)\n")
    said = {"queue": {"enabled": asked == "queue"}} | ({} if asked == "nothing" else {"max_concurrent_runs": 1})
    bench.job("wait.json", {"task_key": "wait", "spark_python_task": {"python_file": str(wait)}}, **said)
    first = bench.start("run", "wait.json")
    until(lambda: any("wait.py" in line for line in bench.commands().values()))
    second = bench.start("run", "wait.json", "-o", "json")
    assert second.stderr is not None
    if asked == "queue":
        assert "Queued due to reaching maximum concurrent runs of 1" in second.stderr.readline()
    if asked == "nothing":
        until(lambda: sum("wait.py" in line for line in bench.commands().values()) == 2)
    if asked != "skip":
        (bench.folder / "go_on.txt").touch()
    ended = json.loads(second.communicate(timeout=120)[0])
    (bench.folder / "go_on.txt").touch()
    first.communicate(timeout=120)
    assert first.returncode == 0
    assert ended["state"]["life_cycle_state"] == ("SKIPPED" if asked == "skip" else "TERMINATED")
    assert second.returncode == (1 if asked == "skip" else 0)


def test_a_queued_run_here_and_now_is_cancelled_from_elsewhere(bench: Bench) -> None:
    go_on = str(bench.folder / "go_on.txt")
    wait = bench.write("wait.py", f"import os, time\nwhile not os.path.exists({go_on!r}):\n    time.sleep(0.05)\n")
    task = {"task_key": "wait", "spark_python_task": {"python_file": str(wait)}}
    bench.job("wait.json", task, max_concurrent_runs=1, queue={"enabled": True})
    first = bench.start("run", "wait.json")
    until(lambda: any("wait.py" in line for line in bench.commands().values()))
    second = bench.start("run", "wait.json", "-o", "json")
    assert second.stderr is not None
    assert "Queued" in second.stderr.readline()
    assert bench("runs", "cancel", max(bench.run_ids())).code == 0
    assert json.loads(second.communicate(timeout=120)[0])["state"]["result_state"] == "CANCELED"
    assert second.returncode == 1
    (bench.folder / "go_on.txt").touch()
    first.communicate(timeout=120)
    assert first.returncode == 0


def test_jobs_are_stored_with_the_folder_their_paths_count_from(shared: Bench, stored: int) -> None:
    shared.notebook("deep/down/here.py", "dbutils.notebook.exit('here')")
    shared.write(
        "deep/down/job.json",
        json.dumps({"name": "deep", "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "./here"}}]}),
    )
    job_id = shared("jobs", "create", "deep/down/job.json").out.strip()
    told = shared("jobs", "run-now", job_id, "-o", "json")
    assert told.json["tasks"][0]["output"]["notebook_output"]["result"] == "here"
