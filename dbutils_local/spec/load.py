"""From a file people wrote to the jobs in it: job settings in YAML or JSON, a bundle, or a bundle's fragment."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dbutils_local.errors import InvalidSpec, NotFound, Problem, UserError
from dbutils_local.spec import bundle, tree
from dbutils_local.spec.bundle import BundleInfo
from dbutils_local.spec.checks import BUNDLE_REFERENCE, check
from dbutils_local.spec.deployment import ANNOTATIONS, with_named_elements
from dbutils_local.spec.faults import did_you_mean, problems_of, with_task_key
from dbutils_local.spec.files import Files, ResolveNotebook, Resolver, deployed, normalised, outside
from dbutils_local.spec.interpolate import ESCAPED_JOB
from dbutils_local.spec.job import JobSettings, resolved, wrap_single_task
from dbutils_local.spec.tasks import JOB_ID_REFERENCE, Task
from dbutils_local.spec.tree import Node, Place, Steps, node_of, show
from dbutils_local.spec.typed import as_read, typed

LOCAL_USER = "local@localhost"
SPEC_SUFFIXES = (".yml", ".yaml", ".json")
_BUNDLE_KEYS = ("resources", "targets", "bundle", "include")


@dataclass(frozen=True)
class LoadedJob:
    """One job: its settings as they run here, and where everything in it was written.

    `files` maps (task_key, field path) to the local file a path means, e.g. ("plan", "notebook_task.notebook_path");
    the nested task of a loop stands under its own key, files of the job itself under the key "".
    With `keep_going`, `missing` has the faults of the files that are not there, by the task of the job that needs them.
    """

    key: str
    settings: JobSettings
    file: Path
    folder: Path
    files: Files
    tree: Node = field(repr=False)
    missing: Mapping[str, list[Problem]] = field(default_factory=dict)

    def place(self, path: Steps) -> Place:
        """Where the value at `path` was written, or the nearest value around it."""
        return self.tree.nearest(path).place

    def place_of_task(self, task_key: str) -> Place:
        """Where a task (a nested one too) begins."""
        for _, node in self.tree.walk():
            key = node.get("task_key") if isinstance(node.value, dict) else None
            if key is not None and str(key.value) == task_key and any(name.endswith("_task") for name in node.mapping):
                return node.place
        return self.tree.place

    def places(self) -> dict[str, Place]:
        """Where each task begins, by its key, and each job parameter, as "parameters NAME"."""
        named = [
            (prefix, node.get(name), node)
            for top, name, prefix in (("tasks", "task_key", ""), ("parameters", "name", "parameters "))
            for node in self.tree.elements(top)
        ]
        return {f"{prefix}{key.value}": node.place for prefix, key, node in named if key is not None}


@dataclass(frozen=True)
class LoadedSpec:
    """All jobs of a spec; `problems` are doubts, and with `keep_going` faults too."""

    jobs: Mapping[str, LoadedJob]
    bundle: BundleInfo | None
    problems: tuple[Problem, ...]
    root: Path
    deployed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """What `databricks bundle validate -o json` prints for each job of a bundle, also for one that cannot run."""

    @property
    def faults(self) -> tuple[Problem, ...]:
        """The problems that forbid a run."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    def job(self, key: str | None = None) -> LoadedJob:
        """The job of that key or name; without one the only job there is. UserError names the choice."""
        if key is None and len(self.jobs) == 1:
            return next(iter(self.jobs.values()))
        known = ", ".join(self.jobs)
        if key is None:
            raise UserError(f"the spec has {len(self.jobs)} jobs; choose one with --job: {known}")
        found = self.jobs.get(key) or next((job for job in self.jobs.values() if job.settings.name == key), None)
        if found is None:
            raise NotFound(f"no job {key!r} in the spec; there are: {known}")
        return found


@dataclass(frozen=True)
class _Request:
    """What a caller of `load` asked for."""

    path: Path
    root: Path
    target: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    user: str = LOCAL_USER
    resolve_notebook: ResolveNotebook | None = None
    check_files: bool = True
    keep_going: bool = False


