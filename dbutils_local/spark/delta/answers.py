"""What statements about Delta tables answer, as frames made inside the JVM: a Python worker takes seconds to start."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from dbutils_local.spark.delta.log import Entry, Metadata, Snapshot
from dbutils_local.spark.delta.reader import quoted_value
from dbutils_local.spark.delta.tables import Table

_HISTORY: Final = (
    "version BIGINT, timestamp TIMESTAMP, userId STRING, userName STRING, operation STRING, "
    "operationParameters MAP<STRING, STRING>, job STRUCT<jobId: STRING, jobName: STRING, jobRunId: STRING, "
    "runId: STRING, jobOwnerId: STRING, triggerType: STRING>, notebook STRUCT<notebookId: STRING>, clusterId STRING, "
    "readVersion BIGINT, isolationLevel STRING, isBlindAppend BOOLEAN, operationMetrics MAP<STRING, STRING>, "
    "userMetadata STRING, engineInfo STRING"
)
_DETAIL: Final = (
    "format STRING, id STRING, name STRING, description STRING, location STRING, createdAt TIMESTAMP, "
    "lastModified TIMESTAMP, partitionColumns ARRAY<STRING>, clusteringColumns ARRAY<STRING>, numFiles BIGINT, "
    "sizeInBytes BIGINT, properties MAP<STRING, STRING>, minReaderVersion INT, minWriterVersion INT, "
    "tableFeatures ARRAY<STRING>, statistics MAP<STRING, BIGINT>"
)
CLUSTERING: Final = "dbutils_local.clusteringColumns"
_TEMPLATE_KEYS: Final = ("operation", "operationParameters", "readVersion", "isolationLevel", "isBlindAppend")


def answer(spark: Any, columns: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """A frame of these columns, as SQL declares them, with rows given as JSON values."""
    text = quoted_value(json.dumps(list(rows)))
    kind = quoted_value(f"array<struct<{_struct(columns)}>>")
    return spark.range(1).selectExpr(f"inline(from_json({text}, {kind}))")


def nothing(spark: Any) -> Any:
    """What a statement without a result gives: a frame without columns."""
    from pyspark.sql import DataFrame

    return DataFrame(spark._jsparkSession.emptyDataFrame(), spark)


def _struct(columns: str) -> str:
    """Column declarations as the fields of a struct: `a INT, b STRING` as `a: INT, b: STRING`."""
    return ", ".join(part if ":" in part.split()[0] else part.replace(" ", ": ", 1) for part in _parts(columns))


def _parts(columns: str) -> list[str]:
    found, depth, start = [], 0, 0
    for index, letter in enumerate(columns):
        depth += {"<": 1, "(": 1, ">": -1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append(columns[start:index].strip())
            start = index + 1
    return [*found, columns[start:].strip()]


def history(spark: Any, entries: Sequence[Entry]) -> Any:
    """DESCRIBE HISTORY: newest first."""
    return answer(spark, _HISTORY, [_line(entry) for entry in entries])


def _line(entry: Entry) -> dict[str, Any]:
    info = entry.info
    line: dict[str, Any] = {"version": entry.version, "timestamp": _time(entry.at)}
    for key in (*_TEMPLATE_KEYS, "userId", "userName", "userMetadata", "engineInfo", "clusterId"):
        if info.get(key) is not None:
            line[key] = info[key]
    line["operationParameters"] = _texts(info.get("operationParameters") or {})
    line["operationMetrics"] = _texts(info.get("operationMetrics") or {})
    return line


def _texts(said: Mapping[str, Any]) -> dict[str, str | None]:
    return {key: value if value is None or isinstance(value, str) else json.dumps(value) for key, value in said.items()}


def detail(spark: Any, table: Table, snapshot: Snapshot, changed: int) -> Any:
    """DESCRIBE DETAIL: one row."""
    metadata = snapshot.metadata
    files = snapshot.files.values()
    return answer(
        spark,
        _DETAIL,
        [
            {
                "format": "delta",
                "id": metadata.id,
                "name": table.shown if table.name else None,
                "description": metadata.description,
                "location": table.folder.as_uri().replace("file:///", "file:/"),
                "createdAt": _time(metadata.created),
                "lastModified": _time(changed),
                "partitionColumns": list(metadata.partition_columns),
                "clusteringColumns": clustering(metadata),
                "numFiles": len(snapshot.files),
                "sizeInBytes": sum(one.size for one in files),
                "properties": visible(metadata),
                "minReaderVersion": snapshot.protocol[0],
                "minWriterVersion": snapshot.protocol[1],
                "tableFeatures": features(metadata),
                "statistics": {},
            }
        ],
    )


def clustering(metadata: Metadata) -> list[str]:
    """The columns of CLUSTER BY, which are kept and shown; files are not laid out by them."""
    found: list[str] = json.loads(metadata.properties.get("clusteringColumns", "[]"))
    return found


def visible(metadata: Metadata) -> dict[str, str]:
    """The properties that the user set."""
    return {
        key: value
        for key, value in metadata.properties.items()
        if key != "clusteringColumns" and not key.startswith("feed.")
    }


def features(metadata: Metadata) -> list[str]:
    """The protocol's names for what the table uses."""
    found = ["appendOnly", "invariants"]
    if any(key.startswith("delta.constraints.") for key in metadata.properties):
        found.append("checkConstraints")
    if metadata.properties.get("delta.enableChangeDataFeed") == "true":
        found.append("changeDataFeed")
    if "delta.generationExpression" in metadata.schema:
        found.append("generatedColumns")
    if "delta.identity." in metadata.schema:
        found.append("identityColumns")
    if "CURRENT_DEFAULT" in metadata.schema:
        found.append("allowColumnDefaults")
    return found


