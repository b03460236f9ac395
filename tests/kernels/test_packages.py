"""What a notebook installs with %pip: its own, seen by what it starts, gone with it."""

from __future__ import annotations

import importlib.metadata
import os
import sys
import zipfile
from pathlib import Path

import pytest

from dbutils_local.kernels import packages
from dbutils_local.kernels.environment import VARIABLE
from dbutils_local.kernels.kernel import KernelRequest
from tests.kernels.conftest import RunCells, printed

SHOWS = "import ours_alone, sys; print(ours_alone.WORD, 'packages' in ours_alone.__file__)"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of one module."""
    return _wheel(tmp_path, "ours_alone", "1.0", "WORD = 'installed'\n")


def _wheel(folder: Path, name: str, version: str, code: str) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(file, text)
    return path


def _install(wheel: Path) -> str:
    return f"%pip install --quiet --no-index --no-deps {wheel}"


def test_what_a_notebook_installs_is_there_at_once_and_for_the_programs_it_starts(
    run_cells: RunCells, wheel: Path
) -> None:
    run = run_cells(
        _install(wheel),
        SHOWS,
        f"import subprocess\nprint(subprocess.check_output([sys.executable, '-c', {SHOWS!r}], text=True))",
        "print(subprocess.check_output(['python', '-c', 'import ours_alone, IPython; print(1 + 1)'], text=True))",
        extensions=None,
    )
    assert run.failure is None
    assert printed(run).count("installed True") == 2
    assert printed(run).rstrip().endswith("2")


@pytest.mark.parametrize("command", ["!pip install", "%sh pip install", "!cd . && python -m pip install"])
def test_what_the_shells_pip_installs_is_the_notebooks_own_too(run_cells: RunCells, wheel: Path, command: str) -> None:
    run = run_cells(f"{command} --quiet --no-index --no-deps {wheel}", SHOWS, extensions=None)
    assert run.failure is None
    assert "installed True" in printed(run)


def test_what_installers_say_is_for_reading_later(run_cells: RunCells, wheel: Path) -> None:
    run = run_cells(_install(wheel), "import os; print(os.environ['PIP_PROGRESS_BAR'])", extensions=None)
    assert printed(run).endswith("off\n")


def test_what_a_notebook_installs_is_kept_over_a_restart(run_cells: RunCells, wheel: Path) -> None:
    run = run_cells(_install(wheel) + "\ndbutils.library.restartPython()", SHOWS, extensions=None)
    assert run.failure is None
    assert "installed True" in printed(run)


def test_what_a_notebook_installs_shadows_the_drivers_version_after_a_restart(
    run_cells: RunCells, tmp_path: Path
) -> None:
    older = _wheel(tmp_path, "fastjsonschema", "0.1", "WORD = 'older'\n")
    run = run_cells(
        f"%pip install --quiet --no-index --no-deps {older}",
        "dbutils.library.restartPython()",
        "import fastjsonschema\nfrom importlib.metadata import version",
        "print(version('fastjsonschema'), fastjsonschema.WORD)",
        extensions=None,
    )
    assert printed(run).rstrip().endswith("0.1 older")
    assert importlib.metadata.version("fastjsonschema") != "0.1"


def test_the_drivers_environment_stays_as_it_was_and_the_next_notebook_starts_without(
    run_cells: RunCells, wheel: Path
) -> None:
    run_cells(_install(wheel), extensions=None)
    assert "ours-alone" not in {one.name.replace("_", "-") for one in importlib.metadata.distributions()}
    assert "ModuleNotFoundError" in str(run_cells("import ours_alone", extensions=None).failure)


def test_asking_pip_what_is_there_changes_nothing(run_cells: RunCells) -> None:
    run = run_cells("%pip --version", "import sys; print(sys.executable)", extensions=None)
    assert printed(run).rstrip().endswith(sys.executable)


def test_a_process_nobody_of_ours_started_has_no_packages_of_its_own() -> None:
    assert packages.folder_of({}) is None


def test_a_kernel_after_a_restart_is_the_same_where_nothing_was_installed(tmp_path: Path) -> None:
    request = KernelRequest({VARIABLE: str(tmp_path / "birth.json"), "PATH": "/bin"}, tmp_path, forkserver="somewhere")
    assert packages.after_restart(request) is request


def test_a_kernel_after_a_restart_runs_on_the_notebooks_own_interpreter(tmp_path: Path) -> None:
    request = KernelRequest({VARIABLE: str(tmp_path / "birth.json"), "PATH": "/bin"}, tmp_path)
    folder = packages.folder_of(request.environ)
    assert folder is not None
    packages.make(folder)
    again = packages.after_restart(request)
    assert again.python == packages.python_in(folder)
    assert again.environ["PATH"] == os.pathsep.join((str(folder / "bin"), "/bin"))
    assert packages.after_restart(again).environ["PATH"] == again.environ["PATH"]


def test_the_shells_python_is_the_notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    assert packages.with_this_python({"PATH": "/usr/bin"})["PATH"] == os.pathsep.join((str(programs), "/usr/bin"))
    (programs / "python").write_text("#!/bin/sh\n")
    (programs / "python").chmod(0o755)
    found = {"PATH": os.pathsep.join(("/nowhere", str(programs)))}
    assert packages.with_this_python(found) == found


@pytest.mark.parametrize(
    ("command", "changes"),
    [
        ("pip install x", True),
        ("cd y && python -m pip -q install -r z", True),
        ("uv pip install x", True),
        ("pip list", False),
        ("pip --version; make install", False),
        ("npm install pip-like", False),
    ],
)
def test_a_command_that_changes_packages_is_known(command: str, changes: bool) -> None:
    assert packages.are_changed_by(command) is changes
