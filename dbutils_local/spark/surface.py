"""What notebook code calls on Spark, with Databricks' names, paths and formats: a thin layer on PySpark's own classes.

The methods that take SQL text, a table name, a path or a format are wrapped, once a process; the objects stay
PySpark's, so isinstance, documentation and everything else are its own.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dbutils_local.errors import NotSupportedHere
from dbutils_local.files import Mounts
from dbutils_local.paths import Places, Remote, locate, to_dbfs, way_to_stand_in
from dbutils_local.settings import RUNTIME, RUNTIME_KEY, Settings
from dbutils_local.spark import constants, json_paths
from dbutils_local.spark.dialect import DEFAULT_CATALOG, PARQUET_NOTICE, Act, Means, Names, Plan, plan
from dbutils_local.spark.jvm import DBFS
from dbutils_local.spark.shared_warehouse import SharedWarehouse
from dbutils_local.spark.warehouse import Warehouse

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

_MARK = "_dbutils_local_original"
_surface: Surface | None = None


def apply(spark: Any, settings: Settings, shared: bool = False) -> Surface:
    """Lay the surface over `spark`; `shared`: its JVM serves other processes too."""
    global _surface
    _surface = Surface(spark, settings)
    if shared:
        share()
    _wrap_all()
    _surface.warehouse.absorb()
    return _surface


def share() -> None:
    """From now on other processes use the JVM of this process's session too, if it has one."""
    if _surface is not None:
        _surface.warehouse = SharedWarehouse.of(_surface.warehouse)


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
        self._knows_dbfs = spark.conf.get(DBFS, None) is not None

    @property
    def names(self) -> Names:
        """The catalogs there are now."""
        return Names(self.catalog, frozenset({DEFAULT_CATALOG, *self.settings.catalogs, *self.warehouse.catalogs}))

    @property
    def means(self) -> Means:
        """What translation is told."""
        return Means(self.names, self.delta, self.local, self.shown)

    def tell(self, notice: str) -> None:
        """Show a notice once."""
        if notice not in self._told:
            self._told.add(notice)
            print(notice, file=sys.stderr)

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

    def sql(self, run: Callable[..., Any], text: str, args: Any, **named: Any) -> Any:
        """One statement through Spark's `sql`."""
        from dbutils_local.sql.scan import split

        statements = split(text)
        if named or len(statements) > 1:  # formatted text and scripts: Spark's own business
            return self._checked(lambda: run(text, args, **named))
        plain = self._filled(statements[0].text if statements else text, run, args)
        self.warehouse.absorb()
        step = plan(plain, self.means)
        for notice in step.notices:
            self.tell(notice)
        if step.act is Act.CHANGE_ROWS:
            return self._change_rows(step.texts[0], lambda one: self._run(run, one, args))
        if step.act is not Act.RUN:
            return self._own(step)
        frames = [self._run(run, one, args) for one in step.texts]
        if step.changes:
            self.warehouse.publish()
        return frames[-1]

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

    def _change_rows(self, text: str, run: Callable[[str], Any]) -> Any:
        from dbutils_local.spark.rows import change_rows

        answer = change_rows(self.spark, run, text)
        self.warehouse.publish()
        return answer

    def _checked(self, run: Callable[[], Any]) -> Any:
        """Spark's own error, with a sentence of ours where it does not say what stands behind it."""
        try:
            return run()
        except Exception as error:
            if "REQUIRES_SINGLE_PART_NAMESPACE" in str(error):
                known = ", ".join(sorted(self.names.catalogs))
                error.add_note(
                    f"The catalogs known here: {known}. Make another with CREATE CATALOG <name>, or name "
                    "it in the setting catalogs."
                )
            if "UNSUPPORTED_FEATURE.TABLE_OPERATION" in str(error) and not self.delta:
                error.add_note(PARQUET_NOTICE)
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
            raise _analysis_error(
                f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{name}' was not found. Known here: "
                f"{', '.join(sorted(names.catalogs))}; "
                f"make it once with CREATE CATALOG {name}, or name it in the setting catalogs"
            )
        space = names.schema(name, schema or "default")
        if space.endswith("__default"):
            self._raw(f"CREATE SCHEMA IF NOT EXISTS `{space}`")
        self._raw(f"USE `{space}`")
        self.catalog = DEFAULT_CATALOG if space == (schema or "default") else name.lower()

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
    from pyspark.sql.conf import RuntimeConfig
    from pyspark.sql.streaming.readwriter import DataStreamReader, DataStreamWriter

    _wrap(SparkSession, ["sql"], _around_sql)
    _wrap(SparkSession, ["table"], _around_table)
    _wrap(DataFrameReader, ["table"], _around_table)
    _wrap(DataFrameReader, ["format"], _around_format)
    _wrap(DataFrameReader, ["load", "csv", "json", "parquet", "text", "orc", "xml"], _around_reading)
    _wrap(DataFrameWriter, ["format"], _around_format)
    _wrap(DataFrameWriter, ["partitionBy", "clusterBy"], _around_partition)
    _wrap(DataFrameWriter, ["save", "csv", "json", "parquet", "text", "orc", "xml"], _around_write)
    _wrap(DataFrameWriter, ["saveAsTable", "insertInto"], _around_write_table)
    _wrap(
        DataFrameWriterV2,
        ["create", "createOrReplace", "append", "overwrite", "overwritePartitions", "replace"],
        _around_v2,
    )
    _wrap(DataStreamReader, ["format"], _around_format)
    _wrap(DataStreamReader, ["load", "csv", "json", "parquet", "text", "orc"], _around_reading)
    _wrap(DataStreamReader, ["table"], _around_table)
    _wrap(DataStreamWriter, ["format"], _around_format)
    _wrap(DataStreamWriter, ["start"], _around_path)
    _wrap(DataStreamWriter, ["toTable"], _around_write_table)
    # Databricks' PySpark has both names.
    DataStreamWriter.table = DataStreamWriter.toTable  # type: ignore[attr-defined]
    for kind in (DataFrameReader, DataFrameWriter, DataStreamReader, DataStreamWriter):
        _wrap(kind, ["option"], _around_option)
        _wrap(kind, ["options"], _around_options)
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
    return surface.sql(functools.partial(original, self), text, values, **kwargs)


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
    surface.warehouse.absorb()
    args, kwargs = _first(args, kwargs, surface.names.dotted)
    return surface._checked(lambda: original(self, *args, **kwargs))


