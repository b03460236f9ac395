"""From a ready task to a call that does it: references and parameters resolved, files found, environment made."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dbutils_local.core.machine import without_collecting
from dbutils_local.core.parameters import parameters_for, resolved_member
from dbutils_local.core.references import UnresolvedReference, scope_of
from dbutils_local.core.state import Failure, RunState, TaskState
from dbutils_local.engine import clusters
from dbutils_local.engine.drive import Preparation, Refused, Started, executor_is_inline
from dbutils_local.errors import NotFound, UserError
from dbutils_local.executors import registry
from dbutils_local.executors.base import Outcome, StopToken, TaskContext
from dbutils_local.files import Mounts
from dbutils_local.kernels.environment import JobContext
from dbutils_local.kernels.packages import with_this_python
from dbutils_local.paths import Places, to_local, workspace_candidates
from dbutils_local.settings import PREFIX, Settings
from dbutils_local.spec.job import JobSettings
from dbutils_local.spec.tasks import Library, Task
from dbutils_local.sql.choice import environment_for
from dbutils_local.store import artifacts

# Paths that are no workspace paths: DBFS, volumes, mounts, and URLs.
_ELSEWHERE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:|/(?:dbfs|Volumes|mnt)/")
_OPTION = re.compile(r"(-r|--requirement)[ =]+")

# (task_run_id, job_id, parameters, deprecated *_params, stop)
RunJob = Callable[[int, int, Mapping[str, str], Mapping[str, Any], StopToken], Outcome]


@dataclass
class TaskPreparation(Preparation):
    """Prepares the attempts of one run."""

    settings: Settings
    run_job: RunJob
    forkserver: Callable[[Task], str | None] = lambda task: None
    redact: Callable[[str], str] = lambda text: text
    secret: Callable[[str, str], bytes | None] = lambda scope, key: None
    _tasks: dict[str, Task] = field(default_factory=dict)
    _base: Mapping[str, str] = field(default_factory=lambda: with_this_python(os.environ))
    _seen: Mapping[str, Any] | None = None
    _sql: Mapping[str, str] = field(default_factory=dict)
    _job: JobSettings = field(default_factory=JobSettings)

    def start(self, state: RunState, key: str, task_run_id: int, stop: StopToken, at: int) -> Started | Refused:
        """The attempt as a call, or why it cannot be one."""
        task_state = state.tasks[key]
        task = self._task(state, task_state)
        try:
            scope = scope_of(state, key, task_run_id=task_run_id, at=at)
            member = resolved_member(task, state.overriding_parameters, scope)
            resolved = task.model_copy(update={task.kind: type(task.member).model_validate(member)})
            parameters = parameters_for(resolved, scope.job_parameters)
            located = self._located(state, task_state, task, resolved)
            context = self._context(state, task_state, task, task_run_id, parameters, stop)
            executor = registry.executor_for(task.kind)
        except UnresolvedReference as error:
            return Refused(Failure(str(error), code="INVALID_RUN_CONFIGURATION", message=str(error), setup=True))
        except NotFound as error:
            return Refused(Failure(str(error), code="RESOURCE_NOT_FOUND", message=str(error), setup=True))
        except (UserError, ValidationError) as error:
            return Refused(Failure(str(error), code="INVALID_RUN_CONFIGURATION", message=str(error), setup=True))
        inline = executor_is_inline(executor)
        return Started(lambda: self._run(executor, located, context, inline), parameters, {task.kind: member}, inline)

    def _run(self, executor: Any, task: Task, context: TaskContext, inline: bool) -> Outcome:
        if not inline:
            context.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        outcome: Outcome = executor.run(task, context)
        return outcome

    # ------------------------------------------------------------ the task

    def _task(self, state: RunState, task_state: TaskState) -> Task:
        """The spec of a task or, for an iteration, of its loop's nested task. Parsed once, and again after a repair."""
        if self._seen is not state.settings:
            with without_collecting():
                self._job = JobSettings.model_validate(dict(state.settings))
            self._tasks = {task.task_key: task for task in self._job.tasks or ()}
            self._sql = environment_for(self.settings, _notebooks(state), Path(state.workspace_root or "."))
            self._make_volumes(state.origin)
            self._seen = state.settings
        task = self._tasks[task_state.parent or task_state.key]
        if task_state.parent is not None:
            assert task.for_each_task is not None
            return task.for_each_task.task
        return task

    def _make_volumes(self, origin: Mapping[str, Any]) -> None:
        """The folders of the volumes that a bundle's resources make."""
        places = Places(self.settings.home, Path("."))
        for name in origin.get("volumes", ()):
            to_local("/Volumes/" + "/".join(name.split(".")), places).mkdir(parents=True, exist_ok=True, mode=0o700)

    def _located(self, state: RunState, task_state: TaskState, task: Task, resolved: Task) -> Task:
        """The task with the local path of its file in place of the path the spec says."""
        for name, (member, path) in _paths(resolved).items():
            if path is None:
                continue
            owner = task_state.parent or task_state.key
            known = state.files.get(f"{owner} {name}") or state.files.get(f"{task.task_key} {name}")
            original = _paths(task)[name][1]
            if known and path == original:
                found = known
            else:
                found = str(self._find(state, name, path))
            resolved = _with_path(resolved, member, name, found)
        libraries = _with_files(task, state.files)
        return resolved.model_copy(update={"libraries": libraries}) if libraries else resolved

    def _find(self, state: RunState, name: str, path: str) -> Path:
        found = self._looked_up(state, name, path)
        if state.spec_folder is None:
            self._require_inside(Path(state.workspace_root or "."), name, path, found)
        return found

    def _require_inside(self, root: Path, name: str, path: str, found: Path) -> None:
        """A job that came over HTTP may name files of the allowed folders only, also through a reference."""
        allowed = [root, *map(Path, self.settings.allowed_roots), self.settings.home]
        real = Path(os.path.realpath(found))
        if not any(real.is_relative_to(os.path.realpath(folder.expanduser())) for folder in allowed):
            folders = ", ".join(map(str, allowed))
            raise UserError(
                f"{name}: {path!r} leads out of the allowed folders ({folders}); the setting allowed_roots names more."
            )

    def _looked_up(self, state: RunState, name: str, path: str) -> Path:
        root = Path(state.workspace_root or ".")
        folder = Path(state.spec_folder) if state.spec_folder else root
        if name.endswith("notebook_path"):
            from dbutils_local.notebooks import resolve

            return resolve(path, caller=folder / "spec", root=root)
        if _ELSEWHERE.match(path):
            places = Places(self.settings.home, root, Mounts(self.settings.home).table())
            local = to_local(path.removeprefix("/dbfs") if path.startswith("/dbfs/") else path, places)
            if not local.exists():
                raise NotFound(f"{path}: no such file; on this machine it would be {local}")
            return local
        return _file(path, folder, root)

    # ------------------------------------------------------------ what it is given

    def _context(
        self,
        state: RunState,
        task_state: TaskState,
        task: Task,
        task_run_id: int,
        parameters: Mapping[str, str],
        stop: StopToken,
    ) -> TaskContext:
        attempt = len(task_state.attempts)
        finished = {key: other.values for key in state.speakers for other in [state.tasks[key]] if other.is_final}
        job = JobContext(
            job_id=state.job_id,
            job_name=str(state.settings.get("name") or "Untitled"),
            run_id=state.run_id,
            task_run_id=task_run_id,
            task_key=task.task_key,
            attempt_number=attempt,
            repair_count=state.repair_count,
            start_time=state.created_at,
            trigger_type=state.trigger.lower().replace("one_time", "onetime"),
            is_iteration=task_state.parent is not None,
            is_alone=state.run_type == "SUBMIT_RUN" and "spec" in state.origin,
        )
        return TaskContext(
            task_key=task.task_key,
            job=job,
            home=self.settings.home,
            workspace_root=Path(state.workspace_root or "."),
            folder=artifacts.folder(self.settings.runs, state.run_id, task_state.key, attempt),
            parameters=parameters,
            environ=self._environ(state, task),
            task_values=finished,
            stop=stop,
            run_job=lambda job_id, values, legacy, token: self.run_job(task_run_id, job_id, values, legacy, token),
            forkserver=self.forkserver(task),
            spec_folder=Path(state.spec_folder) if state.spec_folder else None,
            redact=self.redact,
            dependencies=_dependencies(self._job, task, state.files),
        )

    def _environ(self, state: RunState, task: Task) -> Mapping[str, str]:
        cluster = clusters.cluster_of(self._job, task)
        own = {**self._base, f"{PREFIX}HOME": str(self.settings.home), f"{PREFIX}WORKSPACE": state.workspace_root or ""}
        return {
            **self._sql,
            **_namespaces(self.settings, state.origin),
            **clusters.spark_conf(cluster, self.settings.spark_conf, lambda value: _secret(value, self.secret)),
            **clusters.variables(cluster, lambda value: _secret(value, self.secret)),
            **_job_variables(self._job, task, Path(state.spec_folder or "."), self.secret),
            **own,
        }


