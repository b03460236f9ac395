"""Whether notebooks need their SQL on Spark, told from their text: one that names Spark reads what `%sql` made there.

The embedded engine and Spark keep tables apart, so the choice has to be made before the first statement and be the same
for everything that works together: a notebook, what it includes and runs, and all tasks of a job.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from dbutils_local import notebooks
from dbutils_local.errors import UserError
from dbutils_local.notebooks.parameters import Facts, facts
from dbutils_local.settings import PREFIX, Settings

VARIABLE: Final = f"{PREFIX}SQL_ENGINE"
_NAMES: Final = frozenset({"spark", "sc", "sqlContext", "sql", "table"})


def environment_for(settings: Settings, files: Iterable[Path], root: Path) -> dict[str, str]:
    """What makes the processes that run `files` agree on Spark; empty where the settings say, or none needs it."""
    if settings.sql_engine != "auto" or importlib.util.find_spec("pyspark") is None:
        return {}
    return {VARIABLE: "spark"} if needs_spark(files, root) else {}


def needs_spark(files: Iterable[Path], root: Path) -> bool:
    """Whether any of the notebooks, or one they include or run by a literal name, uses Spark in its Python."""
    waiting, seen = list(files), set[Path]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        found = _facts(path)
        if found is None:
            continue
        if _uses_spark(found):
            return True
        waiting += _reached(found, path, root)
    return False


def _facts(path: Path) -> Facts | None:
    try:
        return facts(notebooks.read(path))
    except (UserError, OSError):
        return None  # what cannot be read fails where it is run


def _uses_spark(found: Facts) -> bool:
    read = {use.name for use in found.globals_read} - found.names_made
    imported = "databricks" in found.modules and "spark" in found.names_made  # from databricks.sdk.runtime
    return bool(read & _NAMES) or bool(found.modules & {"pyspark", "delta"}) or imported


def _reached(found: Facts, path: Path, root: Path) -> Iterator[Path]:
    names = [include.call.path for include in found.includes] + [run.name for run in found.runs if run.name]
    for name in names:
        try:
            yield notebooks.resolve(name, caller=path, root=root)
        except UserError:
            continue
