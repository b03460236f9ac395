"""The one object every face speaks to: jobs, runs, and what can be asked of them."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbutils_local.core import machine
from dbutils_local.core.events import Event, Noticed, RunCreated, RunQueued, RunRepaired, RunSkipped
from dbutils_local.core.plan import plan
from dbutils_local.core.repair import repair_keys
from dbutils_local.core.state import LifeCycle, RunState
from dbutils_local.engine import launch
from dbutils_local.engine.drive import Control, Listener, epoch_ms
from dbutils_local.engine.launch import Admission
from dbutils_local.engine.summary import summarize
from dbutils_local.errors import InvalidState, NotFound, UserError
from dbutils_local.settings import Settings
from dbutils_local.spec.job import JobSettings, resolved
from dbutils_local.spec.tree import Place
from dbutils_local.spec.update import merged, without
from dbutils_local.store import artifacts
from dbutils_local.store.records import JobRecord, Page, RunFilter, RunStore, RunSummary

if TYPE_CHECKING:
    from dbutils_local.engine.forkservers import ForkServers
    from dbutils_local.engine.schedule import Scheduler

# Folded runs kept for the next look: enough for every run a page of clients polls at once.
CACHED_RUNS = 128
PRUNE_INTERVAL = 3_600_000  # ms


@dataclass(frozen=True)
class Source:
    """A job and where it comes from: what a spec file adds to its settings."""

    settings: JobSettings
    folder: Path | None = None  # relative paths are relative to it
    root: Path | None = None  # workspace root
    files: Mapping[str, str] = field(default_factory=dict)  # "<task_key> <field path>" -> absolute path
    origin: Mapping[str, Any] = field(default_factory=dict)  # {"spec", "job", "target", "variables"}
    key: str | None = None  # bundle resource key
    places: Mapping[str, Place] = field(default_factory=dict)  # where tasks and "parameters NAME" were written

    @property
    def name(self) -> str:
        return self.settings.name or "Untitled"


@dataclass(frozen=True)
class RunAsked:
    """Everything a caller can say about one new run."""

    job_parameters: Mapping[str, str] = field(default_factory=dict)
    overriding: Mapping[str, Any] = field(default_factory=dict)
    only: Sequence[str] = ()
    stubs: Sequence[str] = ()
    stub_values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    idempotency_token: str | None = None
    trigger: str = "ONE_TIME"
    trigger_info: Mapping[str, Any] = field(default_factory=dict)
    queue: bool | None = None  # None: as the job says
    max_concurrency: int = 0
    parent_task_run_id: int | None = None
    notices: Sequence[str] = ()


class Workspace:
    """One home folder seen through one workspace root; safe for several threads."""

    def __init__(self, settings: Settings, store: RunStore, root: Path) -> None:
        self.settings = settings
        self.store = store
        self.root = root
        self._cache: OrderedDict[int, tuple[int, RunState]] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._launcher: Callable[[int], int] = lambda run_id: launch.spawn(settings, run_id)

    @classmethod
    def open(cls, settings: Settings | None = None, root: Path | None = None) -> Workspace:
        """The workspace of this process; HomeUnusable says why the home folder cannot be used."""
        from dbutils_local.store.sqlite import SqliteStore

        known = settings or Settings.load()
        home = known.ensure_home()
        store = SqliteStore(known.database, locks=home / "locks")
        return cls(known, store, root or default_root(known))

    def launch_with(self, launcher: Callable[[int], int]) -> None:
        """Start detached runs through `launcher(run_id)`, for instance a warm fork server, not a new interpreter."""
        self._launcher = launcher

    # ------------------------------------------------------------ jobs

    def create_job(self, settings: JobSettings, source: Source | None = None) -> int:
        """Store a job and return its id; InvalidSpec if its tasks make no graph."""
        plan(settings)
        [job_id] = self.store.new_ids(1)
        self.store.save_job(_job_record(job_id, source or Source(settings), self._creator, epoch_ms()))
        return job_id

    def get_job(self, job_id: int) -> JobRecord:
        """The stored job; NotFound ("Job 123 does not exist.")."""
        return self.store.job(job_id)

    def list_jobs(self, name: str | None = None, limit: int = 20, token: str | None = None) -> Page[JobRecord]:
        """Jobs, newest first."""
        return self.store.list_jobs(name, limit, token)

    def reset_job(self, job_id: int, new_settings: Mapping[str, Any], source: Source | None = None) -> None:
        """Replace all settings (jobs reference, 6.4)."""
        record = self.store.job(job_id)
        settings = JobSettings.model_validate(dict(new_settings))
        plan(settings)
        new = _job_record(job_id, source or Source(settings), record.creator, record.created_at)
        kept = (
            new
            if source
            else replace(new, spec_folder=record.spec_folder, workspace_root=record.workspace_root, key=record.key)
        )
        self.store.save_job(kept)

    def update_job(
        self, job_id: int, new_settings: Mapping[str, Any] | None = None, fields_to_remove: Sequence[str] = ()
    ) -> None:
        """Replace the named top-level fields; `tasks` and `job_clusters` merge by key (jobs reference, 6.4)."""
        record = self.store.job(job_id)
        self.reset_job(job_id, merged(without(record.settings, fields_to_remove), new_settings or {}))

    def delete_job(self, job_id: int) -> None:
        """Forget a job and cancel its active runs; its history stays readable."""
        self.store.job(job_id)
        for row in self.store.active_runs(job_id):
            self.cancel(row.run_id)
        self.store.delete_job(job_id)

    def pause_job(self, job_id: int, paused: bool) -> None:
        """Pause or unpause a job's trigger; run-now stays possible."""
        self.store.save_job(replace(self.store.job(job_id), paused=paused))

    def register(self, sources: Iterable[Source]) -> dict[str, int]:
        """Ids for jobs of one spec that start each other; the same file and key keep their id from run to run."""
        ids: dict[str, int] = {}
        for source in sources:
            where = source.origin.get("spec") or source.origin.get("cell")
            name = f"spec-job {where} {source.key or source.name} {source.origin.get('target')}"
            with launch.mutex(self.store, 0):
                known = self.store.note(name)
                job_id = int(known) if known else self.store.new_ids(1)[0]
                if not known:
                    self.store.note(name, job_id)
            ids[source.key or source.name] = job_id
        return ids

    def remember_job(self, job_id: int, source: Source) -> None:
        """Store a registered job under its id, so that run_job tasks find it."""
        self.store.save_job(_job_record(job_id, source, self._creator, epoch_ms()))

    # ------------------------------------------------------------ runs

    def run_now(self, job_id: int, *, launch_it: bool = True, **asked: Any) -> RunSummary:
        """Start a run of a stored job in a process of its own; over max_concurrent_runs it is QUEUED or SKIPPED.

        Keyword arguments are the fields of RunAsked. With `launch_it=False` the caller drives the run itself.
        """
        record = self.store.job(job_id)
        settings = JobSettings.model_validate(dict(record.settings))
        source = Source(
            settings,
            folder=Path(record.spec_folder) if record.spec_folder else None,
            root=Path(record.workspace_root) if record.workspace_root else None,
            files=record.files,
            key=record.key,
        )
        with launch.mutex(self.store, job_id):
            row, created = self._create(source, RunAsked(**asked), job_id, "JOB_RUN", limit=_limit(settings))
        if created and launch_it:
            self.launch(row.run_id)
        return row

    def submit(
        self,
        source: Source | JobSettings,
        *,
        launch_it: bool = True,
        job_id: int | None = None,
        run_type: str = "SUBMIT_RUN",
        limit: int | None = None,
        hold: ExitStack | None = None,
        **asked: Any,
    ) -> RunSummary:
        """Start a one-off run that belongs to no stored job; with a `limit` as run_now does of the job `job_id`.

        With `hold` this process has the run's lock until that is closed: for a caller that drives it itself.
        """
        known = source if isinstance(source, Source) else Source(source)
        if not known.settings.tasks:
            raise UserError("Run settings must be specified.")  # Databricks' own words (jobs reference, 6.7)
        number = job_id or self.store.new_ids(1)[0]
        with launch.mutex(self.store, number) if limit is not None else nullcontext():
            row, created = self._create(known, RunAsked(**asked), number, run_type, limit=limit, hold=hold)
        if created and launch_it:
            self.launch(row.run_id)
        return row

    def launch(self, run_id: int) -> None:
        """Have a run driven by a process of its own, unless it is queued or over."""
        if self.store.summary(run_id).life_cycle_state != LifeCycle.PENDING:
            return
        try:
            pid = self._launcher(run_id)
        except BaseException:
            self.store.claim(run_id, None)
            raise
        self.store.claim(run_id, pid)

    def _create(
        self,
        source: Source,
        asked: RunAsked,
        job_id: int,
        run_type: str,
        limit: int | None,
        hold: ExitStack | None = None,
    ) -> tuple[RunSummary, bool]:
        [run_id] = self.store.new_ids(1)
        if hold is not None:
            hold.enter_context(self.store.lock(run_id))
        # Whoever looks from now on knows at once if this process dies before another drives the run.
        self.store.claim(run_id, os.getpid())
        now = epoch_ms()
        created = RunCreated(
            now,
            run_id,
            job_id,
            resolved(source.settings),
            run_type=run_type,
            trigger=asked.trigger,
            trigger_info=asked.trigger_info,
            job_parameters=dict(asked.job_parameters),
            overriding_parameters=dict(asked.overriding),
            only=tuple(asked.only),
            stubs=tuple(asked.stubs),
            stub_values=dict(asked.stub_values),
            spec_folder=str(source.folder) if source.folder else None,
            workspace_root=str(source.root or self.root),
            files=dict(source.files),
            creator=self._creator,
            parent_task_run_id=asked.parent_task_run_id,
            max_concurrency=asked.max_concurrency or self.settings.max_concurrency,
            origin=dict(source.origin),
        )
        notices = [Noticed(now, notice) for notice in asked.notices]
        events: list[Event] = [created, *notices, *self._admitted(source.settings, asked, job_id, limit, now)]
        state = machine.fold(events)
        row = RunSummary(
            run_id,
            job_id,
            source.name,
            run_type=run_type,
            trigger=asked.trigger,
            created_at=now,
            number_in_job=run_id,
            parent_task_run_id=asked.parent_task_run_id,
            idempotency_token=asked.idempotency_token or None,
        )
        stored = self.store.create_run(summarize(state, row), events)
        if stored.run_id == run_id:
            self._told(state, tuple(events))
        if hold is None and (stored.run_id != run_id or state.phase is not LifeCycle.PENDING):
            self.store.claim(run_id, None)
        return stored, stored.run_id == run_id

    def _told(self, state: RunState, events: tuple[Event, ...]) -> None:
        """Notify of what happened to a run while no process drove it: skipped, abandoned, cancelled in the queue."""
        from dbutils_local.notify import tell

        tell(self.settings, state, events)

    def _admitted(
        self, settings: JobSettings, asked: RunAsked, job_id: int, limit: int | None, now: int
    ) -> list[Event]:
        if limit is None:
            return []
        rows = launch.bury_dead(self.store, self.store.active_runs(job_id), self._told)
        active = sum(
            not LifeCycle(row.life_cycle_state).is_final and row.life_cycle_state != LifeCycle.QUEUED for row in rows
        )
        queue = asked.queue if asked.queue is not None else bool(settings.queue and settings.queue.enabled)
        match launch.admit(active, limit, queue):
            case Admission.START:
                return []
            case Admission.QUEUE:
                return [RunQueued(now, f"Queued due to reaching maximum concurrent runs of {limit}.")]
            case Admission.SKIP:
                return [
                    RunSkipped(
                        now, f"Skipping this run because the limit of {limit} maximum concurrent runs has been reached."
                    )
                ]

    def drive(
        self,
        run_id: int,
        *,
        listeners: Iterable[Listener] = (),
        control: Control | None = None,
        forkservers: ForkServers | None = None,
        is_held: bool = False,
    ) -> RunState:
        """Drive a run to its end in this process, then start what waited for it.

        `forkservers` stay open for the caller's next run; without them the run starts and ends its own. With
        `is_held` the caller holds the run's lock: a queued run then waits here for its turn.
        """
        if is_held:
            self.wait_for_turn(run_id, listeners, control)
        from dbutils_local.engine.conduct import conduct

        def begin_child(
            job_id: int, parameters: Mapping[str, str], overriding: Mapping[str, Any], parent: int
        ) -> RunSummary:
            return self.run_now(
                job_id,
                launch_it=False,
                job_parameters=parameters,
                overriding=overriding,
                trigger="RUN_JOB_TASK",
                parent_task_run_id=parent,
            )

        state = conduct(
            self.store,
            self.settings,
            run_id,
            begin_child=begin_child,
            start_queued=self.start_queued,
            listeners=listeners,
            control=control,
            forkservers=forkservers,
            is_held=is_held,
        )
        self.start_queued(state.job_id)
        self.prune()
        return state

    def wait_for_turn(self, run_id: int, listeners: Iterable[Listener] = (), control: Control | None = None) -> None:
        """Return when a run whose lock this process holds is not queued, or not any more."""
        state = self.state(run_id)
        if state.phase is not LifeCycle.QUEUED:
            return
        heard = (self._told, *listeners)

        def tell(now: RunState, events: tuple[Event, ...]) -> None:
            for listener in heard:
                listener(now, events)

        for listener in listeners:
            listener(state, ())
        settings = JobSettings.model_validate(dict(state.settings))
        inbox = (control or Control()).inbox
        launch.wait_for_turn(self.store, run_id, _limit(settings), lambda: not inbox.empty(), tell)

    def prune(self) -> list[int]:
        """Forget runs older than `retention_days`, at most once an hour; returns their ids."""
        now = epoch_ms()
        if self.settings.retention_days <= 0 or now - int(self.store.note("pruned_at") or 0) < PRUNE_INTERVAL:
            return []
        self.store.note("pruned_at", now)
        gone = self.store.prune(now - self.settings.retention_days * 86_400_000)
        for run_id in gone:
            artifacts.delete(self.settings.runs, run_id)
        return gone

    def scheduler(self) -> Scheduler:
        """What fires the stored jobs' triggers; to be started by a server and stopped with it."""
        from dbutils_local.engine.schedule import Scheduler
        from dbutils_local.files import Files

        files = Files(self.settings.home, self.root)

        def start_run(job_id: int, trigger: str, info: Mapping[str, Any]) -> None:
            self.run_now(job_id, trigger=trigger, trigger_info=info)

        return Scheduler(self.store, start_run, self.start_queued, files.stamps)

    def start_queued(self, job_id: int) -> None:
        """Launch queued runs of a job for as long as its max_concurrent_runs allow."""
        try:
            settings = JobSettings.model_validate(dict(self.store.job(job_id).settings))
        except NotFound:
            return
        with launch.mutex(self.store, job_id):
            called = launch.dequeue(self.store, job_id, _limit(settings), self._told)
        for run_id in called:
            self.launch(run_id)

    def cancel(self, run_id: int) -> None:
        """Cancel a run, or with a task run id that task; asynchronous, and nothing happens to what is final."""
        state, key, _ = self.find(run_id)
        launch.cancel(self.store, state.run_id, key, self._told)

    def cancel_all(self, job_id: int | None = None, all_queued_runs: bool = False) -> None:
        """Cancel a job's active runs, or every queued run (jobs reference, 5.7)."""
        if job_id is not None:
            self.store.job(job_id)
        for row in self.store.active_runs(job_id):
            if job_id is not None or row.life_cycle_state == LifeCycle.QUEUED or not all_queued_runs:
                launch.cancel(self.store, row.run_id, told=self._told)

    def repair(
        self,
        run_id: int,
        *,
        rerun_tasks: Sequence[str] = (),
        rerun_all_failed_tasks: bool = False,
        rerun_dependent_tasks: bool = False,
        latest_repair_id: int | None = None,
        job_parameters: Mapping[str, str] | None = None,
        overriding: Mapping[str, Any] | None = None,
        source: Source | None = None,
        launch_it: bool = True,
    ) -> int:
        """Run failed or named tasks of a finished run again, under its run id, with the settings as they are now.

        Returns the repair id. `source` brings newer settings of a run that came from a file. Jobs reference, 5.8.
        """
        [repair_id] = self.store.new_ids(1)
        self._summary(run_id)
        with self.store.lock(run_id) as mine:
            state = machine.fold(event for _, event in self.store.events(run_id))
            if not mine or not state.is_final:
                raise InvalidState(f"Run {run_id} is still active: only a finished run can be repaired.")
            _check_latest(state, latest_repair_id)
            settings, files = self._current(state, source)
            keys = repair_keys(
                state,
                rerun_tasks=rerun_tasks,
                rerun_all_failed_tasks=rerun_all_failed_tasks,
                rerun_dependent_tasks=rerun_dependent_tasks,
                graph=plan(settings),
            )
            event = RunRepaired(
                epoch_ms(),
                repair_id,
                keys,
                resolved(settings),
                dict(job_parameters or {}),
                dict(overriding or {}),
                files,
            )
            machine.apply(state, event)
            # A cancel that came as the run ended was meant for that round, not for this one.
            self.store.take(run_id)
            self.store.append(run_id, [event], summarize(state, self.store.summary(run_id)))
        self.store.claim(run_id, os.getpid())
        if launch_it:
            self.launch(run_id)
        return repair_id

    def _current(self, state: RunState, source: Source | None) -> tuple[JobSettings, Mapping[str, str]]:
        if source is not None:
            return source.settings, source.files
        try:
            record = self.store.job(state.job_id)
        except NotFound:
            return JobSettings.model_validate(dict(state.settings)), state.files
        return JobSettings.model_validate(dict(record.settings)), record.files

    # ------------------------------------------------------------ looking

    def _summary(self, run_id: int) -> RunSummary:
        """The row of a run, after its death was recorded if its process died."""
        return self._buried([self.store.summary(run_id)])[0]

    def _buried(self, rows: Sequence[RunSummary]) -> list[RunSummary]:
        """The rows, deaths recorded; what had waited in the queue behind a dead run is started."""
        seen = launch.bury_dead(self.store, rows, self._told)
        for job_id in {after.job_id for before, after in zip(rows, seen, strict=True) if before != after}:
            self.start_queued(job_id)
        return seen

    def state(self, run_id: int) -> RunState:
        """A run as it stands now. Read only: the object is shared and changes as the run does."""
        row = self._summary(run_id)
        with self._cache_lock:
            seen, state = self._cache.pop(run_id, (0, None))
            if state is None or row.seq != seen:
                for number, event in self.store.events(run_id, seen):
                    state = (
                        machine.begin(event) if isinstance(event, RunCreated) else machine.apply(_known(state), event)
                    )
                    seen = number
            self._cache[run_id] = (seen, _known(state))
            if len(self._cache) > CACHED_RUNS:
                self._cache.popitem(last=False)
        return _known(state)

    def find(self, any_id: int) -> tuple[RunState, str | None, int | None]:
        """The run of a run id or a task run id; for the latter also the task's key and attempt number."""
        found = self.store.run_of_task(any_id)
        if found is None:
            return self.state(any_id), None, None
        run_id, key, attempt = found
        return self.state(run_id), key, attempt

    def runs(self, wanted: RunFilter | None = None, limit: int = 20, token: str | None = None) -> Page[RunSummary]:
        """A page of the history, newest first."""
        # Before the rows are chosen: a filter by state must find what turns out to be dead.
        self._buried(self.store.active_runs())
        return self.store.list_runs(wanted or RunFilter(), limit, token)

    def follow(self, run_id: int, poll: float = 0.2) -> Iterator[RunState]:
        """The run each time it changed, the last time when it is final."""
        seen = -1
        while True:
            state, seq = self.state(run_id), self.store.summary(run_id).seq
            if seq != seen:
                seen = seq
                yield state
            if state.is_final:
                return
            time.sleep(poll)

    def attempt_folder(self, run_id: int, key: str, attempt: int) -> Path:
        """Where an attempt's notebook, logs and outbox lie."""
        return artifacts.folder(self.settings.runs, run_id, key, attempt)

    def notebook_file(self, run_id: int, key: str, attempt: int) -> Path | None:
        """The executed notebook of an attempt, if it left one."""
        path = self.attempt_folder(run_id, key, attempt) / artifacts.NOTEBOOK
        return path if path.is_file() else None

    def logs(self, run_id: int, key: str, attempt: int) -> str:
        """What an attempt wrote to stdout and stderr, or its cells printed: the last 5 MB."""
        from dbutils_local.engine.report import logs, printed

        folder = self.attempt_folder(run_id, key, attempt)
        return logs(folder) or printed(folder)

    def delete_run(self, run_id: int) -> None:
        """Forget a finished run and its artifacts; InvalidState while it is active."""
        if not LifeCycle(self._summary(run_id).life_cycle_state).is_final:
            raise InvalidState(f"Run {run_id} is still active: cancel it first.")
        self.store.delete_run(run_id)
        artifacts.delete(self.settings.runs, run_id)
        with self._cache_lock:
            self._cache.pop(run_id, None)

    def document(self, state: RunState) -> dict[str, Any]:
        """The run as one Jobs API 2.2 document, with each task's output and all task values."""
        from dbutils_local.wire.replies import Logs, run_document

        return run_document(state, lambda key, attempt: Logs(self.logs(state.run_id, key, attempt)))

    def export(self, run_id: int) -> str:
        """The run as one self-contained HTML page: graph, timeline, tasks, executed notebooks."""
        from dbutils_local.engine.report import report

        return report(self.state(run_id), self.settings.runs, epoch_ms())

    @property
    def _creator(self) -> str:
        return self.settings.user


