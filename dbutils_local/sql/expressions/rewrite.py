"""The expressions of a statement, from Databricks' meaning to DuckDB's: one rule for each kind of node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.casts import cast, data_type
from dbutils_local.sql.expressions.functions import named_function, refusal
from dbutils_local.sql.expressions.generators import expand_generators
from dbutils_local.sql.expressions.headings import name_columns
from dbutils_local.sql.expressions.nested import exists, from_json, json_path, reduced
from dbutils_local.sql.expressions.numbers import INTEGER_KINDS, as_integer, divided, rand, whole, window
from dbutils_local.sql.expressions.times import at_time_zone, from_unixtime, interval, sequence, unix_timestamp
from dbutils_local.sql.expressions.trees import Rewrite, call, raising
from dbutils_local.sql.expressions.typing import typed
from dbutils_local.sql.expressions.variables import variable
from dbutils_local.sql.scope import Scope


def rewritten(tree: Any, scope: Scope) -> Any:
    """The tree with every expression in DuckDB's terms; names of tables are left as they are."""
    name_columns(tree)
    typed(tree, scope)
    expand_generators(tree)
    for select in tree.find_all(exp.Select):
        select.set("hint", None)  # how to run it, not what to give
    # Children first: a rewrite keeps its operands, and they must have their DuckDB form by then.
    for node in reversed(list(tree.walk())):
        rule = _RULES.get(type(node))
        new = rule(node, scope) if rule is not None else node
        if new is not node and new.type is None:
            new.type = node.type
        if node is tree:
            tree = new
        elif new is not node:
            node.replace(new)
    return tree


def _substring(node: Any, _: Scope) -> Any:
    length = node.args.get("length")
    if length is None:
        return call("dbx_substring", node.this, node.args["start"])
    return call("dbx_substring3", node.this, node.args["start"], length)


_RULES: Mapping[type, Rewrite] = {
    exp.Anonymous: named_function,
    exp.Cast: cast,
    exp.TryCast: cast,
    exp.DataType: data_type,
    exp.Div: divided("dbx_divide"),
    exp.IntDiv: divided("dbx_div"),
    exp.Mod: divided("dbx_mod"),
    exp.TsOrDsAdd: lambda node, _: call("dbx_date_add", node.this, node.expression),
    exp.AddMonths: lambda node, _: call("dbx_add_months", node.this, node.expression),
    exp.Add: interval("dbx_plus_days"),
    exp.Sub: interval("dbx_minus_days"),
    exp.StrToUnix: unix_timestamp,
    exp.UnixToStr: from_unixtime,
    exp.CurrentTimestamp: lambda node, _: call("dbx_now"),
    exp.CurrentUser: lambda node, scope: exp.Literal.string(scope.user),
    exp.SessionUser: lambda node, scope: exp.Literal.string(scope.user),
    exp.CurrentCatalog: lambda node, scope: exp.Literal.string(scope.catalog),
    exp.CurrentSchema: lambda node, scope: exp.Literal.string(scope.schema),
    exp.CurrentDatabase: lambda node, scope: exp.Literal.string(scope.schema),
    exp.GenerateSeries: sequence,
    exp.ApproxQuantile: lambda node, _: call("quantile_disc", node.this, node.args["quantile"]),
    exp.Quantile: lambda node, _: call("quantile_cont", node.this, node.args["quantile"]),
    exp.ApproxDistinct: lambda node, _: exp.Count(this=exp.Distinct(expressions=[node.this])),
    exp.DateTrunc: lambda node, _: call("dbx_trunc", node.this, exp.Literal.string(node.args["unit"].name)),
    exp.Substring: _substring,
    exp.Initcap: lambda node, _: call("dbx_initcap", node.this),
    exp.DayOfWeek: lambda node, _: call("dbx_dayofweek", node.this),
    exp.Exists: exists,
    exp.Reduce: reduced,
    exp.FromJson: from_json,
    exp.JSONExtract: json_path,
    exp.JSONExtractScalar: json_path,
    exp.Uuid: lambda node, _: exp.cast(call("uuid"), "TEXT"),
    exp.Rand: rand,
    exp.ArraySlice: lambda node, _: call("dbx_slice", node.this, node.args["start"], node.args["end"]),
    exp.ArrayPosition: lambda node, _: call("dbx_array_position", node.this, node.expression),
    exp.AtTimeZone: at_time_zone,
    exp.Any: lambda node, _: call("bool_or", node.this.unnest()) if isinstance(node.this, exp.Paren) else node,
    exp.LastDay: lambda node, _: call("last_day", exp.cast(node.this, "DATE")),
    exp.Floor: whole,
    exp.Ceil: whole,
    exp.Window: window,
    **dict.fromkeys(INTEGER_KINDS, as_integer),
    exp.SubstringIndex: lambda node, _: call(
        "dbx_substring_index", node.this, node.args["delimiter"], node.args["count"]
    ),
    exp.Typeof: lambda node, _: call("dbx_typeof", node.this),
    exp.Ln: lambda node, _: call("dbx_log", node.this),
    exp.ToChar: lambda node, _: raising(refusal("to_char")),
    exp.Format: lambda node, _: raising(refusal("format_string")),
    exp.Secret: lambda node, _: raising(refusal("secret")),
    exp.Column: variable,
}
