"""The command context: what a notebook asks to learn where it runs and as whom (reference 2.5)."""

from __future__ import annotations

import json
import platform
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dbutils_local.dbutils.java import JavaError
from dbutils_local.errors import NotSupportedHere
from dbutils_local.kernels.environment import JobContext
from dbutils_local.settings import RUNTIME, RUNTIME_KEY

if TYPE_CHECKING:
    from dbutils_local.dbutils.session import Session

REDACTED = "[REDACTED]"
# What `dbutils-local serve` listens on unless told otherwise.
LOCAL_URL = "http://127.0.0.1:8765"
# Notebooks read the token at the top and use it, if at all, much later: a value that opens nothing lets them go on.
NO_TOKEN = "dbutils-local-has-no-token"
CLUSTER = "local"


class NoSuchElement(JavaError):
    """`.get()` of an empty Option, or `.apply()` of a key a map does not have."""

    java_class = "java.util.NoSuchElementException"


class UnknownAccessor(NotSupportedHere, AttributeError):
    """An accessor of the context that is not known here; also an AttributeError, so that `hasattr` answers no."""


class Option:
    """A Scala Option as py4j hands it to Python."""

    def __init__(self, value: Any = None) -> None:
        self._value = value

    def get(self) -> Any:
        """The value; raises NoSuchElement if there is none."""
        if self._value is None:
            raise NoSuchElement("get", "None.get")
        return self._value

    def getOrElse(self, default: Any) -> Any:
        """The value, or `default`."""
        return default if self._value is None else self._value

    def orNull(self) -> Any:
        """The value, or None."""
        return self._value

    def isDefined(self) -> bool:
        """Whether there is a value."""
        return self._value is not None

    nonEmpty = isDefined

    def isEmpty(self) -> bool:
        """Whether there is no value."""
        return self._value is None

    def toString(self) -> str:
        """As Scala prints it."""
        return "None" if self._value is None else f"Some({self._value})"

    __str__ = __repr__ = toString


class ScalaMap:
    """A Scala map of strings as py4j hands it to Python."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def apply(self, key: str) -> str:
        """The value; raises NoSuchElement."""
        if key not in self._values:
            raise NoSuchElement("apply", f"key not found: {key}")
        return self._values[key]

    def get(self, key: str) -> Option:
        """The value as an Option."""
        return Option(self._values.get(key))

    def getOrElse(self, key: str, default: Any) -> Any:
        """The value, or `default`."""
        return self._values.get(key, default)

    def contains(self, key: str) -> bool:
        """Whether there is such a key."""
        return key in self._values

    def size(self) -> int:
        """How many keys there are."""
        return len(self._values)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def toString(self) -> str:
        """As Scala prints it."""
        return f"Map({', '.join(f'{key} -> {value}' for key, value in self._values.items())})"

    __str__ = __repr__ = toString


class RunId(int):
    """A run's number that also answers `.id()`."""

    def id(self) -> int:
        """The number."""
        return int(self)


@dataclass(frozen=True)
class Place:
    """The plain values all accessors are made of."""

    notebook_path: str
    user: str
    url: str
    token: str
    job: JobContext | None
    runtime: str  # as in the cluster's spark_version

    @property
    def notebook_id(self) -> str:
        """A number that stays the same for the same path."""
        return str(10**14 + zlib.crc32(self.notebook_path.encode()))

    @property
    def task_type(self) -> str:
        """`notebook`, or `python` for a script."""
        return "notebook" if self.notebook_path else "python"

    @property
    def acl_root(self) -> str:
        """The object whose permissions count."""
        return f"/jobs/{self.job.job_id}" if self.job else f"/workspace/{self.notebook_id}"

    def tags(self) -> dict[str, str]:
        """The tags: those of a notebook by hand, and in a job those of its task besides."""
        common = {
            "orgId": "0",
            "clusterId": CLUSTER,
            "user": self.user,
            "userId": "0",
            "hostName": platform.node() or "localhost",
            "browserHostName": "localhost",
            "browserHash": "",
            "notebookId": self.notebook_id,
            "notebookLanguage": "python",
            "sparkVersion": self.runtime,
        }
        return common if self.job is None else common | self._job_tags(self.job)

    def _job_tags(self, job: JobContext) -> dict[str, str]:
        return {
            "jobId": str(job.job_id),
            "jobName": job.job_name,
            "jobClusterKey": CLUSTER,
            "multitaskParentRunId": str(job.run_id),
            "taskKey": job.task_key,
            "runId": str(job.task_run_id),
            "idInJob": str(job.task_run_id),
            "jobRunOriginalAttempt": str(job.task_run_id),
            "jobRunAttempt": str(job.attempt_number),
            "jobOwnerId": "0",
            "taskDependencies": "[]",
            "jobTriggerTime": str(job.start_time),
            "jobTriggerType": job.trigger_type,
            "jobTriggerSource": "dbutils-local",
            "jobType": "NORMAL",
            "jobTimeoutSec": "0",
            "maxConcurrentRuns": "1",
            "jobTaskType": self.task_type,
            "isGitRun": "false",
        }

    def extra(self) -> dict[str, str]:
        """The extra context; the token is never in it."""
        return {
            "notebook_path": self.notebook_path,
            "notebook_id": self.notebook_id,
            "api_url": self.url,
            "api_token": REDACTED,
            "user": self.user,
            "aclPathOfAclRoot": self.acl_root,
            "non_uc_api_token": "",
        }


