"""IDENTIFIER(expression) as the name its constant expression gives."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.errors import UserError
from dbutils_local.sql import parameters as params
from dbutils_local.sql.expressions.text import parse
from dbutils_local.sql.scan import bare, code
from dbutils_local.sql.scope import Scope
from dbutils_local.sql.statements.request import closing


def fold_identifiers(text: str, scope: Scope) -> str:
    """`IDENTIFIER(expression)` replaced by the name the constant expression gives."""
    tokens = code(text)
    edits = []
    for index, token in enumerate(tokens[:-1]):
        if token.word == "IDENTIFIER" and tokens[index + 1].text == "(":
            end = closing(tokens, index + 1)
            inner = text[tokens[index + 1].end : tokens[end].start]
            edits.append((token.start, tokens[end].end, _backticked(_constant_text(inner, scope))))
    return params.edited(text, edits)


def _backticked(name: str) -> str:
    return ".".join(f"`{bare(token.text)}`" for token in code(name) if token.text != ".")


def _constant_text(expression: str, scope: Scope) -> str:
    """The text of a constant expression: literals, `||`, concat, lower, upper and session variables."""

    def value(node: Any) -> str:
        match node:
            case exp.Literal():
                return str(node.this)
            case exp.Paren() | exp.Cast():
                return value(node.this)
            case exp.DPipe() | exp.Add():
                return value(node.this) + value(node.expression)
            case exp.Concat():
                return "".join(value(part) for part in node.expressions)
            case exp.Lower():
                return value(node.this).lower()
            case exp.Upper():
                return value(node.this).upper()
            case exp.Column() if node.name.lower() in scope.variables:
                return scope.variables[node.name.lower()].text
        raise UserError(
            f"[NOT_A_CONSTANT_STRING.NOT_CONSTANT] The expression {expression.strip()} used for the "
            "routine or table name is not a constant string"
        )

    return value(parse(expression))
