"""A task as people write it: the Jobs API's Task with every task kind, each field marked honoured, noted or refused."""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from dbutils_local.spec.base import HONOURED, Key, Spec, Text, TextMap, Whole, honoured, noted, refused

MAX_DBT_COMMANDS = 10
MAX_WEBHOOKS = 3
MAX_BASE_PARAMETERS_BYTES = 1_000_000
MAX_FOR_EACH_LITERAL = 5_000
JOB_ID_REFERENCE = re.compile(r"(?<!\$)\$\{resources\.jobs\.([A-Za-z0-9_\-]+)\.id\}")

_ONLY_THERE = "runs only on Databricks; leave the task out (--only) or stand in for it (--stub TASK)"
_COMPUTE = "no cluster is started: the task runs on this machine"
_STREAMING = noted("streaming backlog is not measured here: the rule never fires")


class RunIf(Enum):
    """When a task runs, seen from how its dependencies ended (jobs reference 4.1)."""

    ALL_SUCCESS = "ALL_SUCCESS"
    ALL_DONE = "ALL_DONE"
    NONE_FAILED = "NONE_FAILED"
    AT_LEAST_ONE_SUCCESS = "AT_LEAST_ONE_SUCCESS"
    ALL_FAILED = "ALL_FAILED"
    AT_LEAST_ONE_FAILED = "AT_LEAST_ONE_FAILED"


class ConditionOp(Enum):
    """The comparison of a condition task; the two equalities compare strings, the rest numbers (4.4)."""

    EQUAL_TO = "EQUAL_TO"
    NOT_EQUAL = "NOT_EQUAL"
    GREATER_THAN = "GREATER_THAN"
    GREATER_THAN_OR_EQUAL = "GREATER_THAN_OR_EQUAL"
    LESS_THAN = "LESS_THAN"
    LESS_THAN_OR_EQUAL = "LESS_THAN_OR_EQUAL"


class Source(Enum):
    """Where a file of a task lives."""

    WORKSPACE = "WORKSPACE"
    GIT = "GIT"


class HealthMetric(Enum):
    """What a health rule watches."""

    RUN_DURATION_SECONDS = "RUN_DURATION_SECONDS"
    STREAMING_BACKLOG_BYTES = "STREAMING_BACKLOG_BYTES"
    STREAMING_BACKLOG_FILES = "STREAMING_BACKLOG_FILES"
    STREAMING_BACKLOG_RECORDS = "STREAMING_BACKLOG_RECORDS"
    STREAMING_BACKLOG_SECONDS = "STREAMING_BACKLOG_SECONDS"


class HealthOperator(Enum):
    """How a health rule compares; there is one way."""

    GREATER_THAN = "GREATER_THAN"


class AuthenticationMethod(Enum):
    """How a Power BI model signs in."""

    OAUTH = "OAUTH"
    PAT = "PAT"


class StorageMode(Enum):
    """How Power BI keeps a table."""

    DIRECT_QUERY = "DIRECT_QUERY"
    DUAL = "DUAL"
    IMPORT = "IMPORT"


class AcceleratorType(Enum):
    """The accelerators of an AI runtime task."""

    GPU_1XA10 = "GPU_1xA10"
    GPU_1XH100 = "GPU_1xH100"
    GPU_8XB300 = "GPU_8xB300"
    GPU_8XH100 = "GPU_8xH100"


class PriorityClass(Enum):
    """The priority of an AI runtime task."""

    BEST_EFFORT = "BEST_EFFORT"
    CRITICAL = "CRITICAL"
    NORMAL = "NORMAL"


class AttachmentFormat(Enum):
    """The file format of a dashboard subscription's data."""

    FILE_FORMAT_CSV = "FILE_FORMAT_CSV"
    FILE_FORMAT_EXCEL = "FILE_FORMAT_EXCEL"
    FILE_FORMAT_TSV = "FILE_FORMAT_TSV"


class PageSelection(Enum):
    """Which pages a dashboard subscription sends."""

    PAGE_SELECTION_ALL = "PAGE_SELECTION_ALL"
    PAGE_SELECTION_SUBSET = "PAGE_SELECTION_SUBSET"


