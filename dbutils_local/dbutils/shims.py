"""Modules that exist only on Databricks, or mean something else there, importable in our kernels and scripts.

`databricks.sdk.runtime`, `pyspark.dbutils` and `dbruntime` give the objects of this process, without network, whether
or not databricks-sdk and pyspark are installed, and so do `delta.tables` and `databricks.connect` where those are not;
everything else below those packages stays the real thing. MLflow is the real one, told where its store is.
`DATABRICKS_RUNTIME_VERSION` is not set: libraries take it as proof of a cluster and call one (reference 2.5). It is
handed through where the user sets it.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from dbutils_local.dbutils import experiments

# What notebooks find without importing it (reference 8.1).
GLOBALS: Final = (
    "dbutils",
    "spark",
    "sc",
    "sqlContext",
    "sql",
    "table",
    "udf",
    "display",
    "displayHTML",
    "getArgument",
)


_CONNECT: Final = "databricks.connect"
# Stand-ins that are there whoever asks; the others only on the way to a module of ours.
_ASKED_FOR: Final = ("py4j", "delta", _CONNECT)

_lock = threading.Lock()


class Missing(ImportError):
    """Something of a package that is not installed was asked of its stand-in."""


class _Waiting(ModuleType):
    """A package that is there as the way to a module of ours; the real one is imported when it is asked for more.

    databricks-sdk takes a second to import, and most who import its `runtime` want nothing else of it.
    """

    def __getattr__(self, name: str) -> Any:
        if name in ("__wrapped__", "__warningregistry__"):
            raise AttributeError(name)
        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        real = importlib.import_module(self.__name__)
        for child in [one for one in self.__dict__ if f"{self.__name__}.{one}" in sys.modules]:
            real.__dict__.setdefault(child, self.__dict__[child])
        return getattr(real, name)


class _Later:
    """Loads a package as one that waits."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """The ordinary kind."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """From here on it waits: the import system, which asks a new module this and that, is done with it."""
        module.__class__ = _Waiting


class _Adapting:
    """The loader of an installed module, which is changed as soon as it is loaded."""

    def __init__(self, loader: Any, change: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._change = change

    def exec_module(self, module: ModuleType) -> None:
        """Load it and change it."""
        self._loader.exec_module(module)
        self._change(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class Finder:
    """Finds and loads our modules before any other finder; their parents only where the real ones are not installed.

    Not derived from importlib.abc, whose import costs more than all of this.
    """

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._fill: dict[str, Callable[[ModuleType], None]] = {
            "databricks.sdk.runtime": lambda module: _runtime(module, namespace),
            "pyspark.dbutils": _pyspark_dbutils,
            "dbruntime": _empty,
            "dbruntime.dbutils": _dbruntime_dbutils,
            "dbruntime.databricks_repl_context": _repl_context,
            "dbruntime.display": lambda module: _display(module, namespace),
        }
        self._stand_ins: dict[str, Callable[[ModuleType], None]] = {
            "databricks": _empty,
            _CONNECT: _connect,
            "databricks.sdk": lambda module: _absent(module, "databricks-sdk"),
            "pyspark": lambda module: _absent(module, "dbutils-local[spark]"),
            "py4j": _empty,
            "py4j.protocol": _py4j_protocol,
            "delta": _delta_tables,
            "delta.tables": _delta_tables,
        }
        self._changes: dict[str, Callable[[ModuleType], None]] = {
            experiments.TRACKING: experiments.adapt_tracking,
            experiments.REGISTRY: experiments.adapt_registry,
        }

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that are always ours."""
        return tuple(self._fill)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """A spec for our modules, None for all others."""
        if fullname == "databricks.sdk" and (later := _deferred(fullname, path, self._fill)):
            return later
        if fullname in self._changes:
            return _adapted(fullname, path, self._changes[fullname])
        ours = fullname in self._fill or (fullname in self._stand_ins and self._stands_in(fullname, path))
        if not ours:
            return None
        loader: Any = self
        return importlib.machinery.ModuleSpec(fullname, loader, origin="dbutils_local", is_package=True)

    def _stands_in(self, fullname: str, path: Sequence[str] | None) -> bool:
        if not fullname.startswith(_ASKED_FOR) and not _wanted_below(fullname, {**self._fill, _CONNECT: None}):
            return False
        return importlib.machinery.PathFinder.find_spec(fullname, path) is None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """The ordinary kind."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        (self._fill | self._stand_ins)[module.__name__](module)


def _deferred(
    fullname: str, path: Sequence[str] | None, ours: Mapping[str, Any]
) -> importlib.machinery.ModuleSpec | None:
    """The spec of an installed package that is to wait, being imported only as the way to a module of ours."""
    real = importlib.machinery.PathFinder.find_spec(fullname, path)
    if real is None or real.submodule_search_locations is None or not _wanted_below(fullname, ours):
        return None
    loader: Any = _Later()
    spec = importlib.machinery.ModuleSpec(fullname, loader, origin=real.origin)
    spec.submodule_search_locations = real.submodule_search_locations
    spec.has_location = True
    return spec


def _adapted(
    fullname: str, path: Sequence[str] | None, change: Callable[[ModuleType], None]
) -> importlib.machinery.ModuleSpec | None:
    spec = importlib.machinery.PathFinder.find_spec(fullname, path)
    if spec is not None and spec.loader is not None:
        loader: Any = _Adapting(spec.loader, change)
        spec.loader = loader
    return spec


def _wanted_below(parent: str, ours: Mapping[str, Any]) -> bool:
    """Whether `parent` is imported only as the way to one of ours.

    `import pyspark` and `find_spec("pyspark")` must go on saying that there is no pyspark: libraries ask. The import
    system does not tell a finder what is being imported in the end, so its frames are looked at.
    """
    frame = sys._getframe(2)
    for _ in range(40):
        if frame.f_code.co_name == "_find_and_load_unlocked":
            wanted = frame.f_locals.get("name", "")
            if wanted in ours and wanted.startswith(parent + "."):
                return True
        if frame.f_back is None:
            break
        frame = frame.f_back
    return False


def _empty(module: ModuleType) -> None:
    """A package with nothing of its own."""


def _absent(module: ModuleType, package: str) -> None:
    def missing(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Missing(
            f"{module.__name__}.{name} is not available: {package} is not installed (pip install '{package}')"
        )

    module.__dict__["__getattr__"] = missing


def _runtime(module: ModuleType, namespace: Mapping[str, Any]) -> None:
    """`databricks.sdk.runtime`: the notebook's globals; its real submodules stay reachable."""
    parent = sys.modules.get("databricks.sdk")
    real = importlib.machinery.PathFinder.find_spec(module.__name__, list(getattr(parent, "__path__", [])))
    if real is not None and real.submodule_search_locations:
        module.__path__ = list(real.submodule_search_locations)
    module.__dict__["__all__"] = list(GLOBALS)
    module.__dict__["is_local_implementation"] = True
    module.__dict__["__getattr__"] = lambda name: _global(module.__name__, name, namespace)