def _namespaces(settings: Settings, origin: Mapping[str, Any]) -> dict[str, str]:
    """The catalogs and schemas that a bundle's resources make, besides those of the settings."""
    known = {"catalogs": settings.catalogs, "schemas": settings.schemas}
    return {
        PREFIX + kind.upper(): ",".join((*names, *origin[kind])) for kind, names in known.items() if origin.get(kind)
    }


def _notebooks(state: RunState) -> list[Path]:
    return [Path(file) for name, file in state.files.items() if name.endswith("notebook_path")]


def _dependencies(job: JobSettings, task: Task, files: Mapping[str, str]) -> tuple[str, ...]:
    """What the environment that the task points to asks pip for, files of the spec by their local path."""
    key = task.environment_key
    if key is None:
        return ()
    for index, entry in enumerate(job.environments or ()):
        if entry.environment_key == key:
            lines = entry.spec.dependencies or () if entry.spec else ()
            known = (files.get(f" environments[{index}].spec.dependencies[{number}]") for number in range(len(lines)))
            return tuple(_with_file(line, file) for line, file in zip(lines, known, strict=True))
    raise UserError(f"task {task.task_key!r}: environment_key {key!r} is not defined by this job")


def _with_file(line: str, file: str | None) -> str:
    """A requirement line with its file as found, any option before it kept."""
    if file is None:
        return line
    option = _OPTION.match(line)
    return f"{option[1]} {file}" if option else file


