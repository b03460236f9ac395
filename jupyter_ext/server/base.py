"""What every door shares: who may pass, JSON in and out, and errors told once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from jupyter_server.utils import ensure_async
from tornado import web

from dbutils_local.errors import DbutilsLocalError
from dbutils_local.wire.errors import ErrorReply, error_reply, http_reply
from dbutils_local.wire.reading import MAX_BODY, parse_body
from jupyter_ext.server.desk import Desk

RESOURCE = "dbutils_local"  # what Jupyter's authorizer is asked about
_NO_TOKEN = "No valid credentials were sent: send 'Authorization: Bearer TOKEN' with the token of this server."


@dataclass(frozen=True)
class Call:
    """One request: `values` are its query parameters and body as one table, `host` the address it came to."""

    version: str
    values: Mapping[str, Any]
    host: str
    parts: tuple[str, ...] = ()  # what the path's pattern captured


Answer = Callable[[Desk, "Call"], dict[str, Any]]


@dataclass
class Doors:
    """All endpoints by method and path."""

    table: dict[tuple[str, str], Answer] = field(default_factory=dict)

    def door(self, method: str, path: str) -> Callable[[Answer], Answer]:
        """Register the function below for a path such as `jobs/runs/get`."""

        def register(answer: Answer) -> Answer:
            self.table[method, path] = answer
            return answer

        return register

    def __or__(self, other: Doors) -> Doors:
        """The doors of both."""
        return Doors(self.table | other.table)

    def methods(self, path: str) -> list[str]:
        """The methods a path answers to."""
        return [method for method, known in self.table if known == path]


class Guarded(ExtensionHandlerMixin, JupyterHandler):
    """Lets in whoever Jupyter knows: a token in the header, or its login cookie together with the XSRF token."""

    @property
    def desk(self) -> Desk:
        """Opened at the first request: a Jupyter server that never sees one pays nothing."""
        app: Any = self.extensionapp
        desk: Desk = app.desk
        return desk

    @property
    def host(self) -> str:
        return f"{self.request.protocol}://{self.request.host}{self.base_url.rstrip('/')}"

    def check_xsrf_cookie(self) -> None:
        """As Jupyter, but a stranger is told 401 by `prepare` rather than 403 here."""
        if getattr(self, "_jupyter_current_user", None) is not None:
            super().check_xsrf_cookie()

    async def prepare(self) -> None:  # type: ignore[override]
        """Jupyter's own checks, then 401 for strangers and 403 for users who may not."""
        if not self.check_host():
            raise web.HTTPError(403, "This server does not answer to that host name.")
        try:
            await super().prepare()
        except web.HTTPError as error:
            if error.status_code == 403 and self.current_user is None:
                raise web.HTTPError(401, _NO_TOKEN) from error
            raise
        if self.current_user is None:
            self.refuse_stranger()
            return
        action = "read" if self.request.method in ("GET", "HEAD") else "write"
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, RESOURCE)):
            raise web.HTTPError(403, f"User {self.current_user.username} may not {action} {RESOURCE} on this server.")

    def refuse_stranger(self) -> None:
        """Nobody we know."""
        raise web.HTTPError(401, _NO_TOKEN)

    def log_exception(self, *info: Any) -> None:
        """What a client asked wrongly is no failure of the server."""
        if not (info and isinstance(info[1], DbutilsLocalError)):
            super().log_exception(*info)

    def error_of(self, status: int, error: BaseException | None) -> ErrorReply:
        """Any exception as status, code and sentence."""
        if error is None or isinstance(error, web.HTTPError):
            reason = getattr(error, "log_message", None) or getattr(error, "reason", None) or self._reason
            return http_reply(status, reason)
        return error_reply(error, strict=getattr(self.extensionapp, "strict", False))


@web.stream_request_body
class Api(Guarded, APIHandler):
    """`/api/2.x/...`: looks the door up in the table and answers JSON."""

    def initialize(self, name: str, doors: Doors) -> None:
        super().initialize(name)
        self.doors = doors
        self._body = bytearray()
        self._received = 0

    def data_received(self, chunk: bytes) -> None:
        """Keep the body up to the limit; the rest is counted and forgotten."""
        self._received += len(chunk)
        if self._received <= MAX_BODY:
            self._body += chunk

    async def _answer(self, version: str, path: str) -> None:
        answer = self._door(path.rstrip("/"))
        if self._received > MAX_BODY:
            raise web.HTTPError(413, f"The request body is over the limit of {MAX_BODY} bytes (10 MB).")
        call = Call(version, self._values(), self.host)
        self.reply(await asyncio.to_thread(lambda: answer(self.desk, call)))

    get = post = put = patch = _answer

    def _door(self, path: str) -> Answer:
        method = str(self.request.method)
        answer = self.doors.table.get((method, path)) or self._numbered(method, path)
        if answer is not None:
            return answer
        if known := self.doors.methods(path):
            raise web.HTTPError(405, f"{path} answers to {' and '.join(known)}, not to {method}.")
        raise web.HTTPError(501, f"The endpoint {method} {self.request.path} is not served here.")

    def _numbered(self, method: str, path: str) -> Answer | None:
        """A door whose path holds an id: `permissions/jobs/12`."""
        parts = path.split("/")
        for place, part in enumerate(parts):
            if part.isascii() and part.isdigit():
                answer = self.doors.table.get((method, "/".join([*parts[:place], "{id}", *parts[place + 1 :]])))
                if answer is not None:
                    return lambda desk, call: answer(desk, Call(call.version, call.values, call.host, (part,)))
        return None

    def _values(self) -> dict[str, Any]:
        """Body and query as one table: one client sends a GET's parameters as a JSON body (jobs reference, 6.2)."""
        values = parse_body(bytes(self._body))
        for name in self.request.query_arguments:
            if name != "token":
                values[name] = self.get_query_argument(name)
        return values

    def reply(self, body: Mapping[str, Any], status: int = 200) -> None:
        """Answer JSON."""
        self.set_status(status)
        self.set_header("X-Databricks-Org-Id", "0")
        self.finish(json.dumps(body, ensure_ascii=False, default=str))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """The one place where errors become answers."""
        info = kwargs.get("exc_info")
        told = self.error_of(status_code, info[1] if info else None)
        if told.status == 401:
            self.set_header("WWW-Authenticate", 'Bearer realm="dbutils-local"')
        self.set_header("Content-Type", "application/json")
        self.reply(told.body, told.status)

    @allow_unauthenticated
    def options(self, *args: Any, **kwargs: Any) -> None:
        """No cross-origin use: the answer allows nothing."""
        self.set_status(204)
        self.finish()
