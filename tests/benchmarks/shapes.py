"""The shapes that are timed, each in a process of its own: `python -m tests.benchmarks.shapes NAME COUNT FOLDER`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CELLS = ("x = 1", "y = x + 1", "print(y)", "import math", "math.sqrt(y)")
AT_ONCE = 4  # notebooks that our fan-out runs at the same time


def write_notebook(path: Path, cells: tuple[str, ...] = CELLS) -> Path:
    """An .ipynb with these code cells, as JupyterLab would save it; needs no library."""
    import json

    code = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": cell, "outputs": [], "execution_count": None}
        for n, cell in enumerate(cells)
    ]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": spec, "language_info": {"name": "python"}}
    path.write_text(json.dumps({"cells": code, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))
    return path


def write_job(folder: Path, source: Path, count: int, chained: bool) -> Path:
    """A job of `count` tasks that run the notebook one after the other, or none after any other."""
    import json

    folder.mkdir()
    (folder / "notebook.ipynb").write_text(source.read_text())
    tasks = [
        {
            "task_key": f"t{number:02}",
            "notebook_task": {"notebook_path": "./notebook.ipynb"},
            "depends_on": [{"task_key": f"t{number - 1:02}"}] if chained and number else [],
        }
        for number in range(count)
    ]
    job = folder / "job.json"
    job.write_text(json.dumps({"name": folder.name, "tasks": tasks}))
    return job


def papermill_loop(source: Path, count: int, folder: Path) -> None:
    """`papermill.execute_notebook` in a loop."""
    import papermill

    for number in range(count):
        papermill.execute_notebook(source, folder / f"{number}.ipynb", progress_bar=False)


def papermill_twice(source: Path, count: int, folder: Path) -> None:
    """Two papermill loops side by side, half of the notebooks each."""
    halves = [subprocess.Popen(_command("papermill_loop", source, count // 2, folder / side)) for side in ("a", "b")]
    if any(half.wait() for half in halves):
        raise SystemExit("a papermill loop failed")


def nbclient_chain(source: Path, count: int, folder: Path) -> None:
    """Bare nbclient, one after the other."""
    import nbformat
    from nbclient import NotebookClient

    for number in range(count):
        nb = nbformat.read(source, as_version=4)
        NotebookClient(nb).execute()
        nbformat.write(nb, folder / f"{number}.ipynb")


def nbclient_fan_out(source: Path, count: int, folder: Path) -> None:
    """Bare nbclient, all at once in one event loop."""
    import nbformat
    from nbclient import NotebookClient

    async def one(number: int) -> None:
        nb = nbformat.read(source, as_version=4)
        await NotebookClient(nb).async_execute()
        nbformat.write(nb, folder / f"{number}.ipynb")

    async def everything() -> None:
        await asyncio.gather(*(one(number) for number in range(count)))

    asyncio.run(everything())


def ours_chain(source: Path, count: int, folder: Path) -> None:
    """Our runner on a fork server, one after the other."""
    _ours(source, count, folder, at_once=1)


def ours_fan_out(source: Path, count: int, folder: Path) -> None:
    """Our runner on a fork server, some at once."""
    _ours(source, count, folder, at_once=AT_ONCE)


def ours_bare(source: Path, count: int, folder: Path) -> None:
    """Our runner in a warm kernel without extensions: what papermill and nbclient run, too."""
    _ours(source, count, folder, at_once=1, extensions=())


def _ours(source: Path, count: int, folder: Path, at_once: int, extensions: tuple[str, ...] | None = None) -> None:
    from dbutils_local.kernels.forkserver import ForkServer

    with ForkServer.start(expected=count) as server:
        from dbutils_local.kernels.environment import Birth
        from dbutils_local.kernels.runner import run_notebook

        def one(number: int) -> None:
            birth = Birth(home=folder, workspace_root=folder, notebook_path="/trivial")
            run = run_notebook(
                source,
                output=folder / f"{number}.ipynb",
                birth=birth,
                environ=os.environ,
                cwd=folder,
                forkserver=server.address,
                extensions=extensions,
            )
            assert run.failure is None, run.failure

        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(one, range(count)))


def _command_line(name: str, *words: str) -> None:
    """Become the console script of this name."""
    script = Path(sys.executable).with_name(name)
    os.execv(script, [str(script), *words])


def job_chain(source: Path, count: int, folder: Path) -> None:
    """`dbutils-local run job.json`, in a home of its own."""
    os.environ["DBUTILS_LOCAL_HOME"] = str(folder / "home")
    _command_line("dbutils-local", "run", str(source))


def command_papermill(source: Path, count: int, folder: Path) -> None:
    """`papermill one.ipynb out.ipynb`."""
    _command_line("papermill", "--no-progress-bar", str(source), str(folder / "out.ipynb"))


job_fan_out = command_ours = job_chain


SHAPES: dict[str, Callable[[Path, int, Path], None]] = {
    "papermill_loop": papermill_loop,
    "papermill_twice": papermill_twice,
    "nbclient_chain": nbclient_chain,
    "nbclient_fan_out": nbclient_fan_out,
    "ours_chain": ours_chain,
    "ours_fan_out": ours_fan_out,
    "ours_bare": ours_bare,
    "job_chain": job_chain,
    "job_fan_out": job_fan_out,
    "command_ours": command_ours,
    "command_papermill": command_papermill,
}


def _command(name: str, source: Path, count: int, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    return [sys.executable, "-m", "tests.benchmarks.shapes", name, str(source), str(count), str(folder)]


def measure(name: str, source: Path, count: int, folder: Path) -> tuple[float, float]:
    """Wall time and CPU time (all processes it waited for) of a shape, in seconds, from a cold start."""
    import time

    begin = time.monotonic()
    process = subprocess.Popen(_command(name, source, count, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    with contextlib.closing(process.stderr) as stderr:
        said = stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{name} failed: {said.decode()[-2000:]}")
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    SHAPES[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
