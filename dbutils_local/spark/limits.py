"""What PySpark does less of on a borrowed JVM: it neither ends the application for others nor starts a second one."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from dbutils_local.spark.loan import Loan

_MARK: Final = "_dbutils_local_limited"


def lay(loan: Callable[[], Loan | None]) -> None:
    """Wrap, once a process, the methods that begin or end the application; while `loan()` is None they are as ever."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    around = functools.partial(_wrap, loan)
    around(SparkContext, "_initialize_context", _initialize_context)
    around(SparkContext, "stop", _stop)
    around(SparkSession, "__init__", _new_session)
    for name in ("addFile", "addPyFile", "addArchive"):
        around(SparkContext, name, _add_file)


def _wrap(loan: Callable[[], Loan | None], kind: type, name: str, instead: Callable[..., Any]) -> None:
    original = getattr(kind, name)
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        now = loan()
        return original(self, *args, **kwargs) if now is None else instead(now, original, self, *args, **kwargs)

    setattr(method, _MARK, True)
    setattr(kind, name, method)


def _initialize_context(loan: Loan, original: Callable[..., Any], context: Any, conf: Any) -> Any:
    return context._jvm.JavaSparkContext.fromSparkContext(loan.first.sparkContext())


def _stop(loan: Loan, original: Callable[..., Any], context: Any) -> None:
    """Only this process lets go of the application."""
    if context._jsc is not None:
        loan.cancel()
        context._jsc = None
    original(context)


def _new_session(
    loan: Loan,
    original: Callable[..., None],
    session: Any,
    sparkContext: Any,
    jsparkSession: Any = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """A session that PySpark makes of nothing would be the application's default one, which is somebody else's."""
    original(session, sparkContext, jsparkSession or loan.session(), dict(options or {}))


def _add_file(loan: Loan, original: Callable[..., Any], context: Any, path: str, *args: Any, **kwargs: Any) -> Any:
    """The JVM stands in another folder."""
    there = os.path.abspath(path) if "://" not in path and os.path.exists(path) else path
    return original(context, there, *args, **kwargs)
