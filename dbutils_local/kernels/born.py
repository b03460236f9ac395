"""The first moments of a forked process: it sheds what it inherited and becomes a kernel, or a program."""

from __future__ import annotations

import json
import os
import random
import runpy
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from ipykernel import kernelapp
from IPython.core.application import BaseIPythonApplication

from dbutils_local.kernels import frames, prepared
from dbutils_local.kernels.bootstrap import extension_names
from dbutils_local.kernels.processes import adopt_orphans, die_with_parent

HISTORY_OFF = (
    "--HistoryManager.enabled=False"  # saves a SQLite thread; In, Out and %history of the session work without
)


def shed(parent: int | None, log: Path | None, files: Sequence[int] = ()) -> None:
    """Leave the fork server's session, signals and standard files behind; with a `parent`, die with it.

    `files` become stdin, stdout and stderr; without them the output goes to `log`.
    """
    os.setsid()
    signal.set_wakeup_fd(-1)
    for quiet in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(quiet, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if parent is not None:
        die_with_parent(parent)
        adopt_orphans()
    standard = list(files)
    if not standard and log is not None:
        words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        standard = [os.open(os.devnull, os.O_RDONLY), words, words]
    for number, file in enumerate(standard):
        os.dup2(file, number)
    for file in set(standard):
        os.close(file)
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def take_place(environ: Mapping[str, str], cwd: str, umask: int | None) -> None:
    """Exactly this environment, this folder, this umask."""
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    if umask is not None:
        os.umask(umask)
    os.chdir(cwd)


def choose_backend() -> None:
    """Let a preloaded matplotlib draw as this environment says, which it reads only when it is imported."""
    matplotlib, backend = sys.modules.get("matplotlib"), os.environ.get("MPLBACKEND")
    if matplotlib and backend:
        matplotlib.rcParams["backend"] = backend


class _ReadOnce(BaseIPythonApplication):
    """The part of the application that reads profile and configuration: before the fork, and then not again."""

    is_read = False

    def initialize(self, argv: list[str] | None = None) -> None:
        """Called by ipykernel's own `initialize` as the class after it."""
        if not self.is_read:
            super().initialize(argv)  # type: ignore[no-untyped-call, unused-ignore]


class IPKernelApp(kernelapp.IPKernelApp, _ReadOnce):
    """ipykernel's application, initialised up to the point where the user's environment matters; there it waits."""

    name = "ipython-kernel"
    wait: Callable[[], Mapping[str, Any]]
    fail: Callable[[str], NoReturn]

    def init_kernel(self) -> None:
        """The kernel gets the prepared shell; one that makes its own sees the environment of the task."""
        if not prepared.is_ready():
            self._take_place()
        with prepared.modules_known():
            super().init_kernel()  # type: ignore[no-untyped-call]
        prepared.adopt(self.kernel)

    def init_gui_pylab(self) -> None:
        """Everything from here on (start-up files, extensions) sees the environment of the task."""
        if prepared.is_ready():
            self._take_place()
        # What the shell took from the environment and the folder when it was made:
        shell: Any = self.shell
        shell.starting_dir = os.getcwd()
        shell.user_ns["_dh"][:] = [Path(shell.starting_dir)]
        shell.init_environment()
        super().init_gui_pylab()  # type: ignore[no-untyped-call]
        choose_backend()

    def _take_place(self) -> None:
        assignment = self.wait()
        try:
            take_place(assignment["environ"], assignment["cwd"], assignment.get("umask"))
        except OSError as error:
            self.fail(f"the kernel cannot start in {assignment['cwd']}: {error.strerror}")
        self._extensions = assignment["extensions"]

    def init_code(self) -> None:
        """The user's start-up files; then our extensions, whose failure is the kernel's failure."""
        super().init_code()  # type: ignore[no-untyped-call]
        shell: Any = self.shell
        names = extension_names() if self._extensions is None else self._extensions
        for name in names:
            try:
                shell.extension_manager.load_extension(name)
            except Exception as error:  # noqa: BLE001 - an extension may raise anything; all of it means: no kernel
                self.fail(f"the kernel extension {name} could not be loaded: {type(error).__name__}: {error}")


def read_configuration() -> None:
    """Before the fork: make the application and let it read profile and configuration, as each kernel would."""
    try:
        app: Any = IPKernelApp.instance()
        BaseIPythonApplication.initialize(app, [HISTORY_OFF])
        app.is_read = True
    except BaseException:  # noqa: BLE001 - a broken configuration is reported by the kernels that read it
        IPKernelApp.clear_instance()
    sys.excepthook = sys.__excepthook__


def prepare_shell() -> None:
    """Before the fork, and after everything was imported: make what each kernel would make alike."""
    if IPKernelApp.initialized():
        prepared.prepare(IPKernelApp.instance())


def become_kernel(argv: list[str], control: socket.socket, parent: int) -> None:
    """Run an ipykernel with these arguments until it is shut down; its environment and folder come over `control`."""
    import ipykernel_launcher

    def wait() -> Mapping[str, Any]:
        frames.send(control, {"ready": True, "language_info": app.kernel_class.language_info})
        received = frames.receive(control)
        if received is None:
            os._exit(0)
        return received[0]

    def fail(reason: str) -> NoReturn:
        frames.send(control, {"failed": reason})
        os._exit(1)

    IPKernelApp.wait, IPKernelApp.fail = staticmethod(wait), staticmethod(fail)
    app = _application(argv)
    app.parent_handle = parent
    sys.argv = [ipykernel_launcher.__file__, *argv]
    app.initialize(argv)
    control.close()
    app.start()


def _application(argv: list[str]) -> Any:
    """The one that has read its configuration before the fork, if it was read for these arguments."""
    app: Any = IPKernelApp.instance()
    if app.is_read and argv[2:] == [HISTORY_OFF]:
        app.connection_file = argv[1]
        app.init_crash_handler()
        return app
    _forget_preparations()
    return IPKernelApp.instance()


def _forget_preparations() -> None:
    """For what was forked and is no kernel, or one with arguments of its own."""
    prepared.put_away()
    IPKernelApp.clear_instance()


def become_program(argv: list[str], environ: Mapping[str, str], cwd: str, umask: int | None) -> None:
    """Run `-m module args` or `file args` as `python` would: same argv, `__main__`, exit code and traceback."""
    _forget_preparations()
    take_place(environ, cwd, umask)
    choose_backend()
    if environ.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    del sys.modules["__main__"]
    try:
        if argv[0] == "-m":
            sys.argv = argv[1:]
            sys.path.insert(0, os.getcwd())
            runpy.run_module(argv[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = argv
            sys.path.insert(0, str(Path(argv[0]).resolve().parent))
            runpy.run_path(argv[0], run_name="__main__")
    except Exception as error:  # noqa: BLE001 - whatever the program raises is shown as python shows it
        own = _own_frames(error.__traceback__)
        sys.excepthook(type(error), error.with_traceback(own), own)
        sys.stdout.flush()
        raise SystemExit(1) from None


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without ours and runpy's frames."""
    while trace is not None and (
        trace.tb_frame.f_code.co_filename == __file__ or "runpy" in trace.tb_frame.f_code.co_filename
    ):
        trace = trace.tb_next
    return trace


def write_connection_file(path: Path, key: str) -> dict[str, Any]:
    """A connection file for unix sockets next to it; returns its content."""
    ports = {
        name: number
        for number, name in enumerate(("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"), 1)
    }
    info: dict[str, Any] = {
        **ports,
        "ip": str(path.with_suffix("")),
        "transport": "ipc",
        "key": key,
        "signature_scheme": "hmac-sha256",
        "kernel_name": "dbutils_local",
    }
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(info, file)
    return info
