"""Arithmetic as Databricks has it: division by zero is an error, whole results have its integer types."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.functions import refusal
from dbutils_local.sql.expressions.trees import Rewrite, call
from dbutils_local.sql.scope import Scope


def divided(macro: str) -> Rewrite:
    """Division by zero is an error on Databricks and NULL in DuckDB; a divisor plainly not zero needs no watch."""

    def rule(node: Any, _: Scope) -> Any:
        divisor = node.expression.unnest()
        if (
            isinstance(divisor, exp.Literal)
            and not divisor.is_string
            and float(divisor.name) != 0
            and macro != "dbx_div"
        ):
            return node
        return call(macro, node.this, node.expression)

    return rule


def as_integer(node: Any, _: Scope) -> Any:
    """A function that gives INT on Databricks."""
    # datediff(DAY, a, b) gives BIGINT, datediff(a, b) INT; sqlglot reads both alike, so the difference is lost.
    return exp.cast(node.copy(), "INT")


def whole(node: Any, _: Scope) -> Any:
    """floor and ceil of a number give BIGINT on Databricks."""
    return node if node.args.get("decimals") is not None else exp.cast(node.copy(), "BIGINT")


def window(node: Any, _: Scope) -> Any:
    """Ranking functions give INT on Databricks."""
    ranking = isinstance(node.this, exp.RowNumber | exp.Rank | exp.DenseRank | exp.Ntile)
    return exp.cast(node.copy(), "INT") if ranking else node


# Functions that give INT on Databricks and BIGINT in DuckDB.
INTEGER_KINDS: tuple[type, ...] = (
    *(exp.Year, exp.Quarter, exp.Month, exp.WeekOfYear, exp.Day, exp.DayOfMonth, exp.DayOfYear),
    *(exp.Hour, exp.Minute, exp.Second, exp.Length, exp.ArraySize, exp.StrPosition, exp.DateDiff),
)


def rand(node: Any, _: Scope) -> Any:
    """rand(); with a seed its numbers would differ, so that is refused."""
    if node.this is not None:
        raise refusal("rand")
    return call("random")