def load(
    path: Path,
    *,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    user: str = LOCAL_USER,
    root: Path | None = None,
    resolve_notebook: ResolveNotebook | None = None,
    check_files: bool = True,
    keep_going: bool = False,
) -> LoadedSpec:
    """The jobs in `path`: job settings (.yml, .yaml, .json), the `resources: jobs:` form, or a bundle or its folder.

    `root` is the workspace root, by default the bundle's folder, else the file's. `resolve_notebook(name, caller,
    root)` replaces the built-in search for notebooks. With `keep_going`, faults that leave a job readable (a missing
    notebook, a circle) are returned among its `problems`. Raises InvalidSpec with every fault found, NotFound for a
    missing file, UserError for a wrong target.
    """
    file = _spec_file(path.absolute())
    request = _Request(
        file,
        root or file.parent,
        target,
        dict(variables or {}),
        os.environ if environ is None else environ,
        user,
        resolve_notebook,
        check_files,
        keep_going,
    )
    problems: list[Problem] = []
    return _from_tree(tree.read(file, problems), request, problems)


def loads(
    text: str,
    *,
    path: Path,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
    user: str = LOCAL_USER,
    root: Path | None = None,
    resolve_notebook: ResolveNotebook | None = None,
) -> LoadedSpec:
    """As `load`, for a text that stands in no file of its own (a notebook cell); relative paths count from `path`."""
    given = os.environ if environ is None else environ
    request = _Request(path, root or path.parent, target, dict(variables or {}), given, user, resolve_notebook)
    problems: list[Problem] = []
    return _from_tree(tree.parse(text, path, problems), request, problems)


def _from_tree(node: Node, request: _Request, problems: list[Problem]) -> LoadedSpec:
    if not isinstance(node.value, dict):
        raise InvalidSpec([node.place.problem("a spec is a mapping: job settings, or a bundle with resources: jobs:")])
    if request.path.name in bundle.ROOT_NAMES or any(key in node.mapping for key in _BUNDLE_KEYS):
        return _from_bundle(node, request, problems)
    return _from_settings(node, request, problems)


def job_settings(data: Mapping[str, Any], *, prefix: str = "") -> JobSettings:
    """JobSettings from plain data (a REST body, a dict); InvalidSpec with every fault, by field path."""
    node = _wrapped(node_of(data))
    faults = [problem for problem in check(node, prefix) if problem.severity == "error"]
    try:
        settings = _settings(node, prefix)
    except InvalidSpec as error:
        raise InvalidSpec([*error.problems, *faults]) from None
    if faults:
        raise InvalidSpec(faults)
    return settings


def task_of(data: Mapping[str, Any]) -> Task:
    """One Task from plain data; InvalidSpec with every fault."""
    try:
        return Task.model_validate(data)
    except ValidationError as error:
        raise InvalidSpec(problems_of(error, node_of(data), Task)) from None


def resolve_job_ids(settings: JobSettings, ids: Mapping[str, int]) -> JobSettings:
    """`settings` with every `${resources.jobs.KEY.id}` replaced by that job's id; unknown keys stay.

    What was escaped, `$${resources.jobs.KEY.id}`, is the text `${resources.jobs.KEY.id}` from now on.
    """

    def put(value: Any) -> Any:
        match value:
            case dict():
                return {key: put(below) for key, below in value.items()}
            case list():
                return [put(below) for below in value]
            case str() if found := JOB_ID_REFERENCE.fullmatch(value):
                return ids.get(found[1], value)
            case str():
                put_in = JOB_ID_REFERENCE.sub(lambda match: str(ids.get(match[1], match[0])), value)
                return put_in.replace(ESCAPED_JOB, ESCAPED_JOB[1:])
        return value

    return JobSettings.model_validate(put(resolved(settings, bundle=True)))


