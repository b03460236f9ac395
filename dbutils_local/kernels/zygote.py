"""The fork server's own process: it imports once, starts no thread, and forks kernels and programs on request.

One thread, one loop. Each client connection asks for one process and lives as long as it: when the client goes away its
process is killed with all it started, and when the process ends the client is told.

A kernel adopts the orphans below it, and this process adopts those of a dead kernel, so after a kernel's death every
child here that was not forked here is a leftover: a daemon that left its process group included. What is left when this
process itself is killed falls to its guardian.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import secrets
import selectors
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbutils_local.kernels import frames, guardian, processes
from dbutils_local.kernels.bootstrap import extension_names
from dbutils_local.kernels.kernel import tail

# What ipykernel imports while it starts (found by comparing sys.modules before and after, in a forked child).
KERNEL_MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "ipykernel.heartbeat",
    "ipykernel_launcher",
    "comm",
    "tornado.platform.asyncio",
    "zmq.eventloop.zmqstream",
    "IPython.core.completer",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.magic_arguments",
    "IPython.core.magics",
    "IPython.core.magics.ast_mod",
    "IPython.core.magics.execution",
    "IPython.core.magics.packaging",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "IPython.utils.module_paths",
    "pdb",
    "faulthandler",
)
# A process reads these once, when it starts; a kernel that needs them different is not forked.
FIXED_PREFIXES = ("PYTHON", "LD_", "DYLD_", "LC_", "IPYTHON", "JUPYTER_", "MALLOC_")
FIXED = frozenset({"LANG", "LANGUAGE", "HOME"})
FIXED_WITH_PRELOAD = ("OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "VECLIB_")
# Variables that these imports set in a plain kernel; kept for servers that are split off with the imports done.
_set_by_imports: dict[str, str] = {}
# Threads of libraries that hold their locks around a fork and start anew in the child: jemalloc, inside pyarrow.
FORK_AWARE = frozenset({"jemalloc_bg_thd"})
READ_LATE = frozenset({"PYTHONUNBUFFERED", "PYTHONBREAKPOINT", "PYTHONSTARTUP"})


@dataclass(eq=False)
class Forked:
    """A process forked here and not yet reaped."""

    pid: int
    control: socket.socket | None = None  # to a kernel that still waits for its assignment or reports a failure
    connection: Mapping[str, Any] | None = None
    stem: Path | None = None  # its files in our folder are <stem>.json, <stem>.log and the sockets <stem>-<n>
    client: socket.socket | None = None
    is_ready: bool = False
    is_detached: bool = False
    language_info: Mapping[str, Any] | None = None
    failed: str | None = None
    shared_as: str | None = None  # the key of a program that many use at once
    litter: Path | None = None  # where it may leave files whose names begin with its pid


@dataclass
class Pool:
    """How many initialised kernels to keep: never more than `size`, nor more than are still expected."""

    size: int
    expected: int | None  # kernels that will be asked for, as far as is known; None: nobody knows
    taken: int = 0

    def target(self) -> int:
        """Spares to have now; once more were taken than expected, one is kept for the next surprise."""
        if self.expected is None or self.size == 0:
            return self.size
        left = self.expected - self.taken
        return min(self.size, left) if left >= 0 else 1


@dataclass
class Zygote:
    """The loop; `serve` returns only in a forked child, with what that child is to do."""

    folder: Path
    listener: socket.socket
    lifeline: int  # read end of a pipe: its end means that the owner is gone
    guarded_by: int  # our parent; its end is ours
    pool: Pool
    unsafe: str | None  # why nothing may be forked; None: all is well
    has_preload: bool
    forked: dict[int, Forked] = field(default_factory=dict)
    shared: dict[str, Path] = field(default_factory=dict)  # addresses of the programs that many use at once
    spares: list[Forked] = field(default_factory=list)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    count: int = 0
    birth_environ: Mapping[str, str] = field(default_factory=dict)  # before anything was imported
    set_by_imports: Mapping[str, str] = field(default_factory=dict)  # as the same imports in a plain kernel would set

    def serve(self) -> Callable[[], None]:
        """Answer requests until the owner is gone."""
        wake, self._wake = os.pipe()
        for end in (wake, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._ends = False
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_end)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        self.selector.register(self.lifeline, selectors.EVENT_READ, self._on_end)
        self.selector.register(wake, selectors.EVENT_READ, lambda: self._reap(wake))
        self._own_files = [wake, self._wake, self.lifeline]
        while True:
            if (become := self._refill()) is not None:
                return become
            for key, _ in self.selector.select(timeout=1.0):
                if (become := key.data()) is not None:
                    return become  # type: ignore[no-any-return]
            if self._ends or os.getppid() != self.guarded_by:
                self._shut_down()

    def _on_end(self, *_: Any) -> None:
        self._ends = True

    def _shut_down(self) -> None:
        """Take everything along, then go."""
        with contextlib.suppress(OSError):
            self.listener.close()
        for process in self.forked.values():
            if not process.is_detached:
                processes.kill_group(process.pid)
        signal.set_wakeup_fd(-1)
        while any(not process.is_detached for process in self.forked.values()):
            try:
                pid, _ = os.waitpid(-1, 0)
            except ChildProcessError:
                break
            if (ended := self.forked.pop(pid, None)) is not None:
                _sweep(ended)
            self._bury_orphans()
        shutil.rmtree(self.folder, ignore_errors=True)
        os._exit(0)

    # -- requests

    def _accept(self) -> Callable[[], None] | None:
        client, _ = self.listener.accept()
        client.settimeout(10)
        try:
            received = frames.receive(client)
        except (OSError, ValueError):
            received = None
        if received is None:
            client.close()
            return None
        request, files = received
        try:
            become = self._answer(client, request, files)
        except BrokenPipeError:
            client.close()
            become = None
        if become is None:
            for number in files:
                os.close(number)
        return become

    def _answer(self, client: socket.socket, request: dict[str, Any], files: list[int]) -> Callable[[], None] | None:
        match request["do"]:
            case "expect":
                kernels = request["kernels"]
                self.pool.size = request["pool_size"]
                self.pool.expected = None if kernels is None else self.pool.taken + kernels
                client.close()
                return None
            case "kernel":
                return self._give_kernel(client, request, files)
            case "run":
                return self._run(client, request, files)
            case "share":
                return self._share(client, request)
            case _:
                frames.send(client, {"pid": os.getpid(), "unsafe": self.unsafe, "spares": len(self.spares)})
                client.close()
                return None

    def _refusal(self, environ: Mapping[str, str]) -> str | None:
        if self.unsafe:
            return self.unsafe
        prefixes = FIXED_PREFIXES + (FIXED_WITH_PRELOAD if self.has_preload else ())
        for name in sorted(environ.keys() | self.birth_environ.keys()):
            is_fixed = name in FIXED or (name.startswith(prefixes) and name not in READ_LATE)
            if is_fixed and environ.get(name) != self.birth_environ.get(name):
                return f"{name} is different in its environment, and is read only when a process starts"
        return None

    def _give_kernel(
        self, client: socket.socket, request: dict[str, Any], files: list[int]
    ) -> Callable[[], None] | None:
        if refusal := self._refusal(request["environ"]):
            frames.send(client, {"refused": refusal, "unsafe": self.unsafe is not None})
            client.close()
            return None
        assignment = {name: request.get(name) for name in ("cwd", "umask", "extensions")}
        assignment["environ"] = {**self.set_by_imports, **request["environ"]}
        kernel = self._assigned_spare(assignment) if "argv" not in request else None
        if kernel is None:
            made = self._fork_kernel(request.get("argv"), files, client)
            if not isinstance(made, Forked):
                return made
            kernel = made
            assert kernel.control is not None
            frames.send(kernel.control, assignment)
        self.pool.taken += 1
        answer = {
            "pid": kernel.pid,
            "connection": kernel.connection,
            "language_info": kernel.language_info,
            "welcomes": _kernels_greet(),
        }
        frames.send(client, answer)
        self._bind(kernel, client)
        return None

    def _assigned_spare(self, assignment: dict[str, Any]) -> Forked | None:
        """A kernel from the pool that has taken the assignment, if possible a ready one; None: the pool is empty."""
        while self.spares:
            self.spares.sort(key=lambda spare: not spare.is_ready)
            kernel = self.spares.pop(0)
            with contextlib.suppress(OSError):  # one that was killed while it waited is passed over
                if kernel.control is not None:
                    frames.send(kernel.control, assignment)
                    return kernel
        return None

    def _bind(self, process: Forked, client: socket.socket) -> None:
        process.client = client
        self.selector.register(client, selectors.EVENT_READ, lambda: self._client_said(process))

    def _client_said(self, process: Forked) -> None:
        """A client only ever closes, or asks to kill (which it does by a single byte)."""
        if process.client is None:  # its process ended in the same round
            return
        try:
            gone = not process.client.recv(16)
        except OSError:
            gone = True
        if not process.is_detached:
            processes.kill_group(process.pid)
        if gone:
            self._unbind(process)

    def _unbind(self, process: Forked) -> None:
        if process.client is not None:
            self.selector.unregister(process.client)
            process.client.close()
            process.client = None

    # -- forking

    def _refill(self) -> Callable[[], None] | None:
        while self.unsafe is None and len(self.spares) < self.pool.target():
            made = self._fork_kernel()
            if not isinstance(made, Forked):
                return made
            self.spares.append(made)
        return None

    def _fork_kernel(
        self, argv: list[str] | None = None, files: Sequence[int] = (), client: socket.socket | None = None
    ) -> Forked | Callable[[], None]:
        """Fork a kernel that will wait for its assignment; in the child: what it is to do.

        `argv` are ipykernel's arguments for a kernel whose connection file somebody else has written.
        """
        from dbutils_local.kernels import born

        self.count += 1
        stem = self.folder / f"k{self.count}"
        connection = None if argv else born.write_connection_file(stem.with_suffix(".json"), secrets.token_hex(32))
        ours, theirs = socket.socketpair()
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            ours.close()
            if client is not None:
                client.close()
            self._let_go()
            born.shed(me, stem.with_suffix(".log"), files)
            return lambda: born.become_kernel(argv or ["-f", f"{stem}.json", born.HISTORY_OFF], theirs, me)
        theirs.close()
        kernel = Forked(pid, ours, connection, stem)
        self.forked[pid] = kernel
        self.selector.register(ours, selectors.EVENT_READ, lambda: self._kernel_said(kernel))
        return kernel

    def _kernel_said(self, kernel: Forked) -> None:
        if kernel.control is None:  # it ended in the same round
            return
        try:
            received = frames.receive(kernel.control)
        except OSError:
            received = None
        if received is None:
            self._close_control(kernel)
            return
        message, _ = received
        kernel.is_ready = kernel.is_ready or "ready" in message
        kernel.language_info = message.get("language_info", kernel.language_info)
        kernel.failed = message.get("failed")

    def _close_control(self, kernel: Forked) -> None:
        if kernel.control is not None:
            self.selector.unregister(kernel.control)
            kernel.control.close()
            kernel.control = None

    def _run(self, client: socket.socket, request: dict[str, Any], files: list[int]) -> Callable[[], None] | None:
        if refusal := self._refusal(request["environ"]):
            frames.send(client, {"refused": refusal, "unsafe": self.unsafe is not None})
            client.close()
            return None
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            from dbutils_local.kernels import born

            client.close()
            self._let_go()
            born.shed(None if request["detached"] else me, None, files)
            return lambda: born.become_program(
                request["argv"], request["environ"], request["cwd"], request.get("umask")
            )
        process = Forked(pid, is_detached=request["detached"])
        self.forked[pid] = process
        self._tell_guardian(process)
        frames.send(client, {"pid": pid})
        self._bind(process, client)
        return None

    def _share(self, client: socket.socket, request: dict[str, Any]) -> Callable[[], None] | None:
        """Tell where the program of this key listens; the first to ask has it started, and all may connect at once."""
        if refusal := self.unsafe or _not_ours(request["prefix"]):
            frames.send(client, {"refused": refusal, "unsafe": self.unsafe is not None})
            client.close()
            return None
        if request["key"] not in self.shared and (become := self._fork_shared(client, request)) is not None:
            return become
        frames.send(client, {"address": str(self.shared[request["key"]])})
        client.close()
        return None

    def _fork_shared(self, client: socket.socket, request: dict[str, Any]) -> Callable[[], None] | None:
        self.count += 1
        stem = self.folder / f"p{self.count}"
        address = stem.with_suffix(".sock")
        me = os.getpid()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(address))
            listener.listen(64)
            pid = os.fork()
            if pid == 0:
                from dbutils_local.kernels import born

                number = os.dup(listener.fileno())
                client.close()
                self._let_go()
                born.shed(me, stem.with_suffix(".log"))
                argv = ["-m", request["module"], str(number), request["argument"]]
                return lambda: born.become_program(argv, request["environ"], request["cwd"], None)
        litter = Path(request["litter"]) if request.get("litter") else None
        self.forked[pid] = Forked(pid, stem=stem, shared_as=request["key"], litter=litter)
        self.shared[request["key"]] = address
        return None

    def _tell_guardian(self, changed: Forked) -> None:
        if changed.is_detached:
            guardian.spare(self.folder, (process.pid for process in self.forked.values() if process.is_detached))

    def _let_go(self) -> None:
        """In a child: close every file of the server's."""
        self.selector.close()
        self.listener.close()
        for number in self._own_files:
            os.close(number)
        for process in self.forked.values():
            for end in (process.client, process.control):
                if end is not None:
                    end.close()

    # -- deaths

    def _reap(self, wake: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 4096)
        while True:
            try:
                dead: Any = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if not dead:
                return
            process = self.forked.pop(dead.si_pid, None)
            if process is not None and not process.is_detached:
                # Before it is reaped: until then nobody else can have its number.
                processes.kill_group(dead.si_pid)
            _, status = os.waitpid(dead.si_pid, 0)
            if process is not None:
                self._tell_guardian(process)
                self._bury(process, os.waitstatus_to_exitcode(status))
            self._bury_orphans()

    def _bury(self, process: Forked, code: int) -> None:
        if process.control is not None:
            process.control.setblocking(False)
            while process.control is not None:
                self._kernel_said(process)
        if process in self.spares:
            self.spares.remove(process)
            if not process.is_ready and code != -signal.SIGKILL:
                self.unsafe = f"a kernel ended with code {code} while it was prepared"
        if process.client is not None:
            words = tail(process.stem.with_suffix(".log")) if process.stem else ""
            with contextlib.suppress(OSError):
                frames.send(process.client, {"exit": code, "failed": process.failed, "words": words})
            self._unbind(process)
        if process.shared_as is not None:
            self.shared.pop(process.shared_as, None)
            _sweep(process)
        if process.stem is not None:
            for left in self.folder.glob(process.stem.name + "[-.]*"):
                left.unlink(missing_ok=True)

    def _bury_orphans(self) -> None:
        """Kill what a dead kernel left behind; their own children come to us next."""
        for pid in processes.children():
            if pid not in self.forked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _not_ours(prefix: str) -> str | None:
    """Why a process of that environment cannot use what is forked here; None: it can."""
    return None if prefix == sys.prefix else f"it belongs to the environment {prefix}, this server to {sys.prefix}"


