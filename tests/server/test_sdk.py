"""Journeys with the official SDK against a real server: what a user's script does must work unchanged."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.core import Config
from databricks.sdk.service import jobs

LONG = datetime.timedelta(seconds=120)
SLEEPER = "import time\ntime.sleep(60)\n"
FLAKY = """import pathlib, sys
mark = pathlib.Path(sys.argv[1])
if not mark.exists():
    mark.write_text("was here")
    raise SystemExit("not yet")
print("now it works")
"""


@pytest.fixture(scope="module")
def client(served: Any) -> Iterator[WorkspaceClient]:
    """The SDK's client, set up as users do."""
    for name, text in (
        ("sleeper.py", SLEEPER),
        ("flaky.py", FLAKY),
        ("hello.py", "print('hello')\n"),
        ("broken.py", "1 / 0\n"),
    ):
        (served.workspace / name).write_text(text)
    config = Config(host=served.url, token=served.token, retry_timeout_seconds=10)
    made = WorkspaceClient(config=config)
    yield made
    made.api_client._api_client._session.close()


def script(key: str, file: str, *parameters: str, after: tuple[str, ...] = (), **more: Any) -> jobs.Task:
    """A Python file task: no kernel, so that journeys stay quick."""
    return jobs.Task(
        task_key=key,
        spark_python_task=jobs.SparkPythonTask(python_file=file, parameters=list(parameters)),
        depends_on=[jobs.TaskDependency(task_key=name) for name in after] or None,
        **more,
    )


def notebook(key: str, **parameters: str) -> jobs.Task:
    return jobs.Task(task_key=key, notebook_task=jobs.NotebookTask(notebook_path="/work", base_parameters=parameters))


def until(reached: Callable[[], bool]) -> None:
    """Wait for something that is about to happen."""
    for _ in range(600):
        if reached():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within a minute")


def test_who_am_i(client: WorkspaceClient) -> None:
    assert client.current_user.me().user_name == "local@localhost"


def test_a_notebook_job_is_created_run_and_read(client: WorkspaceClient) -> None:
    parameters = [jobs.JobParameterDefinition(name="day", default="monday")]
    job = client.jobs.create(name="notebook job", tasks=[notebook("work")], parameters=parameters)
    assert job.job_id is not None
    run = client.jobs.run_now(job.job_id, job_parameters={"day": "friday"}).result(timeout=LONG)
    assert run.state is not None
    assert run.state.result_state is jobs.RunResultState.SUCCESS
    assert run.status is not None
    assert run.status.state is jobs.RunLifecycleStateV2State.TERMINATED
    assert run.tasks is not None
    assert run.job_parameters == [jobs.JobParameter(name="day", default="monday", value="friday")]
    output = client.jobs.get_run_output(run.tasks[0].run_id or 0)
    assert output.notebook_output is not None
    assert output.notebook_output.result == "done friday"
    assert output.metadata is not None
    assert output.metadata.job_run_id == run.run_id
    views = client.jobs.export_run(run.tasks[0].run_id or 0).views
    assert views
    assert views[0].type is jobs.ViewType.NOTEBOOK
    assert "working on friday" in (views[0].content or "")
    with_values = client.jobs.get_run(run.run_id or 0, include_resolved_values=True)
    assert with_values.tasks
    assert with_values.tasks[0].resolved_values is not None


