"""A bundle resolved for one target: files included, target laid on, variables put in, defaults and presets applied."""

from __future__ import annotations

import glob
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dbutils_local.errors import InvalidSpec, Problem, UserError
from dbutils_local.spec import python_bundle, tree
from dbutils_local.spec.deployment import ANNOTATIONS, deployed_job, presets_of, with_merged_lists, with_prefixed_names
from dbutils_local.spec.faults import did_you_mean, with_task_key
from dbutils_local.spec.interpolate import REFERENCE, Interpolation, Unresolved, malformed, steps, unescaped
from dbutils_local.spec.job import JobSettings
from dbutils_local.spec.merge import at, merge
from dbutils_local.spec.tasks import KINDS
from dbutils_local.spec.tree import Node, Place, Steps, show
from dbutils_local.spec.typed import as_read
from dbutils_local.spec.variables import Given, lookup_in, with_variables

ROOT_NAMES = ("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml")
TOP_LEVEL = (
    *("bundle", "include", "variables", "targets", "environments", "resources", "workspace", "artifacts", "sync"),
    *("permissions", "presets", "run_as", "scripts", "experimental", "python"),
)
RESOURCE_KINDS = (
    *("alerts", "apps", "catalogs", "cluster_policies", "clusters", "dashboards", "database_catalogs"),
    *("database_instances", "experiments", "external_locations", "genie_spaces", "instance_pools", "job_runs", "jobs"),
    *("model_serving_endpoints", "models", "pipelines", "postgres_branches", "postgres_catalogs", "postgres_databases"),
    *("postgres_endpoints", "postgres_projects", "postgres_roles", "postgres_snapshot_schedules"),
    *("postgres_synced_tables", "quality_monitors", "registered_models", "schemas", "secret_scopes", "secrets"),
    *("sql_warehouses", "synced_database_tables", "vector_search_endpoints", "vector_search_indexes", "volumes"),
)
TARGET_VARIABLE = "DATABRICKS_BUNDLE_TARGET"
_MERGED_SECTIONS = ("bundle", "workspace", "artifacts", "resources", "sync", "permissions", "presets")
_REPLACED_SECTIONS = ("run_as",)
_MADE = frozenset({"jobs", "catalogs", "schemas", "volumes"})  # kinds of resources that a run has or makes here


@dataclass(frozen=True)
class BundleInfo:
    """What a bundle is called and where it would live; `variables` are the values of the chosen target."""

    name: str
    target: str
    mode: str | None
    file: Path
    root: Path
    files: tuple[Path, ...]
    workspace: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, Any] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    sync_paths: tuple[str, ...] = ()
    catalogs: tuple[str, ...] = ()  # that its resources make
    schemas: tuple[str, ...] = ()  # the same, each `catalog.schema`
    volumes: tuple[str, ...] = ()  # the same, each `catalog.schema.volume`

    @property
    def sync_root(self) -> Path:
        """What `workspace.file_path` is a copy of: the bundle's folder, or the one that also holds all `sync.paths`."""
        outside = [os.path.normpath(self.root / path) for path in self.sync_paths]
        return Path(os.path.commonpath([self.root, *outside]))


@dataclass(frozen=True)
class ResolvedBundle:
    """The jobs of a bundle: as the bundle tool resolves them, and as they run here; with what was wrong or doubtful."""

    info: BundleInfo
    official: Mapping[str, Node]
    local: Mapping[str, Node]
    problems: tuple[Problem, ...]


def root_file(path: Path) -> Path | None:
    """The bundle's root file when `path` is one or is a folder with one; two in one folder are refused."""
    if path.is_file():
        return path if path.name in ROOT_NAMES else None
    found = [path / name for name in ROOT_NAMES if (path / name).is_file()]
    if len(found) > 1:
        raise UserError(f"{path}: several bundle files ({', '.join(file.name for file in found)}); keep one")
    return found[0] if found else None


def short_name(user: str) -> str:
    """The name the bundle tool uses for a user: the part before the @, letters and digits only."""
    return re.sub(r"[^A-Za-z0-9]", "_", user.partition("@")[0])


