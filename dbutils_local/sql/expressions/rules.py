"""What type an expression has on Databricks, given the types of what it is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.kinds import (
    FLOATS,
    INTEGERS,
    ITEMS,
    LEAST_SCALE,
    MOST_DIGITS,
    WHOLE_DIGITS,
    Type,
    decimal,
    digits_of,
    fitted,
    is_array,
    kind_of,
)


def type_of(node: Any, column_type: Callable[[Any], Any]) -> Any:
    """The type of a node whose operands have theirs, None when not known; `column_type` knows those of columns."""
    match node:
        case exp.Literal():
            return _literal(node)
        case exp.Boolean() | exp.Predicate() | exp.And() | exp.Or() | exp.Not():
            return exp.DataType.build("BOOLEAN")
        case exp.Cast():
            return _plain_decimal(node.to)
        case exp.Paren() | exp.Neg() | exp.Alias() | exp.Window() | exp.Filter() | exp.IgnoreNulls():
            return node.this.type
        case exp.Column():
            return column_type(node) or _field_of_items(node, column_type)
        case exp.Dot() if isinstance(node.expression, exp.Identifier):
            return _field(node.this.type, node.expression.name)
        case exp.Subquery():
            selects = getattr(node.this, "selects", [])
            return selects[0].type if len(selects) == 1 else None
        case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.SafeDivide() | exp.Mod() | exp.IntDiv():
            return _arithmetic(node)
        case exp.Case():
            branches = [branch.args["true"] for branch in node.args["ifs"]]
            return common([*branches, *([node.args["default"]] if node.args.get("default") is not None else [])])
        case exp.If():
            return common([node.args["true"], *([node.args["false"]] if node.args.get("false") is not None else [])])
        case exp.Coalesce() | exp.Greatest() | exp.Least():
            return common([node.this, *node.expressions])
        case exp.Bracket():
            return _item(node)
        case exp.Array():
            inner = common(node.expressions)
            return exp.DataType(this=Type.ARRAY, expressions=[inner.copy()] if inner is not None else [], nested=True)
    return _function(node)


def _field_of_items(column: Any, column_type: Callable[[Any], Any]) -> Any:
    """The type of `books.title` where books is a column, not a table: a field of a struct, or of each in an array."""
    if not column.table or column.args.get("catalog") is not None:
        return None
    owner = owner_of(column)
    owner.parent = column.parent
    kind = column_type(owner)
    column.meta[ITEMS] = kind is not None and kind.this in (Type.ARRAY, Type.LIST)
    return _field(kind, column.name)


def owner_of(column: Any) -> Any:
    """What stands before the last point of `books.title` or `orders.books.title`, as a column."""
    table = column.args.get("db")
    return exp.column(column.args["table"].copy(), table=table.copy() if table is not None else None)


def _field(kind: Any, name: str) -> Any:
    if kind is None:
        return None
    if kind.this in (Type.ARRAY, Type.LIST) and kind.expressions:
        inner = _field(inner_type(kind.expressions[0]), name)
        return _array_of(inner) if inner is not None else None
    if kind.this != Type.STRUCT:
        return None
    found = [part.args.get("kind") for part in kind.expressions if part.name.lower() == name.lower()]
    return found[0].copy() if found and found[0] is not None else None


def _plain_decimal(kind: Any) -> Any:
    return decimal(10, 0) if kind.this == Type.DECIMAL and not kind.expressions else kind.copy()


def _literal(node: Any) -> Any:
    text = node.name
    if node.is_string:
        return exp.DataType.build("TEXT")
    if text.isdigit():
        size = int(text)
        if size < 2**63:
            return exp.DataType.build("INT" if size < 2**31 else "BIGINT")
        return decimal(len(text), 0)
    if "e" in text.lower():
        return exp.DataType.build("DOUBLE")
    whole, _, fraction = text.partition(".")
    return decimal(max(len(whole.lstrip("0")) + len(fraction), 1), len(fraction))


def _arithmetic(node: Any) -> Any:
    left, right = node.this, node.expression
    kinds = (kind_of(left), kind_of(right))
    if None in kinds:
        return None
    if Type.DATE in kinds:
        return _of_dates(node, kinds)
    if isinstance(node, exp.IntDiv):
        return exp.DataType.build("BIGINT")
    if any(kind in FLOATS for kind in kinds):
        return exp.DataType.build("DOUBLE")
    if Type.DECIMAL in kinds:
        return _of_decimals(node)
    if not all(kind in INTEGERS for kind in kinds):
        return None
    if isinstance(node, exp.Div | exp.SafeDivide):
        return exp.DataType.build("DOUBLE")
    return exp.DataType(this=max(kinds, key=INTEGERS.index))


def _of_dates(node: Any, kinds: tuple[Any, Any]) -> Any:
    if kinds == (Type.DATE, Type.DATE):
        return exp.DataType.build("INTERVAL")
    return exp.DataType.build("DATE") if kinds[0] == Type.DATE and kinds[1] in INTEGERS else None


def _of_decimals(node: Any) -> Any:
    left, right = digits_of(node.this), digits_of(node.expression)
    if left is None or right is None:
        return None
    (p1, s1), (p2, s2) = left, right
    match node:
        case exp.Div() | exp.SafeDivide():
            scale = max(LEAST_SCALE, s1 + p2 + 1)
            return decimal(*fitted(p1 - s1 + s2 + scale, scale))
        case exp.Mul():
            return decimal(*fitted(p1 + p2 + 1, s1 + s2))
        case exp.Mod():
            return decimal(*fitted(min(p1 - s1, p2 - s2) + max(s1, s2), max(s1, s2)))
    scale = max(s1, s2)
    return decimal(*fitted(max(p1 - s1, p2 - s2) + scale + 1, scale))


def common(nodes: list[Any]) -> Any:
    """The type branches have in common: numbers widen, NULL fits all, anything else must agree."""
    known = [node for node in nodes if not isinstance(node, exp.Null)]
    kinds = {kind_of(node) for node in known}
    if not kinds or None in kinds:
        return None
    if len(kinds) == 1 and Type.DECIMAL not in kinds:
        return known[0].type
    if kinds <= {*INTEGERS, *FLOATS, Type.DECIMAL}:
        return _wider(known, kinds)
    return None


def _wider(nodes: list[Any], kinds: set[Any]) -> Any:
    if kinds & set(FLOATS):
        return exp.DataType.build("DOUBLE")
    if Type.DECIMAL in kinds:
        sizes = [size for node in nodes if (size := _digits_by_type(node)) is not None]
        scale = max(scale for _, scale in sizes)
        return decimal(*fitted(max(digits - own for digits, own in sizes) + scale, scale))
    return exp.DataType(this=max(kinds, key=INTEGERS.index))


def _digits_by_type(node: Any) -> tuple[int, int] | None:
    """As digits_of, but a literal counts as its type: branches widen by type, arithmetic by the literal's digits."""
    return (WHOLE_DIGITS[kind], 0) if (kind := kind_of(node)) in WHOLE_DIGITS else digits_of(node)


