"""Magics: what a cell is for, what IPython gets of it, and the grammar of %run."""

from __future__ import annotations

import pytest

from dbutils_local.errors import UserError
from dbutils_local.notebooks import CellKind, Language, WidgetRef, cell_to_python, classify, parse_run
from dbutils_local.notebooks.cells import line_magics


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("x = 1", CellKind.PYTHON),
        ("", CellKind.EMPTY),
        ("  \n", CellKind.EMPTY),
        ("%sql select 1", CellKind.SQL),
        ("%md ## T", CellKind.MARKDOWN),
        ("%md# T", CellKind.MARKDOWN),
        ("%md-sandbox\n<b>x</b>", CellKind.MARKDOWN),
        ("%sh ls", CellKind.SHELL),
        ("%fs ls /", CellKind.FS),
        ("%run ./x", CellKind.RUN),
        ("%pip install x", CellKind.PIP),
        ("%uv pip install x", CellKind.PIP),
        ("%scala val x = 1", CellKind.SCALA),
        ("%r x <- 1", CellKind.R),
        ("%reset -f", CellKind.PYTHON),
        ("%skip\nx", CellKind.SKIP),
        ("%restart_python", CellKind.RESTART),
        ("%python x = 1", CellKind.PYTHON),
        ("%load_ext autoreload", CellKind.PYTHON),
        ("%%time\nx", CellKind.CELL_MAGIC),
        ("%%sql\nselect 1", CellKind.CELL_MAGIC),
        ("# why\n%pip install x\ny = 1", CellKind.PIP),
        ("\n\n%md x", CellKind.MARKDOWN),
        ("x = 1\n%sql select 1", CellKind.PYTHON),
    ],
)
def test_a_cell_is_what_its_first_magic_says(source: str, kind: CellKind) -> None:
    assert classify(source).kind is kind


def test_a_cell_without_magic_is_in_the_notebooks_language() -> None:
    assert classify("select 1", Language.SQL).kind is CellKind.SQL
    assert classify("-- why\n%python\nx", Language.SQL).kind is CellKind.PYTHON
    assert classify("# why\n%python\nx", Language.SQL).kind is CellKind.PYTHON


def test_text_on_the_magics_line_belongs_to_the_code() -> None:
    parsed = classify("-- c\n%sql select 1\nunion select 2", Language.SQL)
    assert parsed.code == "select 1\nunion select 2"
    assert (parsed.line, parsed.body_line, parsed.code_line) == (1, 2, 1)
    assert classify("%sql\nselect 1").code_line == 1


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("x = 1", "x = 1"),
        ("%sql\nselect '%d' as a, {x}, $y", "%%sql\nselect '%d' as a, {x}, $y"),
        ("%sql select 1", "%%sql select 1\n\n"),
        ("%sh -e\nls", "%%sh -e\nls"),
        ("%fs ls /", "%%fs ls /\n\n"),
        ("%md-sandbox\nx", "%%md\nx"),
        ("# why\n%md\nx", "%%md\nx"),
        ("%python\nx = 1", "\nx = 1"),
        ("# why\n%python x = 1\ny", "\nx = 1\ny"),
        ("%run ./x $a=1", "%run ./x $a=1"),
        ("%pip install x\ny = 1", "%pip install x\ny = 1"),
        ("x = %sql select 1", "x = %sql select 1"),
        ("%%sql\nselect 1", "%%sql\nselect 1"),
        ("%scala\nval x = 1", "%%scala\nval x = 1"),
    ],
)
def test_ipython_gets_a_cell_magic_with_the_body_untouched(source: str, python: str) -> None:
    assert cell_to_python(source) == python


def test_a_skipped_cell_becomes_a_visible_note(capsys: pytest.CaptureFixture[str]) -> None:
    exec(cell_to_python("%skip\nraise ValueError"))
    assert "%skip" in capsys.readouterr().out


def test_python_lines_keep_their_numbers() -> None:
    source = "# one\n%python\n\nraise ValueError"
    assert cell_to_python(source).split("\n")[3] == "raise ValueError"


def test_line_magics_are_found_in_order() -> None:
    assert [
        (m.name, m.argument, m.line, m.indented) for m in line_magics("%pip install a\nif x:\n  %run ./y\n%%z")
    ] == [
        ("pip", "install a", 0, False),
        ("run", "./y", 2, True),
    ]


@pytest.mark.parametrize(
    ("line", "path", "arguments"),
    [
        ("%run ./x", "./x", {}),
        ("  %run   ../x  ", "../x", {}),
        ("./x", "./x", {}),
        ('%run "./a b"', "./a b", {}),
        ("%run './a b' $x='1 2'", "./a b", {"x": "1 2"}),
        ("%run ./x $a=\"v w\" $b='u' $c=t $d=", "./x", {"a": "v w", "b": "u", "c": "t", "d": ""}),
        ("%run ./My Notebook $a=false", "./My Notebook", {"a": "false"}),
        ("%run ./My Notebook", "./My Notebook", {}),
        ("%run ./x $a=$b", "./x", {"a": WidgetRef("b")}),
        ('%run ./x $a="say \\"hi\\""', "./x", {"a": 'say "hi"'}),
        ('%run ./x $a = "v"', "./x", {"a": "v"}),
        ("%run /Users/me@x.org/nb $p=a=b", "/Users/me@x.org/nb", {"p": "a=b"}),
    ],
)
def test_run_lines_are_read(line: str, path: str, arguments: dict[str, str | WidgetRef]) -> None:
    call = parse_run(line)
    assert (call.path, dict(call.arguments)) == (path, arguments)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%run", "no notebook named"),
        ('%run "./x', 'quote " is not closed'),
        ('%run "./x"y', "directly after the quoted path"),
        ('%run "./x" y', "cannot read 'y'"),
        ("%run ./x $a=1 b", "cannot read 'b'"),
        ("%run ./x $a=1 $a=2", "given twice"),
        ("%run $a=1", "no notebook named before"),
    ],
)
def test_a_run_line_that_cannot_be_read_says_why(line: str, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("$", r"\$")):
        parse_run(line)


def test_the_path_of_a_run_may_stand_below_it() -> None:
    source = '\n%run\n\n "../lib/Core Notebook" $a="1"\n'
    assert parse_run(classify(source).argument).path == "../lib/Core Notebook"
    assert cell_to_python(source) == '\n%run "../lib/Core Notebook" $a="1"\n\n\n'
