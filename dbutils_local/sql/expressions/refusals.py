"""Functions of Databricks that are not done here: each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

from dbutils_local.errors import NotSupportedHere

# Known to Databricks, with a result DuckDB cannot give: refused by name rather than answered differently.
REFUSED: Mapping[str, str] = {
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
    "to_char": "its patterns are not translated; set sql_engine = spark",
    "to_number": "its patterns are not translated; set sql_engine = spark",
    "rand": "a seeded sequence would differ from Databricks'; leave the seed out",
    "randn": "DuckDB has no normal random numbers",
    "window": "time windows are not translated; use date_trunc, or set sql_engine = spark",
    "read_kafka": "there are no streams here",
    "stream": "there are no streams here",
}


def refusal(name: str) -> NotSupportedHere:
    """Why a function of Databricks is not available here."""
    return NotSupportedHere(f"the function {name}() is not available on the embedded SQL engine: {REFUSED[name]}")
