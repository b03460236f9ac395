"""Where the files of an attempt lie, under `runs/<run_id>/<task_key>/<attempt>/`."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from dbutils_local.core.evidence import BIRTH, CHILDREN, INSTALL, NOTEBOOK, OUTBOX, STDERR, STDOUT

__all__ = [
    "BIRTH",
    "CHILDREN",
    "INSTALL",
    "NOTEBOOK",
    "OUTBOX",
    "STDERR",
    "STDOUT",
    "Tail",
    "delete",
    "folder",
    "forget_interactive",
    "make_folder",
    "run_folder",
    "tail",
]

# What runs/get-output gives of logs and exit values (jobs reference, 6.6).
TAIL_BYTES = 5 * 1024 * 1024

_ITERATION = re.compile(r"(?P<loop>.+)\[(?P<index>\d+)\]")


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a log; `truncated` if something came before it."""

    text: str = ""
    truncated: bool = False


def run_folder(runs_root: Path, run_id: int) -> Path:
    """Everything that is kept of one run besides its history."""
    return runs_root / str(run_id)


def folder(runs_root: Path, run_id: int, key: str, attempt: int) -> Path:
    """The folder of one attempt; an iteration `loop[3]` lies in `loop/iteration-3/<attempt>/`."""
    run = run_folder(runs_root, run_id)
    match = _ITERATION.fullmatch(key)
    if match:
        return run / match["loop"] / f"iteration-{match['index']}" / str(attempt)
    return run / key / str(attempt)


def make_folder(runs_root: Path, run_id: int, key: str, attempt: int) -> Path:
    """The same, created (0700)."""
    made = folder(runs_root, run_id, key, attempt)
    made.mkdir(parents=True, exist_ok=True, mode=0o700)
    return made


def delete(runs_root: Path, run_id: int) -> None:
    """Remove what is kept of a run; nothing happens if that is nothing."""
    shutil.rmtree(run_folder(runs_root, run_id), ignore_errors=True)


def forget_interactive(home: Path, before: float) -> None:
    """Remove what notebooks run by hand left, unless something wrote there since `before` (epoch seconds)."""
    for left in (home / "interactive").glob("*"):
        if max((path.stat().st_mtime for path in (left, *left.rglob("*")) if path.exists()), default=before) < before:
            shutil.rmtree(left, ignore_errors=True)


def tail(path: Path, limit: int = TAIL_BYTES) -> Tail:
    """The last `limit` bytes of a log as text; empty if it was never written."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - limit))
            data = file.read(limit)
    except FileNotFoundError:
        return Tail()
    return Tail(data.decode("utf-8", "replace"), size > limit)