def _global(module: str, name: str, namespace: Mapping[str, Any]) -> Any:
    if name in namespace and name in GLOBALS:
        return namespace[name]
    if name == "dbutils":
        from dbutils_local.dbutils.handle import current

        return current()
    if name == "getArgument":
        from dbutils_local.dbutils.handle import current

        return current().widgets.getArgument
    raise AttributeError(f"module {module!r} has no attribute {name!r} on this machine")


def _pyspark_dbutils(module: ModuleType) -> None:
    from dbutils_local.dbutils.handle import DBUtils

    module.__dict__["DBUtils"] = DBUtils


def _dbruntime_dbutils(module: ModuleType) -> None:
    from dbutils_local.dbutils.exits import NotebookExit
    from dbutils_local.dbutils.fs import FileInfo, MountInfo
    from dbutils_local.dbutils.handle import DBUtils
    from dbutils_local.dbutils.secrets import SecretMetadata, SecretScope

    for kind in (DBUtils, FileInfo, MountInfo, NotebookExit, SecretMetadata, SecretScope):
        module.__dict__[kind.__name__] = kind


def _repl_context(module: ModuleType) -> None:
    from dbutils_local.dbutils.context import ReplContext
    from dbutils_local.dbutils.handle import current

    module.__dict__["get_context"] = lambda: current().entry_point.repl_context
    module.__dict__["ReplContext"] = ReplContext


def _display(module: ModuleType, namespace: Mapping[str, Any]) -> None:
    module.__dict__["__getattr__"] = lambda name: _global(module.__name__, name, namespace)


def _connect(module: ModuleType) -> None:
    from dbutils_local.dbutils import connect

    connect.fill(module)


def _delta_tables(module: ModuleType) -> None:
    from dbutils_local.spark import delta_table

    module.__dict__.update({name: getattr(delta_table, name) for name in delta_table.__all__})


def _py4j_protocol(module: ModuleType) -> None:
    """Where py4j is not installed its error classes still have to be there for `except`."""
    py4j_error = type("Py4JError", (Exception,), {"__module__": "py4j.protocol"})
    module.__dict__["Py4JError"] = py4j_error
    for name in ("Py4JJavaError", "Py4JNetworkError"):
        module.__dict__[name] = type(name, (py4j_error,), {"__module__": "py4j.protocol"})


_finder: Finder | None = None


def install(namespace: Mapping[str, Any]) -> None:
    """Make the modules importable; `namespace` is where `spark`, `display` and others are looked up when asked for."""
    global _finder
    uninstall()
    _finder = Finder(namespace)
    sys.meta_path.insert(0, _finder)
    for name in _finder.modules:
        # The SDK's own runtime module may have been imported before us; it would go and look for a cluster.
        _forget(name)


def uninstall() -> None:
    """Take the modules away again."""
    global _finder
    if _finder is None:
        return
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    for name, module in list(sys.modules.items()):
        if getattr(getattr(module, "__spec__", None), "loader", None) is _finder:
            _forget(name)
    _finder = None


def _forget(name: str) -> None:
    sys.modules.pop(name, None)
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        sys.modules[parent].__dict__.pop(child, None)
