"""How values come into SQL text: named markers, legacy text substitution, getArgument, and the widget statements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

from dbutils_local.errors import UserError
from dbutils_local.sql.scan import Kind, Token, bare, code, tokens, unquote


class UnboundParameter(UserError):
    """A named marker for which nobody passed a value (UNBOUND_SQL_PARAMETER on Databricks)."""

    error_code = "UNBOUND_SQL_PARAMETER"


@dataclass(frozen=True, slots=True)
class Marker:
    """One `:name` in SQL text; `start` and `end` count characters from 0, the colon included."""

    name: str
    start: int
    end: int


# Words after which an expression starts although they look like names: `SELECT :p`, `LIMIT :n`.
_BEFORE_EXPRESSION = frozenset(
    {"SELECT", "DISTINCT", "ALL", "WHERE", "AND", "OR", "NOT", "ON", "IN", "LIKE", "ILIKE", "RLIKE"}
    | {"REGEXP", "BETWEEN", "CASE", "WHEN", "THEN", "ELSE", "LIMIT", "OFFSET", "HAVING", "BY", "SET"}
    | {"VALUES", "DEFAULT", "RETURN", "IS", "USING", "FROM", "AS", "LOCATION", "COMMENT", "INTERVAL"}
    | {"ESCAPE", "EXISTS", "TOP", "QUALIFY", "FILTER", "OVER", "DIV", "INTO", "IMMEDIATE", "VAR"}
    | {"VARIABLE", "PATH", "FORMAT", "DATE", "TIMESTAMP", "TABLESAMPLE", "REPLACE", "TABLE", "WITH"}
    | {"CHECK"}
)


def markers(text: str) -> list[Marker]:
    """The named parameter markers of `text`: a colon where an expression may start, with a name right behind it.

    Not markers: inside quotes and comments, `::` casts, `column:path` JSON access (reference 1.9).
    """
    found = []
    previous: Token | None = None
    stream = list(tokens(text))
    for token, following in zip_longest(stream, stream[1:]):
        if _is_marker(token, following, previous):
            assert following is not None
            found.append(Marker(following.text, token.start, following.end))
        if token.kind not in (Kind.SPACE, Kind.COMMENT):
            previous = token
    return found


def _is_marker(token: Token, following: Token | None, previous: Token | None) -> bool:
    if token.text != ":" or following is None or following.kind is not Kind.NAME or following.text.startswith("`"):
        return False
    return previous is None or _expression_may_start_after(previous)


def _expression_may_start_after(token: Token) -> bool:
    if token.kind is Kind.NAME:
        return not token.text.startswith("`") and token.word in _BEFORE_EXPRESSION
    return token.kind is Kind.SYMBOL and token.text not in (")", "]", "}", ":", ".")


_LEGACY = re.compile(r"\\\$|\$\\|\$\{(?P<braced>[^}]*)\}|\$(?P<plain>[A-Za-z_]\w*)")


def substitute_legacy(text: str, values: Mapping[str, str]) -> str:
    """`${n}` and `$n` replaced by the text of their values, also inside quotes (legacy, reference 1.9).

    A name nobody passed stays as it is: `$$` bodies and `$name` of other meanings must survive. `\\$` gives a plain
    `$`, and so does the older `$\\`.
    """

    def put(match: re.Match[str]) -> str:
        if match.group() in ("\\$", "$\\"):
            return "$"
        name = match.group("braced") if match.group("braced") is not None else match.group("plain")
        return values.get(name.strip(), match.group())

    return _LEGACY.sub(put, text)


_MUSTACHE = re.compile(r"\{\{\s*([^\s{}](?:[^{}]*[^\s{}])?)\s*\}\}")


def substitute_mustache(text: str, values: Mapping[str, str]) -> str:
    """`{{n}}` in the file of a SQL task replaced: by a string literal, inside quotes and backticks by the text.

    A name nobody passed stays as it is, and so does what stands in a comment.
    """
    if "{{" not in text:
        return text
    closed = [token for token in tokens(text) if token.kind in (Kind.STRING, Kind.COMMENT) or token.text[:1] == "`"]
    edits = []
    for match in _MUSTACHE.finditer(text):
        around = next((token for token in closed if token.start <= match.start() < token.end), None)
        if match[1] in values and (around is None or around.kind is not Kind.COMMENT):
            edits.append((match.start(), match.end(), _within(around, values[match[1]])))
    return edited(text, edits)


def _within(around: Token | None, value: str) -> str:
    if around is None:
        return string_literal(value)
    if around.text.startswith("`"):
        return value.replace("`", "``")
    quote = around.text[-1]
    return value.replace("\\", "\\\\").replace(quote, "\\" + quote)


def substitute_get_argument(text: str, values: Mapping[str, str]) -> str:
    """`getArgument("n")` replaced by a string literal of the value; a missing one is an error."""
    meaningful = code(text)
    edits: list[tuple[int, int, str]] = []
    for index, token in enumerate(meaningful[:-3]):
        opening, name, closing = meaningful[index + 1 : index + 4]
        if token.word == "GETARGUMENT" and opening.text == "(" and name.kind is Kind.STRING and closing.text == ")":
            edits.append((token.start, closing.end, string_literal(_value(unquote(name.text), values))))
    return edited(text, edits)


def bind_literals(text: str, values: Mapping[str, str]) -> str:
    """Every `:name` replaced by a string literal: a typed STRING value, never text.

    Raises UnboundParameter for a marker without a value.
    """
    return edited(text, [(mark.start, mark.end, string_literal(_value(mark.name, values))) for mark in markers(text)])


def _value(name: str, values: Mapping[str, str]) -> str:
    if name in values:
        return values[name]
    folded = {key.lower(): value for key, value in values.items()}
    if name.lower() in folded:
        return folded[name.lower()]
    raise UnboundParameter(
        f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {name}. "
        f"Define a widget of that name or pass a parameter {name!r}; known ones: {', '.join(sorted(values)) or 'none'}"
    )


def string_literal(value: str) -> str:
    """A Databricks string literal that holds exactly `value`."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    """`text` with each (start, end, replacement) applied; the stretches must not overlap."""
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


@dataclass(frozen=True, slots=True)
class CreateWidget:
    """`CREATE WIDGET kind name DEFAULT "v" [CHOICES query]`; `choices` is the query whose first column gives them."""

    kind: str  # text | dropdown | combobox | multiselect
    name: str
    default: str
    choices: str | None = None


@dataclass(frozen=True, slots=True)
class RemoveWidget:
    """`REMOVE WIDGET name`."""

    name: str


_WIDGET_KINDS = ("TEXT", "DROPDOWN", "COMBOBOX", "MULTISELECT")


def parse_widget_statement(sql: str) -> CreateWidget | RemoveWidget | None:
    """A widget statement as a record, None for any other; a malformed one raises UserError (reference 1.9)."""
    words = [token for token in code(sql) if token.text != ";"]
    head = [token.word for token in words[:2]]
    if head == ["REMOVE", "WIDGET"]:
        if len(words) != 3:
            raise UserError(f"expected REMOVE WIDGET <name>, found: {sql.strip()}")
        return RemoveWidget(_widget_name(words[2]))
    if head != ["CREATE", "WIDGET"]:
        return None
    return _create_widget(sql, words)


def _create_widget(sql: str, words: list[Token]) -> CreateWidget:
    form = 'CREATE WIDGET TEXT|DROPDOWN|COMBOBOX|MULTISELECT <name> DEFAULT "<text>" [CHOICES <query>]'
    if len(words) < 6 or words[2].word not in _WIDGET_KINDS or words[4].word != "DEFAULT":
        raise UserError(f"expected {form}, found: {sql.strip()}")
    kind, name, default, rest = words[2].word.lower(), _widget_name(words[3]), words[5], words[6:]
    if default.kind is not Kind.STRING:
        raise UserError(f"the default of widget {name} must be a string literal, found: {default.text}")
    if not rest:
        if kind != "text":
            raise UserError(f"widget {name} of kind {kind.upper()} needs CHOICES <query>: {form}")
        return CreateWidget(kind, name, unquote(default.text))
    if rest[0].word != "CHOICES" or kind == "text" or len(rest) < 2:
        raise UserError(f"expected {form}, found: {sql.strip()}")
    return CreateWidget(kind, name, unquote(default.text), _choices(sql[rest[1].start :].strip().rstrip(";").strip()))


def _choices(query: str) -> str:
    """The query behind CHOICES; round brackets may stand about it: `CHOICES (VALUES 'a', 'b')`."""
    words = code(query)
    if not words or words[0].text != "(" or words[-1].text != ")":
        return query
    inner = query[words[0].end : words[-1].start].strip()
    return f"SELECT * FROM ({inner})" if words[1].word == "VALUES" else inner


def _widget_name(token: Token) -> str:
    return unquote(token.text) if token.kind is Kind.STRING else bare(token.text)


def unbound(text: str, values: Mapping[str, str]) -> UnboundParameter | None:
    """The error for the first marker of `text` that has no value, None when all have one."""
    try:
        bind_literals(text, values)
    except UnboundParameter as error:
        return error
    return None


def bound_names(text: str, values: Mapping[str, str]) -> dict[str, str]:
    """The values of exactly the markers that `text` holds, by the name as it is written there."""
    return {mark.name: _value(mark.name, values) for mark in markers(text)}
