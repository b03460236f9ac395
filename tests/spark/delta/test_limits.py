"""What is not done for Delta tables: refused by name or said once, decided without a session."""

from __future__ import annotations

import pytest

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.spark.delta import limits
from dbutils_local.spark.delta.parsing import read
from dbutils_local.spark.delta.statements import Create


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("CREATE TABLE t (a INT) WITH ROW FILTER f ON (a)", "WITH ROW FILTER"),
        ("CREATE TABLE t (a INT, b STRING MASK s.f USING COLUMNS (a))", "column b ... MASK"),
        ("CREATE TABLE t (n STRUCT<mask: INT> MASK f)", "column n ... MASK"),
    ],
)
def test_a_filter_or_a_mask_is_refused_with_the_table(text: str, named: str) -> None:
    with pytest.raises(NotSupportedHere) as caught:
        read(text)
    assert named in str(caught.value)


def test_mask_is_a_name_too() -> None:
    found = read("CREATE TABLE t (mask INT, n STRUCT<mask: INT, mask2 STRING>, m STRUCT<mask INT> COMMENT 'mask f')")
    assert isinstance(found, Create)
    assert [one.text for one in found.columns][1:] == [
        "n STRUCT<mask: INT, mask2 STRING>",
        "m STRUCT<mask INT> COMMENT 'mask f'",
    ]


def test_reading_the_change_feed_is_refused_and_its_name_elsewhere_is_not() -> None:
    for text in ("SELECT * FROM table_changes('t', 1)", "SELECT * FROM TABLE_CHANGES_BY_PATH('/t', 0, 2)"):
        with pytest.raises(NotSupportedHere, match="no change feed is written"):
            limits.refuse_feed(text)
    limits.refuse_feed("SELECT table_changes, 'table_changes(1)' FROM t -- table_changes(")


def test_a_table_that_wants_a_feed_is_told_there_is_none() -> None:
    said = limits.feed_notice({"delta.EnableChangeDataFeed": "TRUE"})
    assert said is not None
    assert said.startswith("delta.enableChangeDataFeed")
    assert limits.feed_notice({"delta.enableChangeDataFeed": "false"}) is None


def test_auto_loader_knows_two_ways_of_evolution() -> None:
    assert limits.widens({}, given=False)
    assert limits.widens({"schemaevolutionmode": "addNewColumns"}, given=False)
    assert not limits.widens({}, given=True)
    assert not limits.widens({"schemaevolutionmode": "none"}, given=False)
    for mode in ("rescue", "failOnNewColumns"):
        with pytest.raises(NotSupportedHere, match=mode):
            limits.widens({"schemaevolutionmode": mode}, given=False)
    with pytest.raises(UserError, match="schemaHints"):
        limits.widens({"schemaevolutionmode": "addNewColumns"}, given=True)


def test_values_of_options_of_auto_loader_that_are_not_done_are_refused() -> None:
    limits.refuse_values({"includeexistingfiles": "true", "allowoverwrites": "false"})
    for name in ("includeExistingFiles", "allowOverwrites"):
        with pytest.raises(NotSupportedHere, match=name):
            limits.refuse_values({name.lower(): str(name == "allowOverwrites").lower()})
    limits.refuse_partitions({"partitioncolumns": "Year, month"}, ["a", "year", "month"])
    for said in ("", "day"):
        with pytest.raises(NotSupportedHere, match="partitionColumns"):
            limits.refuse_partitions({"partitioncolumns": said}, ["a"])
