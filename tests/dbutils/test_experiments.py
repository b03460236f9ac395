"""Where MLflow keeps runs and models, with the two modules of it that say so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVICE = """
import os
DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH = "./mlruns"
{default}
def get_tracking_uri():
    return os.environ.get("MLFLOW_TRACKING_URI") or _get_default_tracking_uri()
def _resolve_tracking_uri(tracking_uri=None):
    return tracking_uri or get_tracking_uri()
"""
DATABASE = "def _get_default_tracking_uri(): return 'sqlite:///mlflow.db'"
REGISTRY = """
import os
from mlflow.tracking._tracking_service.utils import _resolve_tracking_uri
def get_registry_uri():
    return _resolve_registry_uri()
def _resolve_registry_uri(registry_uri=None, tracking_uri=None):
    return registry_uri or os.environ.get("MLFLOW_REGISTRY_URI") or _resolve_tracking_uri(tracking_uri)
"""
ASK = """
from dbutils_local.dbutils import shims
shims.install({})
import mlflow.tracking._tracking_service.utils as runs, mlflow.tracking._model_registry.utils as models
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with an MLflow of two modules."""
    for name, code in {
        "__init__": "",
        "tracking/__init__": "",
        "tracking/_tracking_service/__init__": "",
        "tracking/_tracking_service/utils": SERVICE.format(default=DATABASE),
        "tracking/_model_registry/__init__": "",
        "tracking/_model_registry/utils": REGISTRY,
    }.items():
        file = tmp_path / "lib" / "mlflow" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code)
    return tmp_path / "lib"


def ask(installed: Path, code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "DATABRICKS"))}
    known = {**plain, "PYTHONPATH": str(installed), "DBUTILS_LOCAL_HOME": str(installed.parent / "home"), **environ}
    return subprocess.run(
        [sys.executable, "-c", ASK + code], capture_output=True, text=True, env=known, cwd=installed, check=True
    )


def store(installed: Path) -> str:
    return f"sqlite:///{installed.parent}/home/mlflow/mlflow.db"


def test_all_notebooks_of_a_home_share_one_store(installed: Path) -> None:
    said = ask(installed, "print(runs.get_tracking_uri(), runs.DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)")
    assert said.stdout.split() == [store(installed), f"{installed.parent}/home/mlflow/mlruns"]
    assert said.stderr == ""


def test_a_store_the_user_names_stays(installed: Path) -> None:
    said = ask(installed, "print(runs.get_tracking_uri())", MLFLOW_TRACKING_URI="http://127.0.0.1:5000")
    assert said.stdout.strip() == "http://127.0.0.1:5000"


@pytest.mark.parametrize("uri", ["databricks", "databricks-uc", "databricks://profile", "databricks-uc://profile"])
def test_a_workspace_is_the_store_on_this_machine_and_that_is_told_once(installed: Path, uri: str) -> None:
    code = (
        f"print(models.get_registry_uri(), runs._resolve_tracking_uri({uri!r}), models._resolve_registry_uri({uri!r}))"
    )
    said = ask(installed, code, MLFLOW_REGISTRY_URI=uri)
    assert set(said.stdout.split()) == {store(installed)}
    assert said.stderr.count(repr(uri)) == 1
    assert "DATABRICKS_HOST" in said.stderr


def test_a_workspace_the_user_has_stays(installed: Path) -> None:
    said = ask(installed, "print(runs._resolve_tracking_uri('databricks'))", DATABRICKS_HOST="https://workspace")
    assert (said.stdout.strip(), said.stderr) == ("databricks", "")


def test_an_mlflow_without_those_functions_is_left_as_it_is(installed: Path) -> None:
    (installed / "mlflow/tracking/_tracking_service/utils.py").write_text(
        "def get_tracking_uri(): return 'databricks'\n"
    )
    (installed / "mlflow/tracking/_model_registry/utils.py").write_text("")
    assert ask(installed, "print(runs.get_tracking_uri())").stdout.strip() == store(installed)


def test_what_is_adapted_still_shows_its_source(installed: Path) -> None:
    said = ask(installed, "import inspect; print('_resolve_tracking_uri' in inspect.getsource(runs))")
    assert said.stdout.strip() == "True"
