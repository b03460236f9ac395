"""What is asked of Delta tables and not done here: refused by name, or said once where no result changes; pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql.scan import Kind, Token, code

_FEED_FUNCTIONS: Final = ("TABLE_CHANGES", "TABLE_CHANGES_BY_PATH")
_NO_FEED: Final = "is not done by local Spark without Delta's jars: no change feed is written"
_FEED_PROPERTY: Final = "delta.enablechangedatafeed"

WHERE_OF_OPTIMIZE: Final = "OPTIMIZE ... WHERE: the whole table is compacted here, which changes no row"
RESCUED_STAYS_NULL: Final = (
    "Auto Loader: values that do not fit the schema are NULL here and columns it does not have are left out; "
    "the column of rescued data stays NULL"
)


def feed_refused(asked: str) -> NotSupportedHere:
    """The error for reading the change data feed by `asked`, an option or a function."""
    return NotSupportedHere(f"{asked} {_NO_FEED}")


def refuse_feed(text: str) -> None:
    """NotSupportedHere for a statement that reads the change data feed."""
    if "table_changes" not in text.lower():
        return
    tokens = code(text)
    for token, after in pairwise(tokens):
        if token.text.upper() in _FEED_FUNCTIONS and after.text == "(":
            raise feed_refused(f"{token.text.lower()}()")


def feed_notice(properties: Mapping[str, str]) -> str | None:
    """What is said of a table whose properties ask for a change data feed; None for any other."""
    on = any(key.lower() == _FEED_PROPERTY and value.lower() == "true" for key, value in properties.items())
    return "delta.enableChangeDataFeed = true: noted, but no change feed is kept here" if on else None


def governed(what: str) -> NotSupportedHere:
    """The error for a row filter or a column mask, which would change what is read."""
    return NotSupportedHere(
        f"{what} is not done by local Spark: rows would be read unfiltered and unmasked. Use a view for it here"
    )


def is_mask(tokens: list[Token], at: int) -> bool:
    """Whether MASK function begins at a token: a field of a STRUCT may have that name too."""
    if tokens[at].text.upper() != "MASK" or at + 1 >= len(tokens) or tokens[at + 1].kind is not Kind.NAME:
        return False
    before = "".join(token.text for token in tokens[:at])
    return before.count("<") == before.count(">")


# --- Auto Loader ------------------------------------------------------------------------------------------------------


def widens(asked: Mapping[str, str], given: bool) -> bool:
    """Whether new columns of files join the schema; errors for ways of evolution that are not done here.

    `asked`: options of cloudFiles in small letters; `given`: the stream has a schema of its own.
    """
    mode = asked.get("schemaevolutionmode", "none" if given else "addNewColumns")
    match mode.lower():
        case "none":
            return False
        case "addnewcolumns":
            if given:
                raise UserError(
                    "cloudFiles.schemaEvolutionMode = addNewColumns is not allowed where the stream's schema is given: "
                    "leave one of the two out, or say the columns in cloudFiles.schemaHints"
                )
            return True
    raise NotSupportedHere(
        f"option cloudFiles.schemaEvolutionMode = {mode} is not done by local Spark: it knows addNewColumns and none"
    )


def refuse_values(asked: Mapping[str, str]) -> None:
    """NotSupportedHere for options of Auto Loader that are done with some of their values only."""
    if asked.get("includeexistingfiles", "true").lower() == "false":
        raise NotSupportedHere("option cloudFiles.includeExistingFiles = false is not done by local Spark")
    if asked.get("allowoverwrites", "false").lower() == "true":
        raise NotSupportedHere(
            "option cloudFiles.allowOverwrites = true is not done by local Spark: it reads each file once, by its name"
        )


def refuse_partitions(asked: Mapping[str, str], columns: list[str]) -> None:
    """NotSupportedHere where cloudFiles.partitionColumns names others than the folders do."""
    if "partitioncolumns" not in asked:
        return
    known = {name.lower() for name in columns}
    wanted = [name.strip() for name in asked["partitioncolumns"].split(",") if name.strip()]
    missing = [name for name in wanted if name.lower() not in known]
    if not wanted or missing:
        raise NotSupportedHere(
            f"option cloudFiles.partitionColumns = {asked['partitioncolumns']!r} is not done by local Spark: the "
            "partition columns are those in the folders' names"
        )
