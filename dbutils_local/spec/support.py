"""What of a job is done here, what has no effect and what cannot run: read off the marks on the models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic.fields import FieldInfo

from dbutils_local.spec.base import HONOURED, Mark, Spec, Support
from dbutils_local.spec.faults import inner_model
from dbutils_local.spec.job import JobSettings
from dbutils_local.spec.tasks import KINDS, Task

_SAYS = {Support.HONOURED: "yes", Support.NOTED: "no effect", Support.REFUSED: "refused"}


@dataclass(frozen=True)
class SupportRow:
    """One field a job uses; `task_key` is None for the job's own fields, `owner` the loop of a nested task's row."""

    task_key: str | None
    field: str
    support: Support
    message: str
    owner: str | None = None

    @property
    def planned_as(self) -> str | None:
        """The task of the job's plan that the row belongs to."""
        return self.owner or self.task_key

    def as_dict(self) -> dict[str, str | None]:
        """The row as JSON."""
        return {"task_key": self.task_key, "field": self.field, "support": self.support.value, "message": self.message}


def mark_of(field: FieldInfo) -> Mark:
    """The one mark of a model field."""
    return next((part for part in field.metadata if isinstance(part, Mark)), HONOURED)


def report(settings: JobSettings) -> list[SupportRow]:
    """A row for every field the job sets, and for every member below it that is not honoured."""
    rows = list(_rows(settings, None, "", skip=("tasks",)))
    for task in settings.tasks or ():
        rows.extend(_task_rows(task, ""))
    return rows


def refusals(settings: JobSettings) -> list[SupportRow]:
    """The rows of what cannot run here: these tasks fail by name unless they are left out or stubbed."""
    return [row for row in report(settings) if row.support is Support.REFUSED]


def _task_rows(task: Task, prefix: str, disabled: bool = False) -> Iterator[SupportRow]:
    is_disabled = disabled or (bool(task.disabled) and not prefix)  # a nested task runs whatever it says itself
    for row in _rows(task, task.task_key, prefix):
        if row.support is Support.REFUSED and is_disabled:
            yield SupportRow(
                row.task_key, row.field, Support.NOTED, "the task is disabled: it does not run here either"
            )
        else:
            yield row
    if task.for_each_task is not None:
        nested = _task_rows(task.for_each_task.task, f"{prefix}for_each_task.task.", is_disabled)
        yield from (replace(row, owner=task.task_key) for row in nested)


def _rows(model: Spec, task_key: str | None, prefix: str, skip: tuple[str, ...] = ()) -> Iterator[SupportRow]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if name not in model.model_fields_set or name in skip or value is None:
            continue
        field = type(model).model_fields[name]
        mark = mark_of(field).of(value)
        path = f"{prefix}{field.alias or name}"
        yield SupportRow(task_key, path, mark.support, mark.message)
        if mark.support is Support.HONOURED:
            yield from _below(value, task_key, path)


def _below(value: Any, task_key: str | None, path: str) -> Iterator[SupportRow]:
    """Only what is not honoured: that a member of an honoured field is honoured goes without saying."""
    match value:
        case Task():
            return  # has rows of its own
        case Spec():
            rows = _rows(value, task_key, f"{path}.")
            yield from (row for row in rows if row.support is not Support.HONOURED)
        case list():
            for index, element in enumerate(value):
                yield from _below(element, task_key, f"{path}[{index}]")


def support_table() -> str:
    """The README's table, in Markdown: every field of a job, of a task, and of the task kinds that run here."""
    return "\n".join(
        [
            *_table("Job", JobSettings, [name for name in JobSettings.model_fields if name != "tasks"]),
            "",
            *_table("Task", Task, [name for name in Task.model_fields if name not in KINDS]),
            "",
            *_table("Task kind", Task, list(KINDS)),
        ]
    )


def _table(title: str, model: type[Spec], names: list[str]) -> list[str]:
    lines = [f"| {title} | here | |", "|---|---|---|"]
    for name in names:
        field = model.model_fields[name]
        lines.append(_line(f"`{field.alias or name}`", mark_of(field)))
        lines.extend(_line(f"`{path}`", mark) for path, mark in _exceptions(field, field.alias or name))
    return lines


def _line(field: str, mark: Mark) -> str:
    return f"| {field} | {_SAYS[mark.support]} | {mark.message} |"


def _exceptions(field: FieldInfo, path: str) -> Iterator[tuple[str, Mark]]:
    """Members of an honoured field that are not honoured themselves."""
    if mark_of(field).support is not Support.HONOURED:
        return
    for word, mark in mark_of(field).words:
        yield f"{path}: {word}", mark
    inner = inner_model(field.annotation)
    if inner is None or inner is Task:
        return
    for name, below in inner.model_fields.items():
        where = f"{path}.{below.alias or name}"
        if mark_of(below).support is not Support.HONOURED:
            yield where, mark_of(below)
        yield from _exceptions(below, where)
