"""Notebooks this one runs in turn: each in a kernel of its own, from as many threads as ask (reference 2.1-2.3)."""

from __future__ import annotations

import atexit
import itertools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dbutils_local.dbutils.java import JavaError, JavaThrowable, WorkflowException
from dbutils_local.dbutils.output import publish
from dbutils_local.errors import DbutilsLocalError, NotFound, UserError
from dbutils_local.executors.base import StopToken
from dbutils_local.kernels import environment, folders
from dbutils_local.kernels.environment import Birth, JobContext
from dbutils_local.kernels.outbox import Child

if TYPE_CHECKING:
    from dbutils_local.dbutils.session import Session
    from dbutils_local.kernels.forkserver import ForkServer
    from dbutils_local.kernels.runner import NotebookRun

MAX_VALUE: Final = 5 * 1024 * 1024  # characters of an exit value that come back
NESTED = "com.databricks.NotebookExecutionException"
FAILED = "FAILED: Workload failed, see run output for details"


class ClassCast(JavaError):
    """An argument that is no string."""

    java_class = "java.lang.ClassCastException"


class NotAscii(JavaError):
    """An argument that holds more than ASCII (reference 2.1)."""

    java_class = "java.lang.IllegalArgumentException"


@dataclass(frozen=True, slots=True)
class ChildRun:
    """One notebook run in turn: its number, its workspace path, its file, and where its executed copy goes."""

    run_id: int
    path: str
    file: Path
    executed: Path

    @property
    def line(self) -> str:
        """What the calling cell shows."""
        return f"Notebook job #{self.run_id}  {self.executed}"


