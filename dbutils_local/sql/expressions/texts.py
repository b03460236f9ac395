"""Text functions: numbers taken as text, patterns with Java's signs, formats with Java's letters."""

from __future__ import annotations

import re
from typing import Any

from sqlglot import exp

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.expressions.kinds import Type, is_float, kind_of
from dbutils_local.sql.expressions.trees import Rewrite, call, duck, kept_type
from dbutils_local.sql.scope import Scope

_AS_TEXT = {Type.TEXT, Type.VARCHAR, Type.BINARY, None}


def as_text(node: Any) -> Any:
    """The node as text where it is known to be something else."""
    if is_float(node):
        return call("dbx_string", node)
    kind = kind_of(node)
    if kind in _AS_TEXT or kind in (Type.ARRAY, Type.LIST, Type.MAP, Type.STRUCT):
        return node
    return kept_type(exp.cast(node, "TEXT"), exp.Literal.string(""))


def on_text(*names: str) -> Rewrite:
    """A function whose arguments of these names are text, whatever is given."""

    def rule(node: Any, _: Scope) -> Any:
        for name in names:
            if node.args.get(name) is not None:
                node.set(name, as_text(node.args[name]))
        return node

    return rule


def substring(node: Any, _: Scope) -> Any:
    """substring counts from 1, takes 0 for 1 and negative places from the end."""
    text, length = as_text(node.this), node.args.get("length")
    if length is None:
        return call("dbx_substring", text, node.args["start"])
    return call("dbx_substring3", text, node.args["start"], length)


def length(node: Any, _: Scope) -> Any:
    """length is an INT, of a number the length of its text."""
    return kept_type(exp.cast(exp.Length(this=as_text(node.this)), "INT"), node)


def position(node: Any, _: Scope) -> Any:
    """instr, locate, position, charindex: an INT, counted from 1, 0 where there is none."""
    for name in ("this", "substr"):
        node.set(name, as_text(node.args[name]))
    return kept_type(exp.cast(node.copy(), "INT"), node)


def joined(node: Any, _: Scope) -> Any:
    """concat and `||`: floating point numbers are written as Java writes them."""
    if isinstance(node, exp.Concat):
        node.set("expressions", [call("dbx_string", part) if is_float(part) else part for part in node.expressions])
        return node
    for side in ("this", "expression"):
        if is_float(node.args[side]):
            node.set(side, call("dbx_string", node.args[side]))
    return node


def replaced(node: Any, _: Scope) -> Any:
    """replace(text, search[, replacement]): without one the search text goes."""
    for name in ("this", "expression", "replacement"):
        part = node.args.get(name)
        node.set(name, as_text(part) if part is not None else exp.Literal.string(""))
    return node


def reversed_(node: Any, _: Scope) -> Any:
    """reverse turns arrays round too."""
    if kind_of(node.this) in (Type.ARRAY, Type.LIST):
        return call("list_reverse", node.this)
    node.set("this", as_text(node.this))
    return node


def like(node: Any, _: Scope) -> Any:
    """LIKE takes a backslash before a sign for the sign itself."""
    pattern = node.expression
    if isinstance(node.parent, exp.Escape):
        return node
    if isinstance(pattern, exp.Literal) and "\\" in pattern.name:
        return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))
    return node


def regexp_replaced(node: Any, _: Scope) -> Any:
    """A replacement names groups `$1` in Java and `\\1` in DuckDB."""
    node.set("this", as_text(node.this))
    replacement = node.args.get("replacement")
    if isinstance(replacement, exp.Literal):
        node.set("replacement", exp.Literal.string(_groups_named(replacement.name)))
    elif replacement is not None:
        node.set("replacement", call("dbx_groups", replacement))
    return node


_GROUP = re.compile(r"\\(.)|\$(\d)|(\\)", re.DOTALL)


def _groups_named(text: str) -> str:
    def put(match: re.Match[str]) -> str:
        escaped, group, _ = match.groups()
        if group is not None:
            return f"\\{group}"
        return "\\\\" if escaped in ("\\", None) else escaped

    return _GROUP.sub(put, text)


def split(node: Any, _: Scope) -> Any:
    """split(text, pattern[, limit]): with a limit the last part keeps the rest."""
    node.set("this", as_text(node.this))
    limit = node.args.get("limit")
    if limit is None or limit.name in ("-1", "0") or isinstance(limit, exp.Neg):
        node.set("limit", None)
        return node
    pattern = node.expression
    if not isinstance(pattern, exp.Literal) or not isinstance(limit, exp.Literal):
        raise NotSupportedHere("split with a limit needs constants on the embedded SQL engine")
    sign = re.sub(r"\\(\W)", r"\1", pattern.name)
    if re.escape(sign) not in (pattern.name, re.escape(pattern.name)):
        raise NotSupportedHere("split with a limit needs a plain separator on the embedded SQL engine")
    return kept_type(call("dbx_split_limit", node.this, exp.Literal.string(sign), limit), node)


def overlaid(node: Any, _: Scope) -> Any:
    """overlay(text PLACING new FROM place [FOR length])."""
    new, place = node.expression, node.args["from_"]
    size = node.args.get("for_")
    return call("dbx_overlay", node.this, new, place, size if size is not None else call("length", new.copy()))


def first_match(node: Any, _: Scope) -> Any:
    """regexp_substr gives NULL where nothing matches."""
    return duck("nullif(regexp_extract(:a, :b), '')", a=as_text(node.this), b=node.expression)


# --- format_string --------------------------------------------------------------------------------------------------

_SPECIFIER = re.compile(r"%(?:(?P<plain>[%n])|(?P<flags>[-0+]*)(?P<width>\d*)(?P<point>\.\d+)?(?P<kind>[sdfeEgxXc]))")


def formatted(node: Any, _: Scope) -> Any:
    """format_string and printf with the signs Java and C share; others are refused by name."""
    pattern, arguments = node.this, list(node.expressions)
    if not isinstance(pattern, exp.Literal):
        raise NotSupportedHere("format_string needs its pattern as a string literal on the embedded SQL engine")
    left = _SPECIFIER.sub("", pattern.name)
    kinds = [match.group("kind") for match in _SPECIFIER.finditer(pattern.name) if match.group("kind")]
    if "%" in left or len(kinds) != len(arguments):
        raise NotSupportedHere(f"the pattern {pattern.name!r} of format_string is not known to the embedded SQL engine")
    casts = {"s": "TEXT", "c": "TEXT", "d": "BIGINT", "x": "BIGINT", "X": "BIGINT"}
    given = [
        as_java_text(argument) if kind in "sc" else exp.cast(argument, casts.get(kind, "DOUBLE"))
        for kind, argument in zip(kinds, arguments, strict=True)
    ]
    return call("printf", exp.Literal.string(pattern.name.replace("%n", "\n")), *given)


def as_java_text(node: Any) -> Any:
    """Anything as text, NULL as the word."""
    text = node if kind_of(node) == Type.TEXT else call("dbx_string", node)
    return exp.func("coalesce", text, exp.Literal.string("null"))
