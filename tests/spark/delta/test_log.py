"""The transaction log as files, without Spark; delta-rs is the judge of what is written."""

from __future__ import annotations

import json
from pathlib import Path

import deltalake
import pyarrow
import pyarrow.parquet
import pytest

from dbutils_local.spark.delta.live import LiveFolders
from dbutils_local.spark.delta.log import Add, Commit, ConcurrentChange, Log, Metadata, Snapshot, VersionNotFound

SCHEMA = '{"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{}}]}'


def a_file(folder: Path, name: str, *values: int) -> Add:
    folder.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table({"a": list(values)}), folder / name)
    return Add(name, (folder / name).stat().st_size, 1, rows=len(values), whole=True)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path / "t")
    first = a_file(log.table, "one.parquet", 1, 2)
    made = log.commit(Commit("CREATE TABLE AS SELECT", {}, (first,), metadata=Metadata(SCHEMA)), None)
    log.commit(Commit("WRITE", {"mode": "Append"}, (a_file(log.table, "with space.parquet", 3),)), made)
    return log


def test_each_version_has_the_files_that_were_added_and_not_removed(log: Log) -> None:
    before = log.snapshot()
    after = log.commit(Commit("DELETE", {}, remove=(before.files["one.parquet"],)), before)
    assert [sorted(log.snapshot(version).files) for version in (0, 1, 2)] == [
        ["one.parquet"],
        ["one.parquet", "with space.parquet"],
        ["with space.parquet"],
    ]
    assert after == Log(log.table).snapshot()


def test_another_program_reads_the_same_rows_and_history(log: Log) -> None:
    table = deltalake.DeltaTable(str(log.table))
    assert sorted(pyarrow.table(table.to_pyarrow_table())["a"].to_pylist()) == [1, 2, 3]
    assert [entry["operation"] for entry in table.history()] == ["WRITE", "CREATE TABLE AS SELECT"]


def test_what_another_program_wrote_is_read_with_and_without_its_first_commits(tmp_path: Path) -> None:
    for value in range(3):
        deltalake.write_deltalake(str(tmp_path), pyarrow.table({"p": ["x"], "v": [value]}), mode="append")
    whole = Log(tmp_path).snapshot()
    deltalake.DeltaTable(str(tmp_path)).create_checkpoint()
    for version in (0, 1):
        (tmp_path / "_delta_log" / f"{version:020d}.json").unlink()
    cut = Log(tmp_path).snapshot()
    assert (cut.version, set(cut.files), cut.metadata.columns) == (2, set(whole.files), ["p", "v"])
    deltalake.write_deltalake(str(tmp_path), pyarrow.table({"p": ["y"], "v": [9]}), mode="append")
    assert len(Log(tmp_path).snapshot().files) == 4


def test_the_second_of_two_writers_of_one_version_is_refused_and_leaves_nothing(log: Log) -> None:
    read = log.snapshot()
    other = Log(log.table)
    other.commit(Commit("WRITE", {}), other.snapshot())
    with pytest.raises(ConcurrentChange, match="Version 2"):
        log.commit(Commit("WRITE", {}), read)
    assert sorted(path.name[0] for path in log.folder.iterdir()) == ["0", "0", "0"]


def test_versions_that_are_not_there_are_named(log: Log, tmp_path: Path) -> None:
    with pytest.raises(VersionNotFound, match=r"version 7. Available versions: \[0, 1\]"):
        log.snapshot(7)
    with pytest.raises(VersionNotFound, match="is not a Delta table"):
        Log(tmp_path / "none").snapshot()


def test_a_time_finds_the_version_that_was_the_newest_then(log: Log) -> None:
    first, second = [entry.at for entry in log.history()[::-1]]
    assert (log.version_at(first), log.version_at(second)) == (0, 1)
    with pytest.raises(VersionNotFound, match="before the earliest version"):
        log.version_at(first - 1)
    with pytest.raises(VersionNotFound, match="after the latest"):
        log.version_at(second + 10**9)


def test_the_protocol_says_what_a_table_uses_and_no_more() -> None:
    def writer(**properties: str) -> int:
        return Metadata(
            SCHEMA, properties={key.replace("_", "."): value for key, value in properties.items()}
        ).protocol[1]

    assert writer() == 2
    assert writer(delta_constraints_positive="a > 0") == 3
    assert writer(delta_enableChangeDataFeed="true") == 4
    mapped = Metadata(SCHEMA, properties={"delta.columnMapping.mode": "name"})
    assert "delta.columnMapping.mode" not in mapped.action()["metaData"]["configuration"], "files are not laid out so"
    assert Metadata.of(mapped.action()["metaData"]).properties == mapped.properties


def test_a_live_folder_shows_the_newest_version_however_its_writer_ended(log: Log, tmp_path: Path) -> None:
    live = LiveFolders(tmp_path / "live")
    read = log.snapshot(0)
    assert live.show(log.table, read)
    assert not live.show(log.table, read), "nothing to do"
    assert names(live, log) == ["one.parquet"]
    (live.of(log.table) / "left-by-a-crash.parquet").touch()
    assert live.show(log.table, log.snapshot())
    assert names(live, log) == ["one.parquet", "with space.parquet"]
    assert live.table(live.of(log.table)) == log.table
    assert live.table(log.table) is None


def names(live: LiveFolders, log: Log) -> list[str]:
    return sorted(path.name for path in live.of(log.table).glob("*.parquet"))


def test_files_of_different_partitions_with_one_name_have_two_links(tmp_path: Path) -> None:
    live, table = LiveFolders(tmp_path / "live"), tmp_path / "t"
    files = {}
    for value in ("x", "y"):
        added = a_file(table / f"p={value}", "part.parquet", 1)
        files[f"p={value}/part.parquet"] = Add(f"p={value}/part.parquet", added.size, 1, {"p": value}, 1, True)
    live.show(table, Snapshot(0, Metadata(SCHEMA, ("p",)), files))
    assert len(list(live.of(table).glob("*.parquet"))) == 2


def test_a_commit_tells_who_and_what_in_databricks_words(log: Log) -> None:
    line = json.loads((log.folder / f"{1:020d}.json").read_text().splitlines()[0])["commitInfo"]
    assert (line["operation"], line["readVersion"], line["isBlindAppend"]) == ("WRITE", 0, True)
    assert line["operationParameters"] == {"mode": "Append"}
