"""SET: Spark's settings, answered and marked as without effect; those that would change results are refused."""

from __future__ import annotations

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql.scan import Kind, quote, unquote
from dbutils_local.sql.statements.request import Request
from dbutils_local.sql.steps import Nothing, Query, Step


def set_setting(request: Request) -> Step:
    """SET key = value: a Spark setting, answered as Databricks does and marked as without effect."""
    if len(request.tokens) == 1 or request.words(2)[1] == "-":
        return Query(
            "SELECT CAST(NULL AS VARCHAR) AS key, CAST(NULL AS VARCHAR) AS value WHERE false",
            notice="SET: there are no Spark settings here",
        )
    if request.words(3)[1:] == ("TIME", "ZONE"):
        return _time_zone(request)
    body = request.text[request.tokens[1].start :]
    key, _, value = body.partition("=")
    if key.strip().lower() in ("spark.sql.session.timezone",):
        _only_utc(value)
    if key.strip().lower() in ("spark.sql.ansi.enabled", "ansi_mode") and value.strip().lower() == "false":
        raise NotSupportedHere("ANSI mode cannot be switched off on the embedded SQL engine; set sql_engine = spark")
    row = f"SELECT {quote(key.strip())} AS key, {quote(value.strip() or '<undefined>')} AS value"
    return Query(row, notice=f"SET {key.strip()}: no effect, there is no Spark here")


def _time_zone(request: Request) -> Step:
    zone = request.tokens[-1]
    _only_utc(unquote(zone.text) if zone.kind is Kind.STRING else zone.text)
    return Nothing("SET TIME ZONE: the session is in UTC already")


def _only_utc(zone: str) -> None:
    if zone.strip().strip("'\"").upper() not in ("UTC", "ETC/UTC", "GMT", "Z", "+00:00", "LOCAL"):
        raise NotSupportedHere(
            f"the session time zone is UTC on the embedded SQL engine and cannot be {zone.strip()}; set "
            "sql_engine = spark"
        )
