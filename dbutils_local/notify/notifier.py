"""Sends the messages of a run from a thread of its own: the run neither waits for a server nor fails with it."""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from dbutils_local.core.events import Event
from dbutils_local.core.state import RunState
from dbutils_local.errors import UserError
from dbutils_local.notify.rules import Message, Rules, messages
from dbutils_local.settings import Settings

LOG = "notifications.jsonl"  # below the home: one line a delivery, sent or not
TRIES = 3
PAUSE_SECONDS = 0.5  # before the second try; twice that before the third
FLUSH_SECONDS = 20.0  # how long the end of a run waits for what is still on its way

_log = logging.getLogger("dbutils_local.notify")


class Notifier:
    """A listener of runs; a context manager, whose end waits for its messages, within a bound."""

    def __init__(self, settings: Settings, *, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._settings = settings
        self._flush_seconds = flush_seconds
        self._rules: dict[int, tuple[Mapping[str, Any], Rules]] = {}
        self._queue: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._said: set[str] = set()
        self._on_the_way = 0

    def hear(self, state: RunState, events: tuple[Event, ...]) -> None:
        """Take note of events that were just stored; `state` reflects them."""
        rules = self._rules_of(state)
        if not rules.job.any and not rules.tasks:
            return
        for event in events:
            for message in messages(rules, state, event):
                self._send(message)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        self._queue.put(None)
        self._thread.join(self._flush_seconds)
        if self._thread.is_alive():
            self._say(f"notifications were still on their way after {self._flush_seconds:.0f} s and were given up")

    def _rules_of(self, state: RunState) -> Rules:
        known = self._rules.get(state.run_id)
        # A repair brings the settings as they are now: another object.
        if known is None or known[0] is not state.settings:
            known = (state.settings, Rules.of(state.settings))
            self._rules[state.run_id] = known
        return known[1]

    def _send(self, message: Message) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="notifications", daemon=True)
            self._thread.start()
        self._queue.put(message)

    def _work(self) -> None:
        while (message := self._queue.get()) is not None:
            for one in _deliveries(message):
                self._deliver(one)

    def _deliver(self, message: Message) -> None:
        """One message to one place; whatever goes wrong is written down."""
        to = ", ".join(message.addresses) or message.destinations[0]
        problem = _tried(lambda: self._attempt(message))
        self._write(message, to, problem)
        if problem:
            self._say(
                problem if problem.startswith(("no mail", "notification")) else f"notification to {to}: {problem}"
            )

    def _attempt(self, message: Message) -> None:
        # Here, because the libraries it needs cost a run without notifications 30 ms.
        from dbutils_local.notify.channels import send_mail, send_to

        if message.addresses:
            send_mail(message.addresses, message, self._settings)
        else:
            send_to(message.destinations[0], message, self._settings)

    def _write(self, message: Message, to: str, problem: str) -> None:
        record = {"at": time.time_ns() // 1_000_000, "to": to, "sent": not problem, "problem": problem}
        line = json.dumps({**record, **message.payload}) + "\n"
        with suppress(OSError):
            handle = os.open(self._settings.home / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(handle, line.encode())
            finally:
                os.close(handle)

    def _say(self, sentence: str) -> None:
        """Once each: a job of a thousand tasks must not say it a thousand times."""
        if sentence not in self._said:
            self._said.add(sentence)
            _log.warning(sentence)


def tell(settings: Settings, state: RunState, events: tuple[Event, ...]) -> None:
    """Send what events of a run that nobody drives are worth, without waiting; the process stays until it is done."""
    rules = Rules.of(state.settings)
    if not any(messages(rules, state, event) for event in events):
        return

    def work() -> None:
        with Notifier(settings) as notifier:
            notifier.hear(state, events)

    threading.Thread(target=work, name="notifications").start()


def _deliveries(message: Message) -> list[Message]:
    """One message for all addresses together, one for each destination."""
    mail = [replace(message, destinations=())] if message.addresses else []
    return [*mail, *(replace(message, addresses=(), destinations=(one,)) for one in message.destinations)]


def _tried(attempt: Callable[[], None]) -> str:
    """Empty once it was delivered, else why not; what can never work is tried once."""
    problem = ""
    for number in range(TRIES):
        if number:
            time.sleep(PAUSE_SECONDS * 2 ** (number - 1))
        try:
            attempt()
            return ""
        except UserError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - servers and other packages' channels fail in every way there is
            problem = f"{type(error).__name__}: {error}"
    return problem
