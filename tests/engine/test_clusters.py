"""What a task takes over from its cluster."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dbutils_local.engine.clusters import cluster_of, spark_conf, variables
from dbutils_local.settings import RUNTIME_KEY, Settings
from dbutils_local.spec.job import JobSettings


def _conf(cluster: dict[str, Any], **own: str) -> dict[str, str]:
    found = spark_conf(cluster, own, lambda value: f"opened {value}" if value.startswith("{{") else value)
    return json.loads(found["DBUTILS_LOCAL_SPARK_CONF"]) if found else {}


def test_a_task_has_its_own_cluster_or_the_one_it_shares() -> None:
    tasks = [
        {"task_key": "a", "new_cluster": {"num_workers": 1}, "notebook_task": {"notebook_path": "/a"}},
        {"task_key": "b", "job_cluster_key": "c", "notebook_task": {"notebook_path": "/b"}},
        {"task_key": "d", "notebook_task": {"notebook_path": "/d"}},
    ]
    shared = [{"job_cluster_key": "c", "new_cluster": {"num_workers": 2}}]
    job = JobSettings.model_validate({"tasks": tasks, "job_clusters": shared})
    assert [dict(cluster_of(job, task)) for task in job.tasks or ()] == [{"num_workers": 1}, {"num_workers": 2}, {}]


def test_what_code_can_read_or_feel_of_the_spark_conf_is_handed_on() -> None:
    said = {
        "spark.team.stage": "dev",
        "spark.sql.session.timeZone": "Europe/Rome",
        "spark.databricks.delta.schema.autoMerge.enabled": True,
        "spark.sql.shuffle.partitions": 4,
        "spark.team.key": "{{secrets/s/k}}",
    }
    assert _conf({"spark_conf": said}) == {
        "spark.team.stage": "dev",
        "spark.sql.session.timeZone": "Europe/Rome",
        "spark.databricks.delta.schema.autoMerge.enabled": "true",
        "spark.sql.shuffle.partitions": "4",
        "spark.team.key": "opened {{secrets/s/k}}",
    }


@pytest.mark.parametrize(
    "name",
    [
        "spark.master",
        "spark.driver.memory",
        "spark.executor.extraJavaOptions",
        "spark.hadoop.fs.s3a.access.key",
        "fs.azure.account.key.x.dfs.core.windows.net",
        "spark.databricks.cluster.profile",
        "spark.sql.catalog.spark_catalog",
        "spark.sql.extensions",
        "spark.jars.packages",
    ],
)
def test_what_only_concerns_machines_and_clouds_is_not(name: str) -> None:
    assert _conf({"spark_conf": {name: "{{secrets/s/none}}"}}) == {}


@pytest.mark.parametrize(
    ("version", "ansi"),
    [
        ("13.3.x-scala2.12", "false"),
        ("16.4.x-cpu-ml-scala2.13", "false"),
        ("17.3.x-scala2.13", None),
        ("auto:latest-lts", None),
        ("${var.version}", None),
        (None, None),
    ],
)
def test_runtimes_below_17_have_ansi_mode_off(version: str | None, ansi: str | None) -> None:
    assert _conf({"spark_version": version} if version else {}).get("spark.sql.ansi.enabled") == ansi


def test_the_cluster_and_the_machine_can_say_otherwise() -> None:
    cluster = {"spark_version": "12.2.x-scala2.12", "spark_conf": {"spark.sql.ansi.enabled": "true", "spark.a": "1"}}
    found = _conf(cluster)
    assert (found["spark.sql.ansi.enabled"], found["spark.a"]) == ("true", "1")
    assert _conf(cluster, **{"spark.a": "2"})["spark.a"] == "2"


@pytest.mark.parametrize("version", ["14.3.x-scala2.12", "17.3.x-cpu-ml-scala2.13"])
def test_code_that_asks_for_the_runtimes_version_is_told_the_clusters(version: str) -> None:
    assert _conf({"spark_version": version})[RUNTIME_KEY] == version
    assert RUNTIME_KEY not in _conf({"spark_version": "auto:latest-lts", "spark_conf": {"spark.a": "1"}})


def test_the_settings_of_the_task_read_it_back() -> None:
    environ = spark_conf({"spark_conf": {"spark.a": "x,y=z"}}, {}, str)
    assert Settings.load({"HOME": "/nowhere", **environ}).spark_conf == {"spark.a": "x,y=z"}


def test_variables_of_the_machine_are_left_out() -> None:
    said = {"MODE": "dev", "PATH": "/x", "SPARK_HOME": "/y"}
    assert variables({"spark_env_vars": said}, str) == {"MODE": "dev"}
    assert variables({}, str) == {}
