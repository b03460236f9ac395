"""Names of notebooks become files: relative to the caller, absolute below the root, with and without extension."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbutils_local.errors import NotFound, UserError
from dbutils_local.notebooks import resolve, workspace_path

HEAD = "# Databricks notebook source\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "main.py": HEAD,
        "helpers/tools.py": HEAD,
        "helpers/My Notebook.py": HEAD,
        "helpers/v1.2.py": HEAD,
        "both.py": HEAD,
        "both.ipynb": "{}",
        "query.sql": "-- Databricks notebook source\n",
        "plain.py": "x = 1\n",
        "mixed.py": "x = 1\n",
        "mixed.sql": "-- Databricks notebook source\n",
        "Users/me/own.py": HEAD,
    }.items():
        path = tmp_path / "proj" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "proj"


@pytest.mark.parametrize(
    ("name", "caller", "file"),
    [
        ("./helpers/tools", "main.py", "helpers/tools.py"),
        ("helpers/tools", "main.py", "helpers/tools.py"),
        ("helpers/tools.py", "main.py", "helpers/tools.py"),
        ("../main", "helpers/tools.py", "main.py"),
        ("tools", "helpers/x.py", "helpers/tools.py"),
        ("./My Notebook", "helpers/tools.py", "helpers/My Notebook.py"),
        ("v1.2", "helpers/tools.py", "helpers/v1.2.py"),
        ("./both", "main.py", "both.ipynb"),
        ("./both.py", "main.py", "both.py"),
        ("./query", "main.py", "query.sql"),
        ("./mixed", "main.py", "mixed.sql"),
        ("main", None, "main.py"),
        ("/Users/me/own", "main.py", "Users/me/own.py"),
        ("/Workspace/Users/me/own", "main.py", "Users/me/own.py"),
        ("/Repos/someone@x.org/proj/helpers/tools", "main.py", "helpers/tools.py"),
        ("/Repos/someone@x.org/renamed/main", "main.py", "main.py"),
        ("/Workspace/Users/someone@x.org/deep/er/renamed/helpers/tools", "main.py", "helpers/tools.py"),
        ("/Workspace/Shared/renamed/main", "main.py", "main.py"),
        ("/helpers/tools", "main.py", "helpers/tools.py"),
    ],
)
def test_a_name_leads_to_its_file(root: Path, name: str, caller: str | None, file: str) -> None:
    assert resolve(name, caller=root / caller if caller else None, root=root) == root / file


def test_a_real_absolute_path_is_a_name_too(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(HEAD)
    assert resolve(str(tmp_path / "other"), caller=None, root=root) == tmp_path / "other.py"


def test_a_relative_name_may_leave_the_root(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(HEAD)
    assert resolve("../other", caller=root / "main.py", root=root) == tmp_path / "other.py"


def test_a_lone_name_is_not_guessed_from_a_longer_path(root: Path) -> None:
    with pytest.raises(NotFound):
        resolve("/Users/me/some/where/else/main", caller=None, root=root)


def test_what_is_not_there_is_told_in_databricks_words(root: Path) -> None:
    with pytest.raises(NotFound) as caught:
        resolve("./nope", caller=root / "helpers/tools.py", root=root)
    text = str(caught.value)
    assert text.startswith(
        "Notebook not found: /helpers/nope. Notebooks can be specified via a relative path "
        "(./Notebook or ../folder/Notebook) or via an absolute path (/Abs/Path/to/Notebook). "
        "Make sure you are specifying the path correctly.\n\nStacktrace:\n  /helpers/tools: python\n"
    )
    assert str(root / "helpers/nope") in text


def test_a_plain_python_file_is_no_notebook(root: Path) -> None:
    with pytest.raises(UserError, match="plain Python file, not a notebook: import it"):
        resolve("./plain", caller=root / "main.py", root=root)


@pytest.mark.parametrize("name", ["", ".", "..", "./helpers/..", "/"])
def test_a_folder_is_no_notebook(root: Path, name: str) -> None:
    with pytest.raises(UserError):
        resolve(name, caller=root / "main.py", root=root)


def test_workspace_paths_have_no_extension(root: Path, tmp_path: Path) -> None:
    assert workspace_path(root / "helpers/tools.py", root) == "/helpers/tools"
    assert workspace_path(root / "helpers/v1.2.py", root) == "/helpers/v1.2"
    assert workspace_path(tmp_path / "other.py", root) == f"{tmp_path}/other"


def test_a_root_behind_a_link_is_the_same_root(root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    assert workspace_path(root / "helpers/tools.py", link) == "/helpers/tools"
    assert workspace_path(link / "helpers/tools.py", root) == "/helpers/tools"
