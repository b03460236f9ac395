"""Databricks SQL text in words that Spark alone knows: catalogs, Delta, paths, Databricks' own statements; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.scan import Kind, Token, bare, code, unquote

DEFAULT_CATALOG = "main"

# Names of the one catalog a Spark session has.
SESSION_CATALOGS = frozenset({DEFAULT_CATALOG, "hive_metastore", "spark_catalog"})


@dataclass(frozen=True)
class Names:
    """The catalogs there are: Spark has one, so a schema of another catalog is a schema called `catalog__schema`."""

    catalog: str = DEFAULT_CATALOG
    catalogs: frozenset[str] = frozenset({DEFAULT_CATALOG})

    def knows(self, catalog: str) -> bool:
        """Whether there is such a catalog."""
        return catalog.lower() in SESSION_CATALOGS or catalog.lower() in self.catalogs

    def schema(self, catalog: str, schema: str) -> str:
        """The Spark schema that stands for a catalog's schema."""
        folded = catalog.lower()
        return schema if folded in SESSION_CATALOGS else f"{folded}__{schema}"

    def origin(self, space: str) -> tuple[str, str]:
        """The catalog and schema that a Spark schema stands for."""
        catalog, mark, schema = space.partition("__")
        return (catalog, schema) if mark and catalog in self.catalogs else (DEFAULT_CATALOG, space)

    def table(self, parts: Sequence[str]) -> list[str]:
        """The Spark name of a table given by its Databricks parts; unknown catalogs are left for Spark to refuse."""
        match list(parts):
            case [catalog, schema, name] if self.knows(catalog):
                return [self.schema(catalog, schema), name]
            case [schema, name] if schema.lower() != "global_temp":
                return [self.schema(self.catalog, schema), name]
        return list(parts)

    def dotted(self, name: str) -> str:
        """`table` for a name as Python code passes it: `catalog.schema.table`, with backticks where needed."""
        table, mark, version = name.partition("@")
        parts = [bare(token.text) for token in code(table) if token.text != "."]
        if re.search(r"[/:]", table) or len(parts) < 2:
            return name
        return ".".join(quoted(part) for part in self.table(parts)) + mark + version


