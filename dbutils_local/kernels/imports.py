"""Imports papermill and nbformat without the heavy optional parts they pull in; those are imported when first used.

Measured on a full installation: `import papermill` costs 1.2 s, of which 0.8 s is a grammar that only validates IRIs (through
jsonschema) and 0.3 s are pyarrow and requests, for output paths we never use. Nothing is switched off: each name imports
the real thing on its first call.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# module -> the names that are taken from it by `from module import name` and are only ever called
_CALLED_LATER = {
    "rfc3987_syntax": ("is_valid_syntax",),
    "pyarrow": (),
    "pyarrow.fs": ("FileSelector", "HadoopFileSystem"),
}


def import_papermill() -> Any:
    """The papermill package; about 0.2 s the first time."""
    with _heavy_parts_later():
        import papermill
    return papermill


def import_nbformat() -> Any:
    """The nbformat package; about 0.1 s the first time."""
    with _heavy_parts_later():
        import nbformat
    return nbformat


@contextmanager
def _heavy_parts_later() -> Iterator[None]:
    placed = {
        name: _placeholder(name, called)
        for name, called in _CALLED_LATER.items()
        if _is_installed_but_not_imported(name)
    }
    sys.modules.update(placed)
    try:
        yield
    finally:
        for name, module in placed.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


def _is_installed_but_not_imported(name: str) -> bool:
    top = name.partition(".")[0]
    return name not in sys.modules and top not in sys.modules and importlib.util.find_spec(top) is not None


def _placeholder(module_name: str, called: tuple[str, ...]) -> ModuleType:
    module = ModuleType(module_name)
    module.__path__ = []  # so that `from package.sub import name` looks in sys.modules for the sub
    for name in called:
        setattr(module, name, _calls_the_real(module_name, name))
    return module


def _calls_the_real(module_name: str, name: str) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module(module_name), name)(*args, **kwargs)

    return call
