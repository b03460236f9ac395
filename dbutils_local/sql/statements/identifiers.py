"""IDENTIFIER(expression) as the name its constant expression gives."""

from __future__ import annotations

from sqlglot import exp

from dbutils_local.errors import UserError
from dbutils_local.sql import parameters as params
from dbutils_local.sql.expressions.text import parse
from dbutils_local.sql.scan import bare, code
from dbutils_local.sql.scope import Scope
from dbutils_local.sql.statements.adapted import expression_text
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
    """The text of a constant expression: of literals, parameters, session variables and functions of them."""
    tree = parse(expression)
    if isinstance(tree, exp.Literal):
        return str(tree.this)
    columns = [column for column in tree.find_all(exp.Column) if column.name.lower() not in scope.variables]
    found = scope.text_of(expression_text(expression, scope)) if not columns else None
    if found is None:
        raise UserError(
            f"[NOT_A_CONSTANT_STRING.NOT_CONSTANT] The expression {expression.strip()} used for the "
            "routine or table name is not a constant string"
        )
    return found
