"""Statements about Delta tables, done: what `statements` has read, on the tables of one session."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dbutils_local.spark.delta import answers, columns, limits, maintenance, parsing
from dbutils_local.spark.delta import statements as said
from dbutils_local.spark.delta.adoption import adopt_folder, adopt_named
from dbutils_local.spark.delta.alterations import altered
from dbutils_local.spark.delta.faults import analysis, as_sparks_own
from dbutils_local.spark.delta.log import Commit, Metadata, Snapshot
from dbutils_local.spark.delta.parsing import values_with_defaults
from dbutils_local.spark.delta.reader import Reader, quoted_value
from dbutils_local.spark.delta.references import references
from dbutils_local.spark.delta.statements import Ref
from dbutils_local.spark.delta.tables import Table, Tables, of_uri
from dbutils_local.spark.delta.writing import Write, Writer, new_metadata
from dbutils_local.spark.rows import Action, Change, Run, carry_out
from dbutils_local.spark.rows import read as read_rows

_AFFECTED: Final = "num_affected_rows BIGINT, num_inserted_rows BIGINT"


@dataclass(frozen=True)
class Asked:
    """How one statement runs: the session it was given to, and that session's `sql` with the statement's parameters."""

    session: Any
    run: Run


class Delta:
    """The Delta tables of one Spark session that has no Delta of its own."""

    def __init__(self, tables: Tables, tell: Callable[[str], None], shown: Callable[[str], str]) -> None:
        self.tables = tables
        self.shown = shown  # a path of files that are read, as Spark then says it
        self.tell = tell
        self.writer = Writer(tables, self.setting)

    def setting(self, key: str) -> str | None:
        """A Spark setting, None where nobody set it."""
        found = self.tables.spark.conf.get(key, None)
        return None if found is None else str(found)

    def schema_of(self, text: str) -> str:
        """Columns declared as text, as Spark's JSON."""
        return str(self.tables.spark._jvm.org.apache.spark.sql.types.StructType.fromDDL(text).json())

    def make_room(self, name: str) -> None:
        """Take a Delta table away that a table of other files replaces."""
        table = self.table(Ref(name))
        if table is not None and self.tables.is_managed(table):
            self.tables.warehouse.forget(name)
            self.tables.forget(table)

    # --- finding ---

    def table(self, ref: Ref, adopt: bool = False) -> Table | None:
        """The Delta table a statement names; `adopt`: a plain Parquet one becomes one."""
        if ref.path is not None:
            found = self.tables.at(ref.path)
            if found.log.latest() >= 0:
                return found
            return adopt_folder(self.tables, found, self.tell) if adopt else None
        found_name = self.tables.named(ref.name)
        if found_name is None and adopt:
            return adopt_named(self.tables, ref.name)
        return found_name

    def needed(self, ref: Ref, what: str) -> Table:
        """The same, an error where there is none."""
        found = self.table(ref, adopt=True)
        if found is not None:
            return found
        if ref.path is not None:
            raise analysis(f"[DELTA_MISSING_DELTA_TABLE] `{ref.path}` is not a Delta table.")
        if self.tables.entry(ref.name) is None:
            self.tables.spark.table(ref.name)  # Spark's own words, unless it is a temporary view
        raise analysis(f"[DELTA_ONLY_OPERATION] {what} is only supported for Delta tables; {ref.name} is none.")

    def version(self, table: Table, ref: Ref) -> int | None:
        """The version a reference asks for."""
        if ref.version is not None:
            return ref.version
        if ref.timestamp is None:
            return None
        row = self.tables.spark._jsparkSession.sql(
            f"SELECT unix_millis(CAST({ref.timestamp} AS TIMESTAMP))"
        ).collectAsList()
        if row[0].isNullAt(0):
            raise analysis(f"[DELTA_TIMESTAMP_INVALID] {ref.timestamp} cannot be converted to a timestamp.")
        return table.log.version_at(row[0].getLong(0))

    def resolved(self, text: str) -> str:
        """A statement with names for what it reads at a version or by a folder."""
        for found in reversed(references(text)):
            table = self.needed(found.ref, "Time travel")
            name = self.tables.view(table, self.version(table, found.ref))
            text = text[: found.start] + name + text[found.end :]
        return text

    # --- doing ---

    def execute(self, text: str, asked: Asked) -> Any | None:
        """The answer to a statement about Delta tables; None for one that is Spark's own business."""
        limits.refuse_feed(text)
        statement = parsing.read(text)
        if statement is None:
            return None
        with as_sparks_own():
            return self._done(statement, text, asked)

    def _done(self, statement: said.Statement, text: str, asked: Asked) -> Any | None:
        match statement:
            case said.Create():
                return self.create(statement, asked)
            case said.Insert():
                return self._insert(statement, asked)
            case said.Rows():
                return self._change_rows(text, asked)
            case said.History():
                table = self.needed(statement.table, "DESCRIBE HISTORY")
                return answers.history(asked.session, table.log.history(statement.limit))
            case said.Detail():
                return self._detail(statement.table, asked)
            case said.Describe():
                return self._describe(statement, text, asked)
            case said.Drop():
                return self._drop(statement, text, asked)
            case said.Alter():
                return self._alter(statement, text, asked)
            case said.Show():
                return self._show(statement, asked)
            case said.Copy():
                return self._copy(statement, asked)
            case said.Convert():
                self.convert(statement.table, statement.partition_by)
                return self._nothing(asked)
            case said.Truncate():
                emptied = self.table(statement.table)
                if emptied is None:
                    return None
                maintenance.truncate(self.tables, emptied)
                return self._nothing(asked)
            case said.Restore():
                table = self.needed(statement.table, "RESTORE")
                return self.restore(table, statement.table, asked)
            case said.Optimize():
                table = self.needed(statement.table, "OPTIMIZE")
                if statement.where is not None:
                    self.tell(limits.WHERE_OF_OPTIMIZE)
                return maintenance.optimize(self.tables, self.writer, table, statement.zorder, asked.session)
            case said.Vacuum():
                return self._vacuum(statement, asked)

    def _nothing(self, asked: Asked) -> Any:
        return answers.nothing(asked.session)

    def _describe(self, statement: said.Describe, text: str, asked: Asked) -> Any | None:
        table = self.table(statement.table)
        if table is None or table.name is None:
            return None
        place = quoted_value(table.folder.as_uri())
        told = (
            f"CASE col_name WHEN 'Provider' THEN 'delta' WHEN 'Location' THEN {place} ELSE data_type END AS data_type"
        )
        return asked.run(text).selectExpr("col_name", told, "comment")

    def _vacuum(self, statement: said.Vacuum, asked: Asked) -> Any:
        table = self.needed(statement.table, "VACUUM")
        found = maintenance.vacuum(self.tables, table, statement.hours, statement.dry, self.setting)
        paths = found if statement.dry else [table.folder.as_uri()]
        return answers.answer(asked.session, "path STRING", [{"path": path} for path in paths])

    def _detail(self, ref: Ref, asked: Asked) -> Any:
        table = self.needed(ref, "DESCRIBE DETAIL")
        return self.detail(table, asked.session)

    def detail(self, table: Table, session: Any) -> Any:
        """What DESCRIBE DETAIL answers."""
        entries = table.log.history(1)
        return answers.detail(session, table, table.log.snapshot(), entries[0].at if entries else 0)

    def restore(self, table: Table, ref: Ref, asked: Asked) -> Any:
        """Make an older version the newest."""
        wanted = self.version(table, ref)
        assert wanted is not None
        before = table.log.snapshot().metadata
        found = maintenance.restore(self.tables, table, wanted, ref.timestamp, asked.session)
        self.sync(table, before)
        return found

    def convert(self, ref: Ref, partition_by: str | None = None) -> Table:
        """CONVERT TO DELTA."""
        found = self.table(ref)
        if found is not None:
            return found
        if ref.path is None:
            return self.needed(ref, "CONVERT TO DELTA")
        made = adopt_folder(self.tables, self.tables.at(ref.path), None, partition_by)
        if made is None:
            raise analysis(f"[DELTA_CONVERT_NON_PARQUET_TABLE] `{ref.path}` holds no Parquet files.")
        return made

    def sync(self, table: Table, before: Metadata) -> None:
        """Let the catalog say of a table what its log says now."""
        now = table.log.snapshot().metadata
        if table.name is not None and (now.schema, now.description) != (before.schema, before.description):
            self.tables.register(table.name, table, now, self.tables.is_managed(table))

    # --- CREATE, DROP, ALTER ---

    def create(self, statement: said.Create, asked: Asked) -> Any:
        """CREATE TABLE."""
        if statement.table.path is not None:
            table = self.tables.at(statement.table.path)
            statement = replace(statement, location=table.folder.as_uri())
            exists = table.log.latest() >= 0
        else:
            exists = self.tables.entry(statement.table.name) is not None
        if exists and statement.lenient:
            return self._nothing(asked)
        if exists and not statement.replace:
            what = statement.table.name or statement.location
            raise analysis(
                f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view {what} because it already exists. Choose "
                "a different name, drop or replace the existing object, or add the IF NOT EXISTS clause to tolerate "
                "pre-existing objects. SQLSTATE: 42P07"
            )
        if statement.must_exist and not exists:
            raise analysis(
                f"[DELTA_CANNOT_REPLACE_MISSING_TABLE] Table {statement.table.name} cannot be replaced as it does not "
                "exist. Use CREATE OR REPLACE TABLE to create the table."
            )
        if statement.of is not None:
            return self._clone(statement, asked)
        return self.made(statement, asked)

    def made(self, statement: said.Create, asked: Asked) -> Any:
        """Make a table from its columns, from a query, or from what lies at its location."""
        table, managed = self._place(statement)
        word = "CREATE OR REPLACE TABLE" if statement.replace and not statement.must_exist else "CREATE TABLE"
        word = "REPLACE TABLE" if statement.must_exist else word
        there = table.log.latest() >= 0
        answer = None
        if statement.query is not None:
            frame = asked.run(statement.query)
            metadata = self._described(statement, columns.fields_of(frame))
            write = Write(operation=f"{word} AS SELECT", parameters=_created(metadata, managed))
            found = self.writer.create_from(table, metadata, frame, write)
            answer = self._counted(table, asked)
        elif there and not statement.replace:
            found = self._taken_over(statement, table)
        else:
            metadata = self._described(statement, self._declared(statement, asked))
            found = self.writer.create(table, metadata, word, _created(metadata, managed))
        self._enter(statement.table, table, found.metadata, managed)
        return answer or self._nothing(asked)

    def made_from(self, statement: said.Create, frame: Any, write: Write) -> Snapshot:
        """Make a table, or replace one, with the rows of a frame."""
        table, managed = self._place(statement)
        fields = columns.fields_of(frame)
        metadata = new_metadata(fields, replace(write, partition_by=statement.partition_by))
        word = "CREATE OR REPLACE TABLE AS SELECT" if statement.replace else "CREATE TABLE AS SELECT"
        told = replace(write, operation=word, parameters=_created(metadata, managed), replace_where=None)
        found = self.writer.create_from(table, metadata, frame, told)
        self._enter(statement.table, table, found.metadata, managed)
        return found

    def _place(self, statement: said.Create) -> tuple[Table, bool]:
        """The folder of a table that is to be made, and whether the catalog owns it."""
        known = self.table(statement.table) if statement.table.path is None else None
        if statement.location is not None:
            table = self.tables.in_folder(of_uri(statement.location))
            if table.log.latest() < 0:
                adopt_folder(self.tables, table, self.tell)
            return table, False
        if known is not None:
            return known, self.tables.is_managed(known)
        full = self.tables.full_name(statement.table.name)
        table = self.tables.in_folder(self.tables.place_of_new(*full))
        if table.log.latest() >= 0 or (self.tables.entry(statement.table.name) is not None):
            self._clear(statement, table)
        return table, True

    def _clear(self, statement: said.Create, table: Table) -> None:
        """A new managed table takes the place of what a dropped one left, or of a table that is not of Delta."""
        if self.tables.entry(statement.table.name) is not None:
            self.tables.spark._jsparkSession.sql(f"DROP TABLE IF EXISTS {statement.table.name}")
        self.tables.forget(table)

    def _enter(self, ref: Ref, table: Table, metadata: Metadata, managed: bool) -> None:
        if ref.path is None:
            self.tables.register(self.tables.full_name(ref.name), table, metadata, managed)

    def _taken_over(self, statement: said.Create, table: Table) -> Snapshot:
        """CREATE TABLE on a folder that holds a Delta table: what is declared must be what is there."""
        found = self.tables.snapshot(table)
        declared = [one.name.lower() for one in statement.columns]
        if declared and declared != [name.lower() for name in found.metadata.columns]:
            raise analysis(
                f"[DELTA_CREATE_TABLE_SCHEME_MISMATCH] The specified schema does not match the existing schema at "
                f"{table.folder}: {', '.join(declared)} is declared, {', '.join(found.metadata.columns)} is there."
            )
        return found

    def _declared(self, statement: said.Create, asked: Asked) -> list[dict[str, Any]]:
        if statement.like is not None:
            source = self.table(statement.like)
            if source is not None:
                return source.log.snapshot().metadata.fields
            return columns.fields_of(asked.run(f"SELECT * FROM {statement.like.name}"))
        return self.declared(statement.columns)

    def declared(self, given: tuple[said.Column, ...]) -> list[dict[str, Any]]:
        """Columns, as statements declare them, as Spark's JSON says them."""
        if not given:
            return []
        text = ", ".join(one.text for one in given)
        parsed = json.loads(self.tables.spark._jvm.org.apache.spark.sql.types.StructType.fromDDL(text).json())
        return [columns.declared(one, column) for one, column in zip(parsed["fields"], given, strict=True)]

    def _described(self, statement: said.Create, fields: list[dict[str, Any]]) -> Metadata:
        write = Write(
            partition_by=statement.partition_by, properties=statement.properties, description=statement.comment
        )
        kept = fields if statement.query is None else None
        metadata = new_metadata(fields, write)
        if kept is not None:
            metadata = metadata.with_fields(kept)
        if statement.cluster_by:
            more = {"clusteringColumns": json.dumps(list(statement.cluster_by))}
            metadata = replace(metadata, properties={**metadata.properties, **more})
        return metadata

    def _clone(self, statement: said.Create, asked: Asked) -> Any:
        assert statement.of is not None
        source = self.needed(statement.of, "CLONE")
        version = self.version(source, statement.of)
        table, managed = self._place(statement)
        answer = maintenance.clone(
            self.tables, source, version, table, statement.deep, statement.properties, asked.session
        )
        self._enter(statement.table, table, table.log.snapshot().metadata, managed)
        return answer

    def _drop(self, statement: said.Drop, text: str, asked: Asked) -> Any | None:
        table = self.table(statement.table)
        if table is None or table.name is None:
            return None
        managed = self.tables.is_managed(table)
        found = asked.run(text)
        if managed:
            self.tables.forget(table)
        return found

    def _alter(self, statement: said.Alter, text: str, asked: Asked) -> Any | None:
        table = self.table(statement.table)
        if table is None and re.match(
            r"(?i)\s*(add\s+constraint|set\s+tblproperties|(rename|drop)\s+column)", statement.text
        ):
            table = self.table(statement.table, adopt=True)
        if table is None:
            return None
        altered(self, table, statement.text, asked)
        return self._nothing(asked)

    def _show(self, statement: said.Show, asked: Asked) -> Any | None:
        table = self.table(statement.table)
        if table is None:
            return None
        snapshot = table.log.snapshot()
        match statement.what:
            case "TBLPROPERTIES":
                return answers.properties(asked.session, snapshot.metadata, snapshot, statement.key)
            case "CREATE":
                text = answers.create_text(table, snapshot.metadata, self.tables.sql_type, table.folder)
                return answers.answer(asked.session, "createtab_stmt STRING", [{"createtab_stmt": text}])
        return self._partitions(table, snapshot, asked)

    def _partitions(self, table: Table, snapshot: Snapshot, asked: Asked) -> Any:
        by = snapshot.metadata.partition_columns
        if not by:
            raise analysis(
                f"[DELTA_SHOW_PARTITION_IN_NON_PARTITIONED_TABLE] SHOW PARTITIONS is not allowed on a table that is "
                f"not partitioned: {table.shown}"
            )
        kinds = {one["name"]: self.tables.sql_type(one["type"]) for one in snapshot.metadata.fields}
        rows = {tuple(one.partition.get(name) for name in by) for one in snapshot.files.values()}
        listed = [dict(zip(by, row, strict=True)) for row in sorted(rows, key=str)]
        frame = answers.answer(asked.session, ", ".join(f"{name} STRING" for name in by), listed)
        return frame.selectExpr(*[f"CAST(`{name}` AS {kinds[name]}) AS `{name}`" for name in by])

    # --- rows ---

    def _insert(self, statement: said.Insert, asked: Asked) -> Any | None:
        table = self.table(statement.table)
        if table is None:
            return None
        metadata = table.log.snapshot().metadata
        given = _targets(metadata, statement)
        query = values_with_defaults(statement.query, _defaults(metadata, given))
        frame = asked.run(self.resolved(statement.before + query))
        if not statement.by_name:
            frame = positional(frame, metadata, given, statement.columns is not None)
        fixed = {name: value for name, value in (statement.partition or {}).items() if value is not None}
        for name, value in fixed.items():
            frame = frame.selectExpr("*", f"{value} AS `{name}`")
        where = statement.replace_where
        if statement.overwrite and fixed:
            where = " AND ".join(f"`{name}` <=> {value}" for name, value in fixed.items())
        dynamic = statement.overwrite and self.is_dynamic(None) and where is None
        write = Write(
            overwrite=statement.overwrite or where is not None, widen=statement.widen, replace_where=where,
            dynamic=dynamic, cast=True,
        )  # fmt: skip
        self.write(table, frame, write)
        return self._counted(table, asked)

    def is_dynamic(self, option: str | None) -> bool:
        """Whether an overwrite leaves the partitions alone that the new rows have none in."""
        mode = option or self.setting("spark.sql.sources.partitionOverwriteMode") or "static"
        return mode.lower() == "dynamic"

    def write(self, table: Table, frame: Any, write: Write) -> Snapshot:
        """Write a frame into a table and let the catalog know its columns."""
        before = table.log.snapshot().metadata if table.log.latest() >= 0 else None
        found = self.writer.write(table, frame, write)
        if before is not None:
            self.sync(table, before)
        return found

    def _counted(self, table: Table, asked: Asked) -> Any:
        metrics = table.log.history(1)[0].info.get("operationMetrics", {})
        count = int(metrics.get("numOutputRows", 0))
        return answers.answer(asked.session, _AFFECTED, [{"num_affected_rows": count, "num_inserted_rows": count}])

    def _change_rows(self, text: str, asked: Asked) -> Any | None:
        change = read_rows(text)
        ref = Reader(change.table).ref()
        table = self.needed(ref, Reader(text).tokens[0].word)
        source = None if change.source is None else asked.run(self.resolved(f"SELECT * FROM {change.source}"))
        return self.change(table, change, source, asked)

    def change(self, table: Table, change: Change, source: Any, asked: Asked, widen: bool = False) -> Any:
        """DELETE, UPDATE or MERGE; the answer is Delta's row of counts."""
        widen = widen or change.widen or self.setting("spark.databricks.delta.schema.autoMerge.enabled") == "true"
        with self.tables.writing(table):
            read = table.log.snapshot()
            before = read.metadata
            target = self.tables.frame(table, read.version, asked.session)

            def put(rows: Any, counts: Mapping[Action, int]) -> None:
                self._put(table, read, rows, change, counts)

            defaults = _all_defaults(before)
            answer = carry_out(asked.session, asked.run, change, target, source, put, widen, defaults)
        self.sync(table, before)
        return answer

    def _put(self, table: Table, read: Snapshot, rows: Any, change: Change, counts: Mapping[Action, int]) -> None:
        operation, parameters = change.history()
        if rows is None:
            # Databricks writes a version for it all the same: code reads from the history what its MERGE did.
            table.log.commit(Commit(operation, parameters, metrics=change.metrics(counts, 0, 0)), read)
            return
        known = {name.lower() for name in read.metadata.columns}
        more = [
            {**one, "nullable": True, "metadata": {}}
            for one in columns.fields_of(rows)
            if one["name"].lower() not in known
        ]
        metadata = read.metadata.with_fields([*read.metadata.fields, *more]) if more else read.metadata
        made = [one["name"] for one in metadata.fields if columns.GENERATED in (one.get("metadata") or {})]
        old = sum(one.rows or 0 for one in read.files.values())
        metrics = change.metrics(counts, old, len(read.files))
        self.writer.replace_rows(
            table, read, rows.drop(*made), operation, parameters, metrics, metadata, new_rows=counts[Action.INSERT] > 0
        )

    def _copy(self, statement: said.Copy, asked: Asked) -> Any:
        from dbutils_local.spark.delta.copying import copy_into

        table = self.needed(statement.table, "COPY INTO")
        rows = copy_into(self, table, statement, asked)
        counts = {"num_affected_rows": rows, "num_inserted_rows": rows, "num_skipped_corrupt_files": 0}
        return answers.answer(asked.session, f"{_AFFECTED}, num_skipped_corrupt_files BIGINT", [counts])


