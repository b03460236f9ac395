"""Expressions of Databricks SQL in DuckDB's terms; imports sqlglot (extra `sql`), so it is imported when SQL is run."""
