"""DELETE, UPDATE and MERGE on Delta tables: the rows of a table as they are to be, worked out by Spark's SQL."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from dbutils_local.errors import MissingExtra, NotSupportedHere, UserError

Run = Callable[[str], Any]
"""Spark's own `sql`: text in, frame out."""

Put = Callable[[Any, Mapping["Action", int]], None]
"""Takes a table's rows as they are to be, None where they stay as they are, and what became of how many."""

_TARGET: Final = "dbutils_local_target"
_SOURCE: Final = "dbutils_local_source"
_STAGED: Final = "dbutils_local_staged"
_ROW: Final = "dbutils_local_row"  # a number for each row of the target
_IS_SOURCE: Final = "dbutils_local_is_source"
_ACTION: Final = "dbutils_local_action"  # the clause that applies, -1 for none

# The views above have one name a session.
_one_at_a_time = threading.RLock()


class MultipleMatches(UserError):
    """Two rows of a MERGE's source want to change one row of its target."""


class Side(Enum):
    """Which rows a clause is for, in the words of MERGE."""

    MATCHED = "WHEN MATCHED"
    SOURCE_ONLY = "WHEN NOT MATCHED"
    TARGET_ONLY = "WHEN NOT MATCHED BY SOURCE"


class Action(Enum):
    """What a clause does; the values are the columns of Delta's answer."""

    UPDATE = "num_updated_rows"
    DELETE = "num_deleted_rows"
    INSERT = "num_inserted_rows"


_PREDICATES: Final = {
    Side.MATCHED: "matchedPredicates",
    Side.SOURCE_ONLY: "notMatchedPredicates",
    Side.TARGET_ONLY: "notMatchedBySourcePredicates",
}


@dataclass(frozen=True)
class Clause:
    """One WHEN; `values` by lower-case column, None for all columns of the source (`*`)."""

    side: Side
    action: Action
    condition: str | None = None
    values: Mapping[str, str] | None = field(default_factory=dict)

    def told(self) -> dict[str, str]:
        """As a table's history says it."""
        found = {"actionType": self.action.name.lower()}
        return found if self.condition is None else {"predicate": f"({self.condition})"} | found


@dataclass(frozen=True)
class Change:
    """One statement taken apart, in Spark's SQL; DELETE and UPDATE have no source."""

    table: str
    alias: str
    clauses: tuple[Clause, ...]
    source: str | None = None
    source_alias: str = ""
    on: str = ""
    widen: bool = False  # WITH SCHEMA EVOLUTION

    def history(self) -> tuple[str, dict[str, str]]:
        """The operation and its parameters, as a table's history says them."""
        if self.source is None:
            [clause] = self.clauses
            predicate = json.dumps([] if clause.condition is None else [f"({clause.condition})"])
            return clause.action.name, {"predicate": predicate}
        told = {"predicate": json.dumps([f"({self.on})"])}
        for side, key in _PREDICATES.items():
            told[key] = json.dumps([clause.told() for clause in self.clauses if clause.side is side])
        return "MERGE", told

    def metrics(self, counts: Mapping[Action, int], rows: int, files: int) -> dict[str, str]:
        """The counts of a table's history; `rows` and `files` that were there."""
        touched = counts[Action.UPDATE] + counts[Action.DELETE]
        if self.source is None:
            [clause] = self.clauses
            word = "numUpdatedRows" if clause.action is Action.UPDATE else "numDeletedRows"
            found = {word: touched, "numCopiedRows": rows - touched, "numRemovedFiles": files}
        else:
            found = {
                "numTargetRowsInserted": counts[Action.INSERT],
                "numTargetRowsUpdated": counts[Action.UPDATE],
                "numTargetRowsDeleted": counts[Action.DELETE],
                "numTargetRowsCopied": rows - touched,
                "numTargetFilesRemoved": files,
            }
        return {key: str(value) for key, value in found.items()}


