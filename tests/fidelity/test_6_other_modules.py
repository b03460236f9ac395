"""Reference section 6: secrets, credentials, data, library and help, a test a row."""

from __future__ import annotations

import contextlib

import pytest

from dbutils_local.dbutils.library import RestartPython
from dbutils_local.secrets import FileStore


@pytest.fixture
def with_secrets(make, tmp_path):
    store = FileStore(tmp_path / "home" / "secrets.toml")
    store.create_scope("prod")
    store.write("prod", "db-pass", "hünter2!".encode())
    store.write("prod", "raw", b"\xff\x00")
    return make()


# 6.1 secrets


def test_6_1_get(with_secrets):
    assert with_secrets.secrets.get(scope="prod", key="db-pass") == "hünter2!"


def test_6_1_get_bytes(with_secrets):
    assert with_secrets.secrets.getBytes("prod", "raw") == b"\xff\x00"


def test_6_1_list(with_secrets):
    assert repr(with_secrets.secrets.list("prod")) == "[SecretMetadata(key='db-pass'), SecretMetadata(key='raw')]"


def test_6_1_list_scopes(with_secrets):
    (scope,) = with_secrets.secrets.listScopes()
    assert repr(scope) == "SecretScope(name='prod')"
    assert scope.getName() == scope.name == "prod"


@pytest.mark.parametrize(("scope", "key"), [("prod", "nope"), ("nope", "db-pass")])
def test_6_1_a_missing_secret(with_secrets, scope, key):
    from py4j.protocol import Py4JJavaError

    with pytest.raises(Py4JJavaError) as caught:
        with_secrets.secrets.get(scope, key)
    text = f"java.lang.IllegalArgumentException: Secret does not exist with scope: {scope} and key: {key}"
    assert text in str(caught.value)


def test_6_1_a_fetched_value_is_redacted(with_secrets):
    redact = with_secrets._session.redactor.redact
    assert redact("it is hünter2!") == "it is hünter2!"
    with_secrets.secrets.get("prod", "db-pass")
    assert redact("it is hünter2!") == "it is [REDACTED]"


def test_6_1_transformed_values_pass(with_secrets):
    value = with_secrets.secrets.get("prod", "db-pass")
    for text in (value[::-1], " ".join(value)):
        assert with_secrets._session.redactor.redact(text) == text


def test_6_1_exit_values_and_task_values_are_redacted(with_secrets, job, make):
    dbutils = make(job=job)
    value = dbutils.secrets.get("prod", "db-pass")
    dbutils.jobs.taskValues.set("k", {"password": value})
    with pytest.raises(Exception, match="hünter2!"):
        dbutils.notebook.exit(value)
    written = dbutils._session.birth.outbox.read_text("utf-8")
    assert "nter2" not in written
    assert written.count("[REDACTED]") == 2


def test_6_1_the_environment_goes_first(make):
    dbutils = make(environ={"DBUTILS_LOCAL_SECRET__PROD__DB_PASS": "from CI"})
    assert dbutils.secrets.get("prod", "db-pass") == "from CI"
    assert [scope.name for scope in dbutils.secrets.listScopes()] == ["prod"]
    assert [secret.key for secret in dbutils.secrets.list("prod")] == ["db_pass"]


def test_6_1_listing_an_unknown_scope(with_secrets):
    with pytest.raises(Exception, match="Scope nope does not exist"):
        with_secrets.secrets.list("nope")


# 6.2 credentials


def test_6_2_there_are_no_roles(dbutils):
    assert dbutils.credentials.showRoles() == dbutils.credentials.showCurrentRole() == []


@pytest.mark.parametrize(
    ("call", "arguments"),
    [("assumeRole", ("r",)), ("getCurrentCredentials", ()), ("getServiceCredentialsProvider", ("c",))],
)
def test_6_2_what_hands_out_credentials_is_refused(dbutils, call, arguments):
    with pytest.raises(Exception, match=f"dbutils.credentials.{call}"):
        getattr(dbutils.credentials, call)(*arguments)


# 6.3 data


def test_6_3_summarize_pandas(dbutils, capsys):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": [1.0, 2.0, None, 4.0], "s": ["a", "a", "b", None], "l": [[1], [2], [3], [4]]})
    assert dbutils.data.summarize(frame, precise=True) is None
    out = capsys.readouterr().out
    assert "4 rows, 3 columns" in out
    assert "n (float64): 3 values, 1 missing, 3 distinct, mean 2.33333" in out
    assert "'a' x2" in out


def test_6_3_summarize_duckdb(dbutils, capsys):
    duckdb = pytest.importorskip("duckdb")
    dbutils.data.summarize(duckdb.sql("select range as n, 'v' || (range % 3) as s from range(100)"))
    out = capsys.readouterr().out
    assert "n (int64): 100 values, 0 missing, 100 distinct, mean 49.5" in out
    assert "'v0' x34" in out


def test_6_3_streaming_frames_are_refused(dbutils):
    class Streaming:
        isStreaming = True

    with pytest.raises(Exception, match="streaming data frames are not supported"):
        dbutils.data.summarize(Streaming())


def test_6_3_what_is_no_frame_is_refused(dbutils):
    with pytest.raises(Exception, match="takes a data frame"):
        dbutils.data.summarize([1, 2])


