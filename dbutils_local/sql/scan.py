"""The lexer both engines share: where quotes, comments and statements begin and end in Databricks SQL text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest


class Kind(Enum):
    """What a stretch of SQL text is."""

    SPACE = "space"
    COMMENT = "comment"
    STRING = "string"
    NAME = "name"  # an identifier or keyword, bare or in backticks
    NUMBER = "number"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Token:
    """One stretch of text; `start` counts characters from 0. The texts of all tokens joined are the input."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        """The name without backticks, upper case: for keyword tests."""
        return self.text.strip("`").upper() if self.kind is Kind.NAME else self.text


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement without its semicolon; `line` counts from 1 in the text it came from."""

    text: str
    line: int


_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--[^\n]*)
  | (?P<block>/\*)
  | (?P<raw>[rR](?:'[^']*'|"[^"]*"))
  | (?P<string>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
  | (?P<dollar>(?P<tag>\$\w*\$)[\s\S]*?(?P=tag))
  | (?P<quoted>`(?:[^`]|``)*`)
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?:[lLsSyYdDfF]|[bB][dD])?(?!\w)|\.\d+(?:[eE][+-]?\d+)?)
  | (?P<name>[^\W\d]\w*|\d+\w+)
  | (?P<symbol>::|=>|->|<=>|<=|>=|<>|!=|==|\|\||\|>|[\s\S])
    """,
    re.VERBOSE | re.DOTALL,
)

_KINDS = {
    "space": Kind.SPACE,
    "comment": Kind.COMMENT,
    "raw": Kind.STRING,
    "string": Kind.STRING,
    "dollar": Kind.STRING,
    "quoted": Kind.NAME,
    "number": Kind.NUMBER,
    "name": Kind.NAME,
    "symbol": Kind.SYMBOL,
}


def tokens(text: str) -> Iterator[Token]:
    """Every stretch of `text` in order; an unclosed quote becomes a symbol, for the engine to complain about."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None  # the last alternative takes any character
        if match.lastgroup == "block" or text.startswith("/*", position):
            token = Token(Kind.COMMENT, text[position : _comment_end(text, position)], position)
        else:
            token = Token(_kind(match), match.group(), position)
        yield token
        position = token.end


def _kind(match: re.Match[str]) -> Kind:
    return next(kind for group, kind in _KINDS.items() if match.group(group) is not None)


def _comment_end(text: str, start: int) -> int:
    """Block comments nest in Databricks SQL."""
    depth, position = 0, start
    for match in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if match.group() == "/*" else -1
        position = match.end()
        if depth == 0:
            return position
    return len(text)


def code(text: str) -> list[Token]:
    """The tokens that mean something: no space, no comments."""
    return [token for token in tokens(text) if token.kind not in (Kind.SPACE, Kind.COMMENT)]


def split(text: str) -> list[Statement]:
    """The statements of `text`, split at semicolons outside quotes, comments, `$$` bodies and BEGIN ... END blocks."""
    found: list[Statement] = []
    start, depth, opening = 0, 0, True
    meaningful = code(text)
    for token, following in zip_longest(meaningful, meaningful[1:]):
        if token.text == ";" and depth == 0:
            found += _statement(text, start, token.start)
            start, opening = token.end, True
            continue
        depth = _depth(token, following, depth, opening)
        opening = False
    return found + _statement(text, start, len(text))


_COMPOUND = ("IF", "WHILE", "FOR", "LOOP", "REPEAT")


def _depth(token: Token, following: Token | None, depth: int, opening: bool) -> int:
    """Nesting of BEGIN ... END, which only a leading BEGIN starts; inside it CASE ... END nests too."""
    after = following.word if following is not None else ";"
    if opening:
        return 1 if token.word == "BEGIN" and after not in (";", "TRANSACTION", "WORK") else 0
    if depth and token.word in ("BEGIN", "CASE"):
        return depth + 1
    if depth and token.word == "END" and after not in _COMPOUND:
        return depth - 1
    return depth


def _statement(text: str, start: int, end: int) -> list[Statement]:
    piece = text[start:end]
    meaningful = code(piece)
    if not meaningful:
        return []
    return [Statement(piece.strip(), text.count("\n", 0, start + meaningful[0].start) + 1)]


def quote(text: str) -> str:
    """A SQL string literal, in the doubled-quote form DuckDB reads."""
    return "'" + text.replace("'", "''") + "'"


def single_marks(text: str) -> str:
    """The text with a doubled quote inside a string literal written as an escaped one, which every parser reads."""
    strings = [token for token in tokens(text) if token.kind is Kind.STRING and token.text[0] in "'\""]
    for token in reversed(strings):
        mark, inner = token.text[0], token.text[1:-1]
        if mark * 2 in inner:
            text = text[: token.start + 1] + inner.replace(mark * 2, "\\" + mark) + text[token.end - 1 :]
    return text


def named_values(text: str) -> str:
    """The text with `values` in backticks where it is a name: a list of rows follows the keyword, never these signs."""
    meaningful = code(text)
    edits = [
        token
        for token, following in zip_longest(meaningful, meaningful[1:])
        if token.word == "VALUES" and token.text[0] != "`" and _ends_a_name(following)
    ]
    for token in reversed(edits):
        text = f"{text[: token.start]}`{token.text}`{text[token.end :]}"
    return text


_BEHIND_A_NAME = frozenset({",", ")", "-", "->", ".", "[", "=", "+", "*", "/", "<", ">", "FROM", "AS", "IS"})


def _ends_a_name(following: Token | None) -> bool:
    return following is None or following.word in _BEHIND_A_NAME


def unquote(literal: str) -> str:
    """The value of a Databricks string literal: raw, dollar-quoted or with backslash escapes."""
    if literal[:1] in "rR" and literal[1:2] in "'\"":
        return literal[2:-1]
    if literal.startswith("$"):
        tag = literal[: literal.index("$", 1) + 1]
        return literal[len(tag) : -len(tag)]
    mark = literal[0]
    return _ESCAPE.sub(_unescaped, literal[1:-1].replace(mark * 2, "\\" + mark))


_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a", "%": "\\%", "_": "\\_"}


def _unescaped(match: re.Match[str]) -> str:
    what = match.group(1)
    if what[0] in "uU" and len(what) > 1:
        return chr(int(what[1:], 16))
    if len(what) == 3:
        return chr(int(what, 8))
    return _ESCAPED.get(what, what)


def bare(name: str) -> str:
    """An identifier without its backticks."""
    return name[1:-1].replace("``", "`") if name.startswith("`") else name
