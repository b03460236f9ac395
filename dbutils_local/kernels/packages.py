"""The packages a notebook installs for itself: an environment over the driver's own, gone when the notebook ends."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import site
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dbutils_local.kernels.environment import VARIABLE
from dbutils_local.kernels.kernel import KernelRequest

_FOLDER = "packages"  # beside the birth file, and like it thrown away after the notebook
_NAMES = ("python", "python3")
# What installers say is kept in the executed notebook: no colours, and no bars drawn over and over.
_PLAIN = {"PIP_NO_COLOR": "1", "PIP_PROGRESS_BAR": "off", "UV_NO_PROGRESS": "1"}
# A command line that changes what is installed.
_CHANGE = re.compile(r"\b(?:pip3?|uv)\b[^\n;|&]*\b(?:install|uninstall|add|remove|sync)\b")


def folder_of(environ: Mapping[str, str]) -> Path | None:
    """Where the notebook of a process with this environment keeps its packages; None: nobody of ours started it."""
    birth = environ.get(VARIABLE)
    return Path(birth).parent / _FOLDER if birth else None


def are_changed_by(command: str) -> bool:
    """Whether a command line has pip or uv change what is installed."""
    return _CHANGE.search(command) is not None


def python_in(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def make(folder: Path) -> None:
    """An empty environment, with this process's packages behind its own; nothing where there is one already."""
    if python_in(folder).exists():
        return
    import venv

    venv.EnvBuilder(symlinks=sys.platform != "win32").create(folder)
    see_parent(folder)
    if sys.platform != "win32":
        _make_pip(folder)


def _make_pip(folder: Path) -> None:
    """`pip` in the shell is the one of this environment too; its code is the parent's."""
    for name in ("pip", "pip3"):
        script = python_in(folder).with_name(name)
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(python_in(folder)))} -m pip "$@"\n', "utf-8")
        script.chmod(0o755)


def see_parent(folder: Path) -> None:
    """Let an environment see this process's packages behind its own, editable installs included.

    `--system-site-packages` will not do: made from a venv's interpreter it shows the base interpreter's packages.
    """
    lines = [f"import site; site.addsitedir({parent!r})\n" for parent in _parents()]
    (_packages_of(folder) / "_parent.pth").write_text("".join(lines), "utf-8")


def enter(folder: Path) -> None:
    """Work in this environment from now on: what is imported, and what is started as `python` or sys.executable."""
    ours, before = str(_packages_of(folder)), list(sys.path)
    site.addsitedir(ours)
    added = [entry for entry in sys.path if entry not in before]
    parents = _parents()
    place = next((index for index, entry in enumerate(before) if entry in parents or entry == ours), len(before))
    sys.path[:] = [*before[:place], *added, *before[place:]]
    sys.executable = str(python_in(folder))
    os.environ["PATH"] = _before(os.environ, folder)
    for name, value in _PLAIN.items():
        os.environ.setdefault(name, value)


def after_restart(request: KernelRequest) -> KernelRequest:
    """The kernel that goes on after a restart: where packages were installed, in their environment's interpreter.

    Not from the fork server: it has imported the driver's versions already.
    """
    folder = folder_of(request.environ)
    if folder is None or not python_in(folder).exists():
        return request
    environ = dict(request.environ) | {"PATH": _before(request.environ, folder)}
    return replace(request, environ=environ, python=python_in(folder))


def _before(environ: Mapping[str, str], folder: Path) -> str:
    return _first(environ, python_in(folder).parent)


def _first(environ: Mapping[str, str], programs: Path) -> str:
    path = environ.get("PATH", os.defpath)
    return path if path.split(os.pathsep)[0] == str(programs) else os.pathsep.join((str(programs), path))


def with_this_python(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with this interpreter as its `python`: on Databricks the shell's and the notebook's are one."""
    programs, path = Path(sys.executable).parent, environ.get("PATH")
    if any(found and Path(found).parent == programs for found in (shutil.which(name, path=path) for name in _NAMES)):
        return dict(environ)
    return {**environ, "PATH": _first(environ, programs)}


def _parents() -> list[str]:
    return list(dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))))


def _packages_of(folder: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
