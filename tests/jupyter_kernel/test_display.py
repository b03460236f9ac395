"""`display` and `displayHTML`: what becomes a table, what is cut, what is left to IPython (reference 8.2, 8.3)."""

from __future__ import annotations

import datetime
from collections import namedtuple
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from dbutils_local.errors import NotSupportedHere
from jupyter_ext.kernel import tables
from jupyter_ext.kernel.display import bundle_of, framed

FileInfo = namedtuple("FileInfo", "path name size modificationTime")


def table(value: Any) -> tables.Table:
    found = tables.of(value)
    assert found is not None
    return found


def test_a_pandas_frame_is_a_table_with_types_and_numbers_on_the_right() -> None:
    pandas = pytest.importorskip("pandas")
    found = table(pandas.DataFrame({"city": ["Oslo", None], "n": [1, 2]}))
    assert found.columns == ("city", "n")
    assert found.types[0] in ("object", "str")  # pandas 2 and 3
    assert found.types[1] == "int64"
    assert found.rows == (("Oslo", "1"), (None, "2"))
    assert found.right == (False, True)
    assert found.footing == "2 rows · 2 columns"


def test_a_pandas_index_that_says_something_is_shown() -> None:
    pandas = pytest.importorskip("pandas")
    found = table(pandas.DataFrame({"n": [1, 2]}, index=pandas.Index(["a", "b"], name="key")))
    assert found.columns == ("key", "n")
    assert found.rows[0] == ("a", "1")
    assert table(pandas.DataFrame({"n": [1, 2, 3]})[1:]).columns == ("n",)
    grouped = pandas.DataFrame({"a": [1, 1], "b": [2, 3], "n": [4, 5]}).groupby(["a", "b"]).sum()
    assert table(grouped).rows == (("1", "2", "4"), ("1", "3", "5"))
    assert table(pandas.Series([1, 2], name="n")).columns == ("n",)


def test_over_ten_thousand_rows_are_cut_and_said() -> None:
    pandas = pytest.importorskip("pandas")
    found = table(pandas.DataFrame({"n": range(12_345)}))
    assert len(found.rows) == 10_000
    assert found.footing.startswith("showing first 10,000 of 12,345 rows")
    assert 'class="f cut"' in tables.as_html(found)


def test_over_two_megabytes_are_cut_and_said() -> None:
    found = table([{"text": "x" * 1_000_000} for _ in range(5)])
    assert len(found.rows) == 2
    assert found.footing.startswith("showing first 2 of 5 rows")


def test_a_duckdb_relation_is_a_table() -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        found = table(connection.sql("select 1 as a, 'x' as b"))
        assert (found.columns, found.rows) == (("a", "b"), (("1", "x"),))
        many = table(connection.sql("select * from range(10500)"))
        assert many.footing.startswith("showing first 10,000 of 10,500 rows")


def test_a_list_of_file_infos_is_a_table() -> None:
    found = table([FileInfo("dbfs:/a", "a", 3, 0)])
    assert found.columns == ("path", "name", "size", "modificationTime")
    assert found.rows == (("dbfs:/a", "a", "3", "0"),)


def test_records_of_every_kind_are_tables() -> None:
    @dataclass
    class Point:
        x: int
        y: int

    assert table([Point(1, 2)]).columns == ("x", "y")
    assert table([{"a": 1}, {"b": 2}]).rows == (("1", None), (None, "2"))
    assert table([(1, "x"), (2, "y")]).columns == ("_1", "_2")
    assert table({"a": 1, "b": None}).rows == (("a", "1"), ("b", None))
    assert table([1, 2, 3]).columns == ("value",)


@pytest.mark.parametrize("value", ["text", 1, None, [], {}, [object()], [[1], {2}], (1, [2])])
def test_what_is_no_table_is_left_to_ipython(value: Any) -> None:
    assert bundle_of(value) is None


def test_structs_arrays_and_maps_are_shown_as_json() -> None:
    from pyspark.sql import Row

    day = datetime.date(2026, 11, 22)
    cells = (Row(first="Ada", last=None, born=Row(on=day)), [1, 2.5, "é", float("nan")], {1: Decimal("1.50")}, b"\x01")
    shown = tables.make(["s", "a", "m", "b"], [""] * 4, [cells])
    assert shown.rows[0] == (
        '{"first": "Ada", "last": null, "born": {"on": "2026-11-22"}}',
        '[1, 2.5, "é", null]',
        '{"1": 1.5}',
        "01",
    )


def test_html_is_escaped_and_null_is_told_from_text() -> None:
    shown = tables.as_html(table([{"<b>": "<script>alert(1)</script>", "n": None, "t": "null"}]))
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert '<i>null</i></td><td class="k">null</td>' in shown


def test_the_text_form_is_aligned_and_short() -> None:
    shown = tables.as_text(table([{"name": "a" * 100, "n": n} for n in range(100)])).splitlines()
    assert shown[0].startswith("name")
    assert shown[2].endswith("0")
    assert len({len(line) for line in shown[2:22]}) == 1
    assert "... 80 more rows" in shown
    assert shown[-1] == "(100 rows · 2 columns)"


def test_a_figure_is_a_picture_and_shown_once(kernel: Any) -> None:
    ran = kernel("import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2])\ndisplay(fig)")
    assert ran.status == "ok", ran.traceback
    assert len([one for one in ran.outputs if "image/png" in one.get("data", {})]) == 1
    axes = kernel("fig, axes = plt.subplots(1, 2)\ndisplay(axes)")
    assert len([one for one in axes.outputs if "image/png" in one.get("data", {})]) == 1


def test_a_streaming_frame_is_refused_by_name() -> None:
    class Streaming:
        isStreaming = True

    with pytest.raises(NotSupportedHere, match="streaming frame"):
        bundle_of(Streaming())


def test_display_without_anything_shows_nothing_and_with_ipythons_words_is_ipythons(kernel: Any) -> None:
    assert kernel("display()").outputs == []
    assert kernel("handle = display('a', display_id='mine'); handle.update('b')").status == "ok"
    assert kernel("display('a', 2)").plain == "'a'\n2"


def test_display_html_is_sandboxed_and_has_a_text_form(kernel: Any) -> None:
    ran = kernel("displayHTML('<h1>Title</h1><script>parent.x = 1</script>')")
    assert 'sandbox="allow-scripts' in ran.html
    assert "allow-same-origin" not in ran.html
    assert ran.plain == "Title"
    assert "<h1>" not in ran.html.split("srcdoc=")[0]


def test_a_url_is_framed_as_one() -> None:
    assert 'src="https://example.org/?a=1&amp;b=2"' in framed("https://example.org/?a=1&b=2")
