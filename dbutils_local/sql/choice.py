"""Whether notebooks need their SQL on Spark, told from their text: one that names Spark reads what `%sql` made there.

The embedded engine and Spark keep tables apart, so the choice has to be made before the first statement and be the same
for everything that works together: a notebook, what it includes and runs, all tasks of a job, and the other notebooks
of the repository, which find in a later run what a SQL notebook made in this one.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from dbutils_local import notebooks
from dbutils_local.errors import UserError
from dbutils_local.notebooks.parameters import Facts, facts
from dbutils_local.settings import PREFIX, Settings

VARIABLE: Final = f"{PREFIX}SQL_ENGINE"
_NAMES: Final = frozenset({"spark", "sc", "sqlContext", "sql", "table"})
_OF_VERSIONS: Final = re.compile(
    r"(?i)\b(desc(ribe)?\s+(history|detail)|(version|timestamp)\s+as\s+of|restore\s+table|(shallow|deep)\s+clone)\b"
)
_NOT_THEIRS: Final = frozenset({"node_modules", "site-packages", "__pycache__"})
_FEW: Final = 2_000  # folder entries looked at: a start in a home folder must not read all of it


def environment_for(settings: Settings, files: Iterable[Path], root: Path) -> dict[str, str]:
    """What makes the processes that run `files` agree on Spark; empty where the settings say, or none needs it."""
    if settings.sql_engine != "auto" or importlib.util.find_spec("pyspark") is None:
        return {}
    known = list(files)
    if needs_spark(known, root) or (_spark_starts() and _shares_tables(known, root)):
        return {VARIABLE: "spark"}
    return {}


def _spark_starts() -> bool:
    return bool(os.environ.get("JAVA_HOME")) or shutil.which("java") is not None


def _shares_tables(files: list[Path], root: Path) -> bool:
    """Whether SQL of these notebooks makes or reads what other notebooks of the repository see through Spark."""
    having_sql = [path for path in files if (found := _facts(path)) is not None and _runs_sql(found)]
    return any(needs_spark([other], root) for path in having_sql for other in _beside(path, root))


def _runs_sql(found: Facts) -> bool:
    return any(use.name == "sql" for use in found.languages)


def _beside(path: Path, root: Path) -> Iterator[Path]:
    """The other notebooks of the repository that say `spark` at all, those in the notebook's own folder first."""
    folder = path.parent
    whole = [root] if root != folder and folder.is_relative_to(root) else []
    for top in [folder, *whole]:
        for other in islice(_files(top), _FEW):
            if other != path and _names_spark(other):
                yield other


def _names_spark(path: Path) -> bool:
    try:
        return notebooks.is_notebook(path) and b"spark" in path.read_bytes()
    except OSError:
        return False


def _files(top: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _NOT_THEIRS)
        yield from (Path(folder, name) for name in sorted(names))


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
        if _uses_spark(found) or (_runs_sql(found) and _asks_for_versions(path) and _spark_starts()):
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


def _asks_for_versions(path: Path) -> bool:
    """Whether the text of a notebook names what tables of the embedded engine have not: versions of themselves."""
    try:
        return _OF_VERSIONS.search(path.read_text("utf-8", "replace")) is not None
    except OSError:
        return False


def _reached(found: Facts, path: Path, root: Path) -> Iterator[Path]:
    names = [include.call.path for include in found.includes] + [run.name for run in found.runs if run.name]
    for name in names:
        try:
            yield notebooks.resolve(name, caller=path, root=root)
        except UserError:
            continue
