"""The transaction log of a Delta table: what each version added and removed, as JSON files beside the table's Parquet.

Read and written to the open protocol's text. delta-rs cannot take single files away under the operation names that
Databricks' history shows, so the commits are ours; it reads the logs of others that begin with a checkpoint.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

from dbutils_local.errors import MissingExtra, UserError

FOLDER: Final = "_delta_log"
ENGINE: Final = "dbutils-local"
WHOLE: Final = "dbutils_local.whole"
"""A tag of files that hold their partition columns too, so that they can be read without the folders' names."""

_OWN: Final = "dbutils_local."
# Properties that would promise other readers a layout of files which is not the one here.
_NOT_FOR_OTHERS: Final = ("delta.columnMapping.", "delta.enableDeletionVectors", "delta.enableRowTracking")


class VersionNotFound(UserError):
    """A version or a time that the log does not reach."""


class ConcurrentChange(UserError):
    """Another writer committed the version this one was about to commit."""


@dataclass(frozen=True)
class Add:
    """One Parquet file of a version; `path` is relative to the table, `size` in bytes, `modified` in milliseconds."""

    path: str
    size: int
    modified: int
    partition: Mapping[str, str | None] = field(default_factory=dict)
    rows: int | None = None
    whole: bool = False
    deletion_vector: bool = False

    def action(self, changes_data: bool = True) -> dict[str, Any]:
        """As the log says it."""
        found: dict[str, Any] = {
            "path": _as_uri(self.path),
            "partitionValues": dict(self.partition),
            "size": self.size,
            "modificationTime": self.modified,
            "dataChange": changes_data,
        }
        if self.rows is not None:
            found["stats"] = json.dumps({"numRecords": self.rows})
        if self.whole:
            found["tags"] = {WHOLE: "true"}
        return {"add": found}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Add:
        """From what a log says."""
        stats = json.loads(said.get("stats") or "{}")
        return cls(
            unquote(said["path"]),
            said["size"],
            said["modificationTime"],
            said.get("partitionValues") or {},
            stats.get("numRecords"),
            WHOLE in (said.get("tags") or {}),
            said.get("deletionVector") is not None,
        )


@dataclass(frozen=True)
class Metadata:
    """What a table is: its columns as Spark's JSON, how it is divided, its properties; `created` in milliseconds."""

    schema: str
    partition_columns: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    description: str | None = None
    name: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: int = field(default_factory=lambda: now())

    @property
    def fields(self) -> list[dict[str, Any]]:
        """The columns, as Spark's JSON says them."""
        found: list[dict[str, Any]] = json.loads(self.schema)["fields"]
        return found

    @property
    def columns(self) -> list[str]:
        """The columns' names."""
        return [str(one["name"]) for one in self.fields]

    def with_fields(self, fields: Sequence[Mapping[str, Any]]) -> Metadata:
        """The same with other columns."""
        return replace(self, schema=json.dumps({"type": "struct", "fields": list(fields)}))

    def action(self) -> dict[str, Any]:
        """As the log says it."""
        said = {
            "id": self.id,
            "format": {"provider": "parquet", "options": {}},
            "schemaString": self.schema,
            "partitionColumns": list(self.partition_columns),
            "configuration": {_written(key): value for key, value in self.properties.items()},
            "createdTime": self.created,
        }
        named = {"name": self.name, "description": self.description}
        return {"metaData": said | {key: value for key, value in named.items() if value is not None}}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Metadata:
        """From what a log says."""
        return cls(
            said["schemaString"],
            tuple(said.get("partitionColumns") or ()),
            {key.removeprefix(_OWN): value for key, value in (said.get("configuration") or {}).items()},
            said.get("description"),
            said.get("name"),
            said["id"],
            said.get("createdTime") or 0,
        )

    @property
    def protocol(self) -> tuple[int, int]:
        """The least versions of readers and writers that understand this table."""
        writer = 2
        if any(key.startswith("delta.constraints.") for key in self.properties):
            writer = 3
        if self.properties.get("delta.enableChangeDataFeed") == "true" or '"delta.generationExpression"' in self.schema:
            writer = 4
        if '"delta.identity.' in self.schema:
            writer = 6
        return 1, writer


def _as_uri(path: str) -> str:
    return quote(path, safe="/=")


def _written(key: str) -> str:
    return _OWN + key if key.startswith(_NOT_FOR_OTHERS) else key


@dataclass(frozen=True)
class Snapshot:
    """A table at one version."""

    version: int
    metadata: Metadata
    files: Mapping[str, Add] = field(default_factory=dict)
    protocol: tuple[int, int] = (1, 2)
    reader_features: tuple[str, ...] = ()
    batches: Mapping[str, int] = field(default_factory=dict)  # the last batch of each stream that writes here

    @property
    def is_whole(self) -> bool:
        """Whether the files alone, read as Parquet, are the rows."""
        return all(one.whole or not one.partition for one in self.files.values())


