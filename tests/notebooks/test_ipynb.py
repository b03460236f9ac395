"""Jupyter's format: Databricks' own .ipynb, other people's, and what a Python kernel gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from dbutils_local.errors import UserError
from dbutils_local.notebooks import Cell, CellType, Document, Format, Language, from_nbformat, parse, to_nbformat
from dbutils_local.notebooks.ipynb import source_line


def notebook(*cells: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 0, "metadata": metadata, "cells": list(cells)}


def code(source: str | list[str], **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [], "execution_count": None}


def markdown(source: str, **metadata: Any) -> dict[str, Any]:
    return {"cell_type": "markdown", "source": source, "metadata": metadata}


DATABRICKS_SQL = notebook(
    markdown("## T"),
    code(["select 1\n", "from t"], **{"application/vnd.databricks.v1+cell": {"title": "Pick", "showTitle": True}}),
    code("%python\nx = 1"),
    **{
        "application/vnd.databricks.v1+notebook": {
            "language": "sql",
            "notebookName": "nb",
            "environmentMetadata": {"environment_version": "4", "base_environment": ""},
        },
        "language_info": {"name": "sql"},
    },
)


def test_a_databricks_notebook_is_read_as_it_is_typed_there() -> None:
    document = from_nbformat(DATABRICKS_SQL)
    assert document.language is Language.SQL
    assert document.format is Format.IPYNB
    assert [cell.source for cell in document.cells] == ["%md\n## T", "select 1\nfrom t", "%python\nx = 1"]
    assert document.cells[1].title == "Pick"
    assert document.environment is not None
    assert document.environment.version == "4"


def test_a_python_kernel_gets_every_sql_cell_named() -> None:
    node = to_nbformat(from_nbformat(DATABRICKS_SQL))
    nbformat.validate(node)
    assert [cell.source for cell in node.cells] == ["## T", "%sql\nselect 1\nfrom t", "%python\nx = 1"]
    assert node.metadata.kernelspec.name == "python3"


def test_the_way_back_from_the_kernels_notebook_is_exact() -> None:
    document = from_nbformat(DATABRICKS_SQL)
    again = from_nbformat(to_nbformat(document))
    assert again.language is Language.SQL
    assert [(c.source, c.kind, c.title) for c in again.cells] == [(c.source, c.kind, c.title) for c in document.cells]


@pytest.mark.parametrize("language", list(Language))
def test_the_language_is_found_in_metadata_then_language_info_then_kernel(language: Language) -> None:
    word = language.value
    said = ({"language_info": {"name": word}}, {"kernelspec": {"name": "k", "language": word}})
    assert all(from_nbformat(notebook(**metadata)).language is language for metadata in said)


def test_a_language_databricks_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="its language is 'julia'"):
        from_nbformat(notebook(language_info={"name": "julia"}), Path("x.ipynb"))


def test_a_notebook_that_says_nothing_is_python() -> None:
    assert from_nbformat(notebook(code("x"))).language is Language.PYTHON


def test_sandbox_markdown_keeps_being_one() -> None:
    node = notebook(markdown("<b>x</b>", **{"application/vnd.databricks.v1+cell": {"isMarkdownSandbox": True}}))
    document = from_nbformat(node)
    assert document.cells[0].source == "%md-sandbox\n<b>x</b>"
    again = to_nbformat(document)
    assert again.cells[0].source == "<b>x</b>"
    assert from_nbformat(again).cells[0].source == "%md-sandbox\n<b>x</b>"


def test_ids_are_kept_where_good_and_made_unique_where_not() -> None:
    cells = (Cell("a", id="same"), Cell("b", id="same"), Cell("c", id="not good!"), Cell("d", id="cell-2"))
    ids = [cell.id for cell in to_nbformat(Document(cells)).cells]
    assert ids[0] == "same"
    assert len(set(ids)) == 4
    nbformat.validate(to_nbformat(Document(cells)))


def test_outputs_attachments_tags_and_raw_cells_stay() -> None:
    output = {"output_type": "stream", "name": "stdout", "text": "hi"}
    node = notebook(
        {**code("x", tags=["parameters"]), "outputs": [output], "execution_count": 3},
        {**markdown("![](attachment:a.png)"), "attachments": {"a.png": {"image/png": "aGk="}}},
        {"cell_type": "raw", "source": "raw", "metadata": {}},
    )
    again = to_nbformat(from_nbformat(node))
    nbformat.validate(again)
    assert again.cells[0].outputs == [output]
    assert again.cells[0].metadata.tags == ["parameters"]
    assert again.cells[1].attachments == {"a.png": {"image/png": "aGk="}}
    assert again.cells[2].cell_type == "raw"


def test_a_foreign_python_notebook_gets_no_databricks_metadata() -> None:
    node = to_nbformat(from_nbformat(notebook(code("x"), kernelspec={"name": "venv", "display_name": "V"})))
    assert set(node.metadata) == {"kernelspec", "language_info", "dbutils_local"}
    assert node.metadata.kernelspec.name == "venv"


def test_lines_of_kernel_cells_lead_back_to_the_file() -> None:
    text = "-- Databricks notebook source\n-- MAGIC %md\n-- MAGIC T\n\n-- COMMAND ----------\n\nselect 1\nfrom t\n"
    node = to_nbformat(parse(text, Language.SQL))
    lines = text.split("\n")
    assert node.cells[1].source.split("\n")[2] == lines[(source_line(node.cells[1].metadata, 3) or 0) - 1]
    assert "MAGIC T" in lines[(source_line(node.cells[0].metadata, 1) or 0) - 1]
    assert source_line({}, 1) is None


def test_markdown_cells_lose_their_magic_line_only() -> None:
    text = "# Databricks notebook source\n# why\n# MAGIC %md ## T\n# MAGIC\n# MAGIC x\n"
    document = parse(text, Language.PYTHON)
    assert document.cells[0].kind is CellType.MARKDOWN
    assert to_nbformat(document).cells[0].source == "## T\n\nx"
