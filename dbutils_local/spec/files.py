"""Which files of this machine the paths in a job mean, and what the bundle tool would write in their place."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path, PurePosixPath

from dbutils_local.errors import Problem, UserError
from dbutils_local.paths import workspace_candidates
from dbutils_local.spec.faults import did_you_mean
from dbutils_local.spec.tree import Node, Steps, show

NOTEBOOK_EXTENSIONS = (".ipynb", ".py", ".sql", ".scala", ".r", ".R")
_MARKERS = {".py": "#", ".r": "#", ".R": "#", ".sql": "--", ".scala": "//"}
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]+:")
_OPTION = re.compile(r"^(-r|-e|--requirement|--editable)[ =]+")

# (name, calling file, workspace root) -> the notebook's file; NotFound or UserError with the reason.
ResolveNotebook = Callable[[str, Path, Path], Path]
Files = dict[tuple[str, str], Path]


class _Kind(Enum):
    NOTEBOOK = "notebook"
    FILE = "file"
    FOLDER = "folder"
    LIBRARY = "library"


_PATHS: tuple[tuple[Steps, _Kind], ...] = (
    (("notebook_task", "notebook_path"), _Kind.NOTEBOOK),
    (("spark_python_task", "python_file"), _Kind.FILE),
    (("sql_task", "file", "path"), _Kind.FILE),
    (("dbt_task", "project_directory"), _Kind.FOLDER),
    (("alert_task", "workspace_path"), _Kind.FILE),
)
_LIBRARY_MEMBERS = ("whl", "jar", "egg", "requirements")
_DEPLOYED_LIBRARIES = ("whl", "jar")  # the bundle tool uploads these itself; requirements files go with the rest
_SOURCED = ("notebook_task", "spark_python_task")
_KEPT_ENDINGS = (".designer.ipynb", ".flow.ipynb")  # not notebooks to the workspace, so they keep their extension


@dataclass(frozen=True)
class _Found:
    """One path of a job: where it stands and what it names; `owner` is the loop for the nested task of one."""

    owner: str
    task_key: str
    path: Steps
    node: Node
    kind: _Kind
    from_git: bool
    option: str = ""  # of the installer: `-r` before a requirements file

    @property
    def field(self) -> str:
        return show(self.path)


@dataclass
class Resolver:
    """Finds the local files of one job; `files` and `problems` are filled by `run`.

    `missing` holds those of the problems that are faults, by the key of the task of the job that needs the file ("":
    the job itself); `is_whole` says that every path of the project leads somewhere.
    """

    root: Path
    file: Path
    is_bundle: bool = False
    resolve_notebook: ResolveNotebook | None = None
    files: Files = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    missing: dict[str, list[Problem]] = field(default_factory=dict)
    is_whole: bool = True

    def run(self, job: Node, prefix: str = "") -> None:
        """Look at every path of `job`."""
        for index, found in _paths(job):
            where = ".".join(part for part in (prefix, index, found.field) if part)
            try:
                local = self._local(found, where)
            except UserError as error:
                self._lacks(found, found.node.place.problem(f"{where}: {str(error).splitlines()[0]}"))
            else:
                if local is not None:
                    self.files[found.task_key, found.field] = local

    def _lacks(self, found: _Found, problem: Problem) -> None:
        self.problems.append(problem)
        self.missing.setdefault(found.owner, []).append(problem)
        # An absolute path names something of the workspace, which the bundle tool does not look for.
        self.is_whole = self.is_whole and str(found.node.value).startswith("/")

    def _local(self, found: _Found, where: str) -> Path | None:
        written = str(found.node.value)
        if "{{" in written or "${" in written or _SCHEME.match(written) or written.startswith(("/Volumes/", "/dbfs/")):
            return None  # known when the task starts, or no file of the workspace
        candidates = list(self._candidates(written, found))
        match found.kind:
            case _Kind.NOTEBOOK:
                return self._notebook(written, found, candidates)
            case _Kind.FOLDER:
                return _existing_folder(written, candidates)
            case _Kind.LIBRARY:
                return self._library(written, found, candidates, where)
        return self._file(written, candidates)

    def _candidates(self, written: str, found: _Found) -> Iterator[Path]:
        if written.startswith("/"):
            yield from workspace_candidates(written, self.root)
            return
        beside = self._caller(found).parent
        for base in (self.root, beside) if found.from_git else (beside, self.file.parent, self.root):
            yield Path(os.path.normpath(base / Path(written).expanduser()))

    def _caller(self, found: _Found) -> Path:
        return found.node.place.file or self.file

    def _notebook(self, written: str, found: _Found, candidates: list[Path]) -> Path:
        if self.resolve_notebook is not None and not found.from_git:
            return self.resolve_notebook(written, self._caller(found), self.root)
        plain: Path | None = None
        for base in candidates:
            for candidate in (base, *(base.with_name(base.name + extension) for extension in NOTEBOOK_EXTENSIONS)):
                if is_notebook(candidate):
                    return candidate
                if plain is None and candidate.is_file():
                    plain = candidate
        if plain is not None:
            marker = _MARKERS.get(plain.suffix, "#")
            raise UserError(
                f"{plain} is a file, not a notebook: its first line is not '{marker} Databricks notebook source'"
            )
        raise UserError(f"notebook {written!r} not found{_beside(candidates[0])}")

    def _library(self, written: str, found: _Found, candidates: list[Path], where: str) -> Path | None:
        local = next((Path(match) for base in candidates for match in sorted(glob.glob(str(base)))), None)
        if local is None:
            built = " (the artifacts of a bundle are not built here: build them first)" if self.is_bundle else ""
            self.problems.append(found.node.place.problem(f"{where}: no file is {written!r}{built}", "warning"))
        return local

    def _file(self, written: str, candidates: list[Path]) -> Path:
        for candidate in candidates:
            if candidate.is_file():
                if self.is_bundle and written.endswith(".py") and is_notebook(candidate):
                    raise UserError(f"expected a file but {candidate} is a notebook")
                return candidate
        raise UserError(f"file {written!r} not found{_beside(candidates[0])}")


def _existing_folder(written: str, candidates: list[Path]) -> Path:
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise UserError(f"folder {written!r} not found{_beside(candidates[0])}")


def _beside(wanted: Path) -> str:
    folder = wanted.parent
    if not folder.is_dir():
        return f": there is no folder {folder}"
    names = [entry.name for entry in folder.iterdir()]
    return f" (looked for {wanted}){did_you_mean(wanted.name, [*names, *(Path(name).stem for name in names)])}"


def is_notebook(path: Path) -> bool:
    """Whether a file is a notebook: .ipynb, or its first line says so; reads the first line only."""
    if path.suffix == ".ipynb":
        return path.is_file()
    marker = _MARKERS.get(path.suffix)
    if marker is None or not path.is_file():
        return False
    header = f"{marker} Databricks notebook source".encode()
    with path.open("rb") as file:
        return file.readline(len(header) + 2).rstrip(b"\r\n ") == header


def _paths(job: Node) -> Iterator[tuple[str, _Found]]:
    git = job.get("git_source") is not None
    for index, task in enumerate(job.elements("tasks")):
        for below in ((), ("for_each_task", "task")):
            node = task.get(*below)
            if node is not None:
                for found in _task_paths(node, git, _key(task)):
                    yield show(("tasks", index, *below)), found
    for index, variables in enumerate(job.elements("environment_variables")):
        for number, node in enumerate(variables.elements("spec", "files")):
            if isinstance(node.value, str):
                yield (
                    "",
                    _Found("", "", ("environment_variables", index, "spec", "files", number), node, _Kind.FILE, git),
                )
    for index, environment in enumerate(job.elements("environments")):
        node = environment.get("spec", "project_environment")
        if node is not None and isinstance(node.value, str):
            yield "", _Found("", "", ("environments", index, "spec", "project_environment"), node, _Kind.FILE, git)
    for path, node in _dependencies(job):
        option = _OPTION.match(str(node.value))
        bare = replace(node, value=str(node.value)[option.end() :] if option else node.value)
        yield "", _Found("", "", path, bare, _Kind.LIBRARY, git, option[1] if option else "")


def _key(task: Node) -> str:
    key = task.get("task_key")
    return str(key.value) if key is not None else ""


def _task_paths(task: Node, git: bool, owner: str) -> Iterator[_Found]:
    name = _key(task)
    for path, kind in _PATHS:
        node = task.get(*path)
        if node is not None and isinstance(node.value, str) and node.value:
            yield _Found(owner, name, path, node, kind, _from_git(task, path, git))
    for index, library in enumerate(task.elements("libraries")):
        for member in _LIBRARY_MEMBERS:
            node = library.get(member)
            if node is not None and isinstance(node.value, str):
                yield _Found(owner, name, ("libraries", index, member), node, _Kind.LIBRARY, git)


def _from_git(task: Node, path: Steps, git: bool) -> bool:
    source = task.get(*path[:-1], "source")
    if source is not None and isinstance(source.value, str):
        return source.value == "GIT"
    # An unset source means the repository, except for Python files (jobs reference, 1.3).
    return git and path[0] != "spark_python_task"


def _dependencies(job: Node) -> Iterator[tuple[Steps, Node]]:
    for index, environment in enumerate(job.elements("environments")):
        for number, node in enumerate(environment.elements("spec", "dependencies")):
            if isinstance(node.value, str) and is_local_dependency(node.value):
                yield ("environments", index, "spec", "dependencies", number), node


def is_local_dependency(line: str) -> bool:
    """Whether a requirements line names a file of the project and no package of an index."""
    option = _OPTION.match(line)
    bare = line[option.end() :] if option else line
    if _SCHEME.match(bare) or " @ " in bare or bare.startswith(("/Workspace/", "/Volumes/", "/dbfs/")):
        return False
    return bool(option) or bare.startswith((".", "/", "~")) or bare.endswith((".whl", ".txt", ".tar.gz"))


# What the bundle tool writes -------------------------------------------------------------------------------------


def deployed(job: Node, *, root: Path, file_path: str) -> Node:
    """`job` with its paths as the bundle tool deploys them: below `file_path`, notebooks without extension (9.5)."""
    if job.get("git_source") is not None:
        return _with_sources(job, "GIT")
    return _with_sources(_moved(job, root, lambda found, path: _deployed_path(found, path, file_path)), "WORKSPACE")


def outside(job: Node, root: Path, prefix: str = "") -> list[Problem]:
    """A doubt for every file of `job` that lies outside of `root`, the folder that would be deployed."""
    if job.get("git_source") is not None:
        return []
    return [
        found.node.place.problem(
            f"{'.'.join(part for part in (prefix, index, found.field) if part)}: {found.node.value!r} lies outside of "
            f"{root}, so the bundle tool would not deploy it; name its folder in sync: paths:",
            "warning",
        )
        for index, found in _paths(job)
        if found.kind is not _Kind.LIBRARY
        and (path := _from_root(found, root)) is not None
        and path.parts[:1] == ("..",)
    ]


def normalised(job: Node, *, root: Path) -> Node:
    """`job` with its paths counted from `root`: how far the bundle tool gets when one of them leads nowhere."""
    return job if job.get("git_source") is not None else _moved(job, root, lambda found, path: str(path))


def _moved(job: Node, root: Path, target: Callable[[_Found, PurePosixPath], str | None]) -> Node:
    moved = job
    for index, found in _paths(job):
        relative = _from_root(found, root)
        path = None if relative is None else target(found, relative)
        if path is not None:
            moved = put(moved, (*(_steps(index) if index else ()), *found.path), path)
    return moved


def _steps(text: str) -> Steps:
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", text))


def _from_root(found: _Found, root: Path) -> PurePosixPath | None:
    """The path counted from the folder that is deployed; None for what is no path of the project."""
    written = str(found.node.value)
    if written.startswith(("/", "~")) or "{{" in written or "${" in written or _SCHEME.match(written):
        return None
    base = found.node.place.file.parent if found.node.place.file else root
    return PurePosixPath(Path(os.path.relpath(os.path.normpath(base / written), root)).as_posix())


def _deployed_path(found: _Found, relative: PurePosixPath, file_path: str) -> str | None:
    below = f"{file_path}/{relative}" if str(relative) != "." else file_path
    match found.kind:
        case _Kind.NOTEBOOK if not relative.name.endswith(_KEPT_ENDINGS):
            return f"{file_path}/{relative.with_suffix('') if relative.suffix in NOTEBOOK_EXTENSIONS else relative}"
        case _Kind.LIBRARY if found.task_key == "":
            return f"{found.option} {below}" if found.option else f"./{relative}".replace("./../", "../")
        case _Kind.LIBRARY if found.path[-1] in _DEPLOYED_LIBRARIES:
            return str(relative)
        case _Kind.LIBRARY if found.path[-1] != "requirements":
            return None
    return below


def _with_sources(job: Node, source: str) -> Node:
    result = job
    for index, task in enumerate(job.elements("tasks")):
        for below in ((), ("for_each_task", "task")):
            for kind in _SOURCED:
                member = task.get(*below, kind)
                if member is not None and isinstance(member.value, dict) and member.get("source") is None:
                    result = put(result, ("tasks", index, *below, kind, "source"), source)
    return result


def put(node: Node, path: Steps, value: str) -> Node:
    """`node` with the text `value` at `path`."""
    first, *rest = path
    if isinstance(first, int):
        below = list(node.items)
        below[first] = put(below[first], tuple(rest), value) if rest else replace(below[first], value=value)
        return replace(node, value=below)
    old = node.get(first) or Node(None, node.place)
    return node.with_members(**{first: put(old, tuple(rest), value) if rest else replace(old, value=value)})
