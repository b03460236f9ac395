"""Functions by name: those refused, those that have another name in DuckDB, those made of other functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions import arithmetic, json_text, nested, times
from dbutils_local.sql.expressions.casts import CAST_FUNCTIONS, cast
from dbutils_local.sql.expressions.refusals import REFUSED, refusal
from dbutils_local.sql.expressions.trees import call, duck
from dbutils_local.sql.scope import Scope

_RENAMED = {
    "some": "bool_or",
    "every": "bool_and",
    "format_number": "dbx_format_number",
    "array_union": "dbx_array_union",
    "array_repeat": "dbx_array_repeat",
    "array_compact": "dbx_array_compact",
    "pmod": "dbx_pmod",
    "substring_index": "dbx_substring_index",
    "weekday": "dbx_weekday",
    "startswith": "starts_with",
    "endswith": "ends_with",
    "ucase": "upper",
    "lcase": "lower",
    "char_length": "length",
    "character_length": "length",
    "first_value": "first",
    "timestamp_seconds": "dbx_timestamp",
    "arrays_overlap": "list_has_any",
    "try_sum": "sum",
    "try_avg": "avg",
    "find_in_set": "dbx_find_in_set",
    "url_encode": "dbx_url_encode",
    "url_decode": "dbx_url_decode",
    "raise_error": "dbx_raise_error",
    "assert_true": "dbx_assert_true",
}

# By name and number of arguments: DuckDB text, its arguments :a, :b, :c.
_WRITTEN: Mapping[tuple[str, int], str] = {
    ("octet_length", 1): "CAST(strlen(CAST(:a AS TEXT)) AS INT)",
    ("bit_length", 1): "CAST(strlen(CAST(:a AS TEXT)) * 8 AS INT)",
    ("btrim", 1): "trim(:a)",
    ("btrim", 2): "trim(:a, :b)",
    ("e", 0): "exp(1)",
    ("isnull", 1): "(:a IS NULL)",
    ("isnotnull", 1): "(:a IS NOT NULL)",
    ("nanvl", 2): "(CASE WHEN isnan(:a) THEN :b ELSE :a END)",
    ("nullifzero", 1): "nullif(:a, 0)",
    ("zeroifnull", 1): "coalesce(:a, 0)",
    ("equal_null", 2): "(:a IS NOT DISTINCT FROM :b)",
    ("positive", 1): "(:a)",
    ("forall", 2): "dbx_forall(list_transform(:a, :b))",
    ("array_size", 1): "CAST(len(:a) AS INT)",
    ("timestamp_millis", 1): "make_timestamp(CAST(:a AS BIGINT) * 1000)",
    ("timestamp_micros", 1): "make_timestamp(CAST(:a AS BIGINT))",
    ("map_contains_key", 2): "list_contains(map_keys(:a), :b)",
    ("monotonically_increasing_id", 0): "(row_number() OVER () - 1)",
    ("spark_partition_id", 0): "0",
    ("current_timezone", 0): "'UTC'",
    ("regexp_count", 2): "CAST(len(regexp_extract_all(:a, :b)) AS INT)",
    ("json_array_length", 1): "CAST(json_array_length(:a) AS INT)",
}

# Functions that are more than text with holes.
_MADE: Mapping[str, Callable[[Any], Any]] = {
    "bround": arithmetic.bankers_rounded,
    "cardinality": nested.cardinality,
    "date_format": times.date_format,
    "to_date": times.to_date,
    "try_to_date": times.to_date,
    "to_timestamp": times.to_timestamp,
    "try_to_timestamp": times.to_timestamp,
    "to_timestamp_ntz": times.to_timestamp,
    "unix_timestamp": times.unix_timestamp,
    "to_unix_timestamp": times.unix_timestamp,
    "from_unixtime": times.from_unixtime,
    "datediff": times.difference,
    "date_diff": times.difference,
    "timestampdiff": times.difference,
    "date_part": times.date_part,
    "datepart": times.date_part,
    "schema_of_json": json_text.schema_of_json,
    "zip_with": nested.zipped_with,
    "map_filter": nested.map_filtered,
    "transform_values": nested.values_transformed,
    "transform_keys": nested.keys_transformed,
}


def named_function(node: Any, scope: Scope) -> Any:
    """A function sqlglot has no node for: refused, cast, written out, or under its DuckDB name."""
    name, arguments = node.name.lower(), node.expressions
    if name in REFUSED:
        raise refusal(name)
    if name in CAST_FUNCTIONS and len(arguments) == 1:
        return cast(exp.cast(arguments[0], CAST_FUNCTIONS[name], dialect="databricks"), scope)
    if name in _MADE:
        return _MADE[name](node)
    if (text := _WRITTEN.get((name, len(arguments)))) is not None:
        return duck(text, **dict(zip("abc", arguments, strict=False)))
    match name, arguments:
        case "get", [array, index]:
            return exp.Bracket(this=array, expressions=[index], offset=0, safe=True)
        case "grouping_id", _:
            return call("grouping", *arguments)
    node.set("this", _RENAMED.get(name, node.this))
    return node
