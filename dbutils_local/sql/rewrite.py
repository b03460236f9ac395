"""The expressions of a statement, from Databricks' meaning to DuckDB's: functions, casts, generators, column names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.names import place
from dbutils_local.sql.steps import Scope

Rewrite = Callable[[Any, Scope], Any]

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

_CAST_FUNCTIONS = {
    "bigint": "BIGINT",
    "smallint": "SMALLINT",
    "tinyint": "TINYINT",
    "int": "INT",
    "binary": "BINARY",
    "decimal": "DECIMAL(10, 0)",
    "boolean": "BOOLEAN",
}

INTEGER_WORDS = {"TINYINT": "tinyint", "SMALLINT": "smallint", "INT": "int", "BIGINT": "bigint"}


def rewritten(tree: Any, scope: Scope) -> Any:
    """The tree with every expression in DuckDB's terms; names of tables are left as they are."""
    _name_columns(tree)
    _expand_generators(tree)
    for select in tree.find_all(_select()):
        select.set("hint", None)  # how to run it, not what to give
    rules = _rules()
    # Children first: a rewrite keeps its operands, and they must have their DuckDB form by then.
    for node in reversed(list(tree.walk())):
        rule = rules.get(type(node))
        new = rule(node, scope) if rule is not None else node
        if node is tree:
            tree = new
        elif new is not node:
            node.replace(new)
    return tree


def _select() -> Any:
    from sqlglot import exp

    return exp.Select


def call(name: str, *arguments: Any) -> Any:
    """A call of a DuckDB function or macro."""
    from sqlglot import exp

    return exp.Anonymous(this=name, expressions=list(arguments))


def duck(text: str) -> Any:
    """DuckDB text as a tree."""
    import sqlglot

    return sqlglot.parse_one(text, read="duckdb")


def _refuse(name: str) -> NotSupportedHere:
    return NotSupportedHere(f"the function {name}() is not available on the embedded SQL engine: {_REFUSED[name]}")


# --- column names ---------------------------------------------------------------------------------------------------


def _name_columns(tree: Any) -> None:
    """Give every unnamed output column the name Databricks gives it, such as `count(1)` or `(a + b)`."""
    from sqlglot import exp

    for select in tree.find_all(exp.Select):
        select.set("expressions", [_named(item) for item in select.expressions])
    for values in tree.find_all(exp.Values):
        _name_values(values)


def _named(item: Any) -> Any:
    from sqlglot import exp

    if (
        isinstance(item, exp.Alias | exp.Aliases | exp.Star | exp.Column | exp.Dot)
        or item.is_star
        or _is_generator(item)
    ):
        return item
    if isinstance(item, exp.Identifier):
        return item
    return exp.alias_(item, _pretty(item), quoted=True, copy=False)


def _name_values(values: Any) -> None:
    """VALUES without column names has col1, col2, ... on Databricks."""
    from sqlglot import exp

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
    from sqlglot import exp

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
            sign = _sign(node)
            return f"({_pretty(node.this)} {sign} {_pretty(node.expression)})" if sign else _spelled(node)
        case exp.Anonymous():
            return f"{node.name.lower()}({', '.join(_pretty(part) for part in node.expressions)})"
        case exp.CurrentTimestamp():
            return "current_timestamp()"
        case exp.CurrentDate():
            return "current_date()"
    return _spelled(node)


def _sign(node: Any) -> str | None:
    from sqlglot import exp

    signs = {
        exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%", exp.EQ: "=", exp.NEQ: "=", exp.GT: ">",
        exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=", exp.And: "AND", exp.Or: "OR", exp.IntDiv: "div",
    }  # fmt: skip
    return None if isinstance(node, exp.NEQ) else signs.get(type(node))


def _spelled(node: Any) -> str:
    """Databricks' own spelling with the function name in lower case and text without quotes."""
    from sqlglot import exp

    text: str = node.sql("databricks")
    if isinstance(node, exp.Func) and not isinstance(node, exp.Case | exp.And | exp.Or) and "(" in text:
        name, rest = text.split("(", 1)
        text = f"{name.lower()}({rest}"
    return text.replace("'", "").replace("`", "")


# --- generators -----------------------------------------------------------------------------------------------------


