"""A job as people write it: the Jobs API's JobSettings, with the older single-task form wrapped into one task."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from dbutils_local.spec.base import HONOURED, Key, Spec, Text, TextMap, Whole, honoured, noted
from dbutils_local.spec.tasks import KINDS, EmailNotifications, HealthRules, Task, WebhookNotifications

MAX_NAME_BYTES = 4096
MAX_DESCRIPTION = 27_700
MAX_TASKS = 1_000  # more is accepted with a notice: a local limit would help nobody (decisions page)
MAX_TAGS = 25
LEGACY_TASK_KEY = "main"
BUNDLE_ONLY = ("permissions", "lifecycle")

_NOWHERE = "accepted, has no effect here"
LEGACY_MEMBERS = (
    *KINDS,
    "new_cluster",
    "existing_cluster_id",
    "libraries",
    "max_retries",
    "min_retry_interval_millis",
    "retry_on_timeout",
)


class PauseStatus(Enum):
    """Whether a trigger may fire."""

    UNPAUSED = "UNPAUSED"
    PAUSED = "PAUSED"


class TimeUnit(Enum):
    """The unit of a periodic trigger."""

    MINUTES = "MINUTES"
    HOURS = "HOURS"
    DAYS = "DAYS"
    WEEKS = "WEEKS"


class TaskRetryMode(Enum):
    """How a continuous job treats failed tasks."""

    NEVER = "NEVER"
    ON_FAILURE = "ON_FAILURE"


class DayOfWeek(Enum):
    """A weekday of a maintenance window."""

    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


class TableCondition(Enum):
    """Which tables of a table trigger must have changed."""

    ANY_UPDATED = "ANY_UPDATED"
    ALL_UPDATED = "ALL_UPDATED"


class ModelCondition(Enum):
    """What fires a model trigger."""

    MODEL_CREATED = "MODEL_CREATED"
    MODEL_VERSION_READY = "MODEL_VERSION_READY"
    MODEL_ALIAS_SET = "MODEL_ALIAS_SET"


class SqlTriggerMode(Enum):
    """When a SQL condition lets a fired trigger through."""

    QUERY_RETURNS_ROWS = "QUERY_RETURNS_ROWS"
    RESULT_VALUE_CHANGES = "RESULT_VALUE_CHANGES"


class GitProvider(Enum):
    """Who hosts a Git repository."""

    GIT_HUB = "gitHub"
    GIT_HUB_ENTERPRISE = "gitHubEnterprise"
    GIT_LAB = "gitLab"
    GIT_LAB_ENTERPRISE_EDITION = "gitLabEnterpriseEdition"
    BITBUCKET_CLOUD = "bitbucketCloud"
    BITBUCKET_SERVER = "bitbucketServer"
    AZURE_DEV_OPS_SERVICES = "azureDevOpsServices"
    AWS_CODE_COMMIT = "awsCodeCommit"


class DirtyState(Enum):
    """How a job differs from its description in Git."""

    NOT_SYNCED = "NOT_SYNCED"
    DISCONNECTED = "DISCONNECTED"


class JobFormat(Enum):
    """The shape of a job; written by servers, ignored when read."""

    SINGLE_TASK = "SINGLE_TASK"
    MULTI_TASK = "MULTI_TASK"


class EditMode(Enum):
    """Whether people may change a job by hand."""

    EDITABLE = "EDITABLE"
    UI_LOCKED = "UI_LOCKED"


class DeploymentKind(Enum):
    """What deployed a job."""

    BUNDLE = "BUNDLE"
    SYSTEM_MANAGED = "SYSTEM_MANAGED"


class PerformanceTarget(Enum):
    """How fast serverless compute should be."""

    STANDARD = "STANDARD"
    PERFORMANCE_OPTIMIZED = "PERFORMANCE_OPTIMIZED"


def _known_provider(value: Any) -> Any:
    return next((p.value for p in GitProvider if isinstance(value, str) and p.value.lower() == value.lower()), value)


def _name_fits(name: str) -> str:
    if len(name.encode()) > MAX_NAME_BYTES:
        raise PydanticCustomError("name_too_long", "is longer than {limit} bytes", {"limit": MAX_NAME_BYTES})
    return name


# Triggers (jobs reference 7) --------------------------------------------------------------------------------------


class SqlCondition(Spec):
    """A query that lets a fired trigger through."""

    sql_query_id: Annotated[Text, HONOURED]
    warehouse_id: Annotated[Text, HONOURED]
    trigger_mode: Annotated[SqlTriggerMode | None, HONOURED] = None


_SQL_CONDITION = noted("not evaluated here: the trigger starts a run each time it fires")
_MODEL = noted("there is no model registry here to watch: never fires")
_TABLE = noted("table updates are not watched here: never fires")
_WINDOW = noted("there are no maintenance windows here")


class CronSchedule(Spec):
    """A Quartz cron schedule (7.1)."""

    quartz_cron_expression: Annotated[Text, HONOURED]
    timezone_id: Annotated[Text, HONOURED]
    pause_status: Annotated[PauseStatus | None, HONOURED] = None
    sql_condition: Annotated[SqlCondition | None, _SQL_CONDITION] = None


class Periodic(Spec):
    """Every so many minutes, hours, days or weeks (7.2)."""

    interval: Annotated[Whole, Field(ge=1), HONOURED]
    unit: Annotated[TimeUnit, HONOURED]


Seconds = Annotated[Whole | None, Field(ge=60)]


class FileArrival(Spec):
    """New files under a location (7.3)."""

    url: Annotated[Text, HONOURED]
    min_time_between_triggers_seconds: Annotated[Seconds, HONOURED] = None
    wait_after_last_change_seconds: Annotated[Seconds, HONOURED] = None


class TableUpdate(Spec):
    """Updated tables (7.4)."""

    table_names: Annotated[list[Text], Field(max_length=10), HONOURED]
    condition: Annotated[TableCondition | None, HONOURED] = None
    min_time_between_triggers_seconds: Annotated[Seconds, HONOURED] = None
    wait_after_last_change_seconds: Annotated[Seconds, HONOURED] = None


class ModelTrigger(Spec):
    """Events of a model registry (7.4)."""

    condition: Annotated[ModelCondition, HONOURED]
    aliases: Annotated[list[Text] | None, HONOURED] = None
    securable_name: Annotated[Text | None, HONOURED] = None
    min_time_between_triggers_seconds: Annotated[Seconds, HONOURED] = None
    wait_after_last_change_seconds: Annotated[Seconds, HONOURED] = None


class TriggerSettings(Spec):
    """A trigger other than cron."""

    pause_status: Annotated[PauseStatus | None, HONOURED] = None
    periodic: Annotated[Periodic | None, HONOURED] = None
    file_arrival: Annotated[FileArrival | None, HONOURED] = None
    table_update: Annotated[TableUpdate | None, _TABLE] = None
    # The older spelling of table_update.
    table: Annotated[TableUpdate | None, _TABLE] = None
    model: Annotated[ModelTrigger | None, _MODEL] = None
    sql_condition: Annotated[SqlCondition | None, _SQL_CONDITION] = None


class MaintenanceWindow(Spec):
    """When a continuous job may be restarted for maintenance."""

    start_hour: Annotated[Whole, HONOURED]
    day_of_week: Annotated[DayOfWeek, HONOURED]
    timezone_id: Annotated[Text, HONOURED]


class Continuous(Spec):
    """One run after the other, without end (7.5)."""

    pause_status: Annotated[PauseStatus | None, HONOURED] = None
    task_retry_mode: Annotated[TaskRetryMode | None, HONOURED] = None
    maintenance_window: Annotated[MaintenanceWindow | None, _WINDOW] = None


class CronTrigger(Spec):
    """A cron schedule as one of several triggers."""

    quartz_cron_expression: Annotated[Text, HONOURED]
    timezone_id: Annotated[Text, HONOURED]


class ContinuousTrigger(Spec):
    """A continuous run as one of several triggers."""

    task_retry_mode: Annotated[TaskRetryMode | None, HONOURED] = None
    maintenance_window: Annotated[MaintenanceWindow | None, HONOURED] = None


class TriggerConfiguration(Spec):
    """One of several triggers (multi-trigger preview)."""

    pause_status: Annotated[PauseStatus | None, HONOURED] = None
    schedule: Annotated[CronTrigger | None, HONOURED] = None
    periodic: Annotated[Periodic | None, HONOURED] = None
    file_arrival: Annotated[FileArrival | None, HONOURED] = None
    continuous: Annotated[ContinuousTrigger | None, HONOURED] = None
    table_update: Annotated[TableUpdate | None, HONOURED] = None
    model: Annotated[ModelTrigger | None, HONOURED] = None
    sql_condition: Annotated[SqlCondition | None, HONOURED] = None


# The rest of a job ------------------------------------------------------------------------------------------------


class JobParameter(Spec):
    """A job parameter and the value it has unless a run says otherwise."""

    name: Annotated[Text, StringConstraints(min_length=1, pattern=r"^[A-Za-z0-9_\-.]+$"), HONOURED]
    default: Annotated[Text, HONOURED]


class JobCluster(Spec):
    """A cluster shared by tasks; only its key matters here."""

    job_cluster_key: Annotated[Key, HONOURED]
    new_cluster: Annotated[dict[str, Any] | None, HONOURED] = None
    serverless_compute_id: Annotated[Text | None, HONOURED] = None


class Environment(Spec):
    """What a Python task finds installed."""

    environment_version: Annotated[Text | None, noted("tasks run on this machine's Python version")] = None
    client: Annotated[Text | None, noted("tasks run on this machine's Python version")] = None
    dependencies: Annotated[list[Text] | None, HONOURED] = None
    java_dependencies: Annotated[list[Text] | None, noted("Java dependencies are not provided here")] = None
    base_environment: Annotated[Text | None, noted("base environments of a workspace are not known here")] = None
    project_environment: Annotated[Text | None, noted("environments of a workspace are not known here")] = None


class JobEnvironment(Spec):
    """A named environment."""

    environment_key: Annotated[Key, HONOURED]
    spec: Annotated[Environment | None, HONOURED] = None


class EnvironmentVariablesSpec(Spec):
    """Environment variables: `.env` files in order, then `variables` over them."""

    files: Annotated[list[Text] | None, Field(max_length=5), HONOURED] = None
    variables: Annotated[TextMap | None, Field(max_length=100), HONOURED] = None

    @model_validator(mode="after")
    def _sound(self) -> EnvironmentVariablesSpec:
        for name, value in (self.variables or {}).items():
            if len(name) > 256 or not name.isascii() or not name.isidentifier():
                raise PydanticCustomError(
                    "variable_name", "{name} is no name for an environment variable", {"name": repr(name)}
                )
            if len(value) > 512:
                raise PydanticCustomError(
                    "variable_value", "the value of {name} is longer than 512 characters", {"name": name}
                )
        return self


class JobEnvironmentVariables(Spec):
    """A named set of environment variables."""

    environment_variables_key: Annotated[Key, HONOURED]
    spec: Annotated[EnvironmentVariablesSpec | None, HONOURED] = None


class GitSnapshot(Spec):
    """The commit a run used; written by servers."""

    used_commit: Annotated[Text | None, HONOURED] = None


class JobSource(Spec):
    """Where the job's own description lives in Git."""

    job_config_path: Annotated[Text, HONOURED]
    import_from_git_branch: Annotated[Text, HONOURED]
    dirty_state: Annotated[DirtyState | None, HONOURED] = None


