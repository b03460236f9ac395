"""How the error of a cell is told: in one line, with its place in the user's file, and with what may help."""

from __future__ import annotations

import re
from typing import Any

from dbutils_local.core.state import Failure
from dbutils_local.kernels.execution import CellError, Execution
from dbutils_local.settings import PREFIX

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def failure_of(nb: Any, execution: Execution) -> Failure:
    """The failure of an execution that ended with an error; `nb` is the executed notebook."""
    error = execution.error
    assert error is not None
    said = _COLOURS.sub("", f"{error.ename}: {error.evalue}" if error.evalue else error.ename)
    trace = _COLOURS.sub("", "\n".join(error.traceback)) or said
    file = execution.birth.notebook_file
    return Failure(
        error=_in_a_line(said),
        trace=trace,
        setup=error.index is None,
        file=str(file) if file else None,
        cell=None if error.index is None else _place_in_source(nb, error.index),
        line=_line_in_cell(trace),
    )


_CALL = re.compile(r"An error occurred while calling o\d+\.\w+\.?\s*$")


def _in_a_line(said: str) -> str:
    """The line of an error that says why: Py4J's first line only says which call it was.

    After an empty line stands what of a child notebook failed, where `dbutils.notebook.run` is the call.
    """
    first, *rest = said.splitlines()
    call = _CALL.search(first)
    if call is None:
        return first
    told = rest[rest.index("") + 1 :] if "" in rest else rest
    why = next((line.strip().removeprefix(": ") for line in told if line.strip()), None)
    return first[: call.start()] + why if why else first


# What Spark raises in ANSI mode, where it gave NULL without.
_STRICT = re.compile(
    r"^\[(CANNOT_PARSE_TIMESTAMP|CAST_INVALID_INPUT|CAST_OVERFLOW|DIVIDE_BY_ZERO|ARITHMETIC_OVERFLOW"
    r"|INVALID_ARRAY_INDEX\w*|INVALID_INPUT_SYNTAX_FOR\w*|NUMERIC_VALUE_OUT_OF_RANGE)\b.*SQLSTATE",
    re.DOTALL,
)


# What Spark raises for a URL of a cloud it has no classes for.
_NO_CLOUD = re.compile(r"Class org\.apache\.hadoop\.fs\.\S+ not found|No FileSystem for scheme\b")


def hints(error: CellError | None) -> list[str]:
    """Sentences for the user about an error that depends on how Databricks was set up."""
    said = _COLOURS.sub("", error.evalue) if error is not None else ""
    found = []
    if _STRICT.match(said):
        found.append(
            "Databricks Runtime below 17 gave NULL here, its ANSI mode being off; "
            f"{PREFIX}SPARK_CONF=spark.sql.ansi.enabled=false, or a new_cluster with its spark_version, does so too"
        )
    if _NO_CLOUD.search(said):
        found.append(
            "Spark here reaches no cloud: make the folder that stands for the container or bucket on this machine; "
            "the failing cell's stderr in the executed notebook names it"
        )
    return found


def _place_in_source(nb: Any, index: int) -> int:
    """The cell counted from 1 as the user's file has it, without what papermill has put in."""
    ours = ("injected-parameters", "papermill-error-cell-tag")
    tags = [cell.metadata.get("tags", []) for cell in nb.cells]
    executed = [tag for tag in tags if ours[1] not in tag]
    return index + 1 - sum(ours[0] in tag for tag in executed[:index])


def _line_in_cell(trace: str) -> int | None:
    """The line of the failing cell, from the frames IPython prints (`Cell In[3], line 2`)."""
    found = re.findall(r"Cell In\s*\[\d+\], line (\d+)", trace)
    return int(found[-1]) if found else None
