"""What deploying a bundle does to its jobs: presets, `mode: development`, permissions and defaults (reference 9.5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dbutils_local.errors import InvalidSpec
from dbutils_local.spec.checks import COMPUTE
from dbutils_local.spec.merge import at, merge_by_key
from dbutils_local.spec.tree import Node, node_of

DEVELOPMENT_CONCURRENT_RUNS = 4
_NAMED_BY = {"clusters": "cluster_name", "dashboards": "display_name"}
_PREFIXED = ("pipelines", "models", "experiments", "clusters", "dashboards", "sql_warehouses")
_PREFIXED_PLAINLY = ("model_serving_endpoints", "registered_models", "schemas")
ANNOTATIONS = ("deployment", "edit_mode", "format")
_MERGED_LISTS = (
    ("job_clusters", "job_cluster_key", False),
    ("parameters", "name", False),
    ("tasks", "task_key", True),
)
_KEPT_WITH_A_POOL = {
    "aws_attributes": ("instance_profile_arn",),
    "azure_attributes": (),
    "gcp_attributes": ("google_service_account",),
}
_PRINCIPALS = ("user_name", "service_principal_name", "group_name")
_LEVELS = ("CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER")
_PERMISSION_OF_A_JOB = {"CAN_MANAGE": "CAN_MANAGE", "CAN_VIEW": "CAN_VIEW", "CAN_RUN": "CAN_MANAGE_RUN"}


@dataclass(frozen=True)
class Presets:
    """What every job of a target gets; empty values change nothing."""

    name_prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    jobs_max_concurrent_runs: int = 0
    trigger_pause_status: str = ""


def presets_of(config: Node, mode: str | None) -> Presets:
    """The bundle's presets, completed by what `mode: development` presets."""
    found = config.get("presets")
    given = found.plain() if found is not None and isinstance(found.value, dict) else {}
    status = given.get("trigger_pause_status") or ""
    if status not in ("", "PAUSED", "UNPAUSED") and found is not None:
        place = found.nearest(("trigger_pause_status",)).place
        raise InvalidSpec(
            [place.problem(f"presets.trigger_pause_status: must be PAUSED or UNPAUSED, found {status!r}")]
        )
    tags = {key: str(value) for key, value in (given.get("tags") or {}).items()}
    presets = Presets(str(given.get("name_prefix") or ""), tags, _whole(given.get("jobs_max_concurrent_runs")), status)
    if mode != "development":
        return presets
    user = str(config.nearest(("workspace", "current_user", "short_name")).value)
    return Presets(
        name_prefix=presets.name_prefix or f"[dev {user}] ",
        tags={"dev": user} | tags,
        jobs_max_concurrent_runs=presets.jobs_max_concurrent_runs or DEVELOPMENT_CONCURRENT_RUNS,
        trigger_pause_status=presets.trigger_pause_status or "PAUSED",
    )


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else 0


def with_prefixed_names(config: Node, presets: Presets) -> Node:
    """The resources other than jobs under the names they get, since jobs refer to them."""
    result = config
    if not presets.name_prefix:
        return result
    for kind in (*_PREFIXED, *_PREFIXED_PLAINLY):
        for key, resource in config.members("resources", kind).items():
            name = resource.get(_NAMED_BY.get(kind, "name"))
            if name is not None and name.text is not None:
                prefixed = replace(name, value=_prefixed_name(kind, name.text, presets.name_prefix))
                result = at(result, ["resources", kind, key, _NAMED_BY.get(kind, "name")], prefixed)
    return result


def _prefixed_name(kind: str, name: str, prefix: str) -> str:
    if kind in _PREFIXED_PLAINLY:
        return _plain_prefix(prefix) + name
    folder, slash, last = name.rpartition("/") if kind == "experiments" else ("", "", name)
    return f"{folder}{slash}{prefix}{last}"