class SparseCheckout(Spec):
    """Which paths of a repository are checked out."""

    patterns: Annotated[list[Text] | None, HONOURED] = None


class GitSource(Spec):
    """The repository that paths of tasks are relative to."""

    git_url: Annotated[Text, StringConstraints(max_length=300), HONOURED]
    git_provider: Annotated[GitProvider, BeforeValidator(_known_provider), HONOURED]
    git_branch: Annotated[Text | None, StringConstraints(max_length=255), HONOURED] = None
    git_tag: Annotated[Text | None, StringConstraints(max_length=255), HONOURED] = None
    git_commit: Annotated[Text | None, StringConstraints(max_length=64), HONOURED] = None
    git_snapshot: Annotated[GitSnapshot | None, HONOURED] = None
    sparse_checkout: Annotated[SparseCheckout | None, HONOURED] = None
    job_source: Annotated[JobSource | None, HONOURED] = None

    @model_validator(mode="after")
    def _one_revision(self) -> GitSource:
        named = [name for name in ("git_branch", "git_tag", "git_commit") if getattr(self, name) is not None]
        if len(named) != 1:
            found = " and ".join(named) or "none"
            raise PydanticCustomError(
                "git_revision",
                "names exactly one of git_branch, git_tag and git_commit, found {found}",
                {"found": found},
            )
        return self


