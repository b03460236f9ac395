"""Loading: every form a spec may have, and every fault told at once with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbutils_local.errors import InvalidSpec, NotFound, UserError
from dbutils_local.spec.load import LoadedSpec, job_settings, load, loads

DATA = Path(__file__).parents[1] / "data" / "spec"
SOURCE = "# Databricks notebook source\nprint(1)\n"


def written(folder: Path, text: str, name: str = "job.yml", *notebooks: str) -> Path:
    for notebook in notebooks or ("a.py",):
        path = folder / notebook
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SOURCE)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def faults(path: Path, **more: str) -> list[str]:
    with pytest.raises(InvalidSpec) as error:
        load(path, environ={}, **more)  # type: ignore[arg-type]
    return [
        str(problem).replace(f"{path.parent}/", "") for problem in error.value.problems if problem.severity == "error"
    ]


def doubts(path: Path) -> list[str]:
    return [str(problem).replace(f"{path.parent}/", "") for problem in load(path, environ={}).problems]


def one_task(more: str = "", head: str = "") -> str:
    return f"name: j\n{head}tasks:\n  - task_key: a\n    notebook_task:\n      notebook_path: a\n{more}"


def test_job_settings_in_yaml_are_a_job_named_after_the_file(tmp_path: Path) -> None:
    spec = load(written(tmp_path, one_task(), "nightly.job.yml"), environ={})
    assert list(spec.jobs) == ["nightly"]
    assert spec.job().settings.name == "j"
    assert spec.bundle is None
    assert spec.job().files == {("a", "notebook_task.notebook_path"): tmp_path / "a.py"}


def test_what_jobs_get_answers_is_read_from_its_settings(tmp_path: Path) -> None:
    body = {
        "job_id": 1,
        "settings": {"name": "got", "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "a"}}]},
    }
    assert load(written(tmp_path, json.dumps(body), "job.json"), environ={}).job().settings.name == "got"


def test_the_resources_form_needs_no_bundle_around_it(tmp_path: Path) -> None:
    text = "resources: {jobs: {one: {name: j, tasks: [{task_key: a, notebook_task: {notebook_path: a.py}}]}}}\n"
    spec = load(written(tmp_path, text), environ={})
    assert spec.job("one").settings.name == "j"
    assert spec.job("j").key == "one"


def test_one_of_several_jobs_must_be_chosen(tmp_path: Path) -> None:
    job = "{tasks: [{task_key: a, notebook_task: {notebook_path: a}}]}"
    spec = load(written(tmp_path, f"resources:\n  jobs:\n    one: {job}\n    two: {job}\n"), environ={})
    with pytest.raises(UserError, match="choose one with --job: one, two"):
        spec.job()
    with pytest.raises(NotFound, match="no job 'three'"):
        spec.job("three")


def test_a_missing_file_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    written(tmp_path, one_task(), "nightly.yml")
    with pytest.raises(NotFound, match=r"nightli\.yml: no such file; did you mean 'nightly\.yml'"):
        load(tmp_path / "nightli.yml")
    with pytest.raises(NotFound, match=r"there is no databricks\.yml"):
        load(tmp_path)


def test_an_unknown_key_is_named_with_the_nearest_right_one(tmp_path: Path) -> None:
    path = written(tmp_path, one_task("    depnds_on: []\n"))
    assert faults(path) == ["job.yml:6:5: tasks[a].depnds_on: unknown key 'depnds_on'; did you mean 'depends_on'?"]


def test_a_key_at_the_wrong_level_is_sent_where_it_belongs(tmp_path: Path) -> None:
    path = written(tmp_path, one_task("    base_parameters: {x: 1}\n"))
    assert faults(path)[0].endswith("unknown key 'base_parameters'; it belongs inside notebook_task")


def test_a_fault_inside_a_nested_task_is_placed_there(tmp_path: Path) -> None:
    text = (
        "tasks:\n  - task_key: loop\n    for_each_task:\n      inputs: '[1]'\n      task:\n        task_key: n\n"
        "        notebook_task:\n          notebook_path: a\n          base_paramters: {}\n"
    )
    assert faults(written(tmp_path, text)) == [
        "job.yml:9:11: tasks[loop].for_each_task.task.notebook_task.base_paramters: "
        "unknown key 'base_paramters'; did you mean 'base_parameters'?"
    ]


def test_a_wrong_word_is_answered_with_the_words_there_are(tmp_path: Path) -> None:
    found = faults(written(tmp_path, one_task("    run_if: all_sucess\n")))
    assert "cannot be 'all_sucess'; did you mean 'ALL_SUCCESS'? known: ALL_SUCCESS, ALL_DONE" in found[0]


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        "name: [1]\nshedule: {}\ntasks:\n  - task_key: a\n    notebook_task: {notebook_path: gone}\n"
        "  - task_key: a\n    depends_on: [{task_key: b}]\n    condition_task: {op: EQUALS, left: 1, right: 1}\n"
    )
    found = faults(written(tmp_path, text))
    assert [fault.split(":")[1] for fault in found] == ["1", "2", "5", "6", "7", "8"]
    assert "name: must be text, found a list" in found[0]
    assert "unknown key 'shedule'; did you mean 'schedule'?" in found[1]
    assert "notebook 'gone' not found" in found[2]
    assert "duplicate task_key 'a' (first on line 4)" in found[3]
    assert "task 'a' depends on 'b', which is no task of this job" in found[4]
    assert "cannot be 'EQUALS'" in found[5]


def test_a_task_with_two_members_is_placed_at_the_task(tmp_path: Path) -> None:
    found = faults(written(tmp_path, one_task("    condition_task: {op: EQUAL_TO, left: 1, right: 1}\n")))
    assert found == [
        "job.yml:3:5: tasks[a]: the task has both notebook_task and condition_task; it may have exactly one such member"
    ]


def test_the_single_task_form_keeps_its_places(tmp_path: Path) -> None:
    found = faults(written(tmp_path, "name: old\nnotebook_task:\n  notebook_path: gone\n  base_params: {}\n"))
    assert [fault.split(": ")[0] for fault in found] == ["job.yml:3:18", "job.yml:4:3"]


def test_a_bundle_reference_in_a_plain_job_has_no_value(tmp_path: Path) -> None:
    assert (
        "${var.env} has no value outside a bundle"
        in faults(written(tmp_path, one_task(head="tags: {e: '${var.env}'}\n")))[0]
    )


def test_a_fragment_of_a_bundle_points_to_the_bundle(tmp_path: Path) -> None:
    written(tmp_path, "bundle: {name: b}\n", "databricks.yml")
    text = "resources:\n  jobs:\n    j:\n      name: ${var.x}\n"
    found = faults(written(tmp_path, text, "resources/j.yml"))
    assert any("the bundle declares no variable 'x'" in fault for fault in found)
    with pytest.raises(InvalidSpec, match=r"looks like a part of .*databricks\.yml: run that, with --job"):
        load(tmp_path / "resources/j.yml", environ={})


def test_references_that_will_not_work_are_doubts(tmp_path: Path) -> None:
    text = one_task(
        "      base_parameters: {a: '{{item}}', b: '{{job.parameters.x}}', c: '{{tasks.z.values.y}}', "
        "d: '{{job.run_id}}', e: '{{input}}', f: '{{ start_date }}', g: '{{job.parameters.[p]}}'}\n",
        head="parameters: [{name: p, default: '1'}]\n",
    ).replace("notebook_path: a\n", "notebook_path: a\n")
    found = doubts(written(tmp_path, text))
    assert len(found) == 4
    assert "{{item}} is no reference Databricks knows, so it stays as text; did you mean {{input}}?" in found[0]
    assert "{{job.parameters.x}} names no parameter of this job" in found[1]
    assert "{{tasks.z.values.y}} names no task of this job" in found[2]
    assert "{{input}} stands outside a for_each_task" in found[3]


def test_a_secret_in_a_parameter_stays_text_and_is_a_doubt_one_in_a_cluster_is_none(tmp_path: Path) -> None:
    parameter = "      base_parameters: {a: '{{secrets/s/k}}'}\n"
    cluster = "    new_cluster: {spark_env_vars: {A: '{{secrets/s/k}}'}}\n"
    [found] = doubts(written(tmp_path, one_task(parameter + cluster)))
    assert "{{secrets/s/k}} stays as text" in found


def test_a_value_left_empty_is_a_doubt(tmp_path: Path) -> None:
    found = doubts(written(tmp_path, one_task("      base_parameters: {x: }\n")))
    assert "tasks[a].notebook_task.base_parameters.x: has no value and is left out" in found[0]


def test_a_text_without_a_file_counts_its_paths_from_where_it_is(tmp_path: Path) -> None:
    written(tmp_path, one_task())
    spec = loads(one_task(), path=tmp_path / "<cell>")
    assert isinstance(spec, LoadedSpec)
    assert spec.job().files[("a", "notebook_task.notebook_path")] == tmp_path / "a.py"


def test_plain_data_is_checked_the_same_way() -> None:
    with pytest.raises(InvalidSpec) as error:
        job_settings({"tasks": [{"task_key": "a", "depends_on": [{"task_key": "a"}], "notebok_task": {}}]})
    assert "tasks[0].notebok_task: unknown key 'notebok_task'; did you mean 'notebook_task'?" in str(error.value)
    assert "task 'a' can not reference itself" in str(error.value)


def test_the_worked_example_loads_when_its_notebooks_are_there(tmp_path: Path) -> None:
    for name in (
        "plan.py",
        "combine.py",
        "load_region.py",
        "report_shortfall.py",
        "publish.py",
        "cleanup.py",
        "extract_orders.py",
    ):
        written(tmp_path, "", "x.yml", f"src/{name}")
    (tmp_path / "src/extract_customers.py").write_text("print(1)\n")
    path = written(tmp_path, (DATA / "nightly_orders.job.json").read_text(), "nightly_orders.job.json")
    job = load(path, environ={}).job()
    assert job.key == "nightly_orders"
    assert job.files[("per_region_iteration", "notebook_task.notebook_path")] == tmp_path / "src/load_region.py"
    assert job.place_of_task("cleanup").line > job.place_of_task("plan").line > 1


def test_a_spec_must_be_a_mapping(tmp_path: Path) -> None:
    assert "a spec is a mapping" in faults(written(tmp_path, "- a\n- b\n"))[0]


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a job spec is a"):
        load(written(tmp_path, "x", "job.txt"))


def test_a_caller_may_go_on_with_what_is_readable(tmp_path: Path) -> None:
    spec = load(written(tmp_path, one_task().replace("path: a", "path: gone")), environ={}, keep_going=True)
    assert spec.job().settings.name == "j"
    assert [problem.line for problem in spec.faults] == [5]


def test_a_key_written_twice_is_told_with_the_other_faults(tmp_path: Path) -> None:
    found = faults(written(tmp_path, one_task("    run_iff: ALL_DONE\n", head="name: k\n")))
    assert [fault.split(": ")[1].split(" ")[0] for fault in found] == ["the", "tasks[a].run_iff"]
