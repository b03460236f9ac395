"""One run as asked for, checked before anything starts: what the command line, magics, tests and Python share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from dbutils_local import intake
from dbutils_local.core.plan import Plan, plan
from dbutils_local.core.state import Result, RunState
from dbutils_local.engine.drive import Listener, epoch_ms
from dbutils_local.errors import InvalidSpec, Problem, UserError
from dbutils_local.result import RunResult
from dbutils_local.settings import Settings
from dbutils_local.spec.base import Support
from dbutils_local.spec.support import report
from dbutils_local.store.records import RunFilter
from dbutils_local.workspace import Source, Workspace


@dataclass(frozen=True)
class Asking:
    """A checked request for a run; `create` is the first thing that writes."""

    settings: Settings
    source: Source
    siblings: Mapping[str, Source]  # the other jobs of the same spec, which run_job tasks may start
    params: Mapping[str, str] = field(default_factory=dict)
    only: Sequence[str] = ()
    stubs: Sequence[str] = ()
    stub_values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    warnings: Sequence[Problem] = ()
    notices: Sequence[str] = ()
    is_job: bool = True
    given: Workspace | None = None

    @cached_property
    def workspace(self) -> Workspace:
        """Where the run will live; opening it makes the home folder, so nothing opens it before the checks are over."""
        return self.given or Workspace.open(self.settings, self.source.root)

    @classmethod
    def of(
        cls,
        spec: str | os.PathLike[str],
        *,
        job: str | None = None,
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
        only: Sequence[str] = (),
        start: str | None = None,
        stubs: Sequence[str] = (),
        stub_values: Mapping[str, Mapping[str, Any]] | None = None,
        check: bool = True,
        settings: Settings | None = None,
        workspace: Workspace | None = None,
        text: str | None = None,
    ) -> Asking:
        """The request, or InvalidSpec/UserError with every reason why it cannot run; nothing is written.

        With `text` that is the spec itself, and `spec` says where it would lie.
        """
        known = settings or (workspace.settings if workspace else Settings.load())
        taken = intake.take(
            spec,
            target=target,
            variables=variables,
            arguments=arguments,
            settings=known,
            text=text,
            keep_going=True,
        )
        taken.require_readable()
        source = taken.pick(job)
        asked = cls(
            known,
            source,
            taken.jobs,
            dict(params or {}),
            tuple(only),
            tuple(stubs),
            dict(stub_values or {}),
            is_job=not _is_bare(Path(spec)),
            given=workspace,
        )
        if start is not None:
            if only:
                raise UserError("--from and --only exclude each other: each says which tasks run")
            asked = asked._from(start)
        return asked._with_stubs_selected()._checked(check, taken)

    # ------------------------------------------------------------ checks

    def _checked(self, check: bool, taken: intake.Intake) -> Asking:
        _refuse_parameters_of_a_script(self)
        _refuse_values_of_tasks_that_run(self)
        chosen = self._plan()
        told = taken.for_run(self.source, [key for key, task in chosen.tasks.items() if not task.stubbed])
        intake.require(told)
        refused = intake.refused(self.source, self.stubs, self.only)
        circle = intake.job_circle(self.source, self.siblings)
        found = [*told, *refused, *circle, *(intake.wiring(self.source, chosen, self.params) if check else ())]
        intake.require(found)
        return replace(
            self,
            warnings=(*self.warnings, *(problem for problem in found if problem.severity != "error")),
            notices=self._noted(chosen),
        )

    def _plan(self) -> Plan:
        return plan(self.source.settings, only=self.only, stubs=self.stubs, stub_values=self.stub_values)

    def _noted(self, chosen: Plan) -> tuple[str, ...]:
        """One notice for each field that is accepted without effect, naming the tasks that have it."""
        where: dict[str, list[str]] = {}
        for row in report(self.source.settings):
            if row.support is Support.NOTED and (row.task_key is None or row.planned_as in chosen.tasks):
                where.setdefault(f"{row.field}: {row.message}", []).append(row.task_key or "")
        return tuple(_sentence(text, [task for task in tasks if task]) for text, tasks in where.items())

    # ------------------------------------------------------------ partial runs

    def _from(self, start: str) -> Asking:
        """`--from TASK`: what is not below TASK is stubbed as it ended in the job's latest run."""
        graph = plan(self.source.settings)
        if start not in graph.tasks:
            raise UserError(f'task "{start}" not found in job "{self.source.name}"')
        below = graph.dependents([start])
        needed = [key for key in graph.ancestors(below) if key not in below and key not in self.stubs]
        if not needed:
            return replace(self, only=(*self.only, f"{start}+"))
        earlier = self._latest_run()
        stubs, values = list(self.stubs), dict(self.stub_values)
        missing = []
        for key in needed:
            task = earlier.tasks.get(key) if earlier else None
            if task is not None and task.result is Result.SUCCESS:
                stubs.append(key)
                answer = {"outcome": task.attempts[-1].value} if task.planned.kind == "condition_task" else {}
                values[key] = {**answer, **task.values, **values.get(key, {})}
            elif task is None or task.result is not Result.EXCLUDED:
                missing.append(key)
        if missing:
            run = f"run {earlier.run_id}, the latest of this job," if earlier else "no earlier run of this job"
            raise UserError(
                f"--from {start}: {run} has no result of {', '.join(missing)}; "
                f"stand in for each with --stub {missing[0]} [--task-value {missing[0]}.KEY=JSON]"
            )
        excluded = [key for key in needed if key not in stubs]
        return replace(self, stubs=tuple(stubs), stub_values=values, only=(*self.only, f"{start}+", *stubs, *excluded))

    def _latest_run(self) -> RunState | None:
        if self.given is None and not self.settings.database.exists():
            return None
        job_id = next(iter(self.workspace.register([self.source]).values()))
        page = self.workspace.runs(RunFilter(job_id=job_id, active=False), limit=1)
        return self.workspace.state(page.items[0].run_id) if page.items else None

    def _with_stubs_selected(self) -> Asking:
        """A stubbed task belongs to the run even where `--only` did not name it: its values are read."""
        if not self.only:
            return self
        stubs = [*self.stubs, *(key for key in self.stub_values if key not in self.stubs)]
        return replace(self, stubs=tuple(stubs), only=(*self.only, *(key for key in stubs if key not in self.only)))

    # ------------------------------------------------------------ doing it

    def create(self, *, max_concurrency: int = 0, hold: ExitStack | None = None) -> int:
        """Store the run and return its id; with `hold` its lock is held until that is closed.

        Over the job's max_concurrent_runs, where it says one, it is QUEUED or SKIPPED.
        """
        ids = self.workspace.register(self.siblings.values())
        source = intake.linked(self.source, self.siblings, self.workspace)
        job_id = ids[self.source.key or self.source.name]
        row = self.workspace.submit(
            source,
            launch_it=False,
            job_id=job_id,
            limit=self.source.settings.max_concurrent_runs if self.is_job else None,
            hold=hold,
            run_type="JOB_RUN" if self.is_job else "SUBMIT_RUN",
            job_parameters=self.params,
            only=self.only,
            stubs=self.stubs,
            stub_values=self.stub_values,
            max_concurrency=max_concurrency,
            notices=(*self.notices, *self._crowd(job_id)),
        )
        return row.run_id

    def drive(self, *, max_concurrency: int = 0, listeners: Sequence[Listener] = (), **driving: Any) -> RunState:
        """Store the run and drive it to its end in this process; `driving` is for Workspace.drive."""
        with ExitStack() as hold:
            run_id = self.create(max_concurrency=max_concurrency, hold=hold)
            return self.workspace.drive(run_id, listeners=listeners, is_held=True, **driving)

    def _crowd(self, job_id: int) -> Iterator[str]:
        """Databricks' own limit of one run stops nobody who did not write it; that other runs go on is told."""
        asks = self.is_job and self.source.settings.max_concurrent_runs is None
        active = len(self.workspace.store.active_runs(job_id)) if asks else 0
        if active:
            yield f"max_concurrent_runs is not given, and {active} of this job are active: this run did not wait"


