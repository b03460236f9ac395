"""From a SPEC as people type it to jobs that can run: job files, bundles, bare notebooks, plain scripts."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dbutils_local import notebooks
from dbutils_local.core.plan import Plan, plan
from dbutils_local.errors import InvalidSpec, NotFound, Problem, UserError
from dbutils_local.settings import Settings
from dbutils_local.spec.bundle import root_file
from dbutils_local.spec.faults import did_you_mean
from dbutils_local.spec.job import JobSettings, resolved
from dbutils_local.spec.load import SPEC_SUFFIXES, LoadedJob, LoadedSpec, load, loads, resolve_job_ids
from dbutils_local.spec.tasks import JOB_ID_REFERENCE
from dbutils_local.spec.tree import Place
from dbutils_local.workspace import Source, Workspace, default_root

NOTEBOOK_ENDINGS = (".ipynb", ".py", ".sql", ".scala", ".r", ".R")


@dataclass(frozen=True)
class Intake:
    """Every job a SPEC names, and what was doubtful about it (with `keep_going` also what was wrong)."""

    jobs: Mapping[str, Source]
    problems: Sequence[Problem] = ()
    is_bundle: bool = False
    deployed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # as `bundle validate` prints them
    # Which of the problems are files that are not there: job key -> task key ("": the job itself) -> problems.
    missing: Mapping[str, Mapping[str, Sequence[Problem]]] = field(default_factory=dict)
    needs_files: bool = False  # the job that is picked must have all its files

    def require_readable(self) -> None:
        """Raise InvalidSpec with every fault, if there is one besides files that are not there."""
        lacking = {problem for job in self.missing.values() for found in job.values() for problem in found}
        if any(problem.severity == "error" and problem not in lacking for problem in self.problems):
            require(self.problems)

    def for_run(self, source: Source, tasks: Iterable[str]) -> list[Problem]:
        """The problems as they matter to a run of these tasks: a file that only others need is no more than a doubt."""
        lacking = self.missing.get(str(source.key), {})
        needed = {problem for task in (*tasks, "") for problem in lacking.get(task, ())}
        spared = {problem for job in self.missing.values() for found in job.values() for problem in found} - needed
        return [replace(problem, severity="warning") if problem in spared else problem for problem in self.problems]

    def pick(self, key: str | None) -> Source:
        """The job called `key`, or the only one; UserError lists the choices."""
        found = self._named(key)
        if self.needs_files:
            require(self.for_run(found, [task.task_key for task in found.settings.tasks or ()]))
        return found

    def _named(self, key: str | None) -> Source:
        if key is not None:
            by_name = {source.name: source for source in self.jobs.values()}
            found = self.jobs.get(key) or by_name.get(key)
            if found is None:
                raise UserError(f"there is no job {key!r} in this spec; its jobs are: {', '.join(self.jobs)}")
            return found
        if len(self.jobs) == 1:
            return next(iter(self.jobs.values()))
        if not self.jobs:
            raise UserError("this spec holds no job")
        raise UserError(f"this spec holds {len(self.jobs)} jobs, say which with --job: {', '.join(self.jobs)}")


def take(
    spec: str | os.PathLike[str],
    *,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    arguments: Sequence[str] = (),
    settings: Settings | None = None,
    text: str | None = None,
    keep_going: bool = False,
) -> Intake:
    """The jobs of a SPEC (INTERFACES, "Command line"); InvalidSpec holds every fault with file, line and column.

    `arguments` are the command line of a plain .py file, and refused for anything else. With `text` that is the spec,
    and relative paths in it count from where `spec` would lie. With `keep_going` all faults that leave a job
    readable (a missing notebook) are among the problems and the job among the jobs; else the job that is picked must
    have all its files.
    """
    path = Path(spec).expanduser()
    known = settings or Settings.load()
    if text is not None:
        return _from_text(text, path.absolute(), target, dict(variables or {}), known)
    if not path.exists():
        beside = path.absolute().parent
        names = [entry.name for entry in beside.iterdir()] if beside.is_dir() else []
        raise NotFound(f"{path}: no such file or folder{did_you_mean(path.name, names)}")
    if path.suffix in NOTEBOOK_ENDINGS:
        _refuse_choices(path, target, variables)
        return _bare(path.absolute(), arguments, known)
    _refuse_other_files(path)
    if arguments:
        raise UserError("arguments after -- go to a plain .py file only; give a job its parameters with -p NAME=VALUE")
    return _from_spec(path, target, dict(variables or {}), known, keep_going)


def _refuse_other_files(path: Path) -> None:
    ending = path.suffix.lower()
    if path.is_dir():
        _refuse_folder_without_bundle(path)
    elif ending in notebooks.EXPORTS:
        raise UserError(f"{path}: {notebooks.EXPORTS[ending]}")
    elif ending not in SPEC_SUFFIXES:
        jobs, sources = ", ".join(SPEC_SUFFIXES), ", ".join(NOTEBOOK_ENDINGS[:-1])
        raise UserError(f"{path}: a job is a {jobs} file or a bundle's folder, a notebook is a {sources} file")


def _refuse_folder_without_bundle(folder: Path) -> None:
    if root_file(folder) is not None:
        return
    inside = sorted(entry.name for entry in folder.iterdir() if entry.suffix in (*NOTEBOOK_ENDINGS, *SPEC_SUFFIXES))
    hint = f"; run one of its files by name: {', '.join(inside[:3])}{', ...' if inside[3:] else ''}" if inside else ""
    raise NotFound(f"{folder}: there is no databricks.yml in this folder, so it is no bundle{hint}")


def _from_spec(
    path: Path, target: str | None, variables: dict[str, str], settings: Settings, keep_going: bool
) -> Intake:
    root = settings.workspace or (None if is_bundle(path) else default_root(settings, path.absolute().parent))
    loaded = load(
        path,
        target=target,
        variables=variables,
        user=settings.user,
        root=root,
        resolve_notebook=_notebook_finder,
        keep_going=True,
    )
    if loaded.bundle is None:
        _refuse_choices(path, target, variables)
    origin = {"spec": str(path.absolute()), "target": target, "variables": variables, **_resources(loaded)}
    jobs = {key: _source(job, key, root or loaded.root, origin) for key, job in loaded.jobs.items()}
    missing = {key: job.missing for key, job in loaded.jobs.items()}
    taken = Intake(jobs, loaded.problems, loaded.bundle is not None, loaded.deployed, missing, not keep_going)
    if not keep_going:
        taken.require_readable()
    return taken


def _resources(loaded: LoadedSpec) -> dict[str, list[str]]:
    """What a run of a bundle has besides its jobs: catalogs, schemas and volumes, where there are any."""
    made = loaded.bundle
    kinds = {"catalogs": made.catalogs, "schemas": made.schemas, "volumes": made.volumes} if made else {}
    return {kind: list(names) for kind, names in kinds.items() if names}


def is_bundle(path: Path) -> bool:
    """Whether SPEC is a bundle's root file or its folder, by name."""
    return path.is_dir() or path.stem in ("databricks", "bundle")


