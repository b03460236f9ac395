"""Which parameters reach a task: the run's over the job's over the task's (jobs reference, 2.2 and 2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbutils_local.core.references import Scope, resolve_value
from dbutils_local.spec.tasks import Task

# The members whose parameters are a map: the run's map is laid over the task's, and job parameters over both.
_MAPS = {"notebook_task": "base_parameters", "sql_task": "parameters", "run_job_task": "job_parameters"}


def resolved_member(task: Task, overriding: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """The JSON of a task's member as it is run: the run's deprecated `*_params` put in, then every reference replaced.

    Of a for_each task only the inputs are resolved: its inner task is resolved once for each iteration, which alone
    knows its input.
    """
    member = overridden_member(task.kind, _plain(task), overriding)
    if task.for_each_task is not None:
        return {**member, "inputs": resolve_value(member["inputs"], scope)}
    resolved: dict[str, Any] = resolve_value(member, scope)
    return resolved


def parameters_for(task: Task, job_parameters: Mapping[str, str]) -> dict[str, str]:
    """What the code of a resolved task can read by name: widgets, `--k=v`, `:k` markers, a child job's parameters.

    Empty for the kinds that job parameters reach only through references.
    """
    own = _own_parameters(task.kind, _plain(task))
    return {} if own is None else {**own, **job_parameters}


def overridden_member(kind: str, member: Mapping[str, Any], overriding: Mapping[str, Any]) -> dict[str, Any]:
    """A task's member with the run's deprecated `*_params`: lists replace, maps lie over, empty ones do nothing."""
    changed = dict(member)
    given = {name: value for name, value in overriding.items() if value}
    match kind:
        case "notebook_task" if "notebook_params" in given:
            changed["base_parameters"] = {**(member.get("base_parameters") or {}), **given["notebook_params"]}
        case "spark_python_task" if "python_params" in given:
            changed["parameters"] = list(given["python_params"])
        case "python_wheel_task":
            _override_wheel(changed, given)
        case "spark_jar_task" if "jar_params" in given:
            changed["parameters"] = list(given["jar_params"])
        case "sql_task" if "sql_params" in given:
            changed["parameters"] = {**(member.get("parameters") or {}), **given["sql_params"]}
        case "dbt_task" if "dbt_commands" in given:
            changed["commands"] = list(given["dbt_commands"])
    return changed


def _plain(task: Task) -> dict[str, Any]:
    member: dict[str, Any] = task.member.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return member


def _override_wheel(member: dict[str, Any], given: Mapping[str, Any]) -> None:
    """A wheel takes its arguments by place or by name, never both: the run's way replaces the task's."""
    if "python_named_params" in given:
        member["named_parameters"] = {**(member.get("named_parameters") or {}), **given["python_named_params"]}
        member.pop("parameters", None)
    elif "python_params" in given:
        member["parameters"] = list(given["python_params"])
        member.pop("named_parameters", None)


def _own_parameters(kind: str, member: Mapping[str, Any]) -> dict[str, str] | None:
    if kind == "python_wheel_task":
        named = member.get("named_parameters")
        return None if named is None else dict(named)
    return dict(member.get(_MAPS[kind]) or {}) if kind in _MAPS else None
