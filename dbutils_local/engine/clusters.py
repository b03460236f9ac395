"""What a task takes over from the cluster its job names for it, though no cluster is started."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from dbutils_local.settings import PREFIX, RUNTIME_KEY
from dbutils_local.spec.job import JobSettings
from dbutils_local.spec.tasks import Task

# Variables that name places of a cluster's machine, or steer its Spark.
_OF_THE_MACHINE = frozenset(
    {"HOME", "JAVA_HOME", "JNAME", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON",
     "PYTHONPATH"}
)  # fmt: skip

# Settings that say on what machines Spark runs, how big it is, what it loads, and with which keys it reads a cloud.
_OF_THE_CLUSTER = re.compile(
    r"spark\.(master|driver|executor|local\.dir|hadoop|jars|plugins|submit|ui|eventLog|metrics|memory|extraListeners"
    r"|dynamicAllocation|shuffle\.service|databricks\.cluster|databricks\.hive|databricks\.passthrough"
    r"|sql\.(extensions|catalog|catalogImplementation|warehouse|hive))\b|(?!spark\.)"
)
_VERSION = re.compile(r"(\d+)\.")
_FIRST_STRICT_RUNTIME = 17  # ANSI mode is on by default from here (Databricks Runtime release notes)


def cluster_of(job: JobSettings, task: Task) -> Mapping[str, Any]:
    """The `new_cluster` of a task, its own or the job cluster it shares; empty where it names none."""
    shared = {cluster.job_cluster_key: cluster.new_cluster for cluster in job.job_clusters or ()}
    return task.new_cluster or shared.get(task.job_cluster_key or "") or {}


def variables(cluster: Mapping[str, Any], opened: Callable[[str], str]) -> dict[str, str]:
    """Its `spark_env_vars`: code reads them. `opened` gives the secret a value `{{secrets/...}}` names."""
    values = cluster.get("spark_env_vars")
    if not isinstance(values, dict):
        return {}
    return {
        str(name): opened(str(value))
        for name, value in values.items()
        if name not in _OF_THE_MACHINE and not str(name).startswith("SPARK_")
    }


def spark_conf(cluster: Mapping[str, Any], own: Mapping[str, str], opened: Callable[[str], str]) -> dict[str, str]:
    """The variable that hands its `spark_conf` to the task's session; `own` are this machine's, which are stronger.

    A runtime before 17 had ANSI mode off: what gives NULL there must not raise here.
    """
    said = cluster.get("spark_conf")
    theirs = {str(name): value for name, value in said.items()} if isinstance(said, dict) else {}
    found = {name: opened(_text(value)) for name, value in theirs.items() if not _OF_THE_CLUSTER.match(name)}
    if _runtime(cluster) < _FIRST_STRICT_RUNTIME:
        found = {"spark.sql.ansi.enabled": "false", **found}
    if _VERSION.match(version := str(cluster.get("spark_version", ""))):
        found = {RUNTIME_KEY: version, **found}
    return {f"{PREFIX}SPARK_CONF": json.dumps(found | dict(own))} if found else {}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _runtime(cluster: Mapping[str, Any]) -> int:
    """The major version in `15.4.x-scala2.12`; the first strict one where it is not said in numbers."""
    found = _VERSION.match(str(cluster.get("spark_version", "")))
    return int(found[1]) if found else _FIRST_STRICT_RUNTIME
