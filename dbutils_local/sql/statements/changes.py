"""Statements that change rows: INSERT, UPDATE, DELETE, MERGE, TRUNCATE as DuckDB transactions."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.expressions.text import render
from dbutils_local.sql.names import ident, place
from dbutils_local.sql.sources.tables import parts_of
from dbutils_local.sql.statements.adapted import adapted, query_text
from dbutils_local.sql.statements.request import Request
from dbutils_local.sql.steps import Change, Count, Step

_STAGED = "temp.main.dbutils_local_staged"


def insert(tree: Any, request: Request) -> Step:
    """INSERT INTO | OVERWRITE, by position or BY NAME, with static partitions and REPLACE WHERE."""
    target, named = _target(tree)
    partition = target.args.get("partition")
    target.set("partition", None)
    overwrite, where = bool(tree.args.get("overwrite")), tree.args.get("where")
    source = tree.expression if tree.expression is not None else tree.args.get("source")
    if isinstance(source, exp.Table):
        source = exp.Select(expressions=[exp.Star()]).from_(source)
    if tree.args.get("with_") is not None and source is not None:
        source.set("with_", tree.args["with_"])
    table = render(adapted(target.copy(), request.scope))
    fixed = _fixed(partition)
    columns = named or (
        [
            column.name
            for column in request.scope.columns_of(table)
            if column.name.lower() not in {k.lower() for k in fixed}
        ]
        if fixed
        else []
    )
    body = _body(source, request)
    if fixed:
        aliases = ", ".join(ident(name) for name in columns)
        body = (
            f"SELECT *, {', '.join(_value(value, request) for value in fixed.values())} FROM ({body}) AS "
            f"dbutils_local_rows({aliases})"
        )
    listed = [*columns, *fixed]
    head = (
        f"INSERT INTO {table}"
        + (" BY NAME" if tree.args.get("by_name") else "")
        + (f" ({', '.join(map(ident, listed))})" if listed else "")
    )
    if not overwrite and where is None:
        return Change((f"{head} {body}",), Count.INSERTED)
    return _replaced(head, body, table, _condition(fixed, where, request))


def _target(tree: Any) -> tuple[Any, list[str]]:
    if isinstance(tree.this, exp.Schema):
        return tree.this.this, [column.name for column in tree.this.expressions]
    return tree.this, []


def _body(source: Any, request: Request) -> str:
    if isinstance(source, exp.Values):
        return render(adapted(source, request.scope))
    return query_text(source, request.scope)


def _fixed(partition: Any) -> dict[str, Any]:
    """The partition columns given a value: `PARTITION (day = '2024-01-01', region)` fixes day."""
    if partition is None:
        return {}
    return {item.this.name: item.expression for item in partition.expressions if isinstance(item, exp.EQ)}


def _value(value: Any, request: Request) -> str:
    return render(adapted(value.copy(), request.scope))


def _condition(fixed: dict[str, Any], where: Any, request: Request) -> str:
    if where is not None:
        condition = where.this if isinstance(where, exp.Where) else where
        return render(adapted(condition.copy(), request.scope))
    return " AND ".join(f"{ident(name)} = {_value(value, request)}" for name, value in fixed.items()) or "true"


def _replaced(head: str, body: str, table: str, condition: str) -> Change:
    """Old rows out, new rows in, in one transaction; the new are computed first, for they may come from the old."""
    staged = (
        body
        if body.lstrip().upper().startswith("SELECT") or body.lstrip().upper().startswith("WITH")
        else f"SELECT * FROM ({body})"
    )
    statements = (
        f"CREATE OR REPLACE TEMP TABLE {_STAGED.split('.')[-1]} AS {staged}",
        f"DELETE FROM {table} WHERE {condition}",
        f"{head} SELECT * FROM {_STAGED}",
        f"DROP TABLE {_STAGED}",
    )
    return Change(statements, Count.INSERTED)


def update(tree: Any, request: Request) -> Step:
    """UPDATE t SET ... WHERE ...; the columns set are given without their table, as DuckDB wants them."""
    _strip_targets(tree.expressions)
    return Change((render(adapted(tree, request.scope)),), Count.AFFECTED)


def delete(tree: Any, request: Request) -> Step:
    """DELETE FROM t WHERE ..."""
    return Change((render(adapted(tree, request.scope)),), Count.AFFECTED)


def truncate(tree: Any, request: Request) -> Step:
    """TRUNCATE TABLE t."""
    table = render(adapted(tree.expressions[0], request.scope))
    return Change((f"DELETE FROM {table}",))


def _strip_targets(assignments: Any) -> None:
    for assignment in assignments:
        if isinstance(assignment, exp.EQ) and isinstance(assignment.this, exp.Column):
            assignment.set("this", exp.column(assignment.this.name, quoted=True))


_MANY = (
    "[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] Cannot perform Merge as multiple source "
    "rows matched and attempted "
    "to modify the same target row in the table in possibly conflicting ways. Please preprocess the "
    "source table to eliminate the "
    "possibility of multiple matches."
)


def merge(tree: Any, request: Request) -> Step:
    """MERGE INTO; two source rows for one target row are an error, as on Databricks (DuckDB takes either)."""
    if "SCHEMA" in [token.word for token in request.tokens[:40]] and "EVOLUTION" in [
        token.word for token in request.tokens[:40]
    ]:
        raise NotSupportedHere(
            "MERGE WITH SCHEMA EVOLUTION is not done by the embedded SQL engine: ALTER TABLE ... ADD COLUMN first"
        )
    _spell_stars_out(tree, request)
    for when in tree.find_all(exp.When):
        then = when.args.get("then")
        if isinstance(then, exp.Update):
            _strip_targets(then.expressions)
        if isinstance(then, exp.Insert) and isinstance(then.this, exp.Tuple):
            then.set(
                "this",
                exp.Tuple(
                    expressions=[exp.to_identifier(column.name, quoted=True) for column in then.this.expressions]
                ),
            )
    adjusted = adapted(tree, request.scope)
    checks = ((_many_matches(adjusted), _MANY),) if _may_conflict(adjusted) else ()
    return Change((f"{render(adjusted)} RETURNING merge_action",), Count.MERGED, checks=checks)


def _spell_stars_out(tree: Any, request: Request) -> None:
    """UPDATE SET * and INSERT * take the target's columns from the source by name; what else it has is left out."""
    columns = [column.name for column in request.scope.columns_of(place(parts_of(tree.this), request.scope))]
    source = tree.args["using"].alias_or_name
    values = [exp.column(exp.to_identifier(name, quoted=True), table=source) for name in columns]
    named = [exp.to_identifier(name, quoted=True) for name in columns]
    for when in tree.find_all(exp.When) if columns else ():
        then = when.args.get("then")
        if isinstance(then, exp.Update) and any(isinstance(item, exp.Star) for item in then.expressions):
            pairs = zip(named, values, strict=True)
            then.set(
                "expressions", [exp.EQ(this=exp.column(name.copy()), expression=value.copy()) for name, value in pairs]
            )
        if isinstance(then, exp.Insert) and isinstance(then.this, exp.Star):
            then.set("this", exp.Tuple(expressions=[exp.column(name.copy()) for name in named]))
            then.set("expression", exp.Tuple(expressions=[value.copy() for value in values]))


def _may_conflict(tree: Any) -> bool:
    """One unconditional WHEN MATCHED THEN DELETE may meet a row twice; everything else may not."""
    matched = [when for when in tree.find_all(exp.When) if when.args.get("matched") and not when.args.get("source")]
    harmless = (
        len(matched) == 1
        and matched[0].args.get("condition") is None
        and not isinstance(matched[0].args.get("then"), exp.Update)
    )
    return bool(matched) and not harmless


def _many_matches(tree: Any) -> str:
    """A query that gives a row when a target row is met by more than one source row that would change it."""
    target = tree.this
    alias = ident(target.alias or target.name)
    conditions = [
        when.args.get("condition")
        for when in tree.find_all(exp.When)
        if when.args.get("matched") and not when.args.get("source")
    ]
    some = " OR ".join(f"({render(condition.copy())})" if condition is not None else "true" for condition in conditions)
    source = render(tree.args["using"].copy())
    on = render(tree.args["on"].copy())
    named = render(target.copy()) if target.alias else f"{render(target.copy())} AS {alias}"
    return (
        f"SELECT {alias}.rowid FROM {named} JOIN {source} ON {on} WHERE {some} GROUP BY {alias}.rowid HAVING "
        "count(*) > 1 LIMIT 1"
    )