def resolve(
    root: Node, file: Path, *, target: str | None, variables: Mapping[str, str], environ: Mapping[str, str], user: str
) -> ResolvedBundle:
    """Everything section 9 of the jobs reference says, for the tree of one root file.

    References without a value are among its `problems` and stay as text. Raises InvalidSpec with all faults found
    before the next step became pointless.
    """
    work = _Work(file, user, environ)
    config = work.included(root)
    _check_top_level(config, work)
    work.stop_on_faults()
    _note_what_is_not_made(config, work)
    name, chosen = _chosen_target(config, target, environ)
    config = _with_target(config, chosen, name, work)
    is_fragment = config.get("bundle") is None and file.name not in ROOT_NAMES
    config = _with_names(config, name, file, user)
    config = with_variables(config, chosen, Given(file, name, variables, environ, work.problems))
    work.stop_on_faults()
    return _finished(config, name, work, is_fragment)


@dataclass
class _Work:
    """What the steps share: where the bundle is, for whom, and what was found wrong."""

    file: Path
    user: str
    environ: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    git: dict[str, str] | None = None

    @property
    def root(self) -> Path:
        return self.file.parent

    def stop_on_faults(self) -> None:
        if any(problem.severity == "error" for problem in self.problems):
            raise InvalidSpec(self.problems)

    def included(self, root: Node) -> Node:
        """The root file with everything it includes laid on, in the order of the patterns, names sorted."""
        self.files = [self.file]
        config = root
        for path in self._includes(root):
            self.files.append(path)
            part = self._part(path)
            if part is not None:
                self._refuse_second_definitions(config, part)
                config = merge(config, part)
        return config

    def _includes(self, root: Node) -> list[Path]:
        found: dict[Path, None] = {}
        for node in root.elements("include"):
            pattern = str(node.value)
            if Path(pattern).is_absolute():
                self.problems.append(node.place.problem(f"include: {pattern!r} must be relative to the bundle"))
                continue
            # Without `recursive`, `**` is one folder, as for the bundle tool.
            names = sorted(glob.glob(pattern, root_dir=self.root, include_hidden=True))
            if not names and not glob.has_magic(pattern):
                self.problems.append(node.place.problem(f"include: {pattern!r} does not exist"))
            for name in names:
                path = self.root / name
                if path.is_file() and path != self.file and self._is_readable(path, node):
                    found[path] = None
        return list(found)

    def _is_readable(self, path: Path, node: Node) -> bool:
        if path.suffix.lower() in (".yml", ".yaml", ".json"):
            return True
        self.problems.append(node.place.problem(f"include: {path.name} is neither YAML nor JSON"))
        return False

    def _part(self, path: Path) -> Node | None:
        try:
            written: list[Problem] = []
            part = tree.read(path, written)
        except InvalidSpec as error:
            self.problems.extend(tree.doubts_of_a_bundle(error.problems))
            return None
        self.problems.extend(tree.doubts_of_a_bundle(written))
        if not isinstance(part.value, dict):
            self.problems.append(part.place.problem("an included file must hold a mapping such as resources:"))
            return None
        if (again := part.get("include")) is not None:
            place = again.key or again.place
            self.problems.append(place.problem("include: has no effect in an included file", "warning"))
        return part.without("include")

    def _refuse_second_definitions(self, config: Node, part: Node) -> None:
        for kind, resources in part.members("resources").items():
            for key, node in resources.mapping.items():
                first = config.get("resources", kind, key)
                if first is not None:
                    place = node.key or node.place
                    also = (first.key or first.place).file
                    self.problems.append(place.problem(f"resources.{kind}.{key}: is defined already in {also}"))

    def git_value(self, name: str) -> str:
        """The branch, commit or remote of the repository the bundle is in; empty outside one."""
        if self.git is None:
            self.git = {
                "branch": _git(self.root, "branch", "--show-current"),
                "commit": _git(self.root, "rev-parse", "HEAD"),
                "origin_url": _git(self.root, "remote", "get-url", "origin"),
                "bundle_root_path": _git(self.root, "rev-parse", "--show-prefix").rstrip("/") or ".",
            }
            self.git["actual_branch"] = self.git["branch"]
        return self.git.get(name, "")


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _check_top_level(config: Node, work: _Work) -> None:
    for key, node in config.mapping.items():
        if key not in TOP_LEVEL and not _holds_anchors(node):
            near = did_you_mean(key, TOP_LEVEL)
            severity = "error" if near else "warning"
            more = near or "; it has no effect"
            work.problems.append((node.key or node.place).problem(f"unknown key {key!r}{more}", severity))
    targets = [found for name in ("targets", "environments") if (found := config.get(name))]
    if len(targets) == 2:
        place = targets[1].key or targets[1].place
        work.problems.append(place.problem("targets and environments mean the same: keep one"))
    for source in [config, *(below for section in targets for below in section.mapping.values())]:
        _check_kinds(source.members("resources"), work)


