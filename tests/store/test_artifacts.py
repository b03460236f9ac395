"""Where the files of an attempt lie."""

from __future__ import annotations

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