@dataclass(frozen=True)
class Entry:
    """One line of a table's history; `at` in milliseconds."""

    version: int
    at: int
    info: Mapping[str, Any]


@dataclass(frozen=True)
class Commit:
    """What a version changes, and what its history says; metrics and parameters are text, as Databricks has them."""

    operation: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    add: tuple[Add, ...] = ()
    remove: tuple[Add, ...] = ()
    metadata: Metadata | None = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    batch: tuple[str, int] | None = None
    change_files: tuple[tuple[str, int], ...] = ()  # path and size of the files of the change data feed
    changes_data: bool = True
    user_metadata: str | None = None
    loaded: tuple[str, ...] = ()  # the files COPY INTO has read


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Log:
    """The log of the table in `table`; reads are kept, so that a later version costs only its own commits."""

    def __init__(self, table: Path) -> None:
        self.table = table
        self.folder = table / FOLDER
        self._kept: Snapshot | None = None

    def versions(self) -> list[int]:
        """The versions that have a commit file, oldest first."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted(int(name[:20]) for name in names if len(name) == 25 and name.endswith(".json"))

    def latest(self) -> int:
        """The newest version, -1 where there is no table."""
        found = self.versions()
        if found:
            return found[-1]
        return self._foreign().version() if (self.folder / "_last_checkpoint").exists() else -1

    def snapshot(self, version: int | None = None) -> Snapshot:
        """The table at `version`, or as it is now; VersionNotFound names the versions there are."""
        versions = self.versions()
        wanted = self.latest() if version is None else version
        if wanted < 0 or (versions and not versions[0] <= wanted <= versions[-1]):
            raise VersionNotFound(self._missing(wanted, versions))
        start = self._kept if self._kept is not None and self._kept.version <= wanted else None
        if start is None and versions[:1] != [0]:
            found = self._from_checkpoint(wanted)
        else:
            found = self._replayed(start, wanted)
        if version is None:
            self._kept = found
        return found

    def _missing(self, wanted: int, versions: list[int]) -> str:
        if not versions:
            return f"[DELTA_MISSING_DELTA_TABLE] {self.table} is not a Delta table: it has no {FOLDER}"
        return (
            f"[DELTA_VERSION_NOT_FOUND] Cannot time travel Delta table to version {wanted}. "
            f"Available versions: [{versions[0]}, {versions[-1]}]."
        )

    def _replayed(self, start: Snapshot | None, wanted: int) -> Snapshot:
        files = dict(start.files) if start is not None else {}
        batches = dict(start.batches) if start is not None else {}
        metadata = start.metadata if start is not None else None
        protocol = start.protocol if start is not None else (1, 2)
        features = start.reader_features if start is not None else ()
        for version in range(start.version + 1 if start is not None else 0, wanted + 1):
            for action in self._actions(version):
                match action:
                    case {"add": said}:
                        add = Add.of(said)
                        files[add.path] = add
                    case {"remove": said}:
                        files.pop(unquote(said["path"]), None)
                    case {"metaData": said}:
                        metadata = Metadata.of(said)
                    case {"protocol": said}:
                        protocol = (said["minReaderVersion"], said["minWriterVersion"])
                        features = tuple(said.get("readerFeatures") or ())
                    case {"txn": said}:
                        batches[said["appId"]] = said["version"]
        if metadata is None:
            raise UserError(f"the Delta log of {self.table} says nothing of the table's columns: it is damaged")
        return Snapshot(wanted, metadata, files, protocol, features, batches)

    def _actions(self, version: int) -> Iterator[dict[str, Any]]:
        text = self._file(version).read_text("utf-8")
        return (json.loads(line) for line in text.splitlines() if line.strip())

    def _file(self, version: int) -> Path:
        return self.folder / f"{version:020d}.json"

    # --- logs that begin with a checkpoint ---

    def _foreign(self, version: int | None = None) -> Any:
        try:
            import deltalake
        except ImportError as error:
            raise MissingExtra(f"the Delta table {self.table}, whose log begins with a checkpoint,", "spark") from error
        return deltalake.DeltaTable(str(self.table), version=version)

    def _from_checkpoint(self, version: int) -> Snapshot:
        table = self._foreign(version)
        said, protocol = table.metadata(), table.protocol()
        metadata = Metadata(
            table.schema().to_json(),
            tuple(said.partition_columns),
            {key.removeprefix(_OWN): value for key, value in said.configuration.items()},
            said.description,
            said.name,
            str(said.id),
            int(said.created_time or 0),
        )
        rows = table.get_add_actions(flatten=False)
        files = [_of_library(row) for row in _as_dicts(rows)]
        return Snapshot(
            version,
            metadata,
            {one.path: one for one in files},
            (protocol.min_reader_version, protocol.min_writer_version),
            tuple(protocol.reader_features or ()),
        )

    # --- history ---

    def history(self, limit: int | None = None) -> list[Entry]:
        """What happened, newest first."""
        versions = self.versions()[::-1]
        return [self._entry(version) for version in (versions if limit is None else versions[:limit])]

    def _entry(self, version: int) -> Entry:
        told = (action["commitInfo"] for action in self._actions(version) if "commitInfo" in action)
        info: dict[str, Any] = next(told, {})
        at = info.get("timestamp") or self._file(version).stat().st_mtime_ns // 1_000_000
        return Entry(version, at, info)

    def version_at(self, at: int) -> int:
        """The version that was the newest at a time in milliseconds; VersionNotFound outside the table's life."""
        entries = self.history()[::-1]
        if not entries:
            raise VersionNotFound(self._missing(-1, []))
        if at < entries[0].at:
            raise VersionNotFound(
                f"[DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION] The provided timestamp ({_shown(at)}) is before the "
                f"earliest version available to this table ({_shown(entries[0].at)}). Please use a timestamp after "
                f"{_shown(entries[0].at)}."
            )
        if at > entries[-1].at and at > now():
            raise VersionNotFound(
                f"[DELTA_TIMESTAMP_GREATER_THAN_COMMIT] The provided timestamp ({_shown(at)}) is after the latest "
                f"version available to this table ({_shown(entries[-1].at)}). Please use a timestamp before or at "
                f"{_shown(entries[-1].at)}."
            )
        return max(entry.version for entry in entries if entry.at <= at)

    # --- writing ---

    def commit(self, change: Commit, read: Snapshot | None) -> Snapshot:
        """Write the version after `read` (the first where there is none); ConcurrentChange when somebody else did."""
        version = 0 if read is None else read.version + 1
        lines = [*self._told(change, read), *_changes(change, read)]
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{version:020d}.{uuid.uuid4()}"
        beside.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
        try:
            _place(beside, self._file(version))
        except FileExistsError as error:
            raise ConcurrentChange(
                f"[DELTA_CONCURRENT_WRITE] Version {version} of {self.table} was committed by another writer "
                "meanwhile; run the statement again"
            ) from error
        finally:
            beside.unlink(missing_ok=True)
        return self.snapshot()

    def _told(self, change: Commit, read: Snapshot | None) -> Iterator[dict[str, Any]]:
        before = self._entry(read.version).at if read is not None and self._file(read.version).exists() else 0
        info: dict[str, Any] = {
            "timestamp": max(now(), before + 1),
            "operation": change.operation,
            "operationParameters": dict(change.parameters),
            "isolationLevel": "WriteSerializable" if change.changes_data else "SnapshotIsolation",
            "isBlindAppend": bool(change.add)
            and not change.remove
            and change.operation in ("WRITE", "STREAMING UPDATE"),
            "operationMetrics": dict(change.metrics),
            "engineInfo": ENGINE,
            "txnId": str(uuid.uuid4()),
        }
        if read is not None:
            info["readVersion"] = read.version
        if change.loaded:
            info["loadedFiles"] = list(change.loaded)
        if change.user_metadata is not None:
            info["userMetadata"] = change.user_metadata
        yield {"commitInfo": info}


