"""Reference section 2: dbutils.notebook, a test a row (those that need a running kernel are in tests/dbutils)."""

from __future__ import annotations

import contextlib
import json
import socket
from importlib import import_module

import pytest

from dbutils_local.dbutils.children import checked_arguments
from dbutils_local.dbutils.exits import NotebookExit
from dbutils_local.kernels.outbox import Exit, read


def context(dbutils):
    return dbutils.notebook.entry_point.getDbutils().notebook().getContext()


# 2.1 run: what is asked


def test_2_1_arguments_may_be_left_out_but_not_the_timeout(dbutils):
    with pytest.raises(TypeError, match="timeout_seconds"):
        dbutils.notebook.run("x")


@pytest.mark.parametrize("value", [1, True, 1.5, [1], {"a": 1}, None])
def test_2_1_an_argument_that_is_no_string_is_a_cast_error(value):
    with pytest.raises(Exception, match=r"java\.lang\.ClassCastException.*cannot be cast to class java\.lang\.String"):
        checked_arguments({"a": value})


def test_2_1_only_ascii_in_the_arguments():
    with pytest.raises(Exception, match="other than ASCII"):
        checked_arguments({"a": "é"})


# 2.2 Failure of the callee


def test_2_2_a_missing_notebook(dbutils):
    with pytest.raises(Exception, match="Unable to access the notebook") as caught:
        dbutils.notebook.run("./missing", 0)
    text = str(caught.value)
    assert (
        'Unable to access the notebook "./missing". Either it does not exist, or the identity used to run this job, '
        "local@localhost, lacks the required permissions." in text
    )
    assert "com.databricks.WorkflowException: com.databricks.NotebookExecutionException: FAILED" in text
    assert "Notebook not found: " in text
    assert type(caught.value).__name__ == "Py4JJavaError"


def test_2_2_a_plain_file_is_no_notebook(dbutils, tmp_path):
    (tmp_path / "plain.py").write_text("x = 1\n")
    with pytest.raises(Exception, match=r"com\.databricks\.WorkflowException"):
        dbutils.notebook.run(str(tmp_path / "plain"), 0)


# 2.4 exit


def test_2_4_exit_raises_an_ordinary_exception_named_notebook_exit(dbutils):
    with pytest.raises(Exception, match="done") as caught:
        dbutils.notebook.exit("done")
    assert type(caught.value).__name__ == "NotebookExit"
    assert isinstance(caught.value, NotebookExit)


def test_2_4_exit_tells_the_driver(dbutils):
    with pytest.raises(NotebookExit):
        dbutils.notebook.exit("done")
    assert list(read(dbutils._session.birth.outbox)) == [Exit("done")]


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (None, "None"), (True, "True"), ({"a": 1}, '{"a": 1}'), ([1, 2], "[1, 2]")]
)
def test_2_4_what_arrives_is_text(dbutils, value, text):
    with pytest.raises(NotebookExit) as caught:
        dbutils.notebook.exit(value)
    assert caught.value.value == text


@pytest.mark.parametrize("arguments", [(), ("a", "b")])
def test_2_4_exit_takes_exactly_one_argument(dbutils, arguments):
    with pytest.raises(TypeError):
        dbutils.notebook.exit(*arguments)


def test_2_4_a_swallowed_exit_is_told_once(dbutils):
    with contextlib.suppress(Exception):
        dbutils.notebook.exit("lost")
    line = dbutils._session.exits.settle(None)
    assert "dbutils.notebook.exit('lost') was caught" in line
    assert "\n" not in line
    assert dbutils._session.exits.settle(None) is None


def test_2_4_an_exit_that_ends_the_cell_is_not_told(dbutils):
    with pytest.raises(NotebookExit) as caught:
        dbutils.notebook.exit("done")
    assert dbutils._session.exits.settle(caught.value) is None