def _spec_file(path: Path) -> Path:
    if path.is_dir():
        found = bundle.root_file(path)
        if found is None:
            raise NotFound(f"{path}: there is no {' or '.join(bundle.ROOT_NAMES[:2])} in this folder")
        return found
    if not path.exists():
        raise NotFound(f"{path}: no such file{_nearest_file(path)}")
    if path.suffix.lower() not in SPEC_SUFFIXES:
        raise UserError(f"{path}: a job spec is a .yml, .yaml or .json file or a bundle's folder")
    return path


def _nearest_file(path: Path) -> str:
    return did_you_mean(path.name, [entry.name for entry in path.parent.iterdir()]) if path.parent.is_dir() else ""


# Plain job settings ----------------------------------------------------------------------------------------------


def _from_settings(root: Node, request: _Request, problems: list[Problem]) -> LoadedSpec:
    settings = root.get("settings")  # as jobs/get answers
    job = settings if settings is not None and root.get("tasks") is None else root
    key = request.path.stem.removesuffix(".job")
    return _loaded({key: _wrapped(job)}, {}, None, request, [*problems, *_bundle_references(job, request)])


def _bundle_references(job: Node, request: _Request) -> list[Problem]:
    """In a file of its own there is no bundle that could give `${...}` a value."""
    around = _bundle_around(request.path)
    hint = f"; run the bundle {around} with --job instead" if around else ""
    return [
        node.place.problem(f"{show(path)}: {match[0]} has no value outside a bundle{hint}")
        for path, node in job.walk()
        if isinstance(node.value, str) and "${" in node.value
        for match in BUNDLE_REFERENCE.finditer(node.value)
        if match[1].startswith(("var.", "bundle.", "workspace.", "variables.", "resources."))
    ]


def _wrapped(job: Node) -> Node:
    """The single-task form as a job of one task, places kept."""
    wrapped = wrap_single_task(job.mapping)
    if wrapped is job.mapping or "tasks" in job.mapping:
        return job
    task = {key: node_of(value, job.place) for key, value in wrapped["tasks"][0].items()}
    members = {key: node for key, node in wrapped.items() if key != "tasks"}
    return replace(job, value={**members, "tasks": Node([Node(task, job.place)], job.place)})


# Bundles ---------------------------------------------------------------------------------------------------------


def _from_bundle(root: Node, request: _Request, written: list[Problem]) -> LoadedSpec:
    twice = [problem for key, job in root.members("resources", "jobs").items() for problem in _duplicates(job, key)]
    problems = [*tree.doubts_of_a_bundle(written), *twice]
    try:
        found = bundle.resolve(
            root,
            request.path,
            target=request.target,
            variables=request.variables,
            environ=request.environ,
            user=request.user,
        )
        if not found.local:
            severity = "warning" if request.keep_going else "error"
            none = Problem("the bundle defines no jobs (resources: jobs:)", request.path, severity=severity)
            found = replace(found, problems=(none, *found.problems))
        jobs = {key: _of_either_age(job, key, problems) for key, job in found.local.items()}
        return _loaded(jobs, found.official, found.info, request, [*problems, *found.problems])
    except InvalidSpec as error:
        raise InvalidSpec([*_in_order([*problems, *error.problems]), *_fragment_hint(request.path)]) from None


def _fragment_hint(path: Path) -> list[Problem]:
    around = _bundle_around(path)
    if around is None or path.name in bundle.ROOT_NAMES:
        return []
    return [Problem(f"this file looks like a part of {around}: run that, with --job", path, severity="warning")]


def _bundle_around(path: Path) -> Path | None:
    """The bundle's root file in one of the folders above."""
    candidates = (folder / name for folder in path.parents for name in bundle.ROOT_NAMES[:2])
    return next((file for file in candidates if file.is_file()), None)


def _duplicates(job: Node, key: str) -> list[Problem]:
    """Two tasks of one key in one list: merged by the bundle tool, but hardly ever meant."""
    return [problem for problem in check(job, f"resources.jobs.{key}") if "duplicate task_key" in problem.message]


