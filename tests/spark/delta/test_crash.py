"""Writers that are killed: before, in and behind the commit of a version."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import deltalake
import pyarrow
import pyarrow.parquet
import pytest

from dbutils_local.spark.delta.live import LiveFolders
from dbutils_local.spark.delta.log import Add, Commit, Log, Metadata

SCHEMA = '{"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{}}]}'

# A process that appends 3 to the table, in the order of `Tables.commit`, and is killed with kill -9 at a moment.
WRITER = """
import os, signal, sys
from pathlib import Path
import pyarrow, pyarrow.parquet
from dbutils_local.spark.delta.live import LiveFolders
from dbutils_local.spark.delta.log import Add, Commit, Log

table, root, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

def reached(name):
    if name == moment:
        os.kill(os.getpid(), signal.SIGKILL)

log, live = Log(table), LiveFolders(root)
with live.writing(table):
    read = log.snapshot()
    pyarrow.parquet.write_table(pyarrow.table({"a": [3]}), table / "two.parquet")
    added = Add("two.parquet", (table / "two.parquet").stat().st_size, 1, rows=1, whole=True)
    reached("data placed")
    sys.addaudithook(lambda event, _: reached("commit written, not named") if event == "os.link" else None)
    found = log.commit(Commit("WRITE", {"mode": "Append"}, (added,)), read)
    reached("committed")
    live.show(table, found)
"""


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path / "t")
    log.commit(Commit("WRITE", {}, (a_file(log.table, "one.parquet", 1, 2),), metadata=Metadata(SCHEMA)), None)
    return log


def a_file(folder: Path, name: str, *values: int) -> Add:
    folder.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table({"a": list(values)}), folder / name)
    return Add(name, (folder / name).stat().st_size, 1, rows=len(values), whole=True)


def killed(log: Log, root: Path, moment: str) -> None:
    done = subprocess.run([sys.executable, "-c", WRITER, str(log.table), str(root), moment], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def seen(log: Log, live: LiveFolders) -> list[int]:
    """The rows Spark reads: those of the live folder, after the look that comes before each statement."""
    live.show(log.table, log.snapshot())
    files = sorted(live.of(log.table).glob("*.parquet"))
    return sorted(value for one in files for value in pyarrow.parquet.read_table(one)["a"].to_pylist())


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
@pytest.mark.parametrize("moment", ["data placed", "commit written, not named"])
def test_who_is_killed_before_the_commit_leaves_the_old_version_and_a_table_that_can_be_written(
    log: Log, tmp_path: Path, moment: str
) -> None:
    live = LiveFolders(tmp_path / "live")
    assert seen(log, live) == [1, 2]
    killed(log, live.root, moment)
    assert (log.table / "two.parquet").exists(), "left over"
    assert (Log(log.table).latest(), seen(log, live)) == (0, [1, 2])
    with live.writing(log.table):
        log.commit(Commit("WRITE", {}, (a_file(log.table, "three.parquet", 4),)), log.snapshot())
    assert seen(log, live) == [1, 2, 4]
    assert sorted(pyarrow.table(deltalake.DeltaTable(str(log.table)).to_pyarrow_table())["a"].to_pylist()) == [1, 2, 4]


@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
def test_who_is_killed_behind_the_commit_has_written_its_version(log: Log, tmp_path: Path) -> None:
    live = LiveFolders(tmp_path / "live")
    assert seen(log, live) == [1, 2]
    killed(log, live.root, "committed")
    assert not (live.of(log.table) / "two.parquet").exists(), "the live folder still shows the version before"
    assert seen(Log(log.table), live) == [1, 2, 3]
    with live.writing(log.table):
        log.commit(Commit("WRITE", {}, (a_file(log.table, "three.parquet", 4),)), log.snapshot())
    assert (log.latest(), seen(log, live)) == (2, [1, 2, 3, 4])
