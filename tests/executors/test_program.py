"""Programs run for a task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dbutils_local.executors.base import StopToken
from dbutils_local.executors.program import Ended, run_program
from dbutils_local.kernels.forkserver import ForkServer

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and groups")


@pytest.fixture(scope="module", params=["guarded", "forked"])
def forkserver(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """How the program is started: below a warden, or from a fork server."""
    if request.param == "guarded":
        yield None
        return
    if not ForkServer.is_possible():
        pytest.skip("nothing can be forked safely here")
    with ForkServer.start(pool_size=0) as server:
        yield server.address


def run(
    tmp_path: Path, code: str, stop: StopToken | None = None, forkserver: str | None = None, **more: object
) -> Ended:
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(code))
    return run_program(
        [sys.executable, str(file)],
        forkserver=forkserver,
        environ=os.environ,
        cwd=tmp_path,
        stdout=tmp_path / "out",
        stderr=tmp_path / "err",
        stop=stop or StopToken(),
        **more,  # type: ignore[arg-type]
    )


def until(question: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc/self").exists() else True


def test_output_and_exit_code_are_the_programs_own(tmp_path: Path, forkserver: str | None) -> None:
    ended = run(
        tmp_path,
        "import sys, os; print('out', os.getcwd()); print('err', file=sys.stderr); sys.exit(3)",
        forkserver=forkserver,
    )
    assert ended == Ended(3)
    assert (tmp_path / "out").read_text() == f"out {tmp_path}\n"
    assert (tmp_path / "err").read_text() == "err\n"


@posix
def test_a_signal_is_told_by_name(tmp_path: Path, forkserver: str | None) -> None:
    ended = run(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", forkserver=forkserver)
    assert ended.words == "was killed by SIGKILL"


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program-here: no such program"):
        run_program(
            ["no-such-program-here"],
            environ={},
            cwd=tmp_path,
            stdout=tmp_path / "o",
            stderr=tmp_path / "e",
            stop=StopToken(),
        )


def test_secrets_do_not_reach_the_log_even_in_pieces(tmp_path: Path, forkserver: str | None) -> None:
    code = "import sys, time; w = sys.stdout.write; w('a hunt'); sys.stdout.flush(); time.sleep(0.2); w('er2 b\\nend')"
    run(tmp_path, code, forkserver=forkserver, redact=lambda text: text.replace("hunter2", "[REDACTED]"))
    assert (tmp_path / "out").read_text() == "a [REDACTED] b\nend"


@posix
def test_a_stop_interrupts_first(tmp_path: Path, forkserver: str | None) -> None:
    stop = StopToken()
    code = """
        import time
        try:
            open("ready", "w").close()
            time.sleep(60)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    threading.Thread(target=lambda: (until((tmp_path / "ready").exists), stop.stop()), daemon=True).start()
    assert run(tmp_path, code, stop, forkserver).stopped
    assert (tmp_path / "out").read_text() == "interrupted\n"


@posix
def test_a_stop_ends_the_deaf_and_their_children_in_other_sessions(tmp_path: Path, forkserver: str | None) -> None:
    stop = StopToken()
    code = """
        import os, signal, subprocess, sys, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        open("pids.part", "w").write(f"{os.getpid()} {child.pid}")
        os.rename("pids.part", "pids")
        time.sleep(60)
    """
    threading.Thread(target=lambda: (until((tmp_path / "pids").exists), stop.stop()), daemon=True).start()
    ended = run(tmp_path, code, stop, forkserver, grace=0.2)
    assert ended.stopped
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    until(lambda: not any(is_alive(pid) for pid in pids))


@posix
def test_what_a_program_leaves_running_ends_with_it(tmp_path: Path, forkserver: str | None) -> None:
    code = """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
        print(child.pid)
    """
    assert run(tmp_path, code, forkserver=forkserver).code == 0
    pid = int((tmp_path / "out").read_text())
    until(lambda: not is_alive(pid))


@posix
def test_a_program_ends_when_its_driver_is_killed(tmp_path: Path) -> None:
    driver = """
        import os, sys, textwrap
        from pathlib import Path
        from dbutils_local.executors.base import StopToken
        from dbutils_local.executors.program import run_program
        here = Path(sys.argv[1])
        code = '''
        import os, time
        open("pid.part", "w").write(str(os.getpid()))
        os.rename("pid.part", "pid")
        time.sleep(60)
        '''
        command = [sys.executable, "-c", textwrap.dedent(code)]
        logs = {"stdout": here / "o", "stderr": here / "e"}
        run_program(command, environ=os.environ, cwd=here, stop=StopToken(), **logs)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(driver), str(tmp_path)])
    until((tmp_path / "pid").exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    pid = int((tmp_path / "pid").read_text())
    until(lambda: not is_alive(pid))
