"""`dbutils.library`: a fresh Python in the middle of a notebook (reference 6.4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from dbutils_local.dbutils.help import Helpful
from dbutils_local.errors import NotSupportedHere

if TYPE_CHECKING:
    from dbutils_local.dbutils.session import Session


class RestartPython(BaseException):
    """Python is to start afresh; who runs the notebook knows this class by name and goes on with the next cell.

    No Exception: on Databricks the process ends, whatever `except` stands around the call.
    """

    def __init__(self, rest: Iterable[tuple[str, int]] = ()) -> None:
        super().__init__("Python starts afresh: variables and imports are gone, widgets and parameters stay")
        self.rest = list(rest)  # notebooks that came in by %run, the outermost first, and the cell each goes on with

    def _render_traceback_(self) -> list[str]:
        """As NotebookExit's."""
        return [f"{type(self).__name__}: {self}"]


class RestartPythonInRun(RestartPython):
    """The same, asked for by a notebook that came in by %run and has more cells: the %run is run again, for those."""


class LibraryUtils(Helpful):
    """`dbutils.library`."""

    _module = "library"

    def __init__(self, session: Session) -> None:
        self._session = session

    def restartPython(self) -> NoReturn:
        """Drop every variable and import; the next cell runs in a fresh process."""
        self._session.keep()
        raise RestartPython

    def install(self, path: str) -> NoReturn:
        """Refused: removed from Databricks Runtime 11."""
        raise _removed("install", f"%pip install {path}")

    def installPyPI(self, pypiPackage: str, version: str = "", repo: str = "", extras: str = "") -> NoReturn:
        """Refused: removed from Databricks Runtime 11."""
        wanted = pypiPackage + (f"[{extras}]" if extras else "") + (f"=={version}" if version else "")
        index = f" --index-url {repo}" if repo else ""
        raise _removed("installPyPI", f"%pip install {wanted}{index}")

    def list(self) -> NoReturn:
        """Refused: removed from Databricks Runtime 11."""
        raise _removed("list", "%pip list")

    def updateCondaEnv(self, envYmlContent: str) -> NoReturn:
        """Refused: removed from Databricks Runtime 11."""
        raise _removed("updateCondaEnv", "%pip install")


def _removed(name: str, instead: str) -> NotSupportedHere:
    return NotSupportedHere(
        f"dbutils.library.{name} was removed in Databricks Runtime 11; write {instead} in its own cell"
    )
