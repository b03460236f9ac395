"""What is written wrongly gets one clear sentence with its place, exit code 2, and nothing is started or written."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.journeys.conftest import Bench, Done

WORK = """
    # Databricks notebook source
    print("work")
"""


@pytest.fixture(scope="module")
def refusing(shared: Bench) -> Bench:
    shared.write("work.py", WORK)
    return shared


def refused(bench: Bench, *args: object) -> str:
    """What a refused command says, having done nothing."""
    told: Done = bench(*args)
    assert told.code == 2, told
    assert told.out == ""
    assert "Traceback" not in told.err
    assert not bench.home.exists()
    return told.err


def one_line(text: str) -> str:
    [line] = text.splitlines()
    return line


def test_a_path_is_named_whatever_the_locale(refusing: Bench) -> None:
    latin = replace(refusing, environ={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert one_line(refused(latin, "run", "nöwhere.yml")) == "error: nöwhere.yml: no such file or folder"


def test_what_is_no_job_and_no_notebook_is_told_what_would_be_one(refusing: Bench) -> None:
    for name in ("x.dbc", "x.html", "x.txt", "folder/note.txt"):
        refusing.write(name, "x")
    assert "a Databricks archive, which is not read here; export the notebook" in one_line(
        refused(refusing, "run", "x.dbc")
    )
    assert "a page to look at, which is not run" in one_line(refused(refusing, "validate", "x.html").splitlines()[0])
    assert "a notebook is a .ipynb, .py, .sql, .scala, .r file" in one_line(refused(refusing, "run", "x.txt"))
    assert one_line(refused(refusing, "run", "folder")).endswith("in this folder, so it is no bundle")
    assert "so it is no bundle; run one of its files by name: work.py" in one_line(refused(refusing, "run", "."))
    assert "did you mean 'work.py'?" in one_line(refused(refusing, "run", "wrok.py"))


def test_a_missing_file(refusing: Bench) -> None:
    assert one_line(refused(refusing, "run", "nowhere.yml")) == "error: nowhere.yml: no such file or folder"


def test_yaml_that_is_none(refusing: Bench) -> None:
    refusing.write("syntax.yml", "name: x\ntasks:\n  - task_key: [a\n")
    assert re.search(r"syntax\.yml:\d+:\d+: ", one_line(refused(refusing, "run", "syntax.yml")))


def test_json_that_is_none(refusing: Bench) -> None:
    refusing.write("syntax.json", '{"name": "x",\n "tasks": [}\n')
    assert re.search(r"syntax\.json:2:\d+: ", one_line(refused(refusing, "run", "syntax.json")))


def test_an_unknown_key_is_named_with_the_nearest_right_one(refusing: Bench) -> None:
    refusing.write(
        "unknown.yml", "name: x\ntasks:\n  - task_key: a\n    notebok_task:\n      notebook_path: ./work.py\n"
    )
    told = refused(refusing, "run", "unknown.yml")
    assert re.search(r"unknown\.yml:4:\d+: .*notebok_task.*notebook_task", told)


def test_a_task_key_twice(refusing: Bench) -> None:
    refusing.write(
        "twice.yml",
        """
        name: x
        tasks:
          - {task_key: a, notebook_task: {notebook_path: ./work.py}}
          - {task_key: a, notebook_task: {notebook_path: ./work.py}}
        """,
    )
    assert re.search(r"twice\.yml:4:\d+: .*a", one_line(refused(refusing, "run", "twice.yml")))


def test_an_unknown_task_in_depends_on(refusing: Bench) -> None:
    refusing.write(
        "upstream.yml",
        """
        name: x
        tasks:
          - task_key: load
            notebook_task: {notebook_path: ./work.py}
          - task_key: b
            depends_on:
              - task_key: laod
            notebook_task: {notebook_path: ./work.py}
        """,
    )
    told = one_line(refused(refusing, "run", "upstream.yml"))
    assert re.search(r"upstream\.yml:7:\d+: .*laod", told)
    assert "load" in told.replace("laod", "")


def test_a_circle_is_shown_as_one(refusing: Bench) -> None:
    refusing.write(
        "circle.yml",
        """
        name: x
        tasks:
          - {task_key: a, depends_on: [{task_key: b}], notebook_task: {notebook_path: ./work.py}}
          - {task_key: b, depends_on: [{task_key: a}], notebook_task: {notebook_path: ./work.py}}
        """,
    )
    told = one_line(refused(refusing, "run", "circle.yml"))
    assert re.search(r"circle\.yml:\d+:\d+: ", told)
    assert "a -> b -> a" in told


def test_a_notebook_that_does_not_exist(refusing: Bench) -> None:
    refusing.write("gone.yml", "name: x\ntasks:\n  - task_key: a\n    notebook_task:\n      notebook_path: ./wrok.py\n")
    told = one_line(refused(refusing, "run", "gone.yml"))
    assert re.search(r"gone\.yml:5:\d+: .*wrok", told)


def test_every_fault_of_a_spec_is_told_at_once(refusing: Bench) -> None:
    refusing.write(
        "many.yml",
        """
        nmae: x
        tasks:
          - task_key: a
            timeout_seconds: soon
            notebook_task: {notebook_path: ./gone.py}
        """,
    )
    told = refused(refusing, "run", "many.yml")
    assert [int(number) for number in re.findall(r"many\.yml:(\d+):", told)] == [1, 4, 5]


@pytest.mark.parametrize("verb", ["run", "jobs create"])
def test_a_parameter_without_an_equals_sign(refusing: Bench, verb: str) -> None:
    option = "-p" if verb == "run" else "--var"
    told = one_line(refused(refusing, *verb.split(), "work.py", option, "day"))
    assert told == f"error: {option} day: expected NAME=VALUE"


def test_a_parameter_from_a_file_that_is_not_there(refusing: Bench) -> None:
    assert "cannot read gone.txt" in one_line(refused(refusing, "run", "work.py", "-p", "day=@gone.txt"))


def test_a_task_kind_that_is_not_run_here_names_the_ways_on(refusing: Bench) -> None:
    refusing.write("kind.yml", "name: x\ntasks:\n  - task_key: a\n    pipeline_task: {pipeline_id: 1-2-3}\n")
    told = refused(refusing, "run", "kind.yml")
    assert "pipeline_task" in told
    assert "--only" in told
    assert "--stub a" in told


def test_a_notebook_that_cannot_be_parsed_is_told_with_its_cell(refusing: Bench) -> None:
    refusing.notebook("half.py", "x = 1", "if x\n    print(x)")
    refusing.job("half.json", {"task_key": "a", "notebook_task": {"notebook_path": "./half.py"}})
    told = refused(refusing, "run", "half.json")
    assert re.search(r"half\.py:\d+.*\(cell 2\)", told)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "b"), "b"),
        (("--stub", "zz"), "zz"),
        (("--from", "zz"), "zz"),
        (("--task-value", "a.x=1"), "--stub a"),
        (("--task-value", "a=1"), "TASK.KEY=JSON"),
        (("--task-value", "a.x=word", "--stub", "a"), "not JSON"),
        (("--job", "other"), "other"),
        (("-t", "prod"), "target"),
        (("--", "argument"), "plain .py file"),
    ],
)
def test_options_that_do_not_fit_the_spec(refusing: Bench, options: tuple[str, ...], said: str) -> None:
    refusing.job("one.json", {"task_key": "a", "notebook_task": {"notebook_path": "./work.py"}})
    assert said in refused(refusing, "run", "one.json", *options)


def test_a_run_that_is_not_there(bench: Bench) -> None:
    for verb in ("show", "output", "logs", "cancel", "repair", "delete"):
        told = bench("runs", verb, 5)
        assert (told.code, told.err) == (2, "error: Run 5 does not exist.\n"), verb
    assert bench("jobs", "run-now", 5).err == "error: Job 5 does not exist.\n"
