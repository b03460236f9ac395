"""What type an expression has on Databricks, as far as its text and the tables it reads tell.

DuckDB divides decimals as floating point numbers, gives no error for an index beyond an array, and knows overloads only
for the types it has itself: to answer as Databricks does, the translation has to know the types before DuckDB does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dbutils_local.sql.names import place
from dbutils_local.sql.scope import Scope

Type = exp.DataType.Type

_WHOLE_DIGITS = {Type.TINYINT: 3, Type.SMALLINT: 5, Type.INT: 10, Type.BIGINT: 20}
_INTEGERS = (Type.TINYINT, Type.SMALLINT, Type.INT, Type.BIGINT)
_FLOATS = (Type.FLOAT, Type.DOUBLE)
_TEXTS = (Type.TEXT, Type.VARCHAR, Type.CHAR)
ITEMS = "items"  # on a column that is a field of each item of an array
MOST_DIGITS = 38
_LEAST_SCALE = 6


def typed(tree: Any, scope: Scope) -> None:
    """Write the type of every expression that is known onto its node (`node.type`)."""
    _Typing(scope).complete(tree)


def kind_of(node: Any) -> Any:
    """The kind of a node's type (exp.DataType.Type), None when it is not known."""
    return node.type.this if node.type is not None and node.type.this != Type.UNKNOWN else None


def is_integer(node: Any) -> bool:
    """Whether the node is known to be a whole number."""
    return kind_of(node) in _INTEGERS


def is_text(node: Any) -> bool:
    """Whether the node is known to be text."""
    return kind_of(node) in _TEXTS


def is_float(node: Any) -> bool:
    """Whether the node is known to be a floating point number."""
    return kind_of(node) in _FLOATS


def is_array(node: Any) -> bool:
    """Whether the node is known to be an array."""
    return kind_of(node) in (Type.ARRAY, Type.LIST)


def decimal(digits: int, scale: int) -> Any:
    """DECIMAL(digits, scale) as a type."""
    return exp.DataType.build(f"DECIMAL({digits}, {scale})")


