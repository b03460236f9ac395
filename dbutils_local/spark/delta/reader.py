"""A place in a statement's tokens, and what is read there: words, names, groups, tables with their versions."""

from __future__ import annotations

from dbutils_local.spark.delta.statements import Ref
from dbutils_local.sql.scan import Kind, Token, bare, code, unquote


class Reader:
    """A place in a statement's tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = code(text)
        self.at = 0

    @property
    def done(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.tokens)

    def sees(self, *words: str) -> bool:
        """Whether these words come next; a quoted name is no word."""
        ahead = self.tokens[self.at : self.at + len(words)]
        return len(ahead) == len(words) and all(
            token.text.upper() == word for token, word in zip(ahead, words, strict=True)
        )

    def take(self, *words: str) -> bool:
        """Go past these words if they come next."""
        if not self.sees(*words):
            return False
        self.at += len(words)
        return True

    def next(self) -> Token:
        """The next token."""
        token = self.tokens[self.at]
        self.at += 1
        return token

    def name(self) -> str:
        """The next token as an identifier or a string."""
        token = self.next()
        return unquote(token.text) if token.kind is Kind.STRING else bare(token.text)

    def rest(self) -> str:
        """The text from here on."""
        return "" if self.done else self.text[self.tokens[self.at].start :]

    def group(self) -> tuple[int, int]:
        """The tokens between the parenthesis that comes next and its end: where they start and stop; goes past it."""
        depth, start = 0, self.at + 1
        while not self.done:
            token = self.next()
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if depth == 0:
                return start, self.at - 1
        return start, len(self.tokens)

    def inside(self) -> str:
        """The text of the group that comes next."""
        start, stop = self.group()
        return self.between(start, stop)

    def between(self, start: int, stop: int) -> str:
        """The text of some tokens."""
        return self.text[self.tokens[start].start : self.tokens[stop - 1].end] if start < stop else ""

    def names(self) -> tuple[str, ...]:
        """The identifiers of the group that comes next."""
        return tuple(bare(part.split()[0]) for part in parts(self.inside()))

    def ref(self) -> Ref:
        """A table, with the version that may stand behind it."""
        return self.at_time(self.plain_ref())

    def plain_ref(self) -> Ref:
        """A table, without looking for a version behind it."""
        start = self.at
        token = self.next()
        if token.kind is Kind.STRING:
            return Ref(path=unquote(token.text))
        while self.sees("."):
            self.at += 2
        return self._named(start)

    def _named(self, start: int) -> Ref:
        chain = self.tokens[start : self.at : 2]
        if len(chain) == 2 and chain[0].text.lower() in ("delta", "parquet") and chain[1].text.startswith("`"):
            return Ref(path=bare(chain[1].text))
        return Ref(self.between(start, self.at))

    def at_time(self, ref: Ref) -> Ref:
        """VERSION AS OF, TIMESTAMP AS OF, FOR VERSION AS OF, @v1 and @20240101000000000."""
        mark = self.at
        self.take("FOR")
        if self.take("VERSION", "AS", "OF") or self.take("SYSTEM_VERSION", "AS", "OF"):
            return Ref(ref.name, ref.path, int(unquote(t) if (t := self.next().text)[0] in "'\"" else t))
        if self.take("TIMESTAMP", "AS", "OF") or self.take("SYSTEM_TIME", "AS", "OF"):
            return Ref(ref.name, ref.path, timestamp=self._expression())
        self.at = mark
        if self.sees("@") and self.at + 1 < len(self.tokens):
            said = self.tokens[self.at + 1].text
            self.at += 2
            if said[:1] in "vV" and said[1:].isdigit():
                return Ref(ref.name, ref.path, int(said[1:]))
            shown = f"{said[:4]}-{said[4:6]}-{said[6:8]} {said[8:10]}:{said[10:12]}:{said[12:14]}.{said[14:]}"
            return Ref(ref.name, ref.path, timestamp=f"'{shown}'")
        return ref

    def _expression(self) -> str:
        """One value: a literal, a call, or either of them with what is added or subtracted."""
        start = self.at
        self._value()
        while not self.done and self.tokens[self.at].text in ("-", "+"):
            self.at += 1
            self._value()
        return self.between(start, self.at)

    def _value(self) -> None:
        if self.sees("INTERVAL"):
            self.at += 3
            return
        if self.sees("("):
            self.group()
            return
        token = self.next()
        if token.word in ("TIMESTAMP", "DATE") and not self.done and self.tokens[self.at].kind is Kind.STRING:
            self.at += 1
        elif token.kind is Kind.NAME and self.sees("("):
            self.group()


def parts(text: str) -> list[str]:
    """The pieces of a list, parted at commas outside parentheses and angle brackets."""
    pieces, depth, start = [], 0, 0
    found = code(text)
    for token in found:
        depth += {"(": 1, ")": -1, "<": 1, ">": -1, "[": 1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            pieces.append(text[start : token.start])
            start = token.end
    return [piece.strip() for piece in [*pieces, text[start:]] if code(piece)]


def quoted_value(text: str) -> str:
    """A string literal for Spark."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
