"""The embedded engine: Databricks SQL on DuckDB files under the home, shared by processes in turns.

A session is one in-memory DuckDB connection that lives as long as its notebook and holds what is the session's own:
temporary views, variables, our macros. The tables lie in files, one a catalog, which are attached for one batch of
statements at a time under an exclusive file lock and let go again: so any number of kernels work on one warehouse in
turns, and nobody holds it while idle. (DuckDB lets one process open a file; and DuckDB 2.0.0 loses committed rows when
processes take turns without a lock.)
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbutils_local.errors import HomeUnusable, UserError
from dbutils_local.sql import names, prelude, steps, warehouse
from dbutils_local.sql.engine import ROW_LIMIT, StatementFailed, StatementResult
from dbutils_local.sql.files import reader
from dbutils_local.sql.frame import SqlFrame, Table
from dbutils_local.sql.parameters import substitute_get_argument, substitute_legacy
from dbutils_local.sql.scan import Statement, quote, split
from dbutils_local.sql.steps import Column, Count, Scope, Step, Variable
from dbutils_local.sql.translate import translate
from dbutils_local.sql.types import literal, needs_cast, word

LocalPath = Callable[[str], Path]


class DuckDbEngine:
    """One session on the DuckDB warehouse in `folder`; safe to use from several threads, one batch at a time."""

    name = "duckdb"

    def __init__(
        self,
        folder: Path,
        *,
        local_path: LocalPath,
        user: str = "local@localhost",
        catalogs: Sequence[str] = (),
        limit: int = ROW_LIMIT,
    ) -> None:
        self._folder = folder
        self._user = user
        self._local_path = local_path
        self._limit = limit
        self._known = (names.DEFAULT_CATALOG, *catalogs)
        self._catalog, self._schema = names.DEFAULT_CATALOG, names.DEFAULT_SCHEMA
        self._temp_views: set[str] = set()
        self._variables: dict[str, Variable] = {}
        self._turn = threading.RLock()
        self._depth = 0
        self._connection: Any = None

    # --- the contract ---

    def execute(self, sql_text: str, parameters: Mapping[str, str] | None = None) -> list[StatementResult]:
        """See Engine.execute."""
        values = dict(parameters or {})
        text = substitute_get_argument(substitute_legacy(sql_text, values), values)
        statements = split(text)
        if not statements:
            return []
        with self.open():
            return [self._run(statement, values) for statement in statements]

    def interrupt(self) -> None:
        """Stop the statement that runs now, from another thread; it raises StatementFailed."""
        if self._connection is not None:
            self._connection.interrupt()

    def close(self) -> None:
        """End the session; the files stay."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # --- files and lock ---

    @contextmanager
    def open(self) -> Iterator[Any]:
        """The connection with every catalog attached, under the lock; nested use in one thread is one turn."""
        with self._turn:
            if self._depth:
                yield self._connection
                return
            with warehouse.turn(self._folder):
                connection = self._session()
                self._depth += 1
                try:
                    self._attach_all(connection)
                    yield connection
                finally:
                    self._depth -= 1
                    self._detach_all(connection)

    def _session(self) -> Any:
        if self._connection is None:
            import duckdb

            # A Python variable is no table on Databricks, so it must not become one here.
            self._connection = duckdb.connect(":memory:", config={"python_enable_replacements": False})
            self._connection.execute("SET TimeZone = 'UTC'")
            for statement in prelude.statements():
                self._connection.execute(statement)
        return self._connection

    def _file(self, catalog: str) -> Path:
        return warehouse.file_of(self._folder, catalog)

    def _catalogs(self) -> list[str]:
        found = [names.outside(path.stem) for path in warehouse.catalog_files(self._folder)]
        return list(dict.fromkeys([*(names.canonical(name) for name in self._known), *found]))

    def _attach_all(self, connection: Any) -> None:
        for catalog in self._catalogs():
            self._attach(connection, catalog)
        self._use(connection)

    def _attach(self, connection: Any, catalog: str) -> None:
        import duckdb

        file, attached = self._file(catalog), names.ident(names.inside(catalog))
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = not file.exists()
        try:
            connection.execute(f"ATTACH {quote(str(file))} AS {attached}")
        except duckdb.IOException as error:
            raise HomeUnusable(
                f"cannot open {file}: {str(error).splitlines()[0]}; end the program that has it open"
            ) from error
        if new:
            file.chmod(0o600)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {names.qualified(catalog, names.DEFAULT_SCHEMA)}")

    def _use(self, connection: Any) -> None:
        import duckdb

        try:
            connection.execute(f"USE {names.qualified(self._catalog, self._schema)}")
        except duckdb.Error:  # another session dropped it: unqualified names will not be found, which says it best
            connection.execute("USE memory.main")

    def _detach_all(self, connection: Any) -> None:
        connection.execute("USE memory.main")
        attached = connection.execute(
            "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'"
        ).fetchall()
        for (name,) in attached:
            connection.execute(f"DETACH {names.ident(name)}")

    # --- one statement ---

    def _scope(self) -> Scope:
        return Scope(
            catalog=self._catalog,
            schema=self._schema,
            user=self._user,
            temp_views=frozenset(self._temp_views),
            variables=self._variables,
            columns_of=self._columns_of,
            files=self._files,
        )

    def _run(self, statement: Statement, values: Mapping[str, str]) -> StatementResult:
        import duckdb

        try:
            return self._do(translate(statement.text, self._scope(), values), statement.text)
        except StatementFailed:
            raise
        except UserError as error:
            raise StatementFailed(str(error), statement.text, statement.line) from error
        except duckdb.Error as error:
            raise StatementFailed(_reason(error), statement.text, statement.line) from error

    def _do(self, step: Step, text: str) -> StatementResult:
        match step:
            case steps.Query():
                return self._query(step.sql, text, step.notice)
            case steps.Change():
                return self._change(step, text)
            case steps.CreateAs():
                return self._create_as(step, text)
            case steps.Nothing():
                return StatementResult(text, notice=step.notice)
            case steps.MakeTempView():
                self._make_temp_view(step.name, step.query, step.replace, step.columns)
                return StatementResult(text)
            case steps.UseNamespace():
                return self._use_namespace(step, text)
            case steps.CreateCatalog():
                return self._create_catalog(step, text)
            case steps.DropCatalog():
                return self._drop_catalog(step, text)
            case steps.MakeFolder():
                return self._make_folder(step, text)
            case steps.Declare():
                return self._declare(step, text)
            case steps.Assign():
                return self._assign(step, text)
            case steps.DropVariable():
                return self._drop_variable(step, text)
            case steps.RunText():
                return self._run_text(step, text)
            case steps.Describe():
                return self._describe(step, text)
            case steps.DescribeDetail():
                return self._describe_detail(step, text)
            case steps.DescribeQuery():
                columns = self._described(step.sql)
                return self._rows(
                    text, ("col_name", "data_type", "comment"), [(name, word(kind), None) for name, kind in columns]
                )
            case steps.ShowCreate():
                return self._show_create(step, text)
            case steps.CopyInto():
                return self._copy_into(step, text)

    # --- queries ---

    def _query(self, sql: str, text: str, notice: str | None = None) -> StatementResult:
        shaped = sql if sql.startswith("EXPLAIN") else self._shaped(sql)
        table = self.fetch(shaped, self._limit + 1)
        count = len(table.rows)
        if count > self._limit:
            count = int(self._connection.execute(f"SELECT count(*) FROM ({shaped})").fetchone()[0])
        frame = None if sql.startswith("EXPLAIN") else self.frame(shaped, table.columns, table.types)
        return StatementResult(text, table.columns, table.types, table.rows[: self._limit], count, notice, frame)

    def frame(self, sql: str, columns: tuple[str, ...], types: tuple[str, ...]) -> SqlFrame:
        """A lazy frame over a DuckDB query of this session."""
        return SqlFrame(sql, columns, types, self.fetch, self._view_of_frame, self.to_pandas)

    def fetch(self, sql: str, limit: int | None) -> Table:
        """The rows of a DuckDB query, at most `limit`."""
        with self.open() as connection:
            result = connection.execute(sql)
            described = result.description or []
            rows = result.fetchall() if limit is None else result.fetchmany(limit)
        return Table(
            tuple(item[0] for item in described),
            tuple(word(item[1]) for item in described),
            tuple(tuple(row) for row in rows),
        )

    def to_pandas(self, sql: str) -> Any:
        """The rows of a DuckDB query as a pandas DataFrame."""
        with self.open() as connection:
            return connection.execute(sql).df()

    def _described(self, sql: str) -> list[tuple[str, Any]]:
        relation = self._connection.sql(sql)
        return list(zip(relation.columns, relation.types, strict=True))

    def _shaped(self, sql: str) -> str:
        """The query with columns of types Databricks does not have cast to those it has."""
        columns = self._described(sql)
        casts = {index: needs_cast(kind) for index, (_, kind) in enumerate(columns)}
        unique = len({name.lower() for name, _ in columns}) == len(columns)
        if not any(casts.values()):
            return sql
        inner = [names.ident(name) if unique else names.ident(f"c{index}") for index, (name, _) in enumerate(columns)]
        outer = [
            f"CAST({column} AS {kind}) AS {names.ident(name)}"
            if (kind := casts[index])
            else f"{column} AS {names.ident(name)}"
            for index, (column, (name, _)) in enumerate(zip(inner, columns, strict=True))
        ]
        return f"SELECT {', '.join(outer)} FROM ({sql}) AS dbutils_local_shaped({', '.join(inner)})"

    def _rows(
        self,
        text: str,
        columns: tuple[str, ...],
        rows: Sequence[tuple[Any, ...]],
        notice: str | None = None,
        cast: str | None = None,
    ) -> StatementResult:
        """An answer made here, as a result with a frame like any other."""
        if not rows:
            listed = ", ".join(f"CAST(NULL AS VARCHAR) AS {names.ident(name)}" for name in columns)
            return self._query(f"SELECT {listed} WHERE false", text, notice)
        values = ", ".join(
            "("
            + ", ".join(literal(value) if value is not None else "CAST(NULL AS VARCHAR)" for value in (number, *row))
            + ")"
            for number, row in enumerate(rows)
        )
        inner = ", ".join(names.ident(name) for name in ("dbutils_local_order", *columns))
        listed = ", ".join(f"CAST({name} AS {cast}) AS {name}" if cast else name for name in map(names.ident, columns))
        return self._query(
            f"SELECT {listed} FROM (VALUES {values}) AS dbutils_local_rows({inner}) ORDER BY dbutils_local_order",
            text,
            notice,
        )

    # --- changes ---

    def _change(self, step: steps.Change, text: str) -> StatementResult:
        connection = self._connection
        for query, message in step.checks:
            if connection.execute(query).fetchone() is not None:
                raise UserError(message)
        answer = self._in_transaction(tuple(map(self._as_kept, step.statements)))
        self._forget_dropped_views()
        columns, row = _counts(step.count, answer)
        if not columns:
            return StatementResult(text, notice=step.notice)
        return self._rows(text, columns, [row], step.notice, cast="BIGINT")

    def _as_kept(self, statement: str) -> str:
        """DROP TABLE as DROP VIEW where the table is one over files, which is kept as a view that reads them."""
        head, _, table = statement.partition("DROP TABLE ")
        if head or not table:
            return statement
        readers = self._connection.execute(
            "SELECT database_name, schema_name, view_name FROM duckdb_views() "
            "WHERE NOT internal AND regexp_matches(sql, '(?i) FROM read_(csv|json|parquet|text)')"
        ).fetchall()
        bare = table.removeprefix("IF EXISTS ").replace('"', "").lower()
        known = {".".join(parts).lower() for parts in readers}
        return f"DROP VIEW {table}" if bare in known else statement

    def _in_transaction(self, statements: Sequence[str]) -> list[tuple[Any, ...]]:
        """Run all or none; the rows the statement that changes rows answered with."""
        answer: list[tuple[Any, ...]] = []
        self._connection.execute("BEGIN")
        try:
            for statement in statements:
                rows = self._connection.execute(statement).fetchall()
                answer = rows if statement.startswith(("INSERT", "UPDATE", "DELETE", "MERGE", "WITH")) else answer
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return answer

    def _create_as(self, step: steps.CreateAs, text: str) -> StatementResult:
        query = step.query if " VIEW " in step.head else self._shaped(step.query)
        self._in_transaction([*step.before, f"{step.head} AS {query}"])
        return StatementResult(text, notice=step.notice)

    def _make_temp_view(self, name: str, query: str, replace: bool, columns: Sequence[str]) -> None:
        if name.lower() in self._temp_views and not replace:
            raise UserError(
                f"[TEMP_TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create the temporary view `{name}` because "
                "it already exists."
            )
        if f'"temp"."main".{names.ident(name)}'.lower() in query.lower():
            raise UserError(f"[RECURSIVE_VIEW] Recursive view `{name}` detected (cycle: `{name}` -> `{name}`).")
        listed = f" ({', '.join(map(names.ident, columns))})" if columns else ""
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {names.ident(name)}{listed} AS {self._shaped(query)}")
        self._temp_views.add(name.lower())

    def _view_of_frame(self, name: str, sql: str, replace: bool) -> None:
        with self.open():
            self._make_temp_view(name, sql, replace, ())

    def _forget_dropped_views(self) -> None:
        if self._temp_views:
            rows = self._connection.execute(
                "SELECT lower(view_name) FROM duckdb_views() WHERE temporary AND NOT internal"
            ).fetchall()
            self._temp_views &= {name for (name,) in rows}

    # --- catalogs and folders ---

    def _use_namespace(self, step: steps.UseNamespace, text: str) -> StatementResult:
        catalog = names.canonical(step.catalog) if step.catalog is not None else self._catalog
        schema = step.schema if step.schema is not None else names.DEFAULT_SCHEMA
        if catalog not in self._catalogs():
            raise UserError(
                f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{step.catalog}' was not found. Known here: "
                f"{', '.join(self._catalogs())}; "
                f"make it once with CREATE CATALOG {step.catalog}, or name it in the setting catalogs "
                "(DBUTILS_LOCAL_CATALOGS)"
            )
        found = self._connection.execute(
            "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ? AND lower(schema_name) = ?",
            [names.inside(catalog), schema.lower()],
        ).fetchone()
        if found is None:
            raise UserError(
                f"[SCHEMA_NOT_FOUND] The schema `{catalog}`.`{schema}` cannot be found. Verify the "
                "spelling and correctness of the schema and catalog."
            )
        self._catalog, self._schema = catalog, found[0]
        self._use(self._connection)
        return StatementResult(text)

    def _create_catalog(self, step: steps.CreateCatalog, text: str) -> StatementResult:
        name = names.canonical(step.name)
        if not re.fullmatch(r"[\w-]+", name):
            raise UserError(f"a catalog's name is made of letters, digits, _ and -; found {step.name!r}")
        if name in self._catalogs():
            if step.if_not_exists:
                return StatementResult(text)
            raise UserError(f"[CATALOG_ALREADY_EXISTS] Catalog '{step.name}' already exists")
        self._attach(self._connection, name)
        return StatementResult(text)

    def _drop_catalog(self, step: steps.DropCatalog, text: str) -> StatementResult:
        name = names.canonical(step.name)
        if name not in self._catalogs() or name == names.DEFAULT_CATALOG:
            if step.if_exists and name != names.DEFAULT_CATALOG:
                return StatementResult(text)
            raise UserError(f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{step.name}' was not found or is the default one")
        tables = self._connection.execute(
            "SELECT 1 FROM duckdb_tables() WHERE database_name = ? LIMIT 1", [names.inside(name)]
        ).fetchone()
        if tables is not None and not step.cascade:
            raise UserError(f"[UC_CATALOG_NOT_EMPTY] Catalog '{step.name}' is not empty. Use DROP CATALOG ... CASCADE")
        if self._catalog == name:
            self._catalog, self._schema = names.DEFAULT_CATALOG, names.DEFAULT_SCHEMA
            self._use(self._connection)
        self._connection.execute(f"DETACH {names.ident(names.inside(name))}")
        self._file(name).unlink()
        return StatementResult(text)

    def _make_folder(self, step: steps.MakeFolder, text: str) -> StatementResult:
        folder = self._local_path(step.path)
        if step.drop:
            if not folder.is_dir() and not step.lenient:
                raise UserError(f"[VOLUME_DOES_NOT_EXIST] Volume '{step.path}' does not exist")
            shutil.rmtree(folder, ignore_errors=True)
            return StatementResult(text)
        if folder.is_dir() and not step.lenient:
            raise UserError(f"[VOLUME_ALREADY_EXISTS] Volume '{step.path}' already exists")
        folder.mkdir(parents=True, exist_ok=True)
        return StatementResult(text, notice=step.notice)

    # --- variables ---

    def _declare(self, step: steps.Declare, text: str) -> StatementResult:
        for name in step.names:
            if name.lower() in self._variables and not step.replace:
                raise UserError(
                    f"[VARIABLE_ALREADY_EXISTS] Cannot create the variable `{name}` because it already exists."
                )
            value = f"CAST({step.value} AS {step.kind})" if step.kind else step.value
            self._store(name, f"SELECT {value}")
        return StatementResult(text)

    def _store(self, name: str, query: str, kind: str | None = None) -> None:
        shaped = self._shaped(query)
        (_, found), *_ = self._described(shaped)
        row = self._connection.execute(shaped).fetchone()
        value = row[0] if row is not None else None
        self._variables[name.lower()] = Variable(
            kind or str(found), literal(value), "" if value is None else str(value)
        )

    def _assign(self, step: steps.Assign, text: str) -> StatementResult:
        for name in step.names:
            if name.lower() not in self._variables:
                raise UserError(
                    f"[UNRESOLVED_VARIABLE] Cannot resolve variable `{name}` on search path `system`.`session`."
                )
        count = int(self._connection.execute(f"SELECT count(*) FROM ({step.query})").fetchone()[0])
        if count > 1:
            raise UserError("[ROW_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery used as a row.")
        inner = ", ".join(f"c{index}" for index in range(len(step.names)))
        fresh = {}
        for index, name in enumerate(step.names):
            kind = self._variables[name.lower()].kind
            value = self._connection.execute(
                f"SELECT CAST(c{index} AS {kind}) FROM ({step.query}) AS v({inner})"
            ).fetchone()
            plain = value[0] if value is not None else None
            fresh[name.lower()] = Variable(kind, literal(plain), "" if plain is None else str(plain))
        self._variables.update(fresh)
        return StatementResult(text)

    def _drop_variable(self, step: steps.DropVariable, text: str) -> StatementResult:
        if self._variables.pop(step.name, None) is None and not step.if_exists:
            raise UserError(f"[VARIABLE_NOT_FOUND] The variable `{step.name}` cannot be found.")
        return StatementResult(text)

    def _run_text(self, step: steps.RunText, text: str) -> StatementResult:
        row = self._connection.execute(f"SELECT {step.text}").fetchone()
        inner = str(row[0])
        positional = [self._literal_of(value) for name, value in step.arguments if name is None]
        named = {name: self._literal_of(value) for name, value in step.arguments if name is not None}
        result = self._do(translate(_with_arguments(inner, positional, named), self._scope()), text)
        if not step.into:
            return result
        if result.row_count > 1:
            raise UserError("[ROW_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery used as a row.")
        values = result.rows[0] if result.rows else (None,) * len(step.into)
        self._assign(steps.Assign(step.into, "SELECT " + ", ".join(literal(value) for value in values)), text)
        return StatementResult(text)

    def _literal_of(self, expression: str) -> str:
        row = self._connection.execute(f"SELECT {expression}").fetchone()
        value = row[0]
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" if isinstance(value, str) else literal(value)

    # --- descriptions ---

    def _columns_of(self, table: str) -> list[Column]:
        import duckdb

        try:
            rows = self._connection.execute(f"DESCRIBE {table}").fetchall()
        except duckdb.Error:
            return []
        return [Column(row[0], row[1], row[4]) for row in rows]

    def _comments(self, table: str) -> tuple[dict[str, str | None], str | None]:
        parts = [part.strip('"').replace('""', '"') for part in re.findall(r'"(?:[^"]|"")*"|[^.]+', table)]
        where = "database_name = ? AND schema_name = ? AND table_name = ?"
        columns = self._connection.execute(
            f"SELECT column_name, comment FROM duckdb_columns() WHERE {where}", parts
        ).fetchall()
        comment = self._connection.execute(f"SELECT comment FROM duckdb_tables() WHERE {where}", parts).fetchone()
        return dict(columns), comment[0] if comment is not None else None

    def _describe(self, step: steps.Describe, text: str) -> StatementResult:
        relation = self._connection.sql(f"SELECT * FROM {step.table}")
        comments, comment = self._comments(step.table)
        rows = [
            (name, word(kind), comments.get(name)) for name, kind in zip(relation.columns, relation.types, strict=True)
        ]
        if step.column is not None:
            found = next((row for row in rows if row[0].lower() == step.column.lower()), None)
            if found is None:
                raise UserError(f"[COLUMN_NOT_FOUND] The column `{step.column}` cannot be found in {step.shown}.")
            return self._rows(
                text,
                ("info_name", "info_value"),
                [("col_name", found[0]), ("data_type", found[1]), ("comment", found[2] or "NULL")],
            )
        if step.extended:
            catalog, schema, table = step.shown.split(".")[-3:]
            details = {
                "Catalog": catalog,
                "Database": schema,
                "Table": table,
                "Owner": self._user,
                "Comment": comment or "",
                "Type": "MANAGED",
                "Provider": "duckdb",
                "Location": str(self._file(catalog)),
            }
            rows += [("", "", ""), ("# Detailed Table Information", "", "")]
            rows += [(name, value, "") for name, value in details.items()]
        return self._rows(text, ("col_name", "data_type", "comment"), rows)

    def _describe_detail(self, step: steps.DescribeDetail, text: str) -> StatementResult:
        self._connection.sql(f"SELECT * FROM {step.table} LIMIT 0")
        _, comment = self._comments(step.table)
        location = self._file(step.shown.split(".")[0])
        columns = ("format", "name", "description", "location", "partitionColumns", "numFiles")
        notice = "DESCRIBE DETAIL: the table is a DuckDB table; sizes, times and properties of Delta are not kept"
        return self._rows(text, columns, [("duckdb", step.shown, comment, str(location), [], 1)], notice)

    def _show_create(self, step: steps.ShowCreate, text: str) -> StatementResult:
        relation = self._connection.sql(f"SELECT * FROM {step.table}")
        lines = [f"  {name} {word(kind).upper()}" for name, kind in zip(relation.columns, relation.types, strict=True)]
        body = ",\n".join(lines)
        notice = "SHOW CREATE TABLE: columns and types only; constraints, defaults and view queries are not shown"
        return self._rows(
            text, ("createtab_stmt",), [(f"CREATE TABLE {step.shown} (\n{body})\nUSING delta\n",)], notice
        )

    # --- files ---

    def _files(self, path: str) -> list[str]:
        found = [str(file) for file in data_files(self._local_path(path))]
        if not found:
            raise UserError(
                f"[PATH_NOT_FOUND] Path does not exist or holds no data file: {path} (here: {self._local_path(path)})"
            )
        return found

    def _copy_into(self, step: steps.CopyInto, text: str) -> StatementResult:
        """COPY INTO, remembering in the catalog's file which files went into which table."""
        memory = names.qualified(step.catalog, names.HIDDEN_SCHEMA, "copied_files")
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {names.qualified(step.catalog, names.HIDDEN_SCHEMA)}")
        self._connection.execute(
            f"CREATE TABLE IF NOT EXISTS {memory} (target VARCHAR, path VARCHAR, modified BIGINT, size BIGINT)"
        )
        known = self._connection.execute(
            f"SELECT path, modified, size FROM {memory} WHERE target = ?", [step.table]
        ).fetchall()
        chosen = [item for item in self._copied(step) if step.force or item not in set(known)]
        if not chosen:
            return self._rows(text, *_copy_answer(0), notice="COPY INTO: no new files", cast="BIGINT")
        source = reader(step.format, [path for path, _, _ in chosen], step.options)
        query = step.select.replace(self._source_name(step), f"({source})") if step.select is not None else source
        additions = self._missing_columns(step, query)
        insert = f"INSERT INTO {step.table} BY NAME {query}"
        remember = [
            f"INSERT INTO {memory} VALUES ({quote(step.table)}, {quote(path)}, {modified}, {size})"
            for path, modified, size in chosen
        ]
        before = self._connection.execute(f"SELECT count(*) FROM {step.table}").fetchone()[0]
        self._in_transaction([*additions, insert, *remember])
        after = self._connection.execute(f"SELECT count(*) FROM {step.table}").fetchone()[0]
        return self._rows(text, *_copy_answer(after - before), cast="BIGINT")

    def _source_name(self, step: steps.CopyInto) -> str:
        return (
            names.qualified(self._catalog, self._schema, steps.SOURCE)
            if step.select and "." + names.ident(steps.SOURCE) in step.select
            else names.ident(steps.SOURCE)
        )

    def _copied(self, step: steps.CopyInto) -> list[tuple[str, int, int]]:
        root = self._local_path(step.path)
        files = [root / name for name in step.files] if step.files else list(data_files(root))
        if step.pattern is not None:
            files = [file for file in files if file.match(step.pattern) or file.relative_to(root).match(step.pattern)]
        missing = [file for file in files if not file.is_file()]
        if missing or (not files and not root.exists()):
            raise UserError(
                f"[PATH_NOT_FOUND] Path does not exist: {step.path} (here: {missing[0] if missing else root})"
            )
        return [(str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files]

    def _missing_columns(self, step: steps.CopyInto, query: str) -> list[str]:
        have = {column.name.lower() for column in self._columns_of(step.table)}
        new = [(name, kind) for name, kind in self._described(query) if name.lower() not in have]
        if new and not step.merge_schema:
            listed = ", ".join(name for name, _ in new)
            raise UserError(
                f"[COPY_INTO_SCHEMA_MISMATCH] the files have columns the table has not: {listed}. Add "
                "COPY_OPTIONS ('mergeSchema' = 'true') to add them"
            )
        added = [f"ALTER TABLE {step.table} ADD COLUMN {names.ident(name)} {kind}" for name, kind in new]
        empty = have == {names.NO_COLUMNS} and added
        return [*added, f"ALTER TABLE {step.table} DROP COLUMN {names.NO_COLUMNS}"] if empty else added


def data_files(path: Path) -> Iterator[Path]:
    """The files Spark would read at `path`: the file, those a pattern meets, or all below a folder but hidden ones."""
    if path.is_file():
        yield path
    elif any(sign in str(path) for sign in "*?[{"):
        anchor = Path(path.anchor or ".")
        for found in sorted(anchor.glob(str(path.relative_to(anchor)))):
            yield from data_files(found)
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not any(part.startswith(("_", ".")) for part in file.relative_to(path).parts):
                yield file


def _counts(count: Count, answer: list[tuple[Any, ...]]) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    match count:
        case Count.NONE:
            return (), ()
        case Count.MERGED:
            actions = [row[0] for row in answer]
            kinds = tuple(actions.count(kind) for kind in ("UPDATE", "DELETE", "INSERT"))
            return ("num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows"), (
                len(actions),
                *kinds,
            )
    number = answer[0][0] if answer else 0
    if count is Count.INSERTED:
        return ("num_affected_rows", "num_inserted_rows"), (number, number)
    return ("num_affected_rows",), (number,)


def _copy_answer(number: int) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    return ("num_affected_rows", "num_inserted_rows", "num_skipped_corrupt_files"), [(number, number, 0)]


def _with_arguments(text: str, positional: list[str], named: Mapping[str, str]) -> str:
    """EXECUTE IMMEDIATE's text with its `?` and `:name` markers filled with literals."""
    from dbutils_local.sql.parameters import edited, markers
    from dbutils_local.sql.scan import code

    edits = []
    places = [token for token in code(text) if token.text == "?"]
    if len(places) != len(positional) and not named:
        raise UserError(f"[UNBOUND_SQL_PARAMETER] EXECUTE IMMEDIATE: {len(places)} markers, {len(positional)} values")
    edits += [(token.start, token.end, value) for token, value in zip(places, positional, strict=False)]
    folded = {name.lower(): value for name, value in named.items()}
    edits += [
        (mark.start, mark.end, folded[mark.name.lower()]) for mark in markers(text) if mark.name.lower() in folded
    ]
    return edited(text, edits)


_CLASSES = (
    (r"Table with name .* does not exist|View with name .* does not exist", "TABLE_OR_VIEW_NOT_FOUND"),
    (r"Schema with name .* does not exist", "SCHEMA_NOT_FOUND"),
    (r'Catalog "[^"]*" does not exist', "NO_SUCH_CATALOG_EXCEPTION"),
    (r"(Table|View) with name .* already exists", "TABLE_OR_VIEW_ALREADY_EXISTS"),
    (r"Schema with name .* already exists", "SCHEMA_ALREADY_EXISTS"),
    (r"Function with name .* already exists", "ROUTINE_ALREADY_EXISTS"),
    (r"Function with name .* does not exist", "UNRESOLVED_ROUTINE"),
    (r"Referenced column .* not found|does not have a column named", "UNRESOLVED_COLUMN"),
    (r"Ambiguous reference to column", "AMBIGUOUS_REFERENCE"),
    (r"NOT NULL constraint failed", "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"),
    (r"Could not convert string|invalid (date|timestamp) field format", "CAST_INVALID_INPUT"),
    (r"out of range|Overflow", "ARITHMETIC_OVERFLOW"),
    (r"must appear in the GROUP BY", "MISSING_AGGREGATION"),
    (r"Parser Error", "PARSE_SYNTAX_ERROR"),
)


def _reason(error: Exception) -> str:
    """DuckDB's message with Databricks' error class and catalog names, without its drawing of the translated text."""
    text = names.shown(str(error)).split("\n\nLINE ")[0].split("\nDid you mean")[0].strip()
    own = re.search(r"\[[A-Z_.]+\] .*", text, re.DOTALL)
    if own is not None:
        return own.group()
    found = next((word for pattern, word in _CLASSES if re.search(pattern, text)), None)
    return f"[{found}] {text}" if found is not None else text
