"""Warm kernels against papermill and bare nbclient: wall time, CPU, memory, and the cost of a cell."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.benchmarks.report import Report
from tests.benchmarks.shapes import measure, write_job, write_notebook

# PAIRS=1 CELLS=200 is a quick look: papermill alone takes minutes for 1,000 cells.
PAIRS = int(os.environ.get("PAIRS", "3"))
CELLS = int(os.environ.get("CELLS", "1000"))
SUBJECT = "kernels"


def run(report: Report) -> None:
    """All figures of warm kernels."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = write_notebook(root / "trivial.ipynb")
        _against_nbclient(report, source, root)
        _against_papermill(report, source, root)
        _cold_command(report, source, root)
        _cells(report, root)
        _notebook_run(report, root)
        _memory(report)


class Pairs:
    """Runs several shapes in turn, some rounds, and keeps their times."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.wall: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}

    def run(self, rounds: int, *shapes: tuple[str, Path, int]) -> None:
        for number in range(rounds):
            for name, source, count in shapes:
                wall, cpu = measure(name, source, count, self._root / f"{name}-{count}-{number}")
                self.wall.setdefault(name, []).append(wall)
                self.cpu.setdefault(name, []).append(cpu)


def _against_nbclient(report: Report, source: Path, root: Path) -> None:
    for title, ours, theirs, count in (
        ("chain of 3", "ours_chain", "nbclient_chain", 3),
        ("fan-out of 8", "ours_fan_out", "nbclient_fan_out", 8),
    ):
        pairs = Pairs(root)
        pairs.run(PAIRS, (ours, source, count), (theirs, source, count))
        report.ratio(SUBJECT, f"{title}: wall, to bare nbclient", pairs.wall[ours], pairs.wall[theirs], 0.35)
        report.ratio(SUBJECT, f"{title}: CPU, to bare nbclient", pairs.cpu[ours], pairs.cpu[theirs], 0.35)


def _against_papermill(report: Report, source: Path, root: Path) -> None:
    chain, fan_out = (
        write_job(root / "chain", source, 20, chained=True),
        write_job(root / "fan", source, 20, chained=False),
    )
    pairs = Pairs(root)
    pairs.run(
        PAIRS,
        ("job_chain", chain, 20),
        ("papermill_loop", source, 20),
        ("job_fan_out", fan_out, 20),
        ("papermill_twice", source, 20),
        ("ours_chain", source, 20),
        ("ours_fan_out", source, 20),
    )
    wall, cpu = pairs.wall, pairs.cpu
    loop = "a papermill loop"
    report.ratio(
        SUBJECT, f"chain of 20 through a job: wall, to {loop}", wall["job_chain"], wall["papermill_loop"], 1 / 8
    )
    report.ratio(SUBJECT, f"chain of 20 through a job: CPU, to {loop}", cpu["job_chain"], cpu["papermill_loop"], 1 / 4)
    report.ratio(
        SUBJECT, f"fan-out of 20 through a job: wall, to {loop}", wall["job_fan_out"], wall["papermill_loop"], 1 / 8
    )
    report.ratio(
        SUBJECT,
        "fan-out of 20 through a job: wall, to two loops at once",
        wall["job_fan_out"],
        wall["papermill_twice"],
        1 / 5,
    )
    for name in ("chain", "fan_out"):
        extra = median(mine - bare for mine, bare in zip(wall[f"job_{name}"], wall[f"ours_{name}"], strict=True))
        report.figure(SUBJECT, f"{name} of 20: what the job adds to its notebooks, each", extra / 20 * 1000, "ms")


def _cold_command(report: Report, source: Path, root: Path) -> None:
    pairs = Pairs(root)
    pairs.run(max(PAIRS, 5), ("command_ours", source, 1), ("command_papermill", source, 1))
    wall, cpu = pairs.wall, pairs.cpu
    report.ratio(
        SUBJECT, "dbutils-local run one.ipynb: wall, to papermill", wall["command_ours"], wall["command_papermill"], 1
    )
    report.ratio(
        SUBJECT, "dbutils-local run one.ipynb: CPU, to papermill", cpu["command_ours"], cpu["command_papermill"], 1
    )


def _cells(report: Report, root: Path) -> None:
    few, many = CELLS // 5, CELLS
    small = {n: write_notebook(root / f"{n}.ipynb", tuple(f"{k} + 1" for k in range(n))) for n in (few, many)}
    large = {
        n: write_notebook(root / f"large-{n}.ipynb", tuple(f"print('x' * 20000, {k})" for k in range(n)))
        for n in (few, many)
    }
    short, long, heavy_short, heavy_long = Pairs(root), Pairs(root / "long"), Pairs(root / "hs"), Pairs(root / "hl")
    short.run(PAIRS, ("ours_bare", small[few], 1), ("nbclient_chain", small[few], 1))
    long.run(PAIRS, ("ours_bare", small[many], 1), ("nbclient_chain", small[many], 1))
    heavy_short.run(PAIRS, ("ours_bare", large[few], 1))
    heavy_long.run(PAIRS, ("ours_bare", large[many], 1))
    long.run(1, ("papermill_loop", small[many], 1))

    def a_cell(name: str, times: str) -> list[float]:
        """Milliseconds a cell: what the longer notebook took more than the shorter one."""
        pairs = zip(getattr(long, times)[name], getattr(short, times)[name], strict=True)
        return [(longer - shorter) / (many - few) * 1000 for longer, shorter in pairs]

    for times, word in (("wall", "wall"), ("cpu", "CPU")):
        ours, theirs = a_cell("ours_bare", times), a_cell("nbclient_chain", times)
        report.ratio(SUBJECT, f"one more cell: {word}, to nbclient", ours, theirs, 1.05, "ms")
    ours = [median(long.wall["ours_bare"])]
    report.ratio(SUBJECT, f"{many} cells: wall, to papermill", ours, long.wall["papermill_loop"], 0.6)
    growth = median(heavy_long.wall["ours_bare"]) / median(heavy_short.wall["ours_bare"])
    report.figure(SUBJECT, f"{many} cells of 20 kB output: time, to {few} of them (5 = linear)", growth, "x", 5.5)


@contextmanager
def _server(**options: object) -> Iterator[object]:
    from dbutils_local.kernels.forkserver import ForkServer

    with ForkServer.start(**options) as server:  # type: ignore[arg-type]
        server.ask({"do": "ping"})
        yield server


def _notebook_run(report: Report, root: Path) -> None:
    """`dbutils.notebook.run` from a cell, as the notebook itself measures it."""
    from dbutils_local.kernels.environment import Birth
    from dbutils_local.kernels.runner import run_notebook

    (root / "workspace").mkdir()
    write_notebook(root / "workspace/child.ipynb", ("dbutils.notebook.exit('x')",))
    parent = write_notebook(
        root / "workspace/parent.ipynb",
        (
            "import time\ntimes = []",
            "for _ in range(12):\n    begin = time.monotonic()\n    dbutils.notebook.run('./child', 60)\n"
            "    times.append(time.monotonic() - begin)\n    time.sleep(0.3)",
            "import json\ndbutils.notebook.exit(json.dumps(times))",
        ),
    )
    with _server() as server:
        birth = Birth(
            home=root,
            workspace_root=parent.parent,
            notebook_path="/parent",
            notebook_file=parent,
            artifacts=root / "artifacts",
        )
        (root / "artifacts").mkdir()
        done = run_notebook(
            parent,
            output=root / "parent.ipynb",
            birth=birth,
            environ=dict(os.environ) | {"DBUTILS_LOCAL_HOME": str(root)},
            cwd=parent.parent,
            forkserver=server.address,  # type: ignore[attr-defined]
        )
    if done.exit_value is None:
        raise RuntimeError(f"the parent notebook failed: {done.failure}")
    import json

    times = json.loads(done.exit_value)
    report.figure(SUBJECT, "dbutils.notebook.run of a trivial child: first call", times[0] * 1000, "ms")
    report.figure(
        SUBJECT, "dbutils.notebook.run of a trivial child: median from the second", median(times[1:]) * 1000, "ms", 150
    )


def _memory(report: Report) -> None:
    """Private memory of each of twenty kernels that are ready for their first cell."""
    import psutil

    from dbutils_local.kernels.kernel import KernelRequest

    with _server(pool_size=0) as server:
        request = KernelRequest(dict(os.environ), Path.cwd())
        kernels = [server.kernel(request) for _ in range(20)]  # type: ignore[attr-defined]
        for kernel in kernels:
            kernel.client.execute_interactive("1", silent=True)
        time.sleep(0.5)
        private = [psutil.Process(kernel.pid).memory_full_info().uss / 1e6 for kernel in kernels]
        for kernel in kernels:
            kernel.close()
    report.figure(
        SUBJECT,
        "private memory of the twentieth warm kernel",
        private[-1],
        "MB",
        15,
        f"median {median(private):.1f} MB",
    )
