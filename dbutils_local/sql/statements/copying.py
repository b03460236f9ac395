"""COPY INTO: what it names, read into a step."""

from __future__ import annotations

from itertools import pairwise

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql import steps
from dbutils_local.sql.expressions.text import parse
from dbutils_local.sql.names import place
from dbutils_local.sql.scan import Kind, code, unquote
from dbutils_local.sql.statements.adapted import query_text
from dbutils_local.sql.statements.request import Cursor, Request
from dbutils_local.sql.steps import Step


def copy_into(request: Request) -> Step:
    """COPY INTO t FROM 'path' | (SELECT ... FROM 'path') FILEFORMAT = ... and what may follow."""
    cursor = Cursor(request, 2)
    parts = cursor.name()
    if cursor.peek("("):
        raise NotSupportedHere(
            "COPY INTO with a column list is not done by the embedded SQL engine: use COPY INTO t FROM "
            "(SELECT ... FROM path)"
        )
    if cursor.take("BY", "POSITION"):
        raise NotSupportedHere("COPY INTO ... BY POSITION is not done by the embedded SQL engine")
    cursor.expect("FROM")
    select, path = _copy_source(cursor)
    if cursor.take("WITH"):
        raise NotSupportedHere("COPY INTO ... WITH (CREDENTIAL ...) is not done by the embedded SQL engine")
    cursor.expect("FILEFORMAT")
    cursor.take("=")
    kind = cursor.next().text
    files: tuple[str, ...] = ()
    pattern, options, copy = None, {}, {}
    while not cursor.done:
        if cursor.take("FILES"):
            cursor.take("=")
            files = tuple(unquote(token.text) for token in code(cursor.group()) if token.kind is Kind.STRING)
        elif cursor.take("PATTERN"):
            cursor.take("=")
            pattern = cursor.string()
        elif cursor.take("FORMAT_OPTIONS"):
            options = cursor.pairs()
        elif cursor.take("COPY_OPTIONS"):
            copy = {key.lower(): value for key, value in cursor.pairs().items()}
        elif cursor.peek("VALIDATE"):
            raise NotSupportedHere("COPY INTO ... VALIDATE is not done by the embedded SQL engine")
        else:
            cursor.end()
    scope = request.scope
    return steps.CopyInto(
        table=place(parts, scope),
        catalog=parts[0] if len(parts) == 3 else scope.catalog,
        path=path,
        pattern=pattern,
        files=files,
        format=kind,
        options=options,
        select=select,
        force=copy.get("force", "false").lower() == "true",
        merge_schema=copy.get("mergeschema", "false").lower() == "true",
    )


def _copy_source(cursor: Cursor) -> tuple[str | None, str]:
    """`'path'`, or `(SELECT ... FROM 'path')` as a query over a placeholder."""
    if not cursor.peek("("):
        return None, cursor.string()
    inner = cursor.group()
    tokens = code(inner)
    for before, token in pairwise(tokens):
        if before.word == "FROM" and token.kind is Kind.STRING:
            text = inner[: token.start] + steps.SOURCE + inner[token.end :]
            return query_text(parse(text), cursor.request.scope), unquote(token.text)
    raise UserError("[PARSE_SYNTAX_ERROR] COPY INTO: expected (SELECT ... FROM 'path')")
