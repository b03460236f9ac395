"""Dates and times: read and written by patterns, moved by days and months, told apart by units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.expressions import patterns
from dbutils_local.sql.expressions.arithmetic import combined
from dbutils_local.sql.expressions.kinds import Type, is_integer, kind_of
from dbutils_local.sql.expressions.trees import Rewrite, call, kept_type, plain
from dbutils_local.sql.scope import Scope

_DAY_UNITS = ("DAY", "DAYS", "WEEK", "WEEKS", "MONTH", "MONTHS", "QUARTER", "QUARTERS", "YEAR", "YEARS")


def as_timestamp(node: Any) -> Any:
    """The node as a timestamp, cast as Databricks casts where it is not known to be one."""
    if kind_of(node) == Type.TIMESTAMP:
        return node
    if kind_of(node) == Type.DATE:
        return exp.cast(node, "TIMESTAMP", dialect="duckdb")
    return call("dbx_timestamp", node)


def as_date(node: Any) -> Any:
    """The node as a date, cast as Databricks casts where it is not known to be one."""
    if kind_of(node) == Type.DATE:
        return node
    return exp.cast(node, "DATE") if kind_of(node) == Type.TIMESTAMP else call("dbx_date", node)


def date_of(node: Any, _: Scope) -> Any:
    """What sqlglot marks as a date made of anything."""
    return as_date(node.this)


def of_timestamp(node: Any, _: Scope) -> Any:
    """hour, minute, second: of text too, and an INT."""
    node.set("this", as_timestamp(node.this))
    return kept_type(exp.cast(node.copy(), "INT"), node)


def truncated(node: Any, _: Scope) -> Any:
    """date_trunc gives a timestamp whatever it is given."""
    unit = exp.Literal.string(node.args["unit"].name.lower())
    return call("date_trunc", unit, as_timestamp(node.this))


def interval(macro: str) -> Rewrite:
    """A date plus whole days stays a date on Databricks; two dates are an interval apart."""

    def rule(node: Any, scope: Scope) -> Any:
        value, moved = node.this, node.expression
        if isinstance(value, exp.Interval) and isinstance(node, exp.Add):
            value, moved = moved, value
        if isinstance(moved, exp.Interval):
            return _moved(node, macro, value, moved)
        if isinstance(node, exp.Sub) and kind_of(value) == kind_of(moved) == Type.DATE:
            return call("to_days", exp.cast(exp.Paren(this=node.copy()), "INT"))
        return combined(_as_number(node), scope)

    return rule


def _moved(node: Any, macro: str, value: Any, by: Any) -> Any:
    unit = by.args.get("unit")
    if unit is None or isinstance(value, exp.Interval) or unit.name.upper() not in _DAY_UNITS:
        return node
    if kind_of(value) == Type.DATE:
        return exp.cast(exp.Paren(this=node.copy()), "DATE")
    return call(macro, value, by) if plain(value) else node


def _as_number(node: Any) -> Any:
    """Text beside a number is a number: a BIGINT beside a whole one, else a DOUBLE."""
    for side, other in (("this", "expression"), ("expression", "this")):
        text, number = node.args[side], node.args[other]
        if kind_of(text) == Type.TEXT and kind_of(number) in (*_NUMBERS, Type.DOUBLE, Type.FLOAT, Type.DECIMAL):
            node.set(side, call("dbx_cast_bigint", text) if is_integer(number) else exp.cast(text, "DOUBLE"))
    return node


_NUMBERS = (Type.TINYINT, Type.SMALLINT, Type.INT, Type.BIGINT)


def at_time_zone(node: Any, _: Scope) -> Any:
    """from_utc_timestamp: the clock of a zone at a UTC instant."""
    return call("dbx_from_utc", node.this, node.args["zone"])


def sequence(node: Any, _: Scope) -> Any:
    """sequence(start, end[, step]), down too when start is above end."""
    start, end, step = node.args["start"], node.args["end"], node.args.get("step")
    if not (plain(start) and plain(end)):
        return node
    listed = call("dbx_sequence", start, end, step) if step is not None else call("dbx_sequence_by_one", start, end)
    small = kind_of(start) == Type.INT and kind_of(end) == Type.INT and (step is None or kind_of(step) == Type.INT)
    return kept_type(exp.cast(listed, "INT[]", dialect="duckdb"), node) if small else listed


def months_between(node: Any, _: Scope) -> Any:
    """months_between, rounded to eight digits unless asked not to."""
    exact = node.args.get("roundoff")
    if isinstance(exact, exp.Boolean) and not exact.this:
        return node
    return call("round", node.copy(), exp.Literal.number(8))


def extracted(node: Any, _: Scope) -> Any:
    """extract(field FROM source) and date_part('field', source)."""
    return _field(node.this.name, node.expression)


def _field(name: str, source: Any) -> Any:
    match name.lower():
        case "dow" | "dayofweek":
            return call("dbx_dayofweek", source)
        case "dow_iso" | "dayofweek_iso":
            return exp.cast(call("isodow", as_date(source)), "INT")
        case "second" | "seconds" | "sec" | "s":
            return call("dbx_seconds", as_timestamp(source))
    value = source if kind_of(source) == Type.INTERVAL else as_timestamp(source)
    return exp.cast(call("date_part", exp.Literal.string(name.lower()), value), "INT")


# --- functions read as they are written -----------------------------------------------------------------------------


def _pattern(node: Any, function: str) -> str:
    if not isinstance(node, exp.Literal) or not node.is_string:
        raise NotSupportedHere(f"{function} needs its pattern as a string literal on the embedded SQL engine")
    return str(node.this)


def _written(time: Any, pattern: str) -> Any:
    """A time written by a pattern; the quarter is written by itself, strftime does not know it."""
    pieces = patterns.written(pattern).split(patterns.QUARTER)
    parts = [
        call("strftime", time.copy(), exp.Literal.string(piece)) if piece else exp.Literal.string("")
        for piece in pieces
    ]
    quarter = exp.cast(call("quarter", time.copy()), "TEXT")
    whole = parts[0]
    for part in parts[1:]:
        whole = exp.DPipe(this=exp.DPipe(this=whole, expression=quarter.copy()), expression=part)
    return exp.Paren(this=whole) if len(parts) > 1 else whole


def _read(text: Any, pattern: str, lenient: bool) -> Any:
    """Text read by a pattern as a timestamp; what does not fit is an error, or NULL for the try_ functions."""
    if kind_of(text) in (Type.DATE, Type.TIMESTAMP):
        return as_timestamp(text)
    read = call(
        "try_strptime" if lenient else "strptime", exp.cast(text, "TEXT"), exp.Literal.string(patterns.read(pattern))
    )
    time = exp.cast(read, "TIMESTAMP", dialect="duckdb")
    return call("dbx_this_century", time) if patterns.two_digit_year(pattern) else time


def date_format(node: Any) -> Any:
    """date_format(time, pattern)."""
    time, pattern = node.expressions
    return _written(as_timestamp(time), _pattern(pattern, "date_format"))


def to_date(node: Any) -> Any:
    """to_date(text[, pattern]) and try_to_date."""
    lenient = node.name.lower().startswith("try_")
    match node.expressions:
        case [value]:
            return call("dbx_try_date", value) if lenient else as_date(value)
        case [value, pattern]:
            return exp.cast(_read(value, _pattern(pattern, "to_date"), lenient), "DATE")
    return node


def to_timestamp(node: Any) -> Any:
    """to_timestamp(text[, pattern]), try_to_timestamp and to_timestamp_ntz."""
    lenient = node.name.lower().startswith("try_")
    match node.expressions:
        case [value]:
            return call("dbx_try_timestamp", value) if lenient else as_timestamp(value)
        case [value, pattern]:
            return _read(value, _pattern(pattern, "to_timestamp"), lenient)
    return node


def unix_timestamp(node: Any) -> Any:
    """unix_timestamp: whole seconds since 1970 in UTC, of now or of a time, text by its pattern."""
    match node.expressions:
        case []:
            return call("dbx_unix_now")
        case [value]:
            return call("dbx_unix", as_timestamp(value))
        case [value, pattern]:
            return call("dbx_unix", _read(value, _pattern(pattern, "unix_timestamp"), lenient=False))
    return node


def from_unixtime(node: Any) -> Any:
    """from_unixtime(seconds[, pattern]) gives text in the session's zone, which is UTC."""
    seconds, *pattern = node.expressions
    form = _pattern(pattern[0], "from_unixtime") if pattern else "yyyy-MM-dd HH:mm:ss"
    return _written(call("dbx_timestamp", exp.cast(seconds, "BIGINT")), form)


