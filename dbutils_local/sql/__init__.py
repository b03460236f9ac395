"""Databricks SQL on this machine: text to statements, statements to DuckDB or Spark, results to rows."""
