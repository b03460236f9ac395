"""A fork server as its clients see it: start one, reach one by its address, have kernels and programs forked."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

from dbutils_local.kernels import folders, frames, processes
from dbutils_local.kernels.kernel import (
    KernelFailed,
    KernelRequest,
    connect,
    tail,
    wait_for_welcome,
    wait_until_ready,
)

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

# The listener and the lifeline come as open files, so that a client may ask before the server has finished importing.
_CODE = """
import json, socket, sys
from pathlib import Path
sys.path[:] = [entry for entry in sys.path if entry]
from dbutils_local.kernels import zygote
o = json.loads(sys.argv[1])
zygote.main(Path(o["folder"]), socket.socket(fileno=o["listener"]), o["lifeline"], o)
"""
GOODBYE = 2.0  # seconds a server may take to end everything; one that still imports does not hear that it should
ANSWER_TIMEOUT = 60.0  # seconds; a server with a large preload answers when it has imported it


class ServerGone(KernelFailed):
    """The fork server does not answer any more."""


class Refused(KernelFailed):
    """The fork server may not fork this one; start it the ordinary way."""

    def __init__(self, reason: str, unsafe: bool) -> None:
        super().__init__(reason)
        self.unsafe = unsafe  # True: it can fork nothing at all


class KilledWhileWaiting(KernelFailed):
    """A kernel was killed before it had begun with what it was given."""


class Patience(Protocol):
    """The part of execution.Alarm that says how long to wait."""

    socket: socket.socket

    @property
    def reason(self) -> object | None:
        """Not None: wait no longer."""

    @property
    def seconds_left(self) -> float | None:
        """Until there is a reason anyway."""


def _wait_for_answer(connection: socket.socket, patience: Patience) -> None:
    """Return when there is something to receive, or the server has taken too long anyway."""
    deadline = time.monotonic() + ANSWER_TIMEOUT
    poll = select.poll()  # select.select fails in processes with more than a thousand open files
    for source in (connection, patience.socket):
        poll.register(source, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        ready = [number for number, _ in poll.poll(min(left, patience.seconds_left or left) * 1000)]
        if patience.reason:
            raise KernelFailed("the run ended before its kernel had started")
        if connection.fileno() in ready:
            return


class Process(Protocol):
    """As much of subprocess.Popen as is needed of a server's process."""

    pid: int

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; subprocess.TimeoutExpired after `timeout` seconds."""


class ForkServer:
    """A clean process that has imported what kernels need and forks them on request; ends with its owner."""

    def __init__(self, address: str, process: Process | None = None, lifeline: int | None = None) -> None:
        self.address = address
        self._process = process
        self._lifeline = lifeline

    @classmethod
    def start(
        cls,
        preload: Sequence[str] = (),
        environ: Mapping[str, str] | None = None,
        pool_size: int = 2,
        expected: int | None = None,
    ) -> ForkServer:
        """Start one and return at once, while it still imports; or take over the one `start_early` has started.

        `environ` is its own environment (default: this process's); kernels get theirs when they are asked for.
        `expected`: how many kernels will be wanted, if that is known, so that none is made in vain.
        """
        early = _early.pop(tuple(preload), None) if environ is None else None
        if early is not None:
            if early.is_running:
                early.expect(expected, pool_size)
                return early
            early.close()
        return cls._begin(_spawn, preload, environ, pool_size, expected)

    @classmethod
    def start_early(cls, preload: Sequence[str] = ()) -> None:
        """Let one import while this process still reads what it is to do; `start` with the same preload takes it over.

        To be called before anything is opened or started: a process that was itself forked from a fork server splits
        one off, which takes 10 ms. If nobody takes it over it ends with this process.
        """
        if cls.is_possible() and tuple(preload) not in _early:
            _early[tuple(preload)] = cls._begin(_split_off if _can_split() else _spawn, preload, None, 0, 0)

    @classmethod
    def _begin(
        cls,
        begin: Callable[[dict[str, Any], Mapping[str, str] | None, socket.socket], Process],
        preload: Sequence[str],
        environ: Mapping[str, str] | None,
        pool_size: int,
        expected: int | None,
    ) -> ForkServer:
        folder = folders.make()
        address = str(folder / "s")
        read_end, write_end = os.pipe()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(64)
            options = {
                "folder": str(folder),
                "listener": listener.fileno(),
                "lifeline": read_end,
                "preload": list(preload),
                "pool_size": pool_size,
                "expected": expected,
            }
            process = begin(options, environ, listener)
        os.close(read_end)
        folders.sweep()
        return cls(address, process, write_end)

    @classmethod
    def connect(cls, address: str) -> ForkServer:
        """The server at this address, owned by somebody else."""
        return cls(address)

    @staticmethod
    def is_possible() -> bool:
        """Whether processes can be forked safely on this platform; what a preload does is known only to a server."""
        return sys.platform == "linux"

    @property
    def is_running(self) -> bool:
        """Whether an own server still runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The server's process, as soon as it answers."""
        return int(self.ask({"do": "ping"})["pid"])

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """One question, one answer. ServerGone when there is none."""
        connection, answer = self._request(request)
        connection.close()
        return answer

    def expect(self, kernels: int | None, pool_size: int) -> None:
        """Say how many kernels will be asked for from now on (None: nobody knows), and how many to keep ready."""
        with self._connection() as connection:
            frames.send(connection, {"do": "expect", "kernels": kernels, "pool_size": pool_size})

    def kernel(self, request: KernelRequest, patience: Patience | None = None) -> WarmKernel:
        """A ready kernel with exactly this environment and folder. Refused, ServerGone, KernelFailed.

        A server with a large preload may answer late: KernelFailed as soon as `patience` is at its end.
        """
        asked = {
            "do": "kernel",
            "environ": dict(request.environ),
            "cwd": str(request.cwd),
            "extensions": request.extensions,
        }
        try:
            return WarmKernel.connected(*self._request(asked, patience=patience))
        except KilledWhileWaiting:
            # Somebody killed it in the pool (a tidy-up, the out-of-memory killer); the next one is as good.
            return WarmKernel.connected(*self._request(asked, patience=patience))

    def launch(self, argv: Sequence[str], environ: Mapping[str, str], cwd: Path, files: Sequence[int]) -> ForkedProcess:
        """A kernel whose connection file somebody else wrote; `argv` are ipykernel's arguments. Refused, ServerGone."""
        request = {"do": "kernel", "environ": dict(environ), "cwd": str(cwd), "extensions": (), "argv": list(argv)}
        connection, answer = self._request(request, files)
        return ForkedProcess(answer["pid"], connection)

    def run(
        self,
        argv: Sequence[str],
        environ: Mapping[str, str],
        cwd: Path,
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
        stdin: IO[Any] | int | None = None,
        detached: bool = False,
    ) -> ForkedProcess:
        """Run `["-m", module, *args]` or `[file, *args]` in a forked interpreter. Refused, ServerGone, KernelFailed.

        The standard files default to /dev/null. A detached process outlives the server and everyone else; any other is
        killed, with all it started, when its handle is closed or the server ends.
        """
        with contextlib.ExitStack() as stack:
            null = stack.enter_context(open(os.devnull, "r+b"))
            files = [_number(file, null) for file in (stdin, stdout, stderr)]
            request = {"do": "run", "argv": list(argv), "environ": dict(environ), "cwd": str(cwd), "detached": detached}
            connection, answer = self._request(request, files)
        return ForkedProcess(answer["pid"], connection, detached)

    def shared(
        self, key: str, module: str, argument: str, environ: Mapping[str, str], cwd: Path, litter: Path | None = None
    ) -> str:
        """Where the program that all who name this key use together listens; the first to ask has it started.

        It is `python -m module LISTENER ARGUMENT` forked from the server, LISTENER being the file number of a unix
        socket that takes connections already; it lives as long as the server. What it leaves in the folder `litter`
        under names that begin with its pid goes with it. Refused, ServerGone.
        """
        request = {"do": "share", "key": key, "module": module, "argument": argument, "prefix": sys.prefix}
        place = {"environ": dict(environ), "cwd": str(cwd), "litter": str(litter) if litter else None}
        return str(self.ask(request | place)["address"])

    def _request(
        self, request: dict[str, Any], files: Sequence[int] = (), patience: Patience | None = None
    ) -> tuple[socket.socket, dict[str, Any]]:
        connection = self._connection()
        try:
            frames.send(connection, request, files)
            if patience is not None:
                _wait_for_answer(connection, patience)
            received = frames.receive(connection)
        except KernelFailed:
            connection.close()
            raise
        except OSError as error:
            connection.close()
            raise ServerGone(f"the fork server does not answer: {error}{self._last_words()}") from error
        if received is None:
            connection.close()
            raise ServerGone(f"the fork server ended{self._last_words()}")
        answer, _ = received
        if "refused" in answer:
            connection.close()
            raise Refused(answer["refused"], answer["unsafe"])
        return connection, answer

    def _connection(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_TIMEOUT)
        try:
            connection.connect(self.address)
        except OSError as error:
            connection.close()
            raise ServerGone(f"the fork server is gone: {error.strerror}{self._last_words()}") from error
        return connection

    def _last_words(self) -> str:
        words = tail(Path(self.address).with_name("log"))
        return f"; it said: {words}" if words else ""

    def close(self) -> None:
        """End an own server and every process it forked; does not wait for them. Nothing for somebody else's."""
        if self._process is None:
            return
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        try:
            self._process.wait(timeout=GOODBYE)
        except subprocess.TimeoutExpired:
            self._terminate(self._process)
        folders.remove(Path(self.address).parent)

    def abandon(self) -> None:
        """End an own server at once, in the middle of its imports if need be; it has forked nothing yet."""
        if self._process is not None and self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
            self._terminate(self._process)
            folders.remove(Path(self.address).parent)

    @staticmethod
    def _terminate(process: Process) -> None:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGTERM)  # its guardian passes this on, and reaps it
        try:
            process.wait(timeout=GOODBYE)
        except subprocess.TimeoutExpired:
            processes.kill_tree(process.pid)
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _spawn(options: dict[str, Any], environ: Mapping[str, str] | None, listener: socket.socket) -> Process:
    """The server in an interpreter of its own."""
    with open(Path(options["folder"]) / "log", "wb") as log:
        return subprocess.Popen(
            [sys.executable, *_interpreter_flags(), "-c", _CODE, json.dumps(options)],
            env=dict(os.environ if environ is None else environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(listener.fileno(), options["lifeline"]),
            start_new_session=True,
        )


def _can_split() -> bool:
    """Whether this process has imported what kernels need, and may be forked: it was forked from a server just now."""
    born, zmq = "dbutils_local.kernels.born" in sys.modules, sys.modules.get("zmq")
    if not born or (zmq is not None and zmq.Context._instance is not None):
        return False
    from dbutils_local.kernels.zygote import why_unsafe

    return why_unsafe() is None


def _split_off(options: dict[str, Any], environ: Mapping[str, str] | None, listener: socket.socket) -> Process:
    """The server as a fork of this process, with nothing of it open."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return _Child(pid)
    from dbutils_local.kernels import zygote

    os.setsid()
    zygote.forget_the_owner(Path(options["folder"]) / "log", keep=(listener.fileno(), options["lifeline"]))
    zygote.main(Path(options["folder"]), listener, options["lifeline"], options)
    # What was forked further down has done its work: it ends as an interpreter ends.
    raise SystemExit(0)


@dataclass
class _Child:
    """A process forked by this one."""

    pid: int
    _code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("fork server", timeout or 0)
            time.sleep(0.005)
        return code


_early: dict[tuple[str, ...], ForkServer] = {}


@atexit.register
def _end_unused() -> None:
    """An early server that nobody wanted goes without a goodbye."""
    for server in _early.values():
        server.abandon()


def _interpreter_flags() -> list[str]:
    """So that forked processes run as this one does (-X utf8, -W, -O)."""
    return list(subprocess._args_from_interpreter_flags())  # type: ignore[attr-defined]


def _number(file: IO[Any] | int | None, null: IO[Any]) -> int:
    if file is None:
        return null.fileno()
    return file if isinstance(file, int) else file.fileno()


@dataclass
class ForkedProcess:
    """A program forked by the server; the connection lives as long as the program."""

    pid: int
    _connection: socket.socket
    is_detached: bool = False
    _end: Mapping[str, Any] | None = None

    @property
    def life(self) -> int:
        """Becomes readable when the process has ended."""
        return self._connection.fileno()

    def poll(self) -> int | None:
        """The exit code (negative: the signal that killed it), or None while it runs."""
        end = self.end(0)
        return None if end is None else end["exit"]

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once there is one; TimeoutError after `timeout` seconds."""
        end = self.end(timeout)
        if end is None:
            raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
        return int(end["exit"])

    def end(self, timeout: float | None) -> Mapping[str, Any] | None:
        """How it ended, or None while it runs.

        `exit` is its code, `failed` why it gave up before it was ready, `words` the end of its log.
        """
        if self._end is None:
            self._connection.settimeout(timeout)
            try:
                received = frames.receive(self._connection)
            except (BlockingIOError, TimeoutError):
                return None
            except OSError:
                received = None
            if received is None and not self.is_detached:
                # A server that ends without a word takes its processes along, but not what they had started.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
            self._end = (
                {"exit": -int(signal.SIGKILL), "words": "the fork server was killed"}
                if received is None
                else received[0]
            )
        return self._end

    def send_signal(self, number: int) -> None:
        """Send it to the process and its group; that they are gone already is fine."""
        if self.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """End it and everything it started."""
        if self.poll() is None:
            with contextlib.suppress(OSError):
                self._connection.send(b"k")

    def close(self) -> None:
        """Let go of it: unless it is detached, it is killed."""
        self._connection.close()


@dataclass
class WarmKernel:
    """A kernel from a fork server."""

    client: BlockingKernelClient
    pid: int
    language_info: Mapping[str, Any] | None
    _process: ForkedProcess
    notices: tuple[str, ...] = ()
    has_extensions: bool = True

    @classmethod
    def connected(cls, connection: socket.socket, answer: Mapping[str, Any]) -> WarmKernel:
        """The kernel of this answer, its channels connected and its output known to reach us."""
        process = ForkedProcess(answer["pid"], connection)
        try:
            kernel = cls(connect(answer["connection"]), answer["pid"], answer["language_info"], process)
        except BaseException:
            process.close()
            raise
        try:
            wait_for_welcome(kernel) if answer["welcomes"] else wait_until_ready(kernel)
        except BaseException as error:
            was_killed = isinstance(error, KernelFailed) and kernel.exit_code() == -signal.SIGKILL
            kernel.close()
            if was_killed:
                raise KilledWhileWaiting(str(error)) from error
            raise
        return kernel

    @property
    def life(self) -> int:
        return self._process.life

    @property
    def start_failure(self) -> str | None:
        return (self._process.end(0) or {}).get("failed")

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def exit_code(self) -> int | None:
        return self._process.poll()

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        self._process.kill()

    def last_words(self) -> str:
        end = self._process.end(0) or {}
        return str(end.get("failed") or end.get("words") or "")

    def close(self) -> None:
        self.client.stop_channels()
        self._process.close()
