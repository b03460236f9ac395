"""One run from its lock to its last notification: fork server, secrets, child jobs and messages around the loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from dbutils_local.core.state import Failure, LifeCycle, RunState
from dbutils_local.engine.drive import MAILBOX_INTERVAL, Control, Listener, drive
from dbutils_local.engine.forkservers import ForkServers
from dbutils_local.engine.launch import cancel
from dbutils_local.engine.prepare import TaskPreparation
from dbutils_local.errors import UserError
from dbutils_local.executors.base import Failed, Outcome, Stopped, StopToken, Succeeded
from dbutils_local.notify import Notifier
from dbutils_local.redaction import Redactor
from dbutils_local.secrets import Vault
from dbutils_local.settings import Settings
from dbutils_local.store.records import RunStore, RunSummary

# Start a child job run without driving it: (job_id, job parameters, *_params, task run id of the parent) -> its row.
BeginChild = Callable[[int, Mapping[str, str], Mapping[str, Any], int], RunSummary]
# Launch what waits in the queue of a job, if it may start now.
StartQueued = Callable[[int], None]
# A queued child looks this often (seconds) whether those before it died without a word.
QUEUE_INTERVAL = 5.0
# Jobs that start jobs that start jobs: Databricks stops here (jobs reference, section 10).
MAX_NESTING = 3


def conduct(
    store: RunStore,
    settings: Settings,
    run_id: int,
    *,
    begin_child: BeginChild,
    start_queued: StartQueued,
    listeners: Iterable[Listener] = (),
    control: Control | None = None,
    forkservers: ForkServers | None = None,
    is_held: bool = False,
) -> RunState:
    """Drive a run to its end in this process; with `is_held` the caller has its lock.

    A child job's run shares its parent's fork servers.
    """
    with ExitStack() as stack:
        servers = forkservers or stack.enter_context(ForkServers(settings))
        notifier = stack.enter_context(Notifier(settings))
        vault = Vault.open(settings)

        def run_job(
            task_run_id: int, job_id: int, parameters: Mapping[str, str], legacy: Mapping[str, Any], stop: StopToken
        ) -> Outcome:
            _refuse_endless(_lineage(store, run_id), job_id)
            child = begin_child(job_id, parameters, legacy, task_run_id)
            if child.life_cycle_state == LifeCycle.PENDING:
                inner = Control()
                stop.on_stop(inner.cancel)
                ended = conduct(
                    store,
                    settings,
                    child.run_id,
                    begin_child=begin_child,
                    start_queued=start_queued,
                    control=inner,
                    forkservers=servers,
                )
                start_queued(job_id)
                return outcome_of(ended)
            return _await(store, child, start_queued, stop)

        preparation = TaskPreparation(
            settings,
            run_job,
            forkserver=servers.address,
            redact=Redactor(vault.values()).redact,
            secret=vault.read,
        )
        return drive(
            store,
            run_id,
            preparation,
            slots=servers.slots,
            listeners=[notifier.hear, servers.hear, *listeners],
            control=control,
            is_held=is_held,
        )


def _lineage(store: RunStore, run_id: int) -> list[RunSummary]:
    """The run, the run whose run_job task started it, and so on up; each may be driven by a process of its own."""
    found = [store.summary(run_id)]
    while (parent := found[-1].parent_task_run_id) is not None and (run := store.run_of_task(parent)) is not None:
        found.append(store.summary(run[0]))
    return found


def _refuse_endless(lineage: Sequence[RunSummary], job_id: int) -> None:
    jobs = [row.job_id for row in reversed(lineage)]
    if job_id in jobs:
        # Its run would wait for the very run that waits for it.
        circle = " -> ".join(f"job {job}" for job in (*jobs[jobs.index(job_id) :], job_id))
        raise UserError(f"run_job tasks go round in a circle: {circle}")
    if len(jobs) >= MAX_NESTING:
        raise UserError(f"run_job tasks nest at most {MAX_NESTING} deep; job {job_id} would be the next level")


def outcome_of(state: RunState) -> Outcome:
    """What a child run's end means for the run_job task: SUCCESS_WITH_FAILURES is success (jobs reference, 4.6)."""
    return _outcome(state.run_id, state.result.value if state.result else None, state.message)


def _outcome(run_id: int, result: str | None, message: str) -> Outcome:
    output = {"run_job_output": {"run_id": run_id}}
    if result in ("SUCCESS", "SUCCESS_WITH_FAILURES"):
        return Succeeded(output=output)
    said = message or f"the child run ended {result or 'without a result'}"
    return Failed(Failure(f"Run {run_id} of the child job ended {result}: {said}", message=said), output=output)


def _await(store: RunStore, child: RunSummary, start_queued: StartQueued, stop: StopToken) -> Outcome:
    """Wait for a child run that is queued, and that another process will drive."""
    look = 0.0
    while True:
        if time.monotonic() >= look:
            look = time.monotonic() + QUEUE_INTERVAL
            start_queued(child.job_id)
        row = store.summary(child.run_id)
        if LifeCycle(row.life_cycle_state).is_final:
            return _outcome(row.run_id, row.result_state, row.message)
        if stop.wait(MAILBOX_INTERVAL):
            cancel(store, child.run_id)
            return Stopped()
