"""Faults of Delta tables as the errors of Spark that notebooks catch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbutils_local.spark.delta.columns import SchemaMismatch
from dbutils_local.spark.delta.log import VersionNotFound


def analysis(message: str) -> Exception:
    """An AnalysisException."""
    from pyspark.errors import AnalysisException

    error: Exception = AnalysisException(message)
    return error


@contextmanager
def as_sparks_own() -> Iterator[None]:
    """Raise what is an AnalysisException on Databricks as one here."""
    try:
        yield
    except (SchemaMismatch, VersionNotFound) as error:
        raise analysis(str(error)) from error
