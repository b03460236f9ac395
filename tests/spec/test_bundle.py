"""Bundles: what one target of one bundle comes to, as the bundle tool resolves it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from dbutils_local.errors import InvalidSpec, UserError
from dbutils_local.spec.bundle import short_name
from dbutils_local.spec.job import resolved
from dbutils_local.spec.load import LoadedSpec, load

DATA = Path(__file__).parents[1] / "data" / "spec"
NOTEBOOK = "# Databricks notebook source\n"
USER = "ada.lovelace@example.com"


class Project:
    """A bundle's folder, written file by file."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, text: str, name: str = "databricks.yml") -> Project:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return self

    def load(self, target: str | None = None, environ: Mapping[str, str] | None = None, **variables: str) -> LoadedSpec:
        return load(self.root, target=target, variables=variables, environ=environ or {}, user=USER, check_files=False)

    def job(self, target: str | None = None, **variables: str) -> dict[str, Any]:
        return resolved(self.load(target, **variables).job().settings, bundle=True)

    def deployed(self, target: str | None = None) -> dict[str, Any]:
        (shown,) = self.load(target).deployed.values()
        return dict(shown)

    def faults(
        self, target: str | None = None, environ: Mapping[str, str] | None = None, **variables: str
    ) -> list[str]:
        with pytest.raises(InvalidSpec) as error:
            self.load(target, environ, **variables)
        return [str(p).replace(f"{self.root}/", "") for p in error.value.problems if p.severity == "error"]

    def doubts(self) -> list[str]:
        return [str(problem).replace(f"{self.root}/", "") for problem in self.load().problems]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "shop")


CONDITION = "condition_task: {op: EQUAL_TO, left: '1', right: '1'}"
MINIMAL = f"""
bundle: {{name: shop}}
resources:
  jobs:
    j:
      name: nightly
      tasks:
        - task_key: a
          {CONDITION}
"""


