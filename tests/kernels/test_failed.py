"""How the error of a cell is told."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.execution import Alarm, CellError, Execution, NeverStopped
from dbutils_local.kernels.failed import failure_of, hints
from dbutils_local.kernels.kernel import KernelRequest


@pytest.fixture
def told(tmp_path):
    alarm = Alarm(NeverStopped(), None)

    def tell(ename, evalue):
        birth = Birth(home=tmp_path, workspace_root=tmp_path, notebook_path="/x")
        execution = Execution(birth, KernelRequest({}, tmp_path), alarm, error=CellError(ename, evalue, (), None))
        return failure_of(SimpleNamespace(cells=[]), execution).error

    yield tell
    alarm.close()


@pytest.mark.parametrize(
    ("evalue", "line"),
    [
        ("one\ntwo", "Py4JJavaError: one"),
        ("", "Py4JJavaError"),
        (
            "An error occurred while calling o41.get.\n: java.x.Bad: no such secret\n\tat a",
            "java.x.Bad: no such secret",
        ),
        ("An error occurred while calling o41.get", "An error occurred while calling o41.get"),
        (
            "An error occurred while calling o7.run.\n: com.x.WorkflowException: FAILED\nCaused by: it\n\n"
            "/a/child failed in cell 2: ValueError: no rows\nExecuted notebook: /x",
            "/a/child failed in cell 2: ValueError: no rows",
        ),
        ("\x1b[31mAn error occurred while calling o7.ls.\n: gone\x1b[0m", "gone"),
    ],
)
def test_the_line_of_an_error_says_why(told, evalue, line):
    assert told("Py4JJavaError", evalue) == (line if line.startswith("Py4J") else f"Py4JJavaError: {line}")


@pytest.mark.parametrize(
    "evalue",
    [
        "[CANNOT_PARSE_TIMESTAMP] Text 'x' could not be parsed. SQLSTATE: 22007",
        "[DIVIDE_BY_ZERO] Division by zero.\nSQLSTATE: 22012\n== SQL ==",
        "[INVALID_ARRAY_INDEX_IN_ELEMENT_AT] The index 9 is out of bounds. SQLSTATE: 22003",
    ],
)
def test_an_error_of_ansi_mode_comes_with_the_way_to_turn_it_off(evalue):
    assert "spark.sql.ansi.enabled=false" in hints(CellError("DateTimeException", evalue, (), 0))[0]


@pytest.mark.parametrize(
    "evalue", ["[CAST_INVALID_INPUT] of the embedded engine", "[TABLE_OR_VIEW_NOT_FOUND] SQLSTATE"]
)
def test_other_errors_come_without_it(evalue):
    assert hints(CellError("StatementFailed", evalue, (), 0)) == []
    assert hints(None) == []


@pytest.mark.parametrize(
    "evalue",
    [
        "An error occurred while calling o88.text.\n: java.lang.RuntimeException: java.lang.ClassNotFoundException: "
        "Class org.apache.hadoop.fs.azurebfs.SecureAzureBlobFileSystem not found",
        "An error occurred while calling o9.load.\n: org.apache.hadoop.fs.UnsupportedFileSystemException: "
        'No FileSystem for scheme "s3"',
    ],
)
def test_a_cloud_that_spark_does_not_reach_is_told_with_the_folder_that_stands_for_it(evalue):
    (hint,) = hints(CellError("Py4JJavaError", evalue, (), 0))
    assert "make the folder that stands for the container or bucket" in hint