def _item(node: Any) -> Any:
    kind = node.this.type
    if kind is None or not kind.expressions:
        return None
    if kind.this in (Type.ARRAY, Type.LIST):
        return inner_type(kind.expressions[0])
    return inner_type(kind.expressions[1]) if kind.this == Type.MAP else None


def inner_type(part: Any) -> Any:
    return part.copy() if isinstance(part, exp.DataType) else None


def _function(node: Any) -> Any:
    argument = node.this if isinstance(node.this, exp.Expression) else None
    match node:
        case exp.Count() | exp.CountIf() | exp.ApproxDistinct() | exp.UnixDate():
            return exp.DataType.build("BIGINT")
        case exp.RowNumber() | exp.Rank() | exp.DenseRank() | exp.Ntile():
            return exp.DataType.build("INT")
        case exp.Sum() if argument is not None:
            return _summed(argument)
        case exp.Avg() if argument is not None:
            return _averaged(argument)
        case exp.Ceil() | exp.Floor() if argument is not None:
            return _whole(node, argument)
        case exp.Round() if argument is not None:
            return _rounded(node, argument)
        case exp.Distinct():
            return node.expressions[0].type if len(node.expressions) == 1 else None
        case exp.Min() | exp.Max() | exp.Abs() | exp.First() | exp.Last() | exp.AnyValue() | exp.Lag() | exp.Lead():
            return argument.type if argument is not None else None
        case exp.Nullif():
            return argument.type if argument is not None else None
        case exp.RegexpSplit() | exp.Split():
            return exp.DataType.build("ARRAY<STRING>", dialect="databricks")
        case exp.ArrayAgg() | exp.ArrayUniqueAgg() if argument is not None:
            return _array_of(argument.type)
        case exp.ArrayFilter() | exp.ArraySort() | exp.ArrayDistinct() | exp.ArraySlice():
            return argument.type if argument is not None else None
        case exp.Transform():
            return _array_of(None)
        case exp.GenerateSeries():
            start = node.args["start"]
            return _array_of(start.type) if kind_of(start) in (*INTEGERS, Type.DATE, Type.TIMESTAMP) else None
        case exp.CurrentDate() | exp.TsOrDsToDate() | exp.LastDay() | exp.TsOrDsAdd() | exp.AddMonths():
            return exp.DataType.build("DATE")
        case exp.CurrentTimestamp():
            return exp.DataType.build("TIMESTAMP")
        case exp.Sqrt() | exp.Ln() | exp.Exp() | exp.Pow() | exp.Stddev() | exp.Variance() | exp.Log() | exp.Quantile():
            return exp.DataType.build("DOUBLE")
        case exp.Upper() | exp.Lower() | exp.Substring() | exp.Trim() | exp.Concat() | exp.ConcatWs() | exp.DPipe():
            return exp.DataType.build("TEXT") if not isinstance(node, exp.Concat | exp.DPipe) else _joined(node)
        case exp.RegexpReplace() | exp.RegexpExtract() | exp.Replace() | exp.Left() | exp.Right() | exp.Initcap():
            return exp.DataType.build("TEXT")
        case exp.JSONExtract() | exp.JSONExtractScalar() | exp.SplitPart() | exp.Pad() | exp.MD5() | exp.SHA2():
            return exp.DataType.build("TEXT")
        case exp.Anonymous():
            return _named(node)
    return exp.DataType.build("INT") if isinstance(node, _INT_FUNCTIONS) else None