def test_a_failed_run_raises_is_repaired_and_tells_its_history(client: WorkspaceClient, tmp_path: Any) -> None:
    mark = str(tmp_path / "mark")
    tasks = [script("flaky", "flaky.py", mark), script("after", "hello.py", after=("flaky",))]
    job_id = client.jobs.create(name="flaky", tasks=tasks).job_id or 0
    waiter = client.jobs.run_now(job_id)
    with pytest.raises(errors.OperationFailed, match="INTERNAL_ERROR: Task flaky failed with message"):
        waiter.result(timeout=LONG)
    run_id = waiter.response.run_id or 0
    failed = client.jobs.get_run(run_id)
    assert failed.tasks is not None
    states = {task.task_key: task.state.result_state for task in failed.tasks if task.state}
    assert states == {"flaky": jobs.RunResultState.FAILED, "after": jobs.RunResultState.UPSTREAM_FAILED}
    output = client.jobs.get_run_output(next(t.run_id for t in failed.tasks if t.task_key == "flaky") or 0)
    assert "not yet" in (output.error or "") + (output.logs or "")
    repair = client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    repaired = repair.result(timeout=LONG)
    assert repaired.state is not None
    assert repaired.state.result_state is jobs.RunResultState.SUCCESS
    history = client.jobs.get_run(run_id, include_history=True).repair_history
    assert history is not None
    assert [(item.type, item.id is None) for item in history] == [
        (jobs.RepairHistoryItemType.ORIGINAL, True),
        (jobs.RepairHistoryItemType.REPAIR, False),
    ]
    with pytest.raises(errors.InvalidParameterValue, match="The latest repair ID needs to be provided"):
        client.jobs.repair_run(run_id, rerun_tasks=["after"])
    client.jobs.repair_run(run_id, rerun_tasks=["after"], latest_repair_id=history[-1].id).result(timeout=LONG)
    attempts = [task.attempt_number for task in client.jobs.get_run(run_id).tasks or () if task.task_key == "after"]
    # Once upstream failed without an attempt, then run by both repairs.
    assert max(number or 0 for number in attempts) == 1


def test_a_run_is_cancelled_and_returns_normally(client: WorkspaceClient) -> None:
    job_id = client.jobs.create(name="long", tasks=[script("sleep", "sleeper.py")]).job_id or 0
    waiter = client.jobs.run_now(job_id)
    run_id = waiter.response.run_id or 0

    def runs() -> bool:
        state = (client.jobs.get_run(run_id).tasks or [])[0].state
        return state is not None and state.life_cycle_state is jobs.RunLifeCycleState.RUNNING

    until(runs)
    with pytest.raises(errors.InvalidState):
        client.jobs.delete_run(run_id)
    with pytest.raises(errors.InvalidState):
        client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    ended = client.jobs.cancel_run(run_id).result(timeout=LONG)
    assert ended.state is not None
    assert (ended.state.result_state, ended.state.user_cancelled_or_timedout) == (jobs.RunResultState.CANCELED, True)
    client.jobs.cancel_run(run_id)  # a final run: nothing happens


def test_a_run_over_the_limit_waits_in_the_queue_or_is_skipped(client: WorkspaceClient) -> None:
    job_id = client.jobs.create(name="one at a time", tasks=[script("sleep", "sleeper.py")]).job_id or 0
    first, second = client.jobs.run_now(job_id), client.jobs.run_now(job_id)
    queued = client.jobs.get_run(second.response.run_id or 0)
    assert queued.state is not None
    assert queued.state.life_cycle_state is jobs.RunLifeCycleState.QUEUED
    assert queued.state.queue_reason == "Queued due to reaching maximum concurrent runs of 1."
    skipped = client.jobs.run_now(job_id, queue=jobs.QueueSettings(enabled=False)).result(timeout=LONG)
    assert skipped.state is not None
    assert skipped.state.life_cycle_state is jobs.RunLifeCycleState.SKIPPED
    active = list(client.jobs.list_runs(job_id=job_id, active_only=True))
    assert {run.run_id for run in active} == {first.response.run_id, second.response.run_id}
    client.jobs.cancel_all_runs(job_id=job_id)
    until(lambda: not list(client.jobs.list_runs(job_id=job_id, active_only=True)))
    assert len(list(client.jobs.list_runs(job_id=job_id, completed_only=True))) == 3


def test_a_one_off_run_has_no_job_in_the_list(client: WorkspaceClient) -> None:
    task = jobs.SubmitTask(task_key="hello", spark_python_task=jobs.SparkPythonTask(python_file="hello.py"))
    run = client.jobs.submit(run_name="one-off", tasks=[task]).result(timeout=LONG)
    assert (run.run_name, run.run_type) == ("one-off", jobs.RunType.SUBMIT_RUN)
    output = client.jobs.get_run_output((run.tasks or [])[0].run_id or 0)
    assert "hello" in (output.logs or "")
    # The job run of a single task answers with that task's output.
    assert "hello" in (client.jobs.get_run_output(run.run_id or 0).logs or "")
    assert not list(client.jobs.list(name="one-off"))
    client.jobs.delete_run(run.run_id or 0)
    with pytest.raises(errors.ResourceDoesNotExist, match=f"Run {run.run_id} does not exist"):
        client.jobs.get_run(run.run_id or 0)