def carry_out(
    spark: Any,
    run: Run,
    change: Change,
    target: Any,
    source: Any,
    put: Put,
    widen: bool = False,
    defaults: Mapping[str, str] | None = None,
) -> Any:
    """Do what `change` says to the rows of `target` and hand them to `put`; the answer is Delta's row of counts.

    `source` is the frame of the change's source; `widen` adds its columns to the target's; `defaults` are the values,
    by lower-case column, of what an INSERT leaves out. MultipleMatches leaves the table as it was.
    """
    change = _with_defaults(change, defaults or {})
    with _one_at_a_time:
        target = _widened(target, source) if widen and source is not None else target
        columns = dict(target.dtypes)
        _keep(target.selectExpr("*", f"monotonically_increasing_id() AS {_ROW}"), _TARGET)
        if source is not None:
            _keep(source.selectExpr("*", f"true AS {_IS_SOURCE}"), _SOURCE)
        _keep(run(staged(change, columns)), _STAGED)
        try:
            _refuse_multiple_matches(run, change)
            counts = _counts(run, change)
            put(run(result(change, columns)) if sum(counts.values()) else None, counts)
        finally:
            for view in (_TARGET, _SOURCE, _STAGED):
                spark.catalog.dropTempView(view)
    return _answer(spark, change, counts)


def _with_defaults(change: Change, defaults: Mapping[str, str]) -> Change:
    clauses = tuple(
        replace(clause, values={**defaults, **clause.values})
        if clause.action is Action.INSERT and clause.values is not None
        else clause
        for clause in change.clauses
    )
    return replace(change, clauses=clauses)


def _widened(target: Any, source: Any) -> Any:
    known = {name.lower() for name in target.columns}
    more = [(name, kind) for name, kind in source.dtypes if name.lower() not in known]
    return target.selectExpr("*", *[f"CAST(NULL AS {kind}) AS `{name}`" for name, kind in more])


def _keep(frame: Any, view: str) -> None:
    # Computed now and cut off from where it came from: the files below are about to be replaced.
    frame.localCheckpoint().createOrReplaceTempView(view)


def _refuse_multiple_matches(run: Run, change: Change) -> None:
    if change.source is None:
        return
    twice = f"SELECT 1 FROM {_STAGED} WHERE {_ACTION} >= 0 AND {_ROW} IS NOT NULL GROUP BY {_ROW} HAVING count(*) > 1"
    if run(f"{twice} LIMIT 1").head() is not None:
        raise MultipleMatches(
            "[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] Cannot perform Merge as multiple source rows "
            "matched and attempted to modify the same target row; make the source unique in the columns of ON"
        )


def _counts(run: Run, change: Change) -> dict[Action, int]:
    found = dict.fromkeys(Action, 0)
    for row in run(f"SELECT {_ACTION}, count(*) FROM {_STAGED} WHERE {_ACTION} >= 0 GROUP BY {_ACTION}").collect():
        found[change.clauses[row[0]].action] += row[1]
    return found


def _answer(spark: Any, change: Change, counts: Mapping[Action, int]) -> Any:
    columns = [f"{sum(counts.values())}L AS num_affected_rows"]
    if change.source is not None:
        columns += [f"{counts[action]}L AS {action.value}" for action in Action]
    return spark.range(1).selectExpr(*columns)


# --- the queries ----------------------------------------------------------------------------------------------------


def staged(change: Change, columns: Mapping[str, str]) -> str:
    """Every row of target and source with the clause that applies to it and the values it would have."""
    change = replace(change, clauses=tuple(_of_its_side(change, clause) for clause in change.clauses))
    cases = [f"WHEN {_applies(change, clause)} THEN {number}" for number, clause in enumerate(change.clauses)]
    values = [f"{_value(change, name, kind)} AS `{name}`" for name, kind in columns.items()]
    tables = f"{_TARGET} AS {change.alias}"
    if change.source is not None:
        tables += f" FULL OUTER JOIN {_SOURCE} AS {change.source_alias} ON {change.on}"
    action = f"CASE {' '.join(cases)} ELSE -1 END AS {_ACTION}"
    return f"SELECT {action}, {change.alias}.{_ROW} AS {_ROW}, {', '.join(values)} FROM {tables}"


