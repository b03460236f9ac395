"""Databricks' functions where DuckDB's own differ: temporary macros every connection starts with.

A name `dbx_x` is what the translation writes for the Databricks function x. Overloads are chosen by argument type, so
that results have Databricks' types: a date plus a day is a date, not a timestamp.
"""

from __future__ import annotations

_INTEGERS = {"tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT"}

_CANNOT_CAST = (
    "error('[CAST_INVALID_INPUT] The value ''' || CAST(v AS VARCHAR) || ''' of the type \"STRING\" "
    'cannot be cast to "{word}" because it '
    "is malformed. Correct the value as per the syntax, or change its target type. Use `try_cast` to "
    "tolerate malformed input and "
    "return NULL instead.')"
)


def _cast_macro(word: str, kind: str, cast: str) -> str:
    """A cast to an integer: fractions are cut off and text must be an integer, where DuckDB rounds both.

    It asks the type of its argument and goes through text: overloads cannot be chosen for aggregates and parameters.
    """
    name = "dbx_cast_" if cast == "CAST" else "dbx_try_cast_"
    malformed = _CANNOT_CAST.format(word=word.upper()) if cast == "CAST" else "NULL"
    text = "trim(CAST(v AS VARCHAR))"
    return (
        f"CREATE TEMP MACRO {name}{word}(v) AS CASE WHEN v IS NULL THEN NULL "
        "WHEN typeof(v) IN ('TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'UBIGINT') THEN "
        f"{cast}(CAST(v AS VARCHAR) AS {kind}) "
        f"WHEN typeof(v) IN ('DOUBLE', 'FLOAT') THEN {cast}(trunc(CAST(CAST(v AS VARCHAR) AS DOUBLE)) AS {kind}) "
        f"WHEN typeof(v) LIKE 'DECIMAL%' THEN {cast}(split_part(CAST(v AS VARCHAR), '.', 1) AS {kind}) "
        f"WHEN typeof(v) = 'BOOLEAN' THEN CASE CAST(v AS VARCHAR) WHEN 'true' THEN 1 ELSE 0 END "
        f"WHEN typeof(v) LIKE 'TIMESTAMP%' THEN {cast}(floor(epoch(CAST(CAST(v AS VARCHAR) AS TIMESTAMP))) AS {kind}) "
        f"WHEN regexp_full_match({text}, '[+-]?[0-9]+') THEN {cast}({text} AS {kind}) ELSE {malformed} END"
    )


_BY_ZERO = (
    "error('[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.')"
)
_BY_ZERO_REMAINDER = (
    "error('[REMAINDER_BY_ZERO] Remainder by zero. Use `try_mod` to tolerate divisor being 0 and return NULL instead.')"
)


def _divided(name: str, result: str, by_zero: str) -> str:
    return (
        f"CREATE TEMP MACRO {name}(a, b) AS CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN b = 0 THEN "
        f"{by_zero} ELSE {result} END"
    )