def run(
    spec: str | os.PathLike[str],
    params: Mapping[str, str] | None = None,
    *,
    listeners: Sequence[Listener] = (),
    **asked: Any,
) -> RunResult:
    """Run a job, bundle, notebook or script to its end in this process; keyword arguments are those of Asking.of."""
    asking = Asking.of(spec, params={name: str(value) for name, value in (params or {}).items()}, **asked)
    state = asking.drive(listeners=listeners)
    return RunResult.of(state, asking.workspace.settings, epoch_ms())


def load_job(spec: str | os.PathLike[str], job: str | None = None, **asked: Any) -> Source:
    """The job of a SPEC, checked as far as its text goes; InvalidSpec lists every fault."""
    return intake.take(spec, **asked).pick(job)


def _is_bare(path: Path) -> bool:
    return path.suffix in intake.NOTEBOOK_ENDINGS


def _refuse_parameters_of_a_script(asking: Asking) -> None:
    # Job parameters never reach a script by themselves (jobs reference, 2.2): -p would be ignored in silence.
    tasks = asking.source.settings.tasks or ()
    if asking.params and not asking.is_job and any(task.spark_python_task for task in tasks):
        raise UserError("a plain .py file has no widgets: give it arguments after --, not with -p")


def _refuse_values_of_tasks_that_run(asking: Asking) -> None:
    known = {task.task_key for task in asking.source.settings.tasks or ()}
    for key in asking.stub_values:
        if key not in known:
            raise UserError(f'task "{key}" not found in job "{asking.source.name}"')
        if key not in asking.stubs:
            raise UserError(
                f"--task-value {key}.…: task {key!r} sets its own values; add --stub {key} to stand in for it"
            )


def _sentence(text: str, tasks: Sequence[str]) -> str:
    shown = ", ".join(tasks[:4]) + (f" and {len(tasks) - 4} more" if len(tasks) > 4 else "")
    return f"{text} ({shown})" if tasks else text


__all__ = ["Asking", "InvalidSpec", "load_job", "run"]
