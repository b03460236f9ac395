"""Jobs written as Python: the `python:` section of a bundle, its resource functions called, its mutators applied."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbutils_local.errors import InvalidSpec, NotSupportedHere
from dbutils_local.spec.tree import Node, Place, node_of

PACKAGE = "databricks-bundles"


@dataclass(frozen=True)
class PythonSection:
    """What the `python:` section names, each as `module:function`."""

    resources: Sequence[Node]
    mutators: Sequence[Node]


def section_of(root: Node) -> PythonSection | None:
    """The bundle's `python:` section (older: `experimental.python`), if it names anything."""
    found = root.get("python") or root.get("experimental", "python")
    if found is None or not isinstance(found.value, dict):
        return None
    section = PythonSection(found.nearest(("resources",)).items, found.nearest(("mutators",)).items)
    return section if section.resources or section.mutators else None


def apply(
    section: PythonSection, jobs: dict[str, Node], *, folder: Path, target: str, variables: Mapping[str, Any]
) -> dict[str, Node]:
    """The jobs of YAML and Python together, mutated; runs the bundle's own code.

    Raises NotSupportedHere when that code needs the bundles package and it is not installed, InvalidSpec when it fails.
    """
    with _importing(folder):
        bundle = _bundle(target, variables)
        result = dict(jobs)
        for node in section.resources:
            function = _function(node)
            for key, job in _jobs_of(_call(function, node, bundle), node).items():
                if key in result:
                    raise InvalidSpec([node.place.problem(f"{node.value}: the job {key!r} is defined already")])
                result[key] = node_of(job, _place(node, folder))
        for node in section.mutators:
            mutator = _function(node)
            result = {key: _mutated(mutator, node, bundle, job, folder) for key, job in result.items()}
        return result


@contextmanager
def _importing(folder: Path) -> Iterator[None]:
    """The bundle's folder current and (with its src) on the import path; its modules are forgotten afterwards."""
    before = set(sys.modules)
    added = [str(folder), str(folder / "src")]
    sys.path[:0] = added
    importlib.invalidate_caches()
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        for entry in added:
            sys.path.remove(entry)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                del sys.modules[name]


def _function(node: Node) -> Any:
    module_name, _, function_name = str(node.value).partition(":")
    if not function_name:
        raise InvalidSpec([node.place.problem(f"{node.value!r} must be written as module:function")])
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise _missing(error, module_name, node) from error
    except Exception as error:
        raise InvalidSpec(
            [node.place.problem(f"importing {module_name} failed: {type(error).__name__}: {error}")]
        ) from error
    function = getattr(module, function_name, None)
    if function is None:
        raise InvalidSpec([node.place.problem(f"the module {module_name} has no {function_name!r}")])
    return function


def _missing(error: ModuleNotFoundError, module_name: str, node: Node) -> Exception:
    if (error.name or "").startswith("databricks"):
        fault = node.place.problem(f"{node.value} is written with the package {PACKAGE}, which is not installed")
        return NotSupportedHere(f"{fault}: pip install {PACKAGE}")
    if error.name == module_name.partition(".")[0]:
        return InvalidSpec([node.place.problem(f"there is no module {module_name!r} in the bundle's folder")])
    return InvalidSpec([node.place.problem(f"importing {module_name} failed: {error}")])


def _call(function: Callable[..., Any], node: Node, *arguments: Any) -> Any:
    """Call with as many of the arguments, from the right-hand side, as the function takes."""
    try:
        count = len(inspect.signature(function).parameters)
        return function(*(arguments[len(arguments) - count :] if count < len(arguments) else arguments))
    except InvalidSpec:
        raise
    except Exception as error:
        raise InvalidSpec([node.place.problem(f"{node.value} failed: {type(error).__name__}: {error}")]) from error


def _bundle(target: str, variables: Mapping[str, Any]) -> Any:
    try:
        core = importlib.import_module("databricks.bundles.core")
    except ModuleNotFoundError:
        return _PlainBundle(target, dict(variables))
    return core.Bundle(target=target, variables=dict(variables))


@dataclass(frozen=True)
class _PlainBundle:
    """What a resource function is told when the bundles package is not there."""

    target: str
    variables: dict[str, Any]


def _jobs_of(returned: Any, node: Node) -> dict[str, Any]:
    for said in getattr(getattr(returned, "diagnostics", None), "items", ()):
        if said.severity.value == "error":
            raise InvalidSpec([node.place.problem(f"{node.value}: {said.summary}")])
    jobs = returned.get("jobs") if isinstance(returned, Mapping) else getattr(returned, "jobs", None)
    if not isinstance(jobs, Mapping):
        raise InvalidSpec([node.place.problem(f"{node.value} returned no resources, found {type(returned).__name__}")])
    return {str(key): _plain(job) for key, job in jobs.items()}


def _plain(job: Any) -> Any:
    return job.as_dict() if hasattr(job, "as_dict") else job


def _mutated(mutator: Any, node: Node, bundle: Any, job: Node, folder: Path) -> Node:
    function = getattr(mutator, "function", mutator)
    kind = getattr(mutator, "resource_type", None)
    name = getattr(kind, "__name__", getattr(getattr(kind, "resource_type", None), "__name__", "Job"))
    if name != "Job":
        return job
    given = kind.from_dict(job.plain()) if kind is not None and hasattr(kind, "from_dict") else job.plain()
    changed = _plain(_call(function, node, bundle, given))
    return job if changed == job.plain() else _keeping_places(node_of(changed, _place(node, folder)), job)


def _keeping_places(changed: Node, before: Node) -> Node:
    """Where a mutator left a value as it was, the value keeps the place it was written at."""
    if changed.plain() == before.plain():
        return before
    match changed.value:
        case dict():
            pairs = {key: (node, before.get(key)) for key, node in changed.mapping.items()}
        case _:
            return changed
    return Node(
        {key: _keeping_places(node, old) if old else node for key, (node, old) in pairs.items()},
        before.place,
        before.key,
    )


def _place(node: Node, folder: Path) -> Place:
    """Where relative paths count from: for the bundle tool what Python makes lies in the bundle's folder itself."""
    file = node.place.file
    return node.place if file is not None and file.parent == folder else Place(folder / "databricks.yml")
