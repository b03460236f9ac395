"""The panel seen from a frontend's side of the wire: a small frontend that answers comms, in a real kernel."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import pytest

from jupyter_ext.kernel.bar import TARGET, Bar
from jupyter_ext.kernel.panel import css_name


class Frontend:
    """Keeps the state of every widget model, and talks on the bar's comm, as JupyterLab does."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.models: dict[str, dict[str, Any]] = {}
        self.bar: str | None = None
        self.heard: list[dict[str, Any]] = []

    def see(self, ran: Any) -> Any:
        for message in ran.messages:
            content = message["content"]
            if message["msg_type"] == "comm_open" and content["target_name"] == TARGET:
                self.bar = content["comm_id"]
            elif message["msg_type"] == "comm_open" and content["target_name"] == "jupyter.widget":
                self.models[content["comm_id"]] = content["data"]["state"]
            elif message["msg_type"] == "comm_msg" and content["comm_id"] == self.bar:
                self.heard.append(content["data"])
            elif message["msg_type"] == "comm_msg" and content["data"].get("method") == "update":
                self.models.get(content["comm_id"], {}).update(content["data"]["state"])
            elif message["msg_type"] == "comm_close":
                self.models.pop(content["comm_id"], None)
        return ran

    def run(self, code: str) -> Any:
        return self.see(self.kernel(code))

    def send(self, comm: str, data: dict[str, Any]) -> None:
        session = self.kernel.client.session
        message = session.msg("comm_msg", {"comm_id": comm, "data": data})
        self.kernel.client.shell_channel.send(message)
        self.see(self.kernel.wait_idle(message["header"]["msg_id"]))

    def wait_for(self, word: str) -> Any:
        """What the kernel says next under `word` on the bar's comm, while a cell runs."""
        while True:
            content = self.kernel.client.get_iopub_msg(timeout=60)["content"]
            if content.get("comm_id") == self.bar and word in content["data"]:
                return content["data"][word]

    @property
    def runs(self) -> list[Any]:
        return [one["run"] for one in self.heard if "run" in one]

    def model(self, description: str) -> str:
        return next(id for id, state in self.models.items() if state.get("description") == description)

    def choose(self, description: str, value: dict[str, Any]) -> None:
        self.send(self.model(description), {"method": "update", "state": value, "buffer_paths": []})

    @property
    def order(self) -> list[str]:
        [box] = [state for state in self.models.values() if state.get("_model_name") == "BoxModel"]
        return [self.models[child.removeprefix("IPY_MODEL_")]["description"] for child in box["children"]]


@pytest.fixture
def frontend(kernel: Any) -> Any:
    made = Frontend(kernel)
    made.run("%unload_ext dbutils_local")
    made.run("from dbutils_local.dbutils.handle import renew; _ = renew()")
    made.run("%load_ext dbutils_local")
    return made


def test_without_a_bar_the_panel_is_shown_once_in_the_first_cell(frontend: Any) -> None:
    ran = frontend.run("dbutils.widgets.text('b', '1')\ndbutils.widgets.dropdown('a', 'x', ['x', 'y'], 'Label')")
    shown = [one for one in ran.outputs if "application/vnd.jupyter.widget-view+json" in one.get("data", {})]
    assert len(shown) == 1
    assert frontend.order == ["Label", "b"]
    assert frontend.run("dbutils.widgets.text('c', '1')").outputs == []
    assert frontend.order == ["Label", "b", "c"]


def test_a_choice_is_seen_by_the_next_get(frontend: Any) -> None:
    frontend.run(
        "dbutils.widgets.text('t', '1')\ndbutils.widgets.dropdown('d', 'x', ['x', 'y'])\n"
        "dbutils.widgets.combobox('c', 'p', ['p'])\ndbutils.widgets.multiselect('m', '1', ['1', '2', '3'])"
    )
    frontend.choose("t", {"value": "typed"})
    frontend.choose("d", {"index": 1})
    frontend.choose("c", {"value": "free"})
    frontend.choose("m", {"index": [0, 2]})
    ran = frontend.run("print([dbutils.widgets.get(name) for name in 'tdcm'])")
    assert ran.stdout == "['typed', 'y', 'free', '1,3']\n"


def test_a_choice_survives_defining_the_widget_again(frontend: Any) -> None:
    frontend.run("dbutils.widgets.text('t', '1', 'First')")
    frontend.choose("First", {"value": "kept"})
    frontend.run("dbutils.widgets.text('t', '2', 'Second')")
    assert frontend.models[frontend.model("Second")]["value"] == "kept"
    assert frontend.order == ["Second"]
    assert frontend.run("print(dbutils.widgets.get('t'))").stdout == "kept\n"


def test_removing_a_widget_takes_its_control_away(frontend: Any) -> None:
    frontend.run("dbutils.widgets.text('a', '')\ndbutils.widgets.text('b', '')")
    frontend.run("dbutils.widgets.remove('a')")
    assert frontend.order == ["b"]
    frontend.run("dbutils.widgets.removeAll()")
    assert frontend.order == []


def test_a_bar_that_answers_gets_the_panel_and_the_cell_stays_empty(frontend: Any) -> None:
    frontend.send(frontend.bar, {"hello": True})
    ran = frontend.run("dbutils.widgets.text('a', '')")
    assert ran.outputs == []
    [box] = [id for id, state in frontend.models.items() if state.get("_model_name") == "BoxModel"]
    assert frontend.heard[-1] == {"model_id": box, "on_change": "run_accessed_commands"}


