"""Loops, retries, timeouts, fan-out, child jobs, bare files: small jobs with real notebooks and scripts."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from tests.journeys.conftest import Bench, tasks_of


def result_of(task: dict) -> object:
    return task["output"]["notebook_output"].get("result")


def test_tasks_that_do_not_depend_on_each_other_run_at_the_same_time(bench: Bench) -> None:
    """Each waits for the other's file: one after the other they would never end."""
    names = ("a", "b", "c")
    for name in names:
        bench.notebook(
            f"{name}.py",
            f"import os, time\nfolder = {str(bench.folder)!r}\nopen(f'{{folder}}/{name}.here', 'w').close()",
            f"here = lambda: all(os.path.exists(f'{{folder}}/{{other}}.here') for other in {names!r})",
            "while not here():\n    time.sleep(0.02)",
        )
    bench.job(
        "fan.json",
        *(
            {"task_key": name, "notebook_task": {"notebook_path": f"./{name}.py"}, "timeout_seconds": 60}
            for name in names
        ),
    )
    told = bench("run", "fan.json", "-o", "json")
    assert told.code == 0, told.err


def test_one_at_a_time_if_asked(bench: Bench) -> None:
    bench.write("mark.py", "import time\ntime.sleep(0.2)\n")
    bench.job(
        "slots.json", *({"task_key": f"t{n}", "spark_python_task": {"python_file": "./mark.py"}} for n in range(3))
    )
    told = bench("run", "slots.json", "--max-concurrency", "1", "-o", "json")
    spans = sorted((task["start_time"], task["end_time"]) for task in told.json["tasks"])
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def test_a_loop_passes_each_input_and_keeps_its_concurrency(bench: Bench) -> None:
    bench.notebook("inputs.py", "dbutils.jobs.taskValues.set('days', [{'d': 'mon', 'n': 1}, {'d': 'tue', 'n': 2}])")
    bench.notebook(
        "one.py",
        "dbutils.widgets.text('day', '')\ndbutils.widgets.text('all', '')",
        "dbutils.notebook.exit(dbutils.widgets.get('day') + '/' + dbutils.widgets.get('all'))",
    )
    nested = {
        "task_key": "one",
        "notebook_task": {
            "notebook_path": "./one.py",
            "base_parameters": {"day": "{{input.d}}", "all": "{{input}} {{task.name}}"},
        },
    }
    bench.job(
        "loop.json",
        {"task_key": "inputs", "notebook_task": {"notebook_path": "./inputs.py"}},
        {
            "task_key": "each",
            "depends_on": [{"task_key": "inputs"}],
            "for_each_task": {"inputs": "{{tasks.inputs.values.days}}", "concurrency": 2, "task": nested},
        },
    )
    told = bench("run", "loop.json", "-o", "json")
    assert told.code == 0, told.err + told.out
    [run_id] = bench.run_ids()
    values = [bench("runs", "output", run_id, "--task", f"each[{n}]", "-o", "json").json[f"each[{n}]"] for n in (0, 1)]
    assert [value["exit_value"].split("/")[0] for value in values] == ["mon", "tue"]
    assert json.loads(values[0]["exit_value"].split("/")[1].rsplit(" ", 1)[0]) == {"d": "mon", "n": 1}


def test_a_partly_failed_loop_fails_and_its_repair_runs_only_the_failed_iteration(bench: Bench) -> None:
    ok = str(bench.folder / "ok.txt")
    bench.notebook("two.py", "import os", f"assert dbutils.widgets.get('n') != '2' or os.path.exists({ok!r}), 'two'")
    nested = {
        "task_key": "one",
        "notebook_task": {"notebook_path": "./two.py", "base_parameters": {"n": "{{input}}"}},
        "max_retries": 1,
    }
    bench.job(
        "loop.json", {"task_key": "each", "for_each_task": {"inputs": "[1, 2, 3]", "concurrency": 3, "task": nested}}
    )
    told = bench("run", "loop.json", "-o", "json")
    assert told.code == 1
    assert tasks_of(told.json) == {"each": "FAILED"}
    [run_id] = bench.run_ids()
    (bench.folder / "ok.txt").touch()
    again = bench("runs", "repair", run_id, "-o", "json")
    assert again.code == 0, again.err
    attempts = {
        n: len(list((bench.home / "runs" / str(run_id) / "each" / f"iteration-{n}").iterdir())) for n in range(3)
    }
    assert attempts == {0: 1, 1: 3, 2: 1}


