"""`delta.tables.DeltaTable` on tables kept as Parquet: merge, update and delete; the rest is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbutils_local.errors import NotSupportedHere
from dbutils_local.spark.rows import Action, Change, Clause, Side, carry_out

# A column writes `a = b` as =(a, b): a function of that name, which SQL knows in backticks.
_OPERATOR = re.compile(r"(^|[(,]\s*)(<=>|>=|<=|!=|==|=|<|>|\+|-|\*|/|%|and|or|in)(?=\()")
_QUOTED = re.compile(r"('(?:[^'\\]|\\.)*')")
_NO_LOG = "there is no Delta log behind local Spark's tables; set delta_jars to a folder with the Delta jars"


class DeltaTable:
    """A table by name; what needs a path or a log raises NotSupportedHere."""

    def __init__(self, spark: Any, name: str, alias: str | None = None) -> None:
        self._spark = spark
        self._name = name
        self._alias = alias or name.split(".")[-1].strip("`")

    @classmethod
    def forName(cls, sparkSession: Any, tableOrViewName: str) -> DeltaTable:
        """The table of that name; an error of Spark's own if there is none."""
        sparkSession.table(tableOrViewName)
        return cls(sparkSession, tableOrViewName)

    @classmethod
    def forPath(cls, sparkSession: Any, path: str, hadoopConf: Any = None) -> DeltaTable:
        """Refused: rows of files without a name are not changed here."""
        raise NotSupportedHere(f"DeltaTable.forPath({path!r}) is not done by local Spark: save as a table, use forName")

    @classmethod
    def isDeltaTable(cls, sparkSession: Any, identifier: str) -> bool:
        """Whether Delta's stand-in lies there: a folder of Parquet files."""
        from dbutils_local.spark.surface import local_path

        return any(Path(local_path(identifier).removeprefix("file://")).rglob("*.parquet"))

    def toDF(self) -> Any:
        """The rows."""
        return self._spark.table(self._name).alias(self._alias)

    def alias(self, aliasName: str) -> DeltaTable:
        """The same table under another name in conditions."""
        return DeltaTable(self._spark, self._name, aliasName)

    def delete(self, condition: Any = None) -> None:
        """Delete the rows that meet the condition, or all."""
        self._do(Clause(Side.MATCHED, Action.DELETE, _text(condition)))

    def update(self, condition: Any = None, set: Mapping[str, Any] | None = None) -> None:
        """Set columns of the rows that meet the condition, or of all."""
        self._do(Clause(Side.MATCHED, Action.UPDATE, _text(condition), _values(set or {})))

    def merge(self, source: Any, condition: Any) -> MergeBuilder:
        """Begin a MERGE with a frame."""
        alias = _alias_of(source)
        return MergeBuilder(self._spark, self._change(on=_text(condition) or "true", source_alias=f"`{alias}`"), source)

    def _do(self, *clauses: Clause) -> None:
        carry_out(self._spark, self._spark.sql, replace(self._change(), clauses=clauses))

    def _change(self, **more: str) -> Change:
        return Change(self._name, f"`{self._alias}`", (), source="a frame" if more else None, **more)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotSupportedHere(f"DeltaTable.{name} is not done by local Spark: {_NO_LOG}")


def _not_built(name: str) -> Any:
    def refuse(cls: type, *arguments: Any, **named: Any) -> Any:
        raise NotSupportedHere(f"DeltaTable.{name} is not done by local Spark: use CREATE TABLE, or write a frame")

    return classmethod(refuse)


for _name in ("create", "createIfNotExists", "createOrReplace", "replace", "convertToDelta"):
    setattr(DeltaTable, _name, _not_built(_name))


@dataclass(frozen=True)
class MergeBuilder:
    """A MERGE on its way; `execute` does it."""

    _spark: Any
    _change: Change
    _source: Any

    def whenMatchedUpdate(self, condition: Any = None, set: Mapping[str, Any] | None = None) -> MergeBuilder:
        """Set columns of matched rows."""
        return self._with(Side.MATCHED, Action.UPDATE, condition, _values(set or {}))

    def whenMatchedUpdateAll(self, condition: Any = None) -> MergeBuilder:
        """Take all columns of matched rows from the source."""
        return self._with(Side.MATCHED, Action.UPDATE, condition, None)

    def whenMatchedDelete(self, condition: Any = None) -> MergeBuilder:
        """Delete matched rows."""
        return self._with(Side.MATCHED, Action.DELETE, condition, {})

    def whenNotMatchedInsert(self, condition: Any = None, values: Mapping[str, Any] | None = None) -> MergeBuilder:
        """Insert rows that only the source has."""
        return self._with(Side.SOURCE_ONLY, Action.INSERT, condition, _values(values or {}))

    def whenNotMatchedInsertAll(self, condition: Any = None) -> MergeBuilder:
        """Insert rows that only the source has, with all their columns."""
        return self._with(Side.SOURCE_ONLY, Action.INSERT, condition, None)

    def whenNotMatchedBySourceUpdate(self, condition: Any = None, set: Mapping[str, Any] | None = None) -> MergeBuilder:
        """Set columns of rows that only the target has."""
        return self._with(Side.TARGET_ONLY, Action.UPDATE, condition, _values(set or {}))

    def whenNotMatchedBySourceDelete(self, condition: Any = None) -> MergeBuilder:
        """Delete rows that only the target has."""
        return self._with(Side.TARGET_ONLY, Action.DELETE, condition, {})

    def execute(self) -> Any:
        """Do it; the answer is one row of counts."""
        return carry_out(self._spark, self._spark.sql, self._change, self._source)

    def _with(self, side: Side, action: Action, condition: Any, values: Mapping[str, str] | None) -> MergeBuilder:
        clause = Clause(side, action, _text(condition), values)
        return replace(self, _change=replace(self._change, clauses=(*self._change.clauses, clause)))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotSupportedHere(f"DeltaMergeBuilder.{name} is not done by local Spark: {_NO_LOG}")


def _text(value: Any) -> str | None:
    """SQL text: conditions and values are given as text or as Spark columns."""
    if value is None or isinstance(value, str):
        return value
    pieces = _QUOTED.split(value._jc.node().sql())
    return "".join(piece if index % 2 else _OPERATOR.sub(r"\1`\2`", piece) for index, piece in enumerate(pieces))


def _values(given: Mapping[str, Any]) -> dict[str, str]:
    return {name.split(".")[-1].strip("`").lower(): _text(value) or "NULL" for name, value in given.items()}


def _alias_of(frame: Any) -> str:
    """The name `frame.alias(...)` gave; Spark keeps it at the top of the frame's plan."""
    plan = frame._jdf.queryExecution().logical()
    return str(plan.alias()) if plan.nodeName() == "SubqueryAlias" else "dbutils_local_source"
