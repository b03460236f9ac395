"""The ways a message leaves this machine: mail, webhook, command, and whatever other packages or apprise offer."""

from __future__ import annotations

import base64
import json
import shlex
import smtplib
import subprocess
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage
from importlib import import_module
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from dbutils_local.errors import MissingExtra, UserError
from dbutils_local.notify.rules import Message
from dbutils_local.settings import Settings

GROUP = "dbutils_local.channels"  # entry points named after a URL scheme: callables (url, message, settings) -> None
TIMEOUT_SECONDS = 5.0
COMMAND_TIMEOUT_SECONDS = 30.0

Channel = Callable[[str, Message, Settings], None]


class NoChannel(UserError):
    """Nothing on this machine can deliver there; the message says what would."""


def send_mail(addresses: tuple[str, ...], message: Message, settings: Settings) -> None:
    """Send one mail to all addresses through the SMTP server of the settings; raises what the server says."""
    if not settings.smtp_host:
        raise NoChannel("no mail is sent: the setting smtp_host names no SMTP server")
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.subject.split())
    mail["From"] = settings.smtp_from or settings.user
    mail["To"] = ", ".join(addresses)
    mail.set_content(message.body)
    kind = smtplib.SMTP_SSL if settings.smtp_security == "ssl" else smtplib.SMTP
    with kind(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS) as server:
        if settings.smtp_security == "starttls":
            server.starttls()
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password)
        server.send_message(mail)


def send_to(destination: str, message: Message, settings: Settings) -> None:
    """Send to a notification destination by its id; NoChannel if nothing is known of it, else what went wrong."""
    url = settings.destinations.get(destination)
    if not url:
        raise NoChannel(
            f"notification destination {destination!r} is not mapped on this machine: set it under [destinations] in "
            "config.toml to a URL or to `command:...`"
        )
    channel_for(url)(url, message, settings)


def channel_for(url: str) -> Channel:
    """What delivers to a URL: by its scheme ours, another package's, or apprise."""
    scheme = url.partition(":")[0].lower()
    ours: dict[str, Channel] = {"http": _post, "https": _post, "command": _call, "mailto": _mail}
    return ours.get(scheme) or _named_elsewhere(scheme) or _apprise


def _mail(url: str, message: Message, settings: Settings) -> None:
    send_mail((unquote(url.partition(":")[2]),), message, settings)


def _post(url: str, message: Message, settings: Settings) -> None:
    plain, authorization = _without_credentials(url)
    headers = {"Content-Type": "application/json", "User-Agent": "dbutils-local", **authorization}
    body = json.dumps(message.payload).encode()
    request = urllib.request.Request(plain, data=body, headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        answer.read()


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """A URL as it may be requested, and the basic authentication that was written into it."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=place)), {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _call(url: str, message: Message, settings: Settings) -> None:
    """Run a command with the payload as JSON on its standard input."""
    command = shlex.split(url.partition(":")[2])
    payload = json.dumps(message.payload)
    done = subprocess.run(
        command, input=payload, text=True, capture_output=True, timeout=COMMAND_TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0:
        last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "")
        raise OSError(f"{command[0]} ended with exit code {done.returncode}" + (f": {last}" if last else ""))


def _named_elsewhere(scheme: str) -> Channel | None:
    from importlib.metadata import entry_points

    for point in entry_points(group=GROUP, name=scheme):
        channel: Channel = point.load()
        return channel
    return None


def _apprise(url: str, message: Message, settings: Settings) -> None:
    try:
        apprise: Any = import_module("apprise")
    except ImportError:
        raise MissingExtra(f"a notification destination of scheme {urlsplit(url).scheme!r}", "notify") from None
    sender = apprise.Apprise()
    if not sender.add(url):
        raise NoChannel("the notification destination's URL is of no kind that apprise knows")
    if not sender.notify(title=message.subject, body=message.body):
        raise OSError("apprise could not deliver")
