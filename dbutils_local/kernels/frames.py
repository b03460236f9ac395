"""One message on a unix socket: a length, then JSON; open files may travel along."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

_LENGTH = struct.Struct("!I")
MAX_FILES = 3
REST_TIMEOUT = 10.0  # seconds


def send(connection: socket.socket, message: dict[str, Any], files: Sequence[int] = ()) -> None:
    """Send one message; `files` are file descriptors the other side gets copies of."""
    body = json.dumps(message).encode()
    frame = _LENGTH.pack(len(body)) + body
    sent = socket.send_fds(connection, [frame], list(files)) if files else 0
    connection.sendall(frame[sent:])


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and the files that came with it; None when the other side has closed.

    The socket's timeout is for the beginning of a message; its rest must come within REST_TIMEOUT.
    """
    head, files, _, _ = socket.recv_fds(connection, _LENGTH.size, MAX_FILES)
    if not head:
        return None
    patience = connection.gettimeout()
    connection.settimeout(REST_TIMEOUT)
    try:
        head += _exactly(connection, _LENGTH.size - len(head))
        message: dict[str, Any] = json.loads(_exactly(connection, _LENGTH.unpack(head)[0]))
    finally:
        connection.settimeout(patience)
    return message, files


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            raise ConnectionResetError("the other side closed in the middle of a message")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
