"""The fork server: what its children are born with, and that none of them outlives what it should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from dbutils_local.executors.base import StopToken
from dbutils_local.kernels.forkserver import ForkServer, Refused, ServerGone
from dbutils_local.kernels.kernel import KernelRequest
from dbutils_local.kernels.support import support

pytestmark = pytest.mark.skipif(not ForkServer.is_possible(), reason="kernels are forked on Linux only")


def printed(run) -> str:
    outputs = (output for cell in run.notebook.cells for output in cell.get("outputs", ()))
    return "".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout")


def is_gone(pid: int, within: float = 5.0) -> bool:
    """Whether the process ends within some seconds; a zombie that somebody else must reap counts as gone."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


# -- what a kernel is born with


def test_a_kernel_has_exactly_the_environment_it_was_given(run_cells):
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {"ONLY": "this"}
    environ |= {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "LC_", "LANG"))}
    run = run_cells("import os\nprint(os.environ.get('ONLY'), 'PYTEST_CURRENT_TEST' in os.environ)", environ=environ)
    assert printed(run) == "this False\n"


def test_a_kernel_starts_in_the_folder_it_was_given(run_cells, tmp_path):
    (tmp_path / "helper.py").write_text("ANSWER = 42")
    run = run_cells("import os\nprint(os.getcwd())", "import helper\nprint(helper.ANSWER)")
    assert printed(run) == f"{tmp_path}\n42\n"


