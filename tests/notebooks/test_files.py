"""Notebook files: told apart, read, written, converted, and every bad one named with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbutils_local.errors import NotFound, UserError
from dbutils_local.notebooks import Language, convert, is_notebook, read, write

SOURCE = (
    "# Databricks notebook source\r\n# DBTITLE 1,T\r\n# MAGIC %md ## T\r\n\r\n# COMMAND ----------\r\nx = 1\r\n\r\n"
    "# COMMAND ----------\r\n\r\n# MAGIC %sql\r\nselect 1"
)


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_source_to_jupyter_and_back_gives_the_same_bytes(tmp_path: Path) -> None:
    src = file(tmp_path, "nb.py", SOURCE)
    assert convert(src, tmp_path / "nb.ipynb").notices == ()
    assert convert(tmp_path / "nb.ipynb", tmp_path / "again.py").notices == ()
    assert (tmp_path / "again.py").read_bytes() == src.read_bytes()


def test_jupyter_to_source_and_back_keeps_every_cell(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# T\n\ntext\n"},
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": "\nx = 1\n\n"},
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": "%sql\nselect 1"},
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": ""},
    ]
    node = {"nbformat": 4, "nbformat_minor": 2, "metadata": {}, "cells": cells}
    src = file(tmp_path, "a.ipynb", json.dumps(node))
    convert(src, tmp_path / "a.py")
    convert(tmp_path / "a.py", tmp_path / "b.ipynb")
    again = read(tmp_path / "b.ipynb").cells
    assert [(cell.source, cell.kind) for cell in again] == [(cell.source, cell.kind) for cell in read(src).cells]


def test_what_source_cannot_hold_is_said(tmp_path: Path) -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "hi"}
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [output], "execution_count": 1, "source": "print('hi')"},
        {"cell_type": "raw", "metadata": {}, "source": "r"},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": "x\n# COMMAND ----------\n# MAGIC y"},
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": "# DBTITLE 1,t\nx"},
    ]
    src = file(tmp_path, "a.ipynb", json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
    notices = " ".join(convert(src, tmp_path / "a.py").notices)
    for part in ("outputs of 1 cells", "raw type of 1 cells", "cell 3", "becomes two", "prefix is gone", "cell 4"):
        assert part in notices


def test_only_files_with_the_header_are_notebooks(tmp_path: Path) -> None:
    assert is_notebook(file(tmp_path, "a.py", "# Databricks notebook source\r\nx"))
    assert is_notebook(file(tmp_path, "h.py", "# Databricks notebook source"))
    assert is_notebook(file(tmp_path, "a.sql", "-- Databricks notebook source\n"))
    assert is_notebook(file(tmp_path, "a.R", "# Databricks notebook source\n"))
    assert is_notebook(file(tmp_path, "a.ipynb", "{}"))
    assert is_notebook(file(tmp_path, "windows.py", "\ufeff# Databricks notebook source\r\nx"))
    assert not is_notebook(file(tmp_path, "b.py", "x = 1\n"))
    assert not is_notebook(file(tmp_path, "b.sql", "# Databricks notebook source\n"))
    assert not is_notebook(file(tmp_path, "c.txt", "# Databricks notebook source\n"))
    assert not is_notebook(tmp_path / "none.py")
    assert not is_notebook(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "x = 1\n", "first line is not '# Databricks notebook source'"),
        ("a.sql", "", "first line is not '-- Databricks notebook source'"),
        ("a.txt", "x", "its extension is none of"),
        ("a.ipynb", "{", "not valid JSON"),
        ("a.ipynb", "[]", "no 'nbformat' in it"),
    ],
)
def test_what_is_no_notebook_says_why(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(file(tmp_path, name, text))


def test_a_missing_notebook_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no notebook at"):
        read(tmp_path / "none.py")


def test_text_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(b"# Databricks notebook source\nx = '\xff'\n")
    with pytest.raises(UserError, match="not UTF-8 text \\(byte 34\\)"):
        read(path)


def test_an_old_jupyter_notebook_is_upgraded(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "input": "x = 1", "language": "python", "outputs": [], "collapsed": False}
    node = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": [cell], "metadata": {}}],
    }
    assert read(file(tmp_path, "old.ipynb", json.dumps(node))).cells[0].source == "x = 1"


def test_an_old_jupyter_notebook_with_lists_of_lines_is_upgraded(tmp_path: Path) -> None:
    heading = {"cell_type": "heading", "level": 1, "source": ["Old"]}
    cell = {"cell_type": "code", "input": ["x = 1\n", "x"], "language": "python", "outputs": [], "collapsed": False}
    worksheets = [{"cells": [heading, cell], "metadata": {}}]
    node = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": worksheets}
    cells = read(file(tmp_path, "old.ipynb", json.dumps(node))).cells
    assert [cell.source for cell in cells] == ["%md\n# Old", "x = 1\nx"]


def test_a_byte_order_mark_is_no_part_of_a_notebook(tmp_path: Path) -> None:
    source = read(file(tmp_path, "a.py", "\ufeff# Databricks notebook source\r\n# MAGIC %md words\r\n"))
    assert [cell.source for cell in source.cells] == ["%md words"]
    node = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
    assert read(file(tmp_path, "a.ipynb", "\ufeff" + json.dumps(node))).cells == ()


def test_a_notebook_cannot_be_written_under_another_language(tmp_path: Path) -> None:
    document = read(file(tmp_path, "a.py", SOURCE))
    with pytest.raises(UserError, match=r"its extension must be \.py"):
        write(document, tmp_path / "a.sql")
    assert not (tmp_path / "a.sql").exists()


def test_each_language_has_its_extension(tmp_path: Path) -> None:
    for name, language in (
        ("a.py", Language.PYTHON),
        ("a.sql", Language.SQL),
        ("a.scala", Language.SCALA),
        ("a.r", Language.R),
    ):
        assert read(file(tmp_path, name, f"{language.header}\nx\n")).language is language


def test_the_environment_goes_with_the_notebook(tmp_path: Path) -> None:
    environment = {"environment_version": "4", "base_environment": "", "dependencies": ["a==1"]}
    metadata = {"application/vnd.databricks.v1+notebook": {"language": "python", "environmentMetadata": environment}}
    src = file(tmp_path, "a.ipynb", json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": []}))
    assert convert(src, tmp_path / "a.py").notices == ()
    again = read(tmp_path / "a.py")
    assert again.environment == read(src).environment
    assert again.environment is not None
    assert again.environment.dependencies == ("a==1",)