def _holds_anchors(node: Node) -> bool:
    """Whether a value is there only to be referred to: an anchor, or a list or mapping of nothing else."""
    below = [*node.mapping.values(), *node.items]
    return node.anchored or (bool(below) and all(_holds_anchors(part) for part in below))


def _note_what_is_not_made(config: Node, work: _Work) -> None:
    """One notice for all that a deployment would make and a local run does not."""
    unmade = {name: node for name in ("artifacts", "scripts") if (node := config.get(name)) is not None}
    kinds = config.members("resources").items()
    unmade |= {f"resources.{kind}": node for kind, node in kinds if kind in RESOURCE_KINDS and kind not in _MADE}
    if unmade:
        place = next(iter(unmade.values())).place
        work.problems.append(place.problem(f"{', '.join(unmade)}: not built or created here", "warning"))


def _check_kinds(resources: Mapping[str, Node], work: _Work) -> None:
    for kind, node in resources.items():
        if kind not in RESOURCE_KINDS and not _holds_anchors(node):
            near = did_you_mean(kind, RESOURCE_KINDS)
            problem = (node.key or node.place).problem(
                f"resources.{kind}: unknown kind of resource{near}", "error" if near else "warning"
            )
            work.problems.append(problem)


# Target ----------------------------------------------------------------------------------------------------------


def _chosen_target(config: Node, wanted: str | None, environ: Mapping[str, str]) -> tuple[str, Node]:
    listed = config.get("targets") or config.get("environments")
    targets = listed.mapping if listed else {}
    if not targets:
        if wanted not in (None, "default"):
            raise UserError(f"{wanted}: no such target; this bundle defines none")
        return "default", Node({}, config.place)
    name = wanted or environ.get(TARGET_VARIABLE) or _default_target(targets)
    if name not in targets:
        raise UserError(
            f"{name}: no such target. Available targets: {', '.join(sorted(targets))}{did_you_mean(name, targets)}"
        )
    chosen = targets[name]
    return name, chosen if isinstance(chosen.value, dict) else replace(chosen, value={})


def _default_target(targets: Mapping[str, Node]) -> str:
    if len(targets) == 1:
        return next(iter(targets))
    defaults = [
        name for name, node in targets.items() if (found := node.get("default")) is not None and found.value is True
    ]
    if len(defaults) > 1:
        place = targets[defaults[1]].key or targets[defaults[1]].place
        raise InvalidSpec([place.problem(f"multiple targets are marked as default ({', '.join(defaults)})")])
    if not defaults:
        raise UserError(f"please specify target: -t with one of {', '.join(targets)}")
    return defaults[0]


def _with_target(config: Node, chosen: Node, name: str, work: _Work) -> Node:
    result = config.without("targets", "environments", "include")
    for section in _MERGED_SECTIONS:
        if (over := chosen.get(section)) is not None:
            base = result.get(section)
            result = at(result, [section], over if base is None else merge(base, over, (section,)))
    for section in _REPLACED_SECTIONS:
        if (over := chosen.get(section)) is not None:
            result = at(result, [section], over)
    for key, section in (("mode", "mode"), ("git", "git"), ("cluster_id", "cluster_id"), ("compute_id", "compute_id")):
        if (over := chosen.get(key)) is not None:
            result = at(result, ["bundle", section], over)
    mode = result.get("bundle", "mode")
    if mode is not None and mode.value not in ("development", "production"):
        text = f"unsupported value {mode.value!r} for mode: must be either 'development' or 'production'"
        work.problems.append(mode.place.problem(f"targets.{name}.mode: {text}"))
    return result