class Children:
    """The notebooks one process runs in turn."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._running: set[StopToken] = set()
        self._server: ForkServer | None = None
        self.show: Callable[[ChildRun], None] = show

    def run(self, path: str, timeout_seconds: float, arguments: Mapping[str, Any]) -> str | None:
        """Run a notebook and return its exit value, None if it never called exit; WorkflowException if it failed."""
        passed = checked_arguments(arguments)
        child = self._plan(path)
        stop = StopToken()
        with self._lock:
            self._running.add(stop)
        try:
            self.show(child)
            result = _in_thread(lambda: self._execute(child, passed, timeout_seconds, stop), stop)
        finally:
            with self._lock:
                self._running.discard(stop)
            self._take_secrets_out(child)
        return self._conclude(child, result)

    def _take_secrets_out(self, child: ChildRun) -> None:
        """A secret handed on as an argument is none that the child has fetched, so it does not know what to hide."""
        from dbutils_local.executors.attempt import redact_file

        if not self._session.redactor.knows:
            return
        for file in (child.executed, *child.executed.with_suffix("").rglob("*")):
            if file.is_file():
                redact_file(file, self._session.redactor.redact)

    def stop_all(self) -> None:
        """Stop every notebook that runs now; their callers get CANCELED."""
        with self._lock:
            running = tuple(self._running)
        for stop in running:
            stop.stop()

    def close(self) -> None:
        """End the fork server, if this process has one of its own."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.close()

    def _forkserver(self) -> str | None:
        """The run's fork server; by hand one of our own, made for the first child and gone with this process."""
        from dbutils_local.kernels.forkserver import ForkServer

        given = self._session.birth.forkserver
        settings = self._session.settings
        if given is not None or not settings.warm_kernels or not ForkServer.is_possible():
            return given
        with self._lock:
            if self._server is None or not self._server.is_running:
                self._server = ForkServer.start(settings.preload, pool_size=0)
                atexit.register(self.close)
            return self._server.address

    def _spark(self, forkserver: str | None) -> str | None:
        """Where children find the Spark they share with this notebook; None: they know where to ask."""
        from dbutils_local import spark

        def folder() -> Path:
            if forkserver is not None:
                return Path(forkserver).parent
            made = folders.make()
            atexit.register(folders.remove, made)
            return made

        return spark.lend(self._session.settings, os.environ, folder)

    def _plan(self, path: str) -> ChildRun:
        from dbutils_local.notebooks import resolve, workspace_path

        birth = self._session.birth
        try:
            file = resolve(path, caller=birth.notebook_file or Path.cwd() / "Untitled", root=birth.workspace_root)
        except UserError as error:
            raise _unusable(path, self._session.settings.user, error) from None
        number = next(self._numbers)
        name = re.sub(r"[^\w.-]+", "_", file.stem)
        executed = self._folder() / f"{number}-{name}.ipynb"
        return ChildRun(_new_run_id(number), workspace_path(file, birth.workspace_root), file, executed)

    def _folder(self) -> Path:
        artifacts = self._session.birth.artifacts
        base = artifacts if artifacts is not None else self._session.interactive_folder
        return base / "children"

    def _execute(self, child: ChildRun, arguments: Mapping[str, str], timeout: float, stop: StopToken) -> NotebookRun:
        from dbutils_local.imports import import_papermill
        from dbutils_local.kernels.runner import run_notebook
        from dbutils_local.notebooks import read, to_nbformat

        import_papermill()  # before anything imports nbformat with all its heavy parts
        artifacts = child.executed.with_suffix("")
        artifacts.mkdir(parents=True, exist_ok=True, mode=0o700)
        server = self._forkserver()
        birth = child_birth(self._session.birth, child, arguments, artifacts, server, self._spark(server))
        return run_notebook(
            to_nbformat(read(child.file)),
            output=child.executed,
            birth=birth,
            environ=self._environ(),
            cwd=child.file.parent,
            stop=stop,
            timeout=timeout or None,
            forkserver=birth.forkserver,
            parameters=arguments,
        )

    def _environ(self) -> dict[str, str]:
        """This process's environment; a child's SQL runs where its caller's does, for it reads the same tables."""
        from dbutils_local import spark
        from dbutils_local.sql.choice import VARIABLE, environment_for

        birth, settings = self._session.birth, self._session.settings
        files = [birth.notebook_file] if birth.notebook_file else []
        engine = environment_for(settings, files, birth.workspace_root)
        if not engine and settings.sql_engine == "auto" and spark.active() is not None:
            engine = {VARIABLE: "spark"}
        return {name: value for name, value in os.environ.items() if name != environment.VARIABLE} | engine

    def _conclude(self, child: ChildRun, result: NotebookRun) -> str | None:
        state = state_of(result)
        self._session.say(Child(child.path, str(child.executed), state))
        for line in result.notices:
            self._session.notice(f"{child.path}: {line}")
        if state != "SUCCESS":
            raise _failed(child, result, state)
        value = result.exit_value
        if value is not None and len(value) > MAX_VALUE:
            self._session.notice(f"{child.path}: its exit value of {len(value)} characters was cut to {MAX_VALUE}")
            value = value[:MAX_VALUE]
        return value


def child_birth(
    parent: Birth,
    child: ChildRun,
    arguments: Mapping[str, str],
    artifacts: Path,
    forkserver: str | None,
    spark: str | None,
) -> Birth:
    """What a child is born with: own parameters, own run number; no task values cross, so it is no task of the job."""
    above = parent.job
    job = JobContext(
        job_id=above.job_id if above else child.run_id,
        job_name=above.job_name if above else child.path,
        run_id=above.run_id if above else child.run_id,
        task_run_id=child.run_id,
        task_key="",
        start_time=int(time.time() * 1000),
        trigger_type="runnow",
    )
    return Birth(
        home=parent.home,
        workspace_root=parent.workspace_root,
        notebook_path=child.path,
        notebook_file=child.file,
        parameters=arguments,
        outbox=artifacts / "outbox.jsonl",
        artifacts=artifacts,
        job=job,
        depth=parent.depth + 1,
        forkserver=forkserver,
        spark=spark,
    )


_JAVA_NAMES: Final = {int: "Integer", bool: "Boolean", float: "Double", list: "List", dict: "Map", bytes: "byte[]"}