class Queue(Spec):
    """Whether a run over the limit waits or is skipped (5.6)."""

    enabled: Annotated[bool, HONOURED]


class JobNotificationSettings(Spec):
    """What mutes a job's notifications."""

    no_alert_for_skipped_runs: Annotated[bool | None, HONOURED] = None
    no_alert_for_canceled_runs: Annotated[bool | None, HONOURED] = None
    alert_on_last_attempt: Annotated[bool | None, noted("belongs to a task; the job level ignores it")] = None


class RunAs(Spec):
    """The identity a job runs under on Databricks."""

    user_name: Annotated[Text | None, HONOURED] = None
    service_principal_name: Annotated[Text | None, HONOURED] = None
    group_name: Annotated[Text | None, HONOURED] = None


class Deployment(Spec):
    """What deployed the job."""

    kind: Annotated[DeploymentKind, HONOURED]
    metadata_file_path: Annotated[Text | None, HONOURED] = None
    deployment_id: Annotated[Text | None, HONOURED] = None
    version_id: Annotated[Text | None, HONOURED] = None


def wrap_single_task(data: Any) -> Any:
    """The Jobs API 2.0 form (task members at the top, no `tasks`) as a job of one task; other data as it is."""
    if not isinstance(data, Mapping) or "tasks" in data or not any(kind in data for kind in KINDS):
        return data
    task = {"task_key": LEGACY_TASK_KEY} | {key: data[key] for key in LEGACY_MEMBERS if key in data}
    rest = {key: value for key, value in data.items() if key not in LEGACY_MEMBERS}
    return {**rest, "tasks": [task]}


