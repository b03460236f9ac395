"""Dates and times: days added to dates, Unix seconds, zones, sequences."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.trees import Rewrite, call, plain
from dbutils_local.sql.scope import Scope

_DAY_UNITS = ("DAY", "DAYS", "WEEK", "WEEKS", "MONTH", "MONTHS", "QUARTER", "QUARTERS", "YEAR", "YEARS")


def interval(macro: str) -> Rewrite:
    """A date plus whole days stays a date on Databricks."""

    def rule(node: Any, _: Scope) -> Any:
        value, interval = node.this, node.expression
        if isinstance(value, exp.Interval) and isinstance(node, exp.Add):
            value, interval = interval, value
        unit = interval.args.get("unit") if isinstance(interval, exp.Interval) else None
        if unit is None or isinstance(value, exp.Interval) or unit.name.upper() not in _DAY_UNITS or not plain(value):
            return node
        return call(macro, value, interval)

    return rule


def unix_timestamp(node: Any, _: Scope) -> Any:
    """unix_timestamp: whole seconds since 1970 in UTC, of now or of a text by its pattern."""
    if isinstance(node.this, exp.CurrentTimestamp) or (
        isinstance(node.this, exp.Anonymous) and node.this.name == "dbx_now"
    ):
        return call("dbx_unix_now")
    pattern = node.args.get("format")
    plain = pattern is None or "strict %Hstrict:%Mstrict:%Sstrict" in pattern.name
    if plain:
        return call("dbx_unix", node.this)
    parsed = exp.StrToTime(this=node.this, format=pattern)
    return call("dbx_unix", exp.cast(parsed, "TIMESTAMP", dialect="duckdb"))


def from_unixtime(node: Any, _: Scope) -> Any:
    """from_unixtime gives text in the session's zone, which is UTC."""
    stamp = exp.cast(
        call("make_timestamp", exp.Mul(this=exp.cast(node.this, "BIGINT"), expression=exp.Literal.number(1_000_000))),
        "TIMESTAMP",
        dialect="duckdb",
    )
    return exp.TimeToStr(this=stamp, format=node.args["format"])


def at_time_zone(node: Any, _: Scope) -> Any:
    """from_utc_timestamp: the clock of a zone at a UTC instant."""
    return call("dbx_from_utc", node.this, node.args["zone"])


def sequence(node: Any, _: Scope) -> Any:
    """sequence(start, end[, step]), down too when start is above end."""
    start, end, step = node.args["start"], node.args["end"], node.args.get("step")
    if not (plain(start) and plain(end)):
        return node
    return call("dbx_sequence", start, end, step) if step is not None else call("dbx_sequence_by_one", start, end)
