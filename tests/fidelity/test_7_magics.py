"""Reference sections 5.5, 7.4 and 8.1: magics and injected names, a test a row; all that of one notebook that ran."""

from __future__ import annotations

import pytest

INJECTED = ("display", "displayHTML", "dbutils", "table", "sql", "udf", "getArgument", "sc", "sqlContext", "spark")


@pytest.fixture(scope="module")
def ran(tmp_path_factory, write_notebook, run_cells):
    pytest.importorskip("duckdb")
    folder = tmp_path_factory.mktemp("magics")
    write_notebook(
        folder / "magics.py",
        ("python", "%python x = 1\nprint(x + 1)"),
        ("md", "%md ## Title\n\ntext"),
        ("md in python", "%md\n_text_"),
        ("md-sandbox", "%md-sandbox\n<b>boxed</b>"),
        ("sh", "%sh echo one; exit 3\necho two"),
        ("sh body", "%sh\npwd\necho $((1 + 2))"),
        ("fs put", "%fs put /magics/a.txt text"),
        ("fs head", "%fs head /magics/a.txt"),
        ("fs ls", "%fs ls /magics"),
        ("fs mkdirs", "%fs mkdirs '/magics/with space'"),
        ("fs rm", "%fs rm -r /magics"),
        ("fs mounts", "%fs mounts"),
        ("skip", "%skip\nprint('never')"),
        ("sql on the line", "%sql select 1 as one"),
        ("sql several", "%sql\nselect 1 as a; -- comment\nselect 2 as b;"),
        ("_sqldf", "print(_sqldf.columns)"),
        ("parameters", "dbutils.widgets.text('p', 'value')"),
        ("sql parameter", "%sql select :p as p"),
        ("sql legacy parameter", "%sql select '${p}' as p"),
        ("create widget", "%sql CREATE WIDGET TEXT made DEFAULT 'by sql'"),
        ("created", "print(dbutils.widgets.get('made'))"),
        ("remove widget", "%sql REMOVE WIDGET made"),
        ("removed", "print('made' in dbutils.widgets.getAll())"),
        ("limit", "%set_cell_max_output_size_in_mb 5"),
        ("time", "%time 1 + 1"),
        ("cell magic", "%%writefile written.txt\ncontent"),
        ("shell", "!echo shell"),
        ("last expression", "40 + 2"),
        ("several displays", "display('a')\ndisplay('b')"),
        ("display nothing", "print(display())"),
        ("display files", "dbutils.fs.put('/shown/x', 'y', True)\ndisplay(dbutils.fs.ls('/shown'))"),
        ("html", "displayHTML('<b>bold</b>')"),
        ("names", f"print([name for name in {INJECTED!r} if name not in globals()])"),
        ("dbutils in locals", "print('dbutils' in locals() and 'dbutils' in globals())"),
        ("user_ns", "import IPython\nprint(IPython.get_ipython().user_ns['dbutils'] is dbutils)"),
        ("sdk", "from databricks.sdk.runtime import dbutils as d, display as s\nprint(d is dbutils, s is display)"),
        ("getArgument", "print(getArgument('p'), getArgument('none', 'fallback'))"),
        ("restart", "%restart_python"),
        ("after", "print('x' in globals(), dbutils.widgets.get('p'))"),
    )
    return run_cells(folder, "magics.py")


def test_nothing_failed(ran):
    assert ran.failure is None, ran.trace


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("python", "2\n"),
        ("fs head", "text\n"),
        ("created", "by sql\n"),
        ("removed", "False\n"),
        ("shell", "shell\n"),
        ("names", "[]\n"),
        ("dbutils in locals", "True\n"),
        ("user_ns", "True\n"),
        ("sdk", "True True\n"),
        ("getArgument", "value fallback\n"),
        ("after", "False value\n"),
    ],
)
def test_what_the_cell_prints(ran, title, shown):
    assert ran[title].stdout.replace("\r\n", "\n").rstrip("\n") == shown.rstrip("\n")


@pytest.mark.parametrize("title", ["md", "md in python"])
def test_7_4_md_is_no_code(ran, title):
    assert ran[title].outputs == ()


def test_7_4_sh_ignores_the_exit_status(ran):
    assert ran["sh"].stdout.startswith("one\n")


def test_7_4_sh_runs_the_whole_cell_in_the_notebooks_folder(ran):
    folder, total = ran["sh body"].stdout.split()
    assert folder.endswith("magics0")
    assert total == "3"


def test_5_5_fs_ls_is_a_table(ran):
    assert "a.txt" in ran["fs ls"].html
    assert "modificationTime" in ran["fs ls"].html


def test_7_4_skip_runs_nothing(ran):
    assert "never" not in ran["skip"].stdout


@pytest.mark.parametrize("title", ["sql on the line", "sql several"])
def test_7_4_sql_shows_its_last_result(ran, title):
    assert "<table" in ran[title].html


def test_7_4_sqldf_is_the_last_statements_result(ran):
    assert ran["_sqldf"].stdout == "['b']\n"


@pytest.mark.parametrize("title", ["sql parameter", "sql legacy parameter"])
def test_1_9_widgets_in_sql(ran, title):
    assert "value" in ran[title].html


def test_7_4_the_last_expression_is_shown(ran):
    assert ran["last expression"].plain == "42"


def test_8_2_several_displays_in_a_cell(ran):
    assert len(ran["several displays"].outputs) == 2


def test_8_2_display_of_nothing_is_nothing(ran):
    assert ran["display nothing"].stdout == "None\n"


def test_8_2_a_list_of_files_is_a_table_of_four_columns(ran):
    assert all(name in ran["display files"].html for name in ("path", "name", "size", "modificationTime"))


def test_8_2_html_goes_into_a_frame_of_its_own(ran):
    assert "<iframe" in ran["html"].html
    assert "sandbox" in ran["html"].html
