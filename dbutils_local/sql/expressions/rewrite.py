"""The expressions of a statement, from Databricks' meaning to DuckDB's: one rule for each kind of node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions import arithmetic, casts, json_text, nested, texts, times
from dbutils_local.sql.expressions.functions import named_function
from dbutils_local.sql.expressions.generators import expand_generators
from dbutils_local.sql.expressions.headings import keep_spelling, name_columns, order_stars
from dbutils_local.sql.expressions.kinds import described
from dbutils_local.sql.expressions.reach import typed
from dbutils_local.sql.expressions.refusals import refusal
from dbutils_local.sql.expressions.trees import Rewrite, call, duck, raising
from dbutils_local.sql.scope import Scope


def rewritten(tree: Any, scope: Scope) -> Any:
    """The tree with every expression in DuckDB's terms; names of tables are left as they are."""
    name_columns(tree)
    order_stars(tree)
    typed(tree, scope)
    keep_spelling(tree)
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


_RULES: Mapping[type, Rewrite] = {
    exp.Anonymous: named_function,
    exp.Cast: casts.cast,
    exp.TryCast: casts.cast,
    exp.DataType: casts.data_type,
    exp.Column: nested.field_of_items,
    exp.Dot: nested.field_of_struct,
    # numbers
    exp.Div: arithmetic.divided("dbx_divide"),
    exp.IntDiv: arithmetic.divided("dbx_div"),
    exp.Mod: arithmetic.divided("dbx_mod"),
    exp.Mul: arithmetic.combined,
    exp.SafeDivide: arithmetic.divided_safely,
    exp.SafeAdd: lambda node, _: duck("TRY(:a + :b)", a=node.this, b=node.expression),
    exp.SafeSubtract: lambda node, _: duck("TRY(:a - :b)", a=node.this, b=node.expression),
    exp.SafeMultiply: lambda node, _: duck("TRY(:a * :b)", a=node.this, b=node.expression),
    exp.Negative: lambda node, _: exp.Paren(this=exp.Neg(this=node.this)),
    exp.Nanvl: lambda node, _: duck("(CASE WHEN isnan(:a) THEN :b ELSE :a END)", a=node.this, b=node.expression),
    exp.Floor: arithmetic.whole,
    exp.Ceil: arithmetic.whole,
    exp.Round: arithmetic.rounded,
    exp.Sign: arithmetic.as_double,
    exp.Elt: lambda node, _: duck("list_extract(:all, :place)", all=exp.array(*node.expressions), place=node.this),
    exp.WidthBucket: lambda node, _: call(
        "dbx_width_bucket", node.this, node.args["min_value"], node.args["max_value"], node.args["num_buckets"]
    ),
    exp.Sqrt: lambda node, _: call("dbx_sqrt", node.this),
    exp.Ln: lambda node, _: call("dbx_log", node.this),
    exp.Rand: arithmetic.rand,
    exp.Window: arithmetic.aggregated,
    exp.Filter: arithmetic.aggregated,
    exp.Sum: arithmetic.aggregated,
    exp.Avg: arithmetic.aggregated,
    exp.ApproxQuantile: lambda node, _: call("quantile_disc", node.this, node.args["quantile"]),
    exp.Quantile: arithmetic.percentile,
    exp.Median: arithmetic.percentile,
    exp.Count: lambda node, _: arithmetic.counted_in_pivot(node) if node.find_ancestor(exp.Pivot) else node,
    exp.ApproxDistinct: lambda node, _: exp.Count(this=exp.Distinct(expressions=[node.this])),
    exp.Any: lambda node, _: call("bool_or", node.this.unnest()) if isinstance(node.this, exp.Paren) else node,
    **dict.fromkeys(arithmetic.INTEGER_KINDS, arithmetic.as_integer),
    # dates and times
    exp.Add: times.interval("dbx_plus_days"),
    exp.Sub: times.interval("dbx_minus_days"),
    exp.TsOrDsToDate: times.date_of,
    exp.TsOrDsAdd: lambda node, _: call("dbx_date_add", node.this, node.expression),
    exp.AddMonths: lambda node, _: call("dbx_add_months", node.this, node.expression),
    exp.MonthsBetween: times.months_between,
    exp.DateTrunc: lambda node, _: call("dbx_trunc", node.this, exp.Literal.string(node.args["unit"].name)),
    exp.TimestampTrunc: times.truncated,
    exp.DayOfWeek: lambda node, _: call("dbx_dayofweek", node.this),
    exp.Dayname: lambda node, _: call("strftime", times.as_timestamp(node.this), exp.Literal.string("%a")),
    exp.Monthname: lambda node, _: call("strftime", times.as_timestamp(node.this), exp.Literal.string("%b")),
    exp.DateFromUnixDate: lambda node, _: duck("(DATE '1970-01-01' + CAST(:days AS INT))", days=node.this),
    exp.LastDay: lambda node, _: call("last_day", times.as_date(node.this)),
    exp.Hour: times.of_timestamp,
    exp.Minute: times.of_timestamp,
    exp.Second: times.of_timestamp,
    exp.Extract: times.extracted,
    exp.AtTimeZone: times.at_time_zone,
    exp.GenerateSeries: times.sequence,
    exp.CurrentTimestamp: lambda node, _: call("dbx_now"),
    exp.CurrentTimezone: lambda node, _: exp.Literal.string("UTC"),
    # text
    exp.Substring: texts.substring,
    exp.Length: texts.length,
    exp.Upper: texts.on_text("this"),
    exp.Lower: texts.on_text("this"),
    exp.Trim: texts.on_text("this"),
    exp.Left: texts.on_text("this"),
    exp.Right: texts.on_text("this"),
    exp.Repeat: texts.on_text("this"),
    exp.Pad: texts.on_text("this", "fill_pattern"),
    exp.StrPosition: texts.position,
    exp.SplitPart: texts.on_text("this"),
    exp.RegexpLike: texts.on_text("this"),
    exp.RegexpExtract: texts.on_text("this"),
    exp.RegexpReplace: texts.regexp_replaced,
    exp.RegexpSplit: texts.split,
    exp.RegexpSubstr: texts.first_match,
    exp.Concat: texts.joined,
    exp.DPipe: texts.joined,
    exp.Replace: texts.replaced,
    exp.Reverse: texts.reversed_,
    exp.Overlay: texts.overlaid,
    exp.Like: texts.like,
    exp.ILike: texts.like,
    exp.Format: texts.formatted,
    exp.Initcap: lambda node, _: call("dbx_initcap", texts.as_text(node.this)),
    exp.SubstringIndex: lambda node, _: call(
        "dbx_substring_index", node.this, node.args["delimiter"], node.args["count"]
    ),
    # arrays, maps, JSON
    exp.Bracket: nested.item,
    exp.ArraySize: nested.size,
    exp.Exists: nested.exists,
    exp.Reduce: nested.reduced,
    exp.Transform: nested.counted_from_zero,
    exp.ArrayFilter: nested.counted_from_zero,
    exp.ArrayDistinct: lambda node, _: call("dbx_array_distinct", node.this),
    exp.ArrayContains: lambda node, _: call("dbx_array_contains", node.this, node.expression),
    exp.ArrayUniqueAgg: nested.collected_set,
    exp.ArraysZip: nested.zipped,
    exp.ArraySlice: lambda node, _: call("dbx_slice", node.this, node.args["start"], node.args["end"]),
    exp.ArrayPosition: lambda node, _: call("dbx_array_position", node.this, node.expression),
    exp.StrToMap: lambda node, _: call(
        "dbx_map_of_text", node.this, node.args["pair_delim"], node.args["key_value_delim"]
    ),
    exp.MapContainsKey: lambda node, _: duck("list_contains(map_keys(:m), :k)", m=node.this, k=node.args["key"]),
    exp.FromJson: json_text.from_json,
    exp.JSONFormat: json_text.to_json,
    exp.JSONExtract: json_text.json_path,
    exp.JSONExtractScalar: json_text.json_path,
    # the session, and what cannot be
    exp.CurrentUser: lambda node, scope: exp.Literal.string(scope.user),
    exp.SessionUser: lambda node, scope: exp.Literal.string(scope.user),
    exp.CurrentCatalog: lambda node, scope: exp.Literal.string(scope.catalog),
    exp.CurrentSchema: lambda node, scope: exp.Literal.string(scope.schema),
    exp.CurrentDatabase: lambda node, scope: exp.Literal.string(scope.schema),
    exp.Uuid: lambda node, _: exp.cast(call("uuid"), "TEXT"),
    exp.Typeof: described,
    exp.ToChar: lambda node, _: raising(refusal("to_char")),
    exp.Secret: lambda node, _: raising(refusal("secret")),
}
