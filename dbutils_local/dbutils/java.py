"""Errors that come from the JVM on Databricks, in the shape notebook code tests them for.

Code in the wild asks in four ways: `"InputWidgetNotDefined" in str(e)`, the same in `type(e).__name__`,
`except Py4JJavaError`, and `e.java_exception.getClass().getName()` (reference 1.3, 2.2, 5.4). All four hold here.
"""

from __future__ import annotations

import itertools
import sys
from importlib import import_module
from typing import Any, ClassVar

_calls = itertools.count(401)


class JavaClass:
    """What `java_exception.getClass()` answers."""

    def __init__(self, name: str) -> None:
        self._name = name

    def getName(self) -> str:
        """The full Java name."""
        return self._name

    def getSimpleName(self) -> str:
        """The Java name without its package."""
        return self._name.rpartition(".")[2]

    def toString(self) -> str:
        """As Java prints a class."""
        return f"class {self._name}"


class JavaThrowable:
    """What `e.java_exception` answers: class, message and cause."""

    def __init__(self, java_class: str, message: str, cause: JavaThrowable | None = None) -> None:
        self._class = JavaClass(java_class)
        self._message = message
        self._cause = cause

    def getClass(self) -> JavaClass:
        """The class, for `.getName()`."""
        return self._class

    def getMessage(self) -> str:
        """The message without the class."""
        return self._message

    def getCause(self) -> JavaThrowable | None:
        """The throwable below, or None."""
        return self._cause

    def getStackTrace(self) -> list[str]:
        """No frames: there is no JVM here."""
        return []

    def toString(self) -> str:
        """Class and message, as Java prints it."""
        return f"{self._class.getName()}: {self._message}"

    __str__ = toString


class JavaError(Exception):
    """A failed call into the JVM; a subclass says the Java class and the type name Python displays.

    Once `py4j.protocol` is imported an instance is also a `Py4JJavaError`: only then can code name that class
    in an `except`, so importing py4j for everyone would buy nothing.
    """

    java_class: ClassVar[str] = "java.lang.RuntimeException"
    displayed: ClassVar[str] = "Py4JJavaError"
    importable: ClassVar[tuple[str, str]]  # module and name under which pickling finds the class

    def __init_subclass__(cls) -> None:
        if "importable" not in cls.__dict__:
            cls.importable = (cls.__module__, cls.__name__)
        cls.__name__ = cls.__qualname__ = cls.displayed

    def __new__(cls, *args: Any, **kwargs: Any) -> JavaError:
        return Exception.__new__(_with_py4j(cls), *args)

    def __init__(self, call: str, message: str, detail: str = "", cause: JavaThrowable | None = None) -> None:
        self.call = call
        self.message = message
        self.detail = detail
        self.java_exception = JavaThrowable(self.java_class, message, cause)
        self.errmsg = f"An error occurred while calling o{next(_calls)}.{call}.\n"
        tail = f"\n{detail}" if detail else ""
        self.text = f"{self.errmsg}: {self.java_class}: {message}{tail}"
        Exception.__init__(self, self.text)

    def __str__(self) -> str:
        return self.text

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (*self.importable, self.call, self.message, self.detail)


def _again(module: str, name: str, call: str, message: str, detail: str) -> JavaError:
    error: JavaError = getattr(import_module(module), name)(call, message, detail)
    return error


def _with_py4j(kind: type[JavaError]) -> type[JavaError]:
    protocol = sys.modules.get("py4j.protocol")
    return kind if protocol is None else _joined(kind, protocol.Py4JJavaError)


_made: dict[tuple[type, type], type[JavaError]] = {}


def _joined(kind: type[JavaError], py4j_error: type[Exception]) -> type[JavaError]:
    if issubclass(kind, py4j_error):
        return kind
    if (kind, py4j_error) not in _made:
        # Pickling goes by the plain class: the other process may have no py4j.
        members = {"__module__": "py4j.protocol", "displayed": kind.displayed, "importable": kind.importable}
        _made[kind, py4j_error] = type(kind.displayed, (kind, py4j_error), members)
    return _made[kind, py4j_error]


class InputWidgetNotDefined(JavaError):
    """A widget was read or removed that nobody defined or passed (reference 1.3)."""

    java_class = "com.databricks.dbutils_v1.InputWidgetNotDefined"
    displayed = "InputWidgetNotDefined"


class DefaultValueNotInChoicesList(JavaError):
    """A dropdown's or multiselect's default is not among its choices (reference 1.3)."""

    java_class = "com.databricks.dbutils_v1.DefaultValueNotInChoicesList"
    displayed = "DefaultValueNotInChoicesList"


class IllegalArgument(JavaError):
    """An argument the JVM refuses."""

    java_class = "java.lang.IllegalArgumentException"


class WorkflowException(JavaError):
    """A notebook run by `dbutils.notebook.run` did not succeed (reference 2.2)."""

    java_class = "com.databricks.WorkflowException"


class ExecutionError(JavaError):
    """A `dbutils.fs` call failed; subclasses name the Java class (reference 5.4)."""

    displayed = "ExecutionError"


class FileNotFound(ExecutionError):
    """Nothing is at that path."""

    java_class = "java.io.FileNotFoundException"


class FileAlreadyExists(ExecutionError):
    """Something is at that path and may not be overwritten."""

    java_class = "java.nio.file.FileAlreadyExistsException"


class FileSystemFailure(ExecutionError):
    """Any other failure of a filesystem."""

    java_class = "java.io.IOException"


class IllegalPath(ExecutionError):
    """A path no filesystem takes."""

    java_class = "java.lang.IllegalArgumentException"


class ReservedPath(ExecutionError):
    """A path whose first folder Databricks keeps for itself."""

    java_class = "com.databricks.backend.daemon.data.filesystem.ReservedPathException"


class MountFailure(ExecutionError):
    """A mount point that is taken, or is not there."""

    java_class = "java.rmi.RemoteException"


class AccessDenied(ExecutionError):
    """The machine does not let this user."""

    java_class = "java.nio.file.AccessDeniedException"


class UnsupportedFileSystem(ExecutionError):
    """A scheme nobody handles."""

    java_class = "org.apache.hadoop.fs.UnsupportedFileSystemException"
