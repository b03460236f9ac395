"""Runs inside a wheel task's process: finds the entry point of a package and calls it.

`entry_point.py PACKAGE NAME ARGUMENT...`. The package's metadata is asked first, in every group of entry points; a name
it does not know is taken as a function of the package itself (jobs reference, 1.3).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class NoEntryPoint(Exception):
    """The package is not installed, or it has nothing of that name."""


def find(package: str, name: str) -> Callable[[], Any]:
    """The callable that a wheel task means."""
    from importlib import import_module
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        points = distribution(package).entry_points
    except PackageNotFoundError:
        points = ()  # type: ignore[assignment]
    for point in points:
        if point.name == name:
            found: Callable[[], Any] = point.load()
            return found
    module_name = package.replace("-", "_")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise NoEntryPoint(
            f"the package {package!r} is not installed: name its wheel under the task's libraries"
        ) from None
    function = getattr(module, name, None)
    if not callable(function):
        known = ", ".join(sorted(point.name for point in points)) or "none"
        raise NoEntryPoint(
            f"the package {package!r} has no entry point or function {name!r}; its entry points: {known}"
        )
    return function  # type: ignore[no-any-return]


def main() -> None:
    """Call the entry point as Databricks does: argv[0] is the package's name, what it returns is dropped."""
    package, name, *arguments = sys.argv[1:]
    # The folder of this file was put first; with it there, `import python` would find a file of ours.
    del sys.path[0]
    sys.argv = [package, *arguments]
    find(package, name)()


if __name__ == "__main__":
    main()
