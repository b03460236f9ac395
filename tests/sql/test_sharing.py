"""Several processes on one warehouse."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from dbutils_local.sql.duckdb_engine import DuckDbEngine
from dbutils_local.sql.lock import exclusive

_WRITER = """
import sys
from pathlib import Path
from dbutils_local.sql.duckdb_engine import DuckDbEngine
engine = DuckDbEngine(Path(sys.argv[1]), local_path=Path)
for number in range(20):
    [result] = engine.execute("INSERT INTO shared VALUES (:who, :n)", {"who": sys.argv[2], "n": str(number)})
    assert result.rows == ((1, 1),)
"""


def test_three_processes_with_twenty_inserts_each_lose_nothing(tmp_path: Path) -> None:
    engine = DuckDbEngine(tmp_path / "sql", local_path=Path)
    engine.execute("CREATE TABLE shared (who STRING, n INT)")
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path / "sql"), str(who)]) for who in range(3)]
    # This session stays open meanwhile: an idle one must not keep the others out.
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    [result] = engine.execute("SELECT count(*), count(DISTINCT who, n) FROM shared")
    engine.close()
    assert result.rows == ((60, 60),)


def test_what_one_session_commits_the_next_one_reads(tmp_path: Path) -> None:
    first, second = (DuckDbEngine(tmp_path / "sql", local_path=Path) for _ in range(2))
    first.execute("CREATE TABLE t AS SELECT 1 AS a; CREATE TEMP VIEW mine AS SELECT 1 AS a; USE main.default")
    assert second.execute("SELECT a FROM t")[0].rows == ((1,),)
    assert second.execute("SHOW VIEWS")[0].rows == ()
    first.close()
    second.close()


def test_threads_of_one_session_take_turns(tmp_path: Path) -> None:
    engine = DuckDbEngine(tmp_path / "sql", local_path=Path)
    engine.execute("CREATE TABLE t (a INT)")
    threads = [
        threading.Thread(target=engine.execute, args=(f"INSERT INTO t VALUES ({number})",)) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.execute("SELECT count(*) FROM t")[0].rows == ((8,),)
    engine.close()


def test_a_statement_can_be_interrupted(tmp_path: Path) -> None:
    engine = DuckDbEngine(tmp_path / "sql", local_path=Path)
    engine.execute("CREATE TABLE t (a INT)")
    caught: list[Exception] = []
    started = threading.Event()

    def endless() -> None:
        started.set()
        try:
            engine.execute("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.id % 7 = b.id % 11")
        except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
            caught.append(error)

    thread = threading.Thread(target=endless)
    thread.start()
    started.wait()
    while thread.is_alive():
        engine.interrupt()
        thread.join(0.05)
    assert "INTERRUPT" in str(caught[0]).upper()
    assert engine.execute("SELECT count(*) FROM t")[0].rows == ((0,),)
    engine.close()


def test_the_files_are_the_owners_alone(tmp_path: Path) -> None:
    engine = DuckDbEngine(tmp_path / "sql", local_path=Path)
    engine.execute("SELECT 1")
    engine.close()
    if os.name == "posix":
        assert (tmp_path / "sql" / "main_.duckdb").stat().st_mode & 0o077 == 0


def test_a_lock_keeps_a_second_opening_out(tmp_path: Path) -> None:
    import pytest

    from dbutils_local.errors import HomeUnusable

    with (
        exclusive(tmp_path / "lock"),
        pytest.raises(HomeUnusable, match="locked"),
        exclusive(tmp_path / "lock", timeout=0.05),
    ):
        pass
    with exclusive(tmp_path / "lock", timeout=0.05):
        pass
