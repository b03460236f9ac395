"""The command line: words, and nothing that decides."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import click

from dbutils_local import __version__
from dbutils_local.errors import DbutilsLocalError, HomeUnusable, InvalidSpec, UserError

# Each verb's module is imported when the verb is used: `--help` and `fs ls` must answer at once.
_VERBS = {
    "run": "run",
    "validate": "validate",
    "runs": "runs",
    "jobs": "jobs",
    "serve": "serve",
    "convert": "files",
    "fs": "files",
    "secrets": "secrets",
    "doctor": "doctor",
    "install-startup": "startup",
    "drive": "drive",
}


class Verbs(click.Group):
    """A group whose commands are imported when asked for, and whose errors become one sentence and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in _VERBS if name != "drive"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _VERBS.get(cmd_name)
        if module is None:
            return None
        command = getattr(importlib.import_module(f"dbutils_local.cli.{module}"), cmd_name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            _require_folder()
            return super().invoke(ctx)
        except UserError as error:
            fail(error, 2)
        except DbutilsLocalError as error:
            fail(error, 1)
        except BrokenPipeError:
            sys.exit(1)
        except OSError as error:
            fail(_of_system(error), 1)


def _require_folder() -> None:
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise UserError("the current folder is no longer there: change to one that is") from error


def _of_system(error: OSError) -> Exception:
    """What the operating system refused, in a sentence: disk full, read-only, no permission."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HomeUnusable("the disk is full: free some space, or set DBUTILS_LOCAL_HOME to another disk")
    where = f"{error.filename}: " if error.filename else ""
    return HomeUnusable(f"{where}{error.strerror or error}")


def fail(error: Exception, code: int) -> None:
    """One clear message on stderr, no traceback; of a spec each fault with its own severity."""
    found = error.problems if isinstance(error, InvalidSpec) else ()
    for severity, text in [(one.severity, str(one)) for one in found] or [("error", str(error))]:
        for line in text.splitlines() or [type(error).__name__]:
            click.echo(f"{severity}: {line}", err=True)
    sys.exit(code)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="dbutils-local")
def main() -> None:
    """Databricks notebooks and multi-task jobs, unmodified, on this machine.

    \b
    Example:
      dbutils-local run databricks.yml --job nightly -p day=2026-11-22
    """