def test_a_failing_task_is_tried_again_and_each_attempt_is_kept(bench: Bench) -> None:
    count = str(bench.folder / "count.txt")
    bench.notebook(
        "flaky.py",
        f"with open({count!r}, 'a') as f:\n    f.write('x')",
        f"tries = len(open({count!r}).read())\nprint('try', tries)\nassert tries == 3",
        "dbutils.notebook.exit(str(tries))",
    )
    bench.job(
        "flaky.json",
        {
            "task_key": "flaky",
            "notebook_task": {"notebook_path": "./flaky.py"},
            "max_retries": 5,
            "min_retry_interval_millis": 100,
        },
    )
    told = bench("run", "flaky.json", "-o", "json")
    assert told.code == 0, told.err
    assert "WAITING_FOR_RETRY" in told.err
    attempts = sorted(task["attempt_number"] for task in told.json["tasks"])
    assert attempts[-1] == 2
    assert len(list((bench.home / "runs" / str(told.json["run_id"]) / "flaky").iterdir())) == 3


def test_a_task_over_its_time_is_stopped_and_what_is_below_does_not_run(bench: Bench) -> None:
    bench.notebook("slow.py", "print('began')", "import time\ntime.sleep(300)")
    bench.notebook("quick.py", "1")
    bench.job(
        "late.json",
        {"task_key": "slow", "timeout_seconds": 3, "notebook_task": {"notebook_path": "./slow.py"}},
        {"task_key": "below", "depends_on": [{"task_key": "slow"}], "notebook_task": {"notebook_path": "./quick.py"}},
        {
            "task_key": "always",
            "depends_on": [{"task_key": "slow"}],
            "run_if": "ALL_DONE",
            "notebook_task": {"notebook_path": "./quick.py"},
        },
    )
    told = bench("run", "late.json", "-o", "json")
    assert told.code == 1
    assert tasks_of(told.json) == {"slow": "TIMEDOUT", "below": "UPSTREAM_FAILED", "always": "SUCCESS"}


def test_a_job_over_its_time_ends_timed_out(bench: Bench) -> None:
    bench.write("slow.py", "import time\nprint('began', flush=True)\ntime.sleep(300)\n")
    bench.job("late.json", {"task_key": "slow", "spark_python_task": {"python_file": "./slow.py"}}, timeout_seconds=2)
    told = bench("run", "late.json", "-o", "json")
    assert told.code == 1
    assert told.json["state"]["result_state"] == "TIMEDOUT"


BUNDLE = """
    bundle:
      name: pair
    variables:
      greeting:
        default: hello
    resources:
      jobs:
        outer:
          name: outer
          tasks:
            - task_key: start_inner
              run_job_task:
                job_id: ${resources.jobs.inner.id}
                job_parameters:
                  who: "{{job.parameters.who}}"
          parameters:
            - {name: who, default: world}
        inner:
          name: inner
          parameters:
            - {name: who, default: nobody}
          tasks:
            - task_key: greet
              notebook_task:
                notebook_path: ./greet.py
                base_parameters:
                  greeting: ${var.greeting}
"""


@pytest.fixture(scope="module")
def pair(shared: Bench) -> Bench:
    shared.write("databricks.yml", BUNDLE)
    shared.notebook(
        "greet.py", "dbutils.notebook.exit(f\"{dbutils.widgets.get('greeting')} {dbutils.widgets.get('who')}\")"
    )
    return shared


def test_a_job_starts_another_job_of_its_bundle_with_parameters(pair: Bench) -> None:
    told = pair("run", ".", "--job", "outer", "-p", "who=you", "--var", "greeting=bye", "-o", "json")
    assert told.code == 0, told.err + told.out
    child = told.json["tasks"][0]["output"]["run_job_output"]["run_id"]
    inner = pair("runs", "show", child, "-o", "json").json
    assert inner["run_name"] == "inner"
    assert inner["trigger"] == "RUN_JOB_TASK"
    assert result_of(inner["tasks"][0]) == "bye you"


