"""How `jobs/update` changes the settings of a job (jobs reference, 6.4); plain JSON in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dbutils_local.errors import UserError


def merged(settings: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """`jobs/update`: fields of `new` replace whole fields; `tasks` and `job_clusters` merge by key, entries whole."""
    result = {**settings, **new}
    for name, key in (
        ("tasks", "task_key"),
        ("job_clusters", "job_cluster_key"),
        ("environments", "environment_key"),
        ("parameters", "name"),
    ):
        if isinstance(new.get(name), list) and isinstance(settings.get(name), list):
            result[name] = _merged_by(key, settings[name], new[name])
    return result


def _merged_by(key: str, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    given = {entry.get(key): entry for entry in new}
    kept = [given.pop(entry.get(key), entry) for entry in old]
    return [*kept, *given.values()]


def without(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The settings less some top-level fields, or less the entries that `tasks/KEY` and `job_clusters/KEY` name."""
    result = dict(settings)
    for name in names:
        field_name, _, entry = name.partition("/")
        key = {"tasks": "task_key", "job_clusters": "job_cluster_key"}.get(field_name)
        if entry and key:
            result[field_name] = [item for item in result.get(field_name, []) if item.get(key) != entry]
        elif entry:
            raise UserError(
                f"fields_to_remove: {name!r} cannot be removed; only tasks/KEY and job_clusters/KEY name an entry"
            )
        else:
            result.pop(field_name, None)
    return result