def _is_generator(node: Any) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Explode | exp.Posexplode | exp.Inline | exp.Stack) or (
        isinstance(node, exp.Anonymous) and node.name.lower() in ("json_tuple", "inline_outer")
    )


def _expand_generators(tree: Any) -> None:
    """explode and its kin: in the select list as unnest columns, behind LATERAL VIEW as a lateral subquery."""
    from sqlglot import exp

    for select in list(tree.find_all(exp.Select)):
        select.set("expressions", [column for item in select.expressions for column in _generated(item)])
        views = [*(select.args.get("laterals") or [])]
        if views:
            select.set("laterals", None)
            select.set("joins", [*[_lateral_join(view) for view in views], *(select.args.get("joins") or [])])
    for table in list(tree.find_all(exp.Table)):
        if _is_generator(table.this):
            table.replace(_generator_table(table))
    for lateral in list(tree.find_all(exp.Lateral)):
        if not lateral.args.get("view") and _is_generator(lateral.this):
            lateral.replace(_generator_table(lateral))


def _generated(item: Any) -> list[Any]:
    """The output columns of one select item: itself, or the columns a generator makes."""
    from sqlglot import exp

    names = _names_of(item)
    inner = item.this if isinstance(item, exp.Alias | exp.Aliases) else item
    if not _is_generator(inner):
        return [item]
    columns = _columns_of(inner, names)
    return [exp.alias_(value, name, quoted=True) if name else value for name, value in columns]


def _names_of(item: Any) -> list[str]:
    from sqlglot import exp

    match item:
        case exp.Alias():
            return [item.alias]
        case exp.Aliases():
            return [part.name for part in item.expressions]
    return []


def _columns_of(generator: Any, names: list[str]) -> list[tuple[str, Any]]:
    """The columns a generator makes, with the names wanted or Databricks' own."""
    from sqlglot import exp

    outer = "outer" in type(generator).__name__.lower()
    what = generator.this
    match generator:
        case exp.Stack():
            return _stack_columns(generator, names)
        case exp.Inline():
            return [("", call("unnest", what, exp.Kwarg(this=exp.var("max_depth"), expression=exp.Literal.number(2))))]
        case exp.Posexplode() if len(names) > 2 or (not names and _is_map(what)):
            position, key, value = names or ["pos", "key", "value"]
            return [(position, _positions(call("map_keys", what))), *_map_columns(what, key, value, outer)]
        case exp.Posexplode():
            position, value = names if len(names) == 2 else ["pos", "col"]
            return [(position, _positions(what)), (value, _unnested(what, outer))]
        case exp.Explode() if len(names) == 2 or (not names and _is_map(what)):
            key, value = names or ["key", "value"]
            return _map_columns(what, key, value, outer)
        case exp.Explode():
            return [(names[0] if names else "col", _unnested(what, outer))]
    return _json_columns(generator, names)


def _is_map(node: Any) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Map | exp.VarMap | exp.ToMap | exp.MapFromEntries)


def _positions(what: Any) -> Any:
    from sqlglot import exp

    subscripts = call("generate_subscripts", what.copy(), exp.Literal.number(1))
    return exp.cast(exp.Sub(this=subscripts, expression=exp.Literal.number(1)), "INT")


def _unnested(what: Any, outer: bool) -> Any:
    if outer:
        return duck(f"unnest(CASE WHEN len({_MARK}) > 0 THEN {_MARK} ELSE [NULL] END)").transform(
            _put(what), copy=False
        )
    return call("unnest", what.copy())


_MARK = "dbutils_local_mark"


def _put(what: Any) -> Callable[[Any], Any]:
    from sqlglot import exp

    return lambda node: what.copy() if isinstance(node, exp.Column) and node.name == _MARK else node


def _map_columns(what: Any, key: str, value: str, outer: bool) -> list[tuple[str, Any]]:
    return [
        (key, _unnested(call("map_keys", what.copy()), outer)),
        (value, _unnested(call("map_values", what.copy()), outer)),
    ]


