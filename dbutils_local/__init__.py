"""Databricks notebooks and multi-task jobs, unmodified, on any machine that has Python.

PYTEST_DONT_REWRITE: pytest run inside a notebook would warn that this package, its plugin's, is imported already.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dbutils_local.asking import load_job as load_job
    from dbutils_local.asking import run as run
    from dbutils_local.result import RunResult as RunResult
    from dbutils_local.workspace import Workspace as Workspace

__all__ = ["RunResult", "Workspace", "dbutils", "load_ipython_extension", "load_job", "run", "unload_ipython_extension"]

_HOMES = {"RunResult": "result", "Workspace": "workspace", "load_job": "asking", "run": "asking"}


def __getattr__(name: str) -> Any:
    """The few public names, imported when first touched: importing the package alone stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


class _Package(ModuleType):
    """`from dbutils_local import dbutils` is the object users expect, though a room of that name exists too.

    Importing a submodule binds it on its package; this data descriptor keeps that binding from hiding the object.
    """

    @property
    def dbutils(self) -> Any:
        from dbutils_local.dbutils.handle import current

        return current()

    @dbutils.setter
    def dbutils(self, module: ModuleType) -> None:
        """Binding the submodule changes nothing."""


sys.modules[__name__].__class__ = _Package


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext dbutils_local`: the one door upward, opened lazily."""
    import jupyter_ext

    jupyter_ext.load_ipython_extension(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """`%unload_ext dbutils_local`."""
    import jupyter_ext

    jupyter_ext.unload_ipython_extension(ipython)
