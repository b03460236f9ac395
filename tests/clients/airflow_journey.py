"""Runs in Airflow's own environment: its hook and operators against the server of the connection; prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.databricks.operators.databricks import (
    DatabricksCreateJobsOperator,
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)

FAST = {"polling_period_seconds": 1, "databricks_retry_limit": 2, "databricks_retry_delay": 1, "do_xcom_push": False}


def script(file: str, *parameters: str) -> dict[str, Any]:
    return {"spark_python_task": {"python_file": file, "parameters": list(parameters)}}


def task(key: str, file: str, **more: Any) -> dict[str, Any]:
    return {"task_key": key, **script(file), **more}


def create(name: str, tasks: list[dict[str, Any]]) -> int:
    operator = DatabricksCreateJobsOperator(task_id=name, name=name, tasks=tasks, **retries())
    return int(operator.execute({}))


def retries() -> dict[str, Any]:
    return {name: FAST[name] for name in ("polling_period_seconds", "databricks_retry_limit", "databricks_retry_delay")}


def failure_of(operator: Any) -> str:
    try:
        operator.execute({})
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises is what this journey tells
        return f"{type(error).__name__}: {error}"
    return ""


async def asked_asynchronously(hook: DatabricksHook, run_id: int) -> dict[str, Any]:
    async with hook:
        state = await hook.a_get_run_state(run_id)
        page = await hook.a_get_run_page_url(run_id)
        output = await hook.a_get_run(run_id)
    return {"state": state.result_state, "page": page, "tasks": len(output["tasks"])}


def main() -> None:
    hook = DatabricksHook(retry_limit=2, retry_delay=1)
    told: dict[str, Any] = {"connection": hook.test_connection()}
    job_id = create("made-by-airflow", [task("a", "hello.py"), task("b", "hello.py", depends_on=[{"task_key": "a"}])])
    told["again"] = create("made-by-airflow", [task("a", "hello.py"), task("b", "hello.py")]) == job_id
    told["found"] = hook.find_job_id_by_name("made-by-airflow") == job_id
    run = DatabricksRunNowOperator(task_id="run", job_id=job_id, **FAST)
    run.execute({})
    told["run"] = hook.get_run_state(run.run_id).result_state
    told["page"] = hook.get_run_page_url(run.run_id)
    told["async"] = asyncio.run(asked_asynchronously(DatabricksHook(), run.run_id))
    by_name = DatabricksRunNowOperator(task_id="named", job_name="made-by-airflow", job_parameters={"x": "1"}, **FAST)
    by_name.execute({})
    submitted = DatabricksSubmitRunOperator(
        task_id="submit", existing_cluster_id="c", **script("hello.py", "you"), **FAST
    )
    submitted.execute({})
    told["submitted"] = hook.get_run_state(submitted.run_id).result_state
    told["output"] = hook.get_run_output(hook.get_run(submitted.run_id)["tasks"][0]["run_id"]).get("logs")
    broken = DatabricksSubmitRunOperator(
        task_id="broken", tasks=[task("bad", "broken.py"), task("good", "hello.py")], **FAST
    )
    told["broken"] = failure_of(broken)
    flaky = create("flaky", [task("bad", "broken.py"), task("good", "hello.py")])
    repaired = DatabricksRunNowOperator(task_id="repair", job_id=flaky, repair_run=True, **FAST)
    told["repaired"] = failure_of(repaired)
    told["repairs"] = hook.get_latest_repair_id(repaired.run_id) is not None
    sleeping = hook.submit_run({"run_name": "long", "tasks": [task("sleep", "sleeper.py")]})
    hook.cancel_run(sleeping)
    hook.cancel_all_runs(job_id)
    told["cancelled"] = hook.get_run_state(sleeping).life_cycle_state
    told["permissions"] = hook.update_job_permission(job_id, {"access_control_list": []})
    json.dump(told, sys.stdout, default=str)


if __name__ == "__main__":
    main()