class JobSettings(Spec):
    """Everything a job is: `settings` of jobs/get, body of jobs/create, `new_settings` of reset and update (1.1)."""

    name: Annotated[Text | None, AfterValidator(lambda v: v and _name_fits(v)), HONOURED] = None
    description: Annotated[Text | None, StringConstraints(max_length=MAX_DESCRIPTION), HONOURED] = None
    tasks: Annotated[list[Task] | None, HONOURED] = None
    parameters: Annotated[list[JobParameter] | None, HONOURED] = None
    job_clusters: Annotated[
        list[JobCluster] | None,
        noted("no cluster is started: tasks run on this machine with its spark_env_vars and spark_conf"),
    ] = None
    environments: Annotated[list[JobEnvironment] | None, Field(max_length=10), HONOURED] = None
    environment_variables: Annotated[list[JobEnvironmentVariables] | None, Field(max_length=10), HONOURED] = None
    schedule: Annotated[CronSchedule | None, HONOURED] = None
    trigger: Annotated[TriggerSettings | None, HONOURED] = None
    triggers: Annotated[
        list[TriggerConfiguration] | None, noted("several triggers a job are a preview: none of these fires here")
    ] = None
    continuous: Annotated[Continuous | None, HONOURED] = None
    max_concurrent_runs: Annotated[Whole | None, Field(ge=0, le=1000), HONOURED] = None
    queue: Annotated[Queue | None, HONOURED] = None
    timeout_seconds: Annotated[Whole | None, Field(ge=0), HONOURED] = None
    health: Annotated[HealthRules | None, HONOURED] = None
    email_notifications: Annotated[EmailNotifications | None, HONOURED] = None
    webhook_notifications: Annotated[
        WebhookNotifications | None, honoured("ids are mapped by the setting `destinations`")
    ] = None
    notification_settings: Annotated[JobNotificationSettings | None, HONOURED] = None
    tags: Annotated[
        TextMap | None, Field(max_length=MAX_TAGS), honoured("kept and shown; there is no cluster to forward them to")
    ] = None
    git_source: Annotated[
        GitSource | None, honoured("the working tree on this machine is used, nothing is checked out")
    ] = None
    run_as: Annotated[RunAs | None, noted(_NOWHERE)] = None
    access_control_list: Annotated[list[dict[str, Any]] | None, noted(_NOWHERE)] = None
    edit_mode: Annotated[EditMode | None, noted(_NOWHERE)] = None
    deployment: Annotated[Deployment | None, noted(_NOWHERE)] = None
    format: Annotated[JobFormat | None, honoured("ignored when written, read as MULTI_TASK")] = None
    performance_target: Annotated[PerformanceTarget | None, noted(_NOWHERE)] = None
    budget_policy_id: Annotated[Text | None, noted(_NOWHERE)] = None
    usage_policy_id: Annotated[Text | None, noted(_NOWHERE)] = None
    parent_path: Annotated[Text | None, noted(_NOWHERE)] = None
    duration_target: Annotated[Text | None, noted(_NOWHERE)] = None
    permissions: Annotated[list[dict[str, Any]] | None, noted(_NOWHERE)] = None
    lifecycle: Annotated[dict[str, Any] | None, noted(_NOWHERE)] = None

    @model_validator(mode="before")
    @classmethod
    def _of_either_age(cls, data: Any) -> Any:
        return wrap_single_task(data)


def resolved(settings: JobSettings, *, bundle: bool = False) -> dict[str, Any]:
    """Plain JSON of what was set, nothing added; `bundle` keeps the keys only bundles know."""
    unknown_to_the_api = set() if bundle else set(BUNDLE_ONLY)
    return settings.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=unknown_to_the_api)
