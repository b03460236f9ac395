"""What notebook code calls on Spark, with Databricks' names, paths and formats: a thin layer on PySpark's own classes.

The methods that take SQL text, a table name, a path or a format are wrapped, once a process; the objects stay
PySpark's, so isinstance, documentation and everything else are its own.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dbutils_local.files import Mounts
from dbutils_local.paths import Places, Remote, locate, to_dbfs, way_to_stand_in
from dbutils_local.settings import RUNTIME, RUNTIME_KEY, Settings
from dbutils_local.spark import constants, json_paths, readwrite
from dbutils_local.spark.delta.commands import Asked, Delta
from dbutils_local.spark.delta.tables import Tables
from dbutils_local.spark.dialect import DEFAULT_CATALOG, Act, Means, Names, Plan, plan, quoted
from dbutils_local.spark.jvm import DBFS
from dbutils_local.spark.shared_warehouse import SharedWarehouse
from dbutils_local.spark.warehouse import Warehouse
from dbutils_local.sql.elsewhere import duckdb_may_have_it

# What spark.conf.get answers for keys that notebooks read and only Databricks sets (survey, section 5).
_CLUSTER = {
    "spark.databricks.clusterUsageTags.clusterId": "0000-000000-local",
    "spark.databricks.clusterUsageTags.clusterName": "local",
    "spark.databricks.clusterUsageTags.clusterOwnerOrgId": "0",
    "spark.databricks.clusterUsageTags.orgId": "0",
    "spark.databricks.clusterUsageTags.clusterNodeType": "local",
    "spark.databricks.clusterUsageTags.driverNodeType": "local",
    "spark.databricks.clusterUsageTags.clusterWorkers": "0",
    "spark.databricks.clusterUsageTags.clusterTargetWorkers": "0",
    "spark.databricks.clusterUsageTags.clusterAllTags": "[]",
    RUNTIME_KEY: RUNTIME,
    "spark.databricks.clusterUsageTags.cloudProvider": "local",
    "spark.databricks.clusterUsageTags.region": "local",
    "spark.databricks.workspaceUrl": "localhost",
    "spark.databricks.cloudProvider": "local",
    "spark.databricks.io.cache.enabled": "false",
    "spark.databricks.passthrough.enabled": "false",
}

_SHOW_TABLES = re.compile(r"(?i)\s*show\s+tables\b")
_MARK = "_dbutils_local_original"
_surface: Surface | None = None


def apply(spark: Any, settings: Settings, shared: bool = False) -> Surface:
    """Lay the surface over `spark`; `shared`: its JVM serves other processes too."""
    global _surface
    _surface = Surface(spark, settings)
    if shared:
        share()
    _wrap_all()
    _surface.absorb()
    _surface.make_schemas()
    return _surface


def share() -> None:
    """From now on other processes use the JVM of this process's session too, if it has one."""
    if _surface is not None:
        _surface.warehouse = SharedWarehouse.of(_surface.warehouse)


def delta_tables() -> Surface | None:
    """The surface of this process's session; None where there is none, or Spark keeps Delta tables itself."""
    return _surface if _surface is not None and _surface.tables is not None else None


def local_path(path: str) -> str:
    """A Databricks path as Spark opens it here; as it is while there is no session of ours."""
    return _surface.local(path) if _surface is not None else path


def remove() -> None:
    """Give PySpark's classes back as they were."""
    global _surface
    _surface = None
    for kind, name in _wrapped:
        method = kind.__dict__.get(name)
        if hasattr(method, _MARK):
            setattr(kind, name, getattr(method, _MARK))
    _wrapped.clear()


