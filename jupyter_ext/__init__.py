"""The doors Jupyter knocks on: the IPython extension, the server extension and the labextension.

PYTEST_DONT_REWRITE: see dbutils_local.
"""

from __future__ import annotations

from typing import Any

# What loading the kernel extension imports; a fork server imports it once for all its kernels.
PRELOAD = (
    "jupyter_ext.kernel.session",
    "jupyter_ext.kernel.display",
    "jupyter_ext.kernel.endings",
    "jupyter_ext.kernel.magics",
    "jupyter_ext.kernel.panel",
    "jupyter_ext.kernel.bar",
    "jupyter_ext.kernel.tables",
    "dbutils_local.settings",
    "dbutils_local.dbutils.library",
    "dbutils_local.dbutils.mounts",
    "dbutils_local.dbutils.shims",
    "dbutils_local.spark",
    "dbutils_local.spark.lazy",
    "dbutils_local.spark.starting",
    "tomllib",
)

# In the environment of a kernel that a server with our labextension started.
LABEXTENSION = "DBUTILS_LOCAL_LABEXTENSION"

# Everything is imported inside the functions: each of the three callers needs only its own third.


def load_ipython_extension(ipython: Any) -> None:
    """`%load_ext jupyter_ext`; loading again brings the namespace up to date and installs nothing twice."""
    from jupyter_ext.kernel.session import load

    load(ipython)


def unload_ipython_extension(ipython: Any) -> None:
    """`%unload_ext jupyter_ext`: the kernel is as it was before."""
    from jupyter_ext.kernel.session import unload

    unload(ipython)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from jupyter_ext.server.app import App

    return [{"module": "jupyter_ext.server.app", "app": App}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "dbutils-local"}]
