"""Where the files of an attempt lie."""

from __future__ import annotations

import os
from pathlib import Path

from dbutils_local.store import artifacts


def test_an_attempt_has_a_folder_of_its_own() -> None:
    assert artifacts.folder(Path("runs"), 5, "ingest", 0) == Path("runs/5/ingest/0")
    assert artifacts.folder(Path("runs"), 5, "loop[3]", 1) == Path("runs/5/loop/iteration-3/1")


def test_deleting_a_run_removes_its_files_and_no_others(tmp_path: Path) -> None:
    for run_id in (5, 51):
        (artifacts.make_folder(tmp_path, run_id, "a", 0) / artifacts.STDOUT).write_text("x")
    artifacts.delete(tmp_path, 5)
    artifacts.delete(tmp_path, 6)
    assert [path.name for path in tmp_path.iterdir()] == ["51"]


def test_a_tail_is_the_end_of_a_log_and_says_when_it_is_not_all(tmp_path: Path) -> None:
    log = tmp_path / "stdout.log"
    assert artifacts.tail(log) == artifacts.Tail()
    log.write_bytes(b"0123\xff")
    assert artifacts.tail(log) == artifacts.Tail("0123\N{REPLACEMENT CHARACTER}", truncated=False)
    assert artifacts.tail(log, limit=2) == artifacts.Tail("3\N{REPLACEMENT CHARACTER}", truncated=True)


def test_what_was_run_by_hand_long_ago_is_forgotten(tmp_path):
    for name, age in (("old", 1000), ("new", 3000)):
        file = tmp_path / "interactive" / name / "children" / "1-a.ipynb"
        file.parent.mkdir(parents=True)
        file.write_text("{}")
        for path in (file, *file.parents[:2]):
            os.utime(path, (age, age))
    artifacts.forget_interactive(tmp_path, before=2000)
    artifacts.forget_interactive(tmp_path / "none", before=2000)
    assert [path.name for path in (tmp_path / "interactive").iterdir()] == ["new"]
