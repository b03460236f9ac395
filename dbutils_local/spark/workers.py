"""What Spark's Python workers import: the folders on the driver's `sys.path`, as they stand when a function is sent."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dbutils_local.errors import UserError
from dbutils_local.files import Mounts
from dbutils_local.paths import Places, to_open
from dbutils_local.settings import Settings

_VARIABLE = "PYTHONPATH"


def follow_the_driver(spark: Any, settings: Settings) -> None:
    """From now on every function sent to a worker of `spark` brings the driver's folders along."""
    mounts = Mounts(settings.home)

    def local(entry: str) -> Path | None:
        places = Places(settings.home, settings.workspace or Path.cwd(), mounts.table())
        with suppress(UserError):
            return to_open(entry, places) or Path(entry)
        return None

    context = spark.sparkContext
    known = packages(sys.path)
    context.environment = Environment(context.environment, lambda: folders(sys.path, known, local))


class Environment(dict[str, str]):
    """PySpark's environment of its workers, which it reads anew for every function; other folders, other workers."""

    def __init__(self, given: dict[str, str], path: Callable[[], list[str]]) -> None:
        super().__init__({_VARIABLE: "", **given})
        self._path = path

    def __getitem__(self, name: str) -> str:
        value = super().__getitem__(name)
        if name != _VARIABLE:
            return value
        return os.pathsep.join([*self._path(), *filter(None, [value])])


def packages(path: list[str]) -> frozenset[str]:
    """The folders of `path` that a worker, which runs the same Python, has by itself: put first they hide its own."""
    own = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
    installed = [entry for entry in path if Path(entry).name in ("site-packages", "dist-packages", "lib-dynload")]
    return frozenset(map(os.path.realpath, (*own, *installed)))


def folders(path: list[str], known: frozenset[str], local: Callable[[str], Path | None]) -> list[str]:
    """The folders and archives of `path` that are not among `known`, absolute, as this machine names them."""
    found: dict[str, None] = {}
    for entry in path:
        place = local(entry)
        if place is not None and place.exists() and os.path.realpath(place) not in known:
            found[os.path.abspath(place)] = None
    return list(found)
