"""`dbutils.data.summarize`: a profile of every column of a data frame (reference 6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Final

from dbutils_local.dbutils.help import Helpful
from dbutils_local.dbutils.output import publish
from dbutils_local.errors import MissingExtra, NotSupportedHere, UserError

SAMPLE_ROWS: Final = 1_000_000  # what the approximate mode looks at, at most, of a Spark frame
BARS: Final = 12
TOP: Final = 3


@dataclass(frozen=True)
class NumberProfile:
    """What is said of a column of numbers or times; all texts, ready to show."""

    figures: tuple[tuple[str, str], ...]
    bars: tuple[int, ...]  # counts of equal ranges from the least to the greatest


@dataclass(frozen=True)
class ColumnProfile:
    """One column."""

    name: str
    kind: str
    count: int
    missing: int
    distinct: int | None  # None: its values cannot be compared
    top: tuple[tuple[str, int], ...]
    numbers: NumberProfile | None


@dataclass(frozen=True)
class Profile:
    """A whole frame."""

    rows: int
    columns: tuple[ColumnProfile, ...]
    note: str = ""


class DataUtils(Helpful):
    """`dbutils.data`."""

    _module = "data"

    def summarize(self, df: Any, precise: bool = False) -> None:
        """Show a profile of a pandas, Spark, pandas-on-Spark or DuckDB frame; streaming frames are refused.

        Every figure is exact; but without `precise` only 1,000,000 rows of a Spark frame are looked at, which is said.
        """
        frame, note = as_pandas(df, precise)
        found = profile(frame, note)
        publish(text(found), html(found))


def as_pandas(df: Any, precise: bool) -> tuple[Any, str]:
    """The data as a pandas frame, and a note if it is not all of it."""
    if getattr(df, "isStreaming", False):
        raise NotSupportedHere("dbutils.data.summarize: streaming data frames are not supported, on Databricks neither")
    kind = f"{type(df).__module__}.{type(df).__name__}"
    if kind.startswith("pandas.core"):
        return df if hasattr(df, "columns") else df.to_frame(), ""
    if hasattr(df, "to_pandas") and "spark" in kind:
        return df.to_pandas(), ""
    if hasattr(df, "toPandas"):
        return _from_spark(df, precise)
    for method in ("to_pandas", "df", "fetchdf"):
        if hasattr(df, method):
            return getattr(df, method)(), ""
    raise UserError(f"dbutils.data.summarize takes a data frame (Spark, pandas, DuckDB), not a {type(df).__name__}")


def _from_spark(df: Any, precise: bool) -> tuple[Any, str]:
    if precise or not hasattr(df, "limit"):
        return df.toPandas(), ""
    head = df.limit(SAMPLE_ROWS + 1).toPandas()
    if len(head) <= SAMPLE_ROWS:
        return head, ""
    return head.head(SAMPLE_ROWS), f"the first {SAMPLE_ROWS:,} rows; precise=True looks at all"


def profile(frame: Any, note: str = "") -> Profile:
    """The profile of a pandas frame."""
    columns = tuple(_column(str(name), frame.iloc[:, position]) for position, name in enumerate(frame.columns))
    return Profile(len(frame), columns, note)


def _column(name: str, values: Any) -> ColumnProfile:
    present = values.dropna()
    try:
        counts = present.value_counts()
        distinct, top = (
            len(counts),
            tuple((str(value), int(count)) for value, count in counts.head(TOP).items() if count > 1),
        )
    except TypeError:  # lists and the like cannot be hashed
        distinct, top = None, ()
    return ColumnProfile(
        name, str(values.dtype), len(present), len(values) - len(present), distinct, top, _numbers(present)
    )


def _numbers(present: Any) -> NumberProfile | None:
    try:
        import numpy
        import pandas
    except ImportError as error:
        raise MissingExtra("dbutils.data.summarize", "demo") from error
    types = pandas.api.types
    if present.empty or types.is_bool_dtype(present):
        return None
    if types.is_datetime64_any_dtype(present):
        return NumberProfile((("min", str(present.min())), ("max", str(present.max()))), ())
    if not types.is_numeric_dtype(present):
        return None
    numbers = present.astype(float)
    low, quarter, half, most, high = numbers.quantile([0, 0.25, 0.5, 0.75, 1])
    shown = {
        "mean": numbers.mean(),
        "std": numbers.std(),
        "min": low,
        "25 %": quarter,
        "median": half,
        "75 %": most,
        "max": high,
    }
    figures = [(key, f"{float(value):.6g}") for key, value in shown.items()] + [
        ("zeros", str(int((numbers == 0).sum())))
    ]
    finite = numbers[numpy.isfinite(numbers)]
    bars = tuple(int(count) for count in numpy.histogram(finite, BARS)[0]) if len(finite) else ()
    return NumberProfile(tuple(figures), bars)


def text(found: Profile) -> str:
    """The profile for a terminal."""
    lines = [f"{found.rows:,} rows, {len(found.columns)} columns" + (f" ({found.note})" if found.note else "")]
    for column in found.columns:
        facts = [f"{column.count:,} values", f"{column.missing:,} missing"]
        facts += [] if column.distinct is None else [f"{column.distinct:,} distinct"]
        facts += [f"{name} {value}" for name, value in (column.numbers.figures if column.numbers else ())]
        facts += [] if column.numbers else [f"{value!r} x{count:,}" for value, count in column.top]
        lines.append(f"{column.name} ({column.kind}): {', '.join(facts)}")
    return "\n".join(lines)


_STYLE: Final = (
    "border-collapse:collapse;font:12px/1.5 var(--jp-ui-font-family,system-ui,sans-serif);"
    "color:var(--jp-ui-font-color1,CanvasText)"
)
_CELL: Final = (
    "padding:4px 10px;text-align:left;vertical-align:top;border-bottom:1px solid var(--jp-border-color2,#8884)"
)


def html(found: Profile) -> str:
    """The profile as a table that needs no script; colours follow the page's."""
    head = "".join(
        f'<th style="{_CELL}">{name}</th>' for name in ("column", "type", "values", "figures", "distribution")
    )
    rows = "".join(_row(column) for column in found.columns)
    note = f" ({escape(found.note)})" if found.note else ""
    size = f"{found.rows:,} rows, {len(found.columns)} columns{note}"
    caption = f'<caption style="text-align:left;padding:4px 10px">{size}</caption>'
    return f'<table style="{_STYLE}">{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(column: ColumnProfile) -> str:
    share = 100 * column.missing / max(1, column.missing + column.count)
    values = f"{column.count:,}<br>{column.missing:,} missing ({share:.1f} %)"
    values += "" if column.distinct is None else f"<br>{column.distinct:,} distinct"
    figures = "<br>".join(
        f"{name} <b>{escape(value)}</b>" for name, value in (column.numbers.figures if column.numbers else ())
    )
    top = "<br>".join(f"{escape(value[:60])} <b>{count:,}</b>" for value, count in column.top)
    picture = _bars(column.numbers.bars) if column.numbers and column.numbers.bars else top
    cells = (escape(column.name), escape(column.kind), values, figures, picture)
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"


def _bars(counts: tuple[int, ...]) -> str:
    tallest = max(counts) or 1
    heights = [round(38 * count / tallest, 1) for count in counts]
    boxes = "".join(
        f'<rect x="{10 * place}" y="{40 - height}" width="9" height="{height}"><title>{count:,}</title></rect>'
        for place, (height, count) in enumerate(zip(heights, counts, strict=True))
    )
    fill = "var(--jp-brand-color1,#2a6fdb)"
    size = f'width="{10 * len(counts)}" height="40"'
    return f'<svg {size} style="fill:{fill}" role="img" aria-label="histogram">{boxes}</svg>'
