"""`delta.tables.DeltaTable` where Delta itself is not installed: the same words, on the Delta tables kept here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.spark.rows import Action, Change, Clause, Side

if TYPE_CHECKING:
    from dbutils_local.spark.delta.commands import Asked, Delta
    from dbutils_local.spark.delta.statements import Column, Ref
    from dbutils_local.spark.delta.tables import Table

__all__ = [
    "DeltaColumnBuilder",
    "DeltaMergeBuilder",
    "DeltaOptimizeBuilder",
    "DeltaTable",
    "DeltaTableBuilder",
    "IdentityGenerator",
    "configure_spark_with_delta_pip",
]

# A column writes `a = b` as =(a, b): a function of that name, which SQL knows in backticks.
_OPERATOR = re.compile(r"(^|[(,]\s*)(<=>|>=|<=|!=|==|=|<|>|\+|-|\*|/|%|and|or|in)(?=\()")
_QUOTED = re.compile(r"('(?:[^'\\]|\\.)*')")


def _delta() -> Delta:
    from dbutils_local.spark.surface import delta_tables

    found = delta_tables()
    if found is None:
        raise UserError("DeltaTable needs the local Spark session: use `spark` first (and no delta_jars of your own)")
    assert found.tables is not None
    found.absorb()
    return found.tables


def _asked(spark: Any) -> Asked:
    from dbutils_local.spark.delta.commands import Asked

    return Asked(spark, spark.sql)


class DeltaTable:
    """A Delta table, by name or by the path of its folder."""

    def __init__(self, spark: Any, table: Table, alias: str | None = None) -> None:
        self._spark = spark
        self._table = table
        self._alias = alias

    # --- finding and making ---

    @classmethod
    def forName(cls, sparkSession: Any, tableOrViewName: str) -> DeltaTable:
        """The table of that name; an AnalysisException if there is none."""
        from dbutils_local.spark.delta.reader import Reader

        delta = _delta()
        ref = Reader(_dotted(tableOrViewName)).plain_ref()
        return cls(sparkSession, delta.needed(ref, "DeltaTable.forName"))

    @classmethod
    def forPath(cls, sparkSession: Any, path: str, hadoopConf: Any = None) -> DeltaTable:
        """The table in a folder; an AnalysisException if there is none."""
        from dbutils_local.spark.delta.statements import Ref

        return cls(sparkSession, _delta().needed(Ref(path=path), "DeltaTable.forPath"))

    @classmethod
    def isDeltaTable(cls, sparkSession: Any, identifier: str) -> bool:
        """Whether a Delta table lies in a folder."""
        delta = _delta()
        return delta.tables.at(identifier).log.latest() >= 0

    @classmethod
    def convertToDelta(cls, sparkSession: Any, identifier: str, partitionSchema: Any = None) -> DeltaTable:
        """The Parquet files of parquet.`path` become a Delta table."""
        from dbutils_local.spark.delta.reader import Reader

        by = partitionSchema if partitionSchema is None or isinstance(partitionSchema, str) else _ddl(partitionSchema)
        return cls(sparkSession, _delta().convert(Reader(identifier).ref(), by))

    @classmethod
    def create(cls, sparkSession: Any = None) -> DeltaTableBuilder:
        """Begin to make a table; it must not be there."""
        return DeltaTableBuilder(_session(sparkSession))

    @classmethod
    def createIfNotExists(cls, sparkSession: Any = None) -> DeltaTableBuilder:
        """Begin to make a table, unless it is there."""
        return DeltaTableBuilder(_session(sparkSession), lenient=True)

    @classmethod
    def createOrReplace(cls, sparkSession: Any = None) -> DeltaTableBuilder:
        """Begin to make a table in place of what is there."""
        return DeltaTableBuilder(_session(sparkSession), replaces=True)

    @classmethod
    def replace(cls, sparkSession: Any = None) -> DeltaTableBuilder:
        """Begin to replace a table that is there."""
        return DeltaTableBuilder(_session(sparkSession), replaces=True, must_exist=True)

    @classmethod
    def columnBuilder(cls, sparkSession: Any, colName: str) -> DeltaColumnBuilder:
        """Begin to describe a column."""
        return DeltaColumnBuilder(colName)

    # --- the rows ---

    def toDF(self) -> Any:
        """The rows as they are now."""
        frame = _delta().tables.frame(self._table, None, self._spark)
        return frame if self._alias is None else frame.alias(self._alias)

    def alias(self, aliasName: str) -> DeltaTable:
        """The same table under another name in conditions."""
        return DeltaTable(self._spark, self._table, aliasName)

    def delete(self, condition: Any = None) -> Any:
        """Delete the rows that meet the condition, or all; one row of counts."""
        return self._do(Clause(Side.MATCHED, Action.DELETE, text_of(condition)))

    def update(self, condition: Any = None, set: Mapping[str, Any] | None = None) -> Any:
        """Set columns of the rows that meet the condition, or of all; one row of counts."""
        return self._do(Clause(Side.MATCHED, Action.UPDATE, text_of(condition), _values(set or {})))

    def merge(self, source: Any, condition: Any) -> DeltaMergeBuilder:
        """Begin a MERGE with a frame."""
        change = replace(
            self._change(), source="a frame", source_alias=f"`{_alias_of(source)}`", on=text_of(condition) or "true"
        )
        return DeltaMergeBuilder(self._spark, self._table, change, source)

    def _do(self, *clauses: Clause) -> Any:
        return _carried_out(self._spark, self._table, replace(self._change(), clauses=clauses), None, False)

    def _change(self) -> Change:
        name = self._alias or (self._table.name[1] if self._table.name else self._table.folder.name)
        return Change(self._table.shown, f"`{name}`", ())

    # --- versions and upkeep ---

    def history(self, limit: int | None = None) -> Any:
        """What happened to the table, newest first."""
        from dbutils_local.spark.delta import answers

        _delta()
        return answers.history(self._spark, self._table.log.history(limit))

    def detail(self) -> Any:
        """One row that describes the table."""
        return _delta().detail(self._table, self._spark)

    def restoreToVersion(self, version: int) -> Any:
        """Make an older version the newest."""
        from dbutils_local.spark.delta.statements import Ref

        return self._restore(Ref(version=version))

    def restoreToTimestamp(self, timestamp: str) -> Any:
        """Make the version of a time the newest."""
        from dbutils_local.spark.delta.reader import quoted_value
        from dbutils_local.spark.delta.statements import Ref

        return self._restore(Ref(timestamp=quoted_value(timestamp)))

    def _restore(self, ref: Ref) -> Any:
        from dbutils_local.spark.delta.faults import as_sparks_own

        with as_sparks_own():
            return _published(lambda delta: delta.restore(self._table, ref, _asked(self._spark)))

    def vacuum(self, retentionHours: float | None = None) -> Any:
        """Delete files that no version of the last `retentionHours` (168 if None) has."""
        from dbutils_local.spark.delta import answers, maintenance

        delta = _delta()
        maintenance.vacuum(delta.tables, self._table, retentionHours, False, delta.setting)
        return answers.answer(self._spark, "path STRING", [])

    def optimize(self) -> DeltaOptimizeBuilder:
        """Begin to write the table in fewer files."""
        return DeltaOptimizeBuilder(self._spark, self._table)

    def upgradeTableProtocol(self, readerVersion: int, writerVersion: int) -> None:
        """Nothing to do: the protocol's versions follow from what the table uses."""
        _delta().tell("upgradeTableProtocol: nothing done, the versions follow from what the table uses")

    def addFeatureSupport(self, featureName: str) -> None:
        """Nothing to do: a table has the features it uses."""
        _delta().tell(f"addFeatureSupport({featureName!r}): nothing done, a table has the features it uses")

    def generate(self, mode: str) -> None:
        """Write the table's list of files for other programs."""
        if mode != "symlink_format_manifest":
            raise UserError(f"DeltaTable.generate: {mode!r} is not known; it must be 'symlink_format_manifest'")
        _delta()
        folder = self._table.folder / "_symlink_format_manifest"
        folder.mkdir(exist_ok=True)
        names = [(self._table.folder / path).as_uri() for path in sorted(self._table.log.snapshot().files)]
        if self._table.log.snapshot().metadata.partition_columns:
            _delta().tell("generate: one manifest lists all files here, on Databricks each partition has its own")
        (folder / "manifest").write_text("".join(f"{name}\n" for name in names), "utf-8")

    def clone(
        self, target: str, isShallow: bool = False, replace: bool = False, properties: Mapping[str, str] | None = None
    ) -> DeltaTable:
        """A table of its own with the rows of this one; `target` is a path or a name."""
        return self._cloned("", target, isShallow, replace, properties)

    def cloneAtVersion(
        self, version: int, target: str, isShallow: bool = False, replace: bool = False,
        properties: Mapping[str, str] | None = None,
    ) -> DeltaTable:  # fmt: skip
        """A table of its own with the rows of a version of this one."""
        return self._cloned(f" VERSION AS OF {version}", target, isShallow, replace, properties)

    def _cloned(
        self, at: str, target: str, shallow: bool, replaces: bool, properties: Mapping[str, str] | None
    ) -> DeltaTable:
        from dbutils_local.spark.delta.reader import quoted_value

        source = self._table.sql if self._table.name else f"delta.`{self._table.folder.as_uri()}`"
        named = f"delta.`{target}`" if "/" in target else target
        word = "CREATE OR REPLACE TABLE" if replaces else "CREATE TABLE"
        listed = ", ".join(f"{quoted_value(key)} = {quoted_value(value)}" for key, value in (properties or {}).items())
        kept = f" TBLPROPERTIES ({listed})" if listed else ""
        self._spark.sql(f"{word} {named} {'SHALLOW' if shallow else 'DEEP'} CLONE {source}{at}{kept}")
        return DeltaTable.forPath(self._spark, target) if "/" in target else DeltaTable.forName(self._spark, target)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotSupportedHere(f"DeltaTable.{name} is not done by local Spark; with Delta's jars (delta_jars) it is")


