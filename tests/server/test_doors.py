from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_ext.server.app import DOORS
from tests.server.conftest import start

NOTEBOOK_TASK = {"task_key": "a", "notebook_task": {"notebook_path": "work"}}


class Answer:
    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def ask(served: Any, method: str, path: str, body: Any = None, token: str | None = "", **headers: str) -> Answer:
    """One request; `token` "" is the right one, None sends none."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(served.url + path, data, method=method, headers=headers)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token or served.token}")
    try:
        with OPENER.open(request, timeout=30) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


@pytest.mark.parametrize("token", [None, "wrong"])
@pytest.mark.parametrize(("method", "path"), sorted(DOORS.table))
def test_every_door_is_closed_to_strangers(served: Any, method: str, path: str, token: str | None) -> None:
    answer = ask(served, method, f"/api/2.2/{path.replace('{id}', '1')}", {} if method != "GET" else None, token)
    assert answer.status == 401
    assert answer.json["error_code"] == "UNAUTHENTICATED"
    assert "Bearer" in answer.headers["WWW-Authenticate"]


def test_pages_send_strangers_to_the_login_and_refuse_their_forms(served: Any) -> None:
    for path in (
        "/dbutils-local/",
        "/dbutils-local/runs/1",
        "/dbutils-local/jobs",
        "/dbutils-local/runs/1/tasks/a/notebook",
    ):
        answer = ask(served, "GET", path, token=None)
        assert answer.status == 302
        assert "/login" in answer.headers["Location"]
    assert ask(served, "POST", "/dbutils-local/runs/1/cancel", b"", None).status in (401, 403)


def test_a_cookie_without_its_xsrf_token_changes_nothing(served: Any) -> None:
    answer = ask(served, "GET", f"/dbutils-local/?token={served.token}", token=None)
    cookies = "; ".join(cookie.split(";")[0] for cookie in answer.headers.get_all("Set-Cookie"))
    assert ask(served, "GET", "/api/2.2/jobs/list", token=None, Cookie=cookies).status in (200, 403)
    refused = ask(served, "POST", "/api/2.2/jobs/create", {"tasks": [NOTEBOOK_TASK]}, None, Cookie=cookies)
    assert refused.status == 403
    assert refused.json["error_code"] == "PERMISSION_DENIED"
    assert ask(served, "POST", "/dbutils-local/jobs/1/run-now", b"", None, Cookie=cookies).status == 403


def test_a_foreign_origin_with_the_token_is_served(served: Any) -> None:
    assert ask(served, "GET", "/api/2.2/jobs/list", Origin="https://elsewhere.example").status == 200


def test_the_configuration_is_told_to_everyone_at_once(served: Any) -> None:
    answer = ask(served, "GET", "/.well-known/databricks-config", token=None)
    assert (answer.status, answer.json["oidc_endpoint"]) == (200, "")


def test_what_is_not_served_says_so_by_name(served: Any) -> None:
    answer = ask(served, "GET", "/api/2.0/clusters/list")
    assert (answer.status, answer.json["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert "/api/2.0/clusters/list" in answer.json["message"]
    answer = ask(served, "POST", "/api/2.2/jobs/create", {"tasks": [NOTEBOOK_TASK], "colour": "red"})
    assert (answer.status, answer.json["error_code"]) == (501, "NOT_IMPLEMENTED")
    assert "colour" in answer.json["message"]
    assert ask(served, "GET", "/api/2.2/jobs/create").status == 405


def test_missing_things_have_the_messages_that_clients_match(served: Any) -> None:
    for path, message in (
        ("jobs/get?job_id=77777", "Job 77777 does not exist."),
        ("jobs/runs/get?run_id=77777", "Run 77777 does not exist."),
    ):
        answer = ask(served, "GET", f"/api/2.2/{path}")
        assert (answer.status, answer.json["error_code"], answer.json["message"]) == (
            404,
            "RESOURCE_DOES_NOT_EXIST",
            message,
        )
    for run_id in (2**52 + 5 * 65536 + 1, 2**53 - 1, 2**62):
        assert ask(served, "GET", f"/api/2.2/jobs/runs/get?run_id={run_id}").status == 404


def test_a_job_lives_its_life_over_http(served: Any) -> None:
    body = {"name": "life", "tasks": [NOTEBOOK_TASK], "timeout_seconds": "60", "tags": {"team": "x"}}
    job_id = ask(served, "POST", "/api/2.2/jobs/create", body).json["job_id"]
    got = ask(served, "GET", f"/api/2.2/jobs/get?job_id={job_id}").json
    assert (got["settings"]["timeout_seconds"], got["settings"]["queue"]) == (60, {"enabled": True})
    assert (
        ask(
            served,
            "POST",
            "/api/2.2/jobs/update",
            {"job_id": str(job_id), "new_settings": {"name": "new"}, "fields_to_remove": ["tags"]},
        ).json
        == {}
    )
    got = ask(served, "GET", f"/api/2.1/jobs/get?job_id={job_id}").json
    assert (got["settings"]["name"], "tags" in got["settings"], "next_page_token" in got) == ("new", False, False)
    assert [job["job_id"] for job in ask(served, "GET", "/api/2.2/jobs/list?name=NEW").json["jobs"]] == [job_id]
    assert "tasks" not in ask(served, "GET", "/api/2.2/jobs/list?name=new").json["jobs"][0]["settings"]
    old = ask(served, "GET", f"/api/2.0/jobs/get?job_id={job_id}").json["settings"]
    assert (old["format"], old["notebook_task"]["notebook_path"]) == ("SINGLE_TASK", "work")
    assert ask(served, "POST", "/api/2.2/jobs/reset", {"job_id": job_id, "new_settings": {"name": "reset"}}).json == {}
    assert "tasks" not in ask(served, "GET", f"/api/2.2/jobs/get?job_id={job_id}").json["settings"]
    assert ask(served, "POST", "/api/2.2/jobs/delete", {"job_id": job_id}).json == {}
    assert ask(served, "GET", f"/api/2.2/jobs/get?job_id={job_id}").status == 404
    assert ask(served, "GET", "/api/2.2/jobs/list?name=reset").json == {}


def test_a_client_that_sends_get_parameters_as_a_json_body_is_understood(served: Any) -> None:
    job_id = ask(served, "POST", "/api/2.1/jobs/create", {"name": "body", "tasks": [NOTEBOOK_TASK]}).json["job_id"]
    assert ask(served, "GET", "/api/2.1/jobs/get", {"job_id": job_id}).json["job_id"] == job_id
    listed = ask(
        served, "GET", "/api/2.1/jobs/list", {"name": "body", "expand_tasks": True, "limit": "25", "page_token": ""}
    ).json
    assert len(listed["jobs"][0]["settings"]["tasks"]) == 1
    assert listed["has_more"] is False


def test_permissions_are_kept_and_shown(served: Any) -> None:
    job_id = ask(served, "POST", "/api/2.2/jobs/create", {"name": "p", "tasks": [NOTEBOOK_TASK]}).json["job_id"]
    grant = {"access_control_list": [{"group_name": "team", "permission_level": "CAN_VIEW"}]}
    told = ask(served, "PATCH", f"/api/2.0/permissions/jobs/{job_id}", grant).json
    assert told["object_type"] == "job"
    assert [entry.get("group_name") for entry in told["access_control_list"]] == [None, "team"]
    assert ask(served, "GET", f"/api/2.0/permissions/jobs/{job_id}").json == told
    assert (
        len(
            ask(served, "PUT", f"/api/2.0/permissions/jobs/{job_id}", {"access_control_list": []}).json[
                "access_control_list"
            ]
        )
        == 1
    )
    assert ask(served, "GET", f"/api/2.0/permissions/jobs/{job_id}/permissionLevels").json["permission_levels"]
    assert ask(served, "GET", "/api/2.0/permissions/jobs/99999999").status == 404


def test_the_workspace_tells_what_lies_at_a_path(served: Any) -> None:
    told = ask(served, "GET", "/api/2.0/workspace/get-status?path=/work").json
    assert (told["object_type"], told["language"], told["path"]) == ("NOTEBOOK", "PYTHON", "/work")
    missing = ask(served, "GET", "/api/2.0/workspace/get-status?path=/nowhere")
    assert (missing.status, missing.json["message"]) == (404, "Path (/nowhere) doesn't exist.")
    assert ask(served, "GET", "/api/2.0/workspace/get-status?path=/../../etc").status == 404


@pytest.mark.parametrize(
    "path", ["../secret.py", "/../../../../etc/passwd", "a/../../secret", "/etc/hostname", "x\0y", "link"]
)
def test_no_job_may_name_a_file_outside_the_allowed_folders(served: Any, path: str) -> None:
    (served.workspace.parent / "secret.py").write_text("# Databricks notebook source\n1")
    link = served.workspace / "link.py"
    if not link.exists():
        link.symlink_to(served.workspace.parent / "secret.py")
    task = {"task_key": "a", "notebook_task": {"notebook_path": path}}
    loop = {"task_key": "l", "for_each_task": {"inputs": "[1]", "task": task}}
    for tasks in ([task], [loop], [{"task_key": "a", "spark_python_task": {"python_file": path}}]):
        answer = ask(served, "POST", "/api/2.2/jobs/runs/submit", {"tasks": tasks})
        if path == "/../../../../etc/passwd" and answer.status == 200:
            continue  # `..` at the root stays at the root: the path below the workspace
        assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert "allowed folders" in answer.json["message"]


def test_a_body_over_ten_megabytes_is_refused_without_being_kept(served: Any) -> None:
    answer = ask(served, "POST", "/api/2.2/jobs/create", b'{"name": "' + b"x" * (11 * 1024 * 1024) + b'"}')
    assert answer.status == 413
    assert "10 MB" in answer.json["message"]


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"\xff\xfe", b'{"a":' + b"[" * 50_000, b"null", b'"x"', b'{"job_id": 1e400}']
)
def test_a_malformed_body_is_a_malformed_request(served: Any, body: bytes) -> None:
    answer = ask(served, "POST", "/api/2.2/jobs/run-now", body)
    assert (answer.status, answer.json["error_code"]) == (400, "MALFORMED_REQUEST")


scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8)
values = st.recursive(
    scalars, lambda i: st.lists(i, max_size=3) | st.dictionaries(st.text(max_size=6), i, max_size=3), max_leaves=6
)
NAMES = ["job_id", "run_id", "tasks", "new_settings", "limit", "queue", "only", "name", "job_parameters", "path"]
NAMES += ["notebook_task", "fields_to_remove", "page_token", "offset", "access_control_list", "idempotency_token"]
NAMES += ["rerun_tasks", "latest_repair_id", "views_to_export", "start_time_from", "run_type"]


@given(
    st.sampled_from(sorted(DOORS.table)),
    st.sampled_from(["2.0", "2.1", "2.2"]),
    st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), values, max_size=4),
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_no_body_at_any_door_makes_the_server_fail(
    served: Any, door: tuple[str, str], version: str, body: dict[str, Any]
) -> None:
    method, path = door
    answer = ask(served, method, f"/api/{version}/{path.replace('{id}', '3')}", body)
    assert answer.status in (200, 400, 404, 405, 501), answer.body
    assert answer.status == 200 or set(answer.json) == {"error_code", "message"}


def test_the_token_is_never_in_what_the_server_says(served: Any) -> None:
    ask(served, "GET", f"/dbutils-local/?token={served.token}", token=None)
    assert served.token not in "".join(served.said)


def test_a_task_run_id_above_every_run_is_no_run(served: Any) -> None:
    for path in ("get", "get-output", "export"):
        assert ask(served, "GET", f"/api/2.2/jobs/runs/{path}?run_id={2**52 + 3}").status == 404
    assert ask(served, "POST", "/api/2.2/jobs/runs/cancel", {"run_id": 2**52 + 3}).status == 404


def test_older_back_ends_are_imitated_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUTILS_LOCAL_STRICT_STATUS", "true")
    strict = start(tmp_path / "home", tmp_path / "workspace")
    answer = ask(strict, "GET", "/api/2.2/jobs/get?job_id=5")
    assert (answer.status, answer.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert strict.stop() == 0
    strict.end()
