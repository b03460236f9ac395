"""Runs a plain Python file as a Databricks job runs it: `dbutils` and `spark` are there without being imported.

`python -m dbutils_local.dbutils.script FILE ARGUMENT...` behaves as `python FILE ARGUMENT...` does in all else:
`sys.argv`, `sys.path[0]`, `__name__`, `__file__`, tracebacks and exit codes.
"""

from __future__ import annotations

import builtins
import sys
from collections import ChainMap
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, Final

from dbutils_local.dbutils import mounts, shims
from dbutils_local.dbutils.exits import NotebookExit
from dbutils_local.dbutils.handle import current, current_session
from dbutils_local.dbutils.session import Session
from dbutils_local.redaction import RedactedText

INTERRUPTED: Final = 130


def run_script(path: str, argv: Sequence[str]) -> int:
    """Run the file as `__main__` in this process; returns the exit code. SystemExit of the script is let through."""
    session = current_session()
    main = _new_main(path, argv)
    prepare(session, main.__dict__)
    try:
        _say_what_is_skipped(session, path)
        return _execute(path, main)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()


def prepare(session: Session, namespace: dict[str, Any]) -> None:
    """Put into `namespace`, and into this process, what code on Databricks finds."""
    from dbutils_local import spark

    sys.stdout = RedactedText(sys.stdout, session.redactor)
    sys.stderr = RedactedText(sys.stderr, session.redactor)
    namespace["dbutils"] = current()
    spark.install(namespace, session.settings)
    # A script has no cell to draw in; `from databricks.sdk.runtime import display` still has to give something.
    shims.install(ChainMap(namespace, {"display": show, "displayHTML": print}))
    mounts.install(session.birth.home, session.birth.workspace_root)


def show(value: Any = None, *args: Any, **kwargs: Any) -> None:
    """`display` without a notebook: a Spark frame shows itself, anything else is printed."""
    if value is not None:
        value.show() if hasattr(value, "show") and hasattr(value, "schema") else print(value)


def _new_main(path: str, argv: Sequence[str]) -> ModuleType:
    main = ModuleType("__main__")
    main.__dict__.update(__file__=path, __builtins__=builtins, __spec__=None, __cached__=None)
    sys.modules["__main__"] = main
    sys.argv = [path, *argv]
    sys.path[0] = str(Path(path).resolve().parent)
    return main


def _execute(path: str, main: ModuleType) -> int:
    try:
        exec(_compiled(path), main.__dict__)  # the user's own file, as they asked
    except NotebookExit as error:
        print(f"Notebook exited: {error.value}")
        return 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever the user's code raises is shown as Python does
        error.__traceback__ = _own_frames(error.__traceback__)
        sys.excepthook(type(error), error, error.__traceback__)
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _compiled(path: str) -> CodeType:
    # From bytes, so that a coding line counts.
    return compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without this file's frame."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return trace


def _say_what_is_skipped(session: Session, path: str) -> None:
    """A notebook in source form run as a plain file: its magics are comments, on Databricks too, but who means that?"""
    try:
        text = Path(path).read_text("utf-8", "replace")
    except OSError:
        return
    count = sum(line.startswith("# MAGIC %") for line in text.splitlines())
    if text.startswith("# Databricks notebook source") and count:
        lost = f"its {count} MAGIC cells are comments and do not run"
        session.notice(f"{path} is a notebook run as a plain Python file: {lost}; make it a notebook_task")


def main(argv: Sequence[str]) -> int:
    """The command: the file, then its arguments."""
    if not argv:
        print("usage: python -m dbutils_local.dbutils.script FILE [ARGUMENT...]", file=sys.stderr)
        return 2
    if not Path(argv[0]).is_file():
        print(f"{argv[0]}: no such file", file=sys.stderr)
        return 2
    return run_script(argv[0], argv[1:])


if __name__ == "__main__":
    # `-m` makes this module __main__, which is to be the script's; the work is done by the module of the proper name.
    from dbutils_local.dbutils import script

    sys.exit(script.main(sys.argv[1:]))
