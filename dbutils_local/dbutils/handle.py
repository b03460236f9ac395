"""The `dbutils` object, and the one of this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dbutils_local.dbutils.notebook import NotebookUtils
from dbutils_local.dbutils.session import Session
from dbutils_local.dbutils.widgets import WidgetsUtils
from dbutils_local.errors import NotSupportedHere

if TYPE_CHECKING:
    from dbutils_local.dbutils.context import EntryPoint
    from dbutils_local.dbutils.credentials import DatabricksCredentialUtils
    from dbutils_local.dbutils.data import DataUtils
    from dbutils_local.dbutils.fs import DbfsUtils
    from dbutils_local.dbutils.jobs import JobsUtils
    from dbutils_local.dbutils.library import LibraryUtils
    from dbutils_local.dbutils.secrets import SecretUtils


class Absent(NotSupportedHere, AttributeError):
    """A member Databricks has and this machine does not; also an AttributeError, so that `hasattr` answers no."""


class Refused:
    """A whole module of `dbutils` that is not there: every member of it is refused by name, `help()` works."""

    def __init__(self, name: str) -> None:
        self._name = name

    def help(self, command: str | None = None) -> None:
        """Print why there is nothing here."""
        print(f"{_why_refused(self._name)}.")

    def __getattr__(self, member: str) -> Any:
        if member.startswith("_"):
            raise AttributeError(member)
        raise Absent(f"dbutils.{self._name}.{member} is not available on this machine: {_why_refused(self._name)}")


def _why_refused(name: str) -> str:
    from dbutils_local.dbutils.manual import MODULES

    return MODULES[name].description


class DBUtils:
    """`dbutils`. `DBUtils(spark)` gives the one of this process, as code that makes its own expects."""

    _session: Session

    def __new__(cls, spark: Any = None) -> DBUtils:
        return current()

    @classmethod
    def of(cls, session: Session) -> DBUtils:
        """A `dbutils` over its own session."""
        made = object.__new__(cls)
        made._session = session
        return made

    @cached_property
    def widgets(self) -> WidgetsUtils:
        """Parameters (reference 1)."""
        return WidgetsUtils(self._session.widgets)

    @cached_property
    def notebook(self) -> NotebookUtils:
        """Flow of notebooks (reference 2)."""
        return NotebookUtils(self._session)

    @cached_property
    def jobs(self) -> JobsUtils:
        """Task values (reference 4)."""
        from dbutils_local.dbutils.jobs import JobsUtils

        return JobsUtils(self._session)

    @cached_property
    def fs(self) -> DbfsUtils:
        """Files (reference 5)."""
        from dbutils_local.dbutils.fs import DbfsUtils

        return DbfsUtils(self._session)

    @cached_property
    def secrets(self) -> SecretUtils:
        """Secrets (reference 6.1)."""
        from dbutils_local.dbutils.secrets import SecretUtils

        return SecretUtils(self._session)

    @cached_property
    def data(self) -> DataUtils:
        """Data profiles (reference 6.3)."""
        from dbutils_local.dbutils.data import DataUtils

        return DataUtils()

    @cached_property
    def library(self) -> LibraryUtils:
        """Libraries of the session (reference 6.4)."""
        from dbutils_local.dbutils.library import LibraryUtils

        return LibraryUtils(self._session)

    @cached_property
    def credentials(self) -> DatabricksCredentialUtils:
        """Cloud roles (reference 6.2)."""
        from dbutils_local.dbutils.credentials import DatabricksCredentialUtils

        return DatabricksCredentialUtils()

    @cached_property
    def meta(self) -> Refused:
        """Compiler hooks: refused."""
        return Refused("meta")

    @cached_property
    def preview(self) -> Refused:
        """Previews: refused."""
        return Refused("preview")

    @cached_property
    def api(self) -> Refused:
        """Application build utilities: refused."""
        return Refused("api")

    @property
    def entry_point(self) -> EntryPoint:
        """The JVM entry point, as older code reaches it."""
        return self.notebook.entry_point

    def help(self, moduleOrMethod: str | None = None) -> None:
        """Print what there is."""
        from dbutils_local.dbutils.manual import MODULES, overview

        if moduleOrMethod is None:
            print(overview())
        elif moduleOrMethod in MODULES and "." not in moduleOrMethod:
            getattr(self, moduleOrMethod).help()
        else:
            members = ", ".join(sorted(name for name in MODULES if "." not in name))
            raise ValueError(f"dbutils has no member {moduleOrMethod!r}; it has: {members}")


# Code asks for the type's name: on Databricks it is dbruntime.dbutils.DBUtils.
DBUtils.__module__ = "dbruntime.dbutils"

_lock = threading.RLock()
_current: DBUtils | None = None


def current() -> DBUtils:
    """This process's `dbutils`, made when first asked for."""
    global _current
    with _lock:
        if _current is None:
            _current = DBUtils.of(Session.of_this_process())
        return _current


def current_session() -> Session:
    """The session behind this process's `dbutils`: what the faces (panel, magics, redaction) work on."""
    return current()._session


def renew(environ: Mapping[str, str] | None = None) -> DBUtils:
    """Forget this process's `dbutils` and make it anew: a kernel that waited in a pool learns its task only later."""
    global _current
    with _lock:
        _current = DBUtils.of(Session.of_this_process(environ))
        return _current
