"""MLflow as a notebook finds it on Databricks: one store for all, here a database and a folder below the home.

Without this MLflow keeps one store in each notebook's own folder, and the addresses `databricks` and `databricks-uc`,
which notebooks set though Databricks has them already, want a workspace. MLflow's two modules that say which store is
meant are changed when they are imported; nothing is done in a process that never imports MLflow, and where
DATABRICKS_HOST names a workspace those addresses stay what they are.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

TRACKING: Final = "mlflow.tracking._tracking_service.utils"
REGISTRY: Final = "mlflow.tracking._model_registry.utils"
_WORKSPACE: Final = ("databricks", "databricks-uc")  # as they are, or followed by ://profile


def adapt_tracking(module: ModuleType) -> None:
    """Where runs and artifacts go when nothing else is said, or Databricks is."""
    names: dict[str, Any] = vars(module)
    # Artifacts go below it, and in MLflow 2 all the rest.
    names["DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH"] = str(_folder() / "mlruns")
    if "_get_default_tracking_uri" in names:
        names["_get_default_tracking_uri"] = _database
    _keep_here(names, "get_tracking_uri", "_resolve_tracking_uri")


def adapt_registry(module: ModuleType) -> None:
    """Where models are registered: with the runs, when Databricks is named."""
    _keep_here(vars(module), "get_registry_uri", "_resolve_registry_uri")


def _keep_here(names: dict[str, Any], *functions: str) -> None:
    """Change those of the functions that this MLflow has."""
    for name in functions:
        if name in names:
            names[name] = _kept_here(names[name])


def _kept_here(asked: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with the store on this machine where its answer would be a workspace."""

    @functools.wraps(asked)
    def answer(*args: Any, **named: Any) -> Any:
        uri = asked(*args, **named)
        if not isinstance(uri, str) or uri.partition("://")[0] not in _WORKSPACE or os.environ.get("DATABRICKS_HOST"):
            return uri
        _tell(uri)
        return _database()

    return answer


def _database() -> str:
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return f"sqlite:///{(folder / 'mlflow.db').as_posix()}"


def _folder() -> Path:
    from dbutils_local.dbutils.handle import current_session

    return current_session().birth.home / "mlflow"


@functools.cache
def _tell(uri: str) -> None:
    from dbutils_local.dbutils.handle import current_session

    current_session().notice(
        f"MLflow's {uri!r} is the store {_folder()} on this machine; where DATABRICKS_HOST is set it is that workspace"
    )
