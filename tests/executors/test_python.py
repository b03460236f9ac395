"""Python file and wheel tasks, run for real."""

from __future__ import annotations

import os
import textwrap
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.core import evidence
from dbutils_local.executors.base import Failed, Stopped, Succeeded, TaskContext
from dbutils_local.executors.entry_point import NoEntryPoint, find
from dbutils_local.executors.libraries import missing, wanted_by
from dbutils_local.executors.program import Ended
from dbutils_local.executors.python import PythonExecutor, failure_of
from dbutils_local.executors.wheel import WheelExecutor
from dbutils_local.kernels.forkserver import ForkServer
from dbutils_local.spec.tasks import Task


def script(tmp_path: Path, code: str, *parameters: str) -> Task:
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(code))
    return Task.model_validate(
        {"task_key": "t", "spark_python_task": {"python_file": str(path), "parameters": list(parameters)}}
    )


def test_a_script_gets_its_arguments_folder_and_task_values(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    code = """
        import os, sys
        print(sys.argv[1:], os.getcwd())
        print(dbutils.jobs.taskValues.get("up", "n"))
        dbutils.jobs.taskValues.set("answer", {"a": 42})
    """
    context = make_context(task_values={"up": {"n": 7}})
    outcome = PythonExecutor().run(script(tmp_path, code, "--day", "2026-01-01"), context)
    assert isinstance(outcome, Succeeded), outcome
    assert outcome.values == {"answer": {"a": 42}}
    assert (context.folder / evidence.STDOUT).read_text() == f"['--day', '2026-01-01'] {tmp_path}\n7\n"


def test_the_error_of_a_script_is_its_traceback(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    code = """
        dbutils.jobs.taskValues.set("before", 1)
        def broken():
            return 1 / 0
        broken()
    """
    outcome = PythonExecutor().run(script(tmp_path, code), make_context())
    assert isinstance(outcome, Failed)
    failure = outcome.failure
    assert failure.error == "ZeroDivisionError: division by zero"
    assert failure.trace.startswith("Traceback (most recent call last):")
    assert (failure.file, failure.line) == (str(tmp_path / "script.py"), 4)
    assert outcome.values == {"before": 1}


def test_an_exit_code_is_told(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    outcome = PythonExecutor().run(script(tmp_path, "import sys; sys.exit('no rows today')"), make_context())
    assert isinstance(outcome, Failed)
    assert outcome.failure.error == "The program ended with exit code 1: no rows today"
    assert isinstance(PythonExecutor().run(script(tmp_path, "import sys; sys.exit(0)"), make_context()), Succeeded)


def test_secrets_stay_out_of_values_errors_and_files(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    code = """
        dbutils.jobs.taskValues.set("k", ["pass is hunter2"])
        import subprocess, sys
        subprocess.run([sys.executable, "-c", "print('hun' + 'ter2')"])
        raise ValueError("hunter" + "2")
    """
    context = make_context(redact=lambda text: text.replace("hunter2", "[REDACTED]"))
    outcome = PythonExecutor().run(script(tmp_path, code), context)
    assert isinstance(outcome, Failed)
    assert outcome.values == {"k": ["pass is [REDACTED]"]}
    assert outcome.failure.error == "ValueError: [REDACTED]"
    for path in context.folder.rglob("*"):
        if path.is_file():
            assert "hunter2" not in path.read_text(), path


def test_a_file_that_is_not_there_fails_before_it_starts(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    task = Task.model_validate({"task_key": "t", "spark_python_task": {"python_file": str(tmp_path / "no.py")}})
    outcome = PythonExecutor().run(task, make_context())
    assert isinstance(outcome, Failed)
    assert (outcome.failure.code, outcome.failure.setup) == ("RESOURCE_NOT_FOUND", True)


@pytest.mark.skipif(not ForkServer.is_possible(), reason="nothing can be forked safely here")
def test_a_forked_script_behaves_as_one_of_its_own(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    code = """
        import os, sys
        print(sys.argv[1:], os.getcwd(), __name__, sys.path[0])
        dbutils.jobs.taskValues.set("up", dbutils.jobs.taskValues.get("up", "n"))
        raise SystemExit(3)
    """
    with ForkServer.start(pool_size=0) as server:
        context = make_context(task_values={"up": {"n": 7}}, forkserver=server.address)
        outcome = PythonExecutor().run(script(tmp_path, code, "a"), context)
    assert isinstance(outcome, Failed)
    assert outcome.failure.error == "The program ended with exit code 3"
    assert outcome.values == {"up": 7}
    assert (context.folder / evidence.STDOUT).read_text() == f"['a'] {tmp_path} __main__ {tmp_path}\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_stopped_script_keeps_the_values_it_had_set(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    code = """
        import time
        dbutils.jobs.taskValues.set("k", 1)
        open("ready", "w").close()
        time.sleep(60)
    """
    context = make_context()

    def stop() -> None:
        while not (tmp_path / "ready").exists():
            threading.Event().wait(0.02)
        context.stop.stop()

    threading.Thread(target=stop, daemon=True).start()
    assert PythonExecutor().run(script(tmp_path, code), context) == Stopped({"k": 1})


def test_the_error_is_the_line_below_the_frames() -> None:
    frames = 'Traceback (most recent call last):\n  File "/x.py", line 3, in <module>\n    f()\n'
    stderr = f"noise\n{frames}my.pkg.Odd: one\ntwo\n"
    failure = failure_of(Ended(1), stderr)
    assert (failure.error, failure.file, failure.line) == ("my.pkg.Odd: one", "/x.py", 3)
    assert failure_of(Ended(-9), "").error == "The program was killed by SIGKILL"


# Wheels


def build_wheel(folder: Path, body: str) -> Path:
    """A wheel is a zip file with three papers in it."""
    wheel = folder / "smallpkg-1.0-py3-none-any.whl"
    info = "smallpkg-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("smallpkg/__init__.py", textwrap.dedent(body))
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: smallpkg\nVersion: 1.0\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/entry_points.txt", "[odd.group]\nrun = smallpkg:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


PACKAGE = """
    import sys
    def main():
        print("main", sys.argv)
    def other():
        print("other", sys.argv, "python" in sys.modules)
        import click
        from dbutils_local import dbutils
        dbutils.jobs.taskValues.set("k", 1)
"""


def wheel_task(wheel: Path | str, entry_point: str, **more: Any) -> Task:
    member = {"package_name": "smallpkg", "entry_point": entry_point, **more}
    return Task.model_validate({"task_key": "t", "python_wheel_task": member, "libraries": [{"whl": str(wheel)}]})


def test_a_wheel_runs_from_a_cached_environment_that_sees_the_drivers_packages(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    wheel = build_wheel(tmp_path, PACKAGE)
    context = make_context()
    outcome = WheelExecutor().run(wheel_task(f"./{wheel.name}", "run", parameters=["a", "b c"]), context)
    assert isinstance(outcome, Succeeded), outcome
    outcome = WheelExecutor().run(
        wheel_task(wheel.name, "other", named_parameters={"day": "x"}),
        replace(context, parameters={"day": "x", "env": "dev"}),
    )
    assert isinstance(outcome, Succeeded), outcome
    assert outcome.values == {"k": 1}
    assert (context.folder / evidence.STDOUT).read_text().splitlines() == [
        "main ['smallpkg', 'a', 'b c']",
        "other ['smallpkg', '--day=x', '--env=dev'] False",
    ]
    environments = [path for path in (context.home / "environments").iterdir() if path.is_dir()]
    assert len(environments) == 1
    build_wheel(tmp_path, PACKAGE.replace("main", "more").replace("def more", "def main"))
    assert isinstance(WheelExecutor().run(wheel_task(wheel.name, "run"), context), Succeeded)
    assert len([path for path in (context.home / "environments").iterdir() if path.is_dir()]) == 2


def test_a_library_that_is_not_there_fails_by_name(tmp_path: Path, make_context: Callable[..., TaskContext]) -> None:
    outcome = WheelExecutor().run(wheel_task("dist/none-1.0-py3-none-any.whl", "run"), make_context())
    assert isinstance(outcome, Failed)
    assert (outcome.failure.code, outcome.failure.setup) == ("LIBRARY_INSTALLATION_ERROR", True)
    assert "library dist/none-1.0-py3-none-any.whl: no such file; looked for" in outcome.failure.error


def test_without_an_index_the_sentence_says_what_to_do(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    context = make_context()
    nowhere = "http://127.0.0.1:9/simple"
    named = {"UV_DEFAULT_INDEX": nowhere, "PIP_INDEX_URL": nowhere, "PIP_RETRIES": "1", "UV_HTTP_RETRIES": "0"}
    context = replace(context, environ={**context.environ, **named}, dependencies=("no-such-package-of-ours==1",))
    task = script(tmp_path, "print(1)")
    outcome = PythonExecutor().run(task, context)
    assert isinstance(outcome, Failed)
    assert outcome.failure.error.startswith("Library installation failed for no-such-package-of-ours==1: ")
    assert "no package index could be reached" in outcome.failure.error
    assert not list((context.home / "environments").glob("*/.ok"))


def test_what_the_driver_has_already_needs_no_environment(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    context = make_context(dependencies=("click>=1", "# a comment", "", "nothing; python_version < '3'"))
    assert isinstance(PythonExecutor().run(script(tmp_path, "print(1)"), context), Succeeded)
    assert not (context.home / "environments").exists()


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("-r more.txt", ["-r", "{here}/more.txt"]),
        ("--requirement=more.txt", ["-r", "{here}/more.txt"]),
        ("-rmore.txt", ["-r", "{here}/more.txt"]),
        ("-e ./pack", ["--editable={here}/pack"]),
        ("--editable pack", ["--editable={here}/pack"]),
        ("-e git+https://host/x.git", ["--editable=git+https://host/x.git"]),
        ("./pack", ["{here}/pack"]),
        ("-c more.txt", []),
    ],
)
def test_the_lines_of_an_environment_are_those_of_a_requirements_file(
    tmp_path: Path, make_context: Callable[..., TaskContext], line: str, arguments: list[str]
) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "more.txt").write_text("click\n")
    context = make_context(dependencies=(line,), spec_folder=tmp_path)
    wanted = missing(wanted_by(script(tmp_path, ""), context))
    assert wanted.arguments == [one.format(here=tmp_path) for one in arguments]


def test_an_option_nobody_knows_fails_the_task_by_name(
    tmp_path: Path, make_context: Callable[..., TaskContext]
) -> None:
    outcome = PythonExecutor().run(script(tmp_path, "print(1)"), make_context(dependencies=("--pre",)))
    assert isinstance(outcome, Failed)
    assert "environment dependency '--pre': --pre is not known here" in outcome.failure.error


def test_a_package_without_that_entry_point_says_which_it_has() -> None:
    with pytest.raises(NoEntryPoint, match=r"no entry point or function 'nope'; its entry points: .*dbutils-local"):
        find("dbutils-local", "nope")
    with pytest.raises(NoEntryPoint, match="'no-such-pkg' is not installed"):
        find("no-such-pkg", "main")
