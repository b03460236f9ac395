"""PySpark's own ways to a session lead to the notebook's: `SparkSession.builder.getOrCreate()` and its like.

On Databricks there is a session before the first line runs, so code that asks PySpark for one gets that one, whatever
it configures. Here it starts at first touch, and asking PySpark is a touch.
"""

from __future__ import annotations

import functools
import importlib.machinery
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from dbutils_local.settings import Settings
from dbutils_local.spark import starting

_MARK: Final = "_dbutils_local_door"
_settings: Settings | None = None
_told: set[str] = set()


def install(settings: Settings) -> None:
    """Watch for PySpark, or take the one that is imported already."""
    global _settings
    _settings = settings
    if not any(isinstance(finder, _Doorkeeper) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Doorkeeper())
    for name, attend in _DOORS.items():
        if name in sys.modules:
            attend(sys.modules[name])


def remove() -> None:
    """Let PySpark's doors lead where they led before."""
    global _settings
    _settings = None


def _attend_sessions(module: ModuleType) -> None:
    original = module.SparkSession.Builder.getOrCreate
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def getOrCreate(self: Any) -> Any:
        if "spark.remote" not in self._options and _start():
            _tell_what_came_too_late(self._options)
        return original(self)

    setattr(getOrCreate, _MARK, True)
    module.SparkSession.Builder.getOrCreate = getOrCreate


def _attend_contexts(module: ModuleType) -> None:
    original = module.SparkContext.getOrCreate.__func__
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def getOrCreate(cls: Any, conf: Any = None) -> Any:
        _start()
        return original(cls, conf)

    setattr(getOrCreate, _MARK, True)
    module.SparkContext.getOrCreate = classmethod(getOrCreate)


def _start() -> bool:
    """Have a session; False where that is not ours to do: this is part of starting it, or another engine is wanted."""
    if _settings is None or starting.is_starting() or "SPARK_REMOTE" in os.environ:
        return False
    if starting.active() is None:
        if starting.chosen_engine(_settings.spark_engine) != "pyspark":
            return False
        starting.session(_settings)
    return True


def _tell_what_came_too_late(options: Mapping[str, Any]) -> None:
    """Libraries change what a program does; whatever else a JVM is started with does not."""
    for name in options:
        if name.startswith("spark.jars") and name not in _told:
            _told.add(name)
            print(
                f"{name} has no effect on a JVM that runs already, as on a cluster; the setting spark_conf is for it",
                file=sys.stderr,
            )


_DOORS: Final[dict[str, Callable[[ModuleType], None]]] = {
    "pyspark.sql.session": _attend_sessions,
    "pyspark.core.context": _attend_contexts,
}


class _Doorkeeper:
    """Attends to the modules with doors as soon as they are imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's own spec, with a loader that attends to it; None for all other modules."""
        attend = _DOORS.get(fullname)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path) if attend else None
        if spec is None or spec.loader is None or attend is None:
            return None
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            attend(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
