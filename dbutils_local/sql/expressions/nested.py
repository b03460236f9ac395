"""Arrays, maps and structs: items by place, tests and changes by lambda, sets in the order of their first item."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.kinds import ITEMS, Type, is_array, kind_of
from dbutils_local.sql.expressions.rules import owner_of
from dbutils_local.sql.expressions.trees import call, duck, kept_type
from dbutils_local.sql.expressions.variables import variable
from dbutils_local.sql.scope import Scope


def item(node: Any, _: Scope) -> Any:
    """`array[i]` counts from 0, element_at from 1; a place beyond the array is an error, but for the try_ forms."""
    if len(node.expressions) != 1 or node.args.get("safe") or not is_array(node.this):
        return node
    place = node.expressions[0]
    macro = "dbx_element_at" if node.args.get("offset") == 1 else "dbx_item"
    return kept_type(call(macro, node.this, place), node)


def field_of_items(node: Any, scope: Scope) -> Any:
    """`books.title` where books is an array of structs: the titles. A column is else a variable, or itself."""
    if is_array(node) and node.table and _names_an_array(node):
        owner = owner_of(node)
        titles = exp.Dot(this=exp.to_identifier("dbx_pair"), expression=node.this.copy())
        return kept_type(call("list_transform", owner, _lambda(titles)), node)
    return variable(node, scope)


def field_of_struct(node: Any, _: Scope) -> Any:
    """The same behind any other expression."""
    if is_array(node) and is_array(node.this) and isinstance(node.expression, exp.Identifier):
        titles = exp.Dot(this=exp.to_identifier("dbx_pair"), expression=node.expression.copy())
        return kept_type(call("list_transform", node.this, _lambda(titles)), node)
    return node


def _names_an_array(column: Any) -> bool:
    """Whether what stands before the point is a column: the typing says so where it found the field of an array."""
    return bool(column.meta.get(ITEMS))


def size(node: Any, _: Scope) -> Any:
    """size of an array or a map, an INT."""
    counted = call("cardinality" if kind_of(node.this) == Type.MAP or _makes_map(node.this) else "len", node.this)
    return kept_type(exp.cast(counted, "INT"), node)


def cardinality(node: Any) -> Any:
    """cardinality is size under another name."""
    (counted,) = node.expressions
    return size(exp.ArraySize(this=counted), Scope())


def _makes_map(node: Any) -> bool:
    return isinstance(node, exp.Map | exp.VarMap | exp.ToMap | exp.MapFromEntries)


def exists(node: Any, _: Scope) -> Any:
    """exists(array, x -> test); EXISTS (query) is another thing of the same name."""
    test = node.args.get("expression")
    return node if test is None else call("dbx_exists", call("list_transform", node.this, test))


def reduced(node: Any, _: Scope) -> Any:
    """reduce(array, start, merge, finish): DuckDB's has no finish, so that is applied to a list of the one result."""
    finish = node.args.get("finish")
    if finish is None:
        return node
    result = exp.Reduce(this=node.this, initial=node.args["initial"], merge=node.args["merge"])
    return call("list_extract", call("list_transform", exp.array(result), finish), exp.Literal.number(1))


def counted_from_zero(node: Any, _: Scope) -> Any:
    """transform and filter with (x, i) -> ...: the place counts from 0 on Databricks, from 1 in DuckDB."""
    function = node.expression
    if isinstance(function, exp.Lambda) and len(function.expressions) == 2:
        index = function.expressions[1].name
        before = duck("CAST(i - 1 AS INT)")
        before.find(exp.Column).replace(exp.to_identifier(index))
        function.set("this", _filled(function.this, {index: before}))
    return node


def _filled(body: Any, parts: dict[str, Any]) -> Any:
    """The body of a lambda with its parameters replaced."""
    folded = {name.lower(): part for name, part in parts.items()}

    def put(node: Any) -> Any:
        if not isinstance(node, exp.Identifier) or node.name.lower() not in folded:
            return node
        names_a_field = isinstance(node.parent, exp.Dot) and node.parent.expression is node
        names_a_column = isinstance(node.parent, exp.Column) and len(node.parent.parts) > 1
        return node if names_a_field or names_a_column else folded[node.name.lower()].copy()

    return body.transform(put)


def zipped_with(node: Any) -> Any:
    """zip_with(a, b, (x, y) -> ...)."""
    left, right, function = node.expressions
    x, y = (part.name for part in function.expressions)
    body = _filled(function.this, {x: duck("dbx_pair[1]"), y: duck("dbx_pair[2]")})
    return call("list_transform", call("list_zip", left, right), _lambda(body))


def _lambda(body: Any) -> Any:
    return exp.Lambda(this=body, expressions=[exp.to_identifier("dbx_pair")])


def _over_entries(node: Any) -> tuple[Any, Any]:
    """The entries of a map, and the body of the lambda over them with key and value in place."""
    entries, function = node.expressions
    key, value = (part.name for part in function.expressions)
    parts = {key: _of_pair("key"), value: _of_pair("value")}
    return call("map_entries", entries), _filled(function.this, parts)


def _of_pair(field: str) -> Any:
    return exp.Dot(this=exp.to_identifier("dbx_pair"), expression=exp.to_identifier(field))


def _entry(key: Any, value: Any) -> Any:
    parts = (("key", key), ("value", value))
    fields = [exp.PropertyEQ(this=exp.to_identifier(name), expression=part) for name, part in parts]
    return exp.Struct(expressions=fields)


def map_filtered(node: Any) -> Any:
    """map_filter(map, (k, v) -> test)."""
    entries, body = _over_entries(node)
    return call("map_from_entries", call("list_filter", entries, _lambda(body)))


def values_transformed(node: Any) -> Any:
    """transform_values(map, (k, v) -> value)."""
    entries, body = _over_entries(node)
    return call("map_from_entries", call("list_transform", entries, _lambda(_entry(_of_pair("key"), body))))


def keys_transformed(node: Any) -> Any:
    """transform_keys(map, (k, v) -> key)."""
    entries, body = _over_entries(node)
    return call("map_from_entries", call("list_transform", entries, _lambda(_entry(body, _of_pair("value")))))


def zipped(node: Any, _: Scope) -> Any:
    """arrays_zip: structs whose fields are named as the columns, or counted from 0."""
    arrays = node.expressions
    names = [part.name if isinstance(part, exp.Column) else str(place) for place, part in enumerate(arrays)]
    fields = [
        exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=duck(f"dbx_pair[{place + 1}]"))
        for place, name in enumerate(names)
    ]
    return call("list_transform", call("list_zip", *arrays), _lambda(exp.Struct(expressions=fields)))


def collected_set(node: Any, _: Scope) -> Any:
    """collect_set leaves NULL out, and of nothing gives an empty array."""
    if isinstance(node.parent, exp.Filter | exp.Window):
        return node
    return duck("coalesce(list(DISTINCT :value) FILTER (:value IS NOT NULL), [])", value=node.this)
