"""The source format: every form the reference names reads as it should and is written back byte for byte."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.errors import UserError
from dbutils_local.notebooks import Cell, CellType, Document, Language, from_nbformat, parse, render, to_nbformat

HEAD = "# Databricks notebook source\n"
SEP = "\n\n# COMMAND ----------\n\n"

FORMS = {
    "three cells": HEAD + "x = 1" + SEP + "# MAGIC %md ## T\n# MAGIC\n# MAGIC text" + SEP + "y = 2\n",
    "header only": HEAD,
    "header without newline": HEAD.rstrip("\n"),
    "blank line after the header": HEAD + "\nx = 1" + SEP + "y\n",
    "carriage returns": (HEAD + "x = 1" + SEP + "# MAGIC %sql\n# MAGIC select 1\n").replace("\n", "\r\n"),
    "mixed line ends": HEAD + "x = 1\r\ny = 2" + SEP + "z\r\n",
    "no final newline": HEAD + "x = 1" + SEP + "y = 2",
    "two final newlines": HEAD + "x = 1" + SEP + "y = 2\n\n",
    "empty cells": HEAD + "x" + SEP + SEP + "y\n",
    "empty last cell": HEAD + "x" + SEP.rstrip() + "\n",
    "empty last cell with a blank line": HEAD + "x" + SEP,
    "separator with nothing after": HEAD + "x" + SEP + "y" + SEP.rstrip("\n"),
    "no blank line after the separator": HEAD + "x\n\n# COMMAND ----------\ny\n",
    "no blank line before the separator": HEAD + "x\n# COMMAND ----------\n\ny\n",
    "extra blank lines": HEAD + "x\n\n\n" + SEP + "\n\ny\n",
    "eleven hyphens": HEAD + "x\n\n# COMMAND -----------\n\ny\n",
    "title": HEAD + "# DBTITLE 1,Load, then check\nx = 1\n",
    "hidden title": HEAD + "x" + SEP + "# DBTITLE 0,Quiet\ny\n",
    "title after extra blanks": HEAD + "x" + SEP + "\n\n# DBTITLE 1,T\ny\n",
    "title above a magic": HEAD + "# DBTITLE 1,T\n# MAGIC %sql\n# MAGIC select 1\n",
    "script block": HEAD + '# /// script\n# [tool.databricks.environment]\n# environment_version = "5"\n# ///\nx = 1\n',
    "script block above a magic": HEAD
    + '# /// script\n# [tool.databricks.environment]\n# environment_version = "5"\n# ///\n# MAGIC %md\n# MAGIC T\n',
    "script block set apart": HEAD + "\n# /// script\n# dependencies = []\n# ///\n\nx = 1\n",
    "blank magic lines with a space": HEAD + "# MAGIC %md\n# MAGIC \n# MAGIC x\n",
    "blank magic lines first": HEAD + "# MAGIC\n# MAGIC %md\n# MAGIC x\n",
    "comment above a magic": HEAD + "# why\n# MAGIC %pip install x\n# MAGIC %restart_python\n",
    "raw run": HEAD + "%run ./x" + SEP + "%pip install a\n",
    "body without prefix": HEAD + "# MAGIC %sql\nselect 1\n",
    "indented magic body": HEAD + "# MAGIC %python\n# MAGIC def f():\n# MAGIC     return 1\n",
    "indented separator is code": HEAD + "def f():\n    # COMMAND ----------\n    return 1\n",
    "form feed and line separator": HEAD + "x = '\x0c\u2028'" + SEP + "y\n",
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_written_back_byte_for_byte(name: str) -> None:
    document = parse(FORMS[name], Language.PYTHON)
    assert render(document) == FORMS[name]


@pytest.mark.parametrize("name", FORMS)
def test_every_form_survives_the_way_through_jupyter(name: str) -> None:
    document = parse(FORMS[name], Language.PYTHON)
    assert render(from_nbformat(to_nbformat(document))) == FORMS[name]


@pytest.mark.parametrize("name", FORMS)
def test_lines_are_where_the_cell_says(name: str) -> None:
    lines = re.split("\r?\n", FORMS[name])
    for cell in parse(FORMS[name], Language.PYTHON).cells:
        assert cell.line is not None
        for offset, line in enumerate(cell.source.split("\n") if cell.source.strip() else []):
            written = lines[cell.line - 1 + offset]
            assert written.removeprefix("# MAGIC").removeprefix(" ").strip() == line.strip()


def sources(name: str) -> list[str]:
    return [cell.source for cell in parse(FORMS[name], Language.PYTHON).cells]


def test_magic_prefixes_are_taken_off_with_one_space_at_most() -> None:
    assert sources("indented magic body") == ["%python\ndef f():\n    return 1"]


def test_a_titled_cell_knows_its_title_and_whether_it_is_shown() -> None:
    (cell,) = parse(FORMS["title"], Language.PYTHON).cells
    assert (cell.title, cell.show_title, cell.source, cell.line) == ("Load, then check", True, "x = 1", 3)
    hidden = parse(FORMS["hidden title"], Language.PYTHON).cells[1]
    assert (hidden.title, hidden.show_title) == ("Quiet", False)


def test_empty_cells_are_cells() -> None:
    assert sources("empty cells") == ["x", "", "y"]
    assert sources("empty last cell") == ["x", ""]


def test_an_indented_separator_is_no_separator() -> None:
    assert len(sources("indented separator is code")) == 1


def test_the_script_block_is_the_notebooks_not_the_cells() -> None:
    document = parse(FORMS["script block above a magic"], Language.PYTHON)
    assert document.cells[0].source == "%md\nT"
    assert document.cells[0].kind is CellType.MARKDOWN
    assert document.environment is not None
    assert document.environment.version == "5"


def test_dependencies_of_the_script_block_are_read_when_asked_for() -> None:
    block = '# /// script\n# [tool.databricks.environment]\n# dependencies = [\n#   "a==1",\n#   "b",\n# ]\n# ///\nx\n'
    environment = parse(HEAD + block, Language.PYTHON).environment
    assert environment is not None
    assert environment.dependencies == ("a==1", "b")


def test_a_broken_script_block_is_named_when_asked_for() -> None:
    document = parse(HEAD + "# /// script\n# a = \n# ///\nx\n", Language.PYTHON)
    with pytest.raises(UserError, match="script' block is not valid TOML"):
        _ = document.environment


@pytest.mark.parametrize("language", list(Language))
def test_each_language_has_its_own_marks(language: Language) -> None:
    c = language.comment
    text = f"{c} Databricks notebook source\nfirst\n\n{c} COMMAND ----------\n\n{c} MAGIC %python\n{c} MAGIC x\n"
    document = parse(text, language)
    assert [cell.source for cell in document.cells] == ["first", "%python\nx"]
    assert render(document) == text


def test_a_file_without_the_header_is_refused_with_the_reason() -> None:
    with pytest.raises(UserError, match="first line is not '# Databricks notebook source'"):
        parse("x = 1\n", Language.PYTHON)
    with pytest.raises(UserError, match="byte order mark"):
        parse("\ufeff" + HEAD, Language.PYTHON)


def test_a_changed_cell_is_written_by_the_rules_and_its_neighbours_stay() -> None:
    document = parse(FORMS["extra blank lines"], Language.PYTHON)
    changed = Document(cells=(Cell("z = 3"), *document.cells[1:]), language=Language.PYTHON)
    assert render(changed) == HEAD + "z = 3" + SEP + "\n\ny\n"


def test_a_cell_moved_from_the_end_keeps_the_file_a_notebook() -> None:
    document = parse(FORMS["no final newline"], Language.PYTHON)
    turned = Document(cells=document.cells[::-1], language=Language.PYTHON)
    assert render(turned) == HEAD + "y = 2" + SEP + "x = 1\n"


_line = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=12)
_text_lines = st.lists(
    st.one_of(
        _line,
        st.sampled_from(
            [
                "",
                " ",
                "# COMMAND ----------",
                "# COMMAND -----------",
                "# DBTITLE 1,t",
                "# MAGIC %md x",
                "# MAGIC",
                "# MAGIC ",
                "# MAGIC  y",
                "%run ./x",
                "# c",
                "# /// script",
                "# ///",
                "x = 1",
                "\r",
            ]
        ),
    ),
    max_size=14,
)


@given(_text_lines, st.sampled_from(["\n", "\r\n"]), st.sampled_from(list(Language)))
def test_any_text_below_a_header_is_written_back_byte_for_byte(
    lines: list[str], newline: str, language: Language
) -> None:
    body = newline.join(line.replace("#", language.comment, 1) for line in lines)
    text = language.header + newline + body
    document = parse(text, language)
    assert render(document) == text
    assert render(from_nbformat(to_nbformat(document))) == text


def _holds(source: str) -> bool:
    """Whether the source format has a way to write the cell: it knows no escapes for its own marks."""
    return not re.search(r"(?m)^(# (COMMAND ----------|MAGIC( |$)|DBTITLE|/// script)|\s*%)", source)


_plain = st.lists(_line, max_size=5).map("\n".join).filter(_holds)
_magic = st.builds(
    lambda head, body: "\n".join([head, *body]),
    st.sampled_from(
        ["%sql", "%md", "%md ## T", "%sh -e", "%pip install x", "# why\n%pip install y", "%%time", "\n%md"]
    ),
    st.lists(_line, max_size=4),
)
_title = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=8)
_cells = st.lists(
    st.builds(
        lambda source, title, shown: Cell(source, title=title, show_title=shown if title is not None else True),
        _plain | _magic,
        _title,
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@given(_cells, st.sampled_from(["\n", "\r\n"]))
def test_any_cells_come_back_from_the_text_they_were_written_to(cells: list[Cell], newline: str) -> None:
    document = Document(tuple(cells), newline=newline)
    again = parse(render(document), Language.PYTHON)
    assert [(c.source, c.title, c.show_title) for c in again.cells] == [
        (c.source, c.title, c.show_title) for c in cells
    ]
    assert all(cell.raw is None for cell in again.cells)
