"""A notebook that fetches a secret and shows it in every way it can: no file and no output may hold the value."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbutils_local.dbutils.handle import DBUtils
from dbutils_local.dbutils.session import Session
from dbutils_local.kernels.environment import Birth, JobContext
from dbutils_local.secrets import variable

SECRET = "correct-horse-battery"
NOTEBOOK = """# Databricks notebook source
value = dbutils.secrets.get("prod", "key")
print("printed", value)
print("in two", "writes", value[:7], sep="", end="")
print(value[7:])

# COMMAND ----------

value

# COMMAND ----------

import logging, sys
logging.warning("logged %s", value)
print(value, file=sys.stderr)
display({"a": value})
displayHTML(f"<b>{value}</b>")

# COMMAND ----------

dbutils.jobs.taskValues.set("leak", {"nested": [value]})
dbutils.widgets.text("w", value)
if dbutils.widgets.get("how") == "fail":
    raise ValueError(f"cannot log in with {value}")
dbutils.notebook.exit(value)
"""


@pytest.fixture
def dbutils(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DBUtils:
    monkeypatch.setenv(variable("prod", "key"), SECRET)
    monkeypatch.setenv("DBUTILS_LOCAL_HOME", str(tmp_path / "home"))
    (tmp_path / "nb.py").write_text(NOTEBOOK)
    birth = Birth(
        home=tmp_path / "home",
        workspace_root=tmp_path,
        notebook_path="/parent",
        notebook_file=tmp_path / "parent.py",
        outbox=tmp_path / "home" / "outbox",
        artifacts=tmp_path / "home" / "attempt",
        job=JobContext(1, "job", 2, 3, "task"),
    )
    return DBUtils.of(Session(birth, {"HOME": str(tmp_path), "DBUTILS_LOCAL_WARM_KERNELS": "0"}))


def holding_the_secret(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_a_notebook_that_exits_with_a_secret(dbutils, tmp_path, capfd):
    assert dbutils.notebook.run("nb", 0, {"how": "exit"}) == "[REDACTED]"
    executed = (tmp_path / "home/attempt/children/1-nb.ipynb").read_text()
    assert executed.count("[REDACTED]") >= 6
    assert holding_the_secret(tmp_path / "home") == []
    assert SECRET not in "".join(capfd.readouterr())


def test_a_notebook_that_fails_with_a_secret(dbutils, tmp_path, capfd):
    with pytest.raises(Exception, match=r"ValueError: cannot log in with \[REDACTED\]"):
        dbutils.notebook.run("nb", 0, {"how": "fail"})
    assert holding_the_secret(tmp_path / "home") == []
    assert SECRET not in "".join(capfd.readouterr())


def test_a_secret_handed_on_as_an_argument(dbutils, tmp_path):
    (tmp_path / "nb.py").write_text(
        "# Databricks notebook source\nv = dbutils.widgets.get('v')\nprint('got', v)\ndbutils.notebook.exit(v)\n"
    )
    dbutils._session.redactor.learn(SECRET)
    assert dbutils.notebook.run("nb", 0, {"v": SECRET}) == SECRET
    assert holding_the_secret(tmp_path / "home") == []
