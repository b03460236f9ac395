"""`_sqldf` on the embedded engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbutils_local.errors import MissingExtra, UserError
from dbutils_local.settings import Settings
from dbutils_local.sql.duckdb_engine import DuckDbEngine
from dbutils_local.sql.engine import engine_for
from dbutils_local.sql.frame import SqlFrame


@pytest.fixture
def frame(engine: DuckDbEngine) -> SqlFrame:
    engine.execute("CREATE TABLE t (a INT, b STRING); INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, '<z>')")
    made = engine.execute("SELECT * FROM t ORDER BY a")[0].frame
    assert isinstance(made, SqlFrame)
    return made


def test_a_frame_answers_like_a_dataframe(frame: SqlFrame) -> None:
    assert frame.columns == ["a", "b"]
    assert frame.dtypes == [("a", "int"), ("b", "string")]
    assert frame.count() == 3
    assert [row.a for row in frame.collect()] == [1, 2, 3]
    assert frame.first()["b"] == "x"  # type: ignore[index]
    assert frame.limit(1).collect()[0].asDict() == {"a": 1, "b": "x"}
    assert frame.take(2)[1] == (2, None)
    assert not frame.isEmpty()
    assert frame.toPandas()["a"].tolist() == [1, 2, 3]


def test_a_frame_is_lazy_as_on_spark(engine: DuckDbEngine, frame: SqlFrame) -> None:
    engine.execute("INSERT INTO t VALUES (4, 'new')")
    assert frame.count() == 4


def test_show_prints_sparks_grid(frame: SqlFrame, capsys: pytest.CaptureFixture[str]) -> None:
    frame.show(2)
    assert (
        capsys.readouterr().out
        == "+---+----+\n|  a|   b|\n+---+----+\n|  1|   x|\n|  2|NULL|\n+---+----+\n\nonly showing top 2 rows\n\n"
    )


def test_a_frame_becomes_a_view(engine: DuckDbEngine, frame: SqlFrame) -> None:
    frame.createOrReplaceTempView("v")
    assert engine.execute("SELECT max(a) FROM v")[0].rows == ((3,),)


def test_html_is_escaped(frame: SqlFrame) -> None:
    assert "&lt;z&gt;" in frame._repr_html_()


def test_a_spark_method_it_lacks_says_how_to_get_one(frame: SqlFrame) -> None:
    with pytest.raises(AttributeError, match="sql_engine = spark"):
        frame.withColumn("c", 1)


def test_at_most_the_limit_of_rows_comes_back_with_the_full_count(tmp_path: Path) -> None:
    engine = DuckDbEngine(tmp_path / "sql", local_path=Path, limit=10)
    [result] = engine.execute("SELECT * FROM range(25)")
    engine.close()
    assert (len(result.rows), result.row_count) == (10, 25)


def test_the_engine_follows_the_setting_and_what_is_in_use(tmp_path: Path) -> None:
    assert engine_for(Settings(home=tmp_path)).name == "duckdb"
    assert engine_for(Settings(home=tmp_path), spark=object()).name == "spark"
    assert engine_for(Settings(home=tmp_path, sql_engine="duckdb"), spark=object()).name == "duckdb"
    assert engine_for(Settings(home=tmp_path, sql_engine="spark"), open_spark=object).name == "spark"
    with pytest.raises(UserError, match="known ones: auto, duckdb, spark"):
        engine_for(Settings(home=tmp_path, sql_engine="mysql"))


def test_a_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)
    with pytest.raises(MissingExtra, match=r"dbutils-local\[sql\]"):
        engine_for(Settings(home=tmp_path))