def _stack_columns(generator: Any, names: list[str]) -> list[tuple[str, Any]]:
    """stack(n, v1, ...): the values in n rows, column by column."""
    from sqlglot import exp

    height, values = int(generator.this.name), generator.expressions
    width = -(-len(values) // height)
    padded = [*values, *[exp.null() for _ in range(height * width - len(values))]]
    columns = [[padded[row * width + column].copy() for row in range(height)] for column in range(width)]
    wanted = names if len(names) == width else [f"col{number}" for number in range(width)]
    return [(name, call("unnest", exp.Array(expressions=column))) for name, column in zip(wanted, columns, strict=True)]


def _json_columns(generator: Any, names: list[str]) -> list[tuple[str, Any]]:
    """json_tuple(text, 'a', 'b'): one column for each key."""
    from sqlglot import exp

    text, *keys = generator.expressions
    wanted = names if len(names) == len(keys) else [f"c{number}" for number in range(len(keys))]
    path = [exp.Literal.string(f"$.{key.name}") for key in keys]
    return [(name, call("json_extract_string", text.copy(), one)) for name, one in zip(wanted, path, strict=True)]


def _lateral_join(view: Any) -> Any:
    from sqlglot import exp

    outer = bool(view.args.get("outer"))
    subquery = _generator_table(view)
    if not outer:
        return exp.Join(this=subquery, kind="CROSS")
    return exp.Join(this=subquery, side="LEFT", on=exp.true())


def _generator_table(node: Any) -> Any:
    """A generator in the FROM clause as a subquery with its column names."""
    from sqlglot import exp

    alias = node.args.get("alias")
    names = [column.name for column in alias.columns] if alias is not None else []
    name = alias.name if alias is not None and alias.name else "dbutils_local_generator"
    if isinstance(node.this, exp.Inline):
        select = exp.Select(expressions=[value for _, value in _columns_of(node.this, names)])
        columns = [exp.to_identifier(column, quoted=True) for column in names]
        return exp.Subquery(
            this=select, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True), columns=columns)
        )
    select = exp.Select(
        expressions=[exp.alias_(value, column, quoted=True) for column, value in _columns_of(node.this, names)]
    )
    return exp.Subquery(this=select, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))


# --- expressions ----------------------------------------------------------------------------------------------------


@cache
def _rules() -> Mapping[type, Rewrite]:
    """The rewrite of each kind of node; built once, because naming the kinds imports sqlglot."""
    from sqlglot import exp

    return {
        exp.Anonymous: _anonymous,
        exp.Cast: _cast,
        exp.TryCast: _cast,
        exp.DataType: _data_type,
        exp.Div: _divided("dbx_divide"),
        exp.IntDiv: _divided("dbx_div"),
        exp.Mod: _divided("dbx_mod"),
        exp.TsOrDsAdd: lambda node, _: call("dbx_date_add", node.this, node.expression),
        exp.AddMonths: lambda node, _: call("dbx_add_months", node.this, node.expression),
        exp.Add: _interval("dbx_plus_days"),
        exp.Sub: _interval("dbx_minus_days"),
        exp.StrToUnix: _unix_timestamp,
        exp.UnixToStr: _from_unixtime,
        exp.CurrentTimestamp: lambda node, _: call("dbx_now"),
        exp.CurrentUser: lambda node, scope: exp.Literal.string(scope.user),
        exp.SessionUser: lambda node, scope: exp.Literal.string(scope.user),
        exp.CurrentCatalog: lambda node, scope: exp.Literal.string(scope.catalog),
        exp.CurrentSchema: lambda node, scope: exp.Literal.string(scope.schema),
        exp.CurrentDatabase: lambda node, scope: exp.Literal.string(scope.schema),
        exp.GenerateSeries: _sequence,
        exp.ApproxQuantile: lambda node, _: call("quantile_disc", node.this, node.args["quantile"]),
        exp.Quantile: lambda node, _: call("quantile_cont", node.this, node.args["quantile"]),
        exp.ApproxDistinct: lambda node, _: exp.Count(this=exp.Distinct(expressions=[node.this])),
        exp.DateTrunc: lambda node, _: call("dbx_trunc", node.this, exp.Literal.string(node.args["unit"].name)),
        exp.Substring: _substring,
        exp.Initcap: lambda node, _: call("dbx_initcap", node.this),
        exp.DayOfWeek: lambda node, _: call("dbx_dayofweek", node.this),
        exp.Exists: _exists,
        exp.Reduce: _reduce,
        exp.FromJson: _from_json,
        exp.JSONExtract: _json_path,
        exp.JSONExtractScalar: _json_path,
        exp.Uuid: lambda node, _: exp.cast(call("uuid"), "TEXT"),
        exp.Rand: _rand,
        exp.ArraySlice: lambda node, _: call("dbx_slice", node.this, node.args["start"], node.args["end"]),
        exp.ArrayPosition: lambda node, _: call("dbx_array_position", node.this, node.expression),
        exp.AtTimeZone: _at_time_zone,
        exp.Any: lambda node, _: call("bool_or", node.this.unnest()) if isinstance(node.this, exp.Paren) else node,
        exp.LastDay: lambda node, _: call("last_day", exp.cast(node.this, "DATE")),
        exp.Floor: _whole,
        exp.Ceil: _whole,
        exp.Window: _window,
        **dict.fromkeys(_integer_kinds(), _as_integer),
        exp.SubstringIndex: lambda node, _: call(
            "dbx_substring_index", node.this, node.args["delimiter"], node.args["count"]
        ),
        exp.Typeof: lambda node, _: call("dbx_typeof", node.this),
        exp.Ln: lambda node, _: call("dbx_log", node.this),
        exp.ToChar: lambda node, _: _raise(_refuse("to_char")),
        exp.Format: lambda node, _: _raise(_refuse("format_string")),
        exp.Secret: lambda node, _: _raise(_refuse("secret")),
        exp.Column: _variable,
    }