def _of_either_age(job: Node, key: str, problems: list[Problem]) -> Node:
    """A job in the older single-task form as a job of one task, read as the bundle tool reads one."""
    wrapped = _wrapped(job)
    if wrapped is job:
        return job
    read, doubts = as_read(wrapped, JobSettings, ("resources", "jobs", key))
    problems.extend(doubts)
    return read


def _shown(
    official: Mapping[str, Node], info: BundleInfo, is_whole: bool, sound: Collection[str]
) -> dict[str, dict[str, Any]]:
    """The jobs as the bundle tool prints them; it stops before paths and marks when a path leads nowhere.

    Those that are not `sound` may have keys that look like a slip of the pen, which it leaves out.
    """
    if not is_whole:
        jobs = {key: normalised(job.without(*ANNOTATIONS), root=info.sync_root) for key, job in official.items()}
    else:
        file_path = info.workspace.get("file_path", "")
        jobs = {key: deployed(job, root=info.sync_root, file_path=file_path) for key, job in official.items()}
    return {
        key: job.plain() if key in sound else typed(with_named_elements(job), JobSettings).plain()
        for key, job in jobs.items()
    }


def _loaded(
    jobs: Mapping[str, Node],
    official: Mapping[str, Node],
    info: BundleInfo | None,
    request: _Request,
    found: list[Problem],
) -> LoadedSpec:
    problems = list(found)
    loaded: dict[str, LoadedJob] = {}
    is_whole = True
    for key, node in jobs.items():
        prefix = f"resources.jobs.{key}" if info else ""
        own: list[Problem] = []
        file = node.place.file or request.path
        resolver = Resolver(request.root, file, info is not None, request.resolve_notebook)
        if request.check_files:
            resolver.run(node, prefix)
        own.extend(outside(node, info.sync_root, prefix) if info else [])
        is_whole = is_whole and resolver.is_whole and not own
        own.extend([*resolver.problems, *check(node, prefix), *_git_notice(node, prefix)])
        try:
            settings = _settings(node, prefix)
        except InvalidSpec as error:
            own.extend(problem for problem in error.problems if not _is_told(problem, problems))
        else:
            missing = {task: [with_task_key(p, node) for p in lacking] for task, lacking in resolver.missing.items()}
            loaded[key] = LoadedJob(key, settings, file, file.parent, resolver.files, node, missing)
        problems.extend(with_task_key(problem, node) for problem in own)
    ordered = _in_order(problems)
    if any(problem.severity == "error" for problem in ordered) and not request.keep_going:
        raise InvalidSpec(ordered)
    if info is None:
        shown = {key: resolved(job.settings) for key, job in loaded.items()}
    else:
        shown = _shown(official, info, is_whole, loaded)
    return LoadedSpec(loaded, info, tuple(ordered), request.root, shown)


def _is_told(problem: Problem, told: list[Problem]) -> bool:
    """A reference without a value is one fault, not a second one for standing where a number belongs."""
    place = (problem.file, problem.line, problem.column)
    return problem.line is not None and any(place == (p.file, p.line, p.column) for p in told if p.severity == "error")


def _git_notice(job: Node, prefix: str) -> list[Problem]:
    source = job.get("git_source")
    if source is None:
        return []
    where = f"{prefix}.git_source" if prefix else "git_source"
    return [
        (source.key or source.place).problem(f"{where}: the working tree is used, nothing is checked out", "warning")
    ]


def _settings(node: Node, prefix: str) -> JobSettings:
    try:
        return JobSettings.model_validate(node.plain())
    except ValidationError as error:
        raise InvalidSpec(problems_of(error, node, JobSettings, prefix)) from None


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Faults before doubts, each in the order of the file, nothing twice."""
    unique = list(dict.fromkeys(problems))
    return sorted(unique, key=lambda p: (p.severity != "error", str(p.file or ""), p.line or 0, p.column or 0))
