"""What a cell's magics mean: the one place that knows `%run`, `%sql`, `%sh`, `%md`, `%pip` (reference 3, 7.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from dbutils_local.errors import UserError
from dbutils_local.notebooks.document import Language


class CellKind(Enum):
    """What has to happen with a cell; the value is the magic's word where there is one."""

    PYTHON = "python"  # also when IPython line magics stand in it
    SQL = "sql"
    SCALA = "scala"
    R = "r"
    MARKDOWN = "md"
    SHELL = "sh"
    FS = "fs"
    RUN = "run"
    PIP = "pip"
    RESTART = "restart_python"
    SKIP = "skip"
    CELL_MAGIC = "%%"  # an IPython cell magic; the body may be anything
    EMPTY = ""


# Magics that take the rest of their cell; every other single-% name is a line magic.
_WHOLE_CELL = {
    "sql": CellKind.SQL,
    "python": CellKind.PYTHON,
    "scala": CellKind.SCALA,
    "r": CellKind.R,
    "md": CellKind.MARKDOWN,
    "md-sandbox": CellKind.MARKDOWN,
    "sh": CellKind.SHELL,
    "fs": CellKind.FS,
    "skip": CellKind.SKIP,
}
_LINE = {"run": CellKind.RUN, "pip": CellKind.PIP, "uv": CellKind.PIP, "restart_python": CellKind.RESTART}
_OF_LANGUAGE = {
    Language.PYTHON: CellKind.PYTHON,
    Language.SQL: CellKind.SQL,
    Language.SCALA: CellKind.SCALA,
    Language.R: CellKind.R,
}
_BODY_LANGUAGE = {
    CellKind.PYTHON: Language.PYTHON,
    CellKind.SQL: Language.SQL,
    CellKind.SCALA: Language.SCALA,
    CellKind.R: Language.R,
}

REFUSED: Mapping[str, str] = {
    "conda": "%conda is gone from Databricks Runtime since 9.0 and is not done here: use %pip",
    "profile": "%%profile is not done here: use %%prun or %%time",
    "oprofile": "%%oprofile is not done here: use %%prun or %%time",
}
"""Magics that are refused, each with the sentence to say."""

SKIPPED_NOTE = "This cell starts with %skip and was not executed."

_MAGIC = re.compile(
    r"(?P<indent>\s*)(?P<marks>%%?)(?P<name>[A-Za-z_][\w.]*(?:-sandbox)?)(?=\s|$|(?<=%md)[^\w-])(?P<rest>.*)"
)
_ANY_COMMENT = ("#", "--", "//")


@dataclass(frozen=True, slots=True)
class ParsedCell:
    """A cell taken apart; line offsets count from 0 at the first line of the cell's source."""

    kind: CellKind
    magic: str | None = None  # without percent signs: "sql", "md-sandbox", "pip", "uv"
    argument: str = ""  # the rest of the magic's line, stripped
    body: str = ""  # the lines below the magic's line; without a magic, the whole source
    line: int = 0  # of the magic, or of the body where there is none
    body_line: int = 0

    @property
    def language(self) -> Language | None:
        """The language of `code`; None for shells, Markdown and the like."""
        return _BODY_LANGUAGE.get(self.kind)

    @property
    def code(self) -> str:
        """What is to be executed in the cell's language: text on the magic's line belongs to it."""
        return f"{self.argument}\n{self.body}" if self.argument and self.body else self.argument or self.body

    @property
    def code_line(self) -> int:
        """Line offset of the first line of `code`."""
        return self.line if self.argument else self.body_line


@dataclass(frozen=True, slots=True)
class LineMagic:
    """A `%name rest` line inside a Python cell; `line` counts from 0, `indented` tells one inside a block."""

    name: str
    argument: str
    line: int
    indented: bool = False


@dataclass(frozen=True, slots=True)
class WidgetRef:
    """`$a=$b`: the value of the caller's widget `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class RunCall:
    """A `%run` line: the path as written, without quotes, and the arguments by name."""

    path: str
    arguments: Mapping[str, str | WidgetRef] = field(default_factory=dict)


def magic_line(lines: Sequence[str], language: Language | None = None) -> int | None:
    """Index of the magic a cell starts with: blank and comment lines may stand above it (reference 7.1)."""
    marks = (language.comment,) if language else _ANY_COMMENT
    for i, line in enumerate(lines):
        if _MAGIC.match(line):
            return i
        text = line.strip()
        if text and not text.startswith(marks):
            return None
    return None


def is_markdown(source: str, language: Language | None = None) -> bool:
    """Whether the cell starts with `%md` or `%md-sandbox`."""
    lines = source.split("\n")
    at = magic_line(lines, language)
    found = _MAGIC.match(lines[at]) if at is not None else None
    return found is not None and found["marks"] == "%" and _WHOLE_CELL.get(found["name"]) is CellKind.MARKDOWN


def classify(source: str, language: Language = Language.PYTHON) -> ParsedCell:
    """Take a cell apart by the magic it starts with; without one it is in the notebook's `language`."""
    lines = source.split("\n")
    at = magic_line(lines, language)
    if at is None and language is not Language.PYTHON:
        at = magic_line(lines)  # a `#` comment above %python in a SQL notebook
    found = _MAGIC.match(lines[at]) if at is not None else None
    if at is None or found is None:
        kind = _OF_LANGUAGE[language] if source.strip() else CellKind.EMPTY
        return ParsedCell(kind, body=source)
    lines = _run_on_one_line(lines, at, found)
    found = _MAGIC.match(lines[at]) or found
    rest = "\n".join(lines[at + 1 :])
    return ParsedCell(_kind(found), found["name"], found["rest"].strip(), rest, line=at, body_line=at + 1)


