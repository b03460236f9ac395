"""The dbt task: its commands one after the other, each a dbt of its own, on the local DuckDB warehouse."""

from __future__ import annotations

import importlib.util
import json
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import yaml

from dbutils_local.core import evidence
from dbutils_local.core.state import Failure
from dbutils_local.errors import MissingExtra
from dbutils_local.executors import libraries
from dbutils_local.executors.base import Failed, Outcome, Stopped, Succeeded, TaskContext
from dbutils_local.executors.program import run_program
from dbutils_local.spec.tasks import DbtTask, Task
from dbutils_local.sql import warehouse

ARTIFACTS = "dbt"  # target and logs of each command, below the attempt's folder


class DbtExecutor:
    """Runs `commands` in order; the first that fails fails the task (jobs reference, 1.3)."""

    def run(self, task: Task, context: TaskContext) -> Outcome:
        """Run to the end, or until the task is stopped."""
        dbt = task.dbt_task
        assert dbt is not None
        python = self._python(task, context)
        if isinstance(python, Failed | Stopped):
            return python
        project = (
            Path(dbt.project_directory) if dbt.project_directory else context.spec_folder or context.workspace_root
        )
        if not (project / "dbt_project.yml").is_file():
            return _setup(f"dbt: there is no dbt_project.yml in {project}")
        profiles = _profiles(dbt, project, context)
        if isinstance(profiles, Failed):
            return profiles
        for number, command in enumerate(dbt.commands):
            outcome = _command(command, number, python, project, profiles, context)
            if outcome is not None:
                return outcome
        left_out = _left_out(task)
        notice = {"info": f"not installed, the local profile needs dbt-duckdb: {left_out}"} if left_out else {}
        return Succeeded(output={"dbt_output": {"artifacts_link": str(context.folder / ARTIFACTS)}, **notice})

    def _python(self, task: Task, context: TaskContext) -> str | Failed | Stopped:
        """The interpreter that has dbt: the task's own environment if its libraries bring one, else the driver's."""
        python = libraries.interpreter_for(_without_cloud_adapters(task), context)
        if isinstance(python, Failed | Stopped):
            return python
        if python is None and not (_has("dbt.cli") and _has("dbt.adapters.duckdb")):
            return _setup(str(MissingExtra("a dbt task", "dbt")))
        return str(python or sys.executable)


def _has(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _setup(why: str) -> Failed:
    return Failed(Failure(why, code="FEATURE_DISABLED", message=why, setup=True))


def _without_cloud_adapters(task: Task) -> Task:
    """The adapters for warehouses that are not here are left out: the local profile needs dbt-duckdb."""
    kept = [item for item in task.libraries or () if item.pypi is None or not _is_adapter(item.pypi.package)]
    return task.model_copy(update={"libraries": kept})


def _left_out(task: Task) -> str:
    return ", ".join(item.pypi.package for item in task.libraries or () if item.pypi and _is_adapter(item.pypi.package))


def _is_adapter(requirement: str) -> bool:
    return requirement.lower().replace("_", "-").startswith(("dbt-databricks", "dbt-spark", "databricks-sql"))


# --- the profile ----------------------------------------------------------------------------------------------------


def _profiles(dbt: DbtTask, project: Path, context: TaskContext) -> Path | Failed:
    """The folder of profiles.yml: the task's own, unless it names a SQL warehouse, for which one is written."""
    if dbt.warehouse_id is None and dbt.profiles_directory:
        folder = project / dbt.profiles_directory
        return folder if (folder / "profiles.yml").is_file() else _setup(f"dbt: there is no profiles.yml in {folder}")
    if dbt.warehouse_id is None and (project / "profiles.yml").is_file():
        return project
    named = yaml.safe_load((project / "dbt_project.yml").read_text("utf-8")) or {}
    profile = named.get("profile")
    if not isinstance(profile, str):
        return _setup(f"dbt: {project / 'dbt_project.yml'} names no profile")
    folder = context.folder / ARTIFACTS
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "profiles.yml").write_text(yaml.safe_dump(_profile(profile, dbt, context.home)), "utf-8")
    return folder


def _profile(name: str, dbt: DbtTask, home: Path) -> dict[str, Any]:
    file = warehouse.file_of(home / warehouse.FOLDER, dbt.catalog or warehouse.DEFAULT_CATALOG)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # One thread: DuckDB writes one transaction at a time, and the order of a log is worth more.
    output = {"type": "duckdb", "path": str(file), "schema": dbt.schema_ or "default", "threads": 1}
    return {name: {"target": "local", "outputs": {"local": output}}}


# --- one command ----------------------------------------------------------------------------------------------------


def _command(
    command: str, number: int, python: str, project: Path, profiles: Path, context: TaskContext
) -> Outcome | None:
    """Run one dbt command; None when it did well."""
    target = context.folder / ARTIFACTS / str(number)
    words = shlex.split(command)[1:]
    environ = {
        **context.environ,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "False",
        "DBT_PROFILES_DIR": str(profiles),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target / "logs"),
        "DBT_USE_COLORS": "False",
        "DBT_VERSION_CHECK": "False",
    }
    generated = profiles == context.folder / ARTIFACTS
    with _turn(context.home) if generated else nullcontext():
        ended = run_program(
            [python, "-m", "dbt.cli.main", *words],
            environ=environ,
            cwd=project,
            stdout=context.folder / evidence.STDOUT,
            stderr=context.folder / evidence.STDERR,
            stop=context.stop,
            redact=context.redact,
        )
    if ended.stopped:
        return Stopped()
    if ended.code != 0:
        trace = context.redact(_failures(target) or _tail(context.folder / evidence.STDOUT))
        return Failed(Failure(f"`{command}` {ended.words}", trace=trace))
    return None


def _turn(home: Path) -> AbstractContextManager[None]:
    return warehouse.turn(home / warehouse.FOLDER)


def _failures(target: Path) -> str:
    """The nodes that did not do well, from run_results.json."""
    try:
        results = json.loads((target / "run_results.json").read_text("utf-8"))["results"]
    except (OSError, ValueError, KeyError):
        return ""
    bad = [one for one in results if one.get("status") in ("error", "fail", "runtime error")]
    return "\n".join(f"{one.get('unique_id')}: {one.get('status')}: {one.get('message')}" for one in bad)


def _tail(path: Path, lines: int = 30) -> str:
    try:
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-lines:])
    except OSError:
        return ""