# ---------------------------------------------------------------- small decisions


def default_root(settings: Settings, start: Path | None = None) -> Path:
    """What absolute workspace paths resolve against: the setting, else the git top level, else the current folder."""
    if settings.workspace is not None:
        return settings.workspace
    here = (start or Path.cwd()).absolute()
    for folder in (here, *here.parents):
        if (folder / ".git").exists():
            return folder
    return here


def _job_record(job_id: int, source: Source, creator: str, created_at: int) -> JobRecord:
    return JobRecord(
        job_id,
        source.name,
        resolved(source.settings),
        created_at,
        creator,
        key=source.key,
        spec_folder=str(source.folder) if source.folder else None,
        workspace_root=str(source.root) if source.root else None,
        files=dict(source.files),
    )


def _limit(settings: JobSettings) -> int:
    return 1 if settings.max_concurrent_runs is None else settings.max_concurrent_runs


def _check_latest(state: RunState, given: int | None) -> None:
    latest = state.repairs[-1].repair_id if state.repairs else None
    if given != latest and latest is not None:
        # Databricks' own words (jobs reference, 6.7).
        raise UserError("The latest repair ID needs to be provided in order to create a new repair")


def _known(state: RunState | None) -> RunState:
    if state is None:
        raise InvalidState("the run has no events")
    return state
