"""`%workflow` and `%%workflow` in a real kernel: real runs, in processes of their own."""

from __future__ import annotations

import time
from typing import Any

import pytest

SOURCE = "# Databricks notebook source\n"
JOB = """name: two-steps
parameters: [{name: day, default: monday}]
tasks:
  - {task_key: one, notebook_task: {notebook_path: ./one.py}}
  - {task_key: two, depends_on: [{task_key: one}], notebook_task: {notebook_path: ./two.py}}
"""
LIMITED = """{"name": "limited", "max_concurrent_runs": 1, "queue": {"enabled": true},
  "tasks": [{"task_key": "wait", "notebook_task": {"notebook_path": "./wait"}}]}"""


@pytest.fixture
def job(kernel: Any) -> str:
    kernel.write("one.py", SOURCE + "dbutils.jobs.taskValues.set('day', dbutils.widgets.get('day'))\n")
    kernel.write("two.py", SOURCE + "dbutils.notebook.exit(dbutils.jobs.taskValues.get('one', 'day'))\n")
    kernel.write("job.yml", JOB)
    return JOB


def test_a_run_is_drawn_while_it_goes_and_its_value_is_a_run_result(kernel: Any, job: str) -> None:
    ran = kernel("%workflow run job.yml -p day=sunday")
    assert ran.status == "ok", ran.traceback
    assert len(ran.outputs) == 1
    updates = [one["content"] for one in ran.messages if one["msg_type"] == "update_display_data"]
    assert updates
    last = updates[-1]["data"]
    assert last["text/html"].count('data-state="SUCCESS"') == 3, last["text/plain"]
    assert "two-steps: SUCCESS" in last["text/plain"]
    assert kernel("result = _\nprint(result.state, result.tasks['two'].exit_value)").stdout == "SUCCESS sunday\n"
    assert "two-steps: SUCCESS" in kernel("result").plain


def test_a_job_in_the_cell_runs_beside_its_notebook(kernel: Any, job: str) -> None:
    ran = kernel(f"%%workflow -p day=friday\n{job}")
    assert ran.status == "ok", ran.traceback
    assert kernel("print(_.tasks['two'].exit_value, _.task_values)").stdout == "friday {'one': {'day': 'friday'}}\n"


def test_json_in_the_cell_is_a_job_too(kernel: Any, job: str) -> None:
    cell = '%%workflow\n{"name": "j", "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "./plain"}}]}'
    kernel.write("plain.py", SOURCE + "print('hello')\n")
    assert kernel(cell).status == "ok"
    assert kernel("print(bool(_), _.state)").stdout == "True SUCCESS\n"


def test_a_failed_run_is_a_value_and_shown_red(kernel: Any) -> None:
    kernel.write("bad.py", SOURCE + "raise ValueError('on purpose')\n")
    cell = "%%workflow\nname: fails\ntasks:\n  - {task_key: a, notebook_task: {notebook_path: ./bad}}"
    ran = kernel(cell)
    shown = [one["content"]["data"] for one in ran.messages if "data" in one["content"]][-1]
    assert 'data-state="FAILED"' in shown["text/html"]
    assert "on purpose" in shown["text/plain"]
    assert kernel("print(bool(_))").stdout == "False\n"


def test_faults_of_the_spec_are_sentences_with_their_place(kernel: Any) -> None:
    ran = kernel("%%workflow\nname: x\ntasks:\n  - {task_key: a, notebook_tsk: {}}")
    assert ran.ename == "InvalidSpec"
    assert "notebook_tsk" in ran.evalue
    assert "%%workflow:3" in ran.evalue
    assert "asking.py" not in ran.traceback
    assert "click" not in kernel("%workflow run job.yml --nope").traceback
    assert "no such file" in kernel("%workflow run nowhere.yml").evalue


def test_the_other_words_print_what_the_command_line_prints(kernel: Any, job: str) -> None:
    kernel("%workflow run job.yml")
    assert "two-steps" in kernel("%workflow runs list").stdout
    assert "two" in kernel("%workflow validate job.yml").stdout
    assert "run" in kernel("%workflow --help").stdout
    missing = kernel("%workflow runs show 999999")
    assert missing.ename == "NotFound"
    assert "click" not in missing.traceback
    assert "say what" in kernel("%workflow").evalue


def test_over_its_own_limit_a_run_waits_for_the_one_before_it(kernel: Any) -> None:
    (kernel.folder / "go_on.txt").unlink(missing_ok=True)
    kernel.write("wait.py", SOURCE + "import os, time\nwhile not os.path.exists('go_on.txt'):\n    time.sleep(0.05)\n")
    kernel.write("limited.json", LIMITED)
    code = (
        "import dbutils_local, threading, pathlib, time\n"
        "first = threading.Thread(target=dbutils_local.run, args=('limited.json',))\n"
        "first.start()\n"
        f"while not list(pathlib.Path({str(kernel.home)!r}, 'runs').glob('*/wait/0')):\n    time.sleep(0.05)\n"
        "threading.Timer(1, pathlib.Path('go_on.txt').touch).start()"
    )
    assert kernel(code).status == "ok"
    ran = kernel("%workflow run limited.json")
    assert "Queued due to reaching maximum concurrent runs of 1" in ran.stderr
    assert kernel("print(_.state)\nfirst.join()").stdout == "SUCCESS\n"


def test_an_interrupt_cancels_the_run(kernel: Any) -> None:
    kernel.write("long.py", SOURCE + "import time\ntime.sleep(120)\n")
    cell = "%%workflow\nname: long\ntasks:\n  - {task_key: long, notebook_task: {notebook_path: ./long}}"
    message = kernel.client.execute(cell)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any((kernel.home / "runs").glob("*/long/0")):
        time.sleep(0.1)
    kernel.manager.interrupt_kernel()
    ran = kernel.wait(message)
    assert ran.ename == "KeyboardInterrupt"
    shown = [one["content"]["data"] for one in ran.messages if "data" in one["content"]][-1]
    assert 'data-state="CANCELED"' in shown["text/html"]
