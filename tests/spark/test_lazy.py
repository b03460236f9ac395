"""The names before Spark has started; no session is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.errors import MissingExtra, UserError
from dbutils_local.settings import Settings
from dbutils_local.spark import Lazy, install, mentions_spark
from dbutils_local.spark.jvm import configuration, new_scratch
from dbutils_local.spark.starting import chosen_engine


@pytest.mark.parametrize(
    "source",
    [
        "spark.sql('select 1')",
        "df = spark.table('t')",
        "def f():\n    return spark.range(3)",
        "sc.parallelize([1])",
        "sql('select 1')",
        "isinstance(spark, object)",
        "x = table('t')",
        "%sql select 1\nspark.range(1)",
        "f(spark)",
    ],
)
def test_code_that_reads_a_name_mentions_spark(source: str) -> None:
    assert mentions_spark(source)


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "import pyspark",
        "obj.spark.range(1)",
        "# spark.sql",
        "'spark'",
        "spark = 3",
        "%md spark. is nice",
        "table_name = 1",
    ],
)
def test_other_code_does_not(source: str) -> None:
    assert not mentions_spark(source)


def test_names_of_the_user_are_left_alone(tmp_path: Path) -> None:
    namespace: dict[str, Any] = {"table": 5}
    install(namespace, Settings(home=tmp_path))
    assert namespace["table"] == 5
    assert isinstance(namespace["spark"], Lazy)


def test_looking_at_a_lazy_name_starts_nothing() -> None:
    def start(name: str) -> Any:
        raise AssertionError("started")

    lazy = Lazy("spark", start)
    assert repr(lazy) == "<spark: Spark starts when it is first used>"
    assert not hasattr(lazy, "_repr_html_")
    assert not hasattr(lazy, "_ipython_display_")
    with pytest.raises(AssertionError, match="started"):
        _ = lazy.range


def test_importing_the_room_imports_no_spark() -> None:
    code = (
        "import sys, dbutils_local.spark; print([m for m in ('pyspark', 'pandas', 'duckdb', 'sqlglot') if m "
        "in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_a_missing_engine_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbutils_local.spark.starting._installed", lambda module: False)
    with pytest.raises(MissingExtra, match=r"dbutils-local\[spark\]"):
        chosen_engine("auto")
    with pytest.raises(MissingExtra, match=r"dbutils-local\[sail\]"):
        chosen_engine("sail")
    with pytest.raises(UserError, match="databricks-connect"):
        chosen_engine("databricks-connect")


def test_what_a_dead_process_left_is_swept_away(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    left = tmp_path / f"{child.pid}-x"
    left.mkdir()
    mine = new_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]
    assert new_scratch(tmp_path) != mine


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(UserError, match="known ones: auto, pyspark, sail, connect, databricks-connect"):
        chosen_engine("flink")


def test_jars_of_delta_are_put_on_the_session(tmp_path: Path) -> None:
    (tmp_path / "jars").mkdir()
    with pytest.raises(UserError, match=r"no \.jar"):
        configuration(Settings(home=tmp_path, delta_jars=tmp_path / "jars"))
    (tmp_path / "jars" / "delta-spark.jar").touch()
    found = configuration(Settings(home=tmp_path, delta_jars=tmp_path / "jars", spark_conf={"spark.x": "1"}))
    assert found["spark.jars"].endswith("delta-spark.jar")
    assert found["spark.sql.catalog.spark_catalog"] == "org.apache.spark.sql.delta.catalog.DeltaCatalog"
    assert found["spark.x"] == "1"
    assert found["spark.driver.bindAddress"] == "127.0.0.1"