def _run_on_one_line(lines: list[str], at: int, found: re.Match[str]) -> list[str]:
    """The lines with the path of a lone `%run` brought up from below it, so that their number stays."""
    below = [i for i, line in enumerate(lines) if i > at and line.strip()]
    if found["marks"] != "%" or found["name"] != "run" or found["rest"].strip() or not below:
        return lines
    path = lines[below[0]].strip()
    return [f"{line.rstrip()} {path}" if i == at else "" if i == below[0] else line for i, line in enumerate(lines)]


def _kind(found: re.Match[str]) -> CellKind:
    if found["marks"] == "%%":
        return CellKind.CELL_MAGIC
    name = found["name"]
    if name == "uv" and not re.match(r"\s+pip\b", found["rest"]):
        return CellKind.PYTHON
    return _WHOLE_CELL.get(name) or _LINE.get(name, CellKind.PYTHON)


def line_magics(source: str) -> list[LineMagic]:
    """The `%name` lines of a Python cell, in order; lines inside multi-line strings are not told apart."""
    return [
        LineMagic(found["name"], found["rest"].strip(), i, indented=bool(found["indent"]))
        for i, line in enumerate(source.split("\n"))
        if (found := _MAGIC.match(line)) and found["marks"] == "%"
    ]


def cell_to_python(source: str) -> str:
    """What IPython is to run for a cell as Databricks writes it; a pure input transformer (guides: single-% cells).

    `%sql`, `%md`, `%sh`, `%fs`, `%scala` and `%r` cells become `%%name` cells, their body untouched; `%python` cells
    become their body; `%skip` cells become one line that says so; a path below a lone `%run` comes up beside it.
    Everything else comes back as it was.
    """
    lines = source.split("\n")
    at = magic_line(lines)
    found = _MAGIC.match(lines[at]) if at is not None else None
    if at is None or found is None or found["marks"] != "%":
        return source
    if found["name"] not in _WHOLE_CELL:
        return "\n".join(_run_on_one_line(lines, at, found))
    rest, body = found["rest"], lines[at + 1 :]
    match _WHOLE_CELL[found["name"]]:
        case CellKind.PYTHON:
            # Blank lines instead of what was above: line numbers in tracebacks stay those of the cell.
            return "\n".join(["" for _ in lines[:at]] + [rest.strip(), *body])
        case CellKind.SKIP:
            return f"print({SKIPPED_NOTE!r})\n"
        case kind:
            # IPython refuses a cell magic whose body is empty.
            return "\n".join([f"%%{kind.value}{rest}", *(body if any(body) else ["", ""])])


_NAME = re.compile(r"\$(?P<name>[^\s=$\"']+)\s*=\s*")
_ARGUMENTS = re.compile(r"(?:^|\s)\$[^\s=$\"']+\s*=")


def parse_run(line: str) -> RunCall:
    """The `%run` line (with or without the `%run`) as a RunCall; UserError says what is wrong with it (reference 3)."""
    text = re.sub(r"^\s*%run\b", "", line).strip()
    if not text:
        raise UserError('%run: no notebook named; write %run ./notebook $name="value"')
    path, rest = _run_path(text, line)
    return RunCall(path, _run_arguments(rest, line))


def _run_path(text: str, line: str) -> tuple[str, str]:
    if text[0] in "\"'":
        value, rest = _quoted(text, line)
        if rest and not rest[0].isspace():
            raise UserError(f"%run: text directly after the quoted path in {line.strip()!r}")
        path = value.strip()
    else:
        found = _ARGUMENTS.search(text)
        end = found.start() if found else len(text)
        path, rest = text[:end].strip(), text[end:]
    if not path:
        raise UserError(f"%run: no notebook named before the arguments in {line.strip()!r}")
    return path, rest.strip()


def _run_arguments(rest: str, line: str) -> dict[str, str | WidgetRef]:
    arguments: dict[str, str | WidgetRef] = {}
    while rest:
        found = _NAME.match(rest)
        if not found:
            raise UserError(f'%run: cannot read {rest!r} in {line.strip()!r}; arguments are written $name="value"')
        if found["name"] in arguments:
            raise UserError(f"%run: argument ${found['name']} is given twice in {line.strip()!r}")
        value, rest = _run_value(rest[found.end() :], line)
        arguments[found["name"]] = value
    return arguments


def _run_value(text: str, line: str) -> tuple[str | WidgetRef, str]:
    if text[:1] in ("'", '"'):
        value, rest = _quoted(text, line)
        return value, rest.strip()
    word, _, rest = text.partition(" ") if text and not text[0].isspace() else ("", "", text)
    if re.fullmatch(r"\$[^\s=$]+", word):
        return WidgetRef(word[1:]), rest.strip()
    return word, rest.strip()


def _quoted(text: str, line: str) -> tuple[str, str]:
    quote = text[0]
    found = re.match(rf"{quote}((?:\\{quote}|[^{quote}])*){quote}", text)
    if not found:
        raise UserError(f"%run: the quote {quote} is not closed in {line.strip()!r}")
    return found[1].replace("\\" + quote, quote), text[found.end() :]