def _with_names(config: Node, target: str, file: Path, user: str) -> Node:
    """The bundle's and workspace's own values, with their defaults (9.4)."""
    place = Place(file)
    result = config
    for own, value in (
        (["bundle", "target"], target),
        (["bundle", "environment"], target),
        (["workspace", "current_user", "userName"], user),
        (["workspace", "current_user", "short_name"], short_name(user)),
        (["workspace", "current_user", "domain_friendly_name"], short_name(user)),
    ):
        result = at(result, own, Node(value, place))
    if (name := result.get("bundle", "name")) is None or not name.value:
        result = at(result, ["bundle", "name"], Node(file.parent.name, place))
    root = result.get("workspace", "root_path")
    if root is None or not root.text:
        root = Node("~/.bundle/${bundle.name}/${bundle.target}", place)
    result = at(result, ["workspace", "root_path"], replace(root, value=_expanded(str(root.value), user)))
    for key, folder in (
        ("file_path", "files"),
        ("artifact_path", "artifacts"),
        ("state_path", "state"),
        ("resource_path", "resources"),
    ):
        found = result.get("workspace", key)
        path = _expanded(found.text, user) if found is not None and found.text else f"${{workspace.root_path}}/{folder}"
        result = at(result, ["workspace", key], Node(path, found.place if found else place))
    return result


def _expanded(path: str, user: str) -> str:
    if path == "~" or path.startswith("~/"):
        return f"/Workspace/Users/{user}{path[1:]}"
    return f"/Workspace{path}" if path.startswith("/") and not path.startswith(("/Workspace/", "/Volumes/")) else path


# Resolution ---------------------------------------------------------------------------------------------------------


def _finished(config: Node, target: str, work: _Work, is_fragment: bool) -> ResolvedBundle:
    interpolation = Interpolation(lookup_in(config, work.git_value, work.problems), work.problems)
    # First the values everything else is made of, so that they are told once.
    for section in ("bundle", "workspace", "variables"):
        if (node := config.get(section)) is not None:
            config = at(config, [section], interpolation.resolve(node, (section,)))
    interpolation.lookup = lookup_in(config, work.git_value, work.problems)
    for section in ("resources", "presets", "permissions", "run_as", "scripts"):
        if (node := config.get(section)) is not None:
            work.problems.extend(malformed(node))
            config = at(config, [section], interpolation.resolve(node, (section,)))
    if python_bundle.section_of(config) is not None:
        work.stop_on_faults()  # code of the bundle is run with values only
    jobs = _with_python(config, target, work, interpolation)
    info = _info(config, target, work)
    presets = presets_of(config, info.mode)
    config = with_prefixed_names(config, presets)
    info = replace(info, catalogs=_made(config, "catalogs"), schemas=_made(config, "schemas"))
    info = replace(info, volumes=_made(config, "volumes"))
    official = {
        key: deployed_job(_readable(with_merged_lists(job), key, work), config, presets, annotated=not is_fragment)
        for key, job in jobs.items()
    }
    local = _with_resources(official, config, work)
    return ResolvedBundle(
        info,
        {key: unescaped(job) for key, job in official.items()},
        {key: unescaped(job.without(*ANNOTATIONS), keep_jobs=True) for key, job in local.items()},
        tuple(work.problems),
    )


def _readable(job: Node, key: str, work: _Work) -> Node:
    """The job without what has no effect, so that defaults take its place; the older single-task form as it is."""
    if any(kind in job.mapping for kind in KINDS):
        return job
    read, doubts = as_read(job, JobSettings, ("resources", "jobs", key))
    work.problems.extend(with_task_key(doubt, job) for doubt in doubts)
    return read