def _carried_out(spark: Any, table: Table, change: Change, source: Any, widen: bool) -> Any:
    from dbutils_local.spark.delta.faults import as_sparks_own

    with as_sparks_own():
        return _published(lambda delta: delta.change(table, change, source, _asked(spark), widen))


def _published(do: Callable[[Delta], Any]) -> Any:
    """Do something to a table and tell the other sessions."""
    found = do(_delta())
    from dbutils_local.spark.surface import delta_tables

    ground = delta_tables()
    if ground is not None:
        ground.publish()
    return found


@dataclass(frozen=True)
class DeltaMergeBuilder:
    """A MERGE on its way; `execute` does it."""

    _spark: Any
    _table: Table
    _change: Change
    _source: Any
    _widen: bool = False

    def whenMatchedUpdate(self, condition: Any = None, set: Mapping[str, Any] | None = None) -> DeltaMergeBuilder:
        """Set columns of matched rows."""
        return self._with(Side.MATCHED, Action.UPDATE, condition, _values(set or {}))

    def whenMatchedUpdateAll(self, condition: Any = None) -> DeltaMergeBuilder:
        """Take all columns of matched rows from the source."""
        return self._with(Side.MATCHED, Action.UPDATE, condition, None)

    def whenMatchedDelete(self, condition: Any = None) -> DeltaMergeBuilder:
        """Delete matched rows."""
        return self._with(Side.MATCHED, Action.DELETE, condition, {})

    def whenNotMatchedInsert(self, condition: Any = None, values: Mapping[str, Any] | None = None) -> DeltaMergeBuilder:
        """Insert rows that only the source has."""
        return self._with(Side.SOURCE_ONLY, Action.INSERT, condition, _values(values or {}))

    def whenNotMatchedInsertAll(self, condition: Any = None) -> DeltaMergeBuilder:
        """Insert rows that only the source has, with all their columns."""
        return self._with(Side.SOURCE_ONLY, Action.INSERT, condition, None)

    def whenNotMatchedBySourceUpdate(
        self, condition: Any = None, set: Mapping[str, Any] | None = None
    ) -> DeltaMergeBuilder:
        """Set columns of rows that only the target has."""
        return self._with(Side.TARGET_ONLY, Action.UPDATE, condition, _values(set or {}))

    def whenNotMatchedBySourceDelete(self, condition: Any = None) -> DeltaMergeBuilder:
        """Delete rows that only the target has."""
        return self._with(Side.TARGET_ONLY, Action.DELETE, condition, {})

    def withSchemaEvolution(self) -> DeltaMergeBuilder:
        """Add the source's new columns to the table."""
        return replace(self, _widen=True)

    def execute(self) -> Any:
        """Do it; the answer is one row of counts."""
        return _carried_out(self._spark, self._table, self._change, self._source, self._widen)

    def _with(self, side: Side, action: Action, condition: Any, values: Mapping[str, str] | None) -> DeltaMergeBuilder:
        clause = Clause(side, action, text_of(condition), values)
        return replace(self, _change=replace(self._change, clauses=(*self._change.clauses, clause)))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NotSupportedHere(f"DeltaMergeBuilder.{name} is not done by local Spark; with delta_jars it is")