def _at_most_one_megabyte(value: dict[str, str]) -> dict[str, str]:
    size = len(json.dumps(value).encode())
    if size > MAX_BASE_PARAMETERS_BYTES:
        raise PydanticCustomError("too_large", "is {size} bytes of JSON; the limit is 1 MB", {"size": size})
    return value


def _starts_with_dbt(command: str) -> str:
    if not command.split() or command.split()[0] != "dbt":
        raise PydanticCustomError(
            "dbt_command", "each command must start with 'dbt', found {command}", {"command": repr(command)}
        )
    return command


def _job_id(value: Any) -> Any:
    if isinstance(value, str) and JOB_ID_REFERENCE.fullmatch(value):
        return value
    try:
        if not isinstance(value, bool | float):
            return int(value)
    except (TypeError, ValueError):
        pass
    raise PydanticCustomError(
        "job_id", "must be a job's number or ${resources.jobs.KEY.id}, found {found}", {"found": repr(value)}
    )


def _literal_fits(inputs: str) -> str:
    if "{{" not in inputs and len(inputs) > MAX_FOR_EACH_LITERAL:
        raise PydanticCustomError(
            "too_long",
            "a literal list may have {limit} characters, found {found}; hand it over as a task value or job parameter",
            {"limit": MAX_FOR_EACH_LITERAL, "found": len(inputs)},
        )
    return inputs


# What several kinds share -----------------------------------------------------------------------------------------


class Dependency(Spec):
    """One edge of the graph: the task waited for and, towards a condition task, the outcome asked for."""

    task_key: Annotated[Text, HONOURED]
    outcome: Annotated[Text | None, HONOURED] = None


class PyPi(Spec):
    """A package of a Python index."""

    package: Annotated[Text, HONOURED]
    repo: Annotated[Text | None, honoured("used as the index of this package")] = None


class Maven(Spec):
    """A Java package by coordinates."""

    coordinates: Annotated[Text, HONOURED]
    exclusions: Annotated[list[Text] | None, HONOURED] = None
    repo: Annotated[Text | None, HONOURED] = None


class Cran(Spec):
    """An R package."""

    package: Annotated[Text, HONOURED]
    repo: Annotated[Text | None, HONOURED] = None


class Library(Spec):
    """One library of a task: exactly one of its members."""

    pypi: Annotated[PyPi | None, HONOURED] = None
    whl: Annotated[Text | None, HONOURED] = None
    requirements: Annotated[Text | None, HONOURED] = None
    jar: Annotated[Text | None, honoured("on the class path of JAR tasks; other tasks do not see it")] = None
    egg: Annotated[Text | None, noted("eggs are no longer installed by pip: build a wheel")] = None
    maven: Annotated[Maven | None, noted("nothing is fetched from Maven here: put the JAR on disk and name it")] = None
    cran: Annotated[Cran | None, noted("R packages are not installed here")] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Library:
        named = sorted(self.model_fields_set)
        if len(named) != 1:
            found = " and ".join(named) or "nothing"
            raise PydanticCustomError(
                "library", "a library entry names exactly one library, found {found}", {"found": found}
            )
        return self


class Compute(Spec):
    """Serverless hardware asked for by a task."""

    hardware_accelerator: Annotated[Text | None, noted("no accelerator is provided here")] = None


class HealthRule(Spec):
    """One warning threshold (8.3)."""

    metric: Annotated[
        HealthMetric,
        honoured(
            STREAMING_BACKLOG_BYTES=_STREAMING,
            STREAMING_BACKLOG_FILES=_STREAMING,
            STREAMING_BACKLOG_RECORDS=_STREAMING,
            STREAMING_BACKLOG_SECONDS=_STREAMING,
        ),
    ]
    op: Annotated[HealthOperator, HONOURED]
    value: Annotated[Whole, HONOURED]


class HealthRules(Spec):
    """The warning thresholds of a job or task."""

    rules: Annotated[list[HealthRule] | None, HONOURED] = None


class Webhook(Spec):
    """A notification destination by its id."""

    id: Annotated[Text, HONOURED]


Webhooks = Annotated[list[Webhook] | None, Field(max_length=MAX_WEBHOOKS)]
Addresses = list[Text] | None
_MAINTENANCE = noted("there are no maintenance windows here: never sent")
_BACKLOG = noted("streaming backlog is not measured here: never sent")


