"""What a statement says by a value, put in as text before Spark reads it: `${conf}`, IDENTIFIER(...), read_files(...).

Spark finds such names and paths itself, but too late for them to be understood as Databricks' names and paths.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql.parameters import edited, string_literal
from dbutils_local.sql.scan import Kind, Token, bare, code, unquote

_VARIABLE = re.compile(r"\$\{(?:(?:spark|sparkconf|hivevar|hiveconf):)?([^}:]+)\}")
_ENDINGS = {"csv": "csv", "tsv": "csv", "json": "json", "jsonl": "json", "parquet": "parquet", "txt": "text"}
_INFERRING = frozenset({"csv", "xml"})  # formats whose types Spark infers only when asked


@dataclass(frozen=True)
class Reading:
    """One read_files(...): where, in which format, with which options of Spark's reader; `schema` as DDL."""

    path: str
    format: str
    options: dict[str, str] = field(default_factory=dict)
    schema: str | None = None
    rescued: str | None = "_rescued_data"  # the column of what did not fit: nothing is rescued here, so NULL


def with_variables(text: str, value: Callable[[str], str | None]) -> str:
    """Every `${name}` for which `value` knows a text replaced by it, also inside quotes, as Spark does."""
    if "${" not in text:
        return text
    return _VARIABLE.sub(lambda found: said if (said := value(found[1].strip())) is not None else found[0], text)


def with_identifiers(text: str, value: Callable[[str], str]) -> str:
    """Every IDENTIFIER(expression) replaced by the name it gives; `value` computes an expression that is no literal."""
    tokens = code(text)
    edits = [
        (tokens[start].start, tokens[end].end, _value_of(text, tokens[start + 2 : end], value))
        for start, end in _calls(tokens, "IDENTIFIER")
    ]
    return edited(text, edits)


def with_files(text: str, value: Callable[[str], str], relation: Callable[[Reading], str]) -> str:
    """Every read_files(...) replaced by `relation`, a table expression of Spark."""
    tokens = code(text)
    edits = []
    has_metadata = any(token.word == "_METADATA" for token in tokens)
    for start, end in _calls(tokens, "READ_FILES"):
        reading = _reading(list(_arguments(text, tokens[start + 2 : end], value)))
        # The hidden column of a file's own facts does not come through a subquery.
        plain = relation(reading)
        full = plain if has_metadata or reading.rescued is None else _with_rescued(plain, reading.rescued)
        edits.append((tokens[start].start, tokens[end].end, full))
    return edited(text, edits)


def direct(reading: Reading, path: str) -> str:
    """Files as a table expression: their format, the path on this machine, the options."""
    options = ", ".join(
        f"{string_literal(name)} = {string_literal(said)}" for name, said in sorted(reading.options.items())
    )
    return f"{reading.format}.`{path}`" + (f" WITH ({options})" if options else "")


def _with_rescued(relation: str, name: str) -> str:
    return f"(SELECT *, CAST(NULL AS STRING) AS `{name}` FROM {relation})"


def _calls(tokens: Sequence[Token], name: str) -> Iterator[tuple[int, int]]:
    """Where `name(` ... `)` stands: the index of the name and of its closing parenthesis."""
    for index, token in enumerate(tokens[:-1]):
        if token.word == name and token.kind is Kind.NAME and tokens[index + 1].text == "(":
            depth = 0
            for end in range(index + 1, len(tokens)):
                depth += {"(": 1, ")": -1}.get(tokens[end].text, 0)
                if depth == 0:
                    yield index, end
                    break


def _arguments(text: str, tokens: Sequence[Token], value: Callable[[str], str]) -> Iterator[tuple[str | None, str]]:
    """Name (None: by position) and value of every argument."""
    depth, start = 0, 0
    for index, token in enumerate([*tokens, None]):
        depth += 0 if token is None else {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token is None or (token.text == "," and depth == 0):
            part = tokens[start:index]
            if len(part) > 2 and part[1].text == "=>":
                yield bare(part[0].text).lower(), _value_of(text, part[2:], value)
            elif part:
                yield None, _value_of(text, part, value)
            start = index + 1


def _value_of(text: str, tokens: Sequence[Token], value: Callable[[str], str]) -> str:
    match tokens:
        case [Token(kind=Kind.STRING) as literal]:
            return unquote(literal.text)
        case [token] if token.word in ("TRUE", "FALSE") or token.kind is Kind.NUMBER:
            return token.text.lower()
        case []:
            raise UserError("an empty expression where a constant should stand")
    return value(text[tokens[0].start : tokens[-1].end])


def _reading(arguments: Sequence[tuple[str | None, str]]) -> Reading:
    given = {name or "path": said for name, said in arguments}
    path = given.pop("path", None)
    if path is None:
        raise UserError("read_files takes a path as its first argument")
    for name in ("schemahints", "schemalocation"):
        if name in given:
            raise NotSupportedHere(f"read_files: {name} is not done by local Spark: pass schema => '...' instead")
    kind = given.pop("format", "").lower() or _format_of(path)
    schema = given.pop("schema", None)
    rescued = given.pop("rescueddatacolumn", "_rescued_data")
    infers = given.pop("infercolumntypes", "true")
    if kind in _INFERRING and schema is None:
        given.setdefault("inferschema", infers)
    given.pop("schemaevolutionmode", None)  # of streams
    if "filenamepattern" in given:
        given["pathglobfilter"] = given.pop("filenamepattern")
    has_rescued = schema is None and kind not in ("text", "binaryfile")
    return Reading(path, kind, given, schema, rescued if has_rescued else None)


def _format_of(path: str) -> str:
    ending = path.removesuffix(".gz").rpartition(".")[2].lower()
    if ending not in _ENDINGS:
        raise UserError(f"read_files({path!r}): its name does not tell the format: pass format => 'csv' (or json, ...)")
    return _ENDINGS[ending]
