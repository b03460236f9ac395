"""Statements of Databricks SQL as steps of the embedded engine; imports sqlglot (extra `sql`)."""
