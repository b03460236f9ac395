"""What `dbutils` in one process knows of where it stands."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbutils_local.dbutils.exits import Exits
from dbutils_local.dbutils.widgets import Widgets
from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.outbox import Notice, Outbox, Saying
from dbutils_local.redaction import Redactor

if TYPE_CHECKING:
    from dbutils_local.settings import Settings


class Session:
    """One process's surroundings: its birth, its outbox, its widgets, the secrets it has read.

    Everything heavy is made when first asked for: a session is made at every kernel start.
    """

    def __init__(self, birth: Birth, environ: Mapping[str, str]) -> None:
        self.birth = birth
        self.environ = environ
        self.redactor = Redactor()
        self.exits = Exits()
        self.widgets = Widgets(birth.parameters, self.notice)
        self.rest: list[
            tuple[str, int]
        ] = []  # where notebooks that come in by %run go on after a restart, outermost first
        self._take_saved_widgets()
        self._outbox = Outbox(birth.outbox) if birth.outbox is not None else None
        self._take_over()

    @classmethod
    def of_this_process(cls, environ: Mapping[str, str] | None = None) -> Session:
        """The session the environment tells of, or one for a person working by hand in the current folder."""
        env = os.environ if environ is None else environ
        return cls(Birth.read(env) or by_hand(env, Path.cwd()), env)

    @cached_property
    def settings(self) -> Settings:
        """The settings, with the home this process was born with."""
        from dataclasses import replace

        from dbutils_local.settings import Settings

        return replace(Settings.load(self.environ), home=self.birth.home)

    @cached_property
    def interactive_folder(self) -> Path:
        """Where a process that belongs to no attempt keeps what it makes: one folder a process, as long as runs."""
        if self.settings.retention_days > 0:
            from dbutils_local.store.artifacts import forget_interactive

            forget_interactive(self.birth.home, time.time() - self.settings.retention_days * 86_400)
        return self.birth.home / "interactive" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"

    @property
    def is_job(self) -> bool:
        """Whether this process works for a task of a job (a notebook.run child is no task: its task key is empty)."""
        return self.birth.job is not None and bool(self.birth.job.task_key)

    def _take_saved_widgets(self) -> None:
        if self.birth.notebook_file is not None and self.birth.notebook_file.suffix == ".ipynb":
            from dbutils_local.dbutils.saved import saved_widgets

            self.widgets.restore(saved_widgets(self.birth.notebook_file, is_job=self.birth.job is not None))

    def keep(self, rest: Sequence[tuple[str, int]] = ()) -> None:
        """Leave what the process after a restart goes on with beside the outbox (reference 6.4)."""
        if self._restart_file is not None:
            with os.fdopen(os.open(self._restart_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(self.kept(rest), file)

    def kept(self, rest: Sequence[tuple[str, int]] = ()) -> dict[str, Any]:
        """What goes over into the process after a restart, as JSON-like values."""
        return self.widgets.kept() | {"rest": list(rest)}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take over what `kept` gave in the process before."""
        self.widgets.restore(kept)
        self.rest = [(path, cell) for path, cell in kept["rest"]]

    def goes_on_at(self, path: Path) -> int:
        """The cell with which the notebook at `path` goes on: its first, unless a restart came in the middle of it."""
        if self.rest and self.rest[0][0] == str(path):
            return self.rest.pop(0)[1]
        return 0

    def _take_over(self) -> None:
        if self._restart_file is None or not self._restart_file.is_file():
            return
        self.restore(json.loads(self._restart_file.read_text("utf-8")))
        self._restart_file.unlink()
        # Which secrets the process before had fetched is not written anywhere.
        from dbutils_local.secrets import Vault

        self.redactor.learn(*Vault.open(self.settings, self.environ).values())

    @property
    def _restart_file(self) -> Path | None:
        return self.birth.outbox.with_name("restart.json") if self.birth.outbox is not None else None

    def say(self, saying: Saying) -> None:
        """Tell the driver, if there is one."""
        if self._outbox is not None:
            self._outbox.say(saying)

    def notice(self, message: str) -> None:
        """One line for the user: on stderr, where the cell shows it, and kept with the attempt."""
        text = self.redactor.redact(message)
        print(f"dbutils: {text}", file=sys.stderr)
        self.say(Notice(text))


def by_hand(environ: Mapping[str, str], folder: Path) -> Birth:
    """The birth of a process nobody of ours started: a person's notebook in `folder`."""
    home = (
        Path(environ.get("DBUTILS_LOCAL_HOME") or Path(environ.get("HOME") or Path.home()) / ".dbutils_local")
        .expanduser()
        .absolute()
    )
    root = (
        Path(environ["DBUTILS_LOCAL_WORKSPACE"]).expanduser().absolute()
        if environ.get("DBUTILS_LOCAL_WORKSPACE")
        else _git_top(folder)
    )
    file = _notebook_file(environ, folder)
    return Birth(
        home=home,
        workspace_root=root,
        notebook_path=_workspace_path(file or folder / "Untitled", root),
        notebook_file=file,
    )


def _git_top(folder: Path) -> Path:
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)


def _notebook_file(environ: Mapping[str, str], folder: Path) -> Path | None:
    # JupyterLab names the notebook here, VS Code's debugger in the second one.
    for variable in ("JPY_SESSION_NAME", "DATABRICKS_SOURCE_FILE"):
        name = environ.get(variable)
        if name and (folder / Path(name).name).is_file():
            return folder / Path(name).name
    return None


def _workspace_path(file: Path, root: Path) -> str:
    plain = file.with_suffix("")
    return "/" + (plain.relative_to(root).as_posix() if plain.is_relative_to(root) else plain.as_posix().lstrip("/"))