class CommandContext:
    """`entry_point.getDbutils().notebook().getContext()`: every accessor answers an Option."""

    def __init__(self, place: Place, notice: Callable[[str], None] = lambda _: None) -> None:
        self.place = place
        self._notice = notice
        self._is_checked = False

    @classmethod
    def of(cls, session: Session) -> CommandContext:
        """The context of one session; DATABRICKS_HOST and DATABRICKS_TOKEN are handed through where they are set."""
        token = session.environ.get("DATABRICKS_TOKEN") or NO_TOKEN
        if token != NO_TOKEN:
            session.redactor.learn(token)
        url = (session.environ.get("DATABRICKS_HOST") or LOCAL_URL).rstrip("/")
        settings = session.settings
        runtime = settings.spark_conf.get(RUNTIME_KEY, RUNTIME)
        place = Place(session.birth.notebook_path, settings.user, url, token, session.birth.job, runtime)
        return cls(place, session.notice)

    def _job(self, name: str) -> Option:
        return Option(None if self.place.job is None else str(getattr(self.place.job, name)))

    def notebookPath(self) -> Option:
        """The top-level notebook's workspace path: no `/Workspace`, no extension."""
        return Option(self.place.notebook_path or None)

    def notebookId(self) -> Option:
        """A number made of the path."""
        return Option(self.place.notebook_id)

    def apiUrl(self) -> Option:
        """DATABRICKS_HOST, or where `dbutils-local serve` listens; said once where it does not."""
        if not self._is_checked and self.place.url == LOCAL_URL:
            self._is_checked = True
            self._tell_without_a_server()
        return Option(self.place.url)

    def _tell_without_a_server(self) -> None:
        import socket
        from urllib.parse import urlsplit

        address = urlsplit(LOCAL_URL)
        try:
            socket.create_connection((address.hostname, address.port), timeout=1).close()
        except OSError:
            # A client would try for minutes before it says so.
            self._notice(
                f"nothing answers at {LOCAL_URL}: calls of the REST API need `dbutils-local serve` running, or "
                "DATABRICKS_HOST and DATABRICKS_TOKEN"
            )

    def apiToken(self) -> Option:
        """DATABRICKS_TOKEN, or a value that opens nothing."""
        return Option(self.place.token)

    def currentRunId(self) -> Option:
        """The task's run; empty by hand."""
        return Option(None if self.place.job is None else RunId(self.place.job.task_run_id))

    def rootRunId(self) -> Option:
        """The task's run: here no run has another root."""
        return self.currentRunId()

    def userName(self) -> Option:
        """Setting `user`."""
        return Option(self.place.user)

    def browserHostName(self) -> Option:
        """Always localhost."""
        return Option("localhost")

    def workspaceId(self) -> Option:
        """Always 0."""
        return Option("0")

    def workspaceUrl(self) -> Option:
        """The host of apiUrl."""
        return Option(self.place.url.partition("://")[2])

    def clusterId(self) -> Option:
        """Always local."""
        return Option(CLUSTER)

    def jobId(self) -> Option:
        """The job; empty by hand."""
        return self._job("job_id")

    def idInJob(self) -> Option:
        """The task's run; empty by hand."""
        return self._job("task_run_id")

    def jobTaskType(self) -> Option:
        """`notebook` or `python`; empty by hand."""
        return Option(None if self.place.job is None else self.place.task_type)

    def jobType(self) -> Option:
        """NORMAL; empty by hand."""
        return Option(None if self.place.job is None else "NORMAL")

    def jobGroup(self) -> Option:
        """A name for this process's Spark jobs."""
        return Option(job_group(self.place))

    def commandRunId(self) -> Option:
        """The task's run; empty by hand."""
        return self._job("task_run_id")

    def aclPathOfAclRoot(self) -> Option:
        """`/jobs/<id>` in a job."""
        return Option(self.place.acl_root)

    def tags(self) -> ScalaMap:
        """The tags as a map."""
        return ScalaMap(self.place.tags())

    def extraContext(self) -> ScalaMap:
        """The extra context as a map."""
        return ScalaMap(self.place.extra())

    def toJson(self) -> str:
        """Everything as JSON text."""
        run = None if self.place.job is None else {"id": self.place.job.task_run_id}
        whole: dict[str, Any] = {
            "rootRunId": run,
            "currentRunId": run,
            "jobGroup": job_group(self.place),
            "tags": self.place.tags(),
            "extraContext": self.place.extra(),
            "credentialKeys": [],
        }
        return json.dumps(whole)

    def safeToJson(self) -> str:
        """The part that shared clusters allow, as JSON text."""
        tags = self.place.tags()
        run = None if self.place.job is None else str(self.place.job.task_run_id)
        attributes = {
            "notebook_path": self.place.notebook_path,
            "notebook_id": self.place.notebook_id,
            "multitaskParentRunId": tags.get("multitaskParentRunId"),
            "orgId": "0",
            "jobType": tags.get("jobType"),
            "clusterId": CLUSTER,
            "idInJob": tags.get("idInJob"),
            "api_url": self.place.url,
            "jobId": tags.get("jobId"),
            "aclPathOfAclRoot": self.place.acl_root,
            "api_token": REDACTED,
            "jobTaskType": tags.get("jobTaskType"),
            "jobGroup": job_group(self.place),
            "user": self.place.user,
            "currentRunId": run,
            "rootRunId": run,
            "browserHostName": "localhost",
        }
        return json.dumps({"attributes": attributes})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UnknownAccessor(f"the notebook context has no {name}() on this machine")