def properties(spark: Any, metadata: Metadata, snapshot: Snapshot, key: str | None) -> Any:
    """SHOW TBLPROPERTIES."""
    known = visible(metadata) | {
        "delta.minReaderVersion": str(snapshot.protocol[0]),
        "delta.minWriterVersion": str(snapshot.protocol[1]),
    }
    if key is not None:
        value = known.get(key, f"Table does not have property: {key}")
        return answer(spark, "key STRING, value STRING", [{"key": key, "value": value}])
    rows = [{"key": name, "value": known[name]} for name in sorted(known)]
    return answer(spark, "key STRING, value STRING", rows)


def create_text(table: Table, metadata: Metadata, sql_type: Any, place: Path) -> str:
    """SHOW CREATE TABLE."""
    lines = []
    for one in metadata.fields:
        said = one.get("metadata") or {}
        line = f"  {one['name']} {sql_type(one['type']).upper()}"
        if "delta.generationExpression" in said:
            line += f" GENERATED ALWAYS AS ({said['delta.generationExpression']})"
        if "delta.identity.start" in said:
            word = "BY DEFAULT" if said.get("delta.identity.allowExplicitInsert") else "ALWAYS"
            line += f" GENERATED {word} AS IDENTITY (START WITH {said['delta.identity.start']} INCREMENT BY "
            line += f"{said['delta.identity.step']})"
        line += "" if one.get("nullable", True) else " NOT NULL"
        line += f" DEFAULT {said['CURRENT_DEFAULT']}" if "CURRENT_DEFAULT" in said else ""
        line += f" COMMENT {quoted_value(said['comment'])}" if "comment" in said else ""
        lines.append(line)
    text = f"CREATE TABLE {table.shown} (\n" + ",\n".join(lines) + ")\nUSING delta\n"
    if metadata.partition_columns:
        text += f"PARTITIONED BY ({', '.join(metadata.partition_columns)})\n"
    if clustering(metadata):
        text += f"CLUSTER BY ({', '.join(clustering(metadata))})\n"
    text += f"LOCATION '{place.as_uri()}'\n"
    if metadata.description:
        text += f"COMMENT {quoted_value(metadata.description)}\n"
    if visible(metadata):
        pairs = [f"  {quoted_value(key)} = {quoted_value(value)}" for key, value in sorted(visible(metadata).items())]
        text += "TBLPROPERTIES (\n" + ",\n".join(pairs) + ")\n"
    return text


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