class EmailNotifications(Spec):
    """Who is written to, an event each (8.1)."""

    on_start: Annotated[Addresses, HONOURED] = None
    on_success: Annotated[Addresses, HONOURED] = None
    on_failure: Annotated[Addresses, HONOURED] = None
    on_duration_warning_threshold_exceeded: Annotated[Addresses, HONOURED] = None
    on_streaming_backlog_exceeded: Annotated[Addresses, _BACKLOG] = None
    on_maintenance_start: Annotated[Addresses, _MAINTENANCE] = None
    on_maintenance_complete: Annotated[Addresses, _MAINTENANCE] = None
    no_alert_for_skipped_runs: Annotated[bool | None, HONOURED] = None


class WebhookNotifications(Spec):
    """Which destinations are called, an event each (8.1); unmapped ids are logged only."""

    on_start: Annotated[Webhooks, HONOURED] = None
    on_success: Annotated[Webhooks, HONOURED] = None
    on_failure: Annotated[Webhooks, HONOURED] = None
    on_duration_warning_threshold_exceeded: Annotated[Webhooks, HONOURED] = None
    on_streaming_backlog_exceeded: Annotated[Webhooks, _BACKLOG] = None
    on_maintenance_start: Annotated[Webhooks, _MAINTENANCE] = None
    on_maintenance_complete: Annotated[Webhooks, _MAINTENANCE] = None


class TaskNotificationSettings(Spec):
    """What mutes a task's notifications."""

    no_alert_for_skipped_runs: Annotated[bool | None, HONOURED] = None
    no_alert_for_canceled_runs: Annotated[bool | None, HONOURED] = None
    alert_on_last_attempt: Annotated[bool | None, HONOURED] = None


class Subscriber(Spec):
    """Someone a dashboard or alert is sent to."""

    destination_id: Annotated[Text | None, HONOURED] = None
    user_name: Annotated[Text | None, HONOURED] = None


# Kinds that run here ----------------------------------------------------------------------------------------------


class NotebookTask(Spec):
    """A notebook with widget values."""

    notebook_path: Annotated[Text, StringConstraints(min_length=1), HONOURED]
    base_parameters: Annotated[TextMap | None, AfterValidator(lambda v: v and _at_most_one_megabyte(v)), HONOURED] = (
        None
    )
    source: Annotated[Source | None, HONOURED] = None
    warehouse_id: Annotated[Text | None, noted("there is no SQL warehouse here: SQL cells run on the local engine")] = (
        None
    )


class SparkPythonTask(Spec):
    """A Python file with command line arguments."""

    python_file: Annotated[Text, StringConstraints(min_length=1), HONOURED]
    parameters: Annotated[list[Text] | None, HONOURED] = None
    source: Annotated[Source | None, HONOURED] = None


class PythonWheelTask(Spec):
    """An entry point of an installed package, with positional or named arguments."""

    package_name: Annotated[Text, HONOURED]
    entry_point: Annotated[Text, HONOURED]
    parameters: Annotated[list[Text] | None, HONOURED] = None
    named_parameters: Annotated[TextMap | None, HONOURED] = None

    @model_validator(mode="after")
    def _one_way_of_passing(self) -> PythonWheelTask:
        if self.parameters and self.named_parameters:
            raise PydanticCustomError("wheel_parameters", "give parameters or named_parameters, not both")
        return self


class SparkJarTask(Spec):
    """A main class of a JAR."""

    main_class_name: Annotated[Text | None, HONOURED] = None
    parameters: Annotated[list[Text] | None, HONOURED] = None
    jar_uri: Annotated[Text | None, HONOURED] = None
    run_as_repl: Annotated[bool | None, noted("the main class always runs in a JVM of its own")] = None


class SqlFile(Spec):
    """A file of SQL statements."""

    path: Annotated[Text, StringConstraints(min_length=1), HONOURED]
    source: Annotated[Source | None, HONOURED] = None


class SqlQuery(Spec):
    """A saved query by its id."""

    query_id: Annotated[Text, HONOURED]


class SqlAlert(Spec):
    """A legacy SQL alert."""

    alert_id: Annotated[Text, HONOURED]
    subscriptions: Annotated[list[Subscriber] | None, HONOURED] = None
    pause_subscriptions: Annotated[bool | None, HONOURED] = None