_INT_FUNCTIONS = (
    *(exp.Year, exp.Quarter, exp.Month, exp.WeekOfYear, exp.Day, exp.DayOfMonth, exp.DayOfYear, exp.DayOfWeek),
    *(exp.Hour, exp.Minute, exp.Second, exp.Length, exp.ArraySize, exp.StrPosition, exp.Levenshtein),
)
_NAMED_TYPES = {
    "datediff": "INT",
    "date_diff": "INT",
    "timestampdiff": "BIGINT",
    "to_date": "DATE",
    "try_to_date": "DATE",
    "make_date": "DATE",
    "to_timestamp": "TIMESTAMP",
    "date_format": "TEXT",
    "from_unixtime": "TEXT",
    "unix_timestamp": "BIGINT",
    "to_unix_timestamp": "BIGINT",
    "months_between": "DOUBLE",
}


def _named(node: Any) -> Any:
    name = node.name.lower()
    if name in ("datediff", "date_diff") and len(node.expressions) == 3:
        return exp.DataType.build("BIGINT")
    return exp.DataType.build(_NAMED_TYPES[name]) if name in _NAMED_TYPES else None


def _array_of(kind: Any) -> Any:
    return exp.DataType(this=Type.ARRAY, expressions=[kind.copy()] if kind is not None else [], nested=True)


def _joined(node: Any) -> Any:
    """`||` and concat join text, and arrays too."""
    parts = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
    if any(is_array(part) for part in parts):
        return next(part.type for part in parts if is_array(part))
    return exp.DataType.build("TEXT") if any(kind_of(part) is not None for part in parts) else None


def _summed(argument: Any) -> Any:
    kind = kind_of(argument)
    if kind == Type.DECIMAL:
        digits, scale = digits_of(argument) or (MOST_DIGITS, 0)
        return decimal(min(digits + 10, MOST_DIGITS), scale)
    if kind in INTEGERS:
        return exp.DataType.build("BIGINT")
    return exp.DataType.build("DOUBLE") if kind in FLOATS else None


def _averaged(argument: Any) -> Any:
    kind = kind_of(argument)
    if kind == Type.DECIMAL:
        digits, scale = digits_of(argument) or (MOST_DIGITS, 0)
        return decimal(min(digits + 4, MOST_DIGITS), min(scale + 4, MOST_DIGITS))
    return exp.DataType.build("DOUBLE") if kind in (*INTEGERS, *FLOATS) else None


def _places(node: Any) -> int | None:
    """The constant number of decimals a rounding is asked for, 0 when it names none."""
    places = node.args.get("decimals")
    if places is None:
        return 0
    try:
        return int(places.sql("databricks").replace(" ", ""))
    except ValueError:
        return None


def _whole(node: Any, argument: Any) -> Any:
    """floor and ceil: of a decimal one of whole digits, of any other number a BIGINT."""
    kind = kind_of(argument)
    if kind == Type.DECIMAL:
        return _rounded(node, argument)
    return exp.DataType.build("BIGINT") if node.args.get("decimals") is None and kind is not None else None


def _rounded(node: Any, argument: Any) -> Any:
    if kind_of(argument) != Type.DECIMAL:
        return argument.type
    digits, scale = digits_of(argument) or (MOST_DIGITS, 0)
    places = _places(node)
    if places is None:
        return None
    whole = digits - scale + 1
    if places < 0:
        return decimal(min(max(whole, 1 - places), MOST_DIGITS), 0)
    kept = min(scale, places)
    return decimal(min(whole + kept, MOST_DIGITS), kept)
