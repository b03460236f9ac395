"""One Databricks statement to one Step of the embedded engine: what it means on DuckDB, or why it is refused; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql import parameters as params
from dbutils_local.sql.scan import Kind, Token, bare, code, quote, single_marks, unquote
from dbutils_local.sql.steps import Nothing, Query, Scope, Step


@dataclass(frozen=True)
class Request:
    """One statement on its way: its text with parameters bound, its meaningful tokens, and the session it is for."""

    text: str
    tokens: tuple[Token, ...]
    scope: Scope

    def words(self, count: int) -> tuple[str, ...]:
        """The first `count` words, upper case."""
        return tuple(token.word for token in self.tokens[:count])


def translate(statement: str, scope: Scope, values: Mapping[str, str] | None = None) -> Step:
    """What `statement` means on DuckDB.

    Raises NotSupportedHere for what DuckDB cannot do, UserError for text that is not Databricks SQL.
    """
    bound = fold_identifiers(single_marks(params.bind_literals(statement, values or {})), scope)
    request = Request(bound, tuple(code(bound)), scope)
    if not request.tokens:
        raise UserError("[PARSE_EMPTY_STATEMENT] Syntax error, unexpected empty statement")
    _refuse_what_cannot_be(request)
    for words, handler in _handlers():
        if request.words(len(words)) == words:
            return handler(request)
    return _parsed(request)


# --- refusals -------------------------------------------------------------------------------------------------------

_NO_TIME_TRAVEL = "no time travel on DuckDB tables: they keep no versions"

_REFUSED: tuple[tuple[str, str], ...] = (
    ("DESCRIBE HISTORY", "no history on DuckDB tables: they keep no versions"),
    ("DESC HISTORY", "no history on DuckDB tables: they keep no versions"),
    ("RESTORE", _NO_TIME_TRAVEL),
    ("CREATE STREAMING TABLE", "pipelines do not run here"),
    ("CREATE OR REFRESH", "pipelines do not run here"),
    ("CREATE OR REPLACE STREAMING", "pipelines do not run here"),
    ("CREATE MATERIALIZED VIEW", "materialized views are refreshed by Databricks; use CREATE TABLE ... AS"),
    ("CREATE OR REPLACE MATERIALIZED", "materialized views are refreshed by Databricks; use CREATE TABLE ... AS"),
    ("CREATE LIVE", "pipelines do not run here"),
    ("CREATE FLOW", "pipelines do not run here"),
    ("APPLY CHANGES", "pipelines do not run here"),
    ("CREATE EXTERNAL LOCATION", "there is no cloud storage behind this machine"),
    ("CREATE STORAGE CREDENTIAL", "there is no cloud storage behind this machine"),
    ("CREATE CONNECTION", "there are no connections here"),
    ("CREATE FOREIGN CATALOG", "there are no connections here"),
    ("CREATE SHARE", "there is no Delta Sharing here"),
    ("CREATE RECIPIENT", "there is no Delta Sharing here"),
    ("CREATE BLOOMFILTER", "DuckDB tables have no Bloom filter index"),
    ("CONVERT TO DELTA", "tables here are DuckDB tables, not Delta"),
    ("GENERATE", "tables here are DuckDB tables, not Delta"),
    ("SYNC", "there is only one metastore here"),
    ("LIST", "use %fs ls or dbutils.fs.ls"),
    ("PUT", "use dbutils.fs.cp"),
    ("GET", "use dbutils.fs.cp"),
    ("ADD JAR", "there is no JVM behind the embedded SQL engine; set sql_engine = spark"),
    ("ADD FILE", "there is no cluster here"),
    ("BEGIN", "SQL scripts (BEGIN ... END) are not run by the embedded SQL engine; set sql_engine = spark"),
    ("CALL", "procedures are not run by the embedded SQL engine"),
    ("CREATE PROCEDURE", "procedures are not run by the embedded SQL engine"),
    ("SHOW PARTITIONS", "DuckDB tables have no partitions"),
    ("SHOW GRANTS", "there are no grants here: the file belongs to you"),
    ("SHOW GRANT", "there are no grants here: the file belongs to you"),
    ("INSERT OVERWRITE DIRECTORY", "use CREATE TABLE ... AS, or write files from Python"),
    ("LOAD DATA", "use COPY INTO or read_files"),
    ("CREATE INDEX", "Databricks has no such statement"),
    ("ATTACH", "Databricks has no such statement"),
    ("DETACH", "Databricks has no such statement"),
    ("PRAGMA", "Databricks has no such statement"),
    ("INSTALL", "Databricks has no such statement"),
    ("LOAD", "Databricks has no such statement"),
    ("COPY", "Databricks has no such statement but COPY INTO"),
)


def _refuse_what_cannot_be(request: Request) -> None:
    for phrase, reason in _REFUSED:
        words = tuple(phrase.split())
        if request.words(len(words)) == words and not (words == ("COPY",) and request.words(2)[1:] == ("INTO",)):
            raise NotSupportedHere(f"{phrase} is not done by the embedded SQL engine: {reason}")
    if _travels_in_time(request.tokens):
        raise NotSupportedHere(
            f"VERSION AS OF / TIMESTAMP AS OF is not done by the embedded SQL engine: {_NO_TIME_TRAVEL}"
        )


def _travels_in_time(tokens: Sequence[Token]) -> bool:
    """`VERSION|TIMESTAMP AS OF ...`, or the short form `table@v3`."""
    words = [token.word for token in tokens]
    for index in range(len(words) - 1):
        if words[index : index + 3] in (["VERSION", "AS", "OF"], ["TIMESTAMP", "AS", "OF"]):
            return True
        if (
            words[index] == "@"
            and re.fullmatch(r"V\d+|\d{17}", words[index + 1])
            and index
            and tokens[index - 1].kind is Kind.NAME
        ):
            return True
    return False


# --- no work to do --------------------------------------------------------------------------------------------------


def _nothing(reason: str) -> Callable[[Request], Step]:
    def handler(request: Request) -> Step:
        return Nothing(f"{request.tokens[0].word}: nothing done, {reason}")

    return handler


_LAYOUT = "DuckDB lays its files out by itself"
_RIGHTS = "there are no users and rights on this machine"

_NO_WORK: Mapping[str, str] = {
    "OPTIMIZE": _LAYOUT,
    "VACUUM": "DuckDB tables keep no old versions",
    "ANALYZE": "DuckDB keeps its own statistics",
    "FSCK": _LAYOUT,
    "REORG": _LAYOUT,
    "MSCK": "DuckDB tables have no partitions",
    "CACHE": "the data is on this machine already",
    "UNCACHE": "the data is on this machine already",
    "CLEAR CACHE": "the data is on this machine already",
    "REFRESH": "nothing is cached",
    "GRANT": _RIGHTS,
    "REVOKE": _RIGHTS,
    "DENY": _RIGHTS,
    "SET TAG": "tags are not kept here",
    "UNSET TAG": "tags are not kept here",
    "SET TBLPROPERTIES": "table properties are not kept here",
    "RESET": "there are no Spark settings here",
}


def _handlers() -> list[tuple[tuple[str, ...], Callable[[Request], Step]]]:
    """Statements told by their first words, the longest phrase first; all others are parsed whole."""
    from dbutils_local.sql import commands, definitions

    found: dict[str, Callable[[Request], Step]] = {phrase: _nothing(reason) for phrase, reason in _NO_WORK.items()}
    found |= commands.HANDLERS
    found |= definitions.HANDLERS
    return sorted(
        ((tuple(phrase.split()), handler) for phrase, handler in found.items()), key=lambda item: -len(item[0])
    )


# --- IDENTIFIER -----------------------------------------------------------------------------------------------------


def fold_identifiers(text: str, scope: Scope) -> str:
    """`IDENTIFIER(expression)` replaced by the name the constant expression gives."""
    tokens = code(text)
    edits = []
    for index, token in enumerate(tokens[:-1]):
        if token.word == "IDENTIFIER" and tokens[index + 1].text == "(":
            end = _closing(tokens, index + 1)
            inner = text[tokens[index + 1].end : tokens[end].start]
            edits.append((token.start, tokens[end].end, _backticked(_constant_text(inner, scope))))
    return params.edited(text, edits)


def _closing(tokens: Sequence[Token], opening: int) -> int:
    depth = 0
    for index in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        if depth == 0:
            return index
    raise UserError("[PARSE_SYNTAX_ERROR] a parenthesis is never closed")


def _backticked(name: str) -> str:
    return ".".join(f"`{bare(token.text)}`" for token in code(name) if token.text != ".")


def _constant_text(expression: str, scope: Scope) -> str:
    """The text of a constant expression: literals, `||`, concat, lower, upper and session variables."""
    from sqlglot import exp

    def value(node: Any) -> str:
        match node:
            case exp.Literal():
                return str(node.this)
            case exp.Paren() | exp.Cast():
                return value(node.this)
            case exp.DPipe() | exp.Add():
                return value(node.this) + value(node.expression)
            case exp.Concat():
                return "".join(value(part) for part in node.expressions)
            case exp.Lower():
                return value(node.this).lower()
            case exp.Upper():
                return value(node.this).upper()
            case exp.Column() if node.name.lower() in scope.variables:
                return scope.variables[node.name.lower()].text
        raise UserError(
            f"[NOT_A_CONSTANT_STRING.NOT_CONSTANT] The expression {expression.strip()} used for the "
            "routine or table name is not a constant string"
        )

    return value(parse(expression))


# --- parsing --------------------------------------------------------------------------------------------------------


def parse(text: str) -> Any:
    """Databricks SQL text as a tree; UserError with the place when it is no SQL."""
    import logging

    import sqlglot
    from sqlglot.errors import ParseError, SqlglotError

    logger = logging.getLogger("sqlglot")
    disabled, logger.disabled = logger.disabled, True  # what it cannot parse we refuse ourselves, in one sentence
    try:
        tree = sqlglot.parse_one(text, read="databricks")
    except ParseError as error:
        first = error.errors[0] if error.errors else {}
        near = str(first.get("highlight", "")).strip()
        reason = str(first.get("description", error)).rstrip(".")
        raise UserError(
            f"[PARSE_SYNTAX_ERROR] Syntax error at or near '{near}' (line {first.get('line', 1)}, pos "
            f"{first.get('col', 0)}): {reason}"
        ) from error
    except SqlglotError as error:
        raise UserError(f"[PARSE_SYNTAX_ERROR] {error}") from error
    finally:
        logger.disabled = disabled
    return tree


def render(tree: Any) -> str:
    """A rewritten tree as DuckDB text; what DuckDB has no words for is refused, not left out."""
    from sqlglot.errors import ErrorLevel, UnsupportedError

    try:
        return str(tree.sql("duckdb", identify=True, unsupported_level=ErrorLevel.RAISE))
    except UnsupportedError as error:
        raise NotSupportedHere(f"the embedded SQL engine cannot do this: {error}") from error


def _parsed(request: Request) -> Step:
    """Statements whose tree says what they are."""
    from sqlglot import exp

    from dbutils_local.sql import changes, definitions

    if (copied := definitions.clone(request)) is not None:
        return copied
    tree = parse(_spelled_out(request))
    match tree:
        case exp.Query() | exp.Values() | exp.Table():
            return Query(query_text(tree, request.scope))
        case exp.Insert():
            return changes.insert(tree, request)
        case exp.Update():
            return changes.update(tree, request)
        case exp.Delete():
            return changes.delete(tree, request)
        case exp.Merge():
            return changes.merge(tree, request)
        case exp.TruncateTable():
            return changes.truncate(tree, request)
        case exp.Create():
            return definitions.create(tree, request)
    first = " ".join(request.words(2))
    raise NotSupportedHere(
        f"[PARSE_SYNTAX_ERROR] {first}: not a statement the embedded SQL engine knows; sql_engine = spark may"
    )


def _spelled_out(request: Request) -> str:
    """Two short forms sqlglot does not read, in their long form."""
    if request.words(2) == ("REPLACE", "TABLE"):
        return f"CREATE OR {request.text}"
    if request.words(1) == ("TABLE",):
        return f"SELECT * FROM {request.text[request.tokens[0].end :]}"
    return request.text


def query_text(tree: Any, scope: Scope) -> str:
    """A Databricks query tree as DuckDB text."""
    from sqlglot import exp

    if isinstance(tree, exp.Values):
        tree = exp.Select(expressions=[exp.Star()]).from_(tree)
    if isinstance(tree, exp.Table):
        tree = exp.Select(expressions=[exp.Star()]).from_(tree)
    return render(adapted(tree, scope))


def adapted(tree: Any, scope: Scope) -> Any:
    """A tree with tables in their places and expressions in DuckDB's terms."""
    from dbutils_local.sql.rewrite import rewritten
    from dbutils_local.sql.tables import placed

    return placed(rewritten(tree, scope), scope)


