"""The example job, run once by the command line, and everything that can be asked about it afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.journeys.conftest import Bench, Done, tasks_of

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
YEARS = range(2012, 2016)


@pytest.fixture(scope="module")
def example(shared: Bench) -> Done:
    shutil.copytree(NOTEBOOKS, shared.folder, dirs_exist_ok=True)
    return shared("run", "weather_job.yml", "-p", "min_rows=100", "-o", "json", timeout=280)


def test_every_task_ends_as_the_graph_says(example: Done) -> None:
    assert example.code == 0, example.err
    assert tasks_of(example.json) == {
        "ingest": "SUCCESS",
        "enough_rows": "SUCCESS",
        "per_year": "SUCCESS",
        "explain_gap": "EXCLUDED",
        "compare": "SUCCESS",
        "charts": "SUCCESS",
        "cleanup": "SUCCESS",
    }
    assert example.json["state"]["result_state"] == "SUCCESS"
    assert example.json["task_values"]["ingest"] == {"rows": 1461, "years": list(YEARS)}


def test_the_document_is_what_the_official_client_reads(example: Done) -> None:
    from databricks.sdk.service.jobs import Run, RunLifeCycleState, RunResultState

    run = Run.from_dict(example.json)
    assert run.state is not None
    assert run.state.life_cycle_state is RunLifeCycleState.TERMINATED
    assert run.state.result_state is RunResultState.SUCCESS
    assert run.run_id == example.json["run_id"]
    assert run.tasks is not None
    per_year = next(task for task in run.tasks if task.task_key == "per_year")
    assert per_year.for_each_task is not None
    assert {parameter.name: parameter.value for parameter in run.job_parameters or ()}["min_rows"] == "100"


def test_progress_goes_to_stderr_a_line_a_change(example: Done) -> None:
    assert "ingest RUNNING" in example.err
    assert "explain_gap EXCLUDED" in example.err
    assert "per_year[3] SUCCESS" in example.err


def test_outputs_lie_with_the_tasks(example: Done) -> None:
    outputs = {task["task_key"]: task["output"] for task in example.json["tasks"]}
    assert outputs["ingest"]["notebook_output"] == {"result": "1461 rows of 2012-2015", "truncated": False}


def test_the_history_knows_the_run(example: Done, shared: Bench) -> None:
    [row] = shared(
        "runs", "list", "--job", "seattle_weather", "--state", "SUCCESS", "--since", "1h", "-o", "json"
    ).json["runs"]
    assert row["run_id"] == example.json["run_id"]
    assert shared("runs", "list", "--state", "FAILED").out == "no runs\n"
    shown = shared("runs", "show", row["run_id"])
    assert "enough_rows" in shown.out
    assert shared("runs", "show", row["run_id"], "-o", "json").json == example.json


def test_the_output_of_one_task(example: Done, shared: Bench) -> None:
    run_id = example.json["run_id"]
    told = shared("runs", "output", run_id, "--task", "compare", "-o", "json").json["compare"]
    assert told["state"] == "SUCCESS"
    assert "slope" in told["exit_value"]
    assert Path(told["notebook"]).is_file()
    nested = shared("runs", "output", run_id, "--task", "per_year[1]")
    assert '"year": 2013' in nested.out


def test_the_child_notebooks_run_is_kept_beside_its_callers(example: Done, shared: Bench) -> None:
    children = list((shared.home / "runs" / str(example.json["run_id"]) / "compare").rglob("children/*.ipynb"))
    assert len(children) == 1


def test_the_report_is_one_page_with_the_charts_in_it(example: Done, shared: Bench) -> None:
    told = shared("runs", "export", example.json["run_id"], "report.html")
    assert told.out == "report.html\n"
    page = (shared.folder / "report.html").read_text("utf-8")
    assert "<svg" in page
    assert "data:image/png;base64," in page
    assert "per_year[3]" in page
    assert 'src="http' not in page
    assert 'href="http' not in page.replace('href="https://', "")


def test_the_home_is_for_its_owner_only(example: Done, shared: Bench) -> None:
    assert shared.home.stat().st_mode & 0o077 == 0


def test_a_deleted_run_is_gone_with_its_files(example: Done, shared: Bench) -> None:
    shared.notebook("small.py", "print('hello')", "dbutils.notebook.exit('bye')")
    run = shared("run", "small.py", "-o", "json").json
    assert run["tasks"][0]["output"]["notebook_output"]["result"] == "bye"
    run_id = run["run_id"]
    assert (shared.home / "runs" / str(run_id)).is_dir()
    assert shared("runs", "delete", run_id).code == 0
    assert not (shared.home / "runs" / str(run_id)).exists()
    assert shared("runs", "show", run_id).err == f"error: Run {run_id} does not exist.\n"
