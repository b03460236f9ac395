"""The macros every session starts with: Databricks' functions where DuckDB's own differ."""

from __future__ import annotations

from importlib import resources


def statements() -> str:
    """The CREATE MACRO statements, as one text."""
    return resources.files(__package__).joinpath("macros.sql").read_text(encoding="utf-8")