class SqlDashboard(Spec):
    """A legacy SQL dashboard."""

    dashboard_id: Annotated[Text, HONOURED]
    subscriptions: Annotated[list[Subscriber] | None, HONOURED] = None
    custom_subject: Annotated[Text | None, HONOURED] = None
    pause_subscriptions: Annotated[bool | None, HONOURED] = None


class SqlTask(Spec):
    """SQL from a file or saved query; exactly one of file, query, alert, dashboard."""

    warehouse_id: Annotated[Text, noted("there is no SQL warehouse here: statements run on the local engine")]
    file: Annotated[SqlFile | None, HONOURED] = None
    query: Annotated[SqlQuery | None, honoured("the id is mapped to a .sql file by the setting `queries`")] = None
    alert: Annotated[SqlAlert | None, refused(f"a SQL alert {_ONLY_THERE}")] = None
    dashboard: Annotated[SqlDashboard | None, refused(f"a SQL dashboard {_ONLY_THERE}")] = None
    parameters: Annotated[TextMap | None, HONOURED] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> SqlTask:
        found = [name for name in ("file", "query", "alert", "dashboard") if getattr(self, name) is not None]
        if len(found) != 1:
            words = {"found": " and ".join(found) or "none of them"}
            raise PydanticCustomError(
                "sql_member", "names exactly one of file, query, alert and dashboard, found {found}", words
            )
        return self


class DbtTask(Spec):
    """dbt commands run one after the other."""

    commands: Annotated[
        list[Annotated[Text, AfterValidator(_starts_with_dbt)]],
        Field(min_length=1, max_length=MAX_DBT_COMMANDS),
        HONOURED,
    ]
    project_directory: Annotated[Text | None, HONOURED] = None
    profiles_directory: Annotated[Text | None, HONOURED] = None
    warehouse_id: Annotated[
        Text | None, noted("there is no SQL warehouse here: the generated profile names the local engine")
    ] = None
    catalog: Annotated[Text | None, HONOURED] = None
    # A model attribute of the plain name would hide one of pydantic's own.
    schema_: Annotated[Text | None, Field(alias="schema"), HONOURED] = None
    source: Annotated[Source | None, HONOURED] = None


class ConditionTask(Spec):
    """A comparison whose outcome chooses the branch taken."""

    op: Annotated[ConditionOp, HONOURED]
    left: Annotated[Text, HONOURED]
    right: Annotated[Text, HONOURED]


class ForEachTask(Spec):
    """One nested task run once for each element of a JSON list."""

    inputs: Annotated[Text, AfterValidator(_literal_fits), HONOURED]
    concurrency: Annotated[Whole | None, Field(ge=1, le=100), HONOURED] = None
    task: Annotated[Task, HONOURED]


class PipelineParams(Spec):
    """What a run_job task hands to the pipelines of its job."""

    full_refresh: Annotated[bool | None, HONOURED] = None
    full_refresh_selection: Annotated[list[Text] | None, HONOURED] = None
    refresh_flow_selection: Annotated[list[Text] | None, HONOURED] = None
    refresh_selection: Annotated[list[Text] | None, HONOURED] = None
    reset_checkpoint_selection: Annotated[list[Text] | None, HONOURED] = None


class RunJobTask(Spec):
    """Another job, run as a task; `job_id` is text only while it is `${resources.jobs.KEY.id}`."""

    job_id: Annotated[int | str, BeforeValidator(_job_id), HONOURED]
    job_parameters: Annotated[TextMap | None, HONOURED] = None
    notebook_params: Annotated[TextMap | None, HONOURED] = None
    python_params: Annotated[list[Text] | None, HONOURED] = None
    python_named_params: Annotated[TextMap | None, HONOURED] = None
    jar_params: Annotated[list[Text] | None, HONOURED] = None
    sql_params: Annotated[TextMap | None, HONOURED] = None
    dbt_commands: Annotated[list[Text] | None, HONOURED] = None
    spark_submit_params: Annotated[list[Text] | None, noted("spark-submit tasks do not run here")] = None
    pipeline_params: Annotated[PipelineParams | None, noted("pipelines do not run here")] = None


# Kinds that load, and are refused by name when they should run ------------------------------------------------------