def _plain_prefix(prefix: str) -> str:
    """`[dev ada] ` as `dev_ada_`, for names that take letters, digits and _ only."""
    bare = prefix.replace("[", "").strip(" ")
    return re.sub(r"[^0-9A-Za-z]+", "_", bare).strip("_").lower() + ("_" if bare.endswith("]") else "")


def deployed_job(job: Node, config: Node, presets: Presets, *, annotated: bool) -> Node:
    """One job as the bundle tool would send it, its paths apart; `annotated` with the marks of a deployment."""
    run_as = config.get("run_as")
    prepared = _with_presets(_with_compute(_with_settled_clusters(job), config), presets)
    if run_as is not None and prepared.get("run_as") is None:
        prepared = prepared.with_members(run_as=run_as)
    complete = _with_defaults(_with_permissions(prepared, config))
    return _with_annotations(complete, config) if annotated else complete


def _with_settled_clusters(job: Node) -> Node:
    """The clusters of a job as the Jobs service takes them: a pool decides its nodes, no workers are said as 0."""
    result = job
    for name in ("tasks", "job_clusters"):
        listed = job.get(name)
        if listed is not None and isinstance(listed.value, list):
            result = result.with_members(**{name: replace(listed, value=[_settled(node) for node in listed.items])})
    return result


def _settled(owner: Node) -> Node:
    cluster = owner.get("new_cluster")
    if cluster is None or not isinstance(cluster.value, dict):
        return owner
    if _is_unset(cluster.get("instance_pool_id")):
        settled = cluster.without("driver_instance_pool_id")
    else:
        settled = cluster.without("node_type_id", "driver_node_type_id", "enable_elastic_disk")
        for name, kept in _KEPT_WITH_A_POOL.items():
            if (found := settled.get(name)) is not None and isinstance(found.value, dict):
                members = {key: node for key, node in found.mapping.items() if key in kept}
                settled = settled.with_members(**{name: replace(found, value=members)})
    if _is_unset(settled.get("autoscale")) and _is_unset(settled.get("num_workers")):
        settled = settled.with_members(num_workers=Node(0, cluster.place))
    return owner.with_members(new_cluster=settled)


def _with_compute(job: Node, config: Node) -> Node:
    """All tasks that name compute on the one cluster that the bundle or the target names for them."""
    cluster = config.get("bundle", "cluster_id") or config.get("bundle", "compute_id")
    tasks = job.get("tasks")
    if cluster is None or not cluster.value or tasks is None or not isinstance(tasks.value, list):
        return job
    return job.with_members(tasks=replace(tasks, value=[_on_cluster(task, cluster) for task in tasks.items]))


def _on_cluster(task: Node, cluster: Node) -> Node:
    nested = task.get("for_each_task", "task")
    if nested is not None:
        return at(task, ["for_each_task", "task"], _on_cluster(nested, cluster))
    if not any(name in task.mapping for name in COMPUTE):
        return task
    return task.without(*COMPUTE).with_members(existing_cluster_id=cluster)


def _with_presets(job: Node, presets: Presets) -> Node:
    place = job.place
    result = job
    if presets.name_prefix:
        name = job.get("name")
        written = str(name.value) if name is not None and name.value is not None else ""
        result = result.with_members(name=Node(presets.name_prefix + written, name.place if name else place))
    for tag, value in sorted(presets.tags.items()):
        found = result.get("tags", tag)
        if found is None or not found.value:
            result = at(result, ["tags", tag], Node(value, place))
    runs = result.get("max_concurrent_runs")
    if presets.jobs_max_concurrent_runs and (runs is None or not runs.value):
        result = result.with_members(max_concurrent_runs=Node(presets.jobs_max_concurrent_runs, place))
    return _with_pause_status(result, presets.trigger_pause_status) if presets.trigger_pause_status else result


def _with_pause_status(job: Node, status: str) -> Node:
    result = job
    for trigger in ("schedule", "trigger", "continuous"):
        found = job.get(trigger)
        if found is not None and isinstance(found.value, dict):
            paused = found.get("pause_status")
            if paused is None or not paused.value:
                result = at(result, [trigger, "pause_status"], Node(status, found.place))
    return result


