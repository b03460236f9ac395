"""A result as rows and columns, cut at Databricks' limits, in HTML and in text."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

MAX_ROWS: Final = 10_000  # reference 8.3, whichever is met first
MAX_BYTES: Final = 2 * 1024 * 1024
TEXT_ROWS: Final = 20
TEXT_WIDTH: Final = 40  # characters a cell of the text form
SHORT: Final = 32  # characters: a column of nothing longer is never broken into lines


@dataclasses.dataclass(frozen=True)
class Table:
    """What is shown: cells as text (None = null); `total` is the number of rows there are, None if nobody counted."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    right: tuple[bool, ...]  # columns of numbers stand on the right
    total: int | None
    cut: bool

    @property
    def footing(self) -> str:
        """The line below the table: how much is shown of how much."""
        shown, width = len(self.rows), len(self.columns)
        columns = f"{width:,} column{'' if width == 1 else 's'}"
        if not self.cut:
            return f"{shown:,} row{'' if shown == 1 else 's'} · {columns}"
        rows = f"of {self.total:,} rows" if self.total is not None else "rows, there are more"
        return f"showing first {shown:,} {rows} · {columns} (limit: {MAX_ROWS:,} rows or 2 MB)"


def of(value: Any) -> Table | None:
    """`value` as a table: frames, SQL results, dicts, lists of records or plain values; None if it is none of them."""
    for kind in type(value).__mro__:
        reader = _READERS.get((kind.__module__.split(".")[0], kind.__name__))
        if reader is not None:
            return reader(value)
    if isinstance(value, Mapping):
        return _of_records([{"key": key, "value": item} for key, item in value.items()]) if value else None
    return _of_list(value) if isinstance(value, list | tuple) and not hasattr(value, "_fields") else None


def make(
    columns: Iterable[Any], types: Iterable[Any], rows: Iterable[Sequence[Any]], total: int | None = None
) -> Table:
    """A table of at most the limits; `rows` is read no further than one row beyond them."""
    names = tuple(str(column) for column in columns)
    kept, cut, numeric = _take(rows, len(names))
    if not cut:
        cut = total is not None and total > len(kept)
        total = total if cut else len(kept)
    return Table(names, tuple(str(kind) for kind in types), tuple(kept), numeric, total, cut)


def _take(rows: Iterable[Sequence[Any]], width: int) -> tuple[list[tuple[str | None, ...]], bool, tuple[bool, ...]]:
    kept: list[tuple[str | None, ...]] = []
    numeric, seen, size = [True] * width, [False] * width, 0
    for row in rows:
        cells = tuple(_text(cell) for cell in row)
        size += sum(len(cell) for cell in cells if cell)
        if len(kept) == MAX_ROWS or (kept and size > MAX_BYTES):
            return kept, True, tuple(a and b for a, b in zip(numeric, seen, strict=True))
        for index, cell in enumerate(row):
            if cells[index] is not None:
                seen[index] = True
                numeric[index] &= isinstance(cell, numbers.Number) and not isinstance(cell, bool)
        kept.append(cells)
    return kept, False, tuple(a and b for a, b in zip(numeric, seen, strict=True))


def _text(cell: Any) -> str | None:
    if cell is None or (isinstance(cell, float) and cell != cell) or type(cell).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, bytes | bytearray):
        return cell.hex(" ").upper() if len(cell) <= 64 else f"{cell[:64].hex(' ').upper()} … ({len(cell):,} bytes)"
    if isinstance(cell, list | dict) or _is_struct(cell):
        return json.dumps(_nested(cell), ensure_ascii=False, default=str)
    return str(cell)


def _is_struct(cell: Any) -> bool:
    return isinstance(cell, tuple) and (hasattr(cell, "__fields__") or hasattr(cell, "_fields"))


