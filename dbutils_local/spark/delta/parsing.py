"""Reads what a SQL statement asks of Delta tables; pure. What it does not know is left for Spark to refuse."""

from __future__ import annotations

from collections.abc import Sequence

from dbutils_local.spark.delta import limits
from dbutils_local.spark.delta.reader import Reader, parts
from dbutils_local.spark.delta.statements import (
    Alter,
    Column,
    Convert,
    Copy,
    Create,
    Describe,
    Detail,
    Drop,
    History,
    Insert,
    Optimize,
    Restore,
    Rows,
    Show,
    Statement,
    Truncate,
    Vacuum,
)
from dbutils_local.sql.scan import bare, code, unquote


def read(text: str) -> Statement | None:
    """What a statement asks for, None where it is not about a Delta table; names in it are Spark's already."""
    return _read(Reader(text))


def _read(reader: Reader) -> Statement | None:
    words = [token.text.upper() for token in reader.tokens[:4]]
    match words:
        case ["CREATE", "TABLE", *_] | ["CREATE", "OR", "REPLACE", "TABLE"] | ["REPLACE", "TABLE", *_]:
            return _create(reader)
        case ["CREATE", "EXTERNAL", "TABLE", *_]:
            return _create(reader)
        case ["INSERT", *_]:
            return _insert(reader, "")
        case ["WITH", *_]:
            return _with(reader)
        case ["DELETE" | "UPDATE" | "MERGE", *_]:
            return Rows(reader.text)
        case ["DESCRIBE" | "DESC", "HISTORY" | "DETAIL", *_]:
            reader.at = 2
            table = reader.ref()
            limit = int(reader.next().text) if reader.take("LIMIT") else None
            return History(table, limit) if words[1] == "HISTORY" else Detail(table)
        case ["DESCRIBE" | "DESC", "TABLE", "EXTENDED" | "FORMATTED", *_]:
            reader.at = 3
            return Describe(reader.plain_ref())
        case ["DESCRIBE" | "DESC", "EXTENDED" | "FORMATTED", *_]:
            reader.at = 2
            return Describe(reader.plain_ref())
        case ["RESTORE", *_]:
            reader.at = 1
            reader.take("TABLE")
            return _restore(reader)
        case ["OPTIMIZE", *_]:
            return _optimize(reader)
        case ["VACUUM", *_]:
            return _vacuum(reader)
        case ["ALTER", "TABLE", *_]:
            reader.at = 2
            return Alter(reader.ref(), reader.rest())
        case ["SHOW", "PARTITIONS" | "TBLPROPERTIES", *_]:
            reader.at = 2
            ref = reader.ref()
            return Show(words[1], ref, _dotted_key(reader) if reader.take("(") else None)
        case ["SHOW", "CREATE", "TABLE", *_]:
            reader.at = 3
            return Show("CREATE", reader.ref())
        case ["DROP", "TABLE", *_]:
            reader.at = 2
            return Drop(lenient=reader.take("IF", "EXISTS"), table=reader.ref())
        case ["TRUNCATE", "TABLE", *_]:
            reader.at = 2
            return Truncate(reader.ref())
        case ["CONVERT", "TO", "DELTA", *_]:
            reader.at = 3
            return Convert(reader.ref(), reader.inside() if reader.take("PARTITIONED", "BY") else None)
        case ["COPY", "INTO", *_]:
            return _copy(reader)
    return None


# --- CREATE ----------------------------------------------------------------------------------------------------------


def _create(reader: Reader) -> Create | None:
    creates = reader.take("CREATE")
    replaces = reader.take("OR", "REPLACE") if creates else False
    if not creates:
        reader.take("REPLACE")
    reader.take("EXTERNAL")
    reader.take("TABLE")
    lenient = reader.take("IF", "NOT", "EXISTS")
    table = reader.ref()
    if reader.take("LIKE"):
        like = reader.ref()
        if not _is_delta(reader):
            return None
        return Create(table, lenient=lenient, like=like, location=_location(reader))
    found = _Clauses()
    if reader.sees("("):
        start, stop = reader.group()
        found.columns = tuple(one for part in parts(reader.between(start, stop)) if (one := _column(part)) is not None)
    if not _clauses(reader, found):
        return None
    deep = not reader.take("SHALLOW")
    reader.take("DEEP")
    of = reader.ref() if reader.take("CLONE") else None
    if of is not None and not _clauses(reader, found):
        return None
    reader.take("AS")
    query = reader.rest() or None
    by = tuple(one for one in found.partitions)
    return Create(
        table, replaces or not creates, not creates, lenient, (*found.columns, *found.typed), by, found.cluster,
        found.location, found.comment, found.properties, query, None, of, deep,
    )  # fmt: skip


class _Clauses:
    def __init__(self) -> None:
        self.columns: tuple[Column, ...] = ()
        self.typed: tuple[Column, ...] = ()
        self.partitions: tuple[str, ...] = ()
        self.cluster: tuple[str, ...] = ()
        self.location: str | None = None
        self.comment: str | None = None
        self.properties: dict[str, str] = {}


