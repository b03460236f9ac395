"""What `_sqldf` is on the embedded engine: a result that runs again when asked, with a few methods of a DataFrame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

SHOWN_ROWS = 1000


@dataclass(frozen=True)
class Table:
    """Rows in memory: column names, their Databricks types, and the rows."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


class Row(tuple[Any, ...]):
    """One row: a tuple whose items are also reached by column name, as `row.total` or `row["total"]`."""

    columns: tuple[str, ...]

    def __new__(cls, columns: tuple[str, ...], values: tuple[Any, ...]) -> Row:
        row = super().__new__(cls, values)
        row.columns = columns
        return row

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.columns:
            raise AttributeError(name)
        return self[self.columns.index(name)]

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.columns.index(key) if isinstance(key, str) else key)

    def asDict(self) -> dict[str, Any]:
        """The row as a dict by column name."""
        return dict(zip(self.columns, self, strict=True))

    def __repr__(self) -> str:
        return "Row(" + ", ".join(f"{name}={value!r}" for name, value in zip(self.columns, self, strict=True)) + ")"


@dataclass(frozen=True)
class SqlFrame:
    """The result of a `%sql` statement on DuckDB; like a Spark DataFrame it is lazy: each action runs the query again.

    It is not a Spark DataFrame: a method it does not have raises AttributeError that says how to get one.
    """

    sql: str  # DuckDB text
    columns_: tuple[str, ...]
    types_: tuple[str, ...]
    fetch: Callable[[str, int | None], Table] = field(repr=False)
    make_view: Callable[[str, str, bool], None] = field(repr=False)
    to_pandas: Callable[[str], Any] = field(repr=False)

    @property
    def columns(self) -> list[str]:
        """The column names."""
        return list(self.columns_)

    @property
    def dtypes(self) -> list[tuple[str, str]]:
        """Pairs of column name and Databricks type."""
        return list(zip(self.columns_, self.types_, strict=True))

    def count(self) -> int:
        """The number of rows."""
        return int(self.fetch(f"SELECT count(*) FROM ({self.sql})", None).rows[0][0])

    def collect(self) -> list[Row]:
        """Every row."""
        return self._rows(self.sql, None)

    def head(self, n: int | None = None) -> Any:
        """The first row (None when empty), or with `n` a list of the first `n`."""
        rows = self._rows(self.sql, 1 if n is None else n)
        return rows if n is not None else (rows[0] if rows else None)

    def first(self) -> Row | None:
        """The first row, None when empty."""
        rows = self._rows(self.sql, 1)
        return rows[0] if rows else None

    def take(self, num: int) -> list[Row]:
        """The first `num` rows."""
        return self._rows(self.sql, num)

    def isEmpty(self) -> bool:
        """Whether there is no row."""
        return self.first() is None

    def limit(self, num: int) -> SqlFrame:
        """The first `num` rows, as a frame."""
        return self._over(f"SELECT * FROM ({self.sql}) LIMIT {int(num)}")

    def toPandas(self) -> pandas.DataFrame:
        """Every row as a pandas DataFrame."""
        frame: pandas.DataFrame = self.to_pandas(self.sql)
        return frame

    def createOrReplaceTempView(self, name: str) -> None:
        """Make it a temporary view that later `%sql` cells of this session can name."""
        self.make_view(name, self.sql, True)

    def createTempView(self, name: str) -> None:
        """As createOrReplaceTempView, but refuses a name that is taken."""
        self.make_view(name, self.sql, False)

    def printSchema(self) -> None:
        """Print the columns as a tree."""
        print("\n".join(["root", *(f" |-- {name}: {kind} (nullable = true)" for name, kind in self.dtypes)]) + "\n")

    def display(self) -> None:
        """Show it as the notebook's `display` does."""
        from IPython import get_ipython

        get_ipython().user_ns["display"](self)

    def show(self, n: int = 20, truncate: bool | int = True, vertical: bool = False) -> None:
        """Print the first `n` rows as a grid; `truncate` cuts cells to 20 (or that many) characters."""
        table = self.fetch(self.sql, n + 1)
        width = 20 if truncate is True else int(truncate)
        print(
            grid(table.columns, table.rows[:n], width)
            if not vertical
            else _records(table.columns, table.rows[:n], width)
        )
        if len(table.rows) > n:
            print(f"only showing top {n} row{'s' if n != 1 else ''}\n")

    def _rows(self, sql: str, limit: int | None) -> list[Row]:
        table = self.fetch(sql, limit)
        return [Row(table.columns, row) for row in table.rows]

    def _over(self, sql: str) -> SqlFrame:
        return SqlFrame(sql, self.columns_, self.types_, self.fetch, self.make_view, self.to_pandas)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"{name!r}: this is the result of %sql on the embedded engine (DuckDB), not a Spark "
            "DataFrame. Use toPandas(), or set "
            "sql_engine = spark (DBUTILS_LOCAL_SQL_ENGINE=spark, extra 'spark') to get Spark DataFrames"
        )

    def __repr__(self) -> str:
        return "SqlFrame[" + ", ".join(f"{name}: {kind}" for name, kind in self.dtypes) + "]"

    def _repr_html_(self) -> str:
        table = self.fetch(self.sql, SHOWN_ROWS + 1)
        more = f"<p>showing the first {SHOWN_ROWS:,} rows</p>" if len(table.rows) > SHOWN_ROWS else ""
        head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell(value))}</td>" for value in row) + "</tr>"
            for row in table.rows[:SHOWN_ROWS]
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def cell(value: Any) -> str:
    """A value as Spark prints it in a grid."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{key} -> {cell(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(cell(item) for item in value) + "]"
    return str(value)


def _cut(text: str, width: int) -> str:
    if width <= 0 or len(text) <= width:
        return text
    return text[:width] if width < 4 else text[: width - 3] + "..."


def grid(columns: Sequence[str], rows: Sequence[Sequence[Any]], width: int) -> str:
    """Rows as Spark prints them; cells cut to `width` characters and right-aligned, 0: whole and left-aligned."""
    cells = [[_cut(cell(value), width) for value in row] for row in rows]
    widths = [max([3, len(name), *(len(row[index]) for row in cells)]) for index, name in enumerate(columns)]
    rule = "+" + "+".join("-" * size for size in widths) + "+"
    align = "rjust" if width > 0 else "ljust"
    lines = [
        "|" + "|".join(getattr(text, align)(size) for text, size in zip(row, widths, strict=True)) + "|"
        for row in [list(columns), *cells]
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule, ""])


def _records(columns: tuple[str, ...], rows: tuple[tuple[Any, ...], ...], width: int) -> str:
    name_width = max((len(name) for name in columns), default=0)
    blocks = []
    for number, row in enumerate(rows):
        lines = [
            f" {name.ljust(name_width)} | {_cut(cell(value), width)}" for name, value in zip(columns, row, strict=True)
        ]
        blocks.append("\n".join([f"-RECORD {number}".ljust(name_width + 10, "-"), *lines]))
    return "\n".join(blocks) + "\n"
