"""Where a process stands: from its birth file, or from the folder a person works in."""

from __future__ import annotations

import pickle

import pytest

from dbutils_local.dbutils.java import InputWidgetNotDefined, WorkflowException
from dbutils_local.dbutils.session import Session, by_hand
from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.outbox import Notice, read


def environ(tmp_path, **more):
    return {"HOME": str(tmp_path), "DBUTILS_LOCAL_HOME": str(tmp_path / "home"), **more}


def test_by_hand_the_workspace_is_the_git_top_level(tmp_path):
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "sub").mkdir()
    birth = by_hand(environ(tmp_path), tmp_path / "repo" / "sub")
    assert birth.workspace_root == tmp_path / "repo"
    assert birth.notebook_path == "/sub/Untitled"


def test_by_hand_the_workspace_can_be_named(tmp_path):
    birth = by_hand(environ(tmp_path, DBUTILS_LOCAL_WORKSPACE=str(tmp_path)), tmp_path / "x" / "y")
    assert birth.workspace_root == tmp_path


def test_by_hand_jupyterlab_names_the_notebook(tmp_path):
    (tmp_path / "analysis.ipynb").write_text("{}")
    birth = by_hand(environ(tmp_path, JPY_SESSION_NAME=f"{tmp_path}/analysis.ipynb"), tmp_path)
    assert birth.notebook_file == tmp_path / "analysis.ipynb"
    assert birth.notebook_path == "/analysis"


def test_a_birth_file_is_read(tmp_path):
    birth = Birth(tmp_path / "home", tmp_path, "/n", parameters={"p": "v"})
    session = Session.of_this_process(environ(tmp_path, **birth.write(tmp_path / "birth.json")))
    assert session.widgets.find("p") == "v"


def test_a_notice_is_shown_kept_and_redacted(tmp_path, capsys):
    session = Session(Birth(tmp_path, tmp_path, "/n", outbox=tmp_path / "outbox"), environ(tmp_path))
    session.redactor.learn("hunter2")
    session.notice("it is hunter2")
    assert capsys.readouterr().err == "dbutils: it is [REDACTED]\n"
    assert list(read(tmp_path / "outbox")) == [Notice("it is [REDACTED]")]


@pytest.mark.parametrize("kind", [InputWidgetNotDefined, WorkflowException])
def test_errors_can_be_pickled_for_process_pools(kind):
    error = pickle.loads(pickle.dumps(kind("get", "message", "detail")))
    assert isinstance(error, kind)
    assert str(error).endswith(f"{kind.java_class}: message\ndetail")


def test_help_takes_commands_in_any_case(capsys):
    from dbutils_local.dbutils.manual import of_command

    assert of_command("widgets", "removeall") == of_command("widgets", "removeAll")