def _integer_kinds() -> list[type]:
    """Functions that give INT on Databricks and BIGINT in DuckDB."""
    from sqlglot import exp

    dates = [
        exp.Year,
        exp.Month,
        exp.Day,
        exp.DayOfMonth,
        exp.DayOfYear,
        exp.WeekOfYear,
        exp.Quarter,
        exp.Hour,
        exp.Minute,
        exp.Second,
    ]
    return [*dates, exp.Length, exp.ArraySize, exp.StrPosition, exp.DateDiff]


def _as_integer(node: Any, _: Scope) -> Any:
    from sqlglot import exp

    # datediff(DAY, a, b) gives BIGINT, datediff(a, b) INT; sqlglot reads both alike, so the difference is lost.
    return exp.cast(node.copy(), "INT")


def _whole(node: Any, _: Scope) -> Any:
    """floor and ceil of a number give BIGINT on Databricks."""
    from sqlglot import exp

    return node if node.args.get("decimals") is not None else exp.cast(node.copy(), "BIGINT")


def _window(node: Any, _: Scope) -> Any:
    """Ranking functions give INT on Databricks."""
    from sqlglot import exp

    ranking = isinstance(node.this, exp.RowNumber | exp.Rank | exp.DenseRank | exp.Ntile)
    return exp.cast(node.copy(), "INT") if ranking else node


def _raise(error: Exception) -> Any:
    raise error


def _anonymous(node: Any, scope: Scope) -> Any:
    from sqlglot import exp

    name = node.name.lower()
    arguments = node.expressions
    if name in _REFUSED:
        raise _refuse(name)
    if name in _CAST_FUNCTIONS and len(arguments) == 1:
        return _cast(exp.cast(arguments[0], _CAST_FUNCTIONS[name], dialect="databricks"), scope)
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


def _cast(node: Any, scope: Scope) -> Any:
    """Casts to integers cut fractions off as Databricks does; other casts are the same in both."""
    from sqlglot import exp

    word = INTEGER_WORDS.get(node.to.this.name)
    if word is None or _surely_integer(node.this):
        return node
    prefix = "dbx_try_cast_" if isinstance(node, exp.TryCast) else "dbx_cast_"
    return call(prefix + word, node.this)


def cast_text(value: str, kind: str) -> str:
    """DuckDB text that casts DuckDB text to a DuckDB type as Databricks casts."""
    word = INTEGER_WORDS.get(kind)
    return f"dbx_cast_{word}({value})" if word is not None else f"CAST({value} AS {kind})"


def _surely_integer(node: Any) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Count | exp.RowNumber | exp.Null) or (
        isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit()
    )