def _from_text(text: str, path: Path, target: str | None, variables: dict[str, str], settings: Settings) -> Intake:
    loaded = loads(text, path=path, target=target, variables=variables)
    if loaded.bundle is None:
        _refuse_choices(path, target, variables)
    # No spec in the origin: a repair takes the settings the run was made with.
    origin = {"cell": str(path), "target": target, "variables": variables}
    root = settings.workspace or default_root(settings, path.parent)
    jobs = {key: _source(job, key, root, origin) for key, job in loaded.jobs.items()}
    return Intake(jobs, loaded.problems)


def _refuse_choices(path: Path, target: str | None, variables: Mapping[str, str] | None) -> None:
    given = f"-t {target}" if target else f"--var {next(iter(variables))}=…" if variables else None
    if given:
        raise UserError(f"{given}: {path} is no bundle (databricks.yml), so it has no targets and no variables")


def _source(job: LoadedJob, key: str, root: Path, origin: Mapping[str, object]) -> Source:
    files = {f"{task_key} {field}": str(file) for (task_key, field), file in job.files.items()}
    return Source(job.settings, job.folder, root, files, {**origin, "job": key}, key, job.places())


def _notebook_finder(name: str, caller: Path, root: Path) -> Path:
    return notebooks.resolve(name, caller=caller, root=root)


def _bare(path: Path, arguments: Sequence[str], settings: Settings) -> Intake:
    """A one-task job of a notebook or a plain Python file."""
    key = re.sub(r"[^A-Za-z0-9_\-]+", "_", path.stem)[:100] or "notebook"
    if notebooks.is_notebook(path):
        if arguments:
            raise UserError("a notebook takes no arguments after --; give its widgets values with -p NAME=VALUE")
        task = {"task_key": key, "notebook_task": {"notebook_path": str(path)}}
        files = {f"{key} notebook_task.notebook_path": str(path)}
    elif path.suffix == ".py":
        task = {"task_key": key, "spark_python_task": {"python_file": str(path), "parameters": list(arguments)}}
        files = {f"{key} spark_python_task.python_file": str(path)}
    else:
        notebooks.read(path)  # says why it is none
        raise UserError(f"{path}: not a Databricks notebook")
    job = JobSettings.model_validate({"name": path.name, "tasks": [task]})
    source = Source(job, path.parent, default_root(settings, path.parent), files, {"spec": str(path), "job": key}, key)
    return Intake({key: source})