def test_nothing_of_one_notebook_is_seen_by_the_next(run_cells):
    first = (
        "import os, sys, random, signal, builtins, tempfile\n"
        "os.environ['LEAK'] = '1'; sys.path.append('/leak'); builtins.leak = 1\n"
        "os.chdir('/'); os.umask(0o077); random.seed(1); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "import wave; sys.modules['leak'] = wave"
    )
    assert run_cells(first).failure is None
    run = run_cells(
        "import os, sys, signal, builtins\n"
        "print('LEAK' in os.environ, '/leak' in sys.path, hasattr(builtins, 'leak'), 'leak' in sys.modules, "
        "os.getcwd() == '/', signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    )
    assert printed(run) == "False False False False False True\n"


def test_two_kernels_draw_different_random_numbers(run_cells):
    draw = "import random, uuid, secrets\nprint(random.random(), uuid.uuid4(), secrets.token_hex())"
    assert printed(run_cells(draw)) != printed(run_cells(draw))


LOOK = textwrap.dedent("""
    import asyncio, multiprocessing, os, signal, subprocess, sys, threading, __main__
    print(os.path.basename(sys.argv[0]), sys.argv[1], len(sys.argv))
    print(__name__, hasattr(__main__, "__file__"), sys.modules["__main__"] is __main__)
    print([entry for entry in sys.path if "pytest" not in entry])
    print(sys.flags, sys.executable, sys.stdin is None, sys.stdout.encoding)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE):
        print(number, str(signal.getsignal(number)).partition(" at 0x")[0])
    print(sorted(name for name in os.environ if "DBUTILS" not in name and not name.startswith("JPY_")))
    print(threading.current_thread() is threading.main_thread(), sorted({t.daemon for t in threading.enumerate()}))
    print(os.getpgid(0) == os.getpid(), os.umask(0o022), type(sys.excepthook).__name__, sys.gettrace())
    print(subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout)
    async def later(): return "awaited"
    print(await later(), asyncio.get_running_loop().is_running(), sys.getrecursionlimit())
    def double(x): return 2 * x
    with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(double, range(3)))
    with multiprocessing.get_context("spawn").Pool(1) as pool: print(pool.map(abs, [-1]))
    import gc, warnings, logging, locale
    print(gc.isenabled(), gc.get_threshold(), logging.getLogger().level, logging.getLogger().handlers)
    print([str(f) for f in warnings.filters], locale.getlocale())
    shell = get_ipython()
    print(type(shell).__name__, shell.kernel.implementation, shell.profile, str(_dh[0]) == os.getcwd())
""")


def test_a_notebook_sees_the_same_python_warm_and_cold(run_cells):
    warm, cold = run_cells(LOOK), run_cells(LOOK, forkserver=None)
    assert warm.failure is None
    for ours, plain in zip(printed(warm).splitlines(), printed(cold).splitlines(), strict=True):
        assert ours == plain


def test_subprocesses_and_c_code_write_into_the_cell(run_cells):
    # ipykernel does not watch file descriptors under pytest, which it knows by this variable.
    environ = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    with ForkServer.start(environ=environ, pool_size=1) as server:
        run = run_cells(
            "import os, subprocess\nos.write(1, b'from c\\n')\nx = subprocess.run(['echo', 'from child'])",
            environ=environ,
            forkserver=server.address,
        )
    assert sorted(printed(run).splitlines()) == ["from c", "from child"]


def test_a_variable_read_only_at_start_makes_the_kernel_start_the_ordinary_way(run_cells, server, tmp_path):
    environ = dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
    with pytest.raises(Refused, match="PYTHONPATH"):
        server.kernel(KernelRequest(environ, tmp_path))
    run = run_cells(f"import sys\nprint({str(tmp_path)!r} in sys.path)", environ=environ)
    assert printed(run) == "True\n"
    assert run.notices == ()


# -- programs


def run_program(server, tmp_path, *argv, environ=None):
    with open(tmp_path / "out", "wb") as out:
        process = server.run(argv, dict(environ or os.environ), tmp_path, stdout=out, stderr=out)
        code = process.wait(30)
        process.close()
    return code, (tmp_path / "out").read_text()


def test_a_forked_program_is_run_as_python_runs_it(server, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(
        "import sys, os\nprint(sys.argv[1:], __name__, os.getcwd())\n"
        "print(sys.path[0] == os.path.dirname(__file__))\nsys.exit(7)"
    )
    forked = run_program(server, tmp_path, str(script), "a", "b")
    plain = subprocess.run([sys.executable, str(script), "a", "b"], cwd=tmp_path, capture_output=True, text=True)
    assert forked == (plain.returncode, plain.stdout)


def test_the_traceback_of_a_forked_program_shows_only_its_own_frames(server, tmp_path):
    script = tmp_path / "program.py"
    script.write_text("def f():\n    return 1 / 0\n\nf()\n")
    plain = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert run_program(server, tmp_path, str(script)) == (1, plain.stderr)


def test_a_module_is_run_with_its_arguments(server, tmp_path):
    code, out = run_program(server, tmp_path, "-m", "json.tool", "--help")
    assert code == 0
    assert "usage" in out


def test_a_detached_program_outlives_the_server(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import time, os\ntime.sleep(0.6)\nopen('done', 'w').write('yes')")
    with ForkServer.start(pool_size=0) as server:
        process = server.run([str(script)], dict(os.environ), tmp_path, detached=True)
        process.close()
    assert not (tmp_path / "done").exists()
    assert is_gone(process.pid)
    assert (tmp_path / "done").read_text() == "yes"


def test_closing_the_handle_of_a_program_ends_it(server, tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)")
    process = server.run([str(script)], dict(os.environ), tmp_path)
    assert process.poll() is None
    process.close()
    assert is_gone(process.pid)


# -- deaths

DAEMON = textwrap.dedent("""
    import os, sys, time, signal
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in range(1, 32):
                if number not in (signal.SIGKILL, signal.SIGSTOP): signal.signal(number, signal.SIG_IGN)
            os.write(write, str(os.getpid()).encode())
            os.closerange(3, 64)
            while True: time.sleep(60)
        os._exit(0)
    print(os.read(read, 20).decode())
""")


def test_a_daemon_that_left_its_group_and_ignores_signals_ends_with_its_notebook(run_cells):
    assert is_gone(int(printed(run_cells(DAEMON))))


def test_a_daemon_ends_when_its_kernel_is_killed_from_outside(run_cells):
    run = run_cells(DAEMON, "import os\nos.kill(os.getpid(), 9)")
    assert "SIGKILL" in run.failure.error
    assert is_gone(int(printed(run)))


def test_a_daemon_and_a_kernel_that_ignores_signals_end_at_cancel(run_cells, tmp_path):
    stop = StopToken()
    stubborn = (
        "import signal, time, os\n"
        "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)\n"
        "open('pid', 'w').write(str(os.getpid()))\n"
        "while True: time.sleep(60)"
    )

    def stop_when_it_runs() -> None:
        while not (tmp_path / "pid").exists():
            time.sleep(0.02)
        stop.stop()

    threading.Thread(target=stop_when_it_runs).start()
    run = run_cells(DAEMON, stubborn, stop=stop)
    assert run.stopped
    assert is_gone(int(printed(run)))
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_kernel_that_crashes_takes_nobody_with_it(run_cells, server):
    assert "SIGSEGV" in run_cells("import ctypes\nctypes.string_at(0)").failure.error
    assert printed(run_cells("print('next')")) == "next\n"


def test_a_killed_server_ends_its_kernels_and_the_next_notebook_starts_the_ordinary_way(run_cells, tmp_path):
    with ForkServer.start(pool_size=1) as server:
        begin = (
            "import os, subprocess, time\nopen('pid', 'w').write(str(os.getpid()))\n"
            "print(subprocess.Popen(['sleep', '1000']).pid)"
        )
        run = run_cells(begin, f"os.kill({server.pid}, 9)\ntime.sleep(60)", forkserver=server.address)
        assert "fork server" in run.failure.error
        assert is_gone(int((tmp_path / "pid").read_text()))
        assert is_gone(int(printed(run)))
        after = run_cells("print('works')", forkserver=server.address)
    assert printed(after) == "works\n"
    assert any("ordinary way" in notice for notice in after.notices)


def test_a_daemon_ends_when_the_server_is_killed_and_a_detached_program_does_not(run_cells, tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import time, os\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)")
    with ForkServer.start(pool_size=0) as server:
        detached = server.run([str(script)], dict(os.environ), tmp_path, detached=True)
        detached.close()
        run = run_cells(DAEMON, f"import os, time\nos.kill({server.pid}, 9)\ntime.sleep(60)", forkserver=server.address)
        assert "fork server" in run.failure.error
        assert is_gone(int(printed(run)))
    assert psutil.pid_exists(detached.pid)
    os.kill(detached.pid, signal.SIGKILL)
    assert is_gone(detached.pid)


def test_a_server_whose_guardian_is_killed_ends_with_all_its_kernels(run_cells, tmp_path):
    with ForkServer.start(pool_size=1) as server:
        kill = f"import os, time\nos.kill({psutil.Process(server.pid).ppid()}, 9)\ntime.sleep(60)"
        pid = server.pid
        run = run_cells(DAEMON, kill, forkserver=server.address)
        assert run.failure is not None
        assert is_gone(int(printed(run)))
        assert is_gone(pid)


def test_a_killed_owner_takes_the_server_and_its_kernels_along(tmp_path):
    owner = tmp_path / "owner.py"
    owner.write_text(
        textwrap.dedent("""
        import os, sys, time
        from pathlib import Path
        from dbutils_local.kernels.forkserver import ForkServer
        from dbutils_local.kernels.kernel import KernelRequest
        server = ForkServer.start(pool_size=1)
        kernel = server.kernel(KernelRequest(dict(os.environ), Path.cwd(), extensions=()))
        print(server.pid, kernel.pid, os.path.dirname(server.address), flush=True)
        time.sleep(60)
        """)
    )
    process = subprocess.Popen([sys.executable, str(owner)], stdout=subprocess.PIPE, text=True)
    with process.stdout as said:
        server, kernel, folder = said.readline().split()
        below = [child.pid for child in psutil.Process(int(server)).children()]
        process.kill()
        process.wait()
    assert int(kernel) in below
    assert all(is_gone(pid) for pid in (int(server), *below))
    assert not Path(folder).exists()


def test_a_closed_server_leaves_no_process_file_or_descriptor(run_cells):
    before = set(os.listdir("/proc/self/fd"))
    with ForkServer.start(pool_size=2) as server:
        for _ in range(3):
            assert run_cells("print(1)", forkserver=server.address).failure is None
        server_process = psutil.Process(server.pid)
        below = [child.pid for child in server_process.children(recursive=True)]
        folder = Path(server.address).parent
    assert not server_process.is_running()
    assert all(is_gone(pid) for pid in below)
    assert not folder.exists()
    assert len(os.listdir("/proc/self/fd")) <= len(before)


def test_the_files_of_a_kernel_go_with_it(run_cells):
    with ForkServer.start(pool_size=0) as server:
        folder = Path(server.address).parent
        for _ in range(3):
            run_cells("1", forkserver=server.address)
        deadline = time.monotonic() + 5
        while (left := sorted(path.name for path in folder.iterdir())) != ["log", "s"]:
            assert time.monotonic() < deadline, left
            time.sleep(0.02)


# -- the pool, and where nothing may be forked


def test_no_more_kernels_are_made_than_are_expected(run_cells):
    with ForkServer.start(pool_size=2, expected=3) as server:
        for expected_left in (2, 2, 1, 0):
            assert server.ask({"do": "ping"})["spares"] == expected_left
            if expected_left:
                assert run_cells("1", forkserver=server.address).failure is None


def test_a_preload_is_there_before_the_first_cell(run_cells):
    with ForkServer.start(preload=["wave"], pool_size=1) as server:
        run = run_cells("import sys\nprint('wave' in sys.modules)", forkserver=server.address)
    assert printed(run) == "True\n"


def test_a_preload_that_starts_a_thread_makes_kernels_start_the_ordinary_way(run_cells, tmp_path):
    (tmp_path / "threaded.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True, name='busy').start()"
    )
    environ = dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
    with ForkServer.start(preload=["threaded"], environ=environ) as server:
        run = run_cells("print('works')", forkserver=server.address)
    assert printed(run) == "works\n"
    assert "thread" in run.notices[0]
    assert "busy" in run.notices[0]


def test_a_preload_that_cannot_be_imported_is_named(run_cells):
    with ForkServer.start(preload=["no_such_module"]) as server:
        run = run_cells("1", forkserver=server.address)
    assert "no_such_module" in run.notices[0]


def test_support_says_that_kernels_start_warm_here():
    assert support().is_warm


def test_support_names_the_preload_that_prevents_it():
    found = support(["no_such_module"])
    assert not found.is_warm
    assert "no_such_module" in found.reason


def test_a_server_that_is_gone_is_named(tmp_path):
    with pytest.raises(ServerGone, match="gone"):
        ForkServer.connect(str(tmp_path / "s")).ask({"do": "ping"})


def test_an_interrupt_reaches_what_the_cell_started(run_cells, tmp_path):
    stop = StopToken()

    def stop_when_it_runs() -> None:
        while not (tmp_path / "pid").exists():
            time.sleep(0.02)
        stop.stop()

    threading.Thread(target=stop_when_it_runs).start()
    # Renamed when it is written: a file that is there holds the number.
    script = "echo $$ > new; mv new pid; exec sleep 60"
    run = run_cells(f"import subprocess\nsubprocess.run(['sh', '-c', {script!r}])", stop=stop)
    assert run.stopped
    assert is_gone(int((tmp_path / "pid").read_text()))
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def test_pandas_and_pyarrow_may_be_preloaded(run_cells):
    with ForkServer.start(preload=["pandas", "pyarrow"]) as server:
        run = run_cells(
            "import numpy, pandas, pyarrow",
            "frame = pandas.DataFrame({'a': range(1000)})\nsquare = numpy.ones((300, 300)) @ numpy.ones((300, 300))",
            "print(pyarrow.Table.from_pandas(frame).num_rows, int(square[0, 0]), frame.a.sum())",
            forkserver=server.address,
        )
    assert run.notices == ()
    assert printed(run) == "1000 300 499500\n"


def test_a_preloaded_matplotlib_draws_into_the_cell_as_ever(run_cells):
    draw = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint(plt.get_backend())\nplt.show()"
    with ForkServer.start(preload=["matplotlib.pyplot"]) as server:
        warm = run_cells(draw, forkserver=server.address)
    cold = run_cells(draw, forkserver=None)
    assert warm.notices == ()
    assert printed(warm) == printed(cold)
    pictures = [
        [output.data["image/png"] for output in run.notebook.cells[0].outputs if "data" in output]
        for run in (warm, cold)
    ]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 1


def test_a_stop_does_not_wait_for_a_slow_preload(run_cells, tmp_path):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(30)")
    stop = StopToken()
    with ForkServer.start(["slow"], environ=dict(os.environ) | {"PYTHONPATH": str(tmp_path)}) as server:
        threading.Timer(0.5, stop.stop).start()
        begin = time.monotonic()
        run = run_cells("1", stop=stop, forkserver=server.address)
        assert run.stopped
        assert time.monotonic() - begin < 15
        server.abandon()


def test_a_spare_kernel_that_was_killed_is_passed_over(run_cells):
    with ForkServer.start(pool_size=2) as server:
        server.ask({"do": "ping"})
        for spare in psutil.Process(server.pid).children():
            spare.kill()
        run = run_cells("print('works')", forkserver=server.address)
    assert printed(run) == "works\n"
    assert run.notices == ()
