"""Paths in a job: which file of this machine each of them means."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbutils_local.errors import InvalidSpec, NotFound
from dbutils_local.spec.files import is_local_dependency, is_notebook
from dbutils_local.spec.load import LoadedJob, load

NOTEBOOK = "# Databricks notebook source\n"


def make(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def load_task(folder: Path, task: str, head: str = "", root: Path | None = None) -> LoadedJob:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.yml").write_text(f"{head}tasks:\n  - task_key: t\n    {task}\n")
    return load(folder / "job.yml", environ={}, root=root).job()


def notebook(folder: Path, path: str, head: str = "", root: Path | None = None) -> Path:
    job = load_task(folder, f"notebook_task: {{notebook_path: '{path}'}}", head, root)
    return job.files[("t", "notebook_task.notebook_path")]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("a", "a.py"),
        ("./a.py", "a.py"),
        ("sub/b", "sub/b.ipynb"),
        ("q", "q.sql"),
        ("../up", "../up.py"),
    ],
)
def test_notebooks_are_found_beside_the_file_with_or_without_extension(
    tmp_path: Path, written: str, found: str
) -> None:
    folder = tmp_path / "jobs"
    make(folder, a_DOT_py=NOTEBOOK, sub__b_DOT_ipynb="{}", q_DOT_sql="-- Databricks notebook source\nselect 1")
    make(tmp_path, up_DOT_py=NOTEBOOK)
    assert notebook(folder, written) == (folder / found).resolve()


@pytest.mark.parametrize(
    "written", ["/Workspace/Users/ada@x/shop/src/a", "/Repos/ada/shop/src/a", "/Shared/shop/src/a.py", "/src/a"]
)
def test_workspace_paths_are_found_below_the_root(tmp_path: Path, written: str) -> None:
    make(tmp_path, src__a_DOT_py=NOTEBOOK)
    assert notebook(tmp_path / "jobs", written, root=tmp_path) == tmp_path / "src/a.py"


def test_with_a_git_source_paths_count_from_the_root_and_a_notice_says_so(tmp_path: Path) -> None:
    make(tmp_path, src__a_DOT_py=NOTEBOOK)
    head = "git_source: {git_url: 'https://x/y', git_provider: gitHub, git_branch: main}\n"
    assert notebook(tmp_path / "jobs", "src/a", head, tmp_path) == tmp_path / "src/a.py"
    problems = load(tmp_path / "jobs/job.yml", environ={}, root=tmp_path).problems
    assert any("the working tree is used" in str(problem) for problem in problems)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("notebook_task: {notebook_path: plan}", "notebook 'plan' not found"),
        ("notebook_task: {notebook_path: pln}", "did you mean 'plan2.py'?"),
        ("notebook_task: {notebook_path: script.py}", "is a file, not a notebook"),
        ("spark_python_task: {python_file: gone.py}", "file 'gone.py' not found"),
        ("sql_task: {warehouse_id: w, file: {path: gone.sql}}", "file 'gone.sql' not found"),
        ("dbt_task: {commands: [dbt run], project_directory: gone}", "folder 'gone' not found"),
    ],
)
def test_files_that_are_not_there_are_faults(tmp_path: Path, task: str, words: str) -> None:
    make(tmp_path, script_DOT_py="print(1)\n", plan2_DOT_py=NOTEBOOK)
    with pytest.raises(InvalidSpec) as error:
        load_task(tmp_path, task.replace("pln", "plan2.pz") if "did you mean" in words else task)
    assert words in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/job.yml:3:")


@pytest.mark.parametrize(
    "task",
    [
        "notebook_task: {notebook_path: '{{job.parameters.which}}'}",
        "spark_python_task: {python_file: 'dbfs:/jobs/a.py'}",
        "spark_python_task: {python_file: /Volumes/a/b/c.py}",
        "spark_python_task: {python_file: 's3://bucket/a.py'}",
        "notebook_task: {notebook_path: a}\n    libraries: [{whl: dist/*.whl}, {pypi: {package: x}}]",
    ],
)
def test_what_can_only_be_known_later_is_not_looked_for(tmp_path: Path, task: str) -> None:
    make(tmp_path, a_DOT_py=NOTEBOOK)
    load_task(tmp_path, task)


def test_libraries_and_dependencies_of_the_project_are_found(tmp_path: Path) -> None:
    make(tmp_path, a_DOT_py=NOTEBOOK, req_DOT_txt="x\n")
    make(tmp_path, **{"dist__x-1_DOT_whl": ""})
    job = load_task(
        tmp_path,
        "notebook_task: {notebook_path: a}\n    libraries: [{whl: dist/*.whl}, {requirements: req.txt}]",
        "environments: [{environment_key: e, spec: {dependencies: [numpy, '-r req.txt']}}]\n",
    )
    assert job.files[("t", "libraries[0].whl")] == tmp_path / "dist/x-1.whl"
    assert job.files[("t", "libraries[1].requirements")] == tmp_path / "req.txt"
    assert job.files[("", "environments[0].spec.dependencies[1]")] == tmp_path / "req.txt"


def test_a_bundle_refuses_a_notebook_where_a_file_belongs(tmp_path: Path) -> None:
    make(tmp_path, a_DOT_py=NOTEBOOK)
    text = (
        "bundle: {name: b}\nresources: {jobs: {j: {tasks: [{task_key: t, spark_python_task: {python_file: a.py}}]}}}\n"
    )
    (tmp_path / "databricks.yml").write_text(text)
    with pytest.raises(InvalidSpec, match=r"expected a file but .*a\.py is a notebook"):
        load(tmp_path, environ={})


def test_another_way_to_find_notebooks_can_be_handed_in(tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []

    def find(name: str, caller: Path, root: Path) -> Path:
        asked.append((name, caller.name))
        if name == "gone":
            raise NotFound("Notebook not found: gone\nmore")
        return root / "x.py"

    (tmp_path / "job.yml").write_text("tasks: [{task_key: t, notebook_task: {notebook_path: n}}]\n")
    assert load(tmp_path / "job.yml", environ={}, resolve_notebook=find).job().files == {
        ("t", "notebook_task.notebook_path"): tmp_path / "x.py"
    }
    assert asked == [("n", "job.yml")]
    (tmp_path / "job.yml").write_text("tasks: [{task_key: t, notebook_task: {notebook_path: gone}}]\n")
    with pytest.raises(InvalidSpec, match=r"Notebook not found: gone$"):
        load(tmp_path / "job.yml", environ={}, resolve_notebook=find)


@pytest.mark.parametrize(
    ("line", "is_local"),
    [
        ("numpy==1", False),
        ("./dist/x.whl", True),
        ("../x", True),
        ("dist/*.whl", True),
        ("-r requirements.txt", True),
        ("-e .", True),
        ("https://x/y.whl", False),
        ("pkg @ https://x/y.whl", False),
        ("/Workspace/x.whl", False),
    ],
)
def test_dependencies_of_the_project_are_told_from_packages(line: str, is_local: bool) -> None:
    assert is_local_dependency(line) is is_local


def test_the_first_line_makes_a_notebook(tmp_path: Path) -> None:
    make(
        tmp_path,
        a_DOT_py=NOTEBOOK,
        b_DOT_py="# Databricks notebook sourcery\n",
        c_DOT_scala="// Databricks notebook source\r\n",
    )
    assert [is_notebook(tmp_path / name) for name in ("a.py", "b.py", "c.scala", "gone.py")] == [
        True,
        False,
        True,
        False,
    ]


def test_a_library_nobody_built_is_a_doubt(tmp_path: Path) -> None:
    make(tmp_path, a_DOT_py=NOTEBOOK)
    load_task(tmp_path, "notebook_task: {notebook_path: a}\n    libraries: [{whl: dist/*.whl}]")
    problems = load(tmp_path / "job.yml", environ={}).problems
    assert [problem.message for problem in problems] == ["tasks[t].libraries[0].whl: no file is 'dist/*.whl'"]
