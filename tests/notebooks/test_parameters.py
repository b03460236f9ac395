"""What a notebook takes and gives is read from its text, with the place of each use."""

from __future__ import annotations

import ast

import pytest

from dbutils_local.notebooks import Cell, Document, Language
from dbutils_local.notebooks.ipython_syntax import parse_cell
from dbutils_local.notebooks.parameters import Facts, Place, facts


def of(*sources: str, language: Language = Language.PYTHON) -> Facts:
    line = 2
    cells = []
    for source in sources:
        cells.append(Cell(source, line=line))
        line += source.count("\n") + 5
    return facts(Document(tuple(cells), language=language))


def test_widgets_defined_and_read_are_found_with_their_places() -> None:
    found = of("x = 1\ndbutils.widgets.text('day', '')", "v = int(dbutils.widgets.get('day'))")
    assert [(use.name, use.place) for use in found.widgets_defined] == [("day", Place(1, 3, 1))]
    assert [(use.name, use.place) for use in found.widgets_read] == [("day", Place(2, 8, 0))]
    assert not found.opaque


def test_keywords_fallbacks_and_the_global_function_are_understood() -> None:
    found = of(
        "dbutils.widgets.dropdown(name='a', defaultValue='1', choices=['1'])\ngetArgument('b')\ngetArgument('c', 'd')"
    )
    assert [use.name for use in found.widgets_defined] == ["a"]
    assert [(use.name, use.guarded) for use in found.widgets_read] == [("b", False), ("c", True)]


def test_a_computed_name_is_none() -> None:
    found = of("for n in names:\n    dbutils.widgets.get(n)\ndbutils.notebook.run(f'./{x}', 60)")
    assert [use.name for use in found.widgets_read] == [None]
    assert [run.name for run in found.runs] == [None]


@pytest.mark.parametrize(
    "before",
    ["if x:\n    ", "for i in y:\n    ", "def f():\n    ", "z = lambda: ", "w = x and ", "v = [", "try:\n    "],
)
def test_a_line_that_may_not_run_is_not_sure(before: str) -> None:
    after = {"v": " for _ in y]", "t": "\nexcept Exception:\n    pass"}.get(before[0], "")
    found = of(f"{before}dbutils.widgets.get('a'){after}")
    assert [(use.name, use.sure) for use in found.widgets_read] == [("a", False)]


def test_a_read_inside_try_is_guarded() -> None:
    found = of("try:\n    a = dbutils.widgets.get('a')\nexcept Exception:\n    a = 1\nb = dbutils.widgets.get('b')")
    assert [(use.name, use.guarded) for use in found.widgets_read] == [("a", True), ("b", False)]


def test_task_values_set_and_read_are_found() -> None:
    found = of(
        "dbutils.jobs.taskValues.set(key='k', value=1)",
        "dbutils.jobs.taskValues.get(taskKey='t', key='k', default=0, debugValue=1)\n"
        "dbutils.jobs.taskValues.get('t', 'j')",
    )
    assert [use.name for use in found.values_set] == ["k"]
    assert [(use.task, use.name, use.guarded) for use in found.values_read] == [("t", "k", True), ("t", "j", False)]
    assert [use.debugged for use in found.values_read] == [True, False]


def test_notebooks_run_and_included_are_found() -> None:
    found = of(
        "%run ./helpers $a=1",
        "r = dbutils.notebook.run('../child', 60, {'x': '1'})",
        "dbutils.notebook.run(path='c', timeout_seconds=0, arguments=args)",
        "%run './x",
    )
    assert [(include.call.path, dict(include.call.arguments)) for include in found.includes] == [
        ("./helpers", {"a": "1"})
    ]
    assert [(run.name, run.arguments) for run in found.runs] == [("../child", frozenset({"x"})), ("c", None)]
    assert [fault.place.cell for fault in found.faults] == [4]


def test_a_run_line_inside_a_string_is_text() -> None:
    assert of('x = """\n%run ./nope\n"""').includes == []


def test_sql_widgets_and_names_are_found() -> None:
    found = of(
        "CREATE WIDGET TEXT day DEFAULT '2024'",
        "select * from t where a = :day and b = '${month}' and c::int = 1",
        language=Language.SQL,
    )
    assert [use.name for use in found.widgets_defined] == ["day"]
    assert {"day", "month"} <= found.names_maybe_read
    assert "int" not in found.names_maybe_read


