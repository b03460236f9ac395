"""One statement on its way to a step, and the hand that reads it word by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbutils_local.errors import UserError
from dbutils_local.sql.scan import Kind, Token, bare, code, unquote
from dbutils_local.sql.scope import Scope


@dataclass(frozen=True)
class Request:
    """One statement on its way: its text with parameters bound, its meaningful tokens, and the session it is for."""

    text: str
    tokens: tuple[Token, ...]
    scope: Scope

    def words(self, count: int) -> tuple[str, ...]:
        """The first `count` words, upper case."""
        return tuple(token.word for token in self.tokens[:count])


def closing(tokens: Sequence[Token], opening: int) -> int:
    """The index of the parenthesis that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        if depth == 0:
            return index
    raise UserError("[PARSE_SYNTAX_ERROR] a parenthesis is never closed")


class Cursor:
    """A hand that moves over the tokens of one statement."""

    def __init__(self, request: Request, skip: int = 0) -> None:
        self.request = request
        self.index = skip

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
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
        """What stands here, for messages."""
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
        end = closing(self.request.tokens, opening)
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