def _nested(cell: Any) -> Any:
    """Structs and maps as objects, arrays as lists, the leaves as `_text` has them or as they are."""
    if _is_struct(cell):
        return {name: _nested(value) for name, value in zip(_fields(cell) or (), cell, strict=True)}
    if isinstance(cell, Mapping):
        return {str(name): _nested(value) for name, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_nested(value) for value in cell]
    if isinstance(cell, float | Decimal):
        return float(cell) if math.isfinite(cell) else None if cell != cell else str(cell)
    return cell if isinstance(cell, str | int) or cell is None else _text(cell)


def _of_pandas(frame: Any) -> Table:
    columns = [".".join(map(str, name)) if isinstance(name, tuple) else name for name in frame.columns]
    types = [str(kind) for kind in frame.dtypes]
    cells = frame.head(MAX_ROWS + 1)
    if _is_plain_index(frame.index):
        return make(columns, types, cells.itertuples(index=False, name=None), len(frame))
    names = [str(name) if name is not None else "" for name in frame.index.names]
    kinds = [str(frame.index.dtype)] if len(names) == 1 else [str(kind) for kind in frame.index.dtypes]
    rows = ((*(index if len(names) > 1 else (index,)), *row) for index, *row in cells.itertuples(name=None))
    return make([*names, *columns], [*kinds, *types], rows, len(frame))


def _is_plain_index(index: Any) -> bool:
    # Numbers without a name are places in a frame that was filtered: Databricks shows no index at all.
    return index.nlevels == 1 and index.name is None and index.dtype.kind in "iu"


def _of_series(series: Any) -> Table:
    return _of_pandas(series.to_frame(series.name if series.name is not None else "value"))


def _of_spark(frame: Any) -> Table:
    if hasattr(frame, "to_spark"):
        return _of_pandas_on_spark(frame)
    # Counting would run the whole query a second time: nobody is told a total that was not asked for.
    names, kinds = zip(*frame.dtypes, strict=True) if frame.dtypes else ((), ())
    return make(names, kinds, frame.limit(MAX_ROWS + 1).collect())


def _of_pandas_on_spark(frame: Any) -> Table:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all rows come to the driver: here they are few
        return dataclasses.replace(_of_pandas(frame.head(MAX_ROWS + 1).to_pandas()), total=None)


def _of_duckdb(relation: Any) -> Table:
    rows = relation.limit(MAX_ROWS + 1).fetchall()
    total = len(rows) if len(rows) <= MAX_ROWS else relation.aggregate("count(*)").fetchone()[0]
    return make(relation.columns, relation.types, rows, total)


def _of_arrow(table: Any) -> Table:
    head = table.slice(0, MAX_ROWS + 1)
    kinds = [str(field.type) for field in table.schema]
    return make(
        table.column_names, kinds, zip(*(column.to_pylist() for column in head.columns), strict=True), len(table)
    )


def _of_sql_frame(frame: Any) -> Table:
    rows = frame.limit(MAX_ROWS + 1).collect()
    return make(
        frame.columns, [kind for _, kind in frame.dtypes], rows, len(rows) if len(rows) <= MAX_ROWS else frame.count()
    )


_READERS: Final[dict[tuple[str, str], Callable[[Any], Table]]] = {
    ("pandas", "DataFrame"): _of_pandas,
    ("pandas", "Series"): _of_series,
    ("pyspark", "DataFrame"): _of_spark,
    ("duckdb", "DuckDBPyRelation"): _of_duckdb,
    ("_duckdb", "DuckDBPyRelation"): _of_duckdb,
    ("pyarrow", "Table"): _of_arrow,
    ("dbutils_local", "SqlFrame"): _of_sql_frame,
}


def _of_list(values: Sequence[Any]) -> Table | None:
    if not values:
        return None
    if all(isinstance(value, Mapping) for value in values):
        return _of_records(values)
    first = _fields(values[0])
    if first is not None and all(_fields(value) == first for value in values):
        return make(first, _kinds([_cells(value) for value in values[:100]]), map(_cells, values), len(values))
    if all(value is None or isinstance(value, str | numbers.Number) for value in values):
        return make(
            ["value"], _kinds([(value,) for value in values[:100]]), ((value,) for value in values), len(values)
        )
    return None


