"""Imports papermill and nbformat without the heavy optional parts they pull in; those are imported when first used.

Measured on a full installation: `import papermill` costs 1.2 s, of which 0.8 s is a grammar that only validates IRIs
(through jsonschema), 0.03 s one for durations, and 0.3 s are pyarrow and requests, for output paths we never use.
Nothing is switched off: each name imports the real thing when it is used.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# module -> the names that are taken from it by `from module import name` and are only ever called
_CALLED_LATER = {
    "rfc3987_syntax": ("is_valid_syntax",),
    "rfc3986_validator": ("validate_rfc3986",),
    "pyarrow": (),
    "pyarrow.fs": ("FileSelector", "HadoopFileSystem"),
    "requests": (),
    "arrow": (),  # for the format of durations, which no notebook has
}
_lock = threading.Lock()


@functools.cache
def all_entry_points() -> Any:
    """The entry points of everything installed, read once a process; choose with `.select(group=...)`."""
    from importlib.metadata import entry_points

    return entry_points()


def import_papermill() -> Any:
    """The papermill package; about 0.2 s the first time."""
    with _heavy_parts_later(), _one_scan_for_entry_points():
        import papermill
    return papermill


def import_nbformat() -> Any:
    """The nbformat package; about 0.1 s the first time."""
    with _heavy_parts_later():
        import nbformat
    return nbformat


@contextmanager
def _heavy_parts_later() -> Iterator[None]:
    if "papermill" in sys.modules and "nbformat" in sys.modules:
        yield
        return
    with _lock:
        placed = {name: _Placeholder(name, called) for name, called in _CALLED_LATER.items() if _is_still_to_come(name)}
        sys.modules.update(placed)
        try:
            yield
        finally:
            for name, module in placed.items():
                if sys.modules.get(name) is module:
                    del sys.modules[name]


def _is_still_to_come(name: str) -> bool:
    top = name.partition(".")[0]
    return name not in sys.modules and top not in sys.modules and importlib.util.find_spec(top) is not None


class _Placeholder(ModuleType):
    """Stands for a module in the modules that imported it early; every use goes to the real one."""

    def __init__(self, name: str, called: tuple[str, ...]) -> None:
        super().__init__(name)
        self.__path__: list[str] = []  # so that `from package.sub import name` looks in sys.modules for the sub
        for word in called:
            setattr(self, word, _calls_the_real(name, word))

    def __getattr__(self, word: str) -> Any:
        if word.startswith("__"):
            raise AttributeError(word)
        return getattr(importlib.import_module(self.__name__), word)


def _calls_the_real(module_name: str, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module(module_name), name)(*args, **kwargs)

    return call


@contextmanager
def _one_scan_for_entry_points() -> Iterator[None]:
    """papermill reads every installed distribution once a group; one reading answers all groups alike."""
    if "papermill" in sys.modules:
        yield
        return
    import entrypoints

    def get_group_all(group: str, path: Any = None) -> list[Any]:
        return [
            entrypoints.EntryPoint.from_string(point.value, point.name)
            for point in all_entry_points().select(group=group)
        ]

    original, entrypoints.get_group_all = entrypoints.get_group_all, get_group_all
    try:
        yield
    finally:
        entrypoints.get_group_all = original