_UNITS: Mapping[str, tuple[str, int]] = {
    "MICROSECOND": ("dbx_micros_apart", 1),
    "MILLISECOND": ("dbx_micros_apart", 1_000),
    "SECOND": ("dbx_micros_apart", 1_000_000),
    "MINUTE": ("dbx_micros_apart", 60_000_000),
    "HOUR": ("dbx_micros_apart", 3_600_000_000),
    "DAY": ("dbx_micros_apart", 86_400_000_000),
    "WEEK": ("dbx_micros_apart", 604_800_000_000),
    "MONTH": ("dbx_months_apart", 1),
    "QUARTER": ("dbx_months_apart", 3),
    "YEAR": ("dbx_months_apart", 12),
}


def difference(node: Any) -> Any:
    """datediff(end, start) in days, and datediff(unit, start, end) in whole units."""
    match node.expressions:
        case [end, start]:
            return exp.cast(exp.Paren(this=exp.Sub(this=as_date(end), expression=as_date(start))), "INT")
        case [unit, start, end] if unit.name.upper().removesuffix("S") in _UNITS:
            macro, size = _UNITS[unit.name.upper().removesuffix("S")]
            return call(macro, as_timestamp(start), as_timestamp(end), exp.Literal.number(size))
    raise NotSupportedHere(f"{node.sql('databricks')} is not done by the embedded SQL engine: unknown unit")


def date_part(node: Any) -> Any:
    """date_part('field', source)."""
    field, source = node.expressions
    return _field(field.name, source)