def _fields(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, tuple):
        # A namedtuple (FileInfo) or a Spark Row; a bare tuple has numbered columns, as createDataFrame gives them.
        names = getattr(value, "_fields", None) or getattr(value, "__fields__", None)
        return tuple(names) if names else tuple(f"_{index + 1}" for index in range(len(value)))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return tuple(field.name for field in dataclasses.fields(value))
    return None


def _cells(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else tuple(getattr(value, name) for name in _fields(value) or ())


def _of_records(records: Sequence[Mapping[Any, Any]]) -> Table:
    names = list(dict.fromkeys(name for record in records for name in record))
    sample = [tuple(record.get(name) for name in names) for record in records[:100]]
    return make(names, _kinds(sample), (tuple(record.get(name) for name in names) for record in records), len(records))


def _kinds(sample: Sequence[Sequence[Any]]) -> Iterator[str]:
    for column in zip(*sample, strict=True):
        kinds = {type(cell).__name__ for cell in column if cell is not None}
        yield kinds.pop() if len(kinds) == 1 else ""


def as_text(table: Table, name: str = "") -> str:
    """The table in characters: the first rows, long cells shortened, the footing; `name` is what holds the result."""
    head = [table.columns, *(tuple("null" if c is None else c for c in row) for row in islice(table.rows, TEXT_ROWS))]
    clipped = [[_clip(cell) for cell in row] for row in head]
    widths = [max(len(row[index]) for row in clipped) for index in range(len(table.columns))]
    lines = [" | ".join(map(_pad, row, widths, table.right)) for row in clipped]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    if len(table.rows) > TEXT_ROWS:
        lines.append(f"... {len(table.rows) - TEXT_ROWS:,} more rows")
    return "\n".join([*(line.rstrip() for line in lines), f"({_footing(table, name)})"])


def _footing(table: Table, name: str) -> str:
    return f"{table.footing} · stored as {name}" if name else table.footing


def _clip(cell: str) -> str:
    flat = cell.replace("\n", "⏎")
    return flat if len(flat) <= TEXT_WIDTH else flat[: TEXT_WIDTH - 1] + "…"


def _pad(cell: str, width: int, right: bool) -> str:
    return cell.rjust(width) if right else cell.ljust(width)


def as_html(table: Table, name: str = "") -> str:
    """The table as one self-contained piece of HTML: no script, light and dark, its header stays in sight."""
    sides = [_class(right, index, table) for index, right in enumerate(table.right)]
    head = "".join(
        f"<th{side}>{html.escape(name)}<small>{html.escape(kind)}</small></th>"
        for name, kind, side in zip(table.columns, table.types or ("",) * len(table.columns), sides, strict=True)
    )
    body = "".join(
        f"<tr><th>{number}</th>{''.join(map(_cell, row, sides))}</tr>" for number, row in enumerate(table.rows, 1)
    )
    mark = " cut" if table.cut else ""
    return (
        f'<div class="dbl-table"><style>{_style()}</style><div class="s"><table><thead><tr><th></th>{head}</tr></thead>'
        f'<tbody>{body}</tbody></table></div><div class="f{mark}">{html.escape(_footing(table, name))}</div></div>'
    )


def _class(right: bool, index: int, table: Table) -> str:
    if right:
        return ' class="n"'
    return ' class="k"' if all(len(row[index] or "") <= SHORT for row in table.rows) else ""


def _cell(cell: str | None, side: str) -> str:
    return f"<td{side}><i>null</i></td>" if cell is None else f"<td{side}>{html.escape(cell)}</td>"


@cache
def _style() -> str:
    text = Path(__file__).with_name("table.css").read_text("utf-8")
    return "".join(line.strip() for line in text.splitlines() if not line.startswith("/*"))
