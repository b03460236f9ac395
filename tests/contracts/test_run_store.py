"""What every RunStore must do, asked of each of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dbutils_local.core.events import Event, RunCreated, RunFinished, RunStarted, TaskStarted, TaskSucceeded
from dbutils_local.core.state import Result
from dbutils_local.errors import AlreadyExists, NotFound, UserError
from dbutils_local.store.memory import MemoryStore
from dbutils_local.store.records import JobRecord, Request, RunFilter, RunStore, RunSummary
from dbutils_local.store.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunStore]:
    made: RunStore = (
        MemoryStore()
        if request.param == "memory"
        else SqliteStore(tmp_path / "history.sqlite", locks=tmp_path / "locks")
    )
    yield made
    made.close()


def row(run_id: int, **more: object) -> RunSummary:
    return replace(RunSummary(run_id=run_id, job_id=7, name="job", created_at=1000 + run_id), **more)  # type: ignore[arg-type]


def created(run_id: int) -> list[Event]:
    return [RunCreated(at=1, run_id=run_id, job_id=7, settings={"name": "job"}, only=("a",))]


def test_ids_are_handed_out_once(store: RunStore) -> None:
    first, second = store.new_ids(3), store.new_ids(2)
    assert len(set(first) | set(second)) == 5
    assert min(first) > 0


def test_events_come_back_as_they_were_stored_with_their_numbers(store: RunStore) -> None:
    store.create_run(row(1), created(1))
    more: list[Event] = [RunStarted(at=2), TaskStarted(at=3, key="a", task_run_id=11, parameters={"x": "1"})]
    store.append(1, more, row(1, life_cycle_state="RUNNING", started_at=2))
    assert store.events(1) == list(enumerate([*created(1), *more], 1))
    assert store.events(1, after=2) == [(3, more[1])]
    assert store.events(1, after=3) == []


def test_the_summary_moves_with_the_events_and_keeps_what_was_fixed_at_creation(store: RunStore) -> None:
    store.create_run(row(1, idempotency_token="t", parent_task_run_id=5), created(1))
    store.append(
        1,
        [RunFinished(at=9, result=Result.SUCCESS)],
        row(1, life_cycle_state="TERMINATED", result_state="SUCCESS", ended_at=9),
    )
    summary = store.summary(1)
    assert (summary.life_cycle_state, summary.result_state, summary.ended_at) == ("TERMINATED", "SUCCESS", 9)
    assert (summary.idempotency_token, summary.parent_task_run_id, summary.seq, summary.number_in_job) == ("t", 5, 2, 1)


def test_a_known_idempotency_token_gives_the_first_run(store: RunStore) -> None:
    store.create_run(row(1, idempotency_token="once"), created(1))
    again = store.create_run(row(2, idempotency_token="once"), created(2))
    assert again.run_id == 1
    with pytest.raises(NotFound, match=r"Run 2 does not exist\."):
        store.summary(2)


def test_a_token_whose_run_was_deleted_is_an_error_and_starts_nothing(store: RunStore) -> None:
    store.create_run(row(1, idempotency_token="once"), created(1))
    store.delete_run(1)
    with pytest.raises(NotFound, match=r"Run 1 does not exist\."):
        store.create_run(row(2, idempotency_token="once"), created(2))
    assert store.active_runs() == []


def test_many_threads_with_one_token_make_one_run(store: RunStore) -> None:
    answers: list[int] = []

    def create(run_id: int) -> None:
        answers.append(store.create_run(row(run_id, idempotency_token="once"), created(run_id)).run_id)

    threads = [threading.Thread(target=create, args=(run_id,)) for run_id in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert len(store.list_runs(RunFilter()).items) == 1


def test_a_run_id_is_used_once(store: RunStore) -> None:
    store.create_run(row(1), created(1))
    with pytest.raises(AlreadyExists):
        store.create_run(row(1), created(1))


def test_unknown_runs_and_jobs_are_named_in_databricks_words(store: RunStore) -> None:
    for ask in (store.summary, store.events, store.delete_run):
        with pytest.raises(NotFound, match=r"^Run 5 does not exist\.$"):
            ask(5)
    with pytest.raises(NotFound, match=r"^Run 5 does not exist\.$"):
        store.append(5, [], row(5))
    with pytest.raises(NotFound, match=r"^Run 5 does not exist\.$"):
        store.post(Request(5, "cancel"))
    with pytest.raises(NotFound, match=r"^Job 5 does not exist\.$"):
        store.job(5)
    with pytest.raises(NotFound, match=r"^Job 5 does not exist\.$"):
        store.delete_job(5)


def test_a_task_run_id_leads_to_its_run_key_and_attempt(store: RunStore) -> None:
    store.create_run(row(1), created(1))
    store.append(1, [TaskStarted(at=1, key="a", task_run_id=11), TaskStarted(at=2, key="a", task_run_id=12)], row(1))
    store.append(1, [TaskStarted(at=3, key="a", task_run_id=13), TaskStarted(at=3, key="b", task_run_id=14)], row(1))
    assert [store.run_of_task(task_run_id) for task_run_id in (11, 12, 13, 14, 15)] == [
        (1, "a", 0),
        (1, "a", 1),
        (1, "a", 2),
        (1, "b", 0),
        None,
    ]


def test_pages_go_from_new_to_old_and_back_again(store: RunStore) -> None:
    for run_id in range(1, 8):
        store.create_run(row(run_id, created_at=run_id // 2), created(run_id))
    first = store.list_runs(RunFilter(), limit=3)
    second = store.list_runs(RunFilter(), limit=3, token=first.next_token)
    third = store.list_runs(RunFilter(), limit=3, token=second.next_token)
    assert [[run.run_id for run in page.items] for page in (first, second, third)] == [[7, 6, 5], [4, 3, 2], [1]]
    assert (first.prev_token, third.next_token) == (None, None)
    back = store.list_runs(RunFilter(), limit=3, token=third.prev_token)
    assert [run.run_id for run in back.items] == [4, 3, 2]
    assert [run.run_id for run in store.list_runs(RunFilter(), limit=3, token=back.prev_token).items] == [7, 6, 5]


def test_a_token_we_did_not_give_is_refused(store: RunStore) -> None:
    for token in ("nonsense", "WzFd", "WyJ1cCIsIDEsIDJd"):
        with pytest.raises(UserError, match="Invalid page token"):
            store.list_runs(RunFilter(), token=token)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (RunFilter(), [4, 3, 2, 1]),
        (RunFilter(active=True), [2]),
        (RunFilter(active=False), [4, 3, 1]),
        (RunFilter(states=("FAILED",)), [3]),
        (RunFilter(states=("FAILED", "RUNNING", "TERMINATED")), [4, 3, 2, 1]),
        (RunFilter(states=("SUCCESS", "TERMINATED"), run_type="JOB_RUN"), [3, 1]),
        (RunFilter(run_type="SUBMIT_RUN"), [4]),
        (RunFilter(name="other"), [4]),
        (RunFilter(job_id=8), [4]),
        (RunFilter(since=1002, until=1003), [3, 2]),
        (RunFilter(name="nobody"), []),
    ],
)
def test_filters_give_what_was_asked(store: RunStore, wanted: RunFilter, ids: list[int]) -> None:
    store.create_run(row(1, life_cycle_state="TERMINATED", result_state="SUCCESS"), created(1))
    store.create_run(row(2, life_cycle_state="RUNNING"), created(2))
    store.create_run(row(3, life_cycle_state="TERMINATED", result_state="FAILED"), created(3))
    store.create_run(
        row(4, life_cycle_state="TERMINATED", result_state="SUCCESS", name="other", job_id=8, run_type="SUBMIT_RUN"),
        created(4),
    )
    assert [run.run_id for run in store.list_runs(wanted).items] == ids


def test_active_runs_come_oldest_first_queued_ones_too(store: RunStore) -> None:
    store.create_run(row(3, life_cycle_state="QUEUED", created_at=30), created(3))
    store.create_run(row(1, life_cycle_state="RUNNING", created_at=10), created(1))
    store.create_run(row(2, life_cycle_state="SKIPPED", created_at=20), created(2))
    store.create_run(row(4, life_cycle_state="RUNNING", created_at=5, job_id=9), created(4))
    assert [run.run_id for run in store.active_runs()] == [4, 1, 3]
    assert [run.run_id for run in store.active_runs(job_id=7)] == [1, 3]


def test_prune_forgets_only_what_ended_long_ago(store: RunStore) -> None:
    store.create_run(row(1, created_at=1, ended_at=5, life_cycle_state="TERMINATED", idempotency_token="t"), created(1))
    store.create_run(row(2, created_at=1, life_cycle_state="RUNNING"), created(2))
    store.create_run(row(3, created_at=1, ended_at=50, life_cycle_state="TERMINATED"), created(3))
    store.create_run(row(4, created_at=2, life_cycle_state="SKIPPED"), created(4))
    assert sorted(store.prune(10)) == [1, 4]
    assert [run.run_id for run in store.list_runs(RunFilter()).items] == [3, 2]
    assert store.create_run(row(6, idempotency_token="t"), created(6)).run_id == 6


def test_jobs_are_kept_replaced_listed_by_name_in_any_case_and_deleted(store: RunStore) -> None:
    job = JobRecord(1, "Nightly", {"tasks": []}, created_at=1, creator="me", files={"a path": "/x"}, paused=True)
    store.save_job(job)
    store.save_job(JobRecord(2, "Other", {}, created_at=2, creator="me"))
    assert store.job(1) == job
    assert [found.job_id for found in store.list_jobs().items] == [2, 1]
    assert [found.job_id for found in store.list_jobs(name="NIGHTLY").items] == [1]
    store.save_job(replace(job, name="Weekly"))
    assert store.list_jobs(name="nightly").items == ()
    page = store.list_jobs(limit=1)
    assert [found.job_id for found in store.list_jobs(limit=1, token=page.next_token).items] == [1]
    store.delete_job(1)
    with pytest.raises(NotFound):
        store.job(1)


def test_letters_are_taken_once_in_order_and_only_by_their_run(store: RunStore) -> None:
    for run_id in (1, 2):
        store.create_run(row(run_id), created(run_id))
    store.post(Request(1, "cancel"))
    store.post(Request(2, "cancel"))
    store.post(Request(1, "cancel", {"key": "a"}))
    assert store.take(1) == [Request(1, "cancel"), Request(1, "cancel", {"key": "a"})]
    assert store.take(1) == []
    assert store.take(2) == [Request(2, "cancel")]


def test_a_run_has_one_driver_at_a_time(store: RunStore) -> None:
    assert not store.is_driven(1)
    with store.lock(1) as mine:
        assert mine
        assert store.is_driven(1)
        assert not store.is_driven(2)
        with store.lock(1) as theirs:
            assert not theirs
        assert store.is_driven(1)
    assert not store.is_driven(1)
    with store.lock(1) as mine:
        assert mine


def test_who_is_to_drive_a_run_is_known_until_its_lock_is_taken(store: RunStore) -> None:
    assert store.is_claimed(1) is None
    store.claim(1, os.getpid())
    assert store.is_claimed(1) is True
    assert store.is_claimed(2) is None
    with store.lock(1):
        assert store.is_claimed(1) is None
    ended = subprocess.Popen([sys.executable, "-c", ""])
    store.claim(1, ended.pid)
    ended.wait()
    assert store.is_claimed(1) is False
    store.claim(1, None)
    assert store.is_claimed(1) is None


def test_a_named_set_tells_what_was_new(store: RunStore) -> None:
    assert store.remember("files", ["a", "b"]) == ["a", "b"]
    assert store.remember("files", ["b", "c"]) == ["c"]
    assert store.remember("others", ["a"]) == ["a"]


def test_a_note_is_read_back(store: RunStore) -> None:
    assert store.note("next") is None
    store.note("next", {"at": 5})
    assert store.note("next") == {"at": 5}
    store.note("next", 0)
    assert store.note("next") == 0


def test_task_values_of_any_json_shape_survive(store: RunStore) -> None:
    values = {"n": 1.5, "none": None, "text": "ünïcode\u2028", "deep": [{"a": [1, {"b": True}]}]}
    store.create_run(row(1), created(1))
    store.append(1, [TaskSucceeded(at=1, key="a", value="x", values=values)], row(1))
    assert store.events(1)[-1][1] == TaskSucceeded(at=1, key="a", value="x", values=values)
