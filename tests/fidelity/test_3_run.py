"""Reference section 3: %run, a test a row; all behaviour is that of one notebook that ran."""

from __future__ import annotations

import pytest

from dbutils_local.errors import UserError
from dbutils_local.notebooks import WidgetRef, parse_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_notebook):
    folder = tmp_path_factory.mktemp("run")
    write_notebook(
        folder / "project/main.py",
        ("before", "mine = 20\ndbutils.widgets.text('b', 'from the caller')\nimport os, sys\nhere = os.getcwd()"),
        ("relative", "%run ./lib/callee"),
        ("namespace", "print(theirs)"),
        ("value quoted", '%run ./lib/asks $a="v w"'),
        ("value single quoted", "%run ./lib/asks $a='v'"),
        ("value bare", "%run ./lib/asks $a=false"),
        ("value of a widget", "%run ./lib/asks $a=$b"),
        ("no value", "%run ./lib/asks"),
        ("up", "%run ../shared/up"),
        ("bare", "%run neighbour"),
        ("absolute", "%run /project/neighbour"),
        ("workspace", "%run /Workspace/project/neighbour"),
        ("quoted path", '%run "./lib/with space"'),
        ("leading blanks", "%run   ./neighbour"),
        ("with extension", "%run ./neighbour.py"),
        ("nested", "%run ./lib/outer"),
        ("cwd", "print(os.getcwd() == here)"),
        ("sys.path", f"print(all(p in sys.path for p in ({str(folder / 'project')!r}, {str(folder)!r})))"),
        ("path", "print(dbutils.notebook.entry_point.getDbutils().notebook().getContext().notebookPath().get())"),
        ("path below", "%run ./lib/path"),
        ("widget of the caller", "%run ./lib/reads"),
        ("with no interpolation", "name = 'neighbour'\n"),
        ("end", "%run ./lib/exits"),
        ("never", "print('never')"),
    )
    write_notebook(folder / "project/lib/callee.py", "theirs = mine + 1\nprint('shown below')")
    write_notebook(folder / "project/lib/asks.py", "dbutils.widgets.text('a', 'own')\nprint(dbutils.widgets.get('a'))")
    write_notebook(folder / "shared/up.py", "print('up')")
    write_notebook(folder / "project/neighbour.py", "print('neighbour')")
    write_notebook(folder / "project/lib/with space.py", "print('spaced')")
    write_notebook(folder / "project/lib/outer.py", "%run ./inner", "print('outer')")
    write_notebook(folder / "project/lib/inner.py", "print('inner')")
    write_notebook(
        folder / "project/lib/path.py",
        "print(dbutils.notebook.entry_point.getDbutils().notebook().getContext().notebookPath().get())",
    )
    write_notebook(folder / "project/lib/reads.py", "print(dbutils.widgets.get('b'))")
    write_notebook(folder / "project/lib/exits.py", "dbutils.notebook.exit('from the callee')")
    write_notebook(folder / "project/missing.py", "%run ./nowhere")
    write_notebook(folder / "project/breaks.py", "%run ./lib/broken", "print('never')")
    write_notebook(folder / "project/lib/broken.py", "x = 1", "raise ValueError('broken in the callee')")
    write_notebook(folder / "project/circle.py", "%run ./lib/back")
    write_notebook(folder / "project/lib/back.py", "%run ../circle")
    write_notebook(folder / "project/plain.py", "%run ./module")
    (folder / "project/module.py").write_text("print('plain')\n")
    return folder


@pytest.fixture(scope="module")
def ran(folder, run_cells):
    return run_cells(folder, "project/main.py")


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("relative", "shown below\n"),
        ("namespace", "21\n"),
        ("value quoted", "v w\n"),
        ("value single quoted", "v\n"),
        ("value bare", "false\n"),
        ("value of a widget", "from the caller\n"),
        ("no value", "own\n"),
        ("up", "up\n"),
        ("bare", "neighbour\n"),
        ("absolute", "neighbour\n"),
        ("workspace", "neighbour\n"),
        ("quoted path", "spaced\n"),
        ("leading blanks", "neighbour\n"),
        ("with extension", "neighbour\n"),
        ("nested", "inner\nouter\n"),
        ("cwd", "True\n"),
        ("sys.path", "True\n"),
        ("path", "/project/main\n"),
        ("path below", "/project/main\n"),
        ("widget of the caller", "from the caller\n"),
    ],
)
def test_3_what_the_cell_shows(ran, title, shown):
    assert ran.failure is None
    assert ran[title].stdout == shown


