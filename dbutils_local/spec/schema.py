"""The JSON Schema of a spec, for editors: job settings or a bundle, made from the models."""

from __future__ import annotations

from typing import Any

from dbutils_local.spec.bundle import TOP_LEVEL
from dbutils_local.spec.job import LEGACY_MEMBERS, JobSettings

_REFERENCE = {"type": "string", "pattern": r"\$\{.+\}"}
_ANYTHING: dict[str, Any] = {}


def json_schema() -> dict[str, Any]:
    """One JSON Schema (2020-12) that accepts what `load` accepts; every value may also be a `${...}` reference."""
    job = JobSettings.model_json_schema(ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = job.pop("$defs")
    for name in ("Task", *(name for name in definitions if name != "Task")):
        _allow_references(definitions[name])
    _allow_references(job)
    legacy = {name: definitions["Task"]["properties"][name] for name in LEGACY_MEMBERS}
    job["properties"] = {**legacy, **job["properties"]}
    definitions["JobSettings"] = job
    definitions["Bundle"] = _bundle()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Databricks job settings or bundle, as dbutils-local reads them",
        "anyOf": [{"$ref": "#/$defs/JobSettings"}, {"$ref": "#/$defs/Bundle"}],
        "$defs": definitions,
    }


def _allow_references(definition: dict[str, Any]) -> None:
    for name, schema in definition.get("properties", {}).items():
        definition["properties"][name] = {"anyOf": [schema, _REFERENCE]}


def _bundle() -> dict[str, Any]:
    """A bundle's file; what stands under a target may be in parts, so it is not held to the required fields."""
    jobs = {"type": "object", "additionalProperties": {"anyOf": [{"$ref": "#/$defs/JobSettings"}, {"type": "null"}]}}
    sections: dict[str, Any] = dict.fromkeys(TOP_LEVEL, _ANYTHING)
    sections["resources"] = {"type": "object", "properties": {"jobs": jobs}}
    sections["include"] = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "properties": sections,
        "anyOf": [{"required": [name]} for name in ("bundle", "resources", "targets", "include")],
    }
