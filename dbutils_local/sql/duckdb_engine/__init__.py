"""The embedded engine: steps done on DuckDB files under the home; imports duckdb and sqlglot (extra `sql`)."""

from __future__ import annotations

from dbutils_local.sql.duckdb_engine.engine import DuckDbEngine

__all__ = ["DuckDbEngine"]
