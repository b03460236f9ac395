"""Reference section 7.1: the source format, a test a row."""

from __future__ import annotations

import pytest

from dbutils_local.errors import UserError
from dbutils_local.notebooks import Language, parse, read, render

HEAD = "# Databricks notebook source\n"
SEPARATOR = "\n\n# COMMAND ----------\n\n"


def sources(text: str, language: Language = Language.PYTHON) -> list[str]:
    return [cell.source for cell in parse(text, language).cells]


@pytest.mark.parametrize(
    ("extension", "mark", "language"),
    [(".py", "#", "python"), (".r", "#", "r"), (".R", "#", "r"), (".scala", "//", "scala"), (".sql", "--", "sql")],
)
def test_7_1_each_language_has_its_header_and_comment(tmp_path, extension, mark, language):
    file = tmp_path / f"nb{extension}"
    file.write_text(f"{mark} Databricks notebook source\none\n\n{mark} COMMAND ----------\n\n{mark} MAGIC %md text\n")
    document = read(file)
    assert document.language.value == language
    assert [cell.source for cell in document.cells] == ["one", "%md text"]


def test_7_1_without_the_header_it_is_a_plain_file():
    with pytest.raises(UserError, match="Databricks notebook source"):
        parse("x = 1\n", Language.PYTHON)


ROWS = {
    "blank line before and after the separator": ("a" + SEPARATOR + "b\n", ["a", "b"]),
    "no blank line after": ("a\n\n# COMMAND ----------\nb\n", ["a", "b"]),
    "no blank line before": ("a\n# COMMAND ----------\n\nb\n", ["a", "b"]),
    "extra blank lines": ("a\n\n\n" + SEPARATOR + "\n\nb\n", ["a", "b"]),
    "blank line after the header": ("\na\n", ["a"]),
    "two newlines at the end": ("a\n\n", ["a"]),
    "no newline at the end": ("a", ["a"]),
    "empty cells": ("a" + SEPARATOR + SEPARATOR + "b\n", ["a", "", "b"]),
    "empty last cell": ("a\n\n# COMMAND ----------\n", ["a", ""]),
    "eleven hyphens": ("a\n\n# COMMAND -----------\n\nb\n", ["a", "b"]),
    "indented separator": ("if a:\n    # COMMAND ----------\n    b\n", ["if a:\n    # COMMAND ----------\n    b"]),
    "blank MAGIC line": ("# MAGIC %md\n# MAGIC\n# MAGIC x\n", ["%md\n\nx"]),
    "blank MAGIC line with a space": ("# MAGIC %md\n# MAGIC \n# MAGIC x\n", ["%md\n\nx"]),
    "every line of a magic cell is prefixed": (
        "# MAGIC %pip install x\n# MAGIC dbutils.library.restartPython()\n",
        ["%pip install x\ndbutils.library.restartPython()"],
    ),
    "plain comments before a magic": ("# why\n# MAGIC %pip install x\n", ["# why\n%pip install x"]),
    "body on the magic's line": ("# MAGIC %sql select 1\n", ["%sql select 1"]),
    "raw magic without prefix": ("%run ./x\n", ["%run ./x"]),
    "body without prefix": ("# MAGIC %sql\nselect 1\n", ["%sql\nselect 1"]),
    "exactly one space is stripped": ("# MAGIC %python\n# MAGIC   indented\n", ["%python\n  indented"]),
}


@pytest.mark.parametrize("row", ROWS)
def test_7_1_row(row):
    text, cells = ROWS[row]
    assert [source.strip("\n") for source in sources(HEAD + text)] == cells
    assert render(parse(HEAD + text, Language.PYTHON)) == HEAD + text


@pytest.mark.parametrize(("digit", "shown"), [("1", True), ("0", False)])
def test_7_1_titles(digit, shown):
    (cell,) = parse(f"{HEAD}# DBTITLE {digit},Load, then check\nx = 1\n", Language.PYTHON).cells
    assert (cell.title, cell.source) == ("Load, then check", "x = 1")
    assert cell.show_title is shown


def test_7_1_carriage_returns():
    text = (HEAD + "a" + SEPARATOR + "b\n").replace("\n", "\r\n")
    assert sources(text) == ["a", "b"]
    assert render(parse(text, Language.PYTHON)) == text


def test_7_1_a_sql_notebooks_python_cells():
    text = "-- Databricks notebook source\nselect 1\n\n-- COMMAND ----------\n\n-- MAGIC %python\n-- MAGIC x = 1\n"
    assert sources(text, Language.SQL) == ["select 1", "%python\nx = 1"]


def test_7_1_the_environment_block():
    block = '# /// script\n# [tool.databricks.environment]\n# environment_version = "5"\n# ///\n'
    document = parse(HEAD + block + "# MAGIC %md T\n", Language.PYTHON)
    assert [cell.source for cell in document.cells] == ["%md T"]
    assert document.environment is not None