def test_an_expected_bar_that_hangs_up_leaves_the_panel_to_the_next_cell(frontend: Any) -> None:
    frontend.run("import os; os.environ['DBUTILS_LOCAL_LABEXTENSION'] = '1'")
    frontend.run("%unload_ext dbutils_local")
    frontend.run("%load_ext dbutils_local\nos.environ.pop('DBUTILS_LOCAL_LABEXTENSION')")
    assert frontend.run("dbutils.widgets.text('a', '')").outputs == []
    session = frontend.kernel.client.session
    message = session.msg("comm_close", {"comm_id": frontend.bar, "data": {}})
    frontend.kernel.client.shell_channel.send(message)
    frontend.kernel.wait_idle(message["header"]["msg_id"])
    assert "application/vnd.jupyter.widget-view+json" in frontend.run("1").outputs[0]["data"]


def test_a_bar_that_answers_late_takes_the_panel_over(frontend: Any) -> None:
    frontend.run("dbutils.widgets.text('a', '')")
    frontend.send(frontend.bar, {"hello": True})
    assert frontend.heard[-1]["model_id"] is not None


def test_a_change_runs_what_the_setting_says(frontend: Any) -> None:
    frontend.send(frontend.bar, {"hello": True})
    frontend.run("dbutils.widgets.text('a', '')\ndbutils.widgets.text('b', '')")
    frontend.run("get_ipython()._dbutils_local_face.bar.enter_cell('reader'); dbutils.widgets.get('a')")
    frontend.choose("a", {"value": "1"})
    assert frontend.runs == [["reader"]]
    frontend.choose("b", {"value": "1"})
    assert frontend.runs == [["reader"]]
    frontend.send(frontend.bar, {"on_change": "run_notebook"})
    frontend.choose("a", {"value": "2"})
    assert frontend.runs[1:] == ["all"]
    frontend.send(frontend.bar, {"on_change": "do_nothing"})
    frontend.choose("a", {"value": "3"})
    assert len(frontend.runs) == 2


def test_a_cell_that_asks_for_all_values_reads_each(frontend: Any) -> None:
    frontend.send(frontend.bar, {"hello": True})
    frontend.run("dbutils.widgets.text('a', '')")
    frontend.run("get_ipython()._dbutils_local_face.bar.enter_cell('reader'); dbutils.widgets.getAll()")
    frontend.choose("a", {"value": "1"})
    assert frontend.runs == [["reader"]]


def test_a_frontend_that_says_hello_again_keeps_what_a_person_chose(frontend: Any) -> None:
    frontend.send(frontend.bar, {"hello": True, "on_change": "do_nothing"})
    assert frontend.heard[-1]["on_change"] == "do_nothing"


def test_what_a_person_chose_is_told_as_databricks_saves_it(frontend: Any) -> None:
    frontend.send(frontend.bar, {"hello": True})
    frontend.run("dbutils.widgets.dropdown('d', 'x', ['x', 'y'], 'D')")
    assert not [one for one in frontend.heard if "keep" in one]
    frontend.choose("D", {"index": 1})
    [kept] = [one["keep"] for one in frontend.heard if "keep" in one]
    assert (kept["name"], kept["entry"]["currentValue"]) == ("d", "y")
    frontend.run("dbutils.widgets.removeAll()")
    assert [one["keep"] for one in frontend.heard if "keep" in one][1:] == [{"name": "d", "entry": None}]


def test_a_restart_hands_the_widgets_on_and_lets_no_waiting_cell_run_before(kernel: Any, tmp_path: Any) -> None:
    own = type(kernel)(tmp_path, {"DBUTILS_LOCAL_HOME": str(tmp_path / "home")})
    try:
        frontend = Frontend(own)
        frontend.run("%load_ext dbutils_local")
        frontend.send(frontend.bar, {"hello": True})
        frontend.run("dbutils.widgets.dropdown('d', 'x', ['x', 'y'], 'D')\ndbutils.widgets.text('t', 'old')")
        frontend.choose("D", {"index": 1})
        old = own("import os\nprint(os.getpid())").stdout.strip()
        asking = own.client.execute("dbutils.library.restartPython()")
        own.client.execute("import os\nopen('ran', 'w').write(str(os.getpid()))", stop_on_error=False)
        order = frontend.wait_for("restart")
        assert order["begun"][-1] == asking
        own.manager.restart_kernel()
        own.client.wait_for_ready(timeout=60)
        # What waits may reach the fresh process, whose socket has the same address; never the old one.
        assert not (tmp_path / "ran").exists() or (tmp_path / "ran").read_text() != old
        assert own(order["code"]).status == "ok"
        assert own("print(dbutils.widgets.get('d'))").stdout == "y\n"
        # A default nobody changed is still a default.
        own("dbutils.widgets.text('t', 'new')")
        assert own("print(dbutils.widgets.get('t'))").stdout == "new\n"
    finally:
        own.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_while_the_order_to_restart_is_sent_does_not_end_the_wait(monkeypatch: Any) -> None:
    class Line:
        def on_msg(self, callback: Any) -> None: ...

        def on_close(self, callback: Any) -> None: ...

        def send(self, data: dict[str, Any]) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("comm.create_comm", lambda **given: Line())
    bar = Bar(expected=True)
    bar.open()
    looks = iter([False, False])
    assert bar.restart("code", lambda: next(looks, True))


def test_a_widget_can_be_found_by_its_name_in_css() -> None:
    assert css_name("4. Start Date") == "4--Start-Date"
