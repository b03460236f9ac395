"""`%sql` cells on the embedded engine in a real kernel (reference 1.9, 7.4)."""

from __future__ import annotations

from typing import Any


def test_every_statement_runs_and_the_last_result_is_shown(kernel: Any) -> None:
    ran = kernel(
        "%sql\ncreate table t (a int, b string);\ninsert into t values (1, 'x'), (2, 'y');\nselect * from t order by a;"
    )
    assert ran.status == "ok", ran.traceback
    assert "<table>" in ran.html
    assert "2 rows · 2 columns · stored as _sqldf" in ran.plain


def test_the_last_result_is_sqldf_in_python(kernel: Any) -> None:
    kernel("%sql select 1 as a, 'x' as b")
    assert kernel("print(_sqldf.toPandas().to_dict('records'))").stdout == "[{'a': 1, 'b': 'x'}]\n"
    assert "<table>" in kernel("display(_sqldf)").html
    kernel("%sql select 2 as a")
    assert kernel("print(_sqldf.collect()[0].a)").stdout == "2\n"


def test_a_line_magic_gives_its_frame(kernel: Any) -> None:
    assert kernel("frame = %sql select 3 as a\nprint(frame.collect()[0].a)").stdout == "3\n"


def test_widgets_are_parameters(kernel: Any) -> None:
    kernel("dbutils.widgets.text('city', 'Oslo')")
    ran = kernel("%sql select :city as a, '${city}' as b, getArgument('city') as c, 'a:city' as d")
    assert "Oslo | Oslo | Oslo | a:city" in ran.plain
    unbound = kernel("%sql select :nobody")
    assert "UNBOUND_SQL_PARAMETER" in unbound.evalue
    assert "parameters.py" not in unbound.traceback


def test_widgets_are_created_and_removed_in_sql(kernel: Any) -> None:
    create = 'CREATE WIDGET DROPDOWN pick DEFAULT "b" CHOICES SELECT * FROM (VALUES ("a"), ("b"))'
    ran = kernel(f"%sql\n{create};\nselect :pick as picked")
    assert "b" in ran.plain, ran.traceback
    assert kernel("print(dbutils.widgets.get('pick'))").stdout == "b\n"
    refused = kernel('%sql CREATE WIDGET DROPDOWN pick DEFAULT "c" CHOICES SELECT "a"')
    assert "Selection sequence must include c" in refused.evalue
    kernel("%sql REMOVE WIDGET pick")
    assert kernel("dbutils.widgets.get('pick')").ename == "InputWidgetNotDefined"


def test_a_wrong_statement_is_shown_with_its_reason(kernel: Any) -> None:
    ran = kernel("%sql\nselect 1;\nselec 2")
    assert ran.ename == "StatementFailed"
    assert "selec 2" in ran.evalue
    assert "(line 2)" in ran.evalue or "line 2" in ran.evalue or "(line 3)" in ran.evalue


def test_a_statement_that_does_nothing_here_says_so(kernel: Any) -> None:
    kernel("%sql create table if not exists o (a int)")
    assert "OPTIMIZE" in kernel("%sql optimize o").stderr


def test_temporary_views_live_from_cell_to_cell(kernel: Any) -> None:
    kernel("%sql create or replace temporary view v as select 7 as n")
    assert "7" in kernel("%sql select * from v").plain