def _data_type(node: Any, _: Scope) -> Any:
    """Timestamps carry no zone here (the session is in UTC), and DECIMAL alone has ten digits."""
    from sqlglot import exp

    kind = node.this
    if kind in (exp.DataType.Type.TIMESTAMPTZ, exp.DataType.Type.TIMESTAMPLTZ, exp.DataType.Type.TIMESTAMPNTZ):
        return exp.DataType(this=exp.DataType.Type.TIMESTAMP, nested=False)
    if kind == exp.DataType.Type.DECIMAL and not node.expressions:
        return exp.DataType.build("DECIMAL(10, 0)")
    if kind == exp.DataType.Type.VARIANT:
        return exp.DataType.build("JSON")
    return node


def _divided(macro: str) -> Rewrite:
    """Division by zero is an error on Databricks and NULL in DuckDB; a divisor plainly not zero needs no watch."""

    def rule(node: Any, _: Scope) -> Any:
        from sqlglot import exp

        divisor = node.expression.unnest()
        if (
            isinstance(divisor, exp.Literal)
            and not divisor.is_string
            and float(divisor.name) != 0
            and macro != "dbx_div"
        ):
            return node
        return call(macro, node.this, node.expression)

    return rule


_DAY_UNITS = ("DAY", "DAYS", "WEEK", "WEEKS", "MONTH", "MONTHS", "QUARTER", "QUARTERS", "YEAR", "YEARS")


def _interval(macro: str) -> Rewrite:
    """A date plus whole days stays a date on Databricks."""

    def rule(node: Any, _: Scope) -> Any:
        from sqlglot import exp

        value, interval = node.this, node.expression
        if isinstance(value, exp.Interval) and isinstance(node, exp.Add):
            value, interval = interval, value
        unit = interval.args.get("unit") if isinstance(interval, exp.Interval) else None
        if unit is None or isinstance(value, exp.Interval) or unit.name.upper() not in _DAY_UNITS or not _plain(value):
            return node
        return call(macro, value, interval)

    return rule


def _plain(node: Any) -> bool:
    """Whether DuckDB can tell the type of an argument when it chooses between overloads."""
    from sqlglot import exp

    return (
        node.find(exp.AggFunc, exp.Window, exp.Subquery, exp.Select) is None and node.find_ancestor(exp.Lambda) is None
    )


def _unix_timestamp(node: Any, _: Scope) -> Any:
    from sqlglot import exp

    if isinstance(node.this, exp.CurrentTimestamp) or (
        isinstance(node.this, exp.Anonymous) and node.this.name == "dbx_now"
    ):
        return call("dbx_unix_now")
    pattern = node.args.get("format")
    plain = pattern is None or "strict %Hstrict:%Mstrict:%Sstrict" in pattern.name
    if plain:
        return call("dbx_unix", node.this)
    parsed = exp.StrToTime(this=node.this, format=pattern)
    return call("dbx_unix", exp.cast(parsed, "TIMESTAMP", dialect="duckdb"))


def _from_unixtime(node: Any, _: Scope) -> Any:
    """from_unixtime gives text in the session's zone, which is UTC."""
    from sqlglot import exp

    stamp = exp.cast(
        call("make_timestamp", exp.Mul(this=exp.cast(node.this, "BIGINT"), expression=exp.Literal.number(1_000_000))),
        "TIMESTAMP",
        dialect="duckdb",
    )
    return exp.TimeToStr(this=stamp, format=node.args["format"])


def _sequence(node: Any, _: Scope) -> Any:
    start, end, step = node.args["start"], node.args["end"], node.args.get("step")
    if not (_plain(start) and _plain(end)):
        return node
    return call("dbx_sequence", start, end, step) if step is not None else call("dbx_sequence_by_one", start, end)


def _substring(node: Any, _: Scope) -> Any:
    length = node.args.get("length")
    if length is None:
        return call("dbx_substring", node.this, node.args["start"])
    return call("dbx_substring3", node.this, node.args["start"], length)


def _exists(node: Any, _: Scope) -> Any:
    """exists(array, x -> test); EXISTS (query) is another thing of the same name."""
    test = node.args.get("expression")
    return node if test is None else call("dbx_exists", call("list_transform", node.this, test))