def _with_permissions(job: Node, config: Node) -> Node:
    """The bundle's permissions beside the job's own, one level a principal; whoever deploys owns the job."""
    own = job.get("permissions")
    entries = [dict(node.plain()) for node in own.items if isinstance(node.value, dict)] if own is not None else []
    named = {_principal(entry) for entry in entries}
    shared = [dict(node.plain()) for node in config.elements("permissions") if isinstance(node.value, dict)]
    for entry in shared:
        level = _PERMISSION_OF_A_JOB.get(str(entry.get("level")))
        if level is not None and _principal(entry) not in named:
            entries.append({**entry, "level": level})
    if not entries:
        return job.without("permissions")
    user = str(config.nearest(("workspace", "current_user", "userName")).value)
    place = (own or config.get("permissions") or job).place
    return job.with_members(permissions=node_of(_highest_levels(_with_owner(entries, user)), place))


def _principal(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Who an entry is about: the kind of name and the name."""
    return next(((key, str(entry[key])) for key in _PRINCIPALS if entry.get(key)), ("", ""))


def _with_owner(entries: list[dict[str, Any]], user: str) -> list[dict[str, Any]]:
    mine = [entry for entry in entries if _principal(entry)[0] != "group_name" and _principal(entry)[1] == user]
    if any(entry.get("level") == "IS_OWNER" for entry in mine):
        return entries
    if any(entry.get("level") == "IS_OWNER" for entry in entries):
        return [*entries, {"level": "CAN_MANAGE", "user_name": user}]
    return [*entries, {"level": "IS_OWNER", "user_name": user}]


def _highest_levels(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    highest: dict[tuple[str, str], str] = {}
    for entry in entries:
        principal, level = _principal(entry), str(entry.get("level"))
        highest[principal] = max(highest.get(principal, level), level, key=_rank)
    return [{"level": level, kind: name} for (kind, name), level in highest.items() if kind]


def _rank(level: str) -> int:
    return _LEVELS.index(level) if level in _LEVELS else len(_LEVELS)


def with_merged_lists(job: Node) -> Node:
    """Clusters, parameters and tasks of the same key made one (root and target each gave a part)."""
    result = job
    for name, key, ordered in _MERGED_LISTS:
        listed = job.get(name)
        if listed is not None and isinstance(listed.value, list):
            result = result.with_members(**{name: merge_by_key(listed, key, ordered=ordered)})
    return result


def with_named_elements(job: Node) -> Node:
    """The elements of those lists with an empty key where they have none, as the bundle tool prints them."""
    result = job
    for name, key, _ in _MERGED_LISTS:
        listed = job.get(name)
        if listed is not None and isinstance(listed.value, list):
            named = [node if key in node.mapping else node.with_members(**{key: Node("")}) for node in listed.items]
            result = result.with_members(**{name: replace(listed, value=named)})
    return result


def _with_defaults(job: Node) -> Node:
    place = job.place
    result = job
    for path, value in (
        (["name"], "Untitled"),
        (["max_concurrent_runs"], 1),
        (["schedule", "pause_status"], "UNPAUSED"),
        (["trigger", "pause_status"], "UNPAUSED"),
        (["continuous", "pause_status"], "UNPAUSED"),
        (["queue"], {"enabled": True}),
    ):
        parent = result.get(*path[:-1])
        if parent is not None and isinstance(parent.value, dict) and _is_unset(parent.get(path[-1])):
            result = at(result, path, node_of(value, place))
    return result


def _with_annotations(job: Node, config: Node) -> Node:
    place = job.place
    metadata = f"{config.nearest(('workspace', 'state_path')).value}/metadata.json"
    return job.with_members(
        deployment=node_of({"kind": "BUNDLE", "metadata_file_path": metadata}, place),
        edit_mode=Node("UI_LOCKED", place),
        format=Node("MULTI_TASK", place),
    )


def _is_unset(node: Node | None) -> bool:
    return node is None or node.value is None
