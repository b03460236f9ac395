"""A fresh `dbutils` for each row of the reference."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.dbutils.handle import DBUtils
from dbutils_local.dbutils.session import Session
from dbutils_local.kernels.environment import Birth, JobContext

Make = Callable[..., DBUtils]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Builds a `dbutils`: by hand, or with `job=` as a task of a job; all of Birth's fields can be given."""

    def build(environ: Mapping[str, str] | None = None, **fields: Any) -> DBUtils:
        known: dict[str, Any] = {
            "home": tmp_path / "home",
            "workspace_root": tmp_path,
            "notebook_path": "/Users/me/project/notebook",
            "outbox": tmp_path / "outbox.jsonl",
        }
        return DBUtils.of(Session(Birth(**(known | fields)), {"HOME": str(tmp_path), **(environ or {})}))

    return build


@pytest.fixture
def dbutils(make: Make) -> DBUtils:
    """As a person has it in a notebook."""
    return make()


@pytest.fixture
def job() -> JobContext:
    """A task of a job run."""
    return JobContext(
        job_id=11, job_name="nightly", run_id=22, task_run_id=33, task_key="load", start_time=1_700_000_000_000
    )


@pytest.fixture
def in_job(make: Make, job: JobContext) -> DBUtils:
    """As a task of a job has it."""
    return make(job=job)


@dataclass(frozen=True)
class Shown:
    """What one titled cell of an executed notebook shows."""

    outputs: tuple[Any, ...]

    @property
    def stdout(self) -> str:
        """All it printed."""
        return "".join(one.text for one in self.outputs if one.get("name") == "stdout")

    @property
    def stderr(self) -> str:
        """All it was told beside its results."""
        return "".join(one.text for one in self.outputs if one.get("name") == "stderr")

    @property
    def plain(self) -> str:
        """The plain text of what it displayed."""
        return "\n".join(one.data.get("text/plain", "") for one in self.outputs if "data" in one)

    @property
    def html(self) -> str:
        """The HTML of what it displayed."""
        return "\n".join(one.data.get("text/html", "") for one in self.outputs if "data" in one)

    @property
    def markdown(self) -> str:
        """The Markdown it displayed."""
        return "\n".join(one.data.get("text/markdown", "") for one in self.outputs if "data" in one)


@dataclass(frozen=True)
class Executed:
    """A notebook that ran: what each cell shows, by its title, and how it ended."""

    shown: dict[str, Shown]
    exit_value: str | None
    failure: str | None
    trace: str

    def __getitem__(self, title: str) -> Shown:
        return self.shown[title]


def execute(folder: Path, name: str, **parameters: str) -> Executed:
    """Run a source notebook of `folder` in a kernel of its own."""
    from dbutils_local.kernels.runner import run_notebook
    from dbutils_local.notebooks import read, to_nbformat, workspace_path

    file = folder / name
    home = folder / "home"
    birth = Birth(home, folder, workspace_path(file, folder), file, parameters, artifacts=folder / "attempt")
    environ = {**os.environ, "DBUTILS_LOCAL_HOME": str(home)}
    output = folder / "executed" / f"{name}.ipynb"
    document = read(file)
    ran = run_notebook(to_nbformat(document), output=output, birth=birth, environ=environ, cwd=file.parent)
    outputs = [tuple(cell.get("outputs", ())) for cell in ran.notebook.cells if not _papermills(cell)]
    titled = zip(document.cells, outputs, strict=True)
    shown = {cell.title: Shown(found) for cell, found in titled if cell.title}
    failure = ran.failure
    return Executed(shown, ran.exit_value, failure.error if failure else None, failure.trace if failure else "")


def _papermills(cell: Any) -> bool:
    return any(tag.startswith("papermill-error") for tag in cell.metadata.get("tags", []))


def notebook(*cells: tuple[str, str] | str) -> str:
    """A Python notebook in source form; a pair is a title and a cell, and a cell that starts with % is a magic one."""
    texts = []
    for cell in cells:
        title, text = cell if isinstance(cell, tuple) else ("", cell)
        lines = text.splitlines()
        lines = [f"# MAGIC {line}".rstrip() for line in lines] if text.startswith("%") else lines
        texts.append("\n".join([f"# DBTITLE 1,{title}", *lines] if title else lines))
    return "# Databricks notebook source\n" + "\n\n# COMMAND ----------\n\n".join(texts) + "\n"


@pytest.fixture(scope="session")
def write_notebook() -> Callable[..., None]:
    """Writes a source notebook made of cells."""

    def write(path: Path, *cells: tuple[str, str] | str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(notebook(*cells))

    return write


@pytest.fixture(scope="session")
def run_cells() -> Callable[..., Executed]:
    """Runs a notebook of a folder and gives what it shows."""
    return execute