def _changes(change: Commit, read: Snapshot | None) -> Iterator[dict[str, Any]]:
    if change.metadata is not None:
        protocol = change.metadata.protocol
        if read is None or protocol[1] > read.protocol[1]:
            yield {"protocol": {"minReaderVersion": protocol[0], "minWriterVersion": protocol[1]}}
        yield change.metadata.action()
    if change.batch is not None:
        yield {"txn": {"appId": change.batch[0], "version": change.batch[1], "lastUpdated": now()}}
    for path, size in change.change_files:
        yield {"cdc": {"path": _as_uri(path), "partitionValues": {}, "size": size, "dataChange": False}}
    for one in change.remove:
        said = {"path": _as_uri(one.path), "deletionTimestamp": now(), "dataChange": change.changes_data}
        whole = {"extendedFileMetadata": True, "partitionValues": dict(one.partition), "size": one.size}
        yield {"remove": said | whole}
    for one in change.add:
        yield one.action(change.changes_data)


def _place(beside: Path, place: Path) -> None:
    """Name a finished file, once: FileExistsError when the name is taken."""
    try:
        os.link(beside, place)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with place.open("x", encoding="utf-8") as file:
            file.write(beside.read_text("utf-8"))


def _as_dicts(rows: Any) -> Iterable[dict[str, Any]]:
    import pyarrow

    found: list[dict[str, Any]] = pyarrow.table(rows).to_pylist()
    return found


def _of_library(row: Mapping[str, Any]) -> Add:
    modified = row["modification_time"]
    at = modified if isinstance(modified, int) else int(modified.timestamp() * 1000)
    values = {key: None if value is None else str(value) for key, value in (row.get("partition") or {}).items()}
    return Add(unquote(row["path"]), row["size_bytes"], at, values, row.get("num_records"))


def _shown(at: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