def test_the_same_token_starts_one_run(client: WorkspaceClient) -> None:
    task = jobs.SubmitTask(task_key="hello", spark_python_task=jobs.SparkPythonTask(python_file="hello.py"))
    runs = [
        client.jobs.submit(run_name="once", tasks=[task], idempotency_token="abc").response.run_id for _ in range(3)
    ]
    assert len(set(runs)) == 1


def test_jobs_and_runs_are_listed_in_pages(client: WorkspaceClient) -> None:
    made = [client.jobs.create(name="paged", tasks=[script("a", "hello.py")]).job_id for _ in range(7)]
    listed = [job.job_id for job in client.jobs.list(name="PAGED", limit=3)]
    assert listed == made[::-1]
    assert all(
        job.settings and job.settings.tasks for job in client.jobs.list(name="paged", expand_tasks=True, limit=2)
    )
    for job_id in made:
        client.jobs.delete(job_id or 0)
    assert not list(client.jobs.list(name="paged"))


def test_a_job_of_many_tasks_is_read_whole(client: WorkspaceClient) -> None:
    tasks = [script(f"t{number}", "hello.py") for number in range(230)]
    job_id = client.jobs.create(name="wide", tasks=tasks).job_id or 0
    settings = client.jobs.get(job_id).settings
    assert settings is not None
    assert len(settings.tasks or ()) == 230
    [listed] = list(client.jobs.list(name="wide", expand_tasks=True))
    assert listed.settings is not None
    assert len(listed.settings.tasks or ()) == 230


def test_settings_are_updated_and_reset(client: WorkspaceClient) -> None:
    job_id = client.jobs.create(name="before", tasks=[script("a", "hello.py")], tags={"x": "y"}).job_id or 0
    client.jobs.update(
        job_id,
        new_settings=jobs.JobSettings(name="after", tasks=[script("b", "hello.py", after=("a",))]),
        fields_to_remove=["tags"],
    )
    settings = client.jobs.get(job_id).settings
    assert settings is not None
    assert (settings.name, settings.tags) == ("after", None)
    assert [task.task_key for task in settings.tasks or ()] == ["a", "b"]
    client.jobs.update(job_id, fields_to_remove=["tasks/b"])
    client.jobs.reset(job_id, jobs.JobSettings(name="reset", tasks=[script("c", "hello.py")]))
    settings = client.jobs.get(job_id).settings
    assert settings is not None
    assert [task.task_key for task in settings.tasks or ()] == ["c"]


def test_every_refusal_is_the_class_that_scripts_catch(client: WorkspaceClient, served: Any) -> None:
    with pytest.raises(errors.ResourceDoesNotExist, match="Job 99999999 does not exist"):
        client.jobs.get(99999999)
    with pytest.raises(errors.ResourceDoesNotExist):
        client.jobs.run_now(99999999)
    with pytest.raises(errors.InvalidParameterValue, match="can not reference itself"):
        client.jobs.create(name="circle", tasks=[script("a", "hello.py", after=("a",))])
    with pytest.raises(errors.InvalidParameterValue, match="Run settings must be specified"):
        client.jobs.submit(run_name="nothing")
    with pytest.raises(errors.InvalidParameterValue, match="page token"):
        list(client.jobs.list(page_token="nonsense"))
    with pytest.raises(errors.BadRequest, match="Expected object for field 'notebook_params', found STRING"):
        client.api_client.do("POST", "/api/2.2/jobs/run-now", body={"job_id": 1, "notebook_params": "{}"})
    with pytest.raises(errors.NotImplemented, match="clusters/list"):
        list(client.clusters.list())
    stranger = WorkspaceClient(config=Config(host=served.url, token="wrong", retry_timeout_seconds=5))
    with pytest.raises(errors.Unauthenticated, match="token of this server"):
        stranger.jobs.get(1)
    stranger.api_client._api_client._session.close()