def _created(metadata: Metadata, managed: bool) -> dict[str, str]:
    return {
        "partitionBy": json.dumps(list(metadata.partition_columns), separators=(",", ":")),
        "clusterBy": json.dumps(answers.clustering(metadata), separators=(",", ":")),
        "description": metadata.description or "",
        "isManaged": str(managed).lower(),
        "properties": json.dumps(answers.visible(metadata), separators=(",", ":")),
    }


def _targets(metadata: Metadata, statement: said.Insert) -> list[str]:
    """The columns that the values of an INSERT are for, in order."""
    fixed = {name.lower() for name, value in (statement.partition or {}).items() if value is not None}
    if statement.columns is not None:
        known = {name.lower(): name for name in metadata.columns}
        for name in statement.columns:
            if name.lower() not in known:
                raise analysis(
                    f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `{name}` cannot be resolved. Did you mean "
                    f"one of the following? [{', '.join(metadata.columns)}]"
                )
        return [known[name.lower()] for name in statement.columns]
    return [name for name in metadata.columns if name.lower() not in fixed]


def positional(frame: Any, metadata: Metadata, given: list[str], listed: bool) -> Any:
    """A frame whose columns stand for `given` in order, under those names."""
    count = len(frame.columns)
    if count != len(given) and not listed:
        worked_out = {
            one["name"]
            for one in metadata.fields
            if (one.get("metadata") or {}).keys() & {columns.GENERATED, columns.START}
        }
        fewer = [name for name in given if name not in worked_out]
        given = fewer if count == len(fewer) else given
    if count != len(given):
        few = "NOT_ENOUGH" if count < len(given) else "TOO_MANY"
        raise analysis(
            f"[INSERT_COLUMN_ARITY_MISMATCH.{few}_DATA_COLUMNS] Cannot write to the table, the reason is "
            f"{few.lower().replace('_', ' ')} data columns:\nTable columns: {', '.join(f'`{one}`' for one in given)}.\n"
            f"Data columns: {', '.join(f'`{one}`' for one in frame.columns)}. SQLSTATE: 21S01"
        )
    return frame.toDF(*given)


def _defaults(metadata: Metadata, given: list[str]) -> list[str]:
    known = _all_defaults(metadata)
    return [known.get(name.lower(), "NULL") for name in given]


def _all_defaults(metadata: Metadata) -> dict[str, str]:
    return {
        one["name"].lower(): one["metadata"][columns.DEFAULT]
        for one in metadata.fields
        if columns.DEFAULT in (one.get("metadata") or {})
    }
