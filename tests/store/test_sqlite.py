"""What only the SQLite store can show: processes, files and disks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbutils_local.core.events import Noticed, RunCreated
from dbutils_local.errors import HomeUnusable
from dbutils_local.store.records import RunFilter, RunSummary
from dbutils_local.store.sqlite import MIGRATIONS, SqliteStore


def opened(home: Path) -> SqliteStore:
    return SqliteStore(home / "history.sqlite", locks=home / "locks")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = opened(tmp_path)
    yield made
    made.close()


def create(store: SqliteStore, run_id: int, token: str | None = None) -> RunSummary:
    summary = RunSummary(run_id, job_id=1, name="job", created_at=run_id, idempotency_token=token)
    return store.create_run(summary, [RunCreated(at=1, run_id=run_id, job_id=1, settings={})])


def write_runs(home: Path, count: int) -> None:
    store = opened(home)
    for number in range(count):
        (run_id,) = store.new_ids()
        create(store, run_id, token=f"token {number}")
    store.close()


def test_two_processes_write_one_history_and_share_its_tokens(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_runs, args=(tmp_path, 30)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    store = opened(tmp_path)
    assert len(store.list_runs(RunFilter(), limit=100).items) == 30
    assert store.new_ids()[0] == 61
    store.close()


def test_threads_share_one_store(store: SqliteStore) -> None:
    create(store, 1)
    summary = store.summary(1)

    def write() -> None:
        for _ in range(20):
            store.append(1, [Noticed(at=1, message="x")], summary)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [number for number, _ in store.events(1)] == list(range(1, 82))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_its_own_connection_and_does_not_keep_its_parents_lock(store: SqliteStore) -> None:
    create(store, 1)
    context = multiprocessing.get_context("fork")
    with store.lock(1) as mine:
        assert mine
        child = context.Process(target=lambda: create(store, 2))
        child.start()
        child.join()
        assert child.exitcode == 0
        go_on = context.Event()
        sleeper = context.Process(target=go_on.wait)
        sleeper.start()
    assert not store.is_driven(1)
    go_on.set()
    sleeper.join()
    assert [run.run_id for run in store.list_runs(RunFilter()).items] == [2, 1]


def test_a_lock_falls_with_the_process_that_held_it(store: SqliteStore, tmp_path: Path) -> None:
    program = """
        import sys, time
        from pathlib import Path
        from dbutils_local.store.sqlite import SqliteStore
        home = Path(sys.argv[1])
        with SqliteStore(home / "history.sqlite", locks=home / "locks").lock(1) as mine:
            print(mine, flush=True)
            time.sleep(60)
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline().strip() == "True"
    assert store.is_driven(1)
    with store.lock(1) as mine:
        assert not mine
    holder.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    holder.wait()
    holder.stdout.close()
    assert not store.is_driven(1)
    with store.lock(1) as mine:
        assert mine


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_history_and_locks_are_for_their_owner_only(store: SqliteStore, tmp_path: Path) -> None:
    create(store, 1)
    with store.lock(1):
        paths = [tmp_path / "history.sqlite", tmp_path / "locks" / "1.lock"]
        assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600, 0o600]
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_history_of_a_newer_version_is_refused(store: SqliteStore, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "history.sqlite") as raw:
        raw.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    raw.close()
    with pytest.raises(HomeUnusable, match="upgrade dbutils-local"):
        store.new_ids()


def test_a_file_that_is_no_database_is_named(store: SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_text("this is no database at all, but long enough to look at" * 20)
    with pytest.raises(HomeUnusable, match=r"history\.sqlite is damaged or no history"):
        store.new_ids()


def test_a_full_disk_is_a_sentence_and_loses_nothing(store: SqliteStore) -> None:
    create(store, 1)
    summary = store.summary(1)
    with store._connections.borrow() as raw:
        (pages,) = raw.execute("PRAGMA page_count").fetchone()
        raw.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(HomeUnusable, match="is full: free some space"):
        store.append(1, [Noticed(at=1, message="x" * 1_000_000)], summary)
    assert len(store.events(1)) == 1
    store.append(1, [Noticed(at=1, message="fits")], summary)
    assert len(store.events(1)) == 2


def test_a_home_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeUnusable, match="cannot write the history"):
        opened(tmp_path / "file").new_ids()
    with (
        pytest.raises(HomeUnusable, match="cannot write the lock"),
        SqliteStore(tmp_path / "x", locks=tmp_path / "file").lock(1),
    ):
        pytest.fail("the lock was given")


def test_every_page_of_runs_is_found_through_an_index(store: SqliteStore) -> None:
    create(store, 1)
    queries = [
        "1",
        "job_id = 1",
        "name = 'x'",
        "run_type = 'JOB_RUN'",
        "life_cycle_state = 'TERMINATED'",
        "result_state = 'FAILED'",
        "(created_at, run_id) < (5, 5)",
    ]
    with store._connections.borrow() as raw:
        for condition in queries:
            plan = raw.execute(
                f"EXPLAIN QUERY PLAN SELECT * FROM runs WHERE {condition} "
                "ORDER BY created_at DESC, run_id DESC LIMIT 20"
            ).fetchall()
            told = " ".join(str(step[3]) for step in plan)
            assert "USING INDEX" in told, condition
            assert "TEMP B-TREE" not in told, condition


def test_what_is_written_is_seen_by_processes_that_come_later_whoever_came_and_went(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Closing any handle of the file takes this process's locks away: others would think it gone, and tidy up."""
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from dbutils_local.store.sqlite import SqliteStore
        home = Path(sys.argv[1])
        store = SqliteStore(home / "history.sqlite", locks=home / "locks")
        print([row.run_id for row in store.active_runs()])
        store.close()
    """)

    def another_looks() -> str:
        command = [sys.executable, "-c", script, str(tmp_path)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    create(store, 1)
    with store._connections.borrow():
        create(store, 2)  # on a connection opened beside the first
    assert another_looks() == "[1, 2]"
    create(store, 3)
    assert another_looks() == "[1, 2, 3]"
