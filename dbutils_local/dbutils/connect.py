"""`databricks.connect` where databricks-connect is not installed: its session is this machine's Spark.

Databricks' own runtime has the module too, and gives the session of the cluster the code runs on.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from dbutils_local.errors import NotSupportedHere

# What of the builder chooses a workspace, a compute or credentials.
_CHOICES = ("clusterId", "headers", "host", "profile", "remote", "sdkConfig", "serverless", "token", "userAgent")
_OTHERS = ("appName", "config", "validateSession")


def fill(module: ModuleType) -> None:
    """Give `databricks.connect` its one class."""
    module.__dict__["DatabricksSession"] = DatabricksSession


class Builder:
    """What `DatabricksSession.builder` is: whatever is chosen, the code runs here, which is said once."""

    def __getattr__(self, name: str) -> Any:
        if name in _CHOICES:
            _tell()
        elif name not in _OTHERS:
            raise AttributeError(name)
        return lambda *_, **__: self

    def getOrCreate(self) -> Any:
        """This machine's Spark session."""
        from dbutils_local.dbutils.handle import current_session
        from dbutils_local.spark import session

        return session(current_session().settings)

    def create(self) -> Any:
        """Refused: there is one Spark session here."""
        raise NotSupportedHere("DatabricksSession.builder.create() makes a second session: use getOrCreate()")


class DatabricksSession:
    """The door to a session."""

    builder = Builder()
    Builder = Builder

    @staticmethod
    def getActiveSession() -> Any:
        """The session in use, None before there is one."""
        from dbutils_local.spark import active

        return active()


@functools.cache
def _tell() -> None:
    from dbutils_local.dbutils.handle import current_session

    current_session().notice(
        "DatabricksSession is this machine's Spark: the workspace or compute that is chosen has no effect here"
    )
