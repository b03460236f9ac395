"""The tables a statement names, put in their places: catalogs, path tables, read_files, the information schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlglot
from sqlglot import exp

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql.names import HIDDEN_SCHEMA, canonical, inside
from dbutils_local.sql.scan import quote
from dbutils_local.sql.scope import Scope
from dbutils_local.sql.sources.files import FORMATS, reader
from dbutils_local.sql.sources.read_files import read_files


def placed(tree: Any, scope: Scope) -> Any:
    """The tree with each table under its DuckDB name; changes the tree, and returns what stands in its place."""
    for table in list(tree.find_all(exp.Table)):
        new = _placed(table, scope)
        if table is tree:
            tree = new
        elif new is not table:
            table.replace(new)
    for column in list(tree.find_all(exp.Column)):
        _place_column(column)
    for dot in list(tree.find_all(exp.Dot)):
        _place_function(dot, scope)
    return tree


def parts_of(table: Any) -> list[str]:
    """The names a table is given by, catalog first."""
    return [part.name for part in table.parts]


def _placed(table: Any, scope: Scope) -> Any:
    if table.args.get("version") is not None or table.args.get("when") is not None:
        raise NotSupportedHere(
            "VERSION AS OF is not done by the embedded SQL engine: no time travel on DuckDB tables: they "
            "keep no versions"
        )
    if isinstance(table.this, exp.Func):
        return _table_function(table, scope)
    parts = parts_of(table)
    if len(parts) == 2 and parts[0].lower() in FORMATS and _is_path(parts[1]):
        return _subquery(reader(parts[0], scope.files(parts[1]), {}), table)
    if "information_schema" in [part.lower() for part in parts[:-1]]:
        return _subquery(_information_schema(parts, scope), table)
    if len(parts) == 1 and (_is_cte(table) or parts[0].lower().startswith("dbutils_local_")):
        return table
    _rename(table, parts, scope)
    return table


def _is_path(name: str) -> bool:
    return any(sign in name for sign in "/:.*")


def _rename(table: Any, parts: Sequence[str], scope: Scope) -> None:
    if len(parts) > 3:
        raise UserError(
            f"[IDENTIFIER_TOO_MANY_NAME_PARTS] {'.'.join(parts)} is not a valid identifier as it has more "
            "than 3 name parts."
        )
    name = parts[-1]
    if (len(parts) == 1 and name.lower() in scope.temp_views) or (
        len(parts) == 2 and parts[0].lower() == "global_temp"
    ):
        catalog, schema = "temp", "main"
    else:
        catalog = inside(parts[0] if len(parts) == 3 else scope.catalog)
        schema = parts[-2] if len(parts) > 1 else scope.schema
    table.set("this", exp.to_identifier(name, quoted=True))
    table.set("db", exp.to_identifier(schema, quoted=True))
    table.set("catalog", exp.to_identifier(catalog, quoted=True))


def _is_cte(table: Any) -> bool:
    """Whether the name is a common table expression in reach: an earlier one of a WITH around it, or recursive."""
    name = table.name.lower()
    inner, node = table, table.parent
    while node is not None:
        if isinstance(node, exp.With):
            names = [cte.alias.lower() for cte in node.expressions]
            position = next(index for index, cte in enumerate(node.expressions) if cte is inner)
            reach = names if node.recursive else names[:position]
            if name in reach:
                return True
        elif not isinstance(inner, exp.With) and name in [cte.alias.lower() for cte in getattr(node, "ctes", [])]:
            return True
        inner, node = node, node.parent
    return False


def _subquery(sql: str, table: Any) -> Any:
    """A DuckDB query in the place of a table, under its alias or its own name."""
    query = sqlglot.parse_one(sql, read="duckdb")
    alias = table.args.get("alias")
    if alias is None:
        alias = exp.TableAlias(this=exp.to_identifier(table.name or "dbutils_local_files", quoted=True))
    subquery = exp.Subquery(this=query, alias=alias)
    for key in ("joins", "laterals", "pivots", "sample"):
        if table.args.get(key):
            subquery.set(key, table.args[key])
    return subquery


def _information_schema(parts: Sequence[str], scope: Scope) -> str:
    """A view of the information schema, of one catalog, or of all (`system.information_schema`)."""
    catalog = parts[0] if len(parts) == 3 else scope.catalog
    view = parts[-1].lower()
    of_tables = ("table_catalog", "table_schema")
    known = {"tables": of_tables, "columns": of_tables, "views": of_tables, "schemata": ("catalog_name", "schema_name")}
    if view not in known:
        raise NotSupportedHere(
            f"information_schema.{view} is not kept by the embedded SQL engine; it has {', '.join(sorted(known))}"
        )
    column, schema = known[view]
    mine = "true" if catalog.lower() == "system" else f"{column} = {quote(inside(catalog))}"
    source = (
        f"(SELECT * FROM information_schema.{view} WHERE {schema} NOT IN ('{HIDDEN_SCHEMA}', 'pg_catalog', "
        f"'main') AND {column} NOT IN ('system', 'temp'))"
    )
    return f"SELECT * REPLACE (dbx_catalog({column}) AS {column}) FROM {source} WHERE {mine}"


def _table_function(table: Any, scope: Scope) -> Any:
    function = table.this
    name = function.name.lower() if isinstance(function, exp.Anonymous) else type(function).__name__.lower()
    if name == "read_files":
        return _subquery(read_files(function, scope), table)
    if (
        name == "range"
        or isinstance(function, exp.GenerateSeries)
        or (isinstance(function, exp.Anonymous) and name in ("dbx_range",))
    ):
        arguments = ", ".join(part.sql("duckdb") for part in function.expressions)
        return _subquery(f"SELECT range AS id FROM range({arguments})", table)
    parts = [part.name for part in (table.args.get("catalog"), table.args.get("db")) if part is not None]
    if not isinstance(function, exp.Anonymous):
        return table
    schema = parts[-1] if parts else scope.schema
    catalog = parts[0] if len(parts) == 2 else scope.catalog
    table.set("db", exp.to_identifier(schema, quoted=True))
    table.set("catalog", exp.to_identifier(inside(catalog), quoted=True))
    return table


def _place_column(column: Any) -> None:
    """A column given by catalog, schema and table keeps only what DuckDB needs to tell it."""
    if column.args.get("catalog") is not None and column.args.get("db") is not None:
        column.set(
            "catalog",
            exp.to_identifier(inside(column.catalog), quoted=True)
            if _names_a_catalog(column)
            else column.args["catalog"],
        )


def _names_a_catalog(column: Any) -> bool:
    """`a.b.c.d` may be a field of a struct; it is a catalog when the statement reads a table placed in it."""
    attached = inside(column.catalog)
    return any(table.catalog == attached and table.db == column.db for table in column.root().find_all(exp.Table))


def _place_function(dot: Any, scope: Scope) -> None:
    """`schema.f(x)` and `catalog.schema.f(x)`: a function of a catalog."""
    if not isinstance(dot.expression, exp.Anonymous) or isinstance(dot.parent, exp.Dot):
        return
    qualifier = [part.name for part in dot.this.flatten()] if isinstance(dot.this, exp.Dot) else [dot.this.name]
    catalog = canonical(qualifier[0]) if len(qualifier) == 2 else scope.catalog
    left = exp.Dot(
        this=exp.to_identifier(inside(catalog), quoted=True), expression=exp.to_identifier(qualifier[-1], quoted=True)
    )
    dot.set("this", left)
