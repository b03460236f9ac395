"""Secrets stay inside: what a kernel prints, shows and raises, whole and in pieces."""

from __future__ import annotations

import json
from typing import Any

import pytest

SECRET = "s3cr3t-value-of-ours"


@pytest.fixture(scope="module")
def kernel(kernel: Any) -> Any:
    kernel(f"from dbutils_local.dbutils.handle import current_session; current_session().redactor.learn({SECRET!r})")
    kernel(f"secret = {SECRET[::-1]!r}[::-1]")
    return kernel


def everything(ran: Any) -> str:
    return json.dumps([message["content"] for message in ran.messages if message["msg_type"] != "execute_input"])


@pytest.mark.parametrize(
    "code",
    [
        "print(secret)",
        "import sys; sys.stderr.write(secret)",
        "secret",
        "display({'a': secret})",
        "displayHTML(f'<b>{secret}</b>')",
        "raise ValueError(secret)",
        "dbutils.notebook.exit(secret)",
        "%sh echo s3cr3t-value-of-$(echo ours)",
        "!echo s3cr3t-value-of-$(echo ours)",
        "import pandas; display(pandas.DataFrame({'a': [secret]}))",
    ],
)
def test_a_secret_is_hidden_wherever_it_would_show(kernel: Any, code: str) -> None:
    ran = kernel(code)
    assert SECRET not in everything(ran)
    assert SECRET not in ran.evalue
    assert "[REDACTED]" in everything(ran)


def test_a_secret_printed_in_pieces_is_hidden(kernel: Any) -> None:
    ran = kernel("import time\nfor letter in secret:\n    print(letter, end='', flush=True)\n    time.sleep(0.01)")
    assert ran.stdout == "[REDACTED]"


def test_the_beginning_of_a_secret_is_shown_when_nothing_follows(kernel: Any) -> None:
    assert kernel("print(secret[:6], end='')").stdout == SECRET[:6]
    assert kernel("print('a'); print(secret[:6], end='')").stdout == f"a\n{SECRET[:6]}"


def test_other_text_keeps_its_order(kernel: Any) -> None:
    ran = kernel("import sys\nfor i in range(200):\n    print(i, end=' ', flush=i % 7 == 0)")
    assert ran.stdout == "".join(f"{i} " for i in range(200))


def test_in_a_terminal_secrets_are_hidden_too(capsys: Any, shell: Any) -> None:
    from dbutils_local.dbutils.handle import current_session

    # pytest has put streams of its own in place since the extension was loaded.
    shell.extension_manager.reload_extension("dbutils_local")
    current_session().redactor.learn(SECRET)
    shell.user_ns["secret"] = SECRET
    shell.run_cell("print(secret)\nsecret")
    out = capsys.readouterr().out
    assert SECRET not in out
    assert out.count("[REDACTED]") >= 1
