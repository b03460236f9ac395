"""Reference section 4.1: dbutils.jobs.taskValues, a test a row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dbutils_local.kernels.outbox import TaskValue, read

OUTSIDE = "Must pass debugValue when calling get outside of a job context. debugValue cannot be None."


def said(dbutils):
    return list(read(dbutils._session.birth.outbox))


def test_4_1_set_stores_for_the_current_task_run(in_job):
    assert in_job.jobs.taskValues.set("rows", 3) is None
    assert said(in_job) == [TaskValue("rows", 3)]


def test_4_1_set_outside_a_job_does_nothing(dbutils):
    dbutils.jobs.taskValues.set(key="rows", value=object())
    assert said(dbutils) == []


def test_4_1_get_reads_what_an_earlier_task_set(make, job):
    dbutils = make(job=job, task_values={"ingest": {"rows": 7}})
    assert dbutils.jobs.taskValues.get("ingest", "rows") == 7


@pytest.mark.parametrize(
    "value", ["text", 5, 1.5, True, None, [1, {"a": [2]}], {"k": "v"}], ids=lambda value: type(value).__name__
)
def test_4_1_types_are_preserved(in_job, value):
    in_job.jobs.taskValues.set(key="k", value=value)
    assert said(in_job)[0].value == value
    assert type(said(in_job)[0].value) is type(value)


def test_4_1_a_tuple_becomes_a_list(in_job):
    in_job.jobs.taskValues.set("k", (1, 2))
    assert said(in_job)[0].value == [1, 2]


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan")], ids=["object", "set", "nan"])
def test_4_1_what_json_cannot_hold_is_an_error(in_job, value):
    with pytest.raises((TypeError, ValueError), match="task value 'k' cannot be stored as JSON"):
        in_job.jobs.taskValues.set("k", value)


def test_4_1_outside_a_job_debug_value_wins_over_default(dbutils):
    assert dbutils.jobs.taskValues.get(taskKey="t", key="k", default=1, debugValue=2) == 2


@pytest.mark.parametrize("arguments", [{}, {"default": 1}, {"debugValue": None}])
def test_4_1_outside_a_job_without_debug_value_is_a_type_error(dbutils, arguments):
    with pytest.raises(TypeError) as caught:
        dbutils.jobs.taskValues.get(taskKey="t", key="k", **arguments)
    assert str(caught.value) == OUTSIDE


def test_4_1_in_a_job_debug_value_is_ignored(make, job):
    dbutils = make(job=job, task_values={"t": {"k": 1}})
    assert dbutils.jobs.taskValues.get(taskKey="t", key="k", debugValue=9) == 1


def test_4_1_a_notebook_run_by_itself_has_its_debug_value_and_says_so(make, job, capsys):
    dbutils = make(job=replace(job, is_alone=True))
    assert dbutils.jobs.taskValues.get(taskKey="t", key="k", default=5, debugValue=9) == 9
    assert "uses its debugValue 9" in capsys.readouterr().err
    assert dbutils.jobs.taskValues.get(taskKey="t", key="k", default=5) == 5


@pytest.mark.parametrize("known", [{}, {"t": {}}], ids=["task missing", "key missing"])
def test_4_1_in_a_job_missing_gives_the_default(make, job, known):
    dbutils = make(job=job, task_values=known)
    assert dbutils.jobs.taskValues.get(taskKey="t", key="k", default=5, debugValue=9) == 5


@pytest.mark.parametrize("known", [{}, {"t": {}}], ids=["task missing", "key missing"])
@pytest.mark.parametrize("arguments", [{}, {"default": None}, {"debugValue": 9}])
def test_4_1_in_a_job_missing_without_default_is_a_value_error(make, job, known, arguments):
    dbutils = make(job=job, task_values=known)
    with pytest.raises(ValueError, match="'k'"):
        dbutils.jobs.taskValues.get(taskKey="t", key="k", **arguments)


def test_4_1_a_value_of_48_kib_is_the_most(in_job):
    in_job.jobs.taskValues.set("k", "x" * (48 * 1024 - 2))
    with pytest.raises(ValueError, match="the limit is 49152 bytes"):
        in_job.jobs.taskValues.set("k", "x" * (48 * 1024 - 1))


def test_4_1_250_values_are_the_most_and_overwriting_is_free(in_job):
    for number in range(250):
        in_job.jobs.taskValues.set(str(number), number)
    in_job.jobs.taskValues.set("0", "again")
    with pytest.raises(ValueError, match="at most 250 task values"):
        in_job.jobs.taskValues.set("one more", 1)


def test_4_1_values_before_a_restart_of_python_are_counted(make, job):
    for number in range(250):
        make(job=job).jobs.taskValues.set(str(number), number) if number % 50 == 0 else None
    assert len(make(job=job).jobs.taskValues._values_so_far()) == 5


def test_4_1_setting_again_overwrites(in_job):
    in_job.jobs.taskValues.set("k", 1)
    in_job.jobs.taskValues.set("k", 2)
    assert in_job.jobs.taskValues.get("load", "k") == 2


def test_4_1_in_an_iteration_set_fails(make, job):
    dbutils = make(job=replace(job, is_iteration=True))
    with pytest.raises(Exception, match="setting task values is not supported for iterations"):
        dbutils.jobs.taskValues.set("k", 1)


def test_4_1_a_notebook_run_in_turn_is_no_task(make, job):
    dbutils = make(job=replace(job, task_key=""))
    dbutils.jobs.taskValues.set("k", 1)
    assert said(dbutils) == []
    assert dbutils.jobs.taskValues.get("t", "k", debugValue=3) == 3


def test_4_1_user_code_catches_type_error_or_value_error(dbutils, in_job):
    for one in (dbutils, in_job):
        with pytest.raises((TypeError, ValueError)):
            one.jobs.taskValues.get("t", "k")