def _sweep(process: Forked) -> None:
    """Remove what a killed program had no time to remove."""
    if process.litter is not None:
        for left in process.litter.glob(f"{process.pid}-*"):
            shutil.rmtree(left, ignore_errors=True)


def _kernels_greet() -> bool:
    """Whether this ipykernel's output channel greets those who subscribe to it."""
    from ipykernel._version import version_info

    return version_info >= (7,)


def warm_up(preload: Iterable[str]) -> str | None:
    """Import all that kernels need and the preload; None, or the reason why this process must not fork."""
    gc.disable()
    for name in KERNEL_MODULES:
        with contextlib.suppress(ImportError):  # some are not in every version
            importlib.import_module(name)
    from dbutils_local.kernels import born

    born.read_configuration()
    for extension in extension_names():
        with contextlib.suppress(Exception):  # one that cannot be imported is reported by the kernel that needs it
            for name in getattr(importlib.import_module(extension), "PRELOAD", ()):
                importlib.import_module(name)
    broken = None
    for name in preload:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - a module may raise anything when it is imported
            broken = f"the preload of {name} failed: {type(error).__name__}: {error}"
    born.prepare_shell()
    gc.freeze()
    gc.enable()
    return broken or why_unsafe()


def why_unsafe() -> str | None:
    """Why a fork of this process would not be safe; None: it is safe."""
    if len(threading.enumerate()) > 1:
        names = ", ".join(thread.name for thread in threading.enumerate() if thread is not threading.main_thread())
        return f"a preloaded module started a thread ({names}); a fork would copy its locks but not the thread"
    if sys.platform != "linux" or not _native_threads():
        return None
    # Libraries that know about forks (OpenBLAS) end their own threads when one happens: see what is left after one.
    if (pid := os.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    if not (left := _native_threads()):
        return None
    return f"a preloaded module runs threads of its own that do not end at a fork ({', '.join(left)})"


def _native_threads() -> list[str]:
    """Names of this process's threads beside the main one, without those that are known to survive forks (Linux)."""
    names = []
    for number in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):  # it may have ended just now
            if int(number) != os.getpid():
                names.append(Path(f"/proc/self/task/{number}/comm").read_text().strip())
    return sorted(name for name in names if name not in FORK_AWARE)


