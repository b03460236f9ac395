from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.errors import InvalidSpec, MalformedRequest, MissingExtra, NotFound, NotSupportedHere, UserError
from dbutils_local.wire import requests
from dbutils_local.wire.errors import error_reply, http_reply
from dbutils_local.wire.reading import MAX_BODY, Fields, parse_body
from tests.scripted_runs import NIGHTLY

NOTEBOOK = {"task_key": "a", "notebook_task": {"notebook_path": "/n"}}


def test_integers_and_booleans_arrive_as_strings() -> None:
    asked = requests.run_now({"job_id": "42", "queue": {"enabled": "true"}, "job_parameters": {"n": 1, "b": True}})
    assert (asked.job_id, asked.queue, asked.job_parameters) == (42, True, {"n": "1", "b": "true"})
    assert requests.list_jobs({"limit": "5", "expand_tasks": "True"}).expand_tasks is True
    assert requests.create({"tasks": [NOTEBOOK], "timeout_seconds": "3600"}, "2.2").timeout_seconds == 3600


def test_unknown_query_parameters_are_let_through_and_unknown_body_fields_refused_by_name() -> None:
    assert requests.get_run({"run_id": "5", "include_user_names": "true"}).run_id == 5
    with pytest.raises(NotSupportedHere, match="'wait_for_me'"):
        requests.run_now({"job_id": 1, "wait_for_me": True})
    with pytest.raises(NotSupportedHere, match=r"settings\.tasks\[0\]\.colour"):
        requests.create({"tasks": [{**NOTEBOOK, "colour": "red"}]}, "2.2")


def test_the_sentences_for_wrong_json_types_are_databricks() -> None:
    with pytest.raises(MalformedRequest) as found:
        requests.run_now({"job_id": 1, "notebook_params": '{"a": 1}'})
    assert (
        str(found.value) == "Could not parse request object: Expected object for field 'notebook_params', found STRING"
    )
    with pytest.raises(MalformedRequest, match=r"Expected array for field 'settings.tasks', found STRING"):
        requests.create({"tasks": "x"}, "2.2")
    with pytest.raises(UserError, match="Missing required field: job_id"):
        requests.run_now({})
    with pytest.raises(UserError, match=r"Missing required field: settings\.tasks\[0\]\.depends_on\[0\]\.task_key"):
        requests.create({"tasks": [{**NOTEBOOK, "depends_on": [{}]}]}, "2.2")


def test_a_task_cannot_depend_on_itself() -> None:
    with pytest.raises(InvalidSpec, match="Invalid dependency graph, task 'a' can not reference itself"):
        requests.create({"tasks": [{**NOTEBOOK, "depends_on": [{"task_key": "a"}]}]}, "2.2")


def test_the_queue_is_on_only_for_jobs_of_the_newest_version() -> None:
    created = requests.create({"tasks": [NOTEBOOK]}, "2.2")
    assert created.queue is not None
    assert created.queue.enabled
    assert requests.create({"tasks": [NOTEBOOK]}, "2.1").queue is None
    off = requests.create({"tasks": [NOTEBOOK], "queue": {"enabled": False}}, "2.2")
    assert off.queue is not None
    assert not off.queue.enabled


def test_the_older_single_task_body_is_wrapped_at_every_version() -> None:
    asked = requests.submit(
        {
            "run_name": "old",
            "notebook_task": {"notebook_path": "/n"},
            "existing_cluster_id": "c",
            "timeout_seconds": "60",
        }
    )
    assert asked.settings.name == "old"
    assert [task.kind for task in asked.settings.tasks or ()] == ["notebook_task"]


@pytest.mark.parametrize("body", [{}, {"run_name": "x"}, {"tasks": []}])
def test_a_submit_without_settings_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^Run settings must be specified\.$"):
        requests.submit(body)


def test_empty_deprecated_parameters_are_as_good_as_absent() -> None:
    body = {"job_id": 1, "jar_params": [], "notebook_params": {}, "python_params": [], "spark_submit_params": []}
    assert requests.run_now(body).overriding == {}
    with pytest.raises(UserError, match="cannot be given together"):
        requests.run_now({"job_id": 1, "jar_params": ["a"], "notebook_params": {"a": "b"}})
    with pytest.raises(UserError, match="ASCII"):
        requests.run_now({"job_id": 1, "python_params": ["é"]})
    with pytest.raises(UserError, match="10000 bytes"):
        requests.run_now({"job_id": 1, "notebook_params": {"a": "b" * 10_000}})