def _of_its_side(change: Change, clause: Clause) -> Clause:
    """A clause for rows of one side alone: there a bare name is that side's column, though the other has it too."""
    if change.source is None or clause.side is Side.MATCHED:
        return clause
    alias = change.source_alias if clause.side is Side.SOURCE_ONLY else change.alias
    values = clause.values
    return replace(
        clause,
        condition=None if clause.condition is None else _qualified(clause.condition, alias),
        values=None if values is None else {name: _qualified(value, alias) for name, value in values.items()},
    )


def _qualified(expression: str, alias: str) -> str:
    """The expression with `alias` before every bare name of a column; as it is where it cannot be read."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        tree = sqlglot.parse_one(expression, read="databricks")
    except SqlglotError:
        return expression
    bare = [
        column
        for column in tree.find_all(exp.Column)
        if not column.table and column.name.upper() != "DEFAULT" and not column.find_ancestor(exp.Select)
    ]
    for column in bare:
        column.set("table", exp.to_identifier(alias.strip("`"), quoted=True))
    return _sql(tree) if bare else expression


def result(change: Change, columns: Mapping[str, str]) -> str:
    """The rows of the table as they are to be, from the staged ones."""
    gone = [str(number) for number, clause in enumerate(change.clauses) if clause.action is Action.DELETE]
    kept = f"{_ROW} IS NOT NULL AND dbutils_local_number = 1" + (
        f" AND {_ACTION} NOT IN ({', '.join(gone)})" * bool(gone)
    )
    # A target row that several source rows match stands there several times, with at most one action.
    numbered = f"SELECT *, row_number() OVER (PARTITION BY {_ROW} ORDER BY {_ACTION} DESC) AS dbutils_local_number"
    names = ", ".join(f"`{name}`" for name in columns)
    return f"SELECT {names} FROM ({numbered} FROM {_STAGED}) WHERE ({_ROW} IS NULL AND {_ACTION} >= 0) OR ({kept})"


def _applies(change: Change, clause: Clause) -> str:
    row, source = f"{change.alias}.{_ROW}", f"{change.source_alias}.{_IS_SOURCE}"
    match clause.side:
        case _ if change.source is None:
            there = "true"
        case Side.MATCHED:
            there = f"{row} IS NOT NULL AND {source} IS NOT NULL"
        case Side.SOURCE_ONLY:
            there = f"{row} IS NULL"
        case _:
            there = f"{source} IS NULL"
    return f"{there} AND coalesce(({clause.condition}), false)" if clause.condition else there


def _value(change: Change, name: str, kind: str) -> str:
    cases = []
    for number, clause in enumerate(change.clauses):
        if clause.action is Action.DELETE:
            continue
        value = f"{change.source_alias}.`{name}`" if clause.values is None else clause.values.get(name.lower())
        if value is None and clause.action is Action.INSERT:
            value = "NULL"
        if value is not None:
            cases.append(f"WHEN {_ACTION} = {number} THEN CAST({value} AS {kind})")
    kept = f"{change.alias}.`{name}`"
    return f"CASE {' '.join(cases)} ELSE {kept} END" if cases else kept


# --- the statement --------------------------------------------------------------------------------------------------


def read(statement: str) -> Change:
    """A DELETE, UPDATE or MERGE taken apart; NotSupportedHere names a form that is not done."""
    try:
        import sqlglot
        from sqlglot import exp
        from sqlglot.errors import SqlglotError
    except ImportError as error:
        raise MissingExtra("DELETE, UPDATE and MERGE on Spark tables", "sql") from error

    text, widen = _without_evolution(statement)
    try:
        tree = sqlglot.parse_one(text, read="databricks")
    except SqlglotError as error:
        raise UserError(f"[PARSE_SYNTAX_ERROR] {str(error).splitlines()[0]}") from error
    _shorten(tree)
    match tree:
        case exp.Delete():
            return _delete(tree)
        case exp.Update():
            return _update(tree)
        case exp.Merge():
            return replace(_merge(tree), widen=widen)
    raise NotSupportedHere(f"this change of rows is not done by local Spark without Delta: {statement.strip()[:80]}")


def _without_evolution(statement: str) -> tuple[str, bool]:
    """MERGE WITH SCHEMA EVOLUTION INTO without words the parser does not know."""
    words = re.match(r"(?is)\s*MERGE\s+WITH\s+SCHEMA\s+EVOLUTION\b", statement)
    return (statement, False) if words is None else (f"MERGE{statement[words.end() :]}", True)


def _shorten(tree: Any) -> None:
    """`schema.table.column` of the target as `table.column`: the query reads a view of that name."""
    from sqlglot import exp

    target = tree.this.find(exp.Table) if isinstance(tree.this, exp.Expression) else None
    if target is None:
        return
    for column in tree.find_all(exp.Column):
        if column.db and (column.table.lower(), column.db.lower()) == (target.name.lower(), target.db.lower()):
            column.set("db", None)
            column.set("catalog", None)


def _delete(tree: Any) -> Change:
    table, alias = _target(tree.this)
    return Change(table, alias, (Clause(Side.MATCHED, Action.DELETE, _condition(tree)),))


def _update(tree: Any) -> Change:
    table, alias = _target(tree.this)
    clause = Clause(Side.MATCHED, Action.UPDATE, _condition(tree), _assigned(tree.expressions))
    return Change(table, alias, (clause,))


def _merge(tree: Any) -> Change:
    from sqlglot import exp

    table, alias = _target(tree.this)
    source = tree.args["using"]
    name = source.alias_or_name
    bare = source.copy()
    bare.set("alias", None)
    if isinstance(source, exp.Subquery) and not name:
        name = _SOURCE
    whens = tree.args["whens"].expressions
    return Change(
        table,
        alias,
        tuple(_clause(when) for when in whens),
        _sql(bare),
        f"`{name}`",
        _sql(tree.args["on"]),
    )


def _clause(when: Any) -> Clause:
    from sqlglot import exp

    side = (
        Side.MATCHED if when.args.get("matched") else Side.TARGET_ONLY if when.args.get("source") else Side.SOURCE_ONLY
    )
    condition = _sql(when.args["condition"]) if when.args.get("condition") is not None else None
    then = when.args["then"]
    match then:
        case exp.Update():
            values = _assigned(then.expressions) if then.expressions else None
            return Clause(side, Action.UPDATE, condition, values)
        case exp.Insert():
            return Clause(side, Action.INSERT, condition, _inserted(then))
    return Clause(side, Action.DELETE, condition)


def _inserted(then: Any) -> dict[str, str] | None:
    from sqlglot import exp

    if isinstance(then.this, exp.Star) or then.this is None:
        return None
    names = [item.name.lower() for item in then.this.expressions]
    return dict(zip(names, (_sql(value) for value in then.expression.expressions), strict=True))


def _assigned(expressions: Sequence[Any]) -> dict[str, str] | None:
    from sqlglot import exp

    if len(expressions) == 1 and isinstance(expressions[0], exp.Star):
        return None
    return {item.this.name.lower(): _sql(item.expression) for item in expressions}


def _target(node: Any) -> tuple[str, str]:
    """The table as Spark knows it, and the name its columns are qualified with."""
    from sqlglot import exp

    table = node.find(exp.Table) if not isinstance(node, exp.Table) else node
    bare = table.copy()
    bare.set("alias", None)
    if (table.db or "").lower() == "parquet":
        raise NotSupportedHere(
            f"rows of files ({_sql(bare)}) are not changed by local Spark without Delta: give the table a name"
        )
    return _sql(bare), f"`{table.alias or table.name}`"


def _condition(tree: Any) -> str | None:
    where = tree.args.get("where")
    return None if where is None else _sql(where.this)


def _sql(node: Any) -> str:
    text: str = node.sql(dialect="databricks")
    return text