def linked(source: Source, siblings: Mapping[str, Source], workspace: Workspace) -> Source:
    """The job with `${resources.jobs.K.id}` replaced; the jobs of its spec it may start are stored under those ids."""
    if "resources.jobs." not in json.dumps(resolved(source.settings, bundle=True)):
        return source
    ids = workspace.register(siblings.values())
    if any(task.kind == "run_job_task" or task.for_each_task for task in source.settings.tasks or ()):
        for key, sibling in siblings.items():
            ready = replace(sibling, settings=resolve_job_ids(sibling.settings, ids))
            workspace.remember_job(ids[sibling.key or key], ready)
    return replace(source, settings=resolve_job_ids(source.settings, ids))


def again(origin: Mapping[str, object], workspace: Workspace) -> Source | None:
    """The job of a run that came from a file, as that file is now; None if the run did not."""
    if not origin.get("spec"):
        return None
    variables = origin.get("variables")
    target = origin.get("target")
    intake = take(
        str(origin["spec"]),
        target=str(target) if target else None,
        variables=dict(variables) if isinstance(variables, Mapping) else None,
        keep_going=True,
    )
    intake.require_readable()  # a task that is run again without its file fails by name
    return linked(intake.pick(str(origin["job"])), intake.jobs, workspace)


def refused(source: Source, stubs: Iterable[str], only: Iterable[str]) -> list[Problem]:
    """What this machine does not run of a job: an error a task, with the two ways on (DECISIONS, last row)."""
    from dbutils_local.spec.base import Support
    from dbutils_local.spec.support import report

    chosen = plan(source.settings, only=tuple(only)).tasks
    nowhere = Place(Path(str(source.origin["spec"])) if source.origin.get("spec") else source.folder)
    return [
        source.places.get(row.planned_as or "", nowhere).problem(
            f"task {row.planned_as!r}: {row.field}: {_ways_on(row.message, row.planned_as or '')}"
        )
        for row in report(source.settings)
        if row.support is Support.REFUSED and row.planned_as in chosen and row.planned_as not in set(stubs)
    ]


def _ways_on(message: str, key: str) -> str:
    if "--stub TASK" in message:
        return message.replace("--stub TASK", f"--stub {key}")
    return f"{message}; leave the task out (--only) or stand in for it (--stub {key})"


def wiring(source: Source, chosen: Plan, passed: Iterable[str] = ()) -> list[Problem]:
    """What reading the notebooks of the chosen tasks shows, without running them (core.wiring)."""
    from dbutils_local.core.wiring import check

    root = source.root or Path.cwd()
    return check(
        source.settings,
        chosen,
        source.files,
        find=lambda name, caller: notebooks.resolve(name, caller=caller, root=root),
        read=notebooks.read,
        installed=lambda module: importlib.util.find_spec(module) is not None,
        passed=tuple(passed),
        spec=Path(str(source.origin["spec"])) if source.origin.get("spec") else None,
        places=source.places,
    )


def job_circle(start: Source, jobs: Mapping[str, Source]) -> list[Problem]:
    """The circle of run_job tasks a run of `start` would enter, if its spec has one: such a run could never end."""
    by_key = {str(source.key): source for source in jobs.values()}
    stack: list[str] = []
    done: set[str] = set()

    def found_from(key: str) -> list[Problem]:
        if key in stack:
            circle = " -> ".join((*stack[stack.index(key) :], key))
            place = next((place for name, place in by_key[key].places.items() if " " not in name), Place(None))
            return [place.problem(f"run_job tasks go round in a circle of jobs: {circle}")]
        if key in done or key not in by_key:
            return []
        stack.append(key)
        found = [problem for below in _jobs_started(by_key[key]) for problem in found_from(below)]
        done.add(stack.pop())
        return found

    return found_from(str(start.key))[:1]


def _jobs_started(source: Source) -> Iterator[str]:
    for task in source.settings.tasks or ():
        inner = task.for_each_task.task if task.for_each_task else task
        if inner.run_job_task and (job := JOB_ID_REFERENCE.fullmatch(str(inner.run_job_task.job_id))):
            yield job[1]


def require(problems: Sequence[Problem]) -> None:
    """Raise InvalidSpec if any of the problems is an error."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise InvalidSpec(errors)