def test_defaults_and_annotations_are_those_of_the_bundle_tool(project: Project) -> None:
    assert project.write(MINIMAL).deployed() == {
        "name": "nightly",
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "edit_mode": "UI_LOCKED",
        "format": "MULTI_TASK",
        "deployment": {
            "kind": "BUNDLE",
            "metadata_file_path": f"/Workspace/Users/{USER}/.bundle/shop/default/state/metadata.json",
        },
        "tasks": [{"task_key": "a", "condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}],
    }


def test_a_job_without_anything_is_called_untitled(project: Project) -> None:
    assert project.write("bundle: {name: b}\nresources: {jobs: {j: {}}}\n").job()["name"] == "Untitled"


def test_development_marks_and_pauses_what_production_leaves_alone(project: Project) -> None:
    project.write(
        MINIMAL
        + "      schedule: {quartz_cron_expression: '0 0 8 * * ?', timezone_id: UTC}\n"
        + "targets:\n  dev: {mode: development, default: true}\n  prod: {mode: production}\n"
    )
    dev, prod = project.job("dev"), project.job("prod")
    assert (dev["name"], prod["name"]) == ("[dev ada_lovelace] nightly", "nightly")
    assert (dev["tags"], prod.get("tags")) == ({"dev": "ada_lovelace"}, None)
    assert (dev["max_concurrent_runs"], prod["max_concurrent_runs"]) == (4, 1)
    assert (dev["schedule"]["pause_status"], prod["schedule"]["pause_status"]) == ("PAUSED", "UNPAUSED")


def test_an_explicit_pause_status_and_concurrency_survive_development(project: Project) -> None:
    project.write(
        MINIMAL
        + "      max_concurrent_runs: 2\n      continuous: {pause_status: UNPAUSED}\n"
        + "targets: {dev: {mode: development}}\n"
    )
    job = project.job()
    assert (job["max_concurrent_runs"], job["continuous"]["pause_status"]) == (2, "UNPAUSED")


def test_presets_beat_the_mode(project: Project) -> None:
    project.write(
        MINIMAL
        + """
targets:
  dev:
    mode: development
    presets: {name_prefix: "x_", trigger_pause_status: UNPAUSED, jobs_max_concurrent_runs: 9, tags: {dev: me, cost: 7}}
"""
    )
    job = project.job()
    assert (job["name"], job["tags"], job["max_concurrent_runs"]) == ("x_nightly", {"dev": "me", "cost": "7"}, 9)


def test_a_wrong_mode_is_refused(project: Project) -> None:
    found = project.write(MINIMAL + "targets: {dev: {mode: develpment}}\n").faults()
    assert "must be either 'development' or 'production'" in found[0]


def test_the_target_is_laid_on_and_tasks_merge_by_key_and_are_sorted(project: Project) -> None:
    project.write(
        f"""
        bundle: {{name: b}}
        resources:
          jobs:
            j:
              timeout_seconds: 10
              tags: {{a: one, b: one}}
              parameters: [{{name: p, default: root}}, {{name: q, default: root}}]
              job_clusters: [{{job_cluster_key: c, new_cluster: {{spark_version: "15", num_workers: 1}}}}]
              tasks:
                - task_key: z
                  max_retries: 1
                  {CONDITION}
                - task_key: a
                  {CONDITION}
        targets:
          t:
            resources:
              jobs:
                j:
                  timeout_seconds: 20
                  tags: {{b: two}}
                  parameters: [{{name: q, default: target}}]
                  job_clusters: [{{job_cluster_key: c, new_cluster: {{num_workers: 4}}}}]
                  tasks: [{{task_key: z, timeout_seconds: 5}}]
        """
    )
    job = project.job()
    assert job["timeout_seconds"] == 20
    assert job["tags"] == {"a": "one", "b": "two"}
    assert job["parameters"] == [{"name": "p", "default": "root"}, {"name": "q", "default": "target"}]
    assert job["job_clusters"] == [{"job_cluster_key": "c", "new_cluster": {"spark_version": "15", "num_workers": 4}}]
    assert [task["task_key"] for task in job["tasks"]] == ["a", "z"]
    assert (job["tasks"][1]["max_retries"], job["tasks"][1]["timeout_seconds"]) == (1, 5)


def test_jobs_may_stand_under_a_target_only_and_share_anchors(project: Project) -> None:
    project.write(
        f"""
        bundle: {{name: b}}
        definitions:
          base: &base
            timeout_seconds: 60
            tasks: [{{task_key: a, {CONDITION}}}]
        """.replace("definitions:", "definitions: &defs")
        + """
        targets:
          dev: {resources: {jobs: {j: {<<: *base, name: dev-job}}}}
          prod: {resources: {jobs: {j: {<<: *base, name: prod-job}}}}
        """
    )
    assert project.job("prod")["name"] == "prod-job"
    assert project.job("dev")["timeout_seconds"] == 60


@pytest.mark.parametrize(
    ("targets", "environ", "chosen"),
    [
        ("targets: {only: }", {}, "only"),
        ("targets: {a: , b: {default: true}}", {}, "b"),
        ("environments: {a: , b: {default: true}}", {}, "b"),
        ("targets: {a: , b: {default: true}}", {"DATABRICKS_BUNDLE_TARGET": "a"}, "a"),
        ("", {}, "default"),
    ],
)
def test_a_target_is_chosen(project: Project, targets: str, environ: dict[str, str], chosen: str) -> None:
    info = project.write(f"{MINIMAL}{targets}\n").load(environ=environ).bundle
    assert info is not None
    assert info.target == chosen


@pytest.mark.parametrize(
    ("targets", "wanted", "words"),
    [
        ("targets: {a: , b: }", None, "please specify target"),
        ("targets: {a: {default: true}, b: {default: true}}", None, "multiple targets are marked as default"),
        ("targets: {dev: , prod: }", "pord", "no such target. Available targets: dev, prod; did you mean 'prod'?"),
        ("", "dev", "this bundle defines none"),
        ("targets: {a: }\nenvironments: {b: }", None, "mean the same"),
    ],
)
def test_a_target_that_cannot_be_chosen_is_said(project: Project, targets: str, wanted: str | None, words: str) -> None:
    with pytest.raises(UserError) as error:
        project.write(f"{MINIMAL}{targets}\n").load(wanted)
    assert words in str(error.value)


VARIABLES = f"""
bundle: {{name: b}}
variables:
  root: {{default: root}}
  over: {{default: root}}
  need: {{description: given by someone}}
resources:
  jobs:
    j:
      name: ${{var.root}}-${{var.over}}-${{var.need}}
      tasks: [{{task_key: a, {CONDITION}}}]
targets:
  t: {{variables: {{over: target, need: {{default: target}}}}}}
  bare:
"""


def test_the_value_of_a_variable_comes_from_the_first_place_that_has_one(project: Project) -> None:
    project.write(VARIABLES)
    assert project.load("t").job().settings.name == "root-target-target"
    project.write('{"over": "file", "root": "file"}', ".databricks/bundle/t/variable-overrides.json")
    assert project.load("t").job().settings.name == "file-file-target"
    environ = {"BUNDLE_VAR_over": "env", "BUNDLE_VAR_root": "env"}
    assert project.load("t", environ).job().settings.name == "env-env-target"
    assert project.load("t", environ, over="flag").job().settings.name == "env-flag-target"


def test_a_variable_nobody_gives_a_value_is_said_in_the_words_of_the_tool(project: Project) -> None:
    found = project.write(VARIABLES).faults("bare")
    assert len(found) == 1
    assert "no value assigned to required variable need. Assignment can be done using" in found[0]
    assert "BUNDLE_VAR_need" in found[0]


@pytest.mark.parametrize(
    ("text", "flags", "words"),
    [
        (
            "targets: {t: {variables: {nme: x}}}",
            {},
            "variable nme is not defined but is assigned a value; did you mean 'name'?",
        ),
        ("", {"nme": "x"}, "variable nme has not been defined; did you mean 'name'?"),
        ("", {"many": "x"}, "a complex variable cannot be set through --var"),
    ],
)
def test_values_for_what_cannot_have_them_are_refused(
    project: Project, text: str, flags: dict[str, str], words: str
) -> None:
    project.write(f"{MINIMAL}variables: {{name: {{default: x}}, many: {{type: complex, default: [1]}}}}\n{text}\n")
    assert any(words in fault for fault in project.faults(**flags))


def test_references_keep_the_type_of_what_they_name(project: Project) -> None:
    project.write(
        f"""
        bundle: {{name: b}}
        variables:
          n: {{default: 3}}
          on: {{default: true}}
          f: {{default: 0.5}}
          tags: {{type: complex, default: {{team: "${{var.team}}", n: "${{var.n}}"}}}}
          list: {{type: complex, default: [{{key: first}}, {{key: second}}]}}
          team: {{default: data}}
        resources:
          jobs:
            j:
              name: n=${{var.n}} on=${{var.on}} f=${{var.f}} at=${{var.list[1].key}} {{{{job.id}}}}
              timeout_seconds: ${{var.n}}
              queue: {{enabled: "${{var.on}}"}}
              tags: ${{var.tags}}
              tasks: [{{task_key: a, {CONDITION}}}]
        """
    )
    job = project.job()
    assert job["name"] == "n=3 on=true f=0.5 at=second {{job.id}}"
    assert (job["timeout_seconds"], job["queue"], job["tags"]) == (3, {"enabled": True}, {"team": "data", "n": "3"})


def test_what_a_bundle_knows_of_itself_can_be_referred_to(project: Project) -> None:
    project.write(
        MINIMAL.replace(
            "name: nightly",
            "name: ${bundle.name}|${bundle.target}|${bundle.environment}|${workspace.current_user.userName}|"
            "${workspace.current_user.short_name}|${workspace.file_path}|${workspace.host}|${variables.x.value}",
        )
        + "variables: {x: {default: '7'}}\ntargets: {dev: {workspace: {root_path: '~/here', host: 'https://h'}}}\n"
    )
    assert project.job()["name"] == (f"shop|dev|dev|{USER}|ada_lovelace|/Workspace/Users/{USER}/here/files|https://h|7")


def test_the_branch_is_that_of_the_working_tree(project: Project) -> None:
    project.write(MINIMAL.replace("name: nightly", "name: x${bundle.git.branch}x${bundle.git.origin_url}x"))
    assert project.job()["name"] == "xxx"
    subprocess.run(["git", "init", "-q", "-b", "topic", str(project.root)], check=True)
    assert project.job()["name"] == "xtopicxx"


def test_unknown_references_and_cycles_are_all_told_with_their_places(project: Project) -> None:
    project.write(
        """
        bundle: {name: b}
        variables:
          a: {default: "${var.b}"}
          b: {default: "${var.a}"}
          known: {default: 1}
        resources:
          jobs:
            j:
              name: ${var.knwn}
              description: ${bundle.nothing}
        """
    )
    found = project.faults()
    assert any("cycle detected in field resolution: var.b -> var.a -> var.b" in fault for fault in found)
    unknown = next(fault for fault in found if "${var.knwn}" in fault)
    assert unknown.startswith("databricks.yml:10:")
    assert "reference does not exist: ${var.knwn}" in unknown
    assert "did you mean 'known'?" in unknown
    assert any("reference does not exist: ${bundle.nothing}" in fault for fault in found)


def test_a_map_cannot_stand_inside_text(project: Project) -> None:
    project.write(MINIMAL.replace("nightly", "x ${var.m}") + "variables: {m: {type: complex, default: {a: 1}}}\n")
    assert "cannot interpolate non-primitive value of type map into string" in project.faults()[0]


def test_what_a_variable_looks_up_is_a_placeholder_and_a_doubt_where_it_is_used(project: Project) -> None:
    text = MINIMAL + "variables: {wh: {lookup: {warehouse: shared}}}\n"
    assert project.write(text).doubts() == []
    project.write(text.replace("name: nightly", "name: ${var.wh} ${var.wh}"))
    assert project.job()["name"] == "local-warehouse-shared local-warehouse-shared"
    assert [("is looked up in a workspace (warehouse 'shared')" in doubt) for doubt in project.doubts()] == [True]
    project.write(text.replace("name: nightly", "name: ${var.wh}"))
    assert project.job(wh="w1")["name"] == "w1"


def test_included_files_are_laid_on_in_order(project: Project) -> None:
    project.write(
        """
        bundle: {name: b}
        include: [resources/*.yml, extra.json, "deep/**/*.yml"]
        variables: {v: {default: x}}
        """
    )
    job = f"{{name: '${{var.v}}', tasks: [{{task_key: a, {CONDITION}}}]}}"
    project.write(f"resources: {{jobs: {{one: {job}}}}}", "resources/one.yml")
    project.write(json.dumps({"resources": {"jobs": {"two": {"name": "two"}}}}), "extra.json")
    project.write("resources: {jobs: {three: {name: three}}}", "deep/down/three.yml")
    project.write("resources: {jobs: {four: {name: four}}}", "deep/down/further/four.yml")
    spec = project.load()
    assert {key: job.settings.name for key, job in spec.jobs.items()} == {"one": "x", "two": "two", "three": "three"}
    assert spec.jobs["one"].file == project.root / "resources/one.yml"
    assert spec.bundle is not None
    assert [file.name for file in spec.bundle.files] == ["databricks.yml", "one.yml", "extra.json", "three.yml"]


def test_includes_that_cannot_be_are_faults_and_useless_ones_doubts(project: Project) -> None:
    project.write("bundle: {name: b}\ninclude: [gone.yml, part.yml, two.yml]\nresources: {jobs: {j: {name: x}}}\n")
    project.write("include: [x.yml]\nresources: {jobs: {j: {name: again}}}\n", "part.yml")
    project.write("a: [\n", "two.yml")
    found = project.faults()
    assert any("include: 'gone.yml' does not exist" in fault for fault in found)
    assert any("resources.jobs.j: is defined already in" in fault for fault in found)
    assert any("two.yml" in fault and "not valid YAML" in fault for fault in found)
    project.write("bundle: {name: b}\ninclude: [part.yml]\n")
    assert any("include: has no effect in an included file" in doubt for doubt in project.doubts())


def test_unknown_top_level_keys_are_faults_when_they_look_like_a_slip(project: Project) -> None:
    assert "unknown key 'varables'; did you mean 'variables'?" in project.write(MINIMAL + "varables: {}\n").faults()[0]
    assert "unknown kind of resource; did you mean 'jobs'?" in project.write("resources: {job: {}}\n").faults()[0]
    project.write(MINIMAL + "made_up_by_us: {}\n")
    assert any("unknown key 'made_up_by_us'; it has no effect" in doubt for doubt in project.doubts())


def test_two_root_files_are_one_too_many(project: Project) -> None:
    project.write(MINIMAL).write(MINIMAL, "bundle.yml")
    with pytest.raises(UserError, match="several bundle files"):
        project.load()


def test_ids_of_jobs_wait_and_those_of_other_resources_become_placeholders(project: Project) -> None:
    project.write(
        """
        bundle: {name: b}
        resources:
          schemas: {s: {name: sales, catalog_name: main}}
          pipelines: {p: {name: pipe}}
          jobs:
            child: {name: child}
            j:
              name: parent
              tasks:
                - task_key: a
                  run_job_task: {job_id: "${resources.jobs.child.id}"}
                - task_key: b
                  pipeline_task: {pipeline_id: "${resources.pipelines.p.id}"}
                - task_key: c
                  notebook_task:
                    notebook_path: /n
                    base_parameters: {schema: "${resources.schemas.s.name}", child: "${resources.jobs.child.name}"}
        targets: {dev: {mode: development}}
        """
    )
    spec = project.load()
    tasks = spec.job("j").settings.tasks
    assert tasks is not None
    assert tasks[0].member.job_id == "${resources.jobs.child.id}"
    assert tasks[1].member.pipeline_id == "local-pipelines-p-id"
    assert tasks[2].member.base_parameters == {"schema": "dev_ada_lovelace_sales", "child": "[dev ada_lovelace] child"}
    assert any("${resources.pipelines.p.id} is known only on Databricks" in str(problem) for problem in spec.problems)
    assert spec.deployed["j"]["tasks"][1]["pipeline_task"]["pipeline_id"] == "${resources.pipelines.p.id}"


def test_a_resource_that_is_not_there_cannot_be_referred_to(project: Project) -> None:
    project.write(MINIMAL.replace("name: nightly", "name: ${resources.jobs.jj.id}"))
    assert "reference does not exist: ${resources.jobs.jj.id}; did you mean 'j'?" in project.faults()[0]


def test_permissions_and_run_as_of_the_bundle_go_to_every_job(project: Project) -> None:
    project.write(
        MINIMAL
        + "permissions: [{level: CAN_RUN, group_name: users}, {level: CAN_VIEW, user_name: eve}]\n"
        + "run_as: {service_principal_name: robot}\n"
    )
    job = project.job()
    assert job["run_as"] == {"service_principal_name": "robot"}
    assert job["permissions"] == [
        {"level": "CAN_MANAGE_RUN", "group_name": "users"},
        {"level": "CAN_VIEW", "user_name": "eve"},
        {"level": "IS_OWNER", "user_name": USER},
    ]


def test_deployed_paths_are_those_below_the_workspaces_files(project: Project) -> None:
    project.write("bundle: {name: b}\ninclude: [resources/*.yml]\n")
    project.write(
        """
        resources:
          jobs:
            j:
              environments: [{environment_key: e, spec: {dependencies: [numpy, ../dist/x.whl]}}]
              tasks:
                - task_key: a
                  notebook_task: {notebook_path: ../src/a.py}
                - task_key: b
                  spark_python_task: {python_file: ../src/b.py}
                  environment_key: e
                - task_key: c
                  for_each_task: {inputs: "[1]", task: {task_key: n, notebook_task: {notebook_path: ../src/n.ipynb}}}
                - task_key: d
                  sql_task: {warehouse_id: w, file: {path: ../src/d.sql}}
                - task_key: e
                  notebook_task: {notebook_path: /Shared/x}
                  libraries: [{whl: ../dist/y.whl}]
        """,
        "resources/j.yml",
    )
    files = f"/Workspace/Users/{USER}/.bundle/b/default/files"
    job = project.deployed()
    a, b, c, d, e = job["tasks"]
    assert a["notebook_task"] == {"notebook_path": f"{files}/src/a", "source": "WORKSPACE"}
    assert b["spark_python_task"] == {"python_file": f"{files}/src/b.py", "source": "WORKSPACE"}
    assert c["for_each_task"]["task"]["notebook_task"]["notebook_path"] == f"{files}/src/n"
    assert d["sql_task"]["file"] == {"path": f"{files}/src/d.sql"}
    assert e["notebook_task"]["notebook_path"] == "/Shared/x"
    assert e["libraries"] == [{"whl": "dist/y.whl"}]
    assert job["environments"][0]["spec"]["dependencies"] == ["numpy", "./dist/x.whl"]
    assert project.job()["tasks"][0]["notebook_task"] == {"notebook_path": "../src/a.py"}


def test_files_beside_the_bundle_are_deployed_from_the_folder_that_holds_both(project: Project) -> None:
    project.write("bundle: {name: b}\ninclude: [../common/*.yml]\nsync: {paths: [., ../common]}\n")
    project.write(
        "resources: {jobs: {j: {tasks: [{task_key: a, notebook_task: {notebook_path: a.py}}]}}}", "../common/j.yml"
    )
    files = f"/Workspace/Users/{USER}/.bundle/b/default/files"
    assert project.deployed()["tasks"][0]["notebook_task"]["notebook_path"] == f"{files}/common/a"


def test_the_worked_example_resolves_for_both_targets(project: Project) -> None:
    project.write((DATA / "nightly_orders.bundle.yml").read_text())
    written = json.loads((DATA / "nightly_orders.job.json").read_text())
    dev, prod = project.job("dev"), project.job("prod")
    assert dev["name"] == "[dev ada_lovelace] nightly_orders"
    assert dev["parameters"][2] == {"name": "min_rows", "default": "10"}
    assert prod["timeout_seconds"] == 7200
    assert next(task for task in prod["tasks"] if task["task_key"] == "combine")["timeout_seconds"] == 900
    assert prod["health"] == written["health"]
    assert prod["notification_settings"] == written["notification_settings"]


@pytest.mark.parametrize(
    ("user", "name"), [("ada@x.org", "ada"), ("a.b-c+d@x", "a_b_c_d"), ("local@localhost", "local")]
)
def test_short_names_hold_letters_and_digits(user: str, name: str) -> None:
    assert short_name(user) == name


def test_what_is_no_reference_stays_and_is_a_doubt(project: Project) -> None:
    project.write(MINIMAL.replace("name: nightly", "name: ${HOME} ${bad-}"))
    assert project.job()["name"] == "${HOME} ${bad-}"
    assert any("${HOME} is no reference a bundle knows" in doubt for doubt in project.doubts())
    assert any("invalid variable reference ${bad-}" in doubt for doubt in project.doubts())


def test_what_only_a_deployment_makes_is_noticed_once(project: Project) -> None:
    project.write(MINIMAL + "  pipelines: {p: {name: x}}\n  volumes: {v: {name: y}}\nartifacts: {w: {type: whl}}\n")
    made = [doubt for doubt in project.doubts() if "not built or created here" in doubt]
    assert [doubt.split(": ", 1)[1] for doubt in made] == ["artifacts, resources.pipelines: not built or created here"]


def test_the_schemas_and_volumes_of_a_bundle_have_the_names_a_deployment_gives_them(project: Project) -> None:
    project.write(MINIMAL + "include: [more.yml]\ntargets: {dev: {mode: development, default: true}, prod: {}}\n")
    project.write(
        """
        resources:
          catalogs: {c: {name: lake}}
          schemas: {s: {catalog_name: "${resources.catalogs.c.name}", name: raw}, t: {name: lacks_its_catalog}}
          volumes: {v: {catalog_name: lake, schema_name: "${resources.schemas.s.name}", name: files}}
        """,
        "more.yml",
    )
    dev, prod = project.load().bundle, project.load("prod").bundle
    assert dev is not None
    assert prod is not None
    assert (prod.catalogs, prod.schemas, prod.volumes) == (("lake",), ("lake.raw",), ("lake.raw.files",))
    assert (dev.schemas, dev.volumes) == (("lake.dev_ada_lovelace_raw",), ("lake.dev_ada_lovelace_raw.files",))


def test_references_without_a_value_are_told_with_the_other_faults_and_once(project: Project) -> None:
    project.write(MINIMAL + "      timeout_seconds: ${var.gone}\n      tmeout_seconds: 3\n")
    found = project.faults()
    assert len(found) == 2
    assert "resources.jobs.j.timeout_seconds: reference does not exist: ${var.gone}" in found[0]
    assert "unknown key 'tmeout_seconds'; did you mean 'timeout_seconds'?" in found[1]


def test_numbers_and_switches_are_printed_in_the_type_of_their_field(project: Project) -> None:
    project.write(
        """
        bundle: {name: b}
        variables: {wait: {default: "30"}, muted: {default: "yes"}, price: {default: "0.5"}}
        resources:
          jobs:
            j:
              name: 7
              timeout_seconds: ${var.wait}
              notification_settings: {no_alert_for_canceled_runs: "${var.muted}"}
              job_clusters:
                - job_cluster_key: k
                  new_cluster:
                    spark_version: 15.4
                    autoscale: {min_workers: "1", max_workers: 2}
                    spark_conf: {spark.speculation: true, cores: 4}
                    azure_attributes: {spot_bid_max_price: "${var.price}", first_on_demand: "1"}
              parameters: [{name: n, default: 1.0}]
              tasks:
                - {task_key: a, notebook_task: {notebook_path: /x, base_parameters: {n: 3, on: false}}}
        """
    )
    job = project.deployed()
    assert (job["name"], job["timeout_seconds"]) == ("7", 30)
    assert job["notification_settings"] == {"no_alert_for_canceled_runs": True}
    assert job["job_clusters"][0]["new_cluster"] == {
        "spark_version": "15.4",
        "autoscale": {"min_workers": 1, "max_workers": 2},
        "spark_conf": {"spark.speculation": "true", "cores": "4"},
        "azure_attributes": {"spot_bid_max_price": 0.5, "first_on_demand": 1},
    }
    assert job["parameters"] == [{"name": "n", "default": "1"}]
    assert job["tasks"][0]["notebook_task"]["base_parameters"] == {"n": "3", "on": "false"}


def test_clusters_say_that_they_have_no_workers_and_leave_nodes_to_their_pool(project: Project) -> None:
    project.write(
        """
        bundle: {name: b}
        resources:
          jobs:
            j:
              job_clusters:
                - {job_cluster_key: lone, new_cluster: {spark_version: x, driver_instance_pool_id: d}}
                - job_cluster_key: pool
                  new_cluster:
                    instance_pool_id: p
                    node_type_id: n
                    num_workers: 2
                    aws_attributes: {zone_id: z, instance_profile_arn: r}
        """
    )
    lone, pool = (entry["new_cluster"] for entry in project.deployed()["job_clusters"])
    assert lone == {"spark_version": "x", "num_workers": 0}
    assert pool == {"instance_pool_id": "p", "num_workers": 2, "aws_attributes": {"instance_profile_arn": "r"}}


def test_a_cluster_of_the_target_takes_the_place_of_all_compute(project: Project) -> None:
    project.write(
        f"""
        bundle: {{name: b}}
        targets: {{t: {{cluster_id: mine}}}}
        resources:
          jobs:
            j:
              tasks:
                - {{task_key: a, new_cluster: {{num_workers: 1}}, {CONDITION}}}
                - {{task_key: b, {CONDITION}}}
                - task_key: c
                  for_each_task: {{inputs: "[1]", task: {{task_key: i, job_cluster_key: k, {CONDITION}}}}}
        """
    )
    a, b, c = project.deployed()["tasks"]
    assert a["existing_cluster_id"] == "mine"
    assert "new_cluster" not in a
    assert "existing_cluster_id" not in b
    assert c["for_each_task"]["task"]["existing_cluster_id"] == "mine"


def test_a_doubled_dollar_stands_for_text_that_is_no_reference(project: Project) -> None:
    project.write(MINIMAL.replace("name: nightly", "name: $${bundle.name} ${bundle.name} $${day[0..3]}"))
    assert project.job()["name"] == "${bundle.name} shop ${day[0..3]}"
    assert project.doubts() == []


def test_a_reference_may_stand_inside_another_and_hold_any_letters(project: Project) -> None:
    project.write(
        MINIMAL.replace("name: nightly", "name: ${var.size_${bundle.target}} ${var.größe}")
        + "variables: {size_default: {default: big}, größe: {default: groß}}\n"
    )
    assert project.job()["name"] == "big groß"


def test_a_variable_with_a_value_has_it_and_a_target_that_says_nothing_changes_nothing(project: Project) -> None:
    project.write(
        MINIMAL.replace("name: nightly", "name: ${var.fixed} ${var.kept}")
        + "variables: {fixed: {value: stone}, kept: {default: old}}\ntargets: {t: {variables: {kept: }}}\n"
    )
    assert project.load(environ={"BUNDLE_VAR_fixed": "wind"}).job().settings.name == "stone old"


def test_workspace_paths_begin_with_workspace(project: Project) -> None:
    project.write(
        MINIMAL.replace("name: nightly", "name: ${workspace.file_path} ${workspace.root_path}")
        + "workspace: {file_path: /remote, root_path: /Volumes/a/b}\n"
    )
    assert project.job()["name"] == "/Workspace/remote /Volumes/a/b"


def test_files_of_installers_options_are_deployed_and_designer_files_keep_their_name(project: Project) -> None:
    project.write(
        """
        bundle: {name: b}
        workspace: {file_path: /f}
        resources:
          jobs:
            j:
              environments:
                - environment_key: e
                  spec:
                    dependencies: [-r ./r.txt, dist/*.whl, "-i https://x.org", numpy]
                    project_environment: ./pyproject.toml
              tasks:
                - {task_key: a, notebook_task: {notebook_path: ./n.designer.ipynb}}
                - {task_key: b, notebook_task: {notebook_path: ./n.ipynb}}
        """
    )
    job = project.deployed()
    assert job["environments"][0]["spec"] == {
        "dependencies": ["-r /Workspace/f/r.txt", "./dist/*.whl", "-i https://x.org", "numpy"],
        "project_environment": "/Workspace/f/pyproject.toml",
    }
    assert [task["notebook_task"]["notebook_path"] for task in job["tasks"]] == [
        "/Workspace/f/n.designer.ipynb",
        "/Workspace/f/n",
    ]


def test_a_job_that_cannot_run_is_shown_all_the_same(project: Project) -> None:
    project.write(
        f"""
        bundle: {{name: b}}
        resources:
          jobs:
            good: {{tasks: [{{task_key: a, {CONDITION}}}]}}
            bad: {{tsks: 1, tasks: [{{new_cluster: {{num_workers: "2"}}}}]}}
            none:
        """
    )
    spec = load(project.root, keep_going=True, environ={})
    assert set(spec.jobs) == {"good"}
    assert spec.deployed["bad"]["tasks"] == [{"new_cluster": {"num_workers": 2}, "task_key": ""}]
    assert "tsks" not in spec.deployed["bad"]
    assert any("resources.jobs.none: the job is not defined" in str(fault) for fault in spec.faults)


def test_paths_stay_as_written_when_one_of_them_leads_nowhere(project: Project) -> None:
    project.write(
        "resources: {jobs: {j: {tasks: [{task_key: a, notebook_task: {notebook_path: ../gone.py}}]}}}", "r/j.yml"
    )
    project.write("bundle: {name: b}\ninclude: [r/*.yml]\n")
    spec = load(project.root, keep_going=True, environ={})
    assert spec.deployed["j"]["tasks"] == [{"task_key": "a", "notebook_task": {"notebook_path": "gone.py"}}]
    assert "deployment" not in spec.deployed["j"]
    assert [len(found) for found in spec.jobs["j"].missing.values()] == [1]


def test_of_a_key_written_twice_a_bundle_takes_the_last(project: Project) -> None:
    project.write(MINIMAL.replace("name: nightly", "name: nightly\n      name: daily"))
    assert project.job()["name"] == "daily"
    assert any("written twice (first on line 6): the last one counts" in doubt for doubt in project.doubts())


def test_elements_without_a_key_become_one(project: Project) -> None:
    project.write(
        """
        bundle: {name: b}
        variables: {c: {type: complex, default: {num_workers: 2}}}
        targets: {t: {resources: {jobs: {j: {job_clusters: [{new_cluster: "${var.c}"}]}}}}}
        resources: {jobs: {j: {job_clusters: [{new_cluster: {spark_version: x}}]}}}
        """
    )
    shown = load(project.root, keep_going=True, environ={}).deployed["j"]
    assert shown["job_clusters"] == [{"job_cluster_key": "", "new_cluster": {"spark_version": "x", "num_workers": 2}}]


def test_keys_of_a_job_that_nothing_resembles_have_no_effect_and_slips_are_faults(project: Project) -> None:
    project.write(MINIMAL + "          git_source_info: x\n      color: red\n")
    assert {doubt.split(": ", 2)[2] for doubt in project.doubts()} == {
        "unknown key 'git_source_info': it has no effect",
        "unknown key 'color': it has no effect",
    }
    assert "color" not in project.deployed()
    project.write(MINIMAL + "          depend_on: []\n")
    assert "did you mean 'depends_on'?" in project.faults()[0]


def test_each_principal_has_its_highest_level_once(project: Project) -> None:
    project.write(
        f"""
        bundle: {{name: b}}
        permissions: [{{level: CAN_RUN, group_name: g}}, {{level: CAN_VIEW, user_name: bob}}]
        resources:
          jobs:
            j:
              tasks: [{{task_key: a, {CONDITION}}}]
              permissions:
                - {{level: CAN_VIEW, user_name: {USER}}}
                - {{level: CAN_VIEW, user_name: bob}}
                - {{level: CAN_MANAGE_RUN, user_name: bob}}
        """
    )
    assert project.deployed()["permissions"] == [
        {"level": "IS_OWNER", "user_name": USER},
        {"level": "CAN_MANAGE_RUN", "user_name": "bob"},
        {"level": "CAN_MANAGE_RUN", "group_name": "g"},
    ]


def test_who_deploys_manages_a_job_that_somebody_else_owns(project: Project) -> None:
    project.write(MINIMAL + "      permissions: [{level: IS_OWNER, user_name: bob}]\n")
    assert project.deployed()["permissions"] == [
        {"level": "IS_OWNER", "user_name": "bob"},
        {"level": "CAN_MANAGE", "user_name": USER},
    ]


def test_keys_that_hold_nothing_but_anchors_are_no_doubt(project: Project) -> None:
    project.write("shared:\n  - &one {task_key: x}\n  - &two {task_key: y}\n" + MINIMAL)
    assert project.doubts() == []


def test_a_root_file_without_a_bundle_section_is_a_bundle_of_its_folders_name(project: Project) -> None:
    project.write(MINIMAL.replace("bundle: {name: shop}", ""))
    assert project.deployed()["deployment"]["metadata_file_path"].endswith("/.bundle/shop/default/state/metadata.json")


def test_values_that_cannot_be_what_their_field_holds_have_no_effect(project: Project) -> None:
    project.write(
        f"""
        bundle: {{name: b}}
        include: [empty.yml]
        resources:
          jobs:
            j:
              timeout_seconds: "3600,"
              max_concurrent_runs: 2.5
              notification_settings: {{no_alert_for_skipped_runs: maybe}}
              email_notifications: {{on_failure: me@example.com}}
              tags: [a]
              tasks: [{{task_key: a, timeout_seconds: 60, {CONDITION}}}]
        """
    )
    project.write("# nothing yet\n", "empty.yml")
    job = project.job()
    assert job["email_notifications"] == {}
    assert not {"timeout_seconds", "tags"} & set(job)
    assert project.deployed()["max_concurrent_runs"] == 1
    assert job["tasks"][0]["timeout_seconds"] == 60
    assert {doubt.split(": ", 2)[1].rpartition(".")[2] for doubt in project.doubts()} == {
        *("timeout_seconds", "max_concurrent_runs", "no_alert_for_skipped_runs", "on_failure", "tags", "is empty"),
    }
    assert any("timeout_seconds: must be a whole number, found '3600,'" in doubt for doubt in project.doubts())


def test_files_outside_of_what_is_deployed_are_a_doubt(project: Project) -> None:
    project.write(
        "bundle: {name: b}\nresources: {jobs: {j: {tasks: [{task_key: a, notebook_task: {notebook_path: ../n.py}}]}}}\n"
    )
    (doubt,) = project.doubts()
    assert "tasks[a].notebook_task.notebook_path: '../n.py' lies outside of" in doubt
    assert project.deployed()["tasks"] == [{"task_key": "a", "notebook_task": {"notebook_path": "../n.py"}}]
    project.write("sync: {paths: [.., .]}\n" + (project.root / "databricks.yml").read_text())
    assert project.doubts() == []


@pytest.mark.parametrize("end", ["-my-secrets", " and ${var.x}", "}", "${"])
def test_a_long_reference_with_text_behind_it_is_read_at_once(project: Project, end: str) -> None:
    # Tried in every way its words can be cut, one such name would take longer than anybody waits.
    name = "a_name_that_is_made_of_very_many_words_as_people_like_them_to_be_in_their_bundles"
    text = f"${{var.{name}}}{end}"
    project.write(
        MINIMAL.replace("nightly", f"'{text}'") + f"variables: {{{name}: {{default: v}}, x: {{default: w}}}}\n"
    )
    assert project.job()["name"] == f"v{end}".replace("${var.x}", "w")