def test_a_failed_child_job_fails_the_task_and_says_why(pair: Bench) -> None:
    pair.notebook("greet.py", "raise ValueError('not today')")
    told = pair("run", ".", "--job", "outer")
    assert told.code == 1
    assert "child job" in told.out


def test_two_tasks_that_start_the_same_job_take_turns_in_its_queue(bench: Bench) -> None:
    bench.write("quick.py", "print('quick')")
    bench.write(
        "databricks.yml",
        """
        bundle: {name: turns}
        resources:
          jobs:
            outer:
              name: outer
              tasks:
                - {task_key: one, run_job_task: {job_id: "${resources.jobs.inner.id}"}}
                - {task_key: two, run_job_task: {job_id: "${resources.jobs.inner.id}"}}
            inner:
              name: inner
              max_concurrent_runs: 1
              queue: {enabled: true}
              tasks:
                - {task_key: quick, spark_python_task: {python_file: ./quick.py}}
        """,
    )
    told = bench("run", ".", "--job", "outer", "-o", "json")
    assert told.code == 0, told.err
    runs = [row for row in bench("runs", "list", "-o", "json").json["runs"] if row["name"] == "inner"]
    assert [row["result_state"] for row in runs] == ["SUCCESS", "SUCCESS"]
    later, earlier = sorted(runs, key=lambda row: -row["started_at"])
    assert earlier["ended_at"] <= later["started_at"]


def test_one_of_several_jobs_must_be_named(pair: Bench) -> None:
    told = pair("run", "databricks.yml")
    assert told.code == 2
    assert "--job: outer, inner" in told.err


def test_a_bare_notebook_gets_its_widgets_from_p(shared: Bench) -> None:
    value = shared.write("long.txt", "from a file")
    shared.notebook(
        "bare.py",
        "dbutils.widgets.text('day', 'none')\nprint('day is', dbutils.widgets.get('day'))",
        "dbutils.notebook.exit(dbutils.widgets.get('day'))",
    )
    told = shared("run", "bare.py", "-p", f"day=@{value}", "-o", "json")
    assert told.code == 0, told.err
    assert result_of(told.json["tasks"][0]) == "from a file"
    assert "value: 1=2" in shared("run", "bare.py", "-p", "day=1=2").out


def test_a_bare_notebook_has_the_debug_values_of_other_tasks_visibly(shared: Bench) -> None:
    shared.notebook("reader.py", "dbutils.notebook.exit(str(dbutils.jobs.taskValues.get('load', 'n', debugValue=3)))")
    told = shared("run", "reader.py").out
    assert "value: 3" in told
    assert "task value 'n' of task 'load': run by itself, this notebook uses its debugValue 3" in told


def test_a_bare_notebook_that_fails_shows_the_cell(shared: Bench) -> None:
    shared.notebook("fails.py", "a = 1", "print('before')\na / 0\n", "never = True")
    told = shared("run", "fails.py")
    assert told.code == 1
    assert "ZeroDivisionError: division by zero" in told.out
    assert "cell 2" in told.out


def test_a_plain_script_gets_its_arguments_and_its_exit_code_counts(shared: Bench) -> None:
    shared.write("plain.py", "import sys\nprint('args', sys.argv[1:])\nsys.exit(int(sys.argv[1]))\n")
    assert shared("run", "plain.py", "--", "0", "--flag").code == 0
    [run_id] = shared.run_ids()[:1]
    assert "args ['0', '--flag']" in shared("runs", "logs", run_id).out
    told = shared("run", "plain.py", "--", "3")
    assert told.code == 1
    assert "3" in told.out
    assert shared("run", "plain.py", "-p", "a=1").code == 2


def test_what_is_accepted_without_effect_is_said_once(shared: Bench) -> None:
    shared.notebook("work.py", "1")
    shared.job(
        "cluster.json",
        {"task_key": "a", "job_cluster_key": "c", "notebook_task": {"notebook_path": "./work.py"}},
        job_clusters=[{"job_cluster_key": "c", "new_cluster": {"spark_version": "15.4.x-scala2.12", "num_workers": 2}}],
    )
    told = shared("run", "cluster.json", "-o", "json")
    assert told.code == 0
    assert told.err.count("notice: ") >= 1
    assert "cluster" in told.err