def test_limits_of_lists() -> None:
    assert requests.list_runs({}).limit == 20
    assert requests.list_runs({"limit": "0"}).limit == 25
    assert requests.list_jobs({"limit": 100}).limit == 100
    for query in (
        {"limit": 26},
        {"active_only": "true", "completed_only": "True"},
        {"run_type": "X"},
        {"offset": "2000"},
    ):
        with pytest.raises(UserError):
            requests.list_runs(query)
    with pytest.raises(UserError):
        requests.list_jobs({"limit": 0})


def test_an_empty_page_token_is_the_first_page() -> None:
    assert requests.list_jobs({"page_token": ""}).page_token is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "invalid JSON"),
        (b"[1]", "Expected object, found ARRAY"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 99999999999999999999}', "64 bits"),
        (b'{"a": "\\ud800"}', "not valid Unicode"),
        (b'{"a":' + b"[" * 200 + b"]" * 200 + b"}", "deeper than"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "deeply|deeper"),
        (b"\xff", "invalid JSON"),
    ],
)
def test_bad_bodies_are_refused_in_one_sentence(body: bytes, said: str) -> None:
    with pytest.raises(MalformedRequest, match=said):
        parse_body(body)


def test_a_body_over_the_limit_is_refused() -> None:
    with pytest.raises(UserError, match="10 MB"):
        parse_body(b'{"a": "' + b"x" * MAX_BODY + b'"}')
    assert parse_body(b"") == {}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [
        "job_id",
        "run_id",
        "tasks",
        "new_settings",
        "limit",
        "queue",
        "only",
        "name",
        "job_parameters",
        "notebook_task",
        "fields_to_remove",
        "page_token",
        "offset",
    ]
)


@given(
    st.dictionaries(NAMES, anything, max_size=5),
    st.sampled_from(
        [
            "create",
            "reset",
            "update",
            "submit",
            "run_now",
            "repair",
            "cancel_all",
            "get_job",
            "list_jobs",
            "get_run",
            "list_runs",
            "export_views",
        ]
    ),
)
def test_no_body_makes_anything_but_a_request_or_a_user_error(body: dict[str, Any], name: str) -> None:
    refusal: UserError | None = None
    try:
        parsed = parse_body(json.dumps(body).encode())
        requests.create(parsed, "2.2") if name == "create" else getattr(requests, name)(parsed)
    except UserError as error:
        refusal = error
    assert refusal is None or (str(refusal) and error_reply(refusal).status in (400, 404, 501))


def test_update_names_only_what_was_given() -> None:
    asked = requests.update(
        {"job_id": 1, "new_settings": {"name": "new", "timeout_seconds": "5"}, "fields_to_remove": ["tasks/a"]}
    )
    assert asked.new_settings == {"name": "new", "timeout_seconds": 5}
    with pytest.raises(UserError, match="colour"):
        requests.update({"job_id": 1, "fields_to_remove": ["colour"]})


def test_the_example_job_is_accepted_whole() -> None:
    assert len(requests.create(NIGHTLY, "2.2").tasks or ()) == 6


def test_errors_become_the_status_and_code_that_clients_know() -> None:
    assert error_reply(NotFound("Run 5 does not exist.")).body == {
        "error_code": "RESOURCE_DOES_NOT_EXIST",
        "message": "Run 5 does not exist.",
    }
    assert error_reply(NotFound("x")).status == 404
    strict = error_reply(NotFound("Run 5 does not exist."), strict=True)
    assert (strict.status, strict.error_code) == (400, "INVALID_PARAMETER_VALUE")
    assert error_reply(MissingExtra("x", "html")).error_code == "FEATURE_DISABLED"
    hidden = error_reply(RuntimeError("password=hunter2"))
    assert (hidden.status, hidden.error_code) == (500, "INTERNAL_ERROR")
    assert "hunter2" not in hidden.message
    assert http_reply(401, "no").error_code == "UNAUTHENTICATED"


def test_fields_read_twice_are_the_same_and_the_rest_is_named() -> None:
    fields = Fields({"a": 1, "b": "x"})
    assert (fields.whole("a"), fields.whole("a")) == (1, 1)
    with pytest.raises(NotSupportedHere, match="'b'"):
        fields.done()
