"""The Python a task runs on: the driver's own, or a cached environment with the libraries it names."""

from __future__ import annotations

import configparser
import glob
import hashlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from dbutils_local.core import evidence
from dbutils_local.core.state import Failure
from dbutils_local.errors import UserError
from dbutils_local.executors.base import Failed, Stopped, TaskContext
from dbutils_local.executors.program import Ended, run_program
from dbutils_local.files import Mounts
from dbutils_local.kernels.packages import see_parent
from dbutils_local.paths import Places, to_local, workspace_candidates
from dbutils_local.spec.tasks import Task

FOLDER = "environments"  # below the home
_DONE = ".ok"
# `-r file`, `-rfile`, `--requirement file`, `--requirement=file`.
_OPTION = re.compile(r"(?:(-\w)|(--[\w-]+))[ =]*(.*)\Z")

# How installers say that no index answered.
_UNREACHABLE = (
    "dns error",
    "name resolution",
    "Name or service not known",
    "error sending request",
    "Connection refused",
    "Network is unreachable",
    "NewConnectionError",
    "Could not connect",
    "timed out",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be installed: requirement lines (names, local paths, `--editable=PATH`) and files of lines.

    Extra indexes and files of constraints say how, and ask for nothing themselves.
    """

    lines: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    indexes: tuple[str, ...] = ()
    constraints: tuple[Path, ...] = ()

    @property
    def arguments(self) -> list[str]:
        """The same as the installer's command line."""
        listed = [part for file in self.files for part in ("-r", str(file))]
        indexes = [part for index in self.indexes for part in ("--extra-index-url", index)]
        constraints = [part for file in self.constraints for part in ("-c", str(file))]
        return [*self.lines, *listed, *indexes, *constraints]


def interpreter_for(task: Task, context: TaskContext) -> Path | Failed | Stopped | None:
    """The interpreter of the task's environment, built if need be; None: the driver's own has all it names."""
    try:
        wanted = missing(wanted_by(task, context))
    except (FileNotFoundError, UserError) as error:
        return _failed(str(error), "")
    if not wanted.arguments:
        return None
    folder = context.home / FOLDER / _key(wanted)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if (folder / _DONE).exists():
        return python
    with _alone(folder.with_suffix(".lock")):
        if (folder / _DONE).exists():
            return python
        return _build(folder, python, wanted, context) or python


# ---------------------------------------------------------------- what is wanted


def wanted_by(task: Task, context: TaskContext) -> Wanted:
    """The Python libraries of a task and of the environment it names, local paths made absolute."""
    lines: list[str] = []
    files: list[Path] = []
    indexes: list[str] = []
    constraints: list[Path] = []
    for library in task.libraries or ():
        if library.pypi is not None:
            lines.append(library.pypi.package)
            indexes += [library.pypi.repo] if library.pypi.repo else []
        elif library.whl is not None:
            lines.append(str(_local(library.whl, context)))
        elif library.requirements is not None:
            files.append(_local(library.requirements, context))
    for line in (one for one in context.dependencies if one.strip() and not one.strip().startswith("#")):
        match _option(line.strip()):
            case "", text:
                lines.append(str(_local(text, context)) if _is_path(text) else text)
            case "-r" | "--requirement", text:
                files.append(_local(text, context))
            case "-e" | "--editable", text:
                lines.append(f"--editable={text if '://' in text else _local(text, context)}")
            case "-c" | "--constraint", text:
                constraints.append(_local(text, context))
            case "-i" | "--index-url" | "--extra-index-url", text:
                indexes.append(text)
            case option, _:
                raise UserError(
                    f"environment dependency {line.strip()!r}: {option} is not known here; -r, -e, -c, --index-url and "
                    "--extra-index-url are"
                )
    unique = (tuple(dict.fromkeys(lines)), tuple(dict.fromkeys(files)), tuple(dict.fromkeys(indexes)))
    return Wanted(*unique, tuple(dict.fromkeys(constraints)))


def _option(line: str) -> tuple[str, str]:
    """A line of a requirements file as its option ("": none) and what that is given."""
    found = _OPTION.match(line)
    if found is None:
        return "", line
    return found[1] or found[2], found[3].strip()


def missing(wanted: Wanted) -> Wanted:
    """What of it the driver's interpreter does not have already; a wheel or a file of lines is always wanted."""
    lines = tuple(line for line in wanted.lines if not _is_installed(line))
    return replace(wanted, lines=lines) if lines or wanted.files else Wanted()


def _is_path(text: str) -> bool:
    return text.endswith((".whl", ".tar.gz", ".zip")) or text.startswith((".", "/", "dbfs:/", "file:/"))


def _local(path: str, context: TaskContext) -> Path:
    """The file on this machine: beside the spec, or where Databricks' absolute paths lie here."""
    if "://" in path:
        raise FileNotFoundError(f"library {path}: only files of this machine and package indexes can be installed from")
    candidates = list(_candidates(path, context))
    # `dist/*.whl` is what people write for "the wheel that was just built".
    found = next((Path(match) for one in candidates for match in sorted(glob.glob(str(one)))), None)
    if found is None:
        raise FileNotFoundError(
            f"library {path}: no such file; looked for {', '.join(map(str, dict.fromkeys(candidates[:3])))}"
        )
    return found


def _candidates(path: str, context: TaskContext) -> Iterator[Path]:
    if path.startswith(("dbfs:/", "/dbfs/", "/Volumes/", "file:/")):
        places = Places(context.home, context.workspace_root, Mounts(context.home).table())
        yield to_local(path.removeprefix("/dbfs") if path.startswith("/dbfs/") else path, places)
        return
    yield ((context.spec_folder or context.workspace_root) / path).absolute()
    if path.startswith("/"):
        yield from workspace_candidates(path, context.workspace_root)
    else:
        yield (context.workspace_root / path).absolute()


def _is_installed(line: str) -> bool:
    """Whether the driver's interpreter has what the line asks for; extras are asked for again, to be sure."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate():
            return True
        return not requirement.url and not requirement.extras and version(requirement.name) in requirement.specifier
    except (InvalidRequirement, PackageNotFoundError):
        return False


# ---------------------------------------------------------------- the cached environment


def _key(wanted: Wanted) -> str:
    """One name for one content: the bytes of a wheel count, not its path."""
    digest = hashlib.sha256()
    for part in (sys.version, platform.machine(), sys.prefix, *sorted(wanted.lines), *wanted.indexes):
        digest.update(f"{part}\n".encode() if not Path(part).is_file() else Path(part).name.encode())
    for file in sorted(
        Path(line) for line in (*wanted.lines, *map(str, (*wanted.files, *wanted.constraints))) if os.path.isfile(line)
    ):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def _build(folder: Path, python: Path, wanted: Wanted, context: TaskContext) -> Failed | Stopped | None:
    """Make the environment in its place (a venv cannot be moved); a mark says that it is whole."""
    shutil.rmtree(folder, ignore_errors=True)
    uv = _uv()
    steps = _uv_steps(uv, folder, python, wanted) if uv else _pip_steps(folder, python, wanted)
    environ = {**_pip_configuration(), **context.environ} if uv else dict(context.environ)
    log = context.folder / evidence.INSTALL
    for command in steps:
        ended = run_program(
            command,
            environ=environ,
            cwd=context.folder,
            stdout=log,
            stderr=log,
            stop=context.stop,
            redact=context.redact,
        )
        if ended.stopped:
            return Stopped()
        if ended.code != 0:
            return _not_installed(wanted, ended, log)
    see_parent(folder)
    (folder / _DONE).touch()
    return None


def _uv() -> str | None:
    """uv from the PATH or from the extra `env`."""
    on_path = shutil.which("uv")
    if on_path:
        return on_path
    try:
        return str(import_module("uv").find_uv_bin())
    except (ImportError, FileNotFoundError):
        return None


def _uv_steps(uv: str, folder: Path, python: Path, wanted: Wanted) -> list[list[str]]:
    quiet = [uv, "--no-progress", "--color", "never"]
    return [
        [*quiet, "venv", "--no-project", "--python", sys.executable, str(folder)],
        [*quiet, "pip", "install", "--python", str(python), *wanted.arguments],
    ]


def _pip_steps(folder: Path, python: Path, wanted: Wanted) -> list[list[str]]:
    """venv and pip; our own pip works on the new environment, which saves unpacking one into it."""
    from importlib.util import find_spec

    ours = find_spec("pip") is not None
    pip = [sys.executable, "-m", "pip", "--python", str(python)] if ours else [str(python), "-m", "pip"]
    quiet = ["--disable-pip-version-check", "--no-input", "--no-color", "--progress-bar", "off"]
    return [
        [sys.executable, "-m", "venv", *(["--without-pip"] if ours else []), str(folder)],
        [*pip, "install", *quiet, *wanted.arguments],
    ]


def _pip_configuration() -> Mapping[str, str]:
    """The index and certificates that pip's own configuration names, as uv reads them: it ignores pip's files."""
    parser = configparser.ConfigParser(interpolation=None)
    own = os.environ.get("PIP_CONFIG_FILE")
    places = ["/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf", f"{sys.prefix}/pip.conf", own or ""]
    try:
        parser.read([os.path.expanduser(place) for place in places if place], "utf-8")
    except configparser.Error:
        return {}
    named = {
        "UV_DEFAULT_INDEX": os.environ.get("PIP_INDEX_URL") or parser.get("global", "index-url", fallback=""),
        "UV_INDEX": os.environ.get("PIP_EXTRA_INDEX_URL") or parser.get("global", "extra-index-url", fallback=""),
        "SSL_CERT_FILE": os.environ.get("PIP_CERT") or parser.get("global", "cert", fallback=""),
    }
    return {name: value for name, value in named.items() if value}


# ---------------------------------------------------------------- what can go wrong


def _not_installed(wanted: Wanted, ended: Ended, log: Path) -> Failed:
    said = log.read_text("utf-8", "replace") if log.exists() else ""
    named = ", ".join(wanted.arguments)
    if any(mark in said for mark in _UNREACHABLE):
        why = (
            f"Library installation failed for {named}: no package index could be reached. Connect this machine, "
            "name an index it can reach (PIP_INDEX_URL), give the library as a local wheel, or install it where "
            "dbutils-local is"
        )
    else:
        last = next(
            (line.strip() for line in reversed(said.splitlines()) if line.strip()), f"the installer {ended.words}"
        )
        why = f"Library installation failed for {named}: {last}"
    return _failed(why, said)


def _failed(why: str, trace: str) -> Failed:
    return Failed(Failure(why, trace=trace, code="LIBRARY_INSTALLATION_ERROR", message=why, setup=True))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One builder of an environment at a time, on this machine."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(path, "ab") as file:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
