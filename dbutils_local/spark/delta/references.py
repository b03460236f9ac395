"""Where a statement names a version of a table, or a table by its folder."""

from __future__ import annotations

from dataclasses import dataclass

from dbutils_local.spark.delta.reader import Reader
from dbutils_local.spark.delta.statements import Ref
from dbutils_local.sql.scan import Kind


@dataclass(frozen=True)
class Found:
    """A reference to a version of a table, or to a table by its folder; `start` and `end` count characters."""

    ref: Ref
    start: int
    end: int


def references(text: str) -> list[Found]:
    """Where a statement reads tables at a version or by their folder."""
    if not any(word in text.lower() for word in ("as of", "delta", "@", "table_changes")):
        return []
    reader = Reader(text)
    found: list[Found] = []
    while not reader.done:
        token = reader.tokens[reader.at]
        follows_dot = reader.at and reader.tokens[reader.at - 1].text == "."
        if token.kind is not Kind.NAME or follows_dot:
            reader.at += 1
            continue
        start = reader.at
        mark = _chain_end(reader)
        reader.at = start
        if not _may_be_table(reader, start, mark):
            reader.at = mark
            continue
        ref = reader.ref()
        if ref.path is not None or ref.version is not None or ref.timestamp is not None:
            found.append(Found(ref, token.start, reader.tokens[reader.at - 1].end))
        else:
            reader.at = mark
    return found


def _chain_end(reader: Reader) -> int:
    at = reader.at + 1
    while at + 1 < len(reader.tokens) and reader.tokens[at].text == ".":
        at += 2
    return min(at, len(reader.tokens))


def _may_be_table(reader: Reader, start: int, end: int) -> bool:
    first, after = reader.tokens[start], [token.text.upper() for token in reader.tokens[end : end + 3]]
    if first.text.lower() == "delta" and end - start == 3 and reader.tokens[start + 2].text.startswith("`"):
        return True
    if after[:1] == ["@"]:
        return True
    words = after[1:] if after[:1] == ["FOR"] else after
    if words[:1] and words[0] in ("VERSION", "TIMESTAMP", "SYSTEM_VERSION", "SYSTEM_TIME"):
        of = [token.text.upper() for token in reader.tokens[end : end + 4]]
        return "AS" in of[1:3] and "OF" in of[2:4]
    return False
