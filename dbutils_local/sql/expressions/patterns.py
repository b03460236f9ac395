"""Java's date patterns (`yyyy-MM-dd'T'HH:mm`), as Databricks reads them, in the words of DuckDB's strftime."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from dbutils_local.errors import NotSupportedHere, UserError

QUARTER: Final = "\0"  # stands in a translated pattern where strftime has no word for the quarter

_WRITTEN: Mapping[str, str] = {
    "y": "%Y", "yy": "%y", "yyyy": "%Y",
    "M": "%-m", "MM": "%m", "MMM": "%b", "MMMM": "%B", "L": "%-m", "LL": "%m", "LLL": "%b", "LLLL": "%B",
    "d": "%-d", "dd": "%d", "D": "%-j", "DDD": "%j",
    "E": "%a", "EE": "%a", "EEE": "%a", "EEEE": "%A", "a": "%p",
    "H": "%-H", "HH": "%H", "h": "%-I", "hh": "%I", "m": "%-M", "mm": "%M", "s": "%-S", "ss": "%S",
    "SSS": "%g", "SSSSSS": "%f", "SSSSSSSSS": "%n", "Q": QUARTER, "q": QUARTER,
    # The session is in UTC.
    "X": "Z", "XX": "Z", "XXX": "Z", "x": "+00", "xx": "+0000", "xxx": "+00:00", "Z": "+0000", "ZZ": "+0000",
    "ZZZ": "+0000", "z": "UTC", "zz": "UTC", "zzz": "UTC", "VV": "UTC",
}  # fmt: skip
_READ: Mapping[str, str] = {
    **{letters: word for letters, word in _WRITTEN.items() if letters[0] not in "XxZzVQq"},
    **dict.fromkeys(("S", "SS", "SSS", "SSSS", "SSSSS", "SSSSSS"), "%f"),
    **dict.fromkeys(("X", "XX", "XXX", "x", "xx", "xxx", "Z", "ZZ", "ZZZ"), "%z"),
}
_NO_LONGER = frozenset("YwWuec")  # Spark 3 took their meaning away and raises this error

_PIECE = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<sign>.)", re.DOTALL)


def written(pattern: str) -> str:
    """The strftime text that writes a time as `pattern` does; QUARTER marks the places of the quarter."""
    return "".join(_pieces(pattern.replace("[", "").replace("]", ""), _WRITTEN))


def read(pattern: str) -> str:
    """The strptime text that reads what `pattern` reads; optional sections cannot be told to DuckDB."""
    if "[" in pattern:
        raise NotSupportedHere(f"the date pattern {pattern!r} has optional sections, which DuckDB cannot read")
    return "".join(_pieces(pattern, _READ))


def two_digit_year(pattern: str) -> bool:
    """Whether a pattern gives the year by its last two digits, which Databricks takes for 2000 to 2099."""
    return any(match.group("letters") == "yy" for match in _PIECE.finditer(pattern))


def _pieces(pattern: str, words: Mapping[str, str]) -> Iterator[str]:
    for match in _PIECE.finditer(pattern):
        letters, quoted = match.group("letters"), match.group("quoted")
        if letters is None:
            text = match.group("sign") if quoted is None else (quoted.replace("''", "'") or "'")
            yield text.replace("%", "%%")
        elif letters in words:
            yield words[letters]
        elif letters[0] in _NO_LONGER:
            raise UserError(
                "[INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION] Fail to recognize "
                f"'{pattern}' pattern in the DateTimeFormatter: {letters} has no meaning any more"
            )
        else:
            raise NotSupportedHere(f"{letters} in the date pattern {pattern!r} is not known to the embedded SQL engine")
