"""One session of the embedded engine: a DuckDB connection, the catalogs attached to it in turns, and what it remembers.

The connection is in memory, lives as long as its notebook and holds what is the session's own: temporary views,
variables, our macros. The tables lie in files, one a catalog, which are attached for one batch of statements at a time
under an exclusive file lock and let go again: so any number of kernels work on one warehouse in turns, and nobody holds
it while idle. (DuckDB lets one process open a file; and DuckDB 2.0.0 loses committed rows when processes take turns
without a lock.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from dbutils_local.errors import HomeUnusable, UserError
from dbutils_local.sql import names, warehouse
from dbutils_local.sql.expressions import prelude
from dbutils_local.sql.scan import quote
from dbutils_local.sql.scope import Column, Scope, Variable
from dbutils_local.sql.sources.files import data_files

LocalPath = Callable[[str], Path]


class Session:
    """The state of one session on the warehouse in `folder`; one thread at a time has it open."""

    def __init__(
        self,
        folder: Path,
        *,
        local_path: LocalPath,
        user: str,
        namespaces: Mapping[str, Sequence[str]],
        limit: int,
    ) -> None:
        self.local_path = local_path
        self.user = user
        self.limit = limit  # rows a statement brings back
        self.catalog, self.schema = names.DEFAULT_CATALOG, names.DEFAULT_SCHEMA
        self.temp_views: set[str] = set()  # lower case
        self.variables: dict[str, Variable] = {}  # lower case
        self.connection: Any = None
        self._folder = folder
        self._known = (names.DEFAULT_CATALOG, *namespaces)
        # Schemas that have still to be made, by catalog.
        self._lacking = {names.canonical(catalog): list(schemas) for catalog, schemas in namespaces.items()}
        self._turn = threading.RLock()
        self._depth = 0

    @contextmanager
    def open(self) -> Iterator[Any]:
        """The connection with every catalog attached, under the lock; nested use in one thread is one turn."""
        with self._turn:
            if self._depth:
                yield self.connection
                return
            with warehouse.turn(self._folder):
                if self.connection is None:
                    self.connection = _connected()
                self._depth += 1
                try:
                    self._attach_all()
                    yield self.connection
                finally:
                    self._depth -= 1
                    self._detach_all()

    def close(self) -> None:
        """End the session; the files stay."""
        with self._turn:
            if self.connection is not None:
                self.connection.close()
                self.connection = None

    def scope(self) -> Scope:
        """What translation needs to know of this session."""
        return Scope(
            catalog=self.catalog,
            schema=self.schema,
            user=self.user,
            temp_views=frozenset(self.temp_views),
            variables=self.variables,
            columns_of=self.columns_of,
            files=self.files,
            text_of=self._text_of,
        )

    def columns_of(self, table: str) -> list[Column]:
        """The columns of a DuckDB table name; [] when there is none."""
        try:
            rows = self.connection.execute(f"DESCRIBE {table}").fetchall()
        except duckdb.Error:
            return []
        return [Column(row[0], row[1], row[4]) for row in rows]

    def files(self, path: str) -> list[str]:
        """The data files below a Databricks path; UserError where there is none."""
        found = [str(file) for file in data_files(self.local_path(path))]
        if not found:
            raise UserError(
                f"[PATH_NOT_FOUND] Path does not exist or holds no data file: {path} (here: {self.local_path(path)})"
            )
        return found

    def _text_of(self, expression: str) -> str | None:
        (value,) = self.connection.execute(f"SELECT {expression}").fetchone()
        return None if value is None else str(value)

    def file_of(self, catalog: str) -> Path:
        """The DuckDB file of a catalog."""
        return warehouse.file_of(self._folder, catalog)

    def catalogs(self) -> list[str]:
        """The names of the catalogs there are, the default one first."""
        found = [names.outside(path.stem) for path in warehouse.catalog_files(self._folder)]
        return list(dict.fromkeys([*(names.canonical(name) for name in self._known), *found]))

    def attach(self, catalog: str) -> None:
        """Open a catalog's file, made anew where there is none."""
        file, attached = self.file_of(catalog), names.ident(names.inside(catalog))
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = not file.exists()
        try:
            self.connection.execute(f"ATTACH {quote(str(file))} AS {attached}")
        except duckdb.IOException as error:
            raise HomeUnusable(
                f"cannot open {file}: {str(error).splitlines()[0]}; end the program that has it open"
            ) from error
        if new:
            file.chmod(0o600)
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {names.qualified(catalog, names.DEFAULT_SCHEMA)}")
        for schema in self._lacking.pop(names.canonical(catalog), ()):
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {names.qualified(catalog, schema)}")

    def use(self, catalog: str, schema: str) -> None:
        """Make a schema the current one."""
        self.catalog, self.schema = catalog, schema
        self._use_current()

    def _use_current(self) -> None:
        try:
            self.connection.execute(f"USE {names.qualified(self.catalog, self.schema)}")
        except duckdb.Error:  # another session dropped it: unqualified names will not be found, which says it best
            self.connection.execute("USE memory.main")

    def _attach_all(self) -> None:
        for catalog in self.catalogs():
            self.attach(catalog)
        self._use_current()

    def _detach_all(self) -> None:
        self.connection.execute("USE memory.main")
        attached = self.connection.execute(
            "SELECT database_name FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'"
        ).fetchall()
        for (name,) in attached:
            self.connection.execute(f"DETACH {names.ident(name)}")


def _connected() -> Any:
    # A Python variable is no table on Databricks, so it must not become one here.
    connection = duckdb.connect(":memory:", config={"python_enable_replacements": False})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(prelude.statements())
    return connection
