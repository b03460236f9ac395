"""The names Databricks gives to output columns that have none, such as `count(1)` or `(a + b)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.generators import is_generator


def name_columns(tree: Any) -> None:
    """Give every unnamed output column the name Databricks gives it, such as `count(1)` or `(a + b)`."""
    for select in tree.find_all(exp.Select):
        select.set("expressions", [_named(item) for item in select.expressions])
    for values in tree.find_all(exp.Values):
        _name_values(values)


def order_stars(tree: Any) -> None:
    """`SELECT *` over joins USING columns gives those first, the last join's before the others'."""
    for select in tree.find_all(exp.Select):
        shared = [name for join in reversed(select.args.get("joins") or []) for name in join.args.get("using") or []]
        stars = [item for item in select.expressions if isinstance(item, exp.Star) and not any(item.args.values())]
        if not shared or len(stars) != 1:
            continue
        first = {part.name.lower(): exp.column(exp.to_identifier(part.name, quoted=True)) for part in shared}
        hidden = [exp.to_identifier(column.name, quoted=True) for column in first.values()]
        place = select.expressions.index(stars[0])
        items = [
            *select.expressions[:place],
            *first.values(),
            exp.Star(except_=hidden),
            *select.expressions[place + 1 :],
        ]
        select.set("expressions", items)


def keep_spelling(tree: Any) -> None:
    """A column is headed as the query spells it; only one that is known, for others DuckDB says best what is wrong."""
    for select in tree.find_all(exp.Select):
        for item in select.expressions:
            if isinstance(item, exp.Column) and item.type is not None and not item.is_star:
                item.replace(exp.alias_(item.copy(), item.name, quoted=True))


def _named(item: Any) -> Any:
    if (
        isinstance(item, exp.Alias | exp.Aliases | exp.Star | exp.Column | exp.Dot)
        or item.is_star
        or is_generator(item)
    ):
        return item
    if isinstance(item, exp.Identifier):
        return item
    return exp.alias_(item, _pretty(item), quoted=True, copy=False)


def _name_values(values: Any) -> None:
    """VALUES without column names has col1, col2, ... on Databricks."""
    for row in values.expressions:
        if isinstance(row, exp.Tuple):  # names inside a row are allowed, and mean nothing
            row.set("expressions", [item.unalias() for item in row.expressions])
    if isinstance(values.parent, exp.Insert | exp.Merge) or not values.expressions:
        return
    first = values.expressions[0]
    width = len(first.expressions) if isinstance(first, exp.Tuple) else 1
    alias = values.args.get("alias")
    if alias is not None and alias.columns:
        return
    columns = [exp.to_identifier(f"col{number + 1}") for number in range(width)]
    name = alias.this if alias is not None and alias.this is not None else exp.to_identifier("dbutils_local_values")
    values.set("alias", exp.TableAlias(this=name, columns=columns))


def _pretty(node: Any) -> str:
    """An expression as Databricks writes it in a column heading."""
    match node:
        case exp.Paren():
            return _pretty(node.this)
        case exp.Literal():
            return str(node.this)
        case exp.Column():
            return str(node.name)
        case exp.Null():
            return "NULL"
        case exp.Count() if isinstance(node.this, exp.Star):
            return "count(1)"
        case exp.Count() if isinstance(node.this, exp.Distinct):
            return f"count(DISTINCT {', '.join(_pretty(part) for part in node.this.expressions)})"
        case exp.Cast() | exp.TryCast():
            word = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
            return f"{word}({_pretty(node.this)} AS {node.to.sql('databricks')})"
        case exp.Bracket():
            return f"{_pretty(node.this)}[{', '.join(_pretty(part) for part in node.expressions)}]"
        case exp.Neg():
            return f"(- {_pretty(node.this)})" if not isinstance(node.this, exp.Literal) else f"-{_pretty(node.this)}"
        case exp.Binary() if not isinstance(node, exp.Dot | exp.Func):
            sign = _SIGNS.get(type(node))
            return f"({_pretty(node.this)} {sign} {_pretty(node.expression)})" if sign else _spelled(node)
        case exp.Not() if isinstance(node.this, exp.Is):
            return f"({_pretty(node.this.this)} IS NOT {_pretty(node.this.expression)})"
        case exp.Not():
            return f"(NOT {_pretty(node.this)})"
        case exp.In() if node.expressions:
            return f"({_pretty(node.this)} IN ({', '.join(_pretty(part) for part in node.expressions)}))"
        case exp.Between():
            value = _pretty(node.this)
            return f"(({value} >= {_pretty(node.args['low'])}) AND ({value} <= {_pretty(node.args['high'])}))"
        case exp.Case():
            return _pretty_case(node)
        case exp.Anonymous():
            return f"{node.name.lower()}({', '.join(_pretty(part) for part in node.expressions)})"
        case exp.CurrentTimestamp():
            return "current_timestamp()"
        case exp.CurrentDate():
            return "current_date()"
    return _spelled(node)


def _pretty_case(node: Any) -> str:
    tested = f" {_pretty(node.this)}" if node.this is not None else ""
    branches = [f" WHEN {_pretty(branch.this)} THEN {_pretty(branch.args['true'])}" for branch in node.args["ifs"]]
    default = node.args.get("default")
    return f"CASE{tested}{''.join(branches)}{f' ELSE {_pretty(default)}' if default is not None else ''} END"


_SIGNS: Mapping[type, str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.EQ: "=", exp.GT: ">", exp.GTE: ">=",
    exp.LT: "<", exp.LTE: "<=", exp.And: "AND", exp.Or: "OR", exp.IntDiv: "div", exp.Is: "IS",
}  # fmt: skip


def _spelled(node: Any) -> str:
    """Databricks' own spelling with function names in lower case and text without quotes."""
    text: str = node.sql("databricks", normalize_functions="lower")
    return text.replace("'", "").replace("`", "")