@dataclass(frozen=True)
class DeltaOptimizeBuilder:
    """OPTIMIZE on its way."""

    _spark: Any
    _table: Table

    def where(self, partitionFilter: str) -> DeltaOptimizeBuilder:
        """Nothing to do: optimizing more than was asked for changes no result."""
        from dbutils_local.spark.delta.limits import WHERE_OF_OPTIMIZE

        _delta().tell(WHERE_OF_OPTIMIZE)
        return self

    def executeCompaction(self) -> Any:
        """Few large files for many small ones."""
        return self._do(())

    def executeZOrderBy(self, *columns: Any) -> Any:
        """The same, with the rows sorted by columns."""
        flat = [name for one in columns for name in (one if isinstance(one, list | tuple) else [one])]
        return self._do(tuple(flat))

    def _do(self, columns: tuple[str, ...]) -> Any:
        from dbutils_local.spark.delta import maintenance

        return _published(
            lambda delta: maintenance.optimize(delta.tables, delta.writer, self._table, columns, self._spark)
        )


class DeltaTableBuilder:
    """A table on its way; `execute` makes it."""

    def __init__(self, spark: Any, lenient: bool = False, replaces: bool = False, must_exist: bool = False) -> None:
        self._spark = spark
        self._how: dict[str, Any] = {"lenient": lenient, "replace": replaces, "must_exist": must_exist}
        self._name = ""
        self._columns: list[Column] = []
        self._said: dict[str, Any] = {}
        self._properties: dict[str, str] = {}

    def tableName(self, identifier: str) -> DeltaTableBuilder:
        """Its name."""
        self._name = _dotted(identifier)
        return self

    def location(self, location: str) -> DeltaTableBuilder:
        """Its folder."""
        self._said["location"] = location
        return self

    def comment(self, comment: str) -> DeltaTableBuilder:
        """What it is."""
        self._said["comment"] = comment
        return self

    def addColumn(
        self,
        colName: Any,
        dataType: Any = None,
        nullable: bool = True,
        generatedAlwaysAs: Any = None,
        generatedByDefaultAs: Any = None,
        comment: str | None = None,
    ) -> DeltaTableBuilder:
        """A column: by name and type, or as a StructField or what columnBuilder gave."""
        if isinstance(colName, str):
            self._columns.append(_column(colName, dataType, nullable, generatedAlwaysAs, generatedByDefaultAs, comment))
        else:
            self.addColumns([colName])
        return self

    def addColumns(self, cols: Any) -> DeltaTableBuilder:
        """The columns of a StructType, or a list of columns."""
        from dbutils_local.spark.delta.statements import Column

        for one in cols:
            if isinstance(one, Column):
                self._columns.append(one)
            else:
                note = one.metadata.get("comment") if one.metadata else None
                self._columns.append(_column(one.name, one.dataType, one.nullable, None, None, note))
        return self

    def partitionedBy(self, *cols: Any) -> DeltaTableBuilder:
        """The columns that divide its files."""
        self._said["partition_by"] = _flat(cols)
        return self

    def clusterBy(self, *cols: Any) -> DeltaTableBuilder:
        """The columns its rows lie by; kept and shown."""
        self._said["cluster_by"] = _flat(cols)
        return self

    def property(self, key: str, value: str) -> DeltaTableBuilder:
        """One of its properties."""
        self._properties[key] = str(value)
        return self

    def execute(self) -> DeltaTable:
        """Make it."""
        from dbutils_local.spark.delta.faults import as_sparks_own
        from dbutils_local.spark.delta.reader import Reader
        from dbutils_local.spark.delta.statements import Create, Ref

        delta = _delta()
        path = self._said.pop("location", None)
        location = None if path is None else delta.tables.at(path).folder.as_uri()
        ref = Reader(self._name).plain_ref() if self._name else Ref(path=path)
        statement = Create(
            ref, columns=tuple(self._columns), properties=self._properties, location=location, **self._how, **self._said
        )
        with as_sparks_own():
            _published(lambda delta: delta.create(statement, _asked(self._spark)))
        return DeltaTable(self._spark, _delta().needed(ref, "DeltaTable.create"))


