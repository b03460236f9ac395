"""The server extension, and the same alone: `dbutils-local serve`."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
import sys
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool
from traitlets.config import Config

from dbutils_local.errors import HomeUnusable, UserError
from dbutils_local.settings import Settings
from jupyter_ext import LABEXTENSION
from jupyter_ext.server.base import Api
from jupyter_ext.server.desk import Desk
from jupyter_ext.server.discovery import DISCOVERY, Front, WellKnown
from jupyter_ext.server.jobs import JOBS
from jupyter_ext.server.pages import PAGES
from jupyter_ext.server.runs import RUNS

DOORS = JOBS | RUNS | DISCOVERY


class App(ExtensionApp):
    """Jobs REST API and run pages in a Jupyter server."""

    name = "dbutils_local"
    app_name = "dbutils-local"
    description = "The Databricks Jobs REST API and run pages for local jobs"
    extension_url = "/dbutils-local/"
    load_other_extensions = False
    alone = Bool(False, help="Nothing else is served: the root leads to the run pages, and triggers run here.").tag(
        config=True
    )

    def initialize_settings(self) -> None:
        """The desk is opened by the first request, unless this server is there for nothing else."""
        self._opening = threading.Lock()
        os.environ[LABEXTENSION] = "1"  # kernels inherit it
        if self.alone:
            self.opened()

    def initialize_handlers(self) -> None:
        """Our doors; none of them is one of Jupyter's own."""
        self.handlers.extend(
            [
                (r"/api/(2\.[0-2])/(.+)", Api, {"doors": DOORS}),
                (r"/\.well-known/databricks-config", WellKnown),
                *PAGES,
            ]
        )
        if self.alone:
            self.handlers.append((r"/", Front))

    @property
    def desk(self) -> Desk:
        """The one desk of this server."""
        with self._opening:
            return self._desk

    @cached_property
    def _desk(self) -> Desk:
        root = self.serverapp.root_dir if self.serverapp is not None else "."
        return Desk.open(Path(root).expanduser().absolute())

    def opened(self) -> Desk:
        """The desk, opened now if it was not yet."""
        return self.desk

    @property
    def strict(self) -> bool:
        """Whether a missing job or run answers 400."""
        return "_desk" in self.__dict__ and self._desk.strict

    async def stop_extension(self) -> None:
        """Let go of the desk; runs in flight go on in their own processes."""
        desk = self.__dict__.pop("_desk", None)
        if desk is not None:
            desk.close()


def serve(*, host: str = "127.0.0.1", port: int = 8765, token: str | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; without a `token` one is made up and printed. Runs outlive the server."""
    home = Settings.load()
    _check_home(home)
    _check_address(host, port)
    made_up = not token
    known = token or secrets.token_urlsafe(24)
    app: Any = App  # Jupyter's class methods carry no types
    server = app.initialize_server(argv=[], config=_config(host, port, known))
    where = f"http://{_bracketed(host)}:{server.port}{server.base_url.rstrip('/')}"
    lines = [
        f"Jobs REST API on {where} (home {home.home}); stop with Ctrl-C, runs go on",
        f"run pages: {where}/dbutils-local/" + (f"?token={known}" if made_up else ""),
        *([f"token: {known}"] if made_up else []),
    ]
    if not _is_loopback(host):
        lines.append(f"warning: {host} can be reached from other machines; whoever has the token can run code here")
    # Behind the callback that binds the port: what is said is true.
    server.io_loop.add_callback(_say, "\n".join(lines))
    server.start()


def _config(host: str, port: int, token: str) -> Config:
    config = Config()
    config.ServerApp.update(
        {
            "ip": host,
            "port": port,
            "port_retries": 0,
            "open_browser": False,
            "allow_root": True,
            "answer_yes": True,
            "log_level": "WARN",
            "allow_remote_access": not _is_loopback(host),
            "root_dir": str(Path.cwd()),
        }
    )
    config.IdentityProvider.token = token
    config.App.alone = True
    return config


def _check_home(settings: Settings) -> None:
    try:
        settings.ensure_home()
    except HomeUnusable as error:
        raise UserError(str(error)) from error


def _check_address(host: str, port: int) -> None:
    """A sentence now rather than a failure after everything was set up."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise UserError(f"cannot listen on {_bracketed(host)}:{port}: {error.strerror or error}") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> Any:
    """`jupyter dbutils-local`, for people who start everything with `jupyter`."""
    app: Any = App
    return app.launch_instance()