def quoted(name: str) -> str:
    """An identifier, in backticks where it needs them."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else "`" + name.replace("`", "``") + "`"


class Act(Enum):
    """What is to be done with a statement."""

    RUN = "run"
    NOTHING = "nothing"
    USE_CATALOG = "use catalog"
    CREATE_CATALOG = "create catalog"
    DROP_CATALOG = "drop catalog"
    SHOW_CATALOGS = "show catalogs"
    SHOW_SCHEMAS = "show schemas"
    MAKE_FOLDER = "make folder"


@dataclass(frozen=True)
class Plan:
    """What one statement comes to: texts for Spark, or an act of our own on `name`; `notices` must be seen."""

    act: Act
    texts: tuple[str, ...] = ()
    name: str = ""
    schema: str | None = None
    lenient: bool = False
    notices: tuple[str, ...] = ()
    changes: bool = False  # the catalog or the rows of tables: others must learn of it


@dataclass(frozen=True)
class Means:
    """What the session can do: whether Spark has Delta itself, and where paths lie."""

    names: Names = field(default_factory=Names)
    delta: bool = False
    local: Callable[[str], str] = str
    shown: Callable[[str], str] | None = None  # of files that are read; None: as `local`


_NOTHING = {
    "GRANT": "there are no users and rights on this machine",
    "REVOKE": "there are no users and rights on this machine",
    "DENY": "there are no users and rights on this machine",
    "FSCK": "the files of a table are looked at when it is read",
    "REORG": "rows that were deleted are not in the files of the newest version",
}

_REFUSED = {
    "CREATE STREAMING TABLE": "pipelines do not run here",
    "CREATE OR REFRESH": "pipelines do not run here",
    "APPLY CHANGES": "pipelines do not run here",
    "CREATE EXTERNAL LOCATION": "there is no cloud storage behind this machine",
    "CREATE STORAGE CREDENTIAL": "there is no cloud storage behind this machine",
    "CREATE CONNECTION": "there are no connections here",
    "CREATE SHARE": "there is no Delta Sharing here",
    "SHOW VOLUMES": "list /Volumes with dbutils.fs.ls",
    "LIST": "use dbutils.fs.ls",
    "SHOW GRANTS": "there are no grants here",
}

_READING = frozenset(
    {"SELECT", "SHOW", "DESCRIBE", "DESC", "EXPLAIN", "USE", "SET", "VALUES", "RESET", "LIST", "DECLARE", "TABLE"}
    | {"CACHE", "UNCACHE", "REFRESH", "CLEAR"}
)


def plan(statement: str, means: Means) -> Plan:
    """What `statement` (one, without its semicolon) comes to on Spark; NotSupportedHere names what cannot be done."""
    tokens = code(statement)
    words = [token.word for token in tokens]
    if not words:
        return Plan(Act.RUN, (statement,))
    if not means.delta:
        _refuse(words)
    own = _own(tokens, words, means)
    if own is not None:
        return own
    text = rewritten(statement, means)
    texts: tuple[str, ...] = (text,)
    if words[0] in ("CREATE", "REPLACE") and not means.delta:
        texts = _without_delta(text)
    return Plan(Act.RUN, texts, changes=words[0] not in _READING)


def _refuse(words: list[str]) -> None:
    for phrase, reason in _REFUSED.items():
        parts = phrase.split()
        if words[: len(parts)] == parts:
            raise NotSupportedHere(f"{phrase} is not done by local Spark: {reason}")


# --- statements only Databricks has ---------------------------------------------------------------------------------


def _own(tokens: list[Token], words: list[str], means: Means) -> Plan | None:
    names = means.names
    if words[0] in _NOTHING:
        return Plan(Act.NOTHING, notices=(f"{words[0]}: nothing done, {_NOTHING[words[0]]}",))
    match words:
        case ["USE", "CATALOG", _] | ["SET", "CATALOG", _]:
            return Plan(Act.USE_CATALOG, name=_name(tokens[2]))
        case ["USE", name] if names.knows(name) and name.lower() not in SESSION_CATALOGS:
            return Plan(Act.USE_CATALOG, name=_name(tokens[1]))
        case ["USE", *rest] | ["USE", "SCHEMA" | "DATABASE" | "NAMESPACE", *rest] if len(rest) == 3 and rest[1] == ".":
            return _use(_name(tokens[-3]), _name(tokens[-1]), names)
        case ["USE", _] | ["USE", "SCHEMA" | "DATABASE" | "NAMESPACE", _]:
            return Plan(Act.RUN, (f"USE {quoted(names.schema(names.catalog, _name(tokens[-1])))}",))
        case ["CREATE", "CATALOG", *_]:
            return Plan(
                Act.CREATE_CATALOG, name=_name(tokens[_after_if(words, 2)]), lenient="EXISTS" in words, changes=True
            )
        case ["DROP", "CATALOG", *_]:
            return Plan(
                Act.DROP_CATALOG, name=_name(tokens[_after_if(words, 2)]), lenient="EXISTS" in words, changes=True
            )
        case ["SHOW", "CATALOGS", *_]:
            return Plan(Act.SHOW_CATALOGS)
        case ["SHOW", "SCHEMAS" | "DATABASES"]:
            return Plan(Act.SHOW_SCHEMAS, name=names.catalog)
        case ["SHOW", "SCHEMAS" | "DATABASES", "IN" | "FROM", _] if names.knows(_name(tokens[3])):
            catalog = _name(tokens[3]).lower()
            return Plan(Act.SHOW_SCHEMAS, name=DEFAULT_CATALOG if catalog in SESSION_CATALOGS else catalog)
        case ["CREATE", "VOLUME", *_] | ["CREATE", "EXTERNAL", "VOLUME", *_]:
            start = _after_if(words, 2 if words[1] == "VOLUME" else 3)
            parts = _dotted(tokens, start)
            full = [*[names.catalog, "default"][: 3 - len(parts)], *parts]
            return Plan(Act.MAKE_FOLDER, name="/Volumes/" + "/".join(full), lenient="EXISTS" in words)
        case ["COMMENT", "ON", "CATALOG" | "VOLUME", *_] | ["ALTER", "CATALOG" | "VOLUME", *_]:
            return Plan(Act.NOTHING, notices=(f"{words[0]} {words[1]}: nothing done, it is not kept here",))
    return None


def _use(catalog: str, schema: str, names: Names) -> Plan:
    return Plan(Act.USE_CATALOG, name=catalog, schema=schema)


def _name(token: Token) -> str:
    return unquote(token.text) if token.kind is Kind.STRING else bare(token.text)


def _after_if(words: list[str], index: int) -> int:
    if words[index : index + 3] == ["IF", "NOT", "EXISTS"]:
        return index + 3
    return index + 2 if words[index : index + 2] == ["IF", "EXISTS"] else index


def _dotted(tokens: Sequence[Token], index: int) -> list[str]:
    parts = [_name(tokens[index])]
    while index + 2 < len(tokens) and tokens[index + 1].text == ".":
        index += 2
        parts.append(_name(tokens[index]))
    return parts


# --- names and paths in the text ------------------------------------------------------------------------------------

_BEFORE_TABLE = frozenset(
    {
        "FROM",
        "JOIN",
        "INTO",
        "TABLE",
        "UPDATE",
        "VIEW",
        "USING",
        "OVERWRITE",
        "DESCRIBE",
        "DESC",
        "EXISTS",
        "FUNCTION",
        "LIKE",
        "EXTENDED",
    }
)
_BEFORE_SCHEMA = frozenset({"SCHEMA", "DATABASE", "NAMESPACE"})
_FILE_FORMATS = frozenset({"csv", "json", "parquet", "text", "orc", "avro", "binaryfile", "delta"})


def rewritten(statement: str, means: Means) -> str:
    """The statement with names of catalogs and Databricks paths in Spark's terms."""
    tokens = code(statement)
    edits: list[tuple[int, int, str]] = []
    index = 0
    while index < len(tokens):
        length = _chain(tokens, index)
        if tokens[index].word in ("CURRENT_CATALOG", "CURRENT_SCHEMA", "CURRENT_DATABASE"):
            edits += _current(tokens, index, means.names)
            index += 1
        elif length:
            new = _named(tokens, index, length, means)
            if new is not None:
                edits.append((tokens[index].start, tokens[index + 2 * length - 2].end, new))
            index += 2 * length - 1
        else:
            edits += _path(tokens, index, means)
            index += 1
    for start, end, text in sorted(edits, reverse=True):
        statement = statement[:start] + text + statement[end:]
    return statement