class DeltaColumnBuilder:
    """A column on its way; `build` gives it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said: dict[str, Any] = {"nullable": True, "always": None, "default": None, "comment": None}
        self._type: Any = None

    def dataType(self, dataType: Any) -> DeltaColumnBuilder:
        """Its type."""
        self._type = dataType
        return self

    def nullable(self, nullable: bool) -> DeltaColumnBuilder:
        """Whether it may be NULL."""
        self._said["nullable"] = nullable
        return self

    def generatedAlwaysAs(self, expr: Any) -> DeltaColumnBuilder:
        """What it is worked out from, or an IdentityGenerator."""
        self._said["always"] = expr
        return self

    def generatedByDefaultAs(self, expr: Any) -> DeltaColumnBuilder:
        """An IdentityGenerator for rows that bring no value."""
        self._said["default"] = expr
        return self

    def comment(self, comment: str) -> DeltaColumnBuilder:
        """What it is."""
        self._said["comment"] = comment
        return self

    def build(self) -> Column:
        """The column."""
        said = self._said
        return _column(self._name, self._type, said["nullable"], said["always"], said["default"], said["comment"])


@dataclass(frozen=True)
class IdentityGenerator:
    """Numbers rows: 1, 2, 3 or from `start` in steps of `step`."""

    start: int = 1
    step: int = 1


def _column(name: str, kind: Any, nullable: bool, always: Any, default: Any, comment: str | None) -> Column:
    from dbutils_local.spark.delta.reader import quoted_value
    from dbutils_local.spark.delta.statements import Column

    if kind is None:
        raise UserError(f"column {name}: its dataType is missing")
    text = f"`{name}` {kind if isinstance(kind, str) else kind.simpleString()}"
    text += "" if nullable else " NOT NULL"
    text += f" COMMENT {quoted_value(comment)}" if comment else ""
    numbers = always if isinstance(always, IdentityGenerator) else default
    identity = (numbers.start, numbers.step) if isinstance(numbers, IdentityGenerator) else None
    generated = always if isinstance(always, str) else None
    return Column(name, text, generated, None, identity, explicit=default is not None)


def _flat(columns: Sequence[Any]) -> tuple[str, ...]:
    return tuple(name for one in columns for name in (one if isinstance(one, list | tuple) else [one]))


def _session(spark: Any) -> Any:
    if spark is not None:
        return spark
    from pyspark.sql import SparkSession

    return SparkSession.active()


def _dotted(name: str) -> str:
    from dbutils_local.spark.surface import delta_tables

    ground = delta_tables()
    return ground.dotted(name) if ground is not None else name


def _ddl(schema: Any) -> str:
    return ", ".join(f"`{one.name}` {one.dataType.simpleString()}" for one in schema)


def text_of(value: Any) -> str | None:
    """SQL text: conditions and values are given as text or as Spark columns."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    pieces = _QUOTED.split(value._jc.node().sql())
    return "".join(piece if index % 2 else _OPERATOR.sub(r"\1`\2`", piece) for index, piece in enumerate(pieces))


def _values(given: Mapping[str, Any]) -> dict[str, str]:
    return {name.split(".")[-1].strip("`").lower(): text_of(value) or "NULL" for name, value in given.items()}


def _alias_of(frame: Any) -> str:
    """The name `frame.alias(...)` gave; Spark keeps it at the top of the frame's plan."""
    plan = frame._jdf.queryExecution().logical()
    return str(plan.alias()) if plan.nodeName() == "SubqueryAlias" else "dbutils_local_source"


def configure_spark_with_delta_pip(builder: Any, extra_packages: Any = None) -> Any:
    """The builder as it is: Delta tables are kept here without Delta's jars."""
    return builder
