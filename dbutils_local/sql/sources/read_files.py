"""read_files: the files below a path as a table, its options named as Databricks names them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql.expressions.text import type_text
from dbutils_local.sql.scope import Scope
from dbutils_local.sql.sources.files import reader


def read_files(function: Any, scope: Scope) -> str:
    """read_files(path, format => ..., option => ...) with the columns Databricks adds."""
    path, options = "", {}
    for argument in function.expressions:
        if isinstance(argument, exp.Kwarg | exp.PropertyEQ):
            options[argument.this.name.lower()] = _literal(argument.expression)
        else:
            path = _literal(argument)
    files = scope.files(path)
    kind = options.pop("format", "") or _format_of(files)
    shape = options.pop("schema", None)
    schema = [(name, type_text(word)) for name, word in ddl_columns(shape)] if shape else None
    infer = options.pop("infercolumntypes", "true").lower() == "true"
    sql = reader(kind, files, options, schema, infer=infer)
    rescued = "" if schema or kind.lower() in ("text", "binaryfile") else ", CAST(NULL AS VARCHAR) AS _rescued_data"
    return f"SELECT *{rescued} FROM ({sql})"


def _literal(node: Any) -> str:
    match node:
        case exp.Literal():
            return str(node.this)
        case exp.Boolean():
            return "true" if node.this else "false"
        case exp.Null():
            return ""
    raise NotSupportedHere(
        f"read_files takes only constants on the embedded SQL engine, found {node.sql('databricks')}"
    )


def _format_of(files: Sequence[str]) -> str:
    """The format by the first file's ending, as read_files finds it by looking."""
    for ending, kind in (
        (".csv", "csv"),
        (".json", "json"),
        (".jsonl", "json"),
        (".parquet", "parquet"),
        (".txt", "text"),
    ):
        if files and files[0].removesuffix(".gz").lower().endswith(ending):
            return kind
    raise UserError(
        "read_files: the format cannot be told from the file names; pass format => 'csv' (or json, parquet, text)"
    )


def ddl_columns(schema: str) -> list[tuple[str, str]]:
    """`a INT, b ARRAY<STRING>` as pairs of name and Databricks type."""
    struct = exp.DataType.build(f"STRUCT<{schema}>", dialect="databricks")
    return [(field.name, field.args["kind"].sql("databricks")) for field in struct.expressions]
