"""Messages that leave this machine: to a real SMTP conversation, a real HTTP server and a real command."""

from __future__ import annotations

import json
import logging
import shlex
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dbutils_local.core import machine
from dbutils_local.core.events import Event, RunCreated, RunSkipped, RunStarted
from dbutils_local.notify import Notifier, notifier, tell
from dbutils_local.notify.notifier import LOG
from dbutils_local.settings import Settings


class Receiver(ThreadingHTTPServer):
    """An HTTP server that answers with the statuses it was given, then 200."""

    daemon_threads = True

    def __init__(self, statuses: list[int]) -> None:
        self.statuses = statuses
        self.got: list[tuple[str, dict[str, str], Any]] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), json.loads(body)))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        return


class Post(socketserver.ThreadingTCPServer):
    """As much of an SMTP server as one mail needs."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        self.mails: list[str] = []
        super().__init__(("127.0.0.1", 0), _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Post)
        self.wfile.write(b"220 here\r\n")
        lines: list[str] = []
        in_data = False
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if in_data:
                lines.append(line)
                if line != ".":
                    continue
                in_data = False
                self.server.mails.append("\n".join(lines))
                self.wfile.write(b"250 ok\r\n")
            elif line.upper() == "DATA":
                in_data = True
                self.wfile.write(b"354 go on\r\n")
            elif line.upper() == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "PAUSE_SECONDS", 0.01)


def start_run(settings: Settings, job: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Have the start of a run told, and read what was written down about it."""
    whole = {"name": "nightly", "tasks": [{"task_key": "t", "notebook_task": {"notebook_path": "/n"}}], **job}
    events: tuple[Event, ...] = (RunStarted(2),)
    state = machine.fold([RunCreated(at=1, run_id=50, job_id=7, settings=whole), *events])
    with Notifier(settings, **more) as told:
        told.hear(state, events)
    log = settings.home / LOG
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def hooks(*ids: str) -> dict[str, Any]:
    return {"webhook_notifications": {"on_start": [{"id": one} for one in ids]}}


def test_a_webhook_is_posted_with_its_credentials_in_the_header(tmp_path: Path) -> None:
    with serving(Receiver([])) as server:
        url = f"http://me:s%40cret@127.0.0.1:{server.server_port}/hook?a=1"
        [record] = start_run(Settings(tmp_path, destinations={"slack": url}), hooks("slack"))
    [(path, headers, payload)] = server.got
    assert path == "/hook?a=1"
    assert headers["Authorization"] == "Basic bWU6c0BjcmV0"
    assert headers["Content-Type"] == "application/json"
    assert payload["event_type"] == "jobs.on_start"
    assert (record["sent"], record["to"]) == (True, "slack")
    assert "cret" not in (tmp_path / LOG).read_text()


def test_a_webhook_is_tried_three_times(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with serving(Receiver([500, 503])) as server:
        destinations = {"a": f"http://127.0.0.1:{server.server_port}/"}
        [record] = start_run(Settings(tmp_path, destinations=destinations), hooks("a"))
        assert (record["sent"], len(server.got)) == (True, 3)
        server.statuses[:] = [500] * 5
        record = start_run(Settings(tmp_path, destinations=destinations), hooks("a"))[-1]
    assert (record["sent"], len(server.got)) == (False, 6)
    assert "HTTP Error 500" in record["problem"]
    assert "notification to a: HTTPError" in caplog.text


def test_an_id_that_is_not_mapped_is_written_down_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        records = start_run(Settings(tmp_path), hooks("x", "x", "y"))
    assert [record["sent"] for record in records] == [False, False, False]
    assert caplog.text.count("notification destination 'x' is not mapped on this machine") == 1


def test_a_mail_goes_through_the_server_of_the_settings(tmp_path: Path) -> None:
    with serving(Post()) as server:
        settings = Settings(
            tmp_path, smtp_host="127.0.0.1", smtp_port=server.server_address[1], smtp_from="runs@example.org"
        )
        [record] = start_run(settings, {"email_notifications": {"on_start": ["a@example.org", "b@example.org"]}})
    assert record["sent"] is True, record
    [mail] = server.mails
    assert "To: a@example.org, b@example.org" in mail
    assert "From: runs@example.org" in mail
    assert "Subject: Job nightly: started" in mail


def test_without_a_mail_server_the_mail_is_written_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    [record] = start_run(Settings(tmp_path), {"email_notifications": {"on_start": ["a@b"]}})
    assert record["problem"] == "no mail is sent: the setting smtp_host names no SMTP server"
    assert "no mail is sent" in caplog.text


def test_a_command_gets_the_payload_on_its_input(tmp_path: Path) -> None:
    code = f"import sys; open({str(tmp_path / 'got')!r}, 'w').write(sys.stdin.read())"
    command = shlex.join([sys.executable, "-c", code])
    [record] = start_run(Settings(tmp_path, destinations={"c": f"command:{command}"}), hooks("c"))
    assert record["sent"] is True, record
    assert json.loads((tmp_path / "got").read_text())["run"] == {"run_id": 50}


def test_a_failing_command_and_an_unknown_scheme_are_told_by_name(tmp_path: Path) -> None:
    command = shlex.join([sys.executable, "-c", "import sys; sys.exit('no such channel')"])
    destinations = {"c": f"command:{command}", "o": "odd+scheme://x"}
    failed, odd = start_run(Settings(tmp_path, destinations=destinations), hooks("c", "o"))
    assert "ended with exit code 1: no such channel" in failed["problem"]
    assert "dbutils-local[notify]" in odd["problem"] or "of no kind that apprise knows" in odd["problem"]


def test_a_server_that_never_answers_does_not_hold_up_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = "import time; time.sleep(1)"
    command = shlex.join([sys.executable, "-c", code])
    start_run(Settings(tmp_path, destinations={"c": f"command:{command}"}), hooks("c"), flush_seconds=0.05)
    assert "were still on their way after" in caplog.text
    for thread in threading.enumerate():
        if thread.name == "notifications":
            thread.join()


def test_a_run_that_tells_nobody_starts_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    assert start_run(Settings(tmp_path), {}) == []
    assert threading.active_count() == before


def test_what_happens_to_a_run_that_nobody_drives_is_told_without_waiting(tmp_path: Path) -> None:
    with serving(Receiver([])) as server:
        settings = Settings(tmp_path, destinations={"a": f"http://127.0.0.1:{server.server_port}/"})
        failing = {"webhook_notifications": {"on_failure": [{"id": "a"}]}}
        job = {"name": "j", "tasks": [{"task_key": "t", "notebook_task": {"notebook_path": "/n"}}], **failing}
        skipped = RunSkipped(2, "too many")
        state = machine.fold([RunCreated(at=1, run_id=50, job_id=7, settings=job), skipped])
        tell(settings, state, (skipped,))
        for thread in threading.enumerate():
            if thread.name == "notifications":
                thread.join()
    assert [payload["event_type"] for _, _, payload in server.got] == ["jobs.on_failure"]