# 6.4 library


def test_6_4_restart_python(dbutils):
    with pytest.raises(RestartPython) as caught:
        dbutils.library.restartPython()
    assert type(caught.value).__name__ == "RestartPython"


def test_6_4_no_except_clause_holds_a_restart_back(dbutils):
    def careful():
        with contextlib.suppress(Exception):
            dbutils.library.restartPython()

    with pytest.raises(RestartPython):
        careful()


def test_6_4_widgets_and_parameters_survive(make):
    before = make(parameters={"p": "passed"})
    before.widgets.dropdown("w", "a", ["a", "b"], "Label")
    before._session.widgets.assign("w", "b")
    with pytest.raises(RestartPython):
        before.library.restartPython()
    after = make(parameters={"p": "passed"})
    assert after.widgets.getAll() == {"w": "b", "p": "passed"}
    assert after._session.widgets.defined() == before._session.widgets.defined()
    assert make().widgets.getAll() == {}


@pytest.mark.parametrize(
    ("call", "arguments", "instead"),
    [
        ("install", ("dbfs:/x.whl",), "%pip install dbfs:/x.whl"),
        ("installPyPI", ("pandas", "1.0"), "%pip install pandas==1.0"),
        ("list", (), "%pip list"),
        ("updateCondaEnv", ("",), "%pip install"),
    ],
)
def test_6_4_the_removed_calls_are_refused_with_what_to_write(dbutils, call, arguments, instead):
    with pytest.raises(Exception, match="was removed in Databricks Runtime 11") as caught:
        getattr(dbutils.library, call)(*arguments)
    assert instead in str(caught.value)


# 6.5 others


@pytest.mark.parametrize("module", ["meta", "preview", "api"])
def test_6_5_is_refused_by_name(dbutils, module, capsys):
    member = getattr(dbutils, module)
    assert not hasattr(member, "anything")
    with pytest.raises(AttributeError, match=f"dbutils.{module}.define is not available on this machine"):
        member.define()
    member.help()
    assert "not available on this machine" in capsys.readouterr().out


# 6.6 help


CLASSES = {
    "credentials": "DatabricksCredentialUtils",
    "data": "DataUtils",
    "fs": "DbfsUtils",
    "jobs": "JobsUtils",
    "library": "LibraryUtils",
    "meta": "MetaUtils",
    "notebook": "NotebookUtils",
    "preview": "Preview",
    "secrets": "SecretUtils",
    "widgets": "WidgetsUtils",
}


def test_6_6_help_lists_the_modules_in_order(dbutils, capsys):
    assert dbutils.help() is None
    first, blank, *rest = capsys.readouterr().out.splitlines()
    assert first.endswith(".")
    assert blank == ""
    assert [line.split(" -> ")[0] for line in rest] == [f"{name}: {kind}" for name, kind in CLASSES.items()]


@pytest.mark.parametrize("module", sorted(set(CLASSES) - {"meta", "preview"}))
def test_6_6_module_help_has_a_line_a_command(dbutils, capsys, module):
    assert getattr(dbutils, module).help() is None
    sentence, blank, *lines = capsys.readouterr().out.splitlines()
    assert sentence.endswith(".")
    assert blank == ""
    assert any(" -> " in line for line in lines)


def test_6_6_fs_help_is_grouped(dbutils, capsys):
    dbutils.fs.help()
    lines = capsys.readouterr().out.splitlines()
    assert lines.index("fsutils") < lines.index("mount")


SIGNATURES = [
    ("widgets", "text", "text(name: String, defaultValue: String, label: String): void"),
    ("widgets", "dropdown", "dropdown(name: String, defaultValue: String, choices: Seq, label: String): void"),
    ("widgets", "combobox", "combobox(name: String, defaultValue: String, choices: Seq, label: String): void"),
    ("widgets", "multiselect", "multiselect(name: String, defaultValue: String, choices: Seq, label: String): void"),
    ("widgets", "get", "get(name: String): String"),
    ("widgets", "getAll", "getAll: map"),
    ("widgets", "getArgument", "getArgument(name: String, optional: String): String"),
    ("widgets", "remove", "remove(name: String): void"),
    ("widgets", "removeAll", "removeAll: void"),
    ("notebook", "exit", "exit(value: String): void"),
    ("notebook", "run", "run(path: String, timeoutSeconds: int, arguments: Map): String"),
]


@pytest.mark.parametrize(("module", "command", "signature"), SIGNATURES)
def test_6_6_command_help_shows_the_signature(dbutils, capsys, module, command, signature):
    assert getattr(dbutils, module).help(command) is None
    assert capsys.readouterr().out.splitlines()[-1] == signature


def test_6_6_task_values_help(dbutils, capsys):
    dbutils.jobs.taskValues.help("set")
    dbutils.jobs.taskValues.help("get")
    out = capsys.readouterr().out
    assert "set(key: String, value: String): boolean" in out
    assert "get(taskKey: String, key: String, default: int, debugValue: int): Seq" in out


def test_6_6_an_unknown_command_is_an_error(dbutils):
    with pytest.raises(ValueError, match=r"dbutils\.widgets has no command 'nope'; it has: "):
        dbutils.widgets.help("nope")
