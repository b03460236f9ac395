"""Modules that only Databricks has, imported in a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Names that must look as if they were not installed.
WITHOUT = """
import importlib.machinery, sys
hidden = {hidden!r}
find = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.split(".")[0] in hidden else find(name, path, target)
importlib.machinery.PathFinder.find_spec = staticmethod(find_spec)
"""
INSTALL = """
from dbutils_local.dbutils import shims
namespace = {"spark": "the session", "display": print}
shims.install(namespace)
from dbutils_local import dbutils as ours
"""


def python(code: str, tmp_path, hidden: tuple[str, ...] = ()) -> str:
    environ = {**os.environ, "DBUTILS_LOCAL_HOME": str(tmp_path / "home")}
    whole = WITHOUT.format(hidden=hidden) + INSTALL + code
    done = subprocess.run(
        [sys.executable, "-c", whole], capture_output=True, text=True, env=environ, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


BOTH = pytest.mark.parametrize("hidden", [(), ("databricks", "pyspark", "py4j")], ids=["installed", "not installed"])


@BOTH
def test_databricks_sdk_runtime(tmp_path, hidden):
    code = "from databricks.sdk.runtime import dbutils, spark, display, getArgument\nprint(dbutils is ours, spark)"
    assert python(code, tmp_path, hidden) == "True the session"


@BOTH
def test_pyspark_dbutils(tmp_path, hidden):
    code = "from pyspark.dbutils import DBUtils\nprint(DBUtils('spark') is ours, isinstance(ours, DBUtils))"
    assert python(code, tmp_path, hidden) == "True True"


@BOTH
def test_dbruntime(tmp_path, hidden):
    code = """
from dbruntime.databricks_repl_context import get_context
from dbruntime.dbutils import DBUtils, FileInfo, NotebookExit
print(get_context().isInJob, DBUtils() is ours, FileInfo.__name__)
"""
    assert python(code, tmp_path, hidden) == "False True FileInfo"


def test_a_star_import_takes_what_is_there(tmp_path):
    code = (
        "shims.install(dict.fromkeys(shims.GLOBALS, 1))\nfrom databricks.sdk.runtime import *\nprint(spark, sc, table)"
    )
    assert python(code, tmp_path) == "1 1 1"


def test_names_are_looked_up_when_asked_for(tmp_path):
    code = "import databricks.sdk.runtime as r\nnamespace['spark'] = 'a later one'\nprint(r.spark)"
    assert python(code, tmp_path) == "a later one"


def test_the_rest_of_the_sdk_is_the_real_one(tmp_path):
    code = (
        "import databricks.sdk.runtime\nfrom databricks.sdk import WorkspaceClient\nprint(WorkspaceClient.__module__)"
    )
    assert python(code, tmp_path) == "databricks.sdk"


def test_the_sdk_is_not_loaded_by_who_only_wants_its_runtime(tmp_path):
    code = """
import databricks.sdk, sys
from databricks.sdk.runtime import dbutils
jobs = "databricks.sdk.service.jobs"
print(dbutils is ours, jobs in sys.modules)
waiting = databricks.sdk
print(waiting.WorkspaceClient is sys.modules["databricks.sdk"].WorkspaceClient, jobs in sys.modules)
from databricks.sdk import *
import databricks.sdk.service.jobs
sdk = databricks.sdk
print(WorkspaceClient is sdk.WorkspaceClient, sdk.runtime.dbutils is ours, hasattr(waiting, "nothing"))
"""
    late = code.replace("import databricks.sdk, sys", "import databricks.sdk.runtime, sys")
    assert python(late, tmp_path).splitlines() == ["True False", "True True", "True True False"]
    assert python(code, tmp_path).splitlines() == ["True True", "True True", "True True False"]


def test_a_runtime_module_that_was_imported_before_is_replaced(tmp_path):
    code = """
shims.uninstall()
import types, sys, databricks.sdk
databricks.sdk.runtime = sys.modules["databricks.sdk.runtime"] = types.ModuleType("databricks.sdk.runtime")
shims.install(namespace)
from databricks.sdk.runtime import dbutils
print(dbutils is ours)
"""
    assert python(code, tmp_path) == "True"


def test_without_the_sdk_the_rest_of_it_names_the_package(tmp_path):
    code = """
import databricks.sdk.runtime
try:
    from databricks.sdk import WorkspaceClient
except ImportError as error:
    print(error)
"""
    assert "pip install 'databricks-sdk'" in python(code, tmp_path, ("databricks",))


def test_without_pyspark_it_still_looks_absent(tmp_path):
    code = """
import importlib.util
print(importlib.util.find_spec("pyspark"))
try:
    import pyspark
except ImportError as error:
    print(error)
"""
    assert python(code, tmp_path, ("pyspark",)).splitlines() == ["None", "No module named 'pyspark'"]


def test_py4j_errors_can_be_caught_without_py4j(tmp_path):
    code = """
from py4j.protocol import Py4JJavaError
try:
    ours.widgets.get("nope")
except Py4JJavaError as error:
    print(error.java_exception.getClass().getName())
"""
    expected = "com.databricks.dbutils_v1.InputWidgetNotDefined"
    assert python(code, tmp_path, ("py4j", "pyspark")) == expected


def test_uninstalling_leaves_nothing(tmp_path):
    code = """
import databricks.sdk.runtime, dbruntime.dbutils
shims.uninstall()
import sys
print([name for name in sys.modules if "dbruntime" in name or name == "databricks.sdk.runtime"])
"""
    assert python(code, tmp_path) == "[]"


def test_importing_the_package_costs_little_and_loads_nothing_heavy(tmp_path):
    heavy = {"pandas", "pyspark", "duckdb", "sqlglot", "IPython", "nbclient", "pydantic", "fsspec", "papermill", "yaml"}
    code = f"ours.widgets.text('a', 'b')\nprint(sorted({heavy!r} & set(sys.modules)))"
    assert python(code, tmp_path) == "[]"


@BOTH
def test_databricks_connect_is_there_and_tells_that_its_choices_have_no_effect(hidden, tmp_path) -> None:
    code = """
import contextlib, io, importlib.util
said = io.StringIO()
with contextlib.redirect_stderr(said):
    from databricks.connect import DatabricksSession
    DatabricksSession.builder.appName("a").config("k", "v")
    assert said.getvalue() == ""
    DatabricksSession.builder.profile("p").serverless(True).remote(cluster_id="c")
assert said.getvalue().count("no effect") == 1
try:
    DatabricksSession.builder.create()
except Exception as error:
    print("getOrCreate" in str(error), DatabricksSession.getActiveSession())
"""
    assert python(code, tmp_path, hidden) == "True None"
