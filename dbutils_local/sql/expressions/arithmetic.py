"""Arithmetic as Databricks has it: exact decimals, errors for division by zero, its types for what comes out."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.kinds import Type, digits_of, is_float, kind_of
from dbutils_local.sql.expressions.refusals import refusal
from dbutils_local.sql.expressions.trees import Rewrite, as_known, call, duck, kept_type
from dbutils_local.sql.scope import Scope

_ZERO_IS_ERROR = ("dbx_divide", "dbx_mod")


def divided(macro: str) -> Rewrite:
    """Division by zero is an error on Databricks and NULL in DuckDB; decimals are divided exactly."""

    def rule(node: Any, _: Scope) -> Any:
        if isinstance(node, exp.Div) and kind_of(node) == Type.DECIMAL and (exact := _quotient(node)) is not None:
            return exact
        if isinstance(node, exp.Mod) and kind_of(node) == Type.DECIMAL:
            return as_known(call(macro, node.this, node.expression), node)
        if macro in _ZERO_IS_ERROR and _surely_not_zero(node.expression):
            return node
        return call(macro, node.this, node.expression)

    return rule


def divided_safely(node: Any, _: Scope) -> Any:
    """try_divide: NULL where the divisor is zero, else the same as a division."""
    if kind_of(node) == Type.DECIMAL and digits_of(node.expression) is not None:
        divisor = kept_type(exp.func("nullif", node.expression, exp.Literal.number(0)), node.expression)
        return _quotient(kept_type(exp.Div(this=node.this, expression=divisor), node)) or node
    return node


def _surely_not_zero(node: Any) -> bool:
    divisor = node.unnest()
    return isinstance(divisor, exp.Literal) and not divisor.is_string and float(divisor.name) != 0


def _quotient(node: Any) -> Any | None:
    """A decimal quotient made of whole numbers: both sides without their points, moved to the scale of the result."""
    left, right, result = digits_of(node.this), digits_of(node.expression), digits_of(node)
    if left is None or right is None or result is None:
        return None
    (p1, s1), (p2, s2), (_, scale) = left, right, result
    shift = scale - s1 + s2
    whole = [
        call("dbx_unscaled", exp.cast(side, f"DECIMAL({max(digits, own)}, {own})"), _point(own), _power(max(moved, 0)))
        for side, digits, own, moved in ((node.this, p1, s1, shift), (node.expression, p2, s2, -shift))
    ]
    return as_known(call("dbx_quotient", *whole, _unit(scale)), node)


def _point(scale: int) -> Any:
    """What takes the point out of a decimal; itself a small decimal, for DuckDB is slow with wide ones."""
    return exp.cast(exp.Literal.number("1" + "0" * scale), f"DECIMAL({scale + 1}, 0)")


def _power(exponent: int) -> Any:
    return exp.cast(exp.Literal.number("1" + "0" * exponent), "HUGEINT", dialect="duckdb")


def _unit(scale: int) -> Any:
    """One in the last place of a decimal."""
    text = "0." + "0" * (scale - 1) + "1" if scale else "1"
    return exp.cast(exp.Literal.string(text), f"DECIMAL({max(scale, 1)}, {scale})")


def as_integer(node: Any, _: Scope) -> Any:
    """A function that gives INT on Databricks."""
    return kept_type(exp.cast(node.copy(), "INT"), node)


def as_double(node: Any, _: Scope) -> Any:
    """A function that gives DOUBLE on Databricks."""
    return kept_type(exp.cast(node.copy(), "DOUBLE"), node)


def whole(node: Any, _: Scope) -> Any:
    """floor and ceil: of a decimal a decimal, of other numbers a BIGINT."""
    if kind_of(node) == Type.DECIMAL:
        return as_known(_at_place(node), node)
    return node if node.args.get("decimals") is not None else kept_type(exp.cast(node.copy(), "BIGINT"), node)


def _at_place(node: Any) -> Any:
    """floor(x, n): DuckDB knows no places, so the number is moved and moved back."""
    places = node.args.get("decimals")
    if places is None:
        return node.copy()
    moved = exp.Mul(this=node.this, expression=call("pow", exp.Literal.number(10), places))
    return exp.Div(this=type(node)(this=moved), expression=call("pow", exp.Literal.number(10), places.copy()))


def rounded(node: Any, _: Scope) -> Any:
    """round: ties go away from zero by the digits one sees; a decimal has Databricks' digits."""
    places = node.args.get("decimals")
    if is_float(node.this):
        return call("dbx_round", node.this, places if places is not None else exp.Literal.number(0))
    if kind_of(node) == Type.DECIMAL:
        return as_known(node.copy(), node)
    return node


def bankers_rounded(node: Any) -> Any:
    """bround: ties go to the even digit."""
    value, *places = node.expressions
    round_ = call("round_even", value, places[0] if places else exp.Literal.number(0))
    size = digits_of(value) if kind_of(value) == Type.DECIMAL else None
    if size is None or (places and not places[0].name.isdigit()):
        return round_
    kept = min(size[1], int(places[0].name) if places else 0)
    return exp.cast(round_, f"DECIMAL({size[0] - size[1] + 1 + kept}, {kept})")


def combined(node: Any, _: Scope) -> Any:
    """The outermost of sums and products of decimals gets Databricks' digits."""
    if kind_of(node) != Type.DECIMAL or isinstance(node.parent, exp.Binary | exp.Paren | exp.Neg):
        return node
    return node if _would_overflow(node) else as_known(node.copy(), node)


def _would_overflow(node: Any) -> bool:
    digits = digits_of(node)
    return digits is None or digits[0] >= 38


def aggregated(node: Any, _: Scope) -> Any:
    """sum and avg of decimals are decimals; the cast goes around a window or filter, which stays with its function."""
    if isinstance(node.parent, exp.Filter | exp.Window) and node.parent.this is node:
        return node
    inner: Any = node
    while isinstance(inner, exp.Filter | exp.Window):
        inner = inner.this
    if isinstance(inner, exp.Sum | exp.Avg) and kind_of(inner) == Type.DECIMAL:
        return as_known(node.copy(), inner)
    if isinstance(inner, exp.RowNumber | exp.Rank | exp.DenseRank | exp.Ntile) and isinstance(node, exp.Window):
        return kept_type(exp.cast(node.copy(), "INT"), inner)
    return node


# Functions that give INT on Databricks and BIGINT in DuckDB.
INTEGER_KINDS: tuple[type, ...] = (
    *(exp.Year, exp.Quarter, exp.Month, exp.WeekOfYear, exp.Day, exp.DayOfMonth, exp.DayOfYear),
    *(exp.RegexpCount, exp.RegexpInstr, exp.Levenshtein, exp.BitwiseCount, exp.UnixDate),
)


def rand(node: Any, _: Scope) -> Any:
    """rand(); with a seed its numbers would differ, so that is refused."""
    if node.this is not None:
        raise refusal("rand")
    return call("random")


def percentile(node: Any, _: Scope) -> Any:
    """percentile and median lie between two values, so they are a DOUBLE of whatever number."""
    value = exp.cast(node.this, "DOUBLE")
    return call("quantile_cont", value, node.args.get("quantile") or exp.Literal.number("0.5"))


def counted_in_pivot(node: Any) -> Any:
    """A count inside PIVOT is NULL where there is no row at all."""
    if isinstance(node.this, exp.Star | exp.Literal):
        return exp.Sum(this=exp.Literal.number(1))
    return duck("sum(CASE WHEN :value IS NULL THEN 0 ELSE 1 END)", value=node.this)