def test_3_an_exit_in_the_callee_ends_the_parent(ran):
    assert ran.exit_value == "from the callee"
    assert ran["never"].outputs == ()


def test_3_no_interpolation():
    assert parse_run("%run ./{name} $a={b}") == parse_run("./{name} $a={b}")
    assert parse_run("%run ./{name}").path == "./{name}"
    assert parse_run("%run ./x $a=$b").arguments == {"a": WidgetRef("b")}


def test_3_failure_in_the_callee_surfaces_in_the_callers_cell(folder, run_cells):
    ran = run_cells(folder, "project/breaks.py")
    assert ran.failure == "ValueError: broken in the callee"
    assert "broken.py" in ran.trace


def test_3_not_found(folder, run_cells):
    ran = run_cells(folder, "project/missing.py")
    assert ran.failure is not None
    text = (
        "Notebook not found: /project/nowhere. Notebooks can be specified via a relative path (./Notebook or "
        "../folder/Notebook) or via an absolute path (/Abs/Path/to/Notebook). Make sure you are specifying the path "
        "correctly.\n\nStacktrace:\n  /project/missing: python"
    )
    assert text in ran.trace


def test_3_a_circle_is_refused(folder, run_cells):
    ran = run_cells(folder, "project/circle.py")
    assert ran.failure is not None
    assert "circle" in ran.failure


@pytest.mark.parametrize("line", ["%run", "%run ./a ./b", "%run './a"])
def test_3_a_line_that_cannot_be_read_is_refused(line):
    if line == "%run ./a ./b":
        assert parse_run(line).path == "./a ./b"  # a path with a space, as two corpora have it
    else:
        with pytest.raises(UserError):
            parse_run(line)


def test_a_restart_in_an_included_notebook_goes_on_with_its_next_cell(tmp_path, write_notebook, run_cells):
    write_notebook(
        tmp_path / "main.py",
        ("before", "import os\nmine = os.getpid()\ndbutils.widgets.text('w', 'kept')"),
        ("included", "%run ./outer"),
        ("after", "print(first, second, 'mine' in globals(), dbutils.widgets.get('w'))"),
        ("again", "%run ./outer"),
    )
    write_notebook(tmp_path / "outer.py", "print('outer 1')", "%run ./inner", "second = 2\nprint('outer 3')")
    write_notebook(
        tmp_path / "inner.py",
        "gone = 1\nprint('inner 1')",
        "dbutils.library.restartPython()",
        "first = 'gone' not in globals()\nprint('inner 3')",
        "dbutils.library.restartPython()",
        "first = 1\nprint('inner 5')",
    )
    ran = run_cells(tmp_path, "main.py")
    assert ran.failure is None, ran.trace
    whole = ["outer 1", "inner 1", "inner 3", "inner 5", "outer 3"]
    assert ran["included"].stdout.split("\n")[:-1] == whole
    assert ran["after"].stdout == "1 2 False kept\n"
    assert ran["again"].stdout.split("\n")[:-1] == whole


def test_a_restart_as_the_last_step_of_an_included_notebook_goes_on_after_it(tmp_path, write_notebook, run_cells):
    write_notebook(
        tmp_path / "main.py", ("included", "%run ./setup"), ("after", "print('left' in globals())\nprint('end')")
    )
    write_notebook(tmp_path / "setup.py", "left = 1\nprint('once')", "%restart_python")
    ran = run_cells(tmp_path, "main.py")
    assert ran["included"].stdout == "once\n"
    assert ran["after"].stdout == "False\nend\n"


def test_code_below_a_restart_in_its_cell_is_told(tmp_path, write_notebook, run_cells):
    write_notebook(
        tmp_path / "main.py",
        ("own", "dbutils.library.restartPython()\nprint('never')\nx = 1"),
        ("included", "%run ./setup"),
        ("last", "# nothing below\ndbutils.library.restartPython()\n# but this"),
    )
    write_notebook(tmp_path / "setup.py", "dbutils.library.restartPython()\nprint('never')", "print('after')")
    ran = run_cells(tmp_path, "main.py")
    assert "2 statements after restartPython() did not run" in ran["own"].stderr
    assert "1 statement after restartPython() did not run" in ran["included"].stderr
    assert ran["included"].stdout == "after\n"
    assert ran["last"].outputs == ()