class PipelineTask(Spec):
    """A declarative pipeline update."""

    pipeline_id: Annotated[Text, HONOURED]
    full_refresh: Annotated[bool | None, HONOURED] = None
    full_refresh_selection: Annotated[list[Text] | None, HONOURED] = None
    refresh_flow_selection: Annotated[list[Text] | None, HONOURED] = None
    refresh_selection: Annotated[list[Text] | None, HONOURED] = None
    reset_checkpoint_selection: Annotated[list[Text] | None, HONOURED] = None
    parameters: Annotated[TextMap | None, HONOURED] = None


class SparkSubmitTask(Spec):
    """A legacy spark-submit call."""

    parameters: Annotated[list[Text] | None, HONOURED] = None


class AttachmentWidget(Spec):
    """A dashboard widget whose data is sent."""

    page_id: Annotated[Text, HONOURED]
    widget_id: Annotated[Text, HONOURED]


class DataAttachment(Spec):
    """The data sent with a dashboard subscription."""

    widgets: Annotated[list[AttachmentWidget], HONOURED]
    file_format: Annotated[AttachmentFormat, HONOURED]
    include_applied_filters: Annotated[bool | None, HONOURED] = None


class PageAttachment(Spec):
    """The pages sent with a dashboard subscription."""

    page_ids: Annotated[list[Text] | None, HONOURED] = None
    page_selection: Annotated[PageSelection | None, HONOURED] = None


class Attachment(Spec):
    """What is sent with a dashboard subscription."""

    data_attachment: Annotated[DataAttachment | None, HONOURED] = None
    page_attachment: Annotated[PageAttachment | None, HONOURED] = None


class Subscription(Spec):
    """Who a dashboard is sent to."""

    attachment: Annotated[Attachment | None, HONOURED] = None
    custom_subject: Annotated[Text | None, HONOURED] = None
    paused: Annotated[bool | None, HONOURED] = None
    subscribers: Annotated[list[Subscriber] | None, HONOURED] = None


class DashboardTask(Spec):
    """A dashboard refresh."""

    dashboard_id: Annotated[Text | None, HONOURED] = None
    warehouse_id: Annotated[Text | None, HONOURED] = None
    subscription: Annotated[Subscription | None, HONOURED] = None
    filters: Annotated[TextMap | None, HONOURED] = None


class AlertTask(Spec):
    """An alert evaluation."""

    alert_id: Annotated[Text | None, HONOURED] = None
    workspace_path: Annotated[Text | None, HONOURED] = None
    warehouse_id: Annotated[Text | None, HONOURED] = None
    subscribers: Annotated[list[Subscriber] | None, Field(max_length=100), HONOURED] = None
    parameters: Annotated[TextMap | None, HONOURED] = None


class PowerBiModel(Spec):
    """The semantic model a Power BI task publishes."""

    authentication_method: Annotated[AuthenticationMethod | None, HONOURED] = None
    model_name: Annotated[Text | None, HONOURED] = None
    overwrite_existing: Annotated[bool | None, HONOURED] = None
    storage_mode: Annotated[StorageMode | None, HONOURED] = None
    workspace_name: Annotated[Text | None, HONOURED] = None


class PowerBiTable(Spec):
    """A table a Power BI task publishes."""

    catalog: Annotated[Text | None, HONOURED] = None
    name: Annotated[Text | None, HONOURED] = None
    schema_: Annotated[Text | None, Field(alias="schema"), HONOURED] = None
    storage_mode: Annotated[StorageMode | None, HONOURED] = None


class PowerBiTask(Spec):
    """A Power BI publication."""

    connection_resource_name: Annotated[Text | None, HONOURED] = None
    power_bi_model: Annotated[PowerBiModel | None, HONOURED] = None
    refresh_after_update: Annotated[bool | None, HONOURED] = None
    tables: Annotated[list[PowerBiTable] | None, HONOURED] = None
    warehouse_id: Annotated[Text | None, HONOURED] = None


class CleanRoomsNotebookTask(Spec):
    """A notebook of a clean room."""

    clean_room_name: Annotated[Text, HONOURED]
    notebook_name: Annotated[Text, HONOURED]
    etag: Annotated[Text | None, HONOURED] = None
    notebook_base_parameters: Annotated[TextMap | None, HONOURED] = None


