"""The scenarios of the jobs reference, section 11, by name, on the job that it ships."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from play import FAIL, HANG, OK, Play

JOB = json.loads((Path(__file__).parents[1] / "data" / "spec" / "nightly_orders.job.json").read_text("utf-8"))
REGIONS = [{"code": "eu", "currency": "EUR"}, {"code": "us", "currency": "USD"}, {"code": "uk", "currency": "GBP"}]


def nightly(**fields: Any) -> Play:
    outcomes = {"per_region": REGIONS, "enough_rows": "true", **fields.pop("outcomes", {})}
    settings = {name: value for name, value in JOB.items() if name != "tasks"}
    return Play(JOB["tasks"], outcomes=outcomes, settings=settings, **fields).run()


def tasks(played: Play) -> dict[str, str]:
    return {key: result for key, result in played.results.items() if "[" not in key}


ALL = {task["task_key"] for task in JOB["tasks"]}


def test_scenario_a_enough_rows():
    at_once = []
    played = nightly(during=lambda p: at_once.append(sum("[" in key for key in p.state.active)))
    assert tasks(played) == {**dict.fromkeys(ALL, "SUCCESS"), "report_shortfall": "EXCLUDED"}
    assert sum("[" in key for key in played.results) == len(REGIONS)
    assert max(at_once) == 2
    assert played.result == "SUCCESS"


def test_scenario_b_too_few_rows():
    played = nightly(outcomes={"enough_rows": "false"})
    assert tasks(played) == {**dict.fromkeys(ALL, "SUCCESS"), "per_region": "EXCLUDED"}
    assert played.result == "SUCCESS"


def test_scenario_c_plan_fails_three_times():
    played = nightly(outcomes={"plan": FAIL})
    attempts = played.state.tasks["plan"].attempts
    assert [attempt.number for attempt in attempts] == [0, 1, 2]
    assert all(b - a >= 5000 for a, b in pairwise(played.starts("plan")))
    assert tasks(played) == {**dict.fromkeys(ALL, "UPSTREAM_FAILED"), "plan": "FAILED", "cleanup": "SUCCESS"}
    assert played.result == "SUCCESS_WITH_FAILURES"


def test_scenario_d_as_c_and_cleanup_fails():
    played = nightly(outcomes={"plan": FAIL, "cleanup": FAIL})
    assert (played.results["cleanup"], played.result) == ("FAILED", "FAILED")


def test_scenario_e_one_region_fails_twice():
    played = nightly(outcomes={"per_region[1]": FAIL})
    assert len(played.starts("per_region[1]")) == 2
    assert (played.results["per_region"], played.results["publish"]) == ("FAILED", "UPSTREAM_FAILED")
    assert (played.results["cleanup"], played.result) == ("SUCCESS", "SUCCESS_WITH_FAILURES")


def test_scenario_f_combine_exceeds_its_timeout_once():
    played = nightly(outcomes={"combine": [HANG, OK]})
    assert [str(attempt.result) for attempt in played.state.tasks["combine"].attempts] == ["TIMEDOUT", "SUCCESS"]
    assert played.result == "SUCCESS"


@pytest.mark.parametrize("dependents", [False, True])
def test_scenario_g_repair_of_e(dependents):
    played = nightly(outcomes={"per_region[1]": [FAIL, FAIL, OK]})
    played.repair(rerun_all_failed_tasks=True, rerun_dependent_tasks=dependents)
    assert [len(played.starts(f"per_region[{i}]")) for i in range(3)] == [1, 3, 1]
    assert len(played.starts("publish")) == 1
    assert len(played.starts("cleanup")) == (2 if dependents else 1)
    assert (played.state.repair_count, played.state.run_id, played.result) == (1, 1, "SUCCESS")