def test_exits_are_found_wherever_they_stand() -> None:
    assert [use.sure for use in of("if x:\n    dbutils.notebook.exit('a')", "dbutils.notebook.exit('b')").exits] == [
        False,
        True,
    ]


def test_a_syntax_error_is_a_fault_with_the_files_line() -> None:
    (fault,) = of("x = 1", "y = 2\nz = = 3").faults
    assert fault.place == Place(2, 8, 1)
    assert fault.message.startswith("syntax error")


@pytest.mark.parametrize("handed", ["f(dbutils)", "w = dbutils.widgets", "map(dbutils.widgets.get, names)"])
def test_handing_dbutils_on_is_seen(handed: str) -> None:
    assert of(handed).opaque


@pytest.mark.parametrize(
    "used",
    [
        "dbutils.notebook.entry_point.getDbutils().notebook().getContext().notebookPath().get()",
        "display(dbutils.fs.ls('/'))",
        "map(dbutils.fs.ls, paths)",
        "dbutils.library.restartPython()",
    ],
)
def test_using_dbutils_is_not_handing_it_on(used: str) -> None:
    assert not of(used).opaque


def test_globals_that_need_spark_are_found_unless_made() -> None:
    assert [use.name for use in of("df = spark.table('t')").globals_read] == ["spark"]
    assert of("table = 1\nprint(table)").globals_read == []


def test_skipped_cells_shells_and_foreign_cell_magics_are_not_read() -> None:
    found = of("%skip\nx = = 1", "%sh\nfor x in", "%%writefile a.py\nx = = 1", "%md\n## (", "%scala\nval x: Int = 1")
    assert found.faults == []
    assert [use.name for use in found.languages] == ["scala"]


def test_python_under_timing_magics_is_read() -> None:
    assert [use.name for use in of("%%time\ndbutils.widgets.get('a')").widgets_read] == ["a"]


def test_a_papermill_parameters_cell_reads_its_names() -> None:
    cell = Cell("day = '1'\nn: int = 2", metadata={"tags": ["parameters"]})
    assert facts(Document((cell,))).names_maybe_read == {"day", "n"}


def test_widgets_saved_in_an_ipynb_count_as_defined() -> None:
    metadata = {"application/vnd.databricks.v1+notebook": {"widgets": {"day": {}}}}
    assert [use.name for use in facts(Document((), metadata=metadata)).widgets_defined] == ["day"]


@pytest.mark.parametrize(
    "source",
    [
        "%pip install x\nimport y",
        '!pip install x; echo "it\'s"\nx = 1',
        "files = !ls\nprint(files)",
        "x = %timeit -o 1\n",
        "if True:\n    %matplotlib inline\n    x = 1",
        "df?",
        "?df.head",
        "df??",
        "pip install x",
        "await f()",
        "async with a as b:\n    pass",
        "  x = 1\n  y = 2",
        "%pip install \\\n  a \\\n  b\nx = 1",
        "x = '''\n%run ./x\n'''\n!ls",
        "%env A=1\n%sh echo (\n%md it's",
        "'\\d'",
        "",
    ],
)
def test_what_ipython_takes_is_no_syntax_error(source: str) -> None:
    assert isinstance(parse_cell(source), ast.Module)


@pytest.mark.parametrize(
    "source", ["x = = 1", "return 1", "print 'x'", "for x in", "x = 1\n%pip install y\nz = (", "a\x00b"]
)
def test_what_ipython_refuses_is_one(source: str) -> None:
    with pytest.raises(SyntaxError):
        parse_cell(source)


def test_a_magic_lookalike_inside_a_string_stays() -> None:
    tree = parse_cell("x = '''\n%keep\n'''\n%pip install y")
    assert "%keep" in ast.unparse(tree)


def test_a_with_that_swallows_errors_guards_and_another_does_not() -> None:
    guarded = of("with contextlib.suppress(Exception):\n    dbutils.widgets.get('a')").widgets_read
    plain = of("with open('x') as f:\n    dbutils.widgets.get('a')").widgets_read
    assert [(use.guarded, use.sure) for use in guarded + plain] == [(True, False), (False, True)]
