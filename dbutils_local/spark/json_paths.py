"""`column:a.b[0]` on a column of JSON text: Databricks takes it from STRING and VARIANT, Spark from VARIANT alone."""

from __future__ import annotations

from collections.abc import Sequence

from dbutils_local.sql.parameters import edited, markers, string_literal
from dbutils_local.sql.scan import Kind, Token, bare, code, unquote

SIGN = "COLUMN_IS_NOT_VARIANT_TYPE"  # Spark's word for a path on a column of text


def as_functions(text: str) -> str:
    """The statement with `get_json_object` for every path; a path that is a column of its own keeps its name."""
    tokens = code(text)
    marked = {marker.start for marker in markers(text)}
    edits: list[tuple[int, int, str]] = []
    index = 0
    while index < len(tokens):
        if tokens[index].text == ":" and tokens[index].start not in marked and index:
            first, (after, path, name) = _column(tokens, index), _path(tokens, index)
            if first is not None and path:
                column = text[tokens[first].start : tokens[index - 1].end]
                heading = f" AS `{name}`" if _is_column(tokens, first, after) else ""
                call = f"get_json_object({column}, {string_literal('$' + path)}){heading}"
                edits.append((tokens[first].start, tokens[after - 1].end, call))
                index = after
                continue
        index += 1
    return edited(text, edits)


def _column(tokens: Sequence[Token], colon: int) -> int | None:
    """Where the column before the colon starts: names chained by dots."""
    first = colon - 1
    if tokens[first].kind is not Kind.NAME:
        return None
    while first >= 2 and tokens[first - 1].text == "." and tokens[first - 2].kind is Kind.NAME:
        first -= 2
    return first


def _path(tokens: Sequence[Token], colon: int) -> tuple[int, str, str]:
    """The index behind the path, the path for get_json_object, and the last name in it."""
    index, path, name = colon, "", ""
    while index < len(tokens):
        match [token.text for token in tokens[index : index + 3]]:
            case [":" | ".", following, *_] if tokens[index + 1].kind is Kind.NAME:
                name = bare(following)
                path += f"['{name}']" if not name.isidentifier() else f".{name}"
                index += 2
            case [(":" | "."), "[", *_] if tokens[index].text == ":":
                index += 1
            case ["[", inside, "]"]:
                kind = tokens[index + 1].kind
                path += f"['{unquote(inside)}']" if kind is Kind.STRING else f"[{inside}]"
                name = unquote(inside) if kind is Kind.STRING else name
                index += 3
            case _:
                break
    return index, path, name


def _is_column(tokens: Sequence[Token], first: int, after: int) -> bool:
    """Whether it stands alone in the list of a SELECT, without a name of its own."""
    before = tokens[first - 1].word if first else ""
    behind = tokens[after].word if after < len(tokens) else ""
    return before in ("SELECT", ",", "DISTINCT") and behind in (",", "FROM", "") and _in_a_select_list(tokens, first)


def _in_a_select_list(tokens: Sequence[Token], index: int) -> bool:
    depth = 0
    for token in reversed(tokens[:index]):
        depth += {")": 1, "(": -1}.get(token.text, 0)
        if depth < 0 or (depth == 0 and token.word in ("BY", "FROM", "WHERE", "VALUES", "ON", "IN")):
            return False
        if depth == 0 and token.word == "SELECT":
            return True
    return False
