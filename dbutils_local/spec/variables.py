"""The variables of a bundle: what is declared, which of the six places gives the value, what `${var.x}` finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dbutils_local.errors import InvalidSpec, Problem
from dbutils_local.spec import tree
from dbutils_local.spec.faults import did_you_mean
from dbutils_local.spec.interpolate import Lookup, Unresolved
from dbutils_local.spec.merge import at
from dbutils_local.spec.tree import Node, Steps, show

VARIABLE_PREFIX = "BUNDLE_VAR_"
_EMPTY_WHEN_UNSET = {
    "bundle": ("cluster_id", "compute_id", "uuid", "databricks_cli_version", "mode"),
    "workspace": (
        "host",
        "profile",
        "auth_type",
        "client_id",
        "azure_tenant_id",
        "azure_client_id",
        "google_service_account",
    ),
}


@dataclass
class Given:
    """What comes from outside the bundle's files; `problems` collects what is wrong with it."""

    file: Path
    target: str
    flags: Mapping[str, str]
    environ: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)

    @property
    def overrides(self) -> Path:
        """Where values for the target are stored."""
        return self.file.parent / ".databricks" / "bundle" / self.target / "variable-overrides.json"


def with_variables(config: Node, chosen: Node, given: Given) -> Node:
    """`config` with a `value` in every variable that has one (9.3)."""
    declared = {name: _declaration(node) for name, node in config.members("variables").items()}
    _lay_target_variables(declared, chosen, given)
    for name in given.flags:
        if name not in declared:
            text = f"variable {name} has not been defined{did_you_mean(name, declared)}"
            given.problems.append(Problem(text, given.file))
    stored = _stored_values(declared, given)
    values = {name: _assigned(name, node, stored, given) for name, node in declared.items()}
    assigned = {
        name: at(declared[name], ["value"], value) if value is not None else declared[name]
        for name, value in values.items()
    }
    return at(config, ["variables"], Node(assigned, config.place))


def _declaration(node: Node) -> Node:
    """A variable written as its bare value is one with that default."""
    if isinstance(node.value, dict):
        return node
    return Node({} if node.value is None else {"default": node}, node.place, node.key)


def _lay_target_variables(declared: dict[str, Node], chosen: Node, given: Given) -> None:
    for name, node in chosen.members("variables").items():
        if name not in declared:
            place = node.key or node.place
            text = f"variable {name} is not defined but is assigned a value{did_you_mean(name, declared)}"
            given.problems.append(place.problem(f"targets.{given.target}.variables: {text}"))
        elif node.value is None:
            continue  # a target that names a variable and gives it nothing changes nothing
        elif isinstance(node.value, dict) and (node.get("default") or node.get("lookup")):
            over = node.without("description", "type")
            kept = declared[name].without(*(("lookup",) if over.get("default") else ("default",)))
            declared[name] = replace(kept, value={**kept.mapping, **over.mapping})
        else:
            declared[name] = at(declared[name].without("lookup"), ["default"], node)


def _stored_values(declared: Mapping[str, Node], given: Given) -> dict[str, Node]:
    path = given.overrides
    if not path.is_file():
        return {}
    try:
        stored = tree.read(path)
    except InvalidSpec as error:
        given.problems.extend(error.problems)
        return {}
    if not isinstance(stored.value, dict):
        given.problems.append(stored.place.problem('must hold a JSON object such as {"var1": "value1"}'))
    for name, node in stored.mapping.items():
        if name not in declared:
            given.problems.append(
                (node.key or node.place).problem(f"variable {name} is not defined but is assigned a value")
            )
    return stored.mapping


def _assigned(name: str, node: Node, stored: Mapping[str, Node], given: Given) -> Node | None:
    """The value of one variable: flag, environment, lookup, overrides file, target or root default (9.3)."""
    is_complex = node.nearest(("type",)).value == "complex" if node.get("type") else False
    place = node.place
    if (fixed := node.get("value")) is not None and fixed.value is not None:
        return fixed
    for text, what in (
        (given.flags.get(name), "--var"),
        (given.environ.get(VARIABLE_PREFIX + name), VARIABLE_PREFIX + name),
    ):
        if text is None:
            continue
        if is_complex:
            given.problems.append(place.problem(f"variables.{name}: a complex variable cannot be set through {what}"))
        return Node(text, place)
    found = stored.get(name) or node.get("default")
    if found is not None and found.value is not None:
        if isinstance(found.value, dict | list) and node.get("type") is None and name in stored:
            given.problems.append(found.place.problem(f"variables.{name}: the variable's type is not complex"))
        return found
    if node.get("lookup") is None:
        given.problems.append(
            (node.key or place).problem(
                f'no value assigned to required variable {name}. Assignment can be done using "--var", by setting the '
                f"{VARIABLE_PREFIX}{name} environment variable, or in "
                ".databricks/bundle/<target>/variable-overrides.json file"
            )
        )
    return None


def lookup_in(config: Node, git_value: Callable[[str], str], problems: list[Problem]) -> Lookup:
    """Values of `bundle`, `workspace` and `variables`; every other reference stays for later.

    What a variable looks up in a workspace is a placeholder here, and a doubt among the `problems`.
    """

    def lookup(path: Steps) -> Node | None:
        if path[0] == "var":
            path = ("variables", *path[1:2], "value", *path[2:])
        if path[0] not in ("bundle", "workspace", "variables"):
            return None
        found = config.get(*path)
        if found is not None:
            return found
        if path[:2] == ("bundle", "git") and len(path) == 3:
            return Node(git_value(str(path[2])))
        if len(path) == 2 and path[1] in _EMPTY_WHEN_UNSET.get(str(path[0]), ()):
            return Node("")
        if path[0] == "variables" and path[2:] == ("value",) and config.members(*path[:2], "lookup"):
            return _placeholder(str(path[1]), config.nearest(path[:2]), problems)
        raise Unresolved(_no_value(path, config))

    return lookup


def _no_value(path: Steps, config: Node) -> str:
    if path[0] != "variables" or len(path) < 2:
        return f"reference does not exist: ${{{show(path)}}}"
    name = str(path[1])
    declared = config.members("variables")
    written = f"${{var.{name}}}" if path[2:] == ("value",) else f"${{{show(('var', name, *path[3:]))}}}"
    if name not in declared:
        near = did_you_mean(name, declared)
        return f"reference does not exist: {written}; the bundle declares no variable {name!r}{near}"
    return f"reference does not exist: {written}"


def _placeholder(name: str, declared: Node, problems: list[Problem]) -> Node:
    kind, wanted = next(iter(declared.members("lookup").items()))
    placeholder = f"local-{kind}-{wanted.value}"
    text = (
        f"${{var.{name}}} is looked up in a workspace ({kind} {wanted.value!r}); here it is the placeholder "
        f"{placeholder!r}: give it with --var {name}=VALUE where that matters"
    )
    problem = (declared.key or declared.place).problem(text, "warning")
    if problem not in problems:
        problems.append(problem)
    return Node(placeholder)
