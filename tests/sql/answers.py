"""What Spark answered to Databricks SQL; `python -m tests.sql.answers` asks it again (extra `spark`).

Each row of answers_of_spark.json is an expression with the type and value Spark gives it in ANSI mode in UTC, as
Databricks runs it, or the class of the error it raises. queries_of_spark.json holds statements that make two tables,
and queries over them with their columns, types and rows.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("answers_of_spark.json")
QUERIES = Path(__file__).with_name("queries_of_spark.json")
Answer = dict[str, Any]


def known() -> list[Answer]:
    """The answers there are: `sql` with `type` and `value`, or with `error`."""
    answers: list[Answer] = json.loads(FILE.read_text(encoding="utf-8"))
    return answers


def queries() -> tuple[list[str], list[Answer]]:
    """The statements that make the tables, and the queries: `sql` with `columns`, `types` and `rows`."""
    found = json.loads(QUERIES.read_text(encoding="utf-8"))
    return found["setup"], found["queries"]


def written(value: Any) -> Any:
    """A value of either engine as JSON holds it; what JSON has no words for is given with its kind."""
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            return {"float": f"{value:.12g}"}
        case Decimal():
            return {"decimal": str(value)}
        case datetime.datetime():
            return {"timestamp": value.isoformat(sep=" ")}
        case datetime.date():
            return {"date": value.isoformat()}
        case datetime.timedelta():
            return {"seconds": value.total_seconds()}
        case bytes() | bytearray():
            return {"binary": bytes(value).hex()}
        case dict():
            return {"pairs": [[written(key), written(item)] for key, item in value.items()]}
        case tuple() if hasattr(value, "asDict"):
            return {"pairs": [[key, written(item)] for key, item in value.asDict().items()]}
        case list() | tuple():
            return [written(item) for item in value]
    return {"other": str(value)}


def error_class(text: str) -> str:
    """The class of an error from its message, without its subclass."""
    found = re.search(r"\[([A-Z_0-9]+)", text)
    return found.group(1) if found is not None else text.splitlines()[0]


def asked(session: Any, expressions: Iterable[str]) -> list[Answer]:
    """What a Spark session answers."""
    from pyspark.errors import PySparkException

    found = []
    for sql in expressions:
        try:
            frame = session.sql(f"SELECT {sql} AS v")
            rows = [written(row[0]) for row in frame.collect()]
            found.append({"sql": sql, "type": frame.dtypes[0][1], "value": rows[0] if len(rows) == 1 else rows})
        except PySparkException as error:
            found.append({"sql": sql, "error": error_class(str(error))})
    return found


def asked_over_tables(session: Any, setup: Iterable[str], statements: Iterable[str]) -> list[Answer]:
    """What a Spark session answers to queries."""
    for statement in setup:
        session.sql(statement)
    found = []
    for sql in statements:
        frame = session.sql(sql)
        rows = [[written(value) for value in row] for row in frame.collect()]
        found.append({"sql": sql, "columns": frame.columns, "types": [kind for _, kind in frame.dtypes], "rows": rows})
    return found


def main() -> None:
    """Ask Spark for everything again and write what it says."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC")
    builder = builder.config("spark.sql.legacy.createHiveTableByDefault", "false")
    session = builder.config("spark.sql.ansi.enabled", "true").config("spark.ui.enabled", "false").getOrCreate()
    FILE.write_text(_lines(asked(session, [answer["sql"] for answer in known()])) + "\n", encoding="utf-8")
    setup, answers = queries()
    fresh = asked_over_tables(session, setup, [answer["sql"] for answer in answers])
    QUERIES.write_text(
        f'{{"setup": {_lines(setup)}, "queries": {_lines(fresh)}}}\n',
        encoding="utf-8",
    )
    session.stop()


def _lines(items: Iterable[Any]) -> str:
    """JSON with one item a line."""
    return "[\n" + ",\n".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n]"


if __name__ == "__main__":
    main()