def test_the_output_of_a_run_of_several_tasks_is_refused_in_databricks_words(client: WorkspaceClient) -> None:
    tasks = [script("a", "hello.py"), script("b", "hello.py")]
    run = client.jobs.run_now(client.jobs.create(name="two", tasks=tasks).job_id or 0).result(timeout=LONG)
    with pytest.raises(
        errors.InvalidParameterValue, match="Retrieving the output of runs with multiple tasks is not supported"
    ):
        client.jobs.get_run_output(run.run_id or 0)


def test_permissions_are_granted_and_read(client: WorkspaceClient) -> None:
    job_id = str(client.jobs.create(name="granted", tasks=[script("a", "hello.py")]).job_id)
    access = [jobs.JobAccessControlRequest(user_name="x", permission_level=jobs.JobPermissionLevel.CAN_VIEW)]
    client.jobs.set_permissions(job_id, access_control_list=access)
    client.jobs.update_permissions(job_id, access_control_list=[])
    assert len(client.jobs.get_permissions(job_id).access_control_list or ()) == 2
    assert client.jobs.get_permission_levels(job_id).permission_levels


def test_a_for_each_task_is_followed_by_its_task_run_id(client: WorkspaceClient) -> None:
    loop = jobs.ForEachTask(inputs='["a", "b", "c"]', concurrency=2, task=script("inner", "hello.py", "{{input}}"))
    job_id = client.jobs.create(name="loop", tasks=[jobs.Task(task_key="loop", for_each_task=loop)]).job_id or 0
    run = client.jobs.run_now(job_id).result(timeout=LONG)
    entry = (run.tasks or [])[0]
    assert entry.for_each_task is not None
    assert entry.for_each_task.stats is not None
    assert entry.for_each_task.stats.task_run_stats is not None
    assert entry.for_each_task.stats.task_run_stats.succeeded_iterations == 3
    inner = client.jobs.get_run(entry.run_id or 0)
    assert len(inner.iterations or ()) == 3
    assert all("hello" in (client.jobs.get_run_output(item.run_id or 0).logs or "") for item in inner.iterations or ())


def test_a_task_of_a_kind_we_do_not_run_is_accepted_and_fails_by_name(client: WorkspaceClient) -> None:
    tasks = [jobs.Task(task_key="pipe", pipeline_task=jobs.PipelineTask(pipeline_id="p")), script("other", "hello.py")]
    waiter = client.jobs.run_now(client.jobs.create(name="mixed", tasks=tasks).job_id or 0)
    with pytest.raises(errors.OperationFailed):
        waiter.result(timeout=LONG)
    states = {task.task_key: task.state for task in client.jobs.get_run(waiter.response.run_id or 0).tasks or ()}
    assert states["other"] is not None
    assert states["other"].result_state is jobs.RunResultState.SUCCESS
    assert states["pipe"] is not None
    assert "pipeline_task" in (states["pipe"].state_message or "")


def test_a_task_that_waits_is_followed_by_the_id_it_had_then(client: WorkspaceClient, served: Any) -> None:
    (served.workspace / "short.py").write_text("import time\ntime.sleep(2)\nprint('short')\n")
    tasks = [script("first", "short.py"), script("second", "short.py", after=("first",))]
    waiter = client.jobs.submit(
        run_name="followed", tasks=[jobs.SubmitTask.from_dict(task.as_dict()) for task in tasks]
    )
    run_id = waiter.response.run_id or 0
    then = {task.task_key: task for task in client.jobs.get_run(run_id).tasks or ()}["second"]
    assert then.state is not None
    assert then.state.life_cycle_state is jobs.RunLifeCycleState.BLOCKED
    assert client.jobs.get_run(then.run_id or 0).run_id == then.run_id
    waiter.result(timeout=LONG)
    ended = client.jobs.get_run(then.run_id or 0)
    assert ended.state is not None
    assert ended.state.result_state is jobs.RunResultState.SUCCESS
    assert "short" in (client.jobs.get_run_output(then.run_id or 0).logs or "")