class DbtCloudTask(Spec):
    """A dbt platform job, older spelling."""

    connection_resource_name: Annotated[Text | None, HONOURED] = None
    dbt_cloud_job_id: Annotated[Whole | None, HONOURED] = None


class DbtPlatformTask(Spec):
    """A dbt platform job."""

    connection_resource_name: Annotated[Text | None, HONOURED] = None
    dbt_platform_job_id: Annotated[Text | None, HONOURED] = None


class GenAiCompute(Spec):
    """The GPUs of a GenAI compute task."""

    num_gpus: Annotated[Whole, HONOURED]
    gpu_node_pool_id: Annotated[Text | None, HONOURED] = None
    gpu_type: Annotated[Text | None, HONOURED] = None


class GenAiComputeTask(Spec):
    """A training script on GenAI compute."""

    dl_runtime_image: Annotated[Text, HONOURED]
    command: Annotated[Text | None, HONOURED] = None
    compute: Annotated[GenAiCompute | None, HONOURED] = None
    mlflow_experiment_name: Annotated[Text | None, HONOURED] = None
    source: Annotated[Source | None, HONOURED] = None
    training_script_path: Annotated[Text | None, HONOURED] = None
    yaml_parameters: Annotated[Text | None, HONOURED] = None
    yaml_parameters_file_path: Annotated[Text | None, HONOURED] = None


class AiRuntimeCompute(Spec):
    """The accelerators of one AI runtime deployment."""

    accelerator_type: Annotated[AcceleratorType, HONOURED]
    accelerator_count: Annotated[Whole, HONOURED]
    provisioned_capacity_id: Annotated[Text | None, HONOURED] = None


class AiRuntimeDeployment(Spec):
    """One deployment of an AI runtime task."""

    compute: Annotated[AiRuntimeCompute, HONOURED]
    command_path: Annotated[Text | None, HONOURED] = None
    name: Annotated[Text | None, HONOURED] = None


class AiRuntimeTask(Spec):
    """A training run on the AI runtime."""

    experiment: Annotated[Text, HONOURED]
    deployments: Annotated[list[AiRuntimeDeployment], HONOURED]
    code_source_path: Annotated[Text | None, HONOURED] = None
    docker_image_url: Annotated[Text | None, HONOURED] = None
    mlflow_artifact_location: Annotated[Text | None, HONOURED] = None
    mlflow_experiment_directory: Annotated[Text | None, HONOURED] = None
    mlflow_run: Annotated[Text | None, HONOURED] = None
    priority_class: Annotated[PriorityClass | None, HONOURED] = None
    unity_catalog_image_path: Annotated[Text | None, HONOURED] = None


class OperatorParameter(Spec):
    """One argument of a Python callable."""

    name: Annotated[Text | None, HONOURED] = None
    value: Annotated[Text | None, HONOURED] = None


class PythonOperatorTask(Spec):
    """A Python callable run as a task."""

    main: Annotated[Text | None, HONOURED] = None
    parameters: Annotated[list[OperatorParameter] | None, HONOURED] = None


# The task ---------------------------------------------------------------------------------------------------------