def checked_arguments(arguments: Mapping[str, Any]) -> dict[str, str]:
    """The arguments, all of them strings of ASCII; anything else is refused as on Databricks (reference 2.1)."""
    for name, value in arguments.items():
        if not isinstance(value, str):
            java = _JAVA_NAMES.get(type(value), type(value).__name__)
            raise ClassCast(
                "run",
                f"class java.lang.{java} cannot be cast to class java.lang.String",
                f"Argument {name!r} is {value!r}, a {type(value).__name__}: pass str(...) of it, or json.dumps(...)",
            )
        if not (str(name) + value).isascii():
            raise NotAscii("run", f"argument {name!r} holds characters other than ASCII: {value[:80]!r}")
    return {str(name): value for name, value in arguments.items()}


def state_of(result: NotebookRun) -> str:
    """The state word of a child's run."""
    if result.timed_out:
        return "TIMEDOUT"
    if result.stopped:
        return "CANCELED"
    return "FAILED" if result.failure is not None else "SUCCESS"


def _failed(child: ChildRun, result: NotebookRun, state: str) -> WorkflowException:
    text = FAILED if state == "FAILED" else state
    own = _own_words(child, result, state)
    return _workflow(text, own)


def _own_words(child: ChildRun, result: NotebookRun, state: str) -> str:
    failure = result.failure
    match state:
        case "TIMEDOUT":
            said = f"{child.path} did not end within its timeout"
        case "CANCELED":
            said = f"{child.path} was stopped"
        case _:
            cell = f" in cell {failure.cell}" if failure and failure.cell else ""
            said = f"{child.path} failed{cell}: {failure.error if failure else ''}"
    return f"{said}\nExecuted notebook: {child.executed}"


def _workflow(text: str, detail: str) -> WorkflowException:
    message = f"{NESTED}: {text}"
    caused = f"Caused by: {NESTED}: {text}\n\n{detail}"
    return WorkflowException("run", message, caused, JavaThrowable(NESTED, text))


def _unusable(path: str, user: str, error: UserError) -> WorkflowException:
    if isinstance(error, NotFound):
        access = (
            f'Unable to access the notebook "{path}". Either it does not exist, or the identity used to run this job, '
            f"{user}, lacks the required permissions."
        )
        return _workflow(f"FAILED: {access}", str(error))
    return _workflow(f"FAILED: {path} cannot be run as a notebook", str(error))


def _new_run_id(number: int) -> int:
    # Later ones are larger, and JavaScript can hold it.
    return int(time.time() * 1000) * 100 + number % 100


def _in_thread(work: Callable[[], NotebookRun], stop: StopToken) -> NotebookRun:
    """`work` in a thread of its own, because this one may hold a running event loop; Ctrl-C stops it and is raised."""
    done = threading.Event()
    results: list[NotebookRun] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits
            errors.append(error)
        finally:
            _close_loop()
            done.set()

    threading.Thread(target=body, name="notebook.run", daemon=True).start()
    try:
        # An Event and not Thread.join: an interrupted join may call a live thread finished.
        done.wait()
    except KeyboardInterrupt:
        stop.stop()
        done.wait()
        raise
    if errors:
        raise _told(errors[0])
    return results[0]


def _close_loop() -> None:
    """Close the event loop that jupyter_client made for this thread and would leave open."""
    core = sys.modules.get("jupyter_core.utils")
    if core is not None:
        core.ensure_event_loop().close()


def _told(error: BaseException) -> BaseException:
    if isinstance(error, DbutilsLocalError):
        return _workflow(f"FAILED: {error}", "the notebook's kernel could not do its work")
    return error


def show(child: ChildRun) -> None:
    """`Notebook job #<id>` with the place of the executed copy."""
    named = f"<b>#{child.run_id}</b> {escape(child.path)}"
    publish(child.line, f"<div>Notebook job {named} <code>{escape(str(child.executed))}</code></div>")


def guard_interrupts(children: Children) -> None:
    """Make Ctrl-C reach notebooks that were started from threads; for the main thread, before each cell.

    Only the main thread gets KeyboardInterrupt, and it may be waiting for a pool whose threads wait for the children.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    before = signal.getsignal(signal.SIGINT)
    if not callable(before) or getattr(before, "guards_children", False):
        return

    def handler(number: int, frame: Any) -> Any:
        children.stop_all()
        return before(number, frame)

    handler.guards_children = True  # type: ignore[attr-defined]
    signal.signal(signal.SIGINT, handler)