def _current(tokens: Sequence[Token], index: int, names: Names) -> list[tuple[int, int, str]]:
    """current_catalog() and current_schema() in Databricks' words; as a column of its own it keeps its name."""
    if [token.text for token in tokens[index + 1 : index + 3]] != ["(", ")"]:
        return []
    word, end = tokens[index].word, tokens[index + 2].end
    before = tokens[index - 1].word if index else ""
    after = tokens[index + 3].word if index + 3 < len(tokens) else ""
    heading = f" AS `{word.lower()}()`" if before in ("SELECT", ",") and after in ("", ",", "FROM") else ""
    if word == "CURRENT_CATALOG":
        return [(tokens[index].start, end, f"'{names.catalog}'{heading}")]
    if names.catalog in SESSION_CATALOGS:
        return []
    return [(tokens[index].start, end, f"substring(current_schema(), {len(names.catalog) + 3}){heading}")]


def _chain(tokens: Sequence[Token], index: int) -> int:
    """How many names are chained by dots from here; 0 where no name starts or it goes on from before."""
    if tokens[index].kind is not Kind.NAME or (index and tokens[index - 1].text in (".", ":")):
        return 0
    length = 1
    while (
        index + 2 * length < len(tokens)
        and tokens[index + 2 * length - 1].text == "."
        and tokens[index + 2 * length].kind is Kind.NAME
    ):
        length += 1
    return length


def _named(tokens: Sequence[Token], index: int, length: int, means: Means) -> str | None:
    """The new text of a dotted name, None to leave it."""
    names = means.names
    parts = [bare(tokens[index + 2 * step].text) for step in range(length)]
    before = [token.word for token in tokens[max(0, index - 4) : index]]
    if length == 1:
        return _alone(tokens, index, before, names)
    if length == 2 and parts[0].lower() in _FILE_FORMATS and tokens[index + 2].text.startswith("`"):
        if not means.delta and (parts[0].lower() == "delta" or tokens[0].word == "CONVERT"):
            return None  # a table by its folder: not Spark's to open
        return f"{parts[0]}.`{(means.shown or means.local)(parts[1])}`"
    if _is_schema_place(before, tokens):
        return quoted(names.schema(parts[0], parts[1])) if length == 2 and names.knows(parts[0]) else None
    if length >= 3 and names.knows(parts[0]):
        return ".".join(quoted(part) for part in [*names.table(parts[:3]), *parts[3:]])
    if length == 2 and before and before[-1] in _BEFORE_TABLE and names.catalog not in SESSION_CATALOGS:
        return ".".join(quoted(part) for part in names.table(parts))
    return None