class Task(Spec):
    """One node of a job: how it hangs together with the others, and exactly one member that says what it does (1.2)."""

    task_key: Annotated[Key, HONOURED]
    description: Annotated[Text | None, StringConstraints(max_length=1000), HONOURED] = None
    depends_on: Annotated[list[Dependency] | None, HONOURED] = None
    run_if: Annotated[RunIf | None, HONOURED] = None
    disabled: Annotated[bool | None, HONOURED] = None
    max_retries: Annotated[Whole | None, Field(ge=-1), HONOURED] = None
    min_retry_interval_millis: Annotated[Whole | None, Field(ge=0), HONOURED] = None
    retry_on_timeout: Annotated[bool | None, HONOURED] = None
    timeout_seconds: Annotated[Whole | None, Field(ge=0), HONOURED] = None
    disable_auto_optimization: Annotated[bool | None, noted("there are no automatic retries here to turn off")] = None
    email_notifications: Annotated[EmailNotifications | None, HONOURED] = None
    webhook_notifications: Annotated[
        WebhookNotifications | None, honoured("ids are mapped by the setting `destinations`")
    ] = None
    notification_settings: Annotated[TaskNotificationSettings | None, HONOURED] = None
    health: Annotated[HealthRules | None, HONOURED] = None
    existing_cluster_id: Annotated[Text | None, noted(_COMPUTE)] = None
    new_cluster: Annotated[dict[str, Any] | None, noted(f"{_COMPUTE} with its spark_env_vars and spark_conf")] = None
    job_cluster_key: Annotated[Text | None, noted(_COMPUTE)] = None
    compute: Annotated[Compute | None, noted(_COMPUTE)] = None
    environment_key: Annotated[Text | None, honoured("the environment's dependencies are provided to the task")] = None
    environment_variables_key: Annotated[Text | None, HONOURED] = None
    libraries: Annotated[list[Library] | None, HONOURED] = None

    notebook_task: Annotated[NotebookTask | None, HONOURED] = None
    spark_python_task: Annotated[SparkPythonTask | None, HONOURED] = None
    python_wheel_task: Annotated[PythonWheelTask | None, HONOURED] = None
    spark_jar_task: Annotated[SparkJarTask | None, honoured("runs as `java -cp`; needs Java on this machine")] = None
    sql_task: Annotated[SqlTask | None, honoured("runs on the local SQL engine (extra `sql`)")] = None
    dbt_task: Annotated[DbtTask | None, honoured("runs the installed dbt (extra `dbt`)")] = None
    condition_task: Annotated[ConditionTask | None, HONOURED] = None
    for_each_task: Annotated[ForEachTask | None, HONOURED] = None
    run_job_task: Annotated[RunJobTask | None, honoured("the job must be known on this machine")] = None
    pipeline_task: Annotated[PipelineTask | None, refused(f"a pipeline {_ONLY_THERE}")] = None
    spark_submit_task: Annotated[SparkSubmitTask | None, refused(f"spark-submit {_ONLY_THERE}")] = None
    dashboard_task: Annotated[DashboardTask | None, refused(f"a dashboard {_ONLY_THERE}")] = None
    alert_task: Annotated[AlertTask | None, refused(f"an alert {_ONLY_THERE}")] = None
    power_bi_task: Annotated[PowerBiTask | None, refused(f"a Power BI publication {_ONLY_THERE}")] = None
    clean_rooms_notebook_task: Annotated[CleanRoomsNotebookTask | None, refused(f"a clean room {_ONLY_THERE}")] = None
    dbt_cloud_task: Annotated[DbtCloudTask | None, refused(f"a dbt platform job {_ONLY_THERE}")] = None
    dbt_platform_task: Annotated[DbtPlatformTask | None, refused(f"a dbt platform job {_ONLY_THERE}")] = None
    gen_ai_compute_task: Annotated[GenAiComputeTask | None, refused(f"GenAI compute {_ONLY_THERE}")] = None
    ai_runtime_task: Annotated[AiRuntimeTask | None, refused(f"the AI runtime {_ONLY_THERE}")] = None
    agentic_task: Annotated[dict[str, Any] | None, refused(f"an agentic task {_ONLY_THERE}")] = None
    genie_task: Annotated[dict[str, Any] | None, refused(f"a Genie task {_ONLY_THERE}")] = None
    python_operator_task: Annotated[PythonOperatorTask | None, refused(f"a Python operator {_ONLY_THERE}")] = None

    @model_validator(mode="after")
    def _exactly_one_member(self) -> Task:
        named = _members(self)
        if len(named) != 1:
            raise PydanticCustomError("task_member", "{message}", {"message": _member_fault(named)})
        return self

    @property
    def kind(self) -> str:
        """The name of the task's member, e.g. "notebook_task"."""
        return _members(self)[0]

    @property
    def member(self) -> Any:
        """The model that says what the task does, e.g. its NotebookTask."""
        return getattr(self, self.kind)


ForEachTask.model_rebuild()  # its nested task is known only now
KINDS = tuple(name for name in Task.model_fields if name.endswith("_task"))


def _members(task: Task) -> list[str]:
    # What was not written cannot be a member: a task names one or two of the twenty.
    return [name for name in KINDS if name in task.model_fields_set and getattr(task, name) is not None]


def _member_fault(named: list[str]) -> str:
    if not named:
        return "the task does nothing: it needs exactly one member such as notebook_task"
    return f"the task has both {' and '.join(named)}; it may have exactly one such member"
