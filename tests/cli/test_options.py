"""How texts on the command line become values, and errors become one sentence and an exit code."""

from __future__ import annotations

import errno
import os
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dbutils_local import cli
from dbutils_local.cli.options import listed, pairs, task_values
from dbutils_local.cli.runs import _since
from dbutils_local.errors import HomeUnusable, UserError


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli.main, words)


def test_pairs_keep_everything_behind_the_first_equals_sign() -> None:
    assert pairs(["a=1", "b=x=y", "c="], "-p") == {"a": "1", "b": "x=y", "c": ""}


def test_the_last_value_of_a_name_counts() -> None:
    assert pairs(["a=1", "a=2"], "-p") == {"a": "2"}


def test_a_value_can_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("long\nvalue\n")
    assert pairs([f"a=@{tmp_path}/v.txt"], "-p") == {"a": "long\nvalue\n"}


@pytest.mark.parametrize("text", ["a", "=1", ""])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="expected NAME=VALUE"):
        pairs([text], "-p")


def test_task_values_are_json() -> None:
    given = ["a.rows=3", 'a.names=["x"]', 'b.word="w"', "b.deep.key=1"]
    assert task_values(given) == {"a": {"rows": 3, "names": ["x"]}, "b": {"word": "w", "deep.key": 1}}


@pytest.mark.parametrize("text", ["a=1", "a.=1", ".b", "a.b"])
def test_what_is_no_task_value_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"expected TASK\.KEY=JSON"):
        task_values([text])


def test_a_bare_word_is_no_json_and_told_how_to_be() -> None:
    with pytest.raises(UserError, match="a text needs its quotes"):
        task_values(["a.b=word"])


def test_lists_by_commas_and_by_repetition() -> None:
    assert listed(["a,+b", " c+ ", ""]) == ("a", "+b", "c+")


def test_since_takes_times_and_ages() -> None:
    at = datetime(2026, 11, 22, 10, 0).astimezone().timestamp() * 1000
    assert _since("2026-11-22T10:00") == at
    assert abs(_since("2h") - (datetime.now().timestamp() - 7200) * 1000) < 60_000
    with pytest.raises(UserError, match="--since yesterday"):
        _since("yesterday")


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UserError("two\nlines"), 2, "error: two\nerror: lines\n"),
        (HomeUnusable("no home"), 1, "error: no home\n"),
        (OSError(errno.EACCES, os.strerror(errno.EACCES), "/x"), 1, "error: /x: Permission denied\n"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 1, "error: the disk is full: "),
    ],
)
def test_errors_are_sentences_with_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, said: str
) -> None:
    def breaks(*_: object) -> None:
        raise error

    monkeypatch.setattr("dbutils_local.cli.runs._open", breaks)
    told = invoke("runs", "list")
    assert told.exit_code == code
    assert told.stderr.startswith(said)
    assert told.stdout == ""


def test_the_verbs_are_those_that_are_promised() -> None:
    told = invoke("--help").stdout
    verbs = ("run", "validate", "runs", "jobs", "serve", "convert", "secrets", "fs", "doctor", "install-startup")
    assert all(f"\n  {verb} " in told for verb in verbs)
    assert "drive" not in told


def test_help_imports_no_verb() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from dbutils_local.cli import main; main(['--version'], standalone_mode=False);"
        "print(*(name for name in ('pydantic', 'nbformat', 'sqlite3', 'rich') if name in sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["dbutils-local, version 0.1.0", ""]
