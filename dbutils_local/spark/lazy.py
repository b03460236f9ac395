"""`spark`, `sc`, `sqlContext`, `sql`, `table` and `udf` in a namespace before anything has been started."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from dbutils_local.settings import Settings
from dbutils_local.spark import doors
from dbutils_local.spark.starting import is_lost

NAMES = ("spark", "sc", "sqlContext", "sql", "table", "udf")

# Attributes that tools ask of any object they meet (completion, display); answering must not start a JVM.
_ASKED_BY_TOOLS = frozenset({"shape", "dtype", "columns", "getdoc", "trait_names"})


class Lazy:
    """Stands for one of the names until it is touched; then the real things take the places of all of them."""

    def __init__(self, name: str, start: Callable[[str], Any]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_start", start)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith(("_repr_", "_ipython_", "__")) or attribute in _ASKED_BY_TOOLS:
            raise AttributeError(attribute)
        return getattr(self._start(self._name), attribute)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._start(self._name)(*arguments, **named)

    def __repr__(self) -> str:
        return f"<{self._name}: Spark starts when it is first used>"


def install(namespace: MutableMapping[str, Any], settings: Settings) -> None:
    """Put the lazy names into `namespace`; a name that is there already (the user's own) is left alone."""

    def start(name: str) -> Any:
        real = _real_names(settings)
        given = {one: value for one, value in real.items() if isinstance(namespace.get(one), Lazy)}
        namespace.update(given)
        _renewals[id(namespace)] = lambda: _make_lazy_again(namespace, given, start)
        if "display" in namespace:
            _give_frames_display(namespace)
        return real[name]

    for name in NAMES:
        namespace.setdefault(name, Lazy(name, start))
    doors.install(settings)


_renewals: dict[int, Callable[[], None]] = {}  # by the namespace's id


def _make_lazy_again(
    namespace: MutableMapping[str, Any], given: Mapping[str, Any], start: Callable[[str], Any]
) -> None:
    for name, value in given.items():
        if namespace.get(name) is value:
            namespace[name] = Lazy(name, start)


def prepare(namespace: MutableMapping[str, Any], source: str) -> None:
    """Start Spark if `source` names it while it is still lazy here, so that `isinstance` sees the real thing.

    A session whose JVM has ended makes room for a new one first.
    """
    if is_lost() and (renew := _renewals.pop(id(namespace), None)) is not None:
        renew()
    lazy = [name for name in NAMES if isinstance(namespace.get(name), Lazy)]
    if lazy and mentions_spark(source, frozenset(lazy)):
        namespace[lazy[0]]._start(lazy[0])


def _give_frames_display(namespace: MutableMapping[str, Any]) -> None:
    """On Databricks a frame has `.display()`; here it is the notebook's `display`, whatever that is when called."""
    from pyspark.sql import DataFrame

    def display(frame: Any, *arguments: Any, **named: Any) -> None:
        namespace["display"](frame, *arguments, **named)

    DataFrame.display = display  # type: ignore[attr-defined]


def _real_names(settings: Settings) -> dict[str, Any]:
    from dbutils_local.spark.starting import session

    spark = session(settings)
    from pyspark.sql.functions import udf

    return {
        "spark": spark,
        "sql": spark.sql,
        "table": spark.table,
        "udf": udf,
        "sc": _context_of(spark),
        "sqlContext": _sql_context_of(spark),
    }


class _NotThere:
    """What `sc` and `sqlContext` are on Spark Connect: every use raises, as on shared and serverless compute."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        raise AttributeError(
            f"[CONTEXT_UNAVAILABLE_FOR_REMOTE_CLIENT] The remote client cannot access `{self._name}`: "
            "this is a Spark Connect session; "
            "use `spark`, or set spark_engine = pyspark"
        )


def _context_of(spark: Any) -> Any:
    try:
        return spark.sparkContext
    except Exception as error:
        if type(error).__module__.startswith("pyspark."):
            return _NotThere("sc")
        raise


def _sql_context_of(spark: Any) -> Any:
    context = _context_of(spark)
    if isinstance(context, _NotThere):
        return _NotThere("sqlContext")
    import warnings

    from pyspark.sql import SQLContext

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # deprecated, but notebooks still find it on Databricks
        return SQLContext(context, spark)


def mentions_spark(source: str, names: frozenset[str] = frozenset(NAMES)) -> bool:
    """Whether Python source reads one of the names from its namespace, in functions it defines too.

    Source that does not parse (magics, half-written code) is searched as text: better early than wrong.
    """
    if not any(name in source for name in names):
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return _mentions_in_text(source, names)
    return any(
        isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load) for node in ast.walk(tree)
    )


def _mentions_in_text(source: str, names: frozenset[str]) -> bool:
    """A name used as an object or called, on a line that is no comment."""
    import re

    pattern = re.compile(r"(?<![\w.])(?:" + "|".join(sorted(names)) + r")\s*[.(,)\]]")
    lines = source.splitlines()
    return any(pattern.search(line) for line in lines if not line.lstrip().startswith(("#", "%sql", "%md", "--")))
