"""The source format (.py .sql .scala .r with the header) to a Document and back, byte for byte (reference 7.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from dbutils_local.errors import UserError
from dbutils_local.notebooks.cells import is_markdown, magic_line
from dbutils_local.notebooks.document import Cell, CellType, Document, Language

_SEPARATOR = " COMMAND ----------"


def parse(text: str, language: Language, path: Path | None = None) -> Document:
    """The notebook in `text`; UserError when the first line is not the header."""
    lines = _lines(text)
    _require_header(lines, language, path)
    segments = _segments(lines, language)
    last = len(segments) - 1
    parts = [_part(segment, language, first=i == 0, last=i == last) for i, segment in enumerate(segments)]
    newline = "\r\n" if lines[0].endswith("\r\n") else "\n"
    document = Document(
        cells=tuple(part.cell for part in parts),
        language=language,
        path=path,
        script=parts[0].script,
        newline=newline,
    )
    return replace(document, cells=_with_layout(document, segments))


def render(document: Document) -> str:
    """The text of `document` in source format; cells read from such a file and not changed keep their bytes."""
    last = len(document.cells) - 1
    cells = document.cells or (Cell(""),)
    return "".join(
        cell.raw if cell.raw is not None and _still_says(cell, document, i, last) else _written(cell, document, i, last)
        for i, cell in enumerate(cells)
    )


def unwritable(document: Document) -> list[str]:
    """Sentences about cells that the source format cannot hold as they are: it has no way to escape its own marks."""
    return [
        f"cell {number}: {reason}"
        for number, cell in enumerate(document.cells, 1)
        for reason in _unwritable(cell, document.language)
    ]


def _unwritable(cell: Cell, language: Language) -> list[str]:
    mark = language.comment
    plain = _plain_lines(cell, language)
    reasons = []
    if any(line.startswith(mark + _SEPARATOR) for line in plain):
        reasons.append(f"a line reads '{mark}{_SEPARATOR}'; read back, the cell becomes two")
    if any(_magic_prefix(mark).match(line) for line in plain):
        reasons.append(f"a line begins with '{mark} MAGIC'; read back, the prefix is gone")
    if cell.title is None and _title(plain, language)[2]:
        reasons.append(f"its first line begins with '{mark} DBTITLE'; read back, it is the title")
    if cell.kind is CellType.RAW:
        reasons.append("a raw cell becomes a Markdown cell")
    return reasons


def _plain_lines(cell: Cell, language: Language) -> list[str]:
    lines = _typed(cell).split("\n")
    at = magic_line(lines, language)
    return lines if at is None else lines[:at]


def _lines(text: str) -> list[str]:
    # Not splitlines: a form feed or U+2028 inside a string is no line end to Databricks.
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _bare(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


def _require_header(lines: list[str], language: Language, path: Path | None) -> None:
    first = lines[0] if lines else ""
    if first.rstrip() == language.header:
        return
    hint = ""
    if first.startswith("\ufeff"):
        hint = " (the file starts with a byte order mark: save it as UTF-8 without one)"
    raise UserError(f"{path or 'text'}: not a notebook: first line is not '{language.header}'{hint}")


@dataclass(frozen=True)
class _Segment:
    """The header or a separator line, and everything up to the next separator."""

    lines: list[str]
    line: int  # 1-based line of its first line

    @property
    def raw(self) -> str:
        return "".join(self.lines)


def _segments(lines: list[str], language: Language) -> list[_Segment]:
    mark = language.comment + _SEPARATOR
    starts = [0, *(i for i, line in enumerate(lines) if i and line.startswith(mark))]
    return [_Segment(lines[a:b], a + 1) for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


@dataclass(frozen=True)
class _Part:
    cell: Cell
    script: str | None


def _part(segment: _Segment, language: Language, *, first: bool, last: bool) -> _Part:
    body = [_bare(line) for line in segment.lines[1:]]
    at = segment.line + 1
    script: str | None = None
    if first and (block := _script_block(body, language)):
        script = "\n".join(body[block[0] : block[1]])
        at += block[1]
        body = body[block[1] :]
    if body and not body[0].strip():
        body, at = body[1:], at + 1
    if not last and body and not body[-1].strip():
        body = body[:-1]
    title, shown, dropped = _title(body, language)
    source = "\n".join(_unprefixed(line, language) for line in body[dropped:])
    kind = CellType.MARKDOWN if is_markdown(source, language) else CellType.CODE
    return _Part(Cell(source, kind, title=title, show_title=shown, line=at + dropped), script)


def _script_block(body: list[str], language: Language) -> tuple[int, int] | None:
    start = next((i for i, line in enumerate(body) if line.strip()), None)
    if start is None or body[start].rstrip() != f"{language.comment} /// script":
        return None
    for end in range(start + 1, len(body)):
        if body[end].rstrip() == f"{language.comment} ///":
            return start, end + 1
        if not body[end].startswith(language.comment):
            return None
    return None


def _title(body: list[str], language: Language) -> tuple[str | None, bool, int]:
    for i, line in enumerate(body):
        found = re.match(rf"{re.escape(language.comment)} DBTITLE (\d+),(.*)$", line)
        if found:
            return found[2], found[1] != "0", i + 1
        if line.strip():
            break
    return None, True, 0


def _magic_prefix(mark: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(mark)} MAGIC(?: |$)")


def _unprefixed(line: str, language: Language) -> str:
    return _magic_prefix(language.comment).sub("", line, count=1)


def _with_layout(document: Document, segments: list[_Segment]) -> tuple[Cell, ...]:
    last = len(segments) - 1
    return tuple(
        cell if _written(cell, document, i, last) == segment.raw else replace(cell, raw=segment.raw)
        for i, (cell, segment) in enumerate(zip(document.cells, segments, strict=True))
    )


def _still_says(cell: Cell, document: Document, i: int, last: int) -> bool:
    """Whether the kept text still means what the cell says, at the place where the cell now stands."""
    lines = _lines(cell.raw or "")
    head = _bare(lines[0]) if lines else ""
    mark = document.language.comment
    fits = head.rstrip() == document.language.header if i == 0 else head.startswith(mark + _SEPARATOR)
    if not fits or (i < last and not lines[-1].endswith("\n")) or len(_segments(lines, document.language)) > 1:
        return False
    part = _part(_Segment(lines, 1), document.language, first=i == 0, last=i == last)
    return _meaning(part.cell) == _meaning(cell) and (i > 0 or part.script == document.script)


def _meaning(cell: Cell) -> tuple[object, ...]:
    return cell.source, cell.kind, cell.title, cell.show_title


def _typed(cell: Cell) -> str:
    # A raw cell is text for people; Markdown is the nearest thing the format has.
    return "%md\n" + cell.source if cell.kind is CellType.RAW else cell.source


def _written(cell: Cell, document: Document, i: int, last: int) -> str:
    language = document.language
    mark = language.comment
    body = _prefixed(_typed(cell).split("\n"), language)
    if cell.title is not None:
        body.insert(0, f"{mark} DBTITLE {int(cell.show_title)},{' '.join(cell.title.split(chr(10)))}")
    if i:
        head = [mark + _SEPARATOR, ""]
    else:
        head = [language.header, *(document.script.split("\n") if document.script is not None else [])]
        if not body[0].strip():
            head.append("")  # a blank line after the header is taken for decoration: the cell's own needs one more
    return "".join(line + document.newline for line in [*head, *body, *([""] if i < last else [])])


def _prefixed(lines: list[str], language: Language) -> list[str]:
    at = magic_line(lines, language)
    if at is None:
        return lines
    start = at if any(line.strip() for line in lines[:at]) else 0
    return lines[:start] + [
        f"{language.comment} MAGIC {line}" if line else f"{language.comment} MAGIC" for line in lines[start:]
    ]