def job_group(place: Place) -> str:
    """The Spark job group's name: one a process."""
    import os

    return f"{place.notebook_id}_{os.getpid()}"


class _JavaNotebook:
    def __init__(self, entry_point: EntryPoint) -> None:
        self._entry_point = entry_point

    def getContext(self) -> CommandContext:
        """The context."""
        return self._entry_point.context

    def setContext(self, context: Any) -> None:
        """Nothing to do: threads share their process's context."""


class _JavaDbutils:
    def __init__(self, entry_point: EntryPoint) -> None:
        self._notebook = _JavaNotebook(entry_point)

    def notebook(self) -> _JavaNotebook:
        """The notebook module."""
        return self._notebook


class EntryPoint:
    """`dbutils.notebook.entry_point` and `dbutils.entry_point`: the stand-in for the JVM's."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dbutils = _JavaDbutils(self)

    @cached_property
    def context(self) -> CommandContext:
        """The command context (reference 2.5)."""
        return CommandContext.of(self._session)

    @cached_property
    def repl_context(self) -> ReplContext:
        """The same as `dbruntime.databricks_repl_context` spells it; this machine is no cluster."""
        # Libraries ask for it to learn where they are: that is no sign that somebody will call the API.
        silent = CommandContext(self.context.place)
        named = {
            name: getattr(silent, name)().orNull()
            for name in ReplContext.__dataclass_fields__
            if not name.startswith("isIn") and name not in ("jobGroupId", "replId")
        }
        return ReplContext(
            **named,
            isInNotebook=bool(self._session.birth.notebook_path),
            isInJob=self._session.birth.job is not None,
            isInCluster=False,
            jobGroupId=self.getJobGroupId(),
            replId=self.getReplId(),
        )

    def getDbutils(self) -> _JavaDbutils:
        """The JVM's dbutils: only `.notebook().getContext()` is of use."""
        return self._dbutils

    def getCurrentBindings(self) -> dict[str, str]:
        """Every widget value and passed parameter by name."""
        return self._session.widgets.values()

    def getJobGroupId(self) -> str:
        """The Spark job group's name."""
        return str(self.context.jobGroup().get())

    def getReplId(self) -> str:
        """A name for this process."""
        import os

        return f"ReplId-{os.getpid():x}"


@dataclass(frozen=True)
class ReplContext:
    """What `dbruntime.databricks_repl_context.get_context()` answers; names as Databricks spells them."""

    apiUrl: str
    apiToken: str
    workspaceUrl: str
    workspaceId: str
    notebookId: str | None
    notebookPath: str | None
    clusterId: str
    jobId: str | None
    idInJob: str | None
    jobTaskType: str | None
    jobType: str | None
    commandRunId: str | None
    browserHostName: str
    aclPathOfAclRoot: str
    isInNotebook: bool
    isInJob: bool
    isInCluster: bool
    jobGroupId: str
    replId: str
    userName: str

    @property
    def user(self) -> str:
        """The same under the name that found code asks for."""
        return self.userName