def digits_of(node: Any) -> tuple[int, int] | None:
    """Digits and scale of a number as Spark widens it beside a decimal; None for what is no exact number."""
    kind = kind_of(node)
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
        return max(len(node.name.lstrip("0")), 1), 0
    if kind == Type.DECIMAL:
        numbers = [int(part.name) for part in node.type.expressions]
        return (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else (10, 0)
    return (_WHOLE_DIGITS[kind], 0) if kind in _WHOLE_DIGITS else None


def fitted(digits: int, scale: int) -> tuple[int, int]:
    """Digits and scale brought down to 38 digits as Spark does: whole digits first, at least six behind the point."""
    if digits <= MOST_DIGITS:
        return digits, scale
    whole = digits - scale
    return MOST_DIGITS, max(MOST_DIGITS - whole, min(scale, _LEAST_SCALE))


def described(node: Any, _: Scope) -> Any:
    """typeof: the word of a known type, else what DuckDB says in Databricks' words."""
    kind = node.this.type
    if kind is None or (kind.this in (Type.ARRAY, Type.LIST) and not kind.expressions) or kind.this in _UNSURE:
        return exp.Anonymous(this="dbx_typeof", expressions=[node.this])
    word = str(kind.sql("databricks")).lower().replace(", ", ",").replace(": ", ":")
    return exp.Literal.string(word)


_UNSURE = (Type.UNKNOWN, Type.NULL, Type.INTERVAL, Type.JSON)


def _type_of(node: Any, typing: _Typing) -> Any:
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
            return typing.column(node) or _field_of_items(node, typing)
        case exp.Dot() if isinstance(node.expression, exp.Identifier):
            return _field(node.this.type, node.expression.name)
        case exp.Subquery():
            selects = getattr(node.this, "selects", [])
            return selects[0].type if len(selects) == 1 else None
        case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.SafeDivide() | exp.Mod() | exp.IntDiv():
            return _arithmetic(node)
        case exp.Case():
            branches = [branch.args["true"] for branch in node.args["ifs"]]
            return _common([*branches, *([node.args["default"]] if node.args.get("default") is not None else [])])
        case exp.If():
            return _common([node.args["true"], *([node.args["false"]] if node.args.get("false") is not None else [])])
        case exp.Coalesce() | exp.Greatest() | exp.Least():
            return _common([node.this, *node.expressions])
        case exp.Bracket():
            return _item(node)
        case exp.Array():
            inner = _common(node.expressions)
            return exp.DataType(this=Type.ARRAY, expressions=[inner.copy()] if inner is not None else [], nested=True)
    return _function(node)


def _field_of_items(column: Any, typing: _Typing) -> Any:
    """The type of `books.title` where books is a column, not a table: a field of a struct, or of each in an array."""
    if not column.table or column.args.get("catalog") is not None:
        return None
    owner = owner_of(column)
    owner.parent = column.parent
    kind = typing.column(owner)
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
        inner = _field(_inner(kind.expressions[0]), name)
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
    if any(kind in _FLOATS for kind in kinds):
        return exp.DataType.build("DOUBLE")
    if Type.DECIMAL in kinds:
        return _of_decimals(node)
    if not all(kind in _INTEGERS for kind in kinds):
        return None
    if isinstance(node, exp.Div | exp.SafeDivide):
        return exp.DataType.build("DOUBLE")
    return exp.DataType(this=max(kinds, key=_INTEGERS.index))


def _of_dates(node: Any, kinds: tuple[Any, Any]) -> Any:
    if kinds == (Type.DATE, Type.DATE):
        return exp.DataType.build("INTERVAL")
    return exp.DataType.build("DATE") if kinds[0] == Type.DATE and kinds[1] in _INTEGERS else None


def _of_decimals(node: Any) -> Any:
    left, right = digits_of(node.this), digits_of(node.expression)
    if left is None or right is None:
        return None
    (p1, s1), (p2, s2) = left, right
    match node:
        case exp.Div() | exp.SafeDivide():
            scale = max(_LEAST_SCALE, s1 + p2 + 1)
            return decimal(*fitted(p1 - s1 + s2 + scale, scale))
        case exp.Mul():
            return decimal(*fitted(p1 + p2 + 1, s1 + s2))
        case exp.Mod():
            return decimal(*fitted(min(p1 - s1, p2 - s2) + max(s1, s2), max(s1, s2)))
    scale = max(s1, s2)
    return decimal(*fitted(max(p1 - s1, p2 - s2) + scale + 1, scale))


def _common(nodes: list[Any]) -> Any:
    """The type branches have in common: numbers widen, NULL fits all, anything else must agree."""
    known = [node for node in nodes if not isinstance(node, exp.Null)]
    kinds = {kind_of(node) for node in known}
    if not kinds or None in kinds:
        return None
    if len(kinds) == 1 and Type.DECIMAL not in kinds:
        return known[0].type
    if kinds <= {*_INTEGERS, *_FLOATS, Type.DECIMAL}:
        return _wider(known, kinds)
    return None


def _wider(nodes: list[Any], kinds: set[Any]) -> Any:
    if kinds & set(_FLOATS):
        return exp.DataType.build("DOUBLE")
    if Type.DECIMAL in kinds:
        sizes = [size for node in nodes if (size := _digits_by_type(node)) is not None]
        scale = max(scale for _, scale in sizes)
        return decimal(*fitted(max(digits - own for digits, own in sizes) + scale, scale))
    return exp.DataType(this=max(kinds, key=_INTEGERS.index))


def _digits_by_type(node: Any) -> tuple[int, int] | None:
    """As digits_of, but a literal counts as its type: branches widen by type, arithmetic by the literal's digits."""
    return (_WHOLE_DIGITS[kind], 0) if (kind := kind_of(node)) in _WHOLE_DIGITS else digits_of(node)


def _item(node: Any) -> Any:
    kind = node.this.type
    if kind is None or not kind.expressions:
        return None
    if kind.this in (Type.ARRAY, Type.LIST):
        return _inner(kind.expressions[0])
    return _inner(kind.expressions[1]) if kind.this == Type.MAP else None


def _inner(part: Any) -> Any:
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
            return _array_of(start.type) if kind_of(start) in (*_INTEGERS, Type.DATE, Type.TIMESTAMP) else None
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
    if kind in _INTEGERS:
        return exp.DataType.build("BIGINT")
    return exp.DataType.build("DOUBLE") if kind in _FLOATS else None


def _averaged(argument: Any) -> Any:
    kind = kind_of(argument)
    if kind == Type.DECIMAL:
        digits, scale = digits_of(argument) or (MOST_DIGITS, 0)
        return decimal(min(digits + 4, MOST_DIGITS), min(scale + 4, MOST_DIGITS))
    return exp.DataType.build("DOUBLE") if kind in (*_INTEGERS, *_FLOATS) else None


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


class _Typing:
    """The types of one statement on their way: each node is looked at once, each table asked for once."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._tables: dict[str, dict[str, Any]] = {}
        self._seen: set[int] = set()

    def complete(self, tree: Any) -> None:
        """Give every node below `tree` its type, operands first."""
        for node in reversed(list(tree.walk())):
            if id(node) not in self._seen:
                self._seen.add(id(node))
                if node.type is None and isinstance(node, exp.Condition | exp.Subquery | exp.Alias | exp.Window):
                    node.type = _type_of(node, self)

    def column(self, column: Any) -> Any:
        """The type of a column: of the nearest query around it that reads a table or query with such a column."""
        name, qualifier = column.name.lower(), column.table.lower()
        node = column.parent
        while node is not None:
            for source in _read_by(node):
                if qualifier and source.alias_or_name.lower() != qualifier:
                    continue
                columns = self._columns(source)
                if columns is None:
                    return None  # it may be one of a source nobody knows
                if name in columns:
                    return columns[name]
            if isinstance(node, exp.Select) and not qualifier and (made := _made_before(node, name)) is not None:
                self.complete(made)
                return made.type
            node = node.parent
        return None

    def _columns(self, source: Any) -> dict[str, Any] | None:
        """Column types by lower-case name; None when the columns are not known."""
        if isinstance(source, exp.Subquery):
            return self._projected(source.this, source.args.get("alias"))
        if isinstance(source, exp.Values) and source.args.get("alias") is not None:
            return self._listed(source)
        if isinstance(source, exp.Lateral) and source.args.get("alias") is not None:
            return self._generated(source)
        if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
            return None
        cte = _cte(source)
        if cte is not None:
            return self._projected(cte.this, cte.args.get("alias"))
        parts = [part.name for part in source.parts]
        if len(parts) > 3:
            return None
        return self._table(place(parts, self._scope)) or None

    def _listed(self, values: Any) -> dict[str, Any]:
        """The columns of VALUES: what all rows have in common in each place."""
        names = [column.name.lower() for column in values.args["alias"].columns]
        self.complete(values)
        rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in values.expressions]
        places = list(zip(*rows, strict=False))
        return {name: _common(list(place)) for name, place in zip(names, places, strict=False)}

    def _generated(self, lateral: Any) -> dict[str, Any]:
        """The columns of LATERAL VIEW explode(...): an item, or key and value; of other generators only the names."""
        names = [column.name.lower() for column in lateral.args["alias"].columns]
        self.complete(lateral.this)
        items = lateral.this.this.type if isinstance(lateral.this, exp.Explode | exp.Posexplode) else None
        inner = [_inner(part) for part in items.expressions] if items is not None else []
        kinds = [exp.DataType.build("INT"), *inner] if isinstance(lateral.this, exp.Posexplode) else inner
        return dict(zip(names, kinds, strict=True)) if len(kinds) == len(names) else dict.fromkeys(names)

    def _table(self, name: str) -> dict[str, Any]:
        if name not in self._tables:
            self._tables[name] = {
                column.name.lower(): _duckdb_type(column.kind) for column in self._scope.columns_of(name)
            }
        return self._tables[name]

    def _projected(self, query: Any, alias: Any) -> dict[str, Any] | None:
        if isinstance(query, exp.SetOperation):
            return self._united(query, alias)
        if isinstance(query, exp.Subquery):
            return self._projected(query.this, alias)
        if not isinstance(query, exp.Select):
            return None
        found: list[tuple[str, Any]] = []
        for item in query.selects:
            if item.is_star:
                starred = self._starred(item, query)
                if starred is None:
                    return None
                found += starred
            else:
                self.complete(item)
                found.append((item.alias_or_name.lower(), item.type))
        return _renamed(found, alias)

    def _starred(self, item: Any, query: Any) -> list[tuple[str, Any]] | None:
        """The columns behind `*` or `t.*`."""
        if isinstance(item, exp.Star) and item.args.get("except_") is None and item.args.get("replace") is None:
            wanted = None
        elif isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
            wanted = item.table.lower()
        else:
            return None
        found: list[tuple[str, Any]] = []
        for source in _read_by(query):
            if wanted is not None and source.alias_or_name.lower() != wanted:
                continue
            columns = self._columns(source)
            if columns is None:
                return None
            found += columns.items()
        return found

    def _united(self, query: Any, alias: Any) -> dict[str, Any] | None:
        """A column of a union has a known type where both sides agree on it."""
        left, right = self._projected(query.left, None), self._projected(query.right, None)
        if left is None or right is None or len(left) != len(right):
            return None
        both = [
            (name, kind if kind is not None and kind == other else None)
            for (name, kind), other in zip(left.items(), right.values(), strict=True)
        ]
        return _renamed(both, alias)


def _renamed(columns: list[tuple[str, Any]], alias: Any) -> dict[str, Any]:
    names = [column.name.lower() for column in alias.columns] if isinstance(alias, exp.TableAlias) else []
    if len(names) == len(columns):
        return {name: kind for name, (_, kind) in zip(names, columns, strict=True)}
    return dict(columns)


def _duckdb_type(text: str) -> Any:
    try:
        return exp.DataType.build(text, dialect="duckdb")
    except SqlglotError:
        return None


def _read_by(node: Any) -> Iterator[Any]:
    """The tables and subqueries a statement reads, those a column may come from."""
    if isinstance(node, exp.Select):
        origin = node.args.get("from_")
        if origin is not None:
            yield from _with_joins(origin.this)
        for join in node.args.get("joins") or []:
            yield from _with_joins(join.this)
        yield from node.args.get("laterals") or []
    elif isinstance(node, exp.Merge):
        yield node.this
        yield node.args["using"]
    elif isinstance(node, exp.Update | exp.Delete) and node.this is not None:
        yield node.this


def _with_joins(source: Any) -> Iterator[Any]:
    yield source
    for join in source.args.get("joins") or []:
        yield from _with_joins(join.this)
    yield from source.args.get("laterals") or []


def _made_before(select: Any, name: str) -> Any | None:
    """An output column a later one names: a lateral column alias."""
    return next((item for item in select.selects if isinstance(item, exp.Alias) and item.alias.lower() == name), None)


def _cte(table: Any) -> Any | None:
    """The common table expression a table's name means, None when it is a real table."""
    if len(table.parts) > 1:
        return None
    name, node = table.name.lower(), table.parent
    while node is not None:
        for cte in getattr(node, "ctes", []) or []:
            if cte.alias.lower() == name:
                return cte
        node = node.parent
    return None
