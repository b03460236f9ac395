"""explode and its kin: in the select list as unnest columns, behind LATERAL VIEW as a lateral subquery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from dbutils_local.sql.expressions.kinds import Type, kind_of
from dbutils_local.sql.expressions.trees import call, duck


def expand_generators(tree: Any) -> None:
    """explode and its kin: in the select list as unnest columns, behind LATERAL VIEW as a lateral subquery."""
    for select in list(tree.find_all(exp.Select)):
        select.set("expressions", [column for item in select.expressions for column in _generated(item)])
        views = [*(select.args.get("laterals") or [])]
        if views:
            select.set("laterals", None)
            select.set("joins", [*[_lateral_join(view) for view in views], *(select.args.get("joins") or [])])
    for table in list(tree.find_all(exp.Table)):
        if is_generator(table.this):
            table.replace(_generator_table(table))
    for lateral in list(tree.find_all(exp.Lateral)):
        if not lateral.args.get("view") and is_generator(lateral.this):
            lateral.replace(_generator_table(lateral))


def is_generator(node: Any) -> bool:
    """Whether a node makes rows out of one value."""
    return isinstance(node, exp.Explode | exp.Posexplode | exp.Inline | exp.Stack) or (
        isinstance(node, exp.Anonymous) and node.name.lower() in ("json_tuple", "inline_outer")
    )


def _generated(item: Any) -> list[Any]:
    """The output columns of one select item: itself, or the columns a generator makes."""
    names = _names_of(item)
    inner = item.this if isinstance(item, exp.Alias | exp.Aliases) else item
    if not is_generator(inner):
        return [item]
    columns = _columns_of(inner, names)
    return [exp.alias_(value, name, quoted=True) if name else value for name, value in columns]


def _names_of(item: Any) -> list[str]:
    match item:
        case exp.Alias():
            return [item.alias]
        case exp.Aliases():
            return [part.name for part in item.expressions]
    return []


def _columns_of(generator: Any, names: list[str]) -> list[tuple[str, Any]]:
    """The columns a generator makes, with the names wanted or Databricks' own."""
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
    return kind_of(node) == Type.MAP or isinstance(node, exp.Map | exp.VarMap | exp.ToMap | exp.MapFromEntries)


def _positions(what: Any) -> Any:
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
    return lambda node: what.copy() if isinstance(node, exp.Column) and node.name == _MARK else node


def _map_columns(what: Any, key: str, value: str, outer: bool) -> list[tuple[str, Any]]:
    return [
        (key, _unnested(call("map_keys", what.copy()), outer)),
        (value, _unnested(call("map_values", what.copy()), outer)),
    ]


def _stack_columns(generator: Any, names: list[str]) -> list[tuple[str, Any]]:
    """stack(n, v1, ...): the values in n rows, column by column."""
    height, values = int(generator.this.name), generator.expressions
    width = -(-len(values) // height)
    padded = [*values, *[exp.null() for _ in range(height * width - len(values))]]
    columns = [[padded[row * width + column].copy() for row in range(height)] for column in range(width)]
    wanted = names if len(names) == width else [f"col{number}" for number in range(width)]
    return [(name, call("unnest", exp.Array(expressions=column))) for name, column in zip(wanted, columns, strict=True)]


def _json_columns(generator: Any, names: list[str]) -> list[tuple[str, Any]]:
    """json_tuple(text, 'a', 'b'): one column for each key."""
    text, *keys = generator.expressions
    wanted = names if len(names) == len(keys) else [f"c{number}" for number in range(len(keys))]
    path = [exp.Literal.string(f"$.{key.name}") for key in keys]
    return [(name, call("json_extract_string", text.copy(), one)) for name, one in zip(wanted, path, strict=True)]


def _lateral_join(view: Any) -> Any:
    outer = bool(view.args.get("outer"))
    subquery = _generator_table(view)
    if not outer:
        return exp.Join(this=subquery, kind="CROSS")
    return exp.Join(this=subquery, side="LEFT", on=exp.true())


def _generator_table(node: Any) -> Any:
    """A generator in the FROM clause as a subquery with its column names."""
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
