"""The words of the command line: what they take, what they refuse in one sentence, and their help."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from dbutils_local.cli import main
from dbutils_local.cli.options import pairs


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DBUTILS_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def refused(*words: str) -> str:
    """The sentence of a command that did nothing."""
    result = said(*words)
    assert result.exit_code == 2, result
    assert isinstance(result.exception, SystemExit)
    return result.stderr


def verbs(command: click.Command, ctx: click.Context, *words: str) -> Iterator[tuple[str, ...]]:
    """Every verb with no verbs below it."""
    if not isinstance(command, click.Group):
        yield words
        return
    for name in command.list_commands(ctx):
        found = command.get_command(ctx, name)
        assert found is not None
        yield from verbs(found, ctx, *words, name)


EVERY_VERB = list(verbs(main, click.Context(main)))


@pytest.mark.parametrize("words", EVERY_VERB, ids=" ".join)
def test_each_verb_has_help_with_an_example_of_itself(words: tuple[str, ...]) -> None:
    told = said(*words, "--help")
    assert told.exit_code == 0
    assert f"Example:\n    dbutils-local {' '.join(words)}" in told.stdout


def test_a_parameter_from_a_file_that_is_no_text(home: Path) -> None:
    (home / "raw").write_bytes(b"ab\xff")
    (home / "nb.py").write_text("# Databricks notebook source\n")
    assert refused("run", "nb.py", "-p", "x=@raw") == "error: -p x=@raw: raw is not UTF-8 text (byte 2)\n"
    assert refused("run", "nb.py", "-p", "x=@") == "error: -p x=@: no file is named after the @\n"


def test_a_bundle_variable_is_taken_as_it_stands() -> None:
    assert pairs(["who=@me"], "--var") == {"who": "@me"}


@pytest.mark.parametrize("option", ["--only", "--stub"])
def test_an_option_for_tasks_that_names_none_is_refused_instead_of_meaning_all(home: Path, option: str) -> None:
    (home / "nb.py").write_text("# Databricks notebook source\n")
    assert "names no task" in refused("run", "nb.py", option, "")
    assert not (home / "home").exists()


def test_an_empty_list_of_tasks_to_repair_is_refused(home: Path) -> None:
    assert refused("runs", "repair", "1", "--tasks", ",")


@pytest.mark.parametrize("since", ["99999999999d", "yesterday", "0001-01-01"])
def test_a_time_that_is_none(home: Path, since: str) -> None:
    assert f"--since {since}: expected a time" in refused("runs", "list", "--since", since)


def test_a_state_that_is_none_is_not_an_empty_list(home: Path) -> None:
    assert "--state BOGUS: expected one of QUEUED" in refused("runs", "list", "--state", "BOGUS")


@pytest.mark.parametrize("words", [("runs", "logs"), ("runs", "show"), ("jobs", "get")], ids=" ".join)
def test_an_id_that_no_run_can_have(home: Path, words: tuple[str, ...]) -> None:
    assert "is not in the range" in refused(*words, "9" * 30)


def test_a_missing_spec_is_named_once(home: Path) -> None:
    assert refused("validate", "nowhere.yml").splitlines()[0] == "error: nowhere.yml: no such file or folder"


def test_a_stored_job_reads_as_json_and_as_a_job_file(home: Path) -> None:
    (home / "job.yml").write_text(
        "name: j\ntasks: [{task_key: c, condition_task: {op: EQUAL_TO, left: a, right: a}}]\n"
    )
    job_id = said("jobs", "create", "job.yml").stdout.strip()
    assert said("jobs", "get", job_id).stdout == said("jobs", "get", job_id, "-o", "json").stdout
    (home / "again.yml").write_text(said("jobs", "get", job_id, "-o", "text").stdout)
    assert said("run", "again.yml").exit_code == 0


def test_several_files_at_once(home: Path) -> None:
    assert said("fs", "mkdirs", "dbfs:/a", "dbfs:/b").exit_code == 0
    (home / "x").write_text("1")
    for place in ("dbfs:/a/x", "dbfs:/b/x"):
        assert said("fs", "cp", f"file:{home / 'x'}", place).exit_code == 0
    assert said("fs", "cat", "dbfs:/a/x", "dbfs:/b/x").stdout == "11"
    assert said("fs", "ls", "dbfs:/a", "dbfs:/b").stdout.count("/x") == 2
    assert said("fs", "rm", "dbfs:/a/x", "dbfs:/b/x").exit_code == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_CONCURRENCY", "-1"), ("RETENTION_DAYS", "-1"), ("SMTP_PORT", "99999"), ("SMTP_SECURITY", "tls")],
)
def test_a_setting_that_cannot_be(home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"DBUTILS_LOCAL_{name}", value)
    assert f"DBUTILS_LOCAL_{name}: {name.lower()} cannot be '{value}'" in refused("runs", "list")


@pytest.mark.parametrize("line", ["max_concurrency = [1]", "user = [1]", "workspace = 3"])
def test_a_setting_of_the_wrong_shape_in_the_file(home: Path, line: str) -> None:
    (home / "home").mkdir()
    (home / "home" / "config.toml").write_text(line)
    assert f"config.toml: {line.split()[0]} cannot be" in refused("runs", "list")


def test_a_folder_that_is_gone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "gone").mkdir()
    monkeypatch.chdir(home / "gone")
    (home / "gone").rmdir()
    assert refused("runs", "list") == "error: the current folder is no longer there: change to one that is\n"


def test_a_notebook_that_cannot_be_written(home: Path) -> None:
    (home / "nb.py").write_text("# Databricks notebook source\n")
    assert refused("convert", "nb.py", "nb.py/x.ipynb") == "error: cannot write nb.py/x.ipynb: Not a directory\n"


def test_a_task_value_of_no_task(home: Path) -> None:
    (home / "nb.py").write_text("# Databricks notebook source\n")
    assert refused("run", "nb.py", "--task-value", "a.b=1") == 'error: task "a" not found in job "nb.py"\n'


def test_from_and_only_exclude_each_other(home: Path) -> None:
    (home / "nb.py").write_text("# Databricks notebook source\n")
    assert "--from and --only exclude each other" in refused("run", "nb.py", "--from", "nb", "--only", "nb")


def test_a_parameter_given_for_a_run_that_nothing_reads_is_told(home: Path) -> None:
    (home / "job.yml").write_text(
        "tasks: [{task_key: c, condition_task: {op: EQUAL_TO, left: '{{job.parameters.day}}', right: a}}]\n"
    )
    told = said("run", "job.yml", "-p", "dya=1", "-p", "day=2").stderr
    assert "parameter 'dya', given for this run, is read by no task" in told
    assert "'day', given" not in told
