"""What is done to a whole Delta table: restore, optimize, vacuum, truncate, clone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from dbutils_local.errors import UserError
from dbutils_local.spark.delta.answers import answer
from dbutils_local.spark.delta.log import Add, Commit, Metadata, now
from dbutils_local.spark.delta.tables import Table, Tables
from dbutils_local.spark.delta.writing import Writer

_HOUR: Final = 3_600_000
_WEEK: Final = 168.0
_RESTORED: Final = (
    "table_size_after_restore BIGINT, num_of_files_after_restore BIGINT, num_removed_files BIGINT, "
    "num_restored_files BIGINT, removed_files_size BIGINT, restored_files_size BIGINT"
)
_CLONED: Final = (
    "source_table_size BIGINT, source_num_of_files BIGINT, num_removed_files BIGINT, num_copied_files BIGINT, "
    "removed_files_size BIGINT, copied_files_size BIGINT"
)
_SIZES: Final = "STRUCT<min: BIGINT, max: BIGINT, avg: DOUBLE, totalFiles: BIGINT, totalSize: BIGINT>"
_OPTIMIZED: Final = (
    f"path STRING, metrics STRUCT<numFilesAdded: BIGINT, numFilesRemoved: BIGINT, filesAdded: {_SIZES}, "
    f"filesRemoved: {_SIZES}, partitionsOptimized: BIGINT, numBatches: BIGINT, totalConsideredFiles: BIGINT, "
    "totalFilesSkipped: BIGINT>"
)


class FilesMissing(UserError):
    """Files of a version that are no longer there."""


def restore(tables: Tables, table: Table, version: int, timestamp: str | None, session: Any) -> Any:
    """Make `version` the newest one again."""
    with tables.writing(table):
        before, wanted = table.log.snapshot(), table.log.snapshot(version)
        back = tuple(one for path, one in wanted.files.items() if path not in before.files)
        gone = tuple(one for path, one in before.files.items() if path not in wanted.files)
        need_files(table, version, back)
        told = {"version": str(version) if timestamp is None else "", "timestamp": timestamp or ""}
        counts = {
            "tableSizeAfterRestore": _size(wanted.files.values()),
            "numOfFilesAfterRestore": len(wanted.files),
            "numRemovedFiles": len(gone),
            "numRestoredFiles": len(back),
            "removedFilesSize": _size(gone),
            "restoredFilesSize": _size(back),
        }
        metadata = wanted.metadata if wanted.metadata != before.metadata else None
        tables.commit(
            table, Commit("RESTORE", told, back, gone, metadata, {key: str(count) for key, count in counts.items()}),
            before,
        )  # fmt: skip
    names = [part.split()[0] for part in _RESTORED.split(", ")]
    return answer(session, _RESTORED, [dict(zip(names, counts.values(), strict=True))])


def need_files(table: Table, version: int, files: Sequence[Add]) -> None:
    """FilesMissing when VACUUM has taken files of a version."""
    missing = [one.path for one in files if not (table.folder / one.path).exists()]
    if missing:
        raise FilesMissing(
            f"[DELTA_MISSING_FILES_UNEXPECTED_VERSION] Version {version} of {table.shown} cannot be read any more: "
            f"{len(missing)} of its files were deleted, by VACUUM or by hand ({missing[0]})"
        )


def truncate(tables: Tables, table: Table) -> None:
    """Take all rows away."""
    with tables.writing(table):
        before = table.log.snapshot()
        gone = tuple(before.files.values())
        tables.commit(table, Commit("TRUNCATE", {}, remove=gone, metrics={"numRemovedFiles": str(len(gone))}), before)


def optimize(tables: Tables, writer: Writer, table: Table, zorder: Sequence[str], session: Any) -> Any:
    """Few large files for many small ones; with `zorder` the rows are sorted by those columns."""
    with tables.writing(table):
        before = table.log.snapshot()
        by = before.metadata.partition_columns
        groups = {tuple(one.partition.items()) for one in before.files.values()}
        added: tuple[Add, ...] = ()
        gone: tuple[Add, ...] = ()
        if zorder or len(before.files) > max(1, len(groups)):
            frame = tables.frame(table, before.version, session)
            frame = frame.repartition(*[f"`{name}`" for name in by]) if by else frame.repartition(1)
            if zorder:
                frame = frame.sortWithinPartitions(*[f"`{name}`" for name in (*by, *zorder)])
            added, gone = writer.files(table, frame, by), tuple(before.files.values())
            told = {"predicate": "[]", "zOrderBy": json.dumps(list(zorder)), "auto": "false"}
            counts = {
                "numAddedFiles": str(len(added)),
                "numRemovedFiles": str(len(gone)),
                "numAddedBytes": str(_size(added)),
                "numRemovedBytes": str(_size(gone)),
            }
            tables.commit(table, Commit("OPTIMIZE", told, added, gone, metrics=counts, changes_data=False), before)
    metrics = {
        "numFilesAdded": len(added),
        "numFilesRemoved": len(gone),
        "filesAdded": _sizes(added),
        "filesRemoved": _sizes(gone),
        "partitionsOptimized": len(groups) if added and by else 0,
        "numBatches": 1 if added else 0,
        "totalConsideredFiles": len(before.files),
        "totalFilesSkipped": 0 if added else len(before.files),
    }
    return answer(session, _OPTIMIZED, [{"path": table.folder.as_uri(), "metrics": metrics}])


def vacuum(
    tables: Tables, table: Table, hours: float | None, dry: bool, setting: Callable[[str], str | None]
) -> list[str]:
    """Delete the files that no version of the last `hours` (168 if None) has; their names."""
    checked = setting("spark.databricks.delta.retentionDurationCheck.enabled") != "false"
    if hours is not None and hours < _WEEK and checked:
        raise UserError(
            "[DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT] Are you sure you would like to vacuum files with such a low "
            "retention period? If you have writers that are currently writing to this table, there is a risk that you "
            "may corrupt the state of your Delta table.\nIf you are certain that there are no operations being "
            "performed on this table, turn this check off by setting: "
            "spark.databricks.delta.retentionDurationCheck.enabled = false\n"
            f"If you are not sure, please use a value not less than {_WEEK:.0f} hours."
        )
    since = now() - int((_WEEK if hours is None else hours) * _HOUR)
    with tables.writing(table):
        before = table.log.snapshot()
        old = _unused(table, since)
        if not dry:
            told = {"retentionCheckEnabled": str(checked).lower(), "defaultRetentionMillis": str(int(_WEEK) * _HOUR)}
            if hours is not None:
                told["specifiedRetentionMillis"] = str(int(hours * _HOUR))
            counts = {"numFilesToDelete": str(len(old)), "sizeOfDataToDelete": str(sum(p.stat().st_size for p in old))}
            before = tables.commit(table, Commit("VACUUM START", told, metrics=counts, changes_data=False), before)
            for path in old:
                path.unlink()
            for left in table.folder.glob("_staged-*"):  # by writers that were cut off
                shutil.rmtree(left, ignore_errors=True)
            done = {"numDeletedFiles": str(len(old)), "numVacuumedDirectories": "1"}
            end = Commit("VACUUM END", {"status": "COMPLETED"}, metrics=done, changes_data=False)
            tables.commit(table, end, before)
    return [path.as_uri() for path in old]


def _unused(table: Table, since: int) -> list[Path]:
    used: set[str] = set()
    entries = table.log.history()
    first = max((entry.version for entry in entries if entry.at <= since), default=entries[-1].version)
    for version in range(first, entries[0].version + 1):
        used |= set(table.log.snapshot(version).files)
    found = []
    for path in sorted(table.folder.rglob("*.parquet")):
        place = path.relative_to(table.folder)
        unused = not place.parts[0].startswith(("_", ".")) and str(place) not in used
        if unused and path.stat().st_mtime_ns // 1_000_000 <= since:
            found.append(path)
    return found


def clone(
    tables: Tables, source: Table, version: int | None, table: Table, deep: bool, properties: Mapping[str, str],
    session: Any,
) -> Any:  # fmt: skip
    """A table of its own with the rows of a version of another; it shares the files, which nobody changes."""
    wanted = source.log.snapshot(version)
    need_files(source, wanted.version, list(wanted.files.values()))
    with tables.writing(table):
        before = table.log.snapshot() if table.log.latest() >= 0 else None
        for one in wanted.files.values():
            place = table.folder / one.path
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                _share(source.folder / one.path, place)
        metadata = replace(wanted.metadata, properties={**wanted.metadata.properties, **properties})
        metadata = replace(metadata, id=before.metadata.id if before else Metadata("{}").id)
        added = tuple(wanted.files.values())
        kept = {one.path for one in added}
        gone = tuple(one for one in before.files.values() if one.path not in kept) if before else ()
        told = {
            "source": source.shown,
            "sourceVersion": str(wanted.version),
            "isShallow": str(not deep).lower(),
        }
        counts = {
            "sourceTableSize": _size(added), "sourceNumOfFiles": len(added), "numRemovedFiles": len(gone),
            "numCopiedFiles": len(added) if deep else 0, "removedFilesSize": _size(gone),
            "copiedFilesSize": _size(added) if deep else 0,
        }  # fmt: skip
        metrics = {key: str(value) for key, value in counts.items()}
        tables.commit(table, Commit("CLONE", told, added, gone, metadata, metrics), before)
    names = [part.split()[0] for part in _CLONED.split(", ")]
    return answer(session, _CLONED, [dict(zip(names, counts.values(), strict=True))])


def _share(file: Path, place: Path) -> None:
    try:
        place.hardlink_to(file)
    except OSError:  # between file systems
        shutil.copy2(file, place)


def _size(files: Any) -> int:
    return sum(one.size for one in files)


def _sizes(files: Sequence[Add]) -> dict[str, Any]:
    sizes = [one.size for one in files]
    return {
        "min": min(sizes, default=None),
        "max": max(sizes, default=None),
        "avg": sum(sizes) / len(sizes) if sizes else 0.0,
        "totalFiles": len(sizes),
        "totalSize": sum(sizes),
    }