def _around_schema(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    surface.warehouse.absorb()
    names = surface.names

    def change(name: str) -> str:
        parts = name.replace("`", "").split(".")
        return names.schema(parts[0] if len(parts) == 2 else names.catalog, parts[-1])

    args, kwargs = _first(args, kwargs, change)
    return original(self, *args, **kwargs)


def _around_set_catalog(
    surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    surface.warehouse.absorb()
    surface.use_catalog(args[0] if args else kwargs["catalogName"])


def _around_path(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    args, kwargs = _first(args, kwargs, surface.local)
    if "format" in kwargs:
        kwargs["format"] = _format(surface, kwargs["format"])
    return original(self, *args, **kwargs)


def _around_reading(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    # spark.read.json and csv also take an RDD of lines; only text is a path.
    args, kwargs = _first(args, kwargs, surface.shown)
    if "format" in kwargs:
        kwargs["format"] = _format(surface, kwargs["format"])
    return original(self, *args, **kwargs)


def _format(surface: Surface, name: Any) -> Any:
    if not isinstance(name, str):
        return name
    if name.lower() == "cloudfiles":
        raise NotSupportedHere(
            "format('cloudFiles') (Auto Loader) is not done by local Spark: read the folder with its own "
            "format and a schema"
        )
    if name.lower() == "delta" and not surface.delta:
        surface.tell(PARQUET_NOTICE)
        return "parquet"
    return name


def _around_format(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    name = args[0] if args else kwargs.get("source")
    self._dbutils_local_delta = isinstance(name, str) and name.lower() == "delta" and not surface.delta
    return original(self, _format(surface, name))


_TIME_TRAVEL = frozenset(
    {"versionasof", "timestampasof", "readchangefeed", "readchangedata", "startingversion", "startingtimestamp"}
)
_PATH_OPTIONS = frozenset({"path", "checkpointlocation", "badrecordspath"})


def _option(surface: Surface, self: Any, key: str, value: Any) -> Any:
    if key.lower() in _TIME_TRAVEL and not surface.delta:
        raise NotSupportedHere(
            f"option {key!r} is not done by local Spark without Delta: no time travel and no change feed "
            "on Parquet tables"
        )
    if key.lower() == "replacewhere" and not surface.delta:
        raise NotSupportedHere(
            "option 'replaceWhere' is not done by local Spark without Delta: Parquet would overwrite everything"
        )
    return surface.local(value) if key.lower() in _PATH_OPTIONS and isinstance(value, str) else value


def _around_option(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    key, value = (
        args
        if len(args) == 2
        else (kwargs.get("key", args[0] if args else None), kwargs.get("value", args[-1] if args else None))
    )
    return original(self, key, _option(surface, self, str(key), value))


def _around_options(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return original(self, *args, **{key: _option(surface, self, key, value) for key, value in kwargs.items()})


# --- writing --------------------------------------------------------------------------------------------------------


def _around_partition(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Kept back until the format is known: Parquet puts partition columns last, Delta leaves them where they are."""
    if surface.delta:
        return original(self, *args, **kwargs)
    self._dbutils_local_partition = (original, args, kwargs)
    return self


def _settle(self: Any, name: str, kwargs: dict[str, Any]) -> bool:
    """Apply the partitioning that was kept back unless Parquet stands for Delta; whether it does."""
    form = kwargs.get("format")
    delta = (
        form.lower() == "delta"
        if isinstance(form, str)
        else getattr(self, "_dbutils_local_delta", name in ("save", "saveAsTable"))
    )
    held = getattr(self, "_dbutils_local_partition", None)
    by = kwargs.pop("partitionBy", None)
    if delta:
        return True
    if held is not None:
        original, args, named = held
        original(self, *args, **named)
    if by is not None:
        kwargs["partitionBy"] = by
    return False


def _around_write(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not surface.delta:
        _settle(self, original.__name__, kwargs)
    return _around_path(surface, original, self, args, kwargs)


def _around_write_table(
    surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    surface.warehouse.absorb()
    if not surface.delta and _settle(self, original.__name__, kwargs):
        surface.tell(PARQUET_NOTICE)
    args, kwargs = _first(args, kwargs, surface.names.dotted)
    if "format" in kwargs:
        kwargs["format"] = _format(surface, kwargs["format"])
    try:
        return surface._checked(lambda: original(self, *args, **kwargs))
    finally:
        surface.warehouse.publish()


def _around_v2(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    surface.warehouse.absorb()
    try:
        return surface._checked(lambda: original(self, *args, **kwargs))
    finally:
        surface.warehouse.publish()


def _around_conf(surface: Surface, original: Any, self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    key = args[0] if args else kwargs.get("key")
    if not isinstance(key, str) or key not in _CLUSTER:
        return original(self, *args, **kwargs)
    found = original(self, key, None)
    return _CLUSTER[key] if found is None else found
