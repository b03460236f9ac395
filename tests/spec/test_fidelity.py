"""Databricks' own words: our fields and enum values against the classes of its SDK, both ways."""

from __future__ import annotations

import dataclasses
import enum
import json
import re
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk.service import compute, jobs

from dbutils_local.spec import job as our_job
from dbutils_local.spec import tasks as our_tasks
from dbutils_local.spec.base import Spec
from dbutils_local.spec.faults import inner_model, names_of
from dbutils_local.spec.job import JobSettings, resolved

DATA = Path(__file__).parents[1] / "data" / "spec"

# Ours alone: read by bundles, by other API versions or by create calls, not in the SDK's class.
ONLY_OURS = {
    "JobSettings": {"access_control_list", "permissions", "lifecycle"},
    "Task": {"agentic_task", "genie_task"},
    "JobNotificationSettings": {"alert_on_last_attempt"},
    "TriggerSettings": {"table"},
}
# Free-form here: a cluster is noted as a whole.
OPAQUE = {"new_cluster"}


def sdk_class(name: str) -> Any:
    return getattr(jobs, name, None) or getattr(compute, name, None)


def sdk_types(annotation: str) -> list[Any]:
    names = re.findall(r"(?:compute\.)?([A-Z]\w+)", annotation)
    return [found for name in names if name not in ("Optional", "List", "Dict") and (found := sdk_class(name))]


def pairs(ours: type[Spec], theirs: Any, seen: set[str]) -> list[tuple[type[Spec], Any]]:
    if f"{ours.__name__}/{theirs.__name__}" in seen:
        return []
    seen.add(f"{ours.__name__}/{theirs.__name__}")
    found = [(ours, theirs)]
    for field in dataclasses.fields(theirs):
        ours_field = our_field(ours, field.name)
        model = inner_model(ours_field.annotation) if ours_field else None
        for kind in sdk_types(str(field.type)):
            if model is not None and dataclasses.is_dataclass(kind):
                found.extend(pairs(model, kind, seen))
    return found


def our_field(model: type[Spec], name: str) -> Any:
    return next((f for key, f in model.model_fields.items() if (f.alias or key) == name), None)


PAIRS = pairs(JobSettings, jobs.JobSettings, set())


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=[theirs.__name__ for _, theirs in PAIRS])
def test_fields_are_those_of_the_sdk(ours: type[Spec], theirs: Any) -> None:
    expected = {field.name for field in dataclasses.fields(theirs)}
    assert set(names_of(ours)) - ONLY_OURS.get(theirs.__name__, set()) == expected


def enums_of(ours: type[Spec], theirs: Any) -> list[tuple[type[enum.Enum], Any]]:
    found = []
    for field in dataclasses.fields(theirs):
        ours_field = our_field(ours, field.name)
        for kind in sdk_types(str(field.type)):
            if isinstance(kind, type) and issubclass(kind, enum.Enum) and ours_field is not None:
                found.extend((mine, kind) for mine in our_enums(ours_field.annotation))
    return found


def our_enums(annotation: Any) -> list[type[enum.Enum]]:
    from typing import get_args

    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return [annotation]
    return [found for part in get_args(annotation) for found in our_enums(part)]


ENUMS = sorted({pair for ours, theirs in PAIRS for pair in enums_of(ours, theirs)}, key=lambda pair: pair[0].__name__)


@pytest.mark.parametrize(("ours", "theirs"), ENUMS, ids=[ours.__name__ for ours, _ in ENUMS])
def test_enum_words_are_those_of_the_sdk(ours: type[enum.Enum], theirs: Any) -> None:
    assert {member.value for member in ours} == {member.value for member in theirs}


def test_every_enum_of_ours_is_compared() -> None:
    declared = {
        value
        for module in (our_job, our_tasks)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, enum.Enum) and value.__module__ == module.__name__
    }
    assert declared == {ours for ours, _ in ENUMS}


def test_resolved_settings_go_through_the_sdk_and_back() -> None:
    written = json.loads((DATA / "nightly_orders.job.json").read_text())
    ours = resolved(JobSettings.model_validate(written))
    assert jobs.JobSettings.from_dict(ours).as_dict() == ours