def _with_python(config: Node, target: str, work: _Work, interpolation: Interpolation) -> dict[str, Node]:
    listed = config.get("resources", "jobs")
    jobs: dict[str, Node] = {}
    for key, node in (listed.mapping if listed else {}).items():
        if isinstance(node.value, dict):
            jobs[key] = node
        else:
            place = node.key or node.place
            work.problems.append(place.problem(f"resources.jobs.{key}: the job is not defined, it has no members"))
    section = python_bundle.section_of(config)
    if section is None:
        return jobs
    values = {name: found.plain() for name, node in config.members("variables").items() if (found := node.get("value"))}
    made = python_bundle.apply(section, jobs, folder=work.root, target=target, variables=values)
    return {key: interpolation.resolve(job, ("resources", "jobs", key)) for key, job in made.items()}


def _info(config: Node, target: str, work: _Work) -> BundleInfo:
    workspace = {
        key: str(node.value) for key, node in config.members("workspace").items() if isinstance(node.value, str)
    }
    variables, scripts = config.members("variables"), config.members("scripts")
    name, mode = config.get("bundle", "name"), config.get("bundle", "mode")
    return BundleInfo(
        name=str(name.value) if name else work.root.name,
        target=target,
        mode=str(mode.value) if mode else None,
        file=work.file,
        root=work.root,
        files=tuple(work.files),
        workspace=workspace,
        variables={key: found.plain() for key, node in variables.items() if (found := node.get("value"))},
        sync_paths=tuple(str(node.value) for node in config.elements("sync", "paths")),
        scripts={key: str(found.value) for key, node in scripts.items() if (found := node.get("content"))},
    )


_NAMED_IN_FULL = {
    "catalogs": ("name",),
    "schemas": ("catalog_name", "name"),
    "volumes": ("catalog_name", "schema_name", "name"),
}


def _made(config: Node, kind: str) -> tuple[str, ...]:
    """The full names of the catalogs, schemas or volumes among the resources, as far as they are known here."""
    interpolation = Interpolation(lambda path: config.get(*path) if path[0] == "resources" else None, [])
    found = []
    for resource in config.members("resources", kind).values():
        values = [resource.get(name) for name in _NAMED_IN_FULL[kind]]
        parts = [str(interpolation.resolve(node).value) for node in values if node is not None]
        if len(parts) == len(values) and not any("${" in part for part in parts):
            found.append(".".join(parts))
    return tuple(found)


def _with_resources(jobs: Mapping[str, Node], config: Node, work: _Work) -> dict[str, Node]:
    """`${resources...}` put in place as far as it can be known here; job ids wait until jobs are registered."""
    resources = at(config.nearest(("resources",)) if config.get("resources") else Node({}), ["jobs"], Node(dict(jobs)))
    told: set[str] = set()

    def lookup(path: Steps) -> Node | None:
        if path[0] != "resources":
            return None
        if len(path) < 4 or (kept := resources.get(*path[1:3])) is None:
            raise Unresolved(f"reference does not exist: ${{{show(path)}}}{_near_resource(path, resources)}")
        if path[1] == "jobs" and path[3:] == ("id",):
            return None
        found = kept.get(*path[3:])
        if found is not None and path[3:] != ("id",):
            return found
        reference = show(path)
        placeholder = f"local-{path[1]}-{path[2]}-{show(path[3:])}"
        if reference not in told:
            told.add(reference)
            text = f"${{{reference}}} is known only on Databricks; here it is the placeholder {placeholder!r}"
            work.problems.append((kept.key or kept.place).problem(text, "warning"))
        return Node(placeholder)

    interpolation = Interpolation(lookup, work.problems)
    resolved = {key: interpolation.resolve(job, ("resources", "jobs", key)) for key, job in jobs.items()}
    for key, job in resolved.items():
        _note_unknown_references(job, f"resources.jobs.{key}", work)
    return resolved


def _near_resource(path: Steps, resources: Node) -> str:
    kind = resources.get(*path[1:2])
    return did_you_mean(str(path[2]), kind.mapping) if kind is not None and len(path) > 2 else ""


def _note_unknown_references(job: Node, prefix: str, work: _Work) -> None:
    for path, node in job.walk():
        for match in REFERENCE.finditer(node.value) if isinstance(node.value, str) and "${" in node.value else ():
            if steps(match[1])[0] not in ("resources", "var", "variables", "bundle", "workspace"):
                text = f"{prefix}.{show(path)}: {match[0]} is no reference a bundle knows: it stays as text"
                work.problems.append(node.place.problem(text, "warning"))
