"""`python -m dbutils_local` and the `dbutils-local` command."""

from __future__ import annotations

import os
import sys

_NOTEBOOKS = (".ipynb", ".sql", ".scala", ".r")


def main() -> None:
    """The command line; `drive` takes a short way in, because every detached run starts with it."""
    _speak_utf8()
    if len(sys.argv) == 3 and sys.argv[1] == "drive" and sys.argv[2].isdigit():
        _warm_up()
        from dbutils_local.workspace import Workspace

        Workspace.open().drive(int(sys.argv[2]))
        return
    if sys.argv[1:2] == ["run"] and any(_wants_kernels(word) for word in sys.argv[2:]):
        _warm_up()
    from dbutils_local.cli import main as cli

    cli()


def _speak_utf8() -> None:
    """Start again in UTF-8 mode where the locale knows no UTF-8: else a path that is not ASCII could not be named."""
    if sys.getfilesystemencoding().lower() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"  # for what this process starts
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def _warm_up() -> None:
    """Let a fork server import what kernels need while this process reads what it is to run."""
    from dbutils_local.errors import DbutilsLocalError
    from dbutils_local.kernels.forkserver import ForkServer
    from dbutils_local.settings import Settings

    try:
        settings = Settings.load()
    except DbutilsLocalError:
        return  # the command itself says what is wrong with them
    if settings.warm_kernels:
        ForkServer.start_early(settings.preload)


def _wants_kernels(word: str) -> bool:
    """A quick look: whether this word of a command line names a notebook, a bundle, or a file that names notebooks."""
    if os.path.isdir(word):
        return True
    if word.startswith("-") or not os.path.isfile(word) or not os.access(word, os.R_OK):
        return False
    if word.lower().endswith(_NOTEBOOKS):
        return True
    sign = b"# Databricks notebook source" if word.endswith(".py") else b"notebook_task"
    with open(word, "rb") as file:
        return sign in file.read(1 << 20)


if __name__ == "__main__":
    main()
