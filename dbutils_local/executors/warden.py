"""The parent of a task's program: ends it, and everything it started, when told to or when the driver is gone.

Run as a program of its own (`python -I -S warden.py LIFELINE GRACE COMMAND...`), so that it works even when the driver
is killed: the kernel of the operating system then closes the driver's end of the lifeline.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from dbutils_local.kernels import processes


def main(arguments: list[str]) -> int:
    """Guard COMMAND to its end and end as it did; `GRACE` is how many seconds it has after an interrupt."""
    lifeline, grace, command = int(arguments[0]), float(arguments[1]), arguments[2:]
    processes.adopt_orphans()
    wakeup, signalled = os.pipe()
    for end in (wakeup, signalled):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(signalled)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    child = _start(command, lifeline)
    status = _guard(child, lifeline, wakeup, grace)
    # Whatever the program left running belonged to the task and ends with it.
    for left in processes.descendants(os.getpid()):
        _signal(left, signal.SIGKILL)
    return _end_like(status)


def _start(command: list[str], lifeline: int) -> int:
    me = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        processes.die_with_parent(me)
        os.close(lifeline)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _guard(child: int, lifeline: int, wakeup: int, grace: float) -> int:
    """Wait for the child's end, hurried on by the lifeline (at once) or a signal to us (after the grace)."""
    patience: float | None = None
    while True:
        readable, _, _ = select.select([lifeline, wakeup], [], [], patience)
        ended, status = _reap(child)
        if ended:
            return status
        if lifeline in readable or (patience is not None and not readable):
            processes.kill_tree(child)
            return os.waitpid(child, 0)[1]
        numbers = os.read(wakeup, 64) if wakeup in readable else b""
        if patience is None and (signal.SIGINT in numbers or signal.SIGTERM in numbers):
            patience = grace
            _signal_group(child, signal.SIGINT)


def _reap(child: int) -> tuple[bool, int]:
    """Collect who has ended, orphans too; whether the child has, and its wait status."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False, 0
        if pid == child:
            return True, status
        if pid == 0:
            return False, 0


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except OSError:
        return


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except OSError:
        return


def _end_like(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
