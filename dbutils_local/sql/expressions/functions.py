"""Functions by name: those refused, those that have another name in DuckDB, those made of other functions."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.expressions.casts import CAST_FUNCTIONS, cast
from dbutils_local.sql.expressions.trees import call, duck
from dbutils_local.sql.scope import Scope

# Known to Databricks, with a result DuckDB cannot give: refused by name rather than answered differently.
_REFUSED = {
    "hash": "its value would differ from Databricks' (Murmur3)",
    "xxhash64": "its value would differ from Databricks'",
    "secret": "use dbutils.secrets.get and a parameter",
    "try_secret": "use dbutils.secrets.get and a parameter",
    "input_file_name": "DuckDB does not know the file of a row",
    "is_member": "there are no groups here",
    "is_account_group_member": "there are no groups here",
    "ai_query": "there is no model serving here",
    "http_request": "there are no connections here",
    "table_changes": "no change data feed on DuckDB tables",
    "reflect": "there is no JVM here",
    "java_method": "there is no JVM here",
    "version": "there is no Spark here; set sql_engine = spark",
    "format_string": "its patterns are Java's; use concat and the cast functions, or set sql_engine = spark",
    "printf": "its patterns are Java's; use concat and the cast functions, or set sql_engine = spark",
    "to_char": "its patterns are not translated; set sql_engine = spark",
    "to_number": "its patterns are not translated; set sql_engine = spark",
    "rand": "a seeded sequence would differ from Databricks'; leave the seed out",
    "randn": "DuckDB has no normal random numbers",
    "window": "time windows are not translated; use date_trunc, or set sql_engine = spark",
    "read_kafka": "there are no streams here",
    "stream": "there are no streams here",
}


_RENAMED = {
    "cardinality": "len",
    "some": "bool_or",
    "every": "bool_and",
    "format_number": "dbx_format_number",
    "bround": "dbx_bround",
    "array_union": "dbx_array_union",
    "array_repeat": "dbx_array_repeat",
    "array_compact": "dbx_array_compact",
    "pmod": "dbx_pmod",
    "substring_index": "dbx_substring_index",
    "weekday": "dbx_weekday",
    "map_concat": "map_concat",
    "map_entries": "map_entries",
    "startswith": "starts_with",
    "endswith": "ends_with",
    "ucase": "upper",
    "lcase": "lower",
    "char_length": "length",
    "character_length": "length",
    "positive": "+",
    "bool_and": "bool_and",
    "first_value": "first",
    "isnan": "isnan",
    "timestamp_seconds": "make_timestamp_seconds",
}


def refusal(name: str) -> NotSupportedHere:
    """Why a function of Databricks is not available here."""
    return NotSupportedHere(f"the function {name}() is not available on the embedded SQL engine: {_REFUSED[name]}")


def named_function(node: Any, scope: Scope) -> Any:
    """A function sqlglot has no node for: refused, cast, written out, or under its DuckDB name."""
    name = node.name.lower()
    arguments = node.expressions
    if name in _REFUSED:
        raise refusal(name)
    if name in CAST_FUNCTIONS and len(arguments) == 1:
        return cast(exp.cast(arguments[0], CAST_FUNCTIONS[name], dialect="databricks"), scope)
    match name, arguments:
        case "forall", [array, test]:
            return call("dbx_forall", call("list_transform", array, test))
        case "isnull", [value]:
            return exp.Paren(this=exp.Is(this=value, expression=exp.null()))
        case "isnotnull", [value]:
            return exp.Paren(this=exp.Not(this=exp.Is(this=value, expression=exp.null())))
        case "monotonically_increasing_id", []:
            return duck("(row_number() OVER () - 1)")
        case "spark_partition_id", []:
            return exp.Literal.number(0)
        case "get", [array, index]:
            return exp.Bracket(this=array, expressions=[index], offset=0, safe=True)
        case "try_to_timestamp", [value]:
            return exp.TryCast(this=value, to=exp.DataType.build("TIMESTAMP", dialect="duckdb"))
        case "positive", [value]:
            return exp.Paren(this=value)
        case "zeroifnull", [value]:
            return exp.func("coalesce", value, exp.Literal.number(0))
        case "grouping_id", _:
            return call("grouping", *arguments)
        case "date_part" | "datepart", [unit, value] if unit.name.lower() in ("dow", "dayofweek"):
            return call("dbx_dayofweek", value)
    node.set("this", _RENAMED.get(name, node.this))
    return node
