"""`serve` fires the triggers of stored jobs."""

from __future__ import annotations

import time
from pathlib import Path

from tests.server.conftest import start
from tests.server.test_doors import ask


def test_a_cron_schedule_starts_runs_while_the_server_is_up(tmp_path: Path) -> None:
    served = start(tmp_path / "home", tmp_path / "workspace")
    (served.workspace / "tick.py").write_text("print('tick')\n")
    schedule = {"quartz_cron_expression": "* * * * * ?", "timezone_id": "UTC"}
    task = {"task_key": "tick", "spark_python_task": {"python_file": "tick.py"}}
    try:
        body = {"name": "each second", "tasks": [task], "schedule": schedule, "queue": {"enabled": False}}
        job_id = ask(served, "POST", "/api/2.2/jobs/create", body).json["job_id"]
        paused = ask(served, "GET", f"/api/2.2/jobs/get?job_id={job_id}&include_trigger_state=true").json[
            "trigger_state"
        ]
        assert paused == {"pause_status": "UNPAUSED"}
        for _ in range(300):
            runs = ask(served, "GET", f"/api/2.2/jobs/runs/list?job_id={job_id}").json.get("runs", [])
            if any(run["state"].get("result_state") == "SUCCESS" for run in runs):
                break
            time.sleep(0.2)
        assert runs
        assert {run["trigger"] for run in runs} == {"PERIODIC"}
        told = ask(served, "GET", f"/api/2.2/jobs/runs/get?run_id={runs[0]['run_id']}").json
        assert told["schedule"]["quartz_cron_expression"] == "* * * * * ?"
        change = {"schedule": {**schedule, "pause_status": "PAUSED"}}
        ask(served, "POST", "/api/2.2/jobs/update", {"job_id": job_id, "new_settings": change})
        ask(served, "POST", "/api/2.2/jobs/runs/cancel-all", {"job_id": job_id})
    finally:
        assert served.stop() == 0
        served.end()