def _alone(tokens: Sequence[Token], index: int, before: list[str], names: Names) -> str | None:
    word = tokens[index].word
    if (
        _is_schema_place(before, tokens)
        and names.catalog not in SESSION_CATALOGS
        and word not in ("IF", "NOT", "EXISTS", "EXTENDED")
    ):
        return quoted(names.schema(names.catalog, bare(tokens[index].text)))
    return None


def _is_schema_place(before: list[str], tokens: Sequence[Token]) -> bool:
    """Whether a schema's name stands here: behind SCHEMA [IF [NOT] EXISTS], or IN and FROM of a SHOW statement."""
    meaningful = [word for word in before if word not in ("IF", "NOT", "EXISTS", "EXTENDED")]
    if not meaningful:
        return False
    if meaningful[-1] in _BEFORE_SCHEMA:
        return True
    shows = [token.word for token in tokens[:2]]
    return (
        shows[0] == "SHOW"
        and shows[1] in ("TABLES", "VIEWS", "TABLE", "FUNCTIONS")
        and meaningful[-1] in ("IN", "FROM")
    )


def _path(tokens: Sequence[Token], index: int, means: Means) -> list[tuple[int, int, str]]:
    """LOCATION 'path' and OPTIONS (path 'path') on this machine."""
    token = tokens[index]
    if token.kind is not Kind.STRING or not index:
        return []
    before = tokens[index - 2 if tokens[index - 1].text == "=" and index > 1 else index - 1].word.strip("'\"").upper()
    if before not in ("LOCATION", "PATH"):
        return []
    local = means.local(unquote(token.text)).replace("\\", "\\\\").replace("'", "\\'")
    return [(token.start, token.end, f"'{local}'")]


# --- CREATE of tables that are not of Delta --------------------------------------------------------------------------


def _without_delta(text: str) -> tuple[str, ...]:
    """CREATE OR REPLACE TABLE spelled out for tables of files, which Spark alone does not replace."""
    tokens = code(text)
    words = [token.word for token in tokens]
    table = _table_statement(words)
    if table is None or not table[1] or _is_delta(words):
        return (text,)
    return _replacing(text, ".".join(quoted(part) for part in _dotted(tokens, table[0])))


def _table_statement(words: list[str]) -> tuple[int, bool] | None:
    """For CREATE [OR REPLACE] TABLE: where the name starts, and whether it replaces; None for other statements."""
    if words[:2] == ["CREATE", "TABLE"]:
        return _after_if(words, 2), False
    if words[:4] == ["CREATE", "OR", "REPLACE", "TABLE"]:
        return 4, True
    if words[:2] == ["REPLACE", "TABLE"]:
        return 2, True
    return None


def _is_delta(words: list[str]) -> bool:
    """Databricks makes Delta tables unless told otherwise."""
    head = words[: words.index("SELECT")] if "SELECT" in words else words
    if "USING" not in head or head.index("USING") + 1 == len(head):
        return True
    return head[head.index("USING") + 1] == "DELTA"


def _replacing(text: str, name: str) -> tuple[str, ...]:
    """OR REPLACE in steps that tables of files know; a query is run first, since it may read the old table."""
    create = re.sub(
        r"^\s*(CREATE\s+OR\s+REPLACE|REPLACE)\s+TABLE\b", "CREATE TABLE", text, count=1, flags=re.IGNORECASE
    )
    words = [token.word for token in code(text)]
    if not any(word in words for word in ("SELECT", "WITH", "FROM", "VALUES")):
        return (f"DROP TABLE IF EXISTS {name}", create)
    fresh = f"{name.rstrip('`')}__new" + ("`" if name.endswith("`") else "")
    tokens = code(create)
    end = tokens[2 * _chain(tokens, 2)].end
    return (
        f"DROP TABLE IF EXISTS {fresh}",
        f"CREATE TABLE {fresh}{create[end:]}",
        f"DROP TABLE IF EXISTS {name}",
        f"ALTER TABLE {fresh} RENAME TO {name}",
    )
