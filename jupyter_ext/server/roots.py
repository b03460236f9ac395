"""Which files of this machine a job that came over HTTP may name."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbutils_local.errors import UserError
from dbutils_local.paths import workspace_candidates
from dbutils_local.spec.job import JobSettings, resolved

# Every field of a job that names a file or folder.
_FIELDS = frozenset(
    {
        "notebook_path",
        "python_file",
        "path",
        "project_directory",
        "profiles_directory",
        "jar_uri",
        "whl",
        "jar",
        "requirements",
    }
)
_LISTS = frozenset({"files"})  # of environment_variables
_EXTENSIONS = ("", ".ipynb", ".py", ".sql", ".scala", ".r", ".R")


@dataclass(frozen=True)
class Roots:
    """The workspace root, and the folders that are allowed besides it."""

    root: Path
    others: Sequence[Path] = ()

    def check(self, settings: JobSettings) -> None:
        """UserError for the first path of a job that leads out of the allowed folders."""
        for name, path in _paths(resolved(settings)):
            if not self.allows(path):
                allowed = ", ".join(str(folder) for folder in (self.root, *self.others))
                raise UserError(
                    f"{name}: '{path}' leads out of the allowed folders ({allowed}); "
                    "the setting allowed_roots names more."
                )

    def allows(self, path: str) -> bool:
        """Whether `path`, read as the engine will read it, stays inside; links are followed."""
        if "\0" in path:
            return False
        if "{{" in path or "://" in path or path.startswith(("dbfs:", "/dbfs/", "/Volumes/")):
            return True  # decided by what it turns out to be, or below a folder of our own
        plain = path.removeprefix("file:")
        if not plain.startswith("/"):
            return self._inside(self.root / plain)
        found = next((one for one in workspace_candidates(plain, self.root) if _exists(one)), None)
        return found is None or self._inside(found)

    def _inside(self, file: Path) -> bool:
        written = Path(os.path.normpath(file))
        real = next(
            (Path(os.path.realpath(f"{written}{end}")) for end in _EXTENSIONS if os.path.exists(f"{written}{end}")),
            written,
        )
        allowed = [Path(os.path.realpath(folder)) for folder in (self.root, *self.others)]
        return all(
            any(one.is_relative_to(folder) for folder in allowed) for one in (Path(os.path.realpath(written)), real)
        )


def _exists(file: Path) -> bool:
    return any(os.path.exists(f"{file}{end}") for end in _EXTENSIONS)


def _paths(value: Any, name: str = "settings") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in _FIELDS and isinstance(item, str):
                yield f"{name}.{key}", item
            elif key in _LISTS and isinstance(item, list):
                yield from ((f"{name}.{key}[{index}]", one) for index, one in enumerate(item) if isinstance(one, str))
            else:
                yield from _paths(item, f"{name}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _paths(item, f"{name}[{index}]")


def workspace_object(path: str, roots: Roots) -> tuple[str, Path] | None:
    """What a workspace path is (DIRECTORY, NOTEBOOK or FILE) and where it lies; None if it is not there."""
    from dbutils_local.notebooks import is_notebook

    if not path.startswith("/") or not roots.allows(path):
        return None
    for one in workspace_candidates(posixpath.normpath(path), roots.root):
        for end in _EXTENSIONS:
            file = Path(f"{one}{end}")
            if file.is_dir():
                return "DIRECTORY", file
            if file.is_file():
                return ("NOTEBOOK" if is_notebook(file) else "FILE"), file
    return None
