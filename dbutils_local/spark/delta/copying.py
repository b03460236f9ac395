"""COPY INTO: files that no earlier COPY INTO has loaded into the table, each once."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from dbutils_local.spark.delta.faults import analysis
from dbutils_local.spark.delta.reader import Reader
from dbutils_local.spark.delta.statements import Copy
from dbutils_local.spark.delta.tables import Table
from dbutils_local.spark.delta.writing import Write
from dbutils_local.sql.scan import Kind
from dbutils_local.sql.scan import unquote as text_of

if TYPE_CHECKING:
    from dbutils_local.spark.delta.commands import Asked, Delta

_VIEW = "dbutils_local_copied"


def copy_into(delta: Delta, table: Table, statement: Copy, asked: Asked) -> int:
    """Load what is new; how many rows that was."""
    path = statement.path or _path_of(statement.source)
    loaded = _loaded(table) if statement.copy.get("force", "false").lower() != "true" else set()
    files = [one for one in _files(delta, path, statement) if str(one) not in loaded]
    if not files:
        return 0
    frame = _read(delta, files, statement, asked)
    widen = statement.copy.get("mergeSchema", "false").lower() == "true"
    metadata = table.log.snapshot().metadata
    parameters = {"statsOnLoad": "false"}
    write = Write(
        widen=widen or not metadata.fields, cast=True, operation="COPY INTO", parameters=parameters,
        loaded=tuple(str(one) for one in files),
    )  # fmt: skip
    delta.write(table, frame, write)
    return int(table.log.history(1)[0].info["operationMetrics"]["numOutputRows"])


def _loaded(table: Table) -> set[str]:
    return {path for entry in table.log.history() for path in entry.info.get("loadedFiles", ())}


def _files(delta: Delta, path: str, statement: Copy) -> list[Path]:
    text = delta.tables.local(path)
    place = Path(unquote(urlparse(text).path) if text.startswith("file:") else text)
    if any(sign in str(place) for sign in "*?["):
        return sorted(one for one in Path("/").glob(str(place)[1:]) if one.is_file())
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise analysis(f"[PATH_NOT_FOUND] Path does not exist: {path}. SQLSTATE: 42K03")
    if statement.files:
        return [place / one for one in statement.files]
    found = sorted(one for one in place.rglob("*") if one.is_file() and not _hidden(one, place))
    if statement.pattern is None:
        return found
    patterns = _alternatives(statement.pattern)
    return [one for one in found if any(fnmatch.fnmatch(str(one.relative_to(place)), each) for each in patterns)]


def _alternatives(pattern: str) -> list[str]:
    """A glob with `{a,b}` as the globs it stands for."""
    start, end = pattern.find("{"), pattern.find("}")
    if start < 0 or end < start:
        return [pattern]
    return [pattern[:start] + one + pattern[end + 1 :] for one in pattern[start + 1 : end].split(",")]


def _hidden(path: Path, place: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.relative_to(place).parts)


def _read(delta: Delta, files: list[Path], statement: Copy, asked: Asked) -> Any:
    from pyspark.sql import DataFrame

    from dbutils_local.spark.delta.tables import sequence, spark_path

    reader = asked.session._jsparkSession.read().format(statement.format)
    for key, value in statement.options.items():
        reader = reader.option(key, value)
    frame = DataFrame(reader.load(sequence(asked.session, [spark_path(one) for one in files])), asked.session)
    if not statement.is_query:
        return frame
    frame.createOrReplaceTempView(_VIEW)
    return asked.run(_from_view(statement.source)).localCheckpoint()


def _path_of(query: str) -> str:
    reader = Reader(query)
    for number, token in enumerate(reader.tokens[:-1]):
        if token.text.upper() == "FROM" and reader.tokens[number + 1].kind is Kind.STRING:
            return text_of(reader.tokens[number + 1].text)
    raise analysis("[PARSE_SYNTAX_ERROR] COPY INTO ... FROM (SELECT ... FROM 'path'): no path found")


def _from_view(query: str) -> str:
    reader = Reader(query)
    for number, token in enumerate(reader.tokens[:-1]):
        following = reader.tokens[number + 1]
        if token.text.upper() == "FROM" and following.kind is Kind.STRING:
            return query[: following.start] + _VIEW + query[following.end :]
    return query
