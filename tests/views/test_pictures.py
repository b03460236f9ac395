from __future__ import annotations

import itertools
import re
import sys
from xml.etree import ElementTree

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.errors import MissingExtra
from dbutils_local.views import graph, html, text, timeline
from dbutils_local.views.notebook import notebook_html
from dbutils_local.views.snapshot import snapshot
from tests.scripted_runs import BROKEN, CALM, NIGHTLY, START, Script, played

EVIL = "</title><script>alert(1)</script>"


@st.composite
def dags(draw: st.DrawFn) -> dict[str, list[str]]:
    size = draw(st.integers(min_value=0, max_value=25))
    return {
        f"t{i}": [f"t{j}" for j in draw(st.sets(st.integers(min_value=0, max_value=i - 1), max_size=4))] if i else []
        for i in range(size)
    }


@given(dags())
def test_no_two_boxes_overlap_and_every_edge_runs_to_the_right(dag: dict[str, list[str]]) -> None:
    plan = graph.layout(dag)
    columns: dict[float, list[float]] = {}
    for x, y in plan.boxes.values():
        columns.setdefault(x, []).append(y)
    for tops in columns.values():
        tops.sort()
        assert all(below - above >= graph.BOX_HEIGHT + graph.GAP_Y - 0.01 for above, below in itertools.pairwise(tops))
    assert all(plan.boxes[above][0] < plan.boxes[key][0] for key, aboves in dag.items() for above in aboves)
    assert all(
        x >= 0 and x + graph.BOX_WIDTH <= plan.width and y >= 0 and y + graph.BOX_HEIGHT <= plan.height
        for x, y in plan.boxes.values()
    )


def test_the_graph_is_one_self_contained_picture() -> None:
    picture = graph.svg(snapshot(played(), START))
    root = ElementTree.fromstring(picture)
    assert {node.get("data-task") for node in root.iter() if node.get("data-task")} == {
        t["task_key"] for t in NIGHTLY["tasks"]
    }
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in picture
    assert root.get("aria-label") == "Run 7 of nightly: Succeeded"


def test_a_thousand_tasks_make_a_picture() -> None:
    tasks = [
        {
            "task_key": f"t{i}",
            "depends_on": [{"task_key": f"t{i // 2}"}] if i else [],
            "notebook_task": {"notebook_path": "n.py"},
        }
        for i in range(1000)
    ]
    script = Script({"name": "wide", "tasks": tasks}, {}).play(limit=2)
    assert graph.svg(snapshot(script.state, START)).count("data-task") == 1000


def test_text_from_outside_is_escaped_in_every_picture() -> None:
    script = Script(NIGHTLY | {"name": EVIL}, CALM | {"plan": {"value": EVIL, "values": {EVIL: EVIL}}})
    script.notice(EVIL)
    seen = snapshot(script.play().state, START)
    left = {"plan": html.TaskReport(notebook=f'<p title="x">{EVIL}</p>', logs=EVIL)}
    for picture in (graph.svg(seen), timeline.svg(seen), html.report(seen, {})):
        assert EVIL not in picture
    assert (
        html.report(seen, left).count("<script>") == 2
    )  # our own, and the text inside the frame in which nothing runs


def test_the_report_may_load_nothing_and_holds_everything() -> None:
    seen = snapshot(played(CALM | {"per_region[2]": BROKEN}), START)
    page = html.report(seen, {"plan": html.TaskReport(notebook="<p>plan's notebook</p>", logs="plan's log")})
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert not re.search(r'(src|href)="(https?:)?//', page)
    for said in (
        "plan's notebook",
        "2026-11-22",
        BROKEN.error,
        "region.py, cell 3, line 12",
        "Timeline",
        "Succeeded with failures",
    ):
        assert said in page.replace("&#x27;", "'")