def expression_text(text: str, scope: Scope) -> str:
    """One Databricks expression as DuckDB text."""
    from sqlglot import exp

    select = adapted(parse(f"SELECT {text} AS dbutils_local_value"), scope)
    item = select.selects[0]
    return render(item.this if isinstance(item, exp.Alias) else item)


def type_text(text: str) -> str:
    """A Databricks type as DuckDB text."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    from dbutils_local.sql.rewrite import rewritten

    try:
        return render(rewritten(exp.DataType.build(text, dialect="databricks"), Scope()))
    except SqlglotError as error:
        raise UserError(f"[UNSUPPORTED_DATATYPE] Unsupported data type {text!r}") from error


# --- reading tokens -------------------------------------------------------------------------------------------------


class Cursor:
    """A hand that moves over the tokens of one statement."""

    def __init__(self, request: Request, skip: int = 0) -> None:
        self.request = request
        self.index = skip

    @property
    def done(self) -> bool:
        return self.index >= len(self.request.tokens)

    def peek(self, *words: str) -> bool:
        """Whether the next words are these."""
        tokens = self.request.tokens[self.index : self.index + len(words)]
        return tuple(token.word for token in tokens) == words

    def take(self, *words: str) -> bool:
        """Step over these words if they are next."""
        if self.peek(*words):
            self.index += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        """Step over these words, or say what was found in their place."""
        if not self.take(*words):
            raise UserError(f"[PARSE_SYNTAX_ERROR] Syntax error at or near '{self.found}': expected {' '.join(words)}")

    @property
    def found(self) -> str:
        return "end of input" if self.done else self.request.tokens[self.index].text

    def next(self) -> Token:
        """The next token."""
        if self.done:
            raise UserError("[PARSE_SYNTAX_ERROR] Syntax error at or near end of input")
        self.index += 1
        return self.request.tokens[self.index - 1]

    def name(self) -> list[str]:
        """A dotted name as its parts."""
        parts = [self._part()]
        while self.take("."):
            parts.append(self._part())
        return parts

    def _part(self) -> str:
        token = self.next()
        if token.kind is not Kind.NAME:
            raise UserError(f"[PARSE_SYNTAX_ERROR] Syntax error at or near '{token.text}': expected a name")
        return bare(token.text)

    def string(self) -> str:
        """A string literal's value."""
        token = self.next()
        if token.kind is not Kind.STRING:
            raise UserError(f"[PARSE_SYNTAX_ERROR] Syntax error at or near '{token.text}': expected a string in quotes")
        return unquote(token.text)

    def rest(self) -> str:
        """The text from here to the end; nothing is left after it."""
        start = self.request.tokens[self.index].start if not self.done else len(self.request.text)
        self.index = len(self.request.tokens)
        return self.request.text[start:]

    def group(self) -> str:
        """The text inside the parentheses that open here."""
        opening = self.index
        self.expect("(")
        end = _closing(self.request.tokens, opening)
        self.index = end + 1
        return self.request.text[self.request.tokens[opening].end : self.request.tokens[end].start]

    def end(self) -> None:
        """Nothing may be left."""
        if not self.done:
            raise UserError(f"[PARSE_SYNTAX_ERROR] Syntax error at or near '{self.found}'")

    def pairs(self) -> dict[str, str]:
        """`('key' = 'value', key value, ...)` as a dict."""
        inner = Request(text := self.group(), tuple(code(text)), self.request.scope)
        cursor, found = Cursor(inner), {}
        while not cursor.done:
            key = cursor.next()
            name = unquote(key.text) if key.kind is Kind.STRING else bare(key.text)
            while cursor.take("."):
                name += "." + bare(cursor.next().text)
            cursor.take("=")
            value = cursor.next()
            found[name] = unquote(value.text) if value.kind is Kind.STRING else value.text
            cursor.take(",")
        return found


def if_exists(cursor: Cursor) -> bool:
    """Step over IF EXISTS or IF NOT EXISTS."""
    return cursor.take("IF", "EXISTS") or cursor.take("IF", "NOT", "EXISTS")


def pattern_test(column: str, pattern: str | None) -> str:
    """The condition a SHOW statement's LIKE pattern means: `*` any text, `|` or, case ignored."""
    if pattern is None:
        return "true"
    regex = "|".join(
        ".*".join(re.escape(piece) for piece in re.split(r"[*%]", part.strip())) for part in pattern.split("|")
    )
    return f"regexp_full_match(lower({column}), {quote(regex.lower())})"
