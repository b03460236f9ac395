"""Auto Loader (`cloudFiles`) on Spark's own file stream: its schema inferred once and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlparse

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.spark.delta import limits
from dbutils_local.spark.delta.commands import Delta
from dbutils_local.spark.delta.faults import analysis
from dbutils_local.spark.delta.frames import told

_FORMATS: Final = ("json", "csv", "parquet", "text", "binaryfile", "orc", "avro")
_PREFIX: Final = "cloudfiles."
_RESCUED: Final = "_rescued_data"

# What changes how files are found, not what is read.
_WITHOUT_EFFECT: Final = frozenset(
    (
        "usenotifications",
        "usemanagedfileevents",
        "usestrictglobber",
        "backfillinterval",
        "resourcetag",
        "region",
        "resourcegroup",
        "subscriptionid",
        "tenantid",
        "clientid",
        "clientsecret",
        "connectionstring",
        "queuename",
        "queueurl",
        "fetchparallelism",
        "maxfileage",
        "validateoptions",
        "useincrementallisting",
        "inferschema",
    )
)
_HONOURED: Final = frozenset(
    (
        "format",
        "schemalocation",
        "infercolumntypes",
        "schemahints",
        "maxfilespertrigger",
        "maxbytespertrigger",
        "includeexistingfiles",
        "partitioncolumns",
        "schemaevolutionmode",
        "allowoverwrites",
    )
)


def load(delta: Delta, reader: Any, path: str) -> Any:
    """`spark.readStream.format("cloudFiles").load(path)`."""
    from pyspark.sql import DataFrame

    options = told(reader).options
    asked = _asked(delta, options)
    form = asked.get("format", "")
    if form.lower() not in _FORMATS:
        raise UserError(f"cloudFiles.format is {form!r}; it must be one of {', '.join(_FORMATS)}")
    given = reader.__dict__.get("_dbutils_local_schema")
    wider = limits.widens(asked, bool(given))
    spark, place = reader._spark, delta.shown(path)
    passed = {key: value for key, value in options.items() if not key.startswith(_PREFIX) and key != "path"}
    if form.lower() == "csv":
        passed.setdefault("header", "true")  # as Auto Loader takes it
    schema = json.loads(given) if given else _schema(
        delta, spark, delta.tables.local(path), form, asked, passed, wider
    )  # fmt: skip
    limits.refuse_partitions(asked, [one["name"] for one in schema["fields"]])
    source = spark._jsparkSession.readStream().format(form).schema(delta.tables.struct(json.dumps(schema)))
    for key, value in passed.items():
        source = source.option(_letters(key), value)
    for key in ("maxFilesPerTrigger", "maxBytesPerTrigger"):
        if key.lower() in asked:
            source = source.option(key, asked[key.lower()])
    frame = DataFrame(source.load(place), spark)
    column = passed.get("rescueddatacolumn", _RESCUED if given is None else None)
    if column and form.lower() in ("json", "csv", "parquet"):
        delta.tell(limits.RESCUED_STAYS_NULL)
        frame = frame.selectExpr("*", f"CAST(NULL AS STRING) AS `{column}`")
    return frame


def _asked(delta: Delta, options: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for key, value in options.items():
        if not key.startswith(_PREFIX):
            continue
        name = key.removeprefix(_PREFIX)
        if name in _WITHOUT_EFFECT:
            continue
        if name not in _HONOURED:
            raise NotSupportedHere(f"option cloudFiles.{name} is not done by local Spark: leave it out here")
        found[name] = value
    limits.refuse_values(found)
    return found


_LETTERS: Final = {
    one.lower(): one
    for one in ("multiLine", "inferSchema", "dateFormat", "timestampFormat", "recursiveFileLookup", "pathGlobFilter",
                "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace", "nullValue", "rescuedDataColumn")
}  # fmt: skip


def _letters(key: str) -> str:
    return _LETTERS.get(key, key)


# --- the schema -------------------------------------------------------------------------------------------------------


def _schema(
    delta: Delta, spark: Any, place: str, form: str, asked: Mapping[str, str], passed: Mapping[str, str],
    wider: bool,
) -> dict[str, Any]:  # fmt: skip
    """The columns of the stream: those kept from an earlier start with what new files add, each text unless typed."""
    keep = asked.get("schemalocation")
    file = None if keep is None else _path(delta.tables.local(keep)) / "_schemas" / "0"
    if file is None and form.lower() not in ("text", "binaryfile"):
        raise analysis(
            "[CF_EMPTY_SCHEMA] Auto Loader needs to know the columns: give cloudFiles.schemaLocation, where an "
            "inferred schema is kept, or a schema with .schema(...)"
        )
    known = json.loads(file.read_text("utf-8"))["fields"] if file is not None and file.exists() else []
    found = _inferred(delta, spark, place, form, asked, passed) if wider or not known else []
    names = {one["name"].lower() for one in known}
    fields = [*known, *(one for one in found if one["name"].lower() not in names)]
    fields = _hinted(delta, fields, asked.get("schemahints"))
    schema = {"type": "struct", "fields": fields}
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(schema), "utf-8")
    return schema


def _inferred(
    delta: Delta, spark: Any, place: str, form: str, asked: Mapping[str, str], passed: Mapping[str, str]
) -> list[dict[str, Any]]:
    if _is_empty(place):
        raise analysis(
            f"[CF_EMPTY_DIR_FOR_SCHEMA_INFERENCE] Cannot infer schema when the input path `{place}` is empty. Please "
            "try to start the stream when there are files in the input path, or specify the schema."
        )
    typed = asked.get("infercolumntypes", "false").lower() == "true"
    reader = spark._jsparkSession.read().format(form)
    defaults = {"csv": {"header": "true", "inferSchema": str(typed).lower()}}
    if form.lower() == "json" and not typed:
        defaults["json"] = {"primitivesAsString": "true"}
    if form.lower() == "parquet":
        defaults["parquet"] = {"mergeSchema": "true"}
    for key, value in (
        defaults.get(form.lower(), {}) | {_letters(key): value for key, value in passed.items()}
    ).items():
        reader = reader.option(key, value)
    fields: list[dict[str, Any]] = json.loads(reader.load(place).schema().json())["fields"]
    return [_as_text(one) for one in fields] if form.lower() == "json" and not typed else fields


def _as_text(one: dict[str, Any]) -> dict[str, Any]:
    """Without types Auto Loader keeps what is nested in JSON as text."""
    return one if isinstance(one["type"], str) else {**one, "type": "string"}


def _hinted(delta: Delta, fields: list[dict[str, Any]], hints: str | None) -> list[dict[str, Any]]:
    if not hints:
        return fields
    said = json.loads(delta.tables.spark._jvm.org.apache.spark.sql.types.StructType.fromDDL(hints).json())["fields"]
    wanted = {one["name"].lower(): one for one in said}
    names = {one["name"].lower() for one in fields}
    changed = [{**one, "type": wanted.get(one["name"].lower(), one)["type"]} for one in fields]
    return [*changed, *(one for one in said if one["name"].lower() not in names)]


def _path(local: str) -> Path:
    return Path(unquote(urlparse(local).path)) if local.startswith("file:") else Path(local)


def _is_empty(place: str) -> bool:
    if any(sign in place for sign in "*?[{"):
        return False
    folder = _path(place)
    if folder.is_file():
        return False
    return not any(one.is_file() and not one.name.startswith((".", "_")) for one in folder.rglob("*"))
