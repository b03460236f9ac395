"""Session variables and the text run from them: DECLARE, SET VAR, DROP VARIABLE, EXECUTE IMMEDIATE."""

from __future__ import annotations

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.expressions.text import parse, type_text
from dbutils_local.sql.scan import Kind, code, quote, unquote
from dbutils_local.sql.statements.adapted import expression_text, query_text
from dbutils_local.sql.statements.request import Cursor, Request, if_exists
from dbutils_local.sql.steps import Assign, Declare, DropVariable, RunText, Step


def declare(request: Request) -> Step:
    """DECLARE [OR REPLACE] [VARIABLE] name, ... [type] [DEFAULT value]."""
    cursor = Cursor(request, 1)
    replace = cursor.take("OR", "REPLACE")
    cursor.take("VARIABLE")
    names = [cursor.name()[-1]]
    while cursor.take(","):
        names.append(cursor.name()[-1])
    start = request.tokens[cursor.index].start if not cursor.done else len(request.text)
    kind_end, value_start = len(request.text), None
    depth = 0
    for token in request.tokens[cursor.index :]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and (token.word == "DEFAULT" or token.text == "="):
            kind_end, value_start = token.start, token.end
            break
    kind = request.text[start:kind_end].strip()
    value = expression_text(request.text[value_start:], request.scope) if value_start is not None else "NULL"
    return Declare(tuple(names), type_text(kind) if kind else None, value, replace)


def set_variable(request: Request) -> Step:
    """SET VAR a = 1, b = 2, or SET VAR (a, b) = (query)."""
    cursor = Cursor(request, 2)
    if cursor.peek("("):
        inner = cursor.group()
        cursor.expect("=")
        query = query_text(parse(cursor.group()), request.scope)
        return Assign(tuple(token.text.strip("`").lower() for token in code(inner) if token.kind is Kind.NAME), query)
    names, values = [], []
    for piece in _pieces(cursor.rest()):
        name, value = piece.split("=", 1)
        names.append(name.strip().strip("`").split(".")[-1].lower())
        values.append(
            f"DEFAULT_OF:{names[-1]}" if value.strip().upper() == "DEFAULT" else expression_text(value, request.scope)
        )
    if any(value.startswith("DEFAULT_OF:") for value in values):
        raise NotSupportedHere("SET VAR ... = DEFAULT is not done by the embedded SQL engine: give the value")
    return Assign(tuple(names), "SELECT " + ", ".join(values))


def _pieces(text: str) -> list[str]:
    """The text split at commas outside parentheses and quotes."""
    pieces, depth, start = [], 0, 0
    for token in code(text):
        depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            pieces.append(text[start : token.start])
            start = token.end
    return [*pieces, text[start:]]


def drop_variable(request: Request) -> Step:
    """DROP TEMPORARY VARIABLE [IF EXISTS] name."""
    cursor = Cursor(request, 3)
    lenient = if_exists(cursor)
    name = cursor.name()[-1]
    cursor.end()
    return DropVariable(name.lower(), lenient)


def execute_immediate(request: Request) -> Step:
    """EXECUTE IMMEDIATE text [INTO variables] [USING arguments]."""
    cursor = Cursor(request, 2)
    token = cursor.next()
    text = quote(unquote(token.text)) if token.kind is Kind.STRING else expression_text(token.text, request.scope)
    into: tuple[str, ...] = ()
    if cursor.take("INTO"):
        names = [cursor.name()[-1].lower()]
        while cursor.take(","):
            names.append(cursor.name()[-1].lower())
        into = tuple(names)
    arguments: list[tuple[str | None, str]] = []
    if cursor.take("USING"):
        rest = cursor.group() if cursor.peek("(") and request.tokens[-1].text == ")" else cursor.rest()
        arguments = [_argument(piece, request) for piece in _pieces(rest)]
    cursor.end()
    return RunText(text, tuple(arguments), into)


def _argument(piece: str, request: Request) -> tuple[str | None, str]:
    words = code(piece)
    if len(words) > 2 and words[-2].word == "AS":
        return words[-1].text.strip("`"), expression_text(piece[: words[-2].start], request.scope)
    return None, expression_text(piece, request.scope)