_FUNCTIONS = [
    _divided("dbx_divide", "a / b", _BY_ZERO),
    _divided("dbx_div", "CAST(a // b AS BIGINT)", _BY_ZERO),
    _divided("dbx_mod", "a % b", _BY_ZERO_REMAINDER),
    "CREATE TEMP MACRO dbx_pmod(a, b) AS ((a % b) + b) % b",
    "CREATE TEMP MACRO dbx_date_add(d, n) AS CAST(d AS DATE) + CAST(n AS INTEGER)",
    "CREATE TEMP MACRO dbx_date_sub(d, n) AS CAST(d AS DATE) - CAST(n AS INTEGER)",
    "CREATE TEMP MACRO dbx_add_months(d, n) AS CAST(CAST(d AS DATE) + to_months(CAST(n AS INTEGER)) AS DATE)",
    (
        "CREATE TEMP MACRO dbx_plus_days(d DATE, i) AS CAST(d + i AS DATE), (d TIMESTAMP, i) AS d + i, (d "
        "VARCHAR, i) AS CAST(d AS TIMESTAMP) + i"
    ),
    (
        "CREATE TEMP MACRO dbx_minus_days(d DATE, i) AS CAST(d - i AS DATE), (d TIMESTAMP, i) AS d - i, (d "
        "VARCHAR, i) AS CAST(d AS TIMESTAMP) - i"
    ),
    "CREATE TEMP MACRO dbx_unix_now() AS CAST(floor(epoch(now())) AS BIGINT)",
    "CREATE TEMP MACRO dbx_unix(t) AS CAST(floor(epoch(CAST(t AS TIMESTAMP))) AS BIGINT)",
    "CREATE TEMP MACRO dbx_typeof(v) AS CASE typeof(v) WHEN 'VARCHAR' THEN 'string' WHEN 'INTEGER' THEN "
    "'int' WHEN 'BLOB' THEN 'binary' "
    "WHEN 'JSON' THEN 'string' WHEN 'HUGEINT' THEN 'bigint' WHEN '\"NULL\"' THEN 'void' ELSE lower(typeof(v)) END",
    "CREATE TEMP MACRO dbx_trunc(d, u) AS CAST(date_trunc(CASE lower(u) WHEN 'mm' THEN 'month' WHEN "
    "'mon' THEN 'month' WHEN 'yyyy' THEN 'year' "
    "WHEN 'yy' THEN 'year' WHEN 'q' THEN 'quarter' ELSE lower(u) END, CAST(d AS DATE)) AS DATE)",
    "CREATE TEMP MACRO dbx_sequence(a DATE, b DATE, s) AS list_transform(generate_series(a, b, s), "
    "lambda x: CAST(x AS DATE)), "
    "(a TIMESTAMP, b TIMESTAMP, s) AS generate_series(a, b, s), (a BIGINT, b BIGINT, s) AS generate_series(a, b, s)",
    "CREATE TEMP MACRO dbx_sequence_by_one(a DATE, b DATE) AS list_transform(generate_series(a, b, CASE "
    "WHEN a <= b THEN INTERVAL 1 DAY ELSE INTERVAL (-1) DAY END), "
    "lambda x: CAST(x AS DATE)), (a BIGINT, b BIGINT) AS generate_series(a, b, CASE WHEN a <= b THEN 1 ELSE -1 END)",
    "CREATE TEMP MACRO dbx_substring_index(s, d, n) AS CASE WHEN n > 0 THEN "
    "array_to_string(string_split(s, d)[1:n], d) "
    "WHEN n < 0 THEN array_to_string(string_split(s, d)[n:], d) ELSE '' END",
    (
        "CREATE TEMP MACRO dbx_exists(bits) AS CASE WHEN bits IS NULL THEN NULL ELSE "
        "coalesce(list_bool_or(bits), false) END"
    ),
    (
        "CREATE TEMP MACRO dbx_forall(bits) AS CASE WHEN bits IS NULL THEN NULL ELSE "
        "coalesce(list_bool_and(bits), true) END"
    ),
    "CREATE TEMP MACRO dbx_weekday(d) AS CAST(isodow(CAST(d AS DATE)) - 1 AS INTEGER)",
    "CREATE TEMP MACRO dbx_dayofweek(d) AS CAST(dayofweek(CAST(d AS DATE)) + 1 AS INTEGER)",
    "CREATE TEMP MACRO dbx_substring(s, p) AS CASE WHEN p = 0 THEN s ELSE substring(s, p) END",
    "CREATE TEMP MACRO dbx_substring3(s, p, n) AS CASE WHEN n <= 0 THEN '' WHEN p = 0 THEN substring(s, 1, n) "
    "WHEN p < -length(s) THEN substring(s, 1, greatest(0, n + p + length(s))) ELSE substring(s, p, n) END",
    (
        "CREATE TEMP MACRO dbx_initcap(s) AS array_to_string(list_transform(string_split(lower(s), ' '), "
        "lambda w: upper(w[1]) || w[2:]), ' ')"
    ),
    (
        "CREATE TEMP MACRO dbx_slice(a, f, n) AS CASE WHEN f > 0 THEN a[f:f + n - 1] ELSE a[len(a) + f + "
        "1:len(a) + f + n] END"
    ),
    "CREATE TEMP MACRO dbx_format_number(v, n) AS format('{:,.' || CAST(n AS VARCHAR) || 'f}', CAST(v AS DOUBLE))",
    "CREATE TEMP MACRO dbx_bround(v, n) AS round_even(v, n)",
    "CREATE TEMP MACRO dbx_array_union(a, b) AS list_distinct(list_concat(a, b))",
    "CREATE TEMP MACRO dbx_array_except(a, b) AS list_distinct(list_filter(a, lambda x: NOT list_contains(b, x)))",
    "CREATE TEMP MACRO dbx_array_remove(a, e) AS list_filter(a, lambda x: x <> e)",
    "CREATE TEMP MACRO dbx_array_repeat(e, n) AS list_transform(range(n), lambda i: e)",
    "CREATE TEMP MACRO dbx_array_position(a, e) AS CAST(coalesce(list_position(a, e), 0) AS BIGINT)",
    "CREATE TEMP MACRO dbx_array_compact(a) AS list_filter(a, lambda x: x IS NOT NULL)",
    "CREATE TEMP MACRO dbx_from_utc(t, z) AS (CAST(t AS TIMESTAMP) AT TIME ZONE 'UTC') AT TIME ZONE z",
    "CREATE TEMP MACRO dbx_to_utc(t, z) AS (CAST(t AS TIMESTAMP) AT TIME ZONE z) AT TIME ZONE 'UTC'",
    "CREATE TEMP MACRO dbx_now() AS CAST(now() AS TIMESTAMP)",
    "CREATE TEMP MACRO dbx_log(v) AS CASE WHEN v > 0 THEN ln(v) END",
    (
        "CREATE TEMP MACRO dbx_catalog(c) AS CASE WHEN c IN ('main_', 'temp_', 'system_', 'memory_') THEN "
        "c[:-2] ELSE c END"
    ),
]


def statements() -> list[str]:
    """The CREATE MACRO statements, in order."""
    casts = [_cast_macro(word, kind, cast) for word, kind in _INTEGERS.items() for cast in ("CAST", "TRY_CAST")]
    return casts + _FUNCTIONS
