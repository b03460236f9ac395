"""Many kernels in a row: no process, socket, file descriptor or temporary file may be left."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from tests.benchmarks.report import Report
from tests.benchmarks.shapes import write_notebook

KERNELS = int(os.environ.get("KERNELS", "500"))
SUBJECT = "endurance"


def run(report: Report) -> None:
    """Run a notebook in each of many kernels, then count what is still there."""
    import psutil

    from dbutils_local.kernels.environment import Birth
    from dbutils_local.kernels.forkserver import ForkServer
    from dbutils_local.kernels.runner import run_notebook

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = write_notebook(
            root / "one.ipynb", ("import os, subprocess", "subprocess.Popen(['sleep', '1000'])", "1")
        )
        # A temporary folder of its own, so that only what is made here is counted.
        (root / "t").mkdir()
        tempfile.tempdir = str(root / "t")
        me = psutil.Process()
        descriptors, memory = me.num_fds(), 0
        with ForkServer.start(expected=KERNELS) as server:
            begin = time.monotonic()
            for number in range(KERNELS):
                done = run_notebook(
                    source,
                    output=root / "out.ipynb",
                    birth=Birth(home=root, workspace_root=root, notebook_path="/one"),
                    environ=os.environ,
                    cwd=root,
                    forkserver=server.address,
                )
                if done.failure:
                    raise RuntimeError(done.failure.error)
                if number == KERNELS // 10:
                    memory = me.memory_info().rss
            each = (time.monotonic() - begin) / KERNELS
            time.sleep(1)
            below = len(psutil.Process(server.pid).children(recursive=True))
            growth = (me.memory_info().rss - memory) / 1e6
            server_descriptors = psutil.Process(server.pid).num_fds()
        time.sleep(0.5)
        left_processes = len(me.children(recursive=True)) + below
        report.figure(SUBJECT, f"{KERNELS} kernels in a row: each", each * 1000, "ms")
        report.figure(SUBJECT, f"{KERNELS} kernels in a row: processes left", left_processes, "", 0)
        report.figure(SUBJECT, f"{KERNELS} kernels in a row: temporary files left", len(os.listdir(root / "t")), "", 0)
        # zmq keeps the descriptors of its one context (two threads and a few pipes).
        report.figure(SUBJECT, f"{KERNELS} kernels in a row: file descriptors left", me.num_fds() - descriptors, "", 12)
        report.figure(
            SUBJECT, f"{KERNELS} kernels in a row: file descriptors of the server", server_descriptors, "", 16
        )
        report.figure(SUBJECT, f"{KERNELS} kernels in a row: memory of the driver grew", growth, "MB", 30)

        tempfile.tempdir = None