def _with_files(task: Task, files: Mapping[str, str]) -> list[Library]:
    """The libraries of a task, those that are files of the spec by their local path."""
    found = []
    for index, library in enumerate(task.libraries or ()):
        [member] = library.model_fields_set
        known = files.get(f"{task.task_key} libraries[{index}].{member}")
        found.append(library.model_copy(update={member: known}) if known else library)
    return found


def _paths(task: Task) -> dict[str, tuple[str, str | None]]:
    """The path fields of a task: field path -> (member, value)."""
    found: dict[str, tuple[str, str | None]] = {}
    if task.notebook_task is not None:
        found["notebook_task.notebook_path"] = ("notebook_task", task.notebook_task.notebook_path)
    if task.spark_python_task is not None:
        found["spark_python_task.python_file"] = ("spark_python_task", task.spark_python_task.python_file)
    if task.sql_task is not None and task.sql_task.file is not None:
        found["sql_task.file.path"] = ("sql_task", task.sql_task.file.path)
    if task.dbt_task is not None:
        found["dbt_task.project_directory"] = ("dbt_task", task.dbt_task.project_directory)
    return found


def _with_path(task: Task, member: str, name: str, path: str) -> Task:
    model = getattr(task, member)
    fields = name.split(".")[1:]
    if len(fields) == 2:
        inner = getattr(model, fields[0]).model_copy(update={fields[1]: path})
        return task.model_copy(update={member: model.model_copy(update={fields[0]: inner})})
    return task.model_copy(update={member: model.model_copy(update={fields[0]: path})})


def _file(path: str, folder: Path, root: Path) -> Path:
    """A plain file or folder of a spec: beside the spec, else a workspace path below the root."""
    candidates = [*workspace_candidates(path, root)] if path.startswith("/") else [folder / path, root / path]
    found = next((candidate for candidate in candidates if candidate.exists()), None)
    if found is None:
        raise NotFound(f"{path}: no such file; looked for {', '.join(str(candidate) for candidate in candidates[:3])}")
    return found.absolute()


def _job_variables(
    job: JobSettings, task: Task, folder: Path, secret: Callable[[str, str], bytes | None]
) -> dict[str, str]:
    """`environment_variables` of the job that the task points to: files first, `variables` over them (1.1)."""
    key = task.environment_variables_key
    if key is None:
        return {}
    for entry in job.environment_variables or ():
        if entry.environment_variables_key == key and entry.spec is not None:
            values: dict[str, str] = {}
            for name in entry.spec.files or ():
                values.update(_env_file(folder / name))
            values.update(entry.spec.variables or {})
            return {name: _secret(value, secret) for name, value in values.items()}
    raise UserError(f"task {task.task_key!r}: environment_variables_key {key!r} is not defined by this job")


def _env_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise NotFound(f"environment file {path}: {error.strerror}") from error
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines)
    return {
        name.strip(): value.strip().strip("'\"") for name, mark, value in pairs if mark and not name.startswith("#")
    }


def _secret(value: str, secret: Callable[[str, str], bytes | None]) -> str:
    inner = value.strip().removeprefix("{{").removesuffix("}}").strip()
    if not value.strip().startswith("{{") or not inner.startswith("secrets/"):
        return value
    _, scope, *rest = inner.split("/", 2)
    key = rest[0] if rest else ""
    found = secret(scope, key) if key else None
    if found is None:
        raise NotFound(f"Secret does not exist with scope: {scope} and key: {key}")
    return found.decode()