def test_2_4_an_exit_inside_an_exception_group_is_not_swallowed(dbutils):
    with pytest.raises(NotebookExit) as caught:
        dbutils.notebook.exit("done")
    assert dbutils._session.exits.settle(ExceptionGroup("tasks", [caught.value])) is None


def test_2_4_there_is_no_public_exception_class(dbutils):
    assert not hasattr(dbutils, "NotebookExit")
    assert not hasattr(dbutils.notebook, "NotebookExit")


# 2.5 Context


def test_2_5_all_entry_points_lead_to_one_context(dbutils):
    assert context(dbutils) is dbutils.entry_point.getDbutils().notebook().getContext() is dbutils.notebook.getContext()


def test_2_5_options(dbutils):
    run = context(dbutils).currentRunId()
    assert (run.isDefined(), run.getOrElse(None), run.isEmpty()) == (False, None, True)
    with pytest.raises(Exception, match=r"NoSuchElementException: None\.get"):
        run.get()


def test_2_5_notebook_path(dbutils):
    assert context(dbutils).notebookPath().get() == "/Users/me/project/notebook"


def test_2_5_that_nothing_answers_at_the_api_url_is_said_once(make, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(import_module("dbutils_local.dbutils.context"), "LOCAL_URL", url)
        answered = context(make())
        assert answered.apiUrl().get().startswith("http://127.0.0.1:")
    assert capsys.readouterr().err == ""
    alone = context(make())
    assert alone.apiUrl().get() == alone.apiUrl().get()
    assert capsys.readouterr().err.count("need `dbutils-local serve` running") == 1
    context(make(environ={"DATABRICKS_HOST": "https://x.example/"})).apiUrl()
    make().entry_point.repl_context.apiUrl  # noqa: B018
    assert capsys.readouterr().err == ""


def test_2_5_api_url_and_token(make):
    assert context(make()).apiUrl().get().startswith("http://127.0.0.1:")
    assert context(make()).apiToken().get()
    named = make(environ={"DATABRICKS_HOST": "https://x.example/", "DATABRICKS_TOKEN": "dapi-1234567"})
    assert context(named).apiUrl().get() == "https://x.example"
    assert context(named).apiToken().get() == "dapi-1234567"
    assert named._session.redactor.redact("dapi-1234567") == "[REDACTED]"


def test_2_5_current_run_id_says_whether_this_is_a_job(dbutils, in_job):
    assert not context(dbutils).currentRunId().isDefined()
    assert context(in_job).currentRunId().get() == 33
    assert context(in_job).currentRunId().get().id() == 33


@pytest.mark.parametrize(
    ("accessor", "by_hand", "in_a_job"),
    [
        ("userName", "local@localhost", "local@localhost"),
        ("browserHostName", "localhost", "localhost"),
        ("workspaceId", "0", "0"),
        ("clusterId", "local", "local"),
        ("jobId", None, "11"),
        ("idInJob", None, "33"),
        ("jobTaskType", None, "notebook"),
        ("rootRunId", None, 33),
        ("commandRunId", None, "33"),
    ],
)
def test_2_5_accessor(dbutils, in_job, accessor, by_hand, in_a_job):
    assert getattr(context(dbutils), accessor)().getOrElse(None) == by_hand
    assert getattr(context(in_job), accessor)().getOrElse(None) == in_a_job


def test_2_5_job_group_and_acl_path(dbutils, in_job):
    assert context(in_job).jobGroup().get() == in_job.entry_point.getJobGroupId()
    assert context(in_job).aclPathOfAclRoot().get() == "/jobs/11"
    assert in_job.entry_point.getReplId()


def test_2_5_tags(dbutils, in_job):
    tags = context(in_job).tags()
    assert tags.apply("user") == "local@localhost"
    assert tags.get("jobId").get() == "11"
    assert tags.get("orgId").getOrElse(None) == "0"
    assert context(dbutils).tags().get("jobId").isDefined() is False
    with pytest.raises(Exception, match="key not found: nope"):
        tags.apply("nope")


def test_2_5_extra_context(dbutils):
    extra = context(dbutils).extraContext()
    assert extra.apply("api_url") == context(dbutils).apiUrl().get()
    assert extra.get("notebook_path").get() == "/Users/me/project/notebook"
    assert extra.apply("api_token") == "[REDACTED]"


def test_2_5_to_json(dbutils, in_job):
    by_hand, in_a_job = (json.loads(context(one).toJson()) for one in (dbutils, in_job))
    keys = {"rootRunId", "currentRunId", "jobGroup", "tags", "extraContext", "credentialKeys"}
    assert set(by_hand) == set(in_a_job) == keys
    assert by_hand["currentRunId"] is None
    assert in_a_job["currentRunId"] == {"id": 33}
    assert in_a_job["credentialKeys"] == []


TAGS_BY_HAND = {
    "orgId", "clusterId", "user", "userId", "hostName", "browserHostName", "browserHash", "notebookId", "sparkVersion",
}  # fmt: skip
TAGS_IN_A_JOB = {
    "jobId", "jobName", "jobClusterKey", "multitaskParentRunId", "taskKey", "runId", "idInJob", "jobRunAttempt",
    "jobRunOriginalAttempt", "jobOwnerId", "taskDependencies", "jobTriggerTime", "jobTriggerType", "jobTriggerSource",
    "jobType", "jobTimeoutSec", "maxConcurrentRuns", "jobTaskType", "isGitRun",
}  # fmt: skip


def test_2_5_tags_by_hand(dbutils):
    tags = json.loads(context(dbutils).toJson())["tags"]
    assert set(tags) >= TAGS_BY_HAND
    assert not set(tags) & TAGS_IN_A_JOB


def test_2_5_the_runtimes_version_can_be_taken_apart_as_code_does(dbutils):
    version = json.loads(context(dbutils).toJson())["tags"]["sparkVersion"]
    assert [int(part) for part in version.split(".")[:2]] >= [17, 0]


def test_2_5_tags_in_a_job(in_job):
    tags = json.loads(context(in_job).toJson())["tags"]
    assert set(tags) >= TAGS_BY_HAND | TAGS_IN_A_JOB
    assert (tags["multitaskParentRunId"], tags["runId"], tags["taskKey"]) == ("22", "33", "load")
    assert (tags["taskDependencies"], tags["jobType"]) == ("[]", "NORMAL")


def test_2_5_safe_to_json(in_job):
    attributes = json.loads(context(in_job).safeToJson())["attributes"]
    assert set(attributes) == {
        "notebook_path", "notebook_id", "multitaskParentRunId", "orgId", "jobType", "clusterId", "idInJob", "api_url",
        "jobId", "aclPathOfAclRoot", "api_token", "jobTaskType", "jobGroup", "user", "currentRunId", "rootRunId",
        "browserHostName",
    }  # fmt: skip
    assert attributes["api_token"] == "[REDACTED]"
    assert attributes["aclPathOfAclRoot"] == "/jobs/11"


def test_2_5_get_context(in_job):
    found = in_job.entry_point.repl_context
    assert (found.isInJob, found.isInNotebook, found.isInCluster) == (True, True, False)
    assert (found.jobId, found.notebookPath, found.jobTaskType) == ("11", "/Users/me/project/notebook", "notebook")
    assert found.user == found.userName


def test_2_5_an_unknown_accessor_is_refused_by_name(dbutils):
    assert not hasattr(context(dbutils), "fooBar")
    with pytest.raises(AttributeError, match="no fooBar\\(\\) on this machine"):
        context(dbutils).fooBar()


def test_2_5_the_type_is_named_as_at_run_time(dbutils):
    assert f"{type(dbutils).__module__}.{type(dbutils).__qualname__}" == "dbruntime.dbutils.DBUtils"


def test_2_5_current_bindings(make):
    assert make(parameters={"a": "1"}).notebook.entry_point.getCurrentBindings() == {"a": "1"}
