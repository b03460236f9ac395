"""What Spark answered to expressions of Databricks SQL; `python -m tests.sql.answers` asks it again (extra `spark`).

Each row of answers_of_spark.json is an expression with the type and value Spark gives it in ANSI mode in UTC, as
Databricks runs it, or the class of the error it raises.
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
Answer = dict[str, Any]


def known() -> list[Answer]:
    """The answers there are: `sql` with `type` and `value`, or with `error`."""
    answers: list[Answer] = json.loads(FILE.read_text(encoding="utf-8"))
    return answers


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


def main() -> None:
    """Ask Spark for every expression of the file again and write what it says."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.sql.session.timeZone", "UTC")
    session = builder.config("spark.sql.ansi.enabled", "true").config("spark.ui.enabled", "false").getOrCreate()
    answers = asked(session, [answer["sql"] for answer in known()])
    lines = ",\n".join(json.dumps(answer, ensure_ascii=False) for answer in answers)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    session.stop()


if __name__ == "__main__":
    main()
