"""The executed copy of a notebook on disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from dbutils_local.imports import import_nbformat


def write_notebook(nb: Any, path: Path) -> None:
    """Write an executed notebook in one step: a reader sees the old one or the new one, never half."""
    nbformat = import_nbformat()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # Unlike nbformat.write, without validating every cell again.
    temporary.write_text(nbformat.v4.writes(nb) + "\n", "utf-8")
    os.replace(temporary, path)