class Surface:
    """What the wrapped methods know: the session, its names and places, and what the user was told."""

    def __init__(self, spark: Any, settings: Settings) -> None:
        self.spark = spark
        self.settings = settings
        self.delta = settings.delta_jars is not None
        self.catalog = DEFAULT_CATALOG
        self.warehouse = Warehouse(spark, settings.home / "spark-warehouse", self.tell)
        self._mounts = Mounts(settings.home)
        self._told: set[str] = set()
        self._numbers = itertools.count(1)
        self.tables: Delta | None = None
        if not self.delta:
            tables = Tables(spark, settings.home, lambda: self.warehouse, self.local, self.tell)
            self.tables = Delta(tables, self.tell, self.shown)
        self._knows_dbfs = spark.conf.get(DBFS, None) is not None

    @property
    def names(self) -> Names:
        """The catalogs there are now."""
        return Names(self.catalog, frozenset({DEFAULT_CATALOG, *self.settings.namespaces, *self.warehouse.catalogs}))

    def make_schemas(self) -> None:
        """The schemas that are there from the start."""
        wanted = [
            f"{quoted(catalog)}.{quoted(schema)}"
            for catalog, schemas in self.settings.namespaces.items()
            for schema in schemas
        ]
        for name in wanted:
            self.spark.sql(f"CREATE SCHEMA IF NOT EXISTS {name}")

    @property
    def means(self) -> Means:
        """What translation is told."""
        return Means(self.names, self.delta, self.local, self.shown)

    def tell(self, notice: str) -> None:
        """Show a notice once."""
        if notice not in self._told:
            self._told.add(notice)
            print(notice, file=sys.stderr)

    def absorb(self) -> None:
        """Take over what others did since the last look: definitions, and versions of Delta tables."""
        self.warehouse.absorb()
        if self.tables is not None:
            self.tables.tables.look()

    def publish(self) -> None:
        """Tell other sessions what this one did."""
        self.warehouse.publish()
        if self.tables is not None:
            self.tables.tables.up_to_date()

    def dotted(self, name: str) -> str:
        """A table's name, as Python code passes it, as Spark knows it."""
        return self.names.dotted(name)

    # --- paths ---

    def local(self, path: str) -> str:
        """A Databricks path as one Spark can open here; remote ones stay as they are."""
        places = Places(self.settings.home, self.settings.workspace or Path.cwd(), self._mounts.table())
        if not path.startswith("/") and ":" not in path.split("/")[0]:
            path = f"/{path}" if not Path(path).exists() else Path(path).absolute().as_uri()
        found = locate(path, places)
        if isinstance(found, Remote):
            if not any(name.startswith("spark.jars") for name in self.settings.spark_conf):
                self.tell(
                    f"{found.url} is in a cloud, which Spark here does not reach; {way_to_stand_in(found.url, places)}"
                )
            return found.url
        if not found.exists() and path.startswith("/") and Path(path).exists():
            self.tell(f"{path} is not in DBFS here but on this machine: read from there (on Databricks: file:{path})")
            return Path(path).as_uri()
        return str(found.absolute())

    def shown(self, path: str) -> str:
        """`local` for files that are read: under their name on Databricks, which is what Spark then says of them."""
        local = self.local(path)
        if not self._knows_dbfs or not local.startswith("/"):
            return local
        places = Places(self.settings.home, self.settings.workspace or Path.cwd())
        name = to_dbfs(Path(local), places)
        return name if name.startswith("dbfs:") else local

    # --- SQL ---

    def sql(self, session: Any, run: Callable[..., Any], text: str, args: Any, **named: Any) -> Any:
        """One statement through the `sql` of a session."""
        from dbutils_local.sql.scan import split

        statements = split(text)
        if named or len(statements) > 1:  # formatted text and scripts: Spark's own business
            return self._checked(lambda: run(text, args, **named))
        plain = self._filled(statements[0].text if statements else text, run, args)
        self.absorb()
        step = plan(plain, self.means)
        for notice in step.notices:
            self.tell(notice)
        if step.act is not Act.RUN:
            return self._own(step)
        frames = [self._one(session, run, one, args) for one in step.texts]
        if step.changes:
            self.publish()
        return self._in_databricks_words(plain, frames[-1])

    def _filled(self, text: str, run: Callable[..., Any], args: Any) -> str:
        """The statement with what it says by a value put in as text."""
        known = args if isinstance(args, dict) else None

        def value(expression: str) -> str:
            found = run(f"SELECT {expression}", known).collect()[0][0]
            return "" if found is None else str(found)

        text = constants.with_variables(text, lambda name: self.spark.conf.get(name, None))
        text = constants.with_identifiers(text, value)
        return constants.with_files(text, value, self._relation)

    def _relation(self, reading: constants.Reading) -> str:
        """Files as a table expression; a schema can only be given by way of a view."""
        if reading.schema is None:
            return constants.direct(reading, reading.path)
        name = f"read_files_{next(self._numbers)}"
        reader = self.spark.read.format(reading.format).options(**reading.options).schema(reading.schema)
        reader.load(reading.path).createOrReplaceTempView(name)
        return name

    def _run(self, run: Callable[..., Any], text: str, args: Any) -> Any:
        """One text through Spark; once more, with functions for them, where it has paths into columns of JSON text."""
        try:
            return self._checked(functools.partial(run, text, args))
        except Exception as error:
            other = json_paths.as_functions(text) if json_paths.SIGN in str(error) else text
            if other == text:
                raise
        return self._checked(functools.partial(run, other, args))

    def _one(self, session: Any, run: Callable[..., Any], text: str, args: Any) -> Any:
        """One text, by Spark or, where it is about Delta tables, by us."""
        if self.tables is None:
            return self._run(run, text, args)
        answer = self.tables.execute(text, Asked(session, lambda one: self._run(run, one, args)))
        return self._run(run, self.tables.resolved(text), args) if answer is None else answer

    def _in_databricks_words(self, text: str, frame: Any) -> Any:
        """SHOW TABLES with the column `database`, which holds a schema's name without its catalog's."""
        if not _SHOW_TABLES.match(text) or frame.columns[:1] != ["namespace"]:
            return frame
        known = "|".join(sorted(self.names.catalogs))
        return frame.selectExpr(
            f"regexp_replace(namespace, '^({known})__', '') AS database", "tableName", "isTemporary"
        )

    def _checked(self, run: Callable[[], Any]) -> Any:
        """Spark's own error, with a sentence of ours where it does not say what stands behind it."""
        try:
            return run()
        except Exception as error:
            found = re.search(r"REQUIRES_SINGLE_PART_NAMESPACE.*?identifier `([^`]+)`", str(error), re.DOTALL)
            if found and not self.names.knows(found[1]):
                raise self._no_such_catalog(found[1]) from error
            if elsewhere := duckdb_may_have_it(self.settings.home)(str(error)):
                error.add_note(elsewhere.strip())
            raise

    def _own(self, step: Plan) -> Any:
        match step.act:
            case Act.USE_CATALOG:
                self.use_catalog(step.name, step.schema)
            case Act.CREATE_CATALOG:
                self._create_catalog(step)
            case Act.DROP_CATALOG:
                self._drop_catalog(step)
            case Act.SHOW_CATALOGS:
                return self._column("catalog", sorted(self.names.catalogs))
            case Act.SHOW_SCHEMAS:
                return self._column("databaseName", self._schemas_of(step.name))
            case Act.MAKE_FOLDER:
                Path(self.local(step.name)).mkdir(parents=True, exist_ok=step.lenient)
        return self._nothing()

    def _nothing(self) -> Any:
        """What a statement without a result gives: a frame without columns."""
        from pyspark.sql import DataFrame

        return DataFrame(self.spark._jsparkSession.emptyDataFrame(), self.spark)

    def _column(self, name: str, values: list[str]) -> Any:
        """A frame of one text column, made inside the JVM: a Python worker takes seconds to start."""
        listed = ", ".join("'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for value in values)
        array = f"array({listed})" if values else "CAST(array() AS ARRAY<STRING>)"
        return self.spark.range(1).selectExpr(f"explode({array}) AS `{name}`")

    def _schemas_of(self, catalog: str) -> list[str]:
        """The schemas of a catalog, under the names they have on Databricks."""
        found = [row.getString(0) for row in self.spark._jsparkSession.sql("SHOW SCHEMAS").collectAsList()]
        return sorted(name for space in found for owner, name in [self.names.origin(space)] if owner == catalog)

    def use_catalog(self, name: str, schema: str | None = None) -> None:
        """Make a catalog, and a schema of it, the current ones."""
        names = self.names
        if not names.knows(name):
            raise self._no_such_catalog(name)
        space = names.schema(name, schema or "default")
        if space.endswith("__default"):
            self._raw(f"CREATE SCHEMA IF NOT EXISTS `{space}`")
        self._raw(f"USE `{space}`")
        self.catalog = DEFAULT_CATALOG if space == (schema or "default") else name.lower()

    def _no_such_catalog(self, name: str) -> Exception:
        return _analysis_error(
            f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{name}' was not found. Known here: "
            f"{', '.join(sorted(self.names.catalogs))}; "
            f"make it once with CREATE CATALOG {name}, or name it in the setting catalogs"
        )

    def _raw(self, text: str) -> None:
        self.spark._jsparkSession.sql(text)

    def _create_catalog(self, step: Plan) -> None:
        name = step.name.lower()
        if self.names.knows(name):
            if not step.lenient:
                raise _analysis_error(f"[CATALOG_ALREADY_EXISTS] Catalog '{step.name}' already exists")
            return
        self._raw(f"CREATE SCHEMA IF NOT EXISTS `{name}__default`")
        self.warehouse.publish([name])

    def _drop_catalog(self, step: Plan) -> None:
        name = step.name.lower()
        if name not in self.warehouse.catalogs:
            if not step.lenient:
                raise _analysis_error(f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{step.name}' was not found")
            return
        for row in self.spark._jsparkSession.sql("SHOW SCHEMAS").collectAsList():
            if row.getString(0).startswith(f"{name}__"):
                self._raw(f"DROP SCHEMA `{row.getString(0)}` CASCADE")
        self.warehouse.forget_catalog(name)
        self.warehouse.publish()


def _analysis_error(message: str) -> Exception:
    from pyspark.errors import AnalysisException

    error: Exception = AnalysisException(message)
    return error


# --- wrapping -------------------------------------------------------------------------------------------------------

_wrapped: list[tuple[type, str]] = []
Around = Callable[[Surface, Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


def _wrap(kind: type, names: Iterable[str], around: Around) -> None:
    for name in names:
        original = kind.__dict__.get(name)
        if original is None or hasattr(original, _MARK):
            continue
        setattr(kind, name, _wrapper(original, around))
        _wrapped.append((kind, name))


def _wrapper(original: Any, around: Around) -> Any:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _surface is None:
            return original(self, *args, **kwargs)
        return around(_surface, original, self, args, kwargs)

    setattr(method, _MARK, original)
    return method


def _wrap_all() -> None:
    from pyspark import SparkContext
    from pyspark.sql import DataFrameReader, DataFrameWriter, DataFrameWriterV2, SparkSession
    from pyspark.sql.catalog import Catalog
    from pyspark.sql.classic.dataframe import DataFrame
    from pyspark.sql.conf import RuntimeConfig
    from pyspark.sql.streaming.readwriter import DataStreamReader, DataStreamWriter

    _wrap(SparkSession, ["sql"], _around_sql)
    _wrap(SparkSession, ["table"], _around_read_table)
    _wrap(DataFrameReader, ["table"], _around_read_table)
    _wrap(DataFrameReader, ["load", "csv", "json", "parquet", "text", "orc", "xml"], _around_reading)
    _wrap(DataFrameWriter, ["mode"], readwrite.around_mode)
    _wrap(DataFrameWriter, ["partitionBy"], readwrite.around_partition)
    _wrap(DataFrameWriter, ["clusterBy"], readwrite.around_cluster)
    _wrap(DataFrameWriter, ["save", "csv", "json", "parquet", "text", "orc", "xml"], _around_write)
    _wrap(DataFrameWriter, ["saveAsTable"], _writing_table(readwrite.around_save_as_table))
    _wrap(DataFrameWriter, ["insertInto"], _writing_table(readwrite.around_insert_into))
    _wrap(DataFrame, ["writeTo"], readwrite.around_write_to)
    _wrap(DataFrame, ["collect", "toPandas", "toArrow"], readwrite.around_collect)
    _wrap(DataFrameWriterV2, ["using"], readwrite.around_using)
    _wrap(DataFrameWriterV2, ["tableProperty"], readwrite.around_property)
    _wrap(DataFrameWriterV2, ["partitionedBy"], readwrite.around_partition)
    _wrap(DataFrameWriterV2, ["clusterBy"], readwrite.around_cluster)
    actions = ["create", "createOrReplace", "append", "overwrite", "overwritePartitions", "replace"]
    _wrap(DataFrameWriterV2, actions, _writing_table(readwrite.around_v2))
    _wrap(DataStreamReader, ["load", "csv", "json", "parquet", "text", "orc"], _around_stream_load)
    _wrap(DataStreamReader, ["schema"], readwrite.around_schema)
    _wrap(DataStreamReader, ["table"], _around_stream_table)
    _wrap(DataStreamWriter, ["partitionBy"], readwrite.around_partition)
    _wrap(DataStreamWriter, ["clusterBy"], readwrite.around_cluster)
    _wrap(DataStreamWriter, ["outputMode"], readwrite.around_output_mode)
    _wrap(DataStreamWriter, ["foreachBatch", "foreach"], readwrite.around_sink)
    _wrap(DataStreamWriter, ["start"], _around_stream_start)
    _wrap(DataStreamWriter, ["toTable"], _around_stream_to_table)
    setattr(DataStreamWriter, "table", DataStreamWriter.toTable)  # noqa: B010 its old name, which Databricks has kept
    kinds: list[type] = [DataFrameReader, DataFrameWriter, DataFrameWriterV2, DataStreamReader, DataStreamWriter]
    for kind in kinds:
        _wrap(kind, ["format"], readwrite.around_format)
        _wrap(kind, ["option"], readwrite.around_option)
        _wrap(kind, ["options"], readwrite.around_options)
    _wrap(
        Catalog,
        ["tableExists", "getTable", "refreshTable", "listColumns", "cacheTable", "uncacheTable", "isCached"],
        _around_table,
    )
    _wrap(Catalog, ["databaseExists", "setCurrentDatabase", "listTables", "getDatabase"], _around_schema)
    _wrap(Catalog, ["setCurrentCatalog"], _around_set_catalog)
    _wrap(Catalog, ["currentCatalog"], lambda surface, original, self, args, kwargs: surface.catalog)
    _wrap(RuntimeConfig, ["get"], _around_conf)
    _wrap(SparkContext, ["textFile", "wholeTextFiles", "binaryFiles"], _around_path)


def _around_sql(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    text, *rest = args if args else (kwargs.pop("sqlQuery"),)
    values = rest[0] if rest else kwargs.pop("args", None)
    return surface.sql(self, functools.partial(original, self), text, values, **kwargs)


def _first(
    args: tuple[Any, ...], kwargs: dict[str, Any], change: Callable[[str], str]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The call with its first argument (a name or path, or a list of them) changed."""

    def changed(value: Any) -> Any:
        match value:
            case str():
                return change(value)
            case list() | tuple():
                return [changed(item) for item in value]
        return value

    if args:
        return (changed(args[0]), *args[1:]), kwargs
    for key in ("path", "paths", "tableName", "name", "dbName", "source", "catalogName"):
        if key in kwargs:
            return args, {**kwargs, key: changed(kwargs[key])}
    return args, kwargs


def _around_table(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    surface.absorb()
    args, kwargs = _first(args, kwargs, surface.names.dotted)
    return surface._checked(lambda: original(self, *args, **kwargs))


def _around_schema(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    surface.absorb()
    names = surface.names

    def change(name: str) -> str:
        parts = name.replace("`", "").split(".")
        return names.schema(parts[0] if len(parts) == 2 else names.catalog, parts[-1])

    args, kwargs = _first(args, kwargs, change)
    return original(self, *args, **kwargs)


def _around_set_catalog(
    surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    surface.absorb()
    surface.use_catalog(args[0] if args else kwargs["catalogName"])


def _around_path(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args, kwargs = _first(args, kwargs, surface.local)
    return original(self, *args, **kwargs)


# --- reading and writing ----------------------------------------------------------------------------------------------


def _around_reading(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    found = readwrite.around_load(surface, original, self, args, kwargs)
    if found is not None:
        return found
    # spark.read.json and csv also take an RDD of lines; only text is a path.
    args, kwargs = _first(args, kwargs, surface.shown)
    return original(self, *args, **kwargs)


def _around_read_table(
    surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    surface.absorb()
    args, kwargs = _first(args, kwargs, surface.names.dotted)
    found = readwrite.around_read_table(surface, original, self, args, kwargs)
    return surface._checked(lambda: original(self, *args, **kwargs)) if found is None else found


def _around_write(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if readwrite.around_save(surface, original, self, args, kwargs):
        return None
    args, kwargs = _first(args, kwargs, surface.local)
    return original(self, *args, **kwargs)


def _writing_table(write: Callable[..., bool]) -> Around:
    """What writes a table by name: by `write` if it is Delta's, else by Spark; other sessions are told."""

    def around(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        surface.absorb()
        try:
            if write(surface, original, self, args, kwargs):
                return None
            args, kwargs = _first(args, kwargs, surface.names.dotted)
            return surface._checked(lambda: original(self, *args, **kwargs))
        finally:
            surface.publish()

    return around


def _around_stream_load(
    surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    surface.absorb()
    found = readwrite.around_stream_load(surface, original, self, args, kwargs)
    if found is not None:
        return found
    args, kwargs = _first(args, kwargs, surface.shown)
    return original(self, *args, **kwargs)


def _around_stream_table(
    surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    surface.absorb()
    found = readwrite.around_stream_table(surface, original, self, args, kwargs)
    args, kwargs = _first(args, kwargs, surface.names.dotted)
    return surface._checked(lambda: original(self, *args, **kwargs)) if found is None else found


def _around_stream_start(
    surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    found = readwrite.around_stream_start(surface, original, self, args, kwargs)
    if found is not None:
        return found
    args, kwargs = _first(args, kwargs, surface.local)
    return original(self, *args, **kwargs)


def _around_stream_to_table(
    surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    surface.absorb()
    found = readwrite.around_stream_start(surface, original, self, args, kwargs)
    if found is not None:
        return found
    args, kwargs = _first(args, kwargs, surface.names.dotted)
    try:
        return surface._checked(lambda: original(self, *args, **kwargs))
    finally:
        surface.publish()


def _around_conf(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    key = args[0] if args else kwargs.get("key")
    if not isinstance(key, str) or key not in _CLUSTER:
        return original(self, *args, **kwargs)
    found = original(self, key, None)
    return _CLUSTER[key] if found is None else found
