"""The `spark` of a notebook: started at first touch, with Databricks' names, paths and tables around it."""

from __future__ import annotations

from dbutils_local.spark.lazy import Lazy, install, mentions_spark, prepare
from dbutils_local.spark.starting import active, lend, session, start_early, stop

__all__ = ["Lazy", "active", "install", "lend", "mentions_spark", "prepare", "session", "start_early", "stop"]