def _clauses(reader: Reader, found: _Clauses) -> bool:
    """The clauses behind a table's columns; False when the table is not of Delta."""
    while not reader.done:
        if reader.take("USING"):
            if reader.name().lower() != "delta":
                return False
        elif reader.take("PARTITIONED", "BY"):
            listed = parts(reader.inside())
            found.partitions = tuple(bare(code(part)[0].text) for part in listed)
            found.typed = tuple(one for part in listed if len(code(part)) > 1 and (one := _column(part)) is not None)
        elif reader.take("CLUSTER", "BY"):
            if not (reader.take("AUTO") or reader.take("NONE")):
                found.cluster = reader.names()
        elif reader.take("LOCATION"):
            found.location = reader.name()
        elif reader.take("COMMENT"):
            found.comment = reader.name()
        elif reader.take("TBLPROPERTIES") or reader.take("OPTIONS"):
            found.properties |= properties(reader.inside())
        elif reader.sees("WITH", "ROW", "FILTER"):
            raise limits.governed("CREATE TABLE ... WITH ROW FILTER")
        elif reader.take("DEFAULT", "COLLATION"):
            reader.next()
        else:
            break
    return True


def _is_delta(reader: Reader) -> bool:
    mark = reader.at
    while not reader.done:
        if reader.take("USING"):
            delta = reader.name().lower() == "delta"
            reader.at = mark
            return delta
        reader.next()
    reader.at = mark
    return True


def _location(reader: Reader) -> str | None:
    while not reader.done:
        if reader.take("LOCATION"):
            return reader.name()
        reader.next()
    return None


def column(text: str) -> Column:
    """One column of ALTER TABLE."""
    found = _column(text)
    assert found is not None
    return found


def _column(part: str) -> Column | None:
    """A column; None for a constraint that Databricks itself does not enforce."""
    reader = Reader(part)
    if reader.sees("PRIMARY", "KEY") or reader.sees("FOREIGN", "KEY") or reader.sees("CONSTRAINT"):
        return None
    name = reader.name()
    kept_until = None
    generated = default = None
    identity: tuple[int, int] | None = None
    explicit = False
    pieces: list[tuple[int, int]] = []
    start = 0
    while not reader.done:
        mark = reader.at
        if reader.take("GENERATED"):
            explicit = reader.take("BY", "DEFAULT")
            reader.take("ALWAYS")
            reader.take("AS")
            if reader.take("IDENTITY"):
                identity = _identity(reader)
            else:
                generated = reader.inside()
            pieces.append((start, mark))
            start = reader.at
        elif reader.take("DEFAULT"):
            begin = reader.at
            while not reader.done and not (reader.sees("COMMENT") or reader.sees("NOT", "NULL")):
                if reader.sees("("):
                    reader.group()
                else:
                    reader.next()
            default = reader.between(begin, reader.at)
            pieces.append((start, mark))
            start = reader.at
        elif limits.is_mask(reader.tokens, reader.at):
            raise limits.governed(f"column {name} ... MASK")
        elif reader.sees("PRIMARY", "KEY") or reader.sees("CONSTRAINT") or reader.sees("REFERENCES"):
            kept_until = mark
            break
        else:
            reader.next()
    pieces.append((start, reader.at if kept_until is None else kept_until))
    text = " ".join(reader.between(*piece) for piece in pieces if piece[0] < piece[1])
    return Column(name, text, generated, default, identity, explicit)


def _identity(reader: Reader) -> tuple[int, int]:
    start, step = 1, 1
    if reader.sees("("):
        inner = Reader(reader.inside())
        while not inner.done:
            if inner.take("START", "WITH") or inner.take("START"):
                start = _number(inner)
            elif inner.take("INCREMENT", "BY") or inner.take("INCREMENT"):
                step = _number(inner)
            else:
                inner.next()
    return start, step


def _number(reader: Reader) -> int:
    sign = -1 if reader.take("-") else 1
    return sign * int(reader.next().text.rstrip("lL"))


def properties(text: str) -> dict[str, str]:
    """The content of TBLPROPERTIES (...): keys with or without quotes, values as text."""
    found = {}
    for part in parts(text):
        reader = Reader(part)
        key = reader.name()
        while reader.take("."):
            key += f".{reader.name()}"
        reader.take("=")
        value = reader.rest().strip()
        found[key] = unquote(value) if value[:1] in "'\"" and value else value
    return found


def _dotted_key(reader: Reader) -> str:
    key = reader.name()
    while reader.take("."):
        key += f".{reader.name()}"
    return key


# --- INSERT and others ------------------------------------------------------------------------------------------------


def _with(reader: Reader) -> Statement | None:
    """WITH ... INSERT: the same as an INSERT of the query with that clause."""
    depth = 0
    for index, token in enumerate(reader.tokens):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text.upper() == "INSERT":
            before = reader.text[: token.start]
            reader.at = index
            return _insert(reader, before)
        if depth == 0 and index and token.text.upper() in ("SELECT", "FROM", "VALUES", "TABLE"):
            return None
    return None