def _reduce(node: Any, _: Scope) -> Any:
    """reduce(array, start, merge, finish): DuckDB's has no finish, so that is applied to a list of the one result."""
    from sqlglot import exp

    finish = node.args.get("finish")
    if finish is None:
        return node
    result = exp.Reduce(this=node.this, initial=node.args["initial"], merge=node.args["merge"])
    return call("list_extract", call("list_transform", exp.array(result), finish), exp.Literal.number(1))


def _json_path(node: Any, _: Scope) -> Any:
    """`column:path` and get_json_object give text, without the quotes JSON puts around it."""
    from sqlglot import exp

    path = node.expression.sql("duckdb") if isinstance(node.expression, exp.JSONPath) else node.expression
    arguments = [node.this, duck(path) if isinstance(path, str) else path]
    if isinstance(path, str) and "*" in path:
        return exp.cast(call("to_json", call("json_extract", *arguments)), "TEXT")
    return call("json_extract_string", *arguments)


def _from_json(node: Any, _: Scope) -> Any:
    """from_json(text, DDL schema) becomes DuckDB's json structure."""
    from sqlglot import exp

    schema = node.expression
    if not isinstance(schema, exp.Literal) or not schema.is_string:
        raise NotSupportedHere("from_json needs its schema as a string literal on the embedded SQL engine")
    return call("from_json", node.this, exp.Literal.string(json.dumps(_json_structure(_parsed_schema(schema.name)))))


def _parsed_schema(text: str) -> Any:
    """A DDL schema (`a INT, b ARRAY<STRING>`, or a type alone) as a sqlglot type."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    for candidate in (text, f"STRUCT<{text}>"):
        try:
            return exp.DataType.build(candidate, dialect="databricks")
        except SqlglotError:
            continue
    raise NotSupportedHere(f"from_json: {text!r} is not a schema (expected such as 'a INT, b ARRAY<STRING>')")


def _json_structure(kind: Any) -> Any:
    from sqlglot import exp

    match kind.this:
        case exp.DataType.Type.STRUCT:
            return {field.name: _json_structure(field.args["kind"]) for field in kind.expressions}
        case exp.DataType.Type.ARRAY | exp.DataType.Type.LIST:
            return [_json_structure(kind.expressions[0])]
        case exp.DataType.Type.MAP:
            key, value = kind.expressions
            return f"MAP({_json_type(key)}, {_json_type(value)})"
    return _json_type(kind)


def _json_type(kind: Any) -> str:
    return str(
        kind.transform(lambda node: _data_type(node, Scope()) if type(node).__name__ == "DataType" else node).sql(
            "duckdb"
        )
    )


def _rand(node: Any, _: Scope) -> Any:
    if node.this is not None:
        raise _refuse("rand")
    return call("random")


def _at_time_zone(node: Any, _: Scope) -> Any:
    """from_utc_timestamp: the clock of a zone at a UTC instant."""
    return call("dbx_from_utc", node.this, node.args["zone"])


def _variable(node: Any, scope: Scope) -> Any:
    """A session variable, unless a column of that name is in reach: columns come first."""
    from sqlglot import exp

    if not scope.variables:
        return node
    qualifier = [part.name.lower() for part in node.parts[:-1]]
    variable = scope.variables.get(node.name.lower())
    if variable is None or qualifier not in ([], ["session"], ["system", "session"]):
        return node
    if not qualifier and _is_column(node, scope):
        return node
    value = duck(f"(CAST({variable.literal} AS {variable.kind}))")
    return exp.alias_(value, node.name, quoted=True) if isinstance(node.parent, exp.Select) else value


def _is_column(node: Any, scope: Scope) -> bool:
    """Whether a table the statement reads, or a query inside it, has a column of the variable's name."""
    from sqlglot import exp

    name, root = node.name.lower(), node.root()
    made = {item.alias.lower() for item in root.find_all(exp.Alias)}
    made |= {column.name.lower() for alias in root.find_all(exp.TableAlias) for column in alias.columns}
    return name in made or any(
        column.name.lower() == name
        for table in root.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier)
        for column in scope.columns_of(place([part.name for part in table.parts], scope))
    )