def test_the_timeline_has_room_for_the_label_of_the_longest_bar() -> None:
    root = ElementTree.fromstring(timeline.svg(snapshot(played(), START)))
    width = float(root.get("width", "0"))
    labels = [(float(node.get("x", "0")), node.text or "") for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert all(x + 7 * len(said) <= width for x, said in labels if said.endswith(" s"))


def test_the_timeline_folds_long_loops() -> None:
    names = [str(i) for i in range(60)]
    loop = {
        "task_key": "loop",
        "for_each_task": {
            "inputs": str(names).replace("'", '"'),
            "task": {"task_key": "n", "notebook_task": {"notebook_path": "n.py"}},
        },
    }
    from dbutils_local.core.events import RunStarted, TaskExpanded, TaskStarted

    script = Script({"name": "loop", "tasks": [loop]}, {})
    for event in (RunStarted(START), TaskStarted(START, "loop", 5), TaskExpanded(START, "loop", tuple(names))):
        script.record(event)
    assert "+ 20 more iterations" in timeline.svg(snapshot(script.state, START + 10))


def test_the_summary_names_state_value_error_and_failing_cell() -> None:
    said = text.summary(snapshot(played(CALM | {"per_region[2]": BROKEN}), START))
    assert re.search(r"plan +SUCCESS +1\.0 s +value: planned", said)
    assert "error: ZeroDivisionError: division by zero" in said
    assert "where: region.py, cell 3, line 12" in said
    assert re.search(r"publish +UPSTREAM_FAILED +- ", said)


def test_every_change_is_told_once() -> None:
    script = Script(acts=CALM | {"plan": [BROKEN, {"value": "x"}]})
    lines: list[str] = []
    before = None
    for limit in range(2, 60):
        after = snapshot(script.play(limit=limit).state, script.at)
        lines += text.changes(before, after)
        before = after
    assert len([line for line in lines if line.startswith("plan RUNNING")]) == 2
    assert len([line for line in lines if line.startswith("cleanup SUCCESS")]) == 1
    assert lines[-1].startswith("run 7 SUCCESS in ")


def test_the_text_graph_names_what_each_task_waits_for() -> None:
    said = text.dag(snapshot(played(), START))
    assert "shortfall    EXCLUDED  ← enough_rows = false" in said


def _notebook(output: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell("1 + 1", outputs=[nbformat.v4.new_output("display_data", {"text/html": output})])
    return nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_markdown_cell("# Title")])


def test_an_executed_notebook_becomes_a_page_without_scripts_or_links_to_the_network() -> None:
    page = notebook_html(
        _notebook("<b>bold</b><scr<script>ipt>alert(1)</script><link rel=stylesheet href=https://cdn.example/x.css>")
    )
    assert "<b>bold</b>" in page
    assert "Title" in page
    assert not re.search(r"<(script|link)", page, re.IGNORECASE)
    assert "cdn" not in page
    assert "default-src 'none'" in page  # for what hides in attributes


def test_framed_html_stays_and_its_scripts_go() -> None:
    inner = "&lt;b&gt;kept&lt;/b&gt;&lt;script&gt;bad()&lt;/script&gt;"
    framed = f'<iframe class="x" sandbox="allow-scripts" srcdoc="{inner}"></iframe>'
    page = notebook_html(_notebook(framed + '<iframe src="https://cdn.example/"></iframe>'))
    assert 'srcdoc="&lt;b&gt;kept&lt;/b&gt;"' in page
    assert "bad()" not in page
    assert "allow-scripts" not in page
    assert "cdn.example" not in page


def test_pictures_of_a_notebook_are_in_the_page() -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    cell = nbformat.v4.new_code_cell("plot()", outputs=[nbformat.v4.new_output("display_data", {"image/png": pixel})])
    assert f"data:image/png;base64,{pixel}" in notebook_html(nbformat.v4.new_notebook(cells=[cell]))


def test_without_nbconvert_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nbconvert", None)
    with pytest.raises(MissingExtra, match=r"dbutils-local\[html\]"):
        notebook_html(_notebook(""))