def _insert(reader: Reader, before: str) -> Insert | None:
    reader.take("INSERT")
    widen = reader.take("WITH", "SCHEMA", "EVOLUTION")
    overwrite = reader.take("OVERWRITE")
    if not overwrite and not reader.take("INTO"):
        return None
    reader.take("INTO")
    if reader.sees("DIRECTORY") or reader.sees("LOCAL"):
        return None
    reader.take("TABLE")
    table = reader.ref()
    widen = reader.take("WITH", "SCHEMA", "EVOLUTION") or widen
    partition = None
    if reader.take("PARTITION"):
        partition = _partition(reader.inside())
    reader.take("IF", "NOT", "EXISTS")
    by_name = reader.take("BY", "NAME")
    columns = None
    if reader.sees("(") and not _is_query(reader):
        columns = reader.names()
    where = _replaced(reader) if reader.take("REPLACE", "WHERE") else None
    return Insert(table, reader.rest(), overwrite, columns, by_name, where, partition, widen, before)


def _is_query(reader: Reader) -> bool:
    ahead = reader.tokens[reader.at + 1].text.upper() if reader.at + 1 < len(reader.tokens) else ""
    return ahead in ("SELECT", "WITH", "VALUES", "FROM", "TABLE", "(")


def _replaced(reader: Reader) -> str:
    start, depth = reader.at, 0
    while not reader.done:
        if depth == 0 and any(reader.sees(word) for word in ("SELECT", "VALUES", "TABLE", "FROM", "WITH")):
            break
        depth += {"(": 1, ")": -1}.get(reader.next().text, 0)
    return reader.between(start, reader.at)


def _partition(text: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in parts(text):
        reader = Reader(part)
        name = reader.name()
        found[name] = reader.rest() if reader.take("=") else None
    return found


def _restore(reader: Reader) -> Restore:
    table = reader.plain_ref()
    reader.take("TO")
    return Restore(reader.at_time(table))


def _optimize(reader: Reader) -> Optimize:
    reader.at = 1
    table = reader.ref()
    reader.take("FULL")
    where = None
    if reader.take("WHERE"):
        start = reader.at
        while not reader.done and not reader.sees("ZORDER", "BY"):
            reader.next()
        where = reader.between(start, reader.at)
    zorder: tuple[str, ...] = ()
    if reader.take("ZORDER", "BY"):
        inner = reader.inside() if reader.sees("(") else reader.rest()
        zorder = tuple(bare(part) for part in parts(inner))
    return Optimize(table, where, zorder)


def _vacuum(reader: Reader) -> Vacuum:
    reader.at = 1
    table = reader.ref()
    hours, dry = None, False
    while not reader.done:
        if reader.take("RETAIN"):
            hours = float(reader.next().text)
            reader.take("HOURS")
        elif reader.take("DRY", "RUN"):
            dry = True
        else:
            reader.next()
    return Vacuum(table, hours, dry)


def _copy(reader: Reader) -> Copy | None:
    reader.at = 2
    table = reader.ref()
    if reader.sees("("):
        reader.group()
    if not reader.take("FROM"):
        return None
    is_query = reader.sees("(")
    source = reader.inside() if is_query else reader.name()
    found: dict[str, str] = {}
    copied: dict[str, str] = {}
    form, pattern, path = "", None, "" if is_query else source
    files: tuple[str, ...] = ()
    while not reader.done:
        if reader.take("FILEFORMAT"):
            reader.take("=")
            form = reader.name().lower()
        elif reader.take("FILES"):
            reader.take("=")
            files = tuple(unquote(part) for part in parts(reader.inside()))
        elif reader.take("PATTERN"):
            reader.take("=")
            pattern = reader.name()
        elif reader.take("FORMAT_OPTIONS"):
            found |= properties(reader.inside())
        elif reader.take("COPY_OPTIONS"):
            copied |= properties(reader.inside())
        else:
            reader.next()
    return Copy(table, source, is_query, form, files, pattern, found, copied, path)


# --- references in other text -----------------------------------------------------------------------------------------


def values_with_defaults(query: str, defaults: Sequence[str]) -> str:
    """VALUES (..., DEFAULT, ...) with what DEFAULT means for each column."""
    reader = Reader(query)
    if not reader.take("VALUES"):
        return query
    edits: list[tuple[int, int, str]] = []
    depth = number = 0
    previous = ""
    for token in reader.tokens[1:]:
        if token.text in "()":
            depth += 1 if token.text == "(" else -1
            number = 0 if depth == 1 and token.text == "(" else number
        elif token.text == "," and depth == 1:
            number += 1
        elif token.text.upper() == "DEFAULT" and depth == 1 and previous in ("(", ",") and number < len(defaults):
            edits.append((token.start, token.end, defaults[number]))
        previous = token.text
    for start, end, new in reversed(edits):
        query = query[:start] + new + query[end:]
    return query
