"""Where things live and how much happens at once: environment, then file, then default.

Every setting has one name: `max_concurrency` is `DBUTILS_LOCAL_MAX_CONCURRENCY` in the environment and
`max_concurrency` in `<home>/config.toml`. Unknown keys in the file are refused by name.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dbutils_local.errors import HomeUnusable, UserError

PREFIX = "DBUTILS_LOCAL_"

# What code that asks for its runtime's version is told where the job names none: the shape it splits, and the
# runtime whose Spark and whose strictness are like the ones here.
RUNTIME = "17.3.x-local"
RUNTIME_KEY = "spark.databricks.clusterUsageTags.sparkVersion"


@dataclass(frozen=True)
class Settings:
    """All settings of one process; `Settings.load(os.environ)` is the usual way to get one."""

    home: Path
    workspace: Path | None = None  # None: the bundle's folder, else the git top level, else the current folder
    max_concurrency: int = 0  # task runs at once in one run; 0 = as many as are ready, bounded by 2 kernels a core + 4
    warm_kernels: bool = True  # False: every kernel starts the ordinary way
    pool_size: int = 2  # kernels kept ready a fork server
    preload: tuple[str, ...] = ()  # modules imported once by the fork server, for instance pandas
    retention_days: int = 60  # as Databricks: runs older than this are deleted; 0 = none ever is
    sql_engine: str = "auto"  # auto | duckdb | spark
    # Catalogs that exist besides `main`; `workspace` is the one new workspaces come with.
    catalogs: tuple[str, ...] = ("workspace",)
    schemas: tuple[str, ...] = ()  # schemas that exist besides `default`, each `catalog.schema`, or one of `main`
    delta_jars: Path | None = None  # folder with the Delta jars for Spark; None: we keep Delta tables ourselves
    spark_conf: Mapping[str, str] = field(default_factory=dict)  # more Spark settings, stronger than ours
    spark_engine: str = "auto"  # auto | pyspark | sail | connect | databricks-connect
    secret_store: str = "file"  # file | keyring | an entry point of group dbutils_local.secret_stores
    on_widget_change: str = "run_accessed_commands"  # or run_notebook, do_nothing; needs the labextension
    widget_order: str = "name"  # name | creation
    strict_status: bool = False  # True: a missing job or run answers 400 as the old back end, not 404
    allowed_roots: tuple[
        str, ...
    ] = ()  # folders besides the workspace root whose files jobs that come over HTTP may name
    user: str = field(default="local@localhost")
    destinations: Mapping[str, str] = field(default_factory=dict)  # notification destination id -> url or command
    queries: Mapping[str, str] = field(default_factory=dict)  # sql_task query_id -> .sql file
    smtp_host: str = ""  # the server that notification mails go through; empty: no mail is sent, each is noted
    smtp_port: int = 25
    smtp_security: str = "none"  # none | starttls | ssl
    smtp_user: str = ""
    smtp_password: str = field(default="", repr=False)
    smtp_from: str = ""  # the sender's address; empty: `user`

    @property
    def database(self) -> Path:
        """The history: one SQLite file."""
        return self.home / "history.sqlite"

    @property
    def namespaces(self) -> Mapping[str, tuple[str, ...]]:
        """The catalogs that exist besides `main`, and `main` where it is named, each with its schemas."""
        found: dict[str, tuple[str, ...]] = dict.fromkeys(self.catalogs, ())
        for name in self.schemas:
            catalog, _, schema = name.rpartition(".")
            found[catalog or "main"] = (*found.get(catalog or "main", ()), schema)
        return found

    @property
    def runs(self) -> Path:
        """Artifacts: `runs/<run_id>/<task_key>/<attempt>/`."""
        return self.home / "runs"

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Settings from `environ` (default: this process's), then `<home>/config.toml`, then the defaults."""
        env = os.environ if environ is None else environ
        home = (
            Path(env.get(f"{PREFIX}HOME") or Path(env.get("HOME") or Path.home()) / ".dbutils_local")
            .expanduser()
            .absolute()
        )
        values: dict[str, Any] = _from_file(home / "config.toml") | _from_environ(env)
        return cls(home=home, **values)

    def ensure_home(self) -> Path:
        """Create the home folder, mode 0700, or say why it cannot be."""
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise HomeUnusable(
                f"cannot create the home folder {self.home}: {error.strerror}; "
                f"set {PREFIX}HOME to a folder you can write"
            ) from error
        if not os.access(self.home, os.W_OK | os.X_OK):
            raise HomeUnusable(
                f"the home folder {self.home} is not writable; set {PREFIX}HOME to a folder you can write"
            )
        return self.home


_FIELDS = {f.name: f for f in fields(Settings) if f.name != "home"}


# Only what nothing else would refuse when it is used.
_CHOICES = {"smtp_security": ("none", "starttls", "ssl")}
_AT_MOST = {"smtp_port": 65535}


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    found = {name: environ[PREFIX + name.upper()] for name in _FIELDS if environ.get(PREFIX + name.upper())}
    return {
        name: _parse(name, text, f"the environment variable {PREFIX}{name.upper()}") for name, text in found.items()
    }


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    unknown = sorted(set(table) - set(_FIELDS))
    if unknown:
        raise UserError(f"{path}: unknown setting {unknown[0]!r}; known ones: {', '.join(sorted(_FIELDS))}")
    return {name: _parse(name, value, str(path)) for name, value in table.items()}


def _parse(name: str, value: Any, where: str) -> Any:
    kind = str(_FIELDS[name].type)
    try:
        if kind == "bool":
            return (
                value
                if isinstance(value, bool)
                else {"1": True, "true": True, "0": False, "false": False}[value.lower()]
            )
        if kind == "int":
            return _whole(int(value), _AT_MOST.get(name))
        if kind.startswith("tuple"):
            return tuple(
                value if isinstance(value, list) else [part for part in value.replace(",", " ").split() if part]
            )
        if kind.startswith("Mapping"):
            return dict(value) if isinstance(value, dict) else _pairs(value)
        if kind.startswith("Path"):
            return Path(value).expanduser().absolute()
        if not isinstance(value, str) or value not in _CHOICES.get(name, (value,)):
            raise ValueError(value)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        known = f"; known ones: {', '.join(_CHOICES[name])}" if name in _CHOICES else ""
        raise UserError(f"{where}: {name} cannot be {value!r}{known}") from error
    return value


def _pairs(text: str) -> dict[str, str]:
    """`a=1,b=2`, or a JSON object, which can hold commas."""
    if text.lstrip().startswith("{"):
        return {name: str(value) for name, value in json.loads(text).items()}
    return dict(pair.split("=", 1) for pair in text.split(",") if pair)


def _whole(number: int, at_most: int | None) -> int:
    if number < 0 or (at_most is not None and number > at_most):
        raise ValueError(number)
    return number
