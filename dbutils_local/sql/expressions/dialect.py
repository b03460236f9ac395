"""Databricks SQL as sqlglot reads it, but for the functions whose meaning its own tree would lose."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks

# Java date patterns (sqlglot keeps the letters it does not know as text) and the units of differences.
_READ_AS_WRITTEN = frozenset(
    {"DATE_FORMAT", "TO_DATE", "TO_TIMESTAMP", "UNIX_TIMESTAMP", "TO_UNIX_TIMESTAMP", "FROM_UNIXTIME"}
    | {"DATEDIFF", "DATE_DIFF", "TIMESTAMPDIFF"}
)


class _Parser(Databricks.Parser):  # type: ignore[misc, valid-type, unused-ignore]
    FUNCTIONS = {  # noqa: RUF012 - sqlglot's own name and form
        **{name: build for name, build in Databricks.Parser.FUNCTIONS.items() if name not in _READ_AS_WRITTEN},
        "MEAN": exp.Avg.from_arg_list,
    }


class Reading(Databricks):
    """The dialect statements are parsed in."""

    Parser = _Parser