def forget_the_owner(log: Path, keep: Sequence[int]) -> None:
    """In a server that was split off its owner: no open file, exit handler or import path of the owner's."""
    atexit._clear()
    null = os.open(os.devnull, os.O_RDONLY)
    words = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, file in enumerate((null, words, words)):
        os.dup2(file, number)
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))
    # A program's own folder comes first there; a kernel has none.
    own_folder = 0 if sys.flags.safe_path else 1
    sys.path[:] = [entry for entry in sys.path[own_folder:] if entry]


def main(folder: Path, listener: socket.socket, lifeline: int, options: Mapping[str, Any]) -> None:
    """The whole life of a fork server process; in a forked child, the whole life of that child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # one that is split off has its owner's handlers
    guarded_by = guardian.start(folder, (listener.fileno(), lifeline))
    processes.adopt_orphans()
    before = dict(os.environ)
    unsafe = warm_up(options["preload"])
    _set_by_imports.update({name: value for name, value in os.environ.items() if name not in before})
    zygote = Zygote(
        folder=folder,
        listener=listener,
        lifeline=lifeline,
        guarded_by=guarded_by,
        pool=Pool(options["pool_size"], options["expected"]),
        unsafe=unsafe,
        has_preload=bool(options["preload"]),
        birth_environ=before,
        set_by_imports=_set_by_imports,
    )
    become = zygote.serve()
    del zygote
    become()
