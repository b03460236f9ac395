"""What an attempt leaves is made safe to keep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbutils_local.executors.attempt import redact_file

SECRET = 'a"b\nsecret'


def _redact(text: str) -> str:
    return text.replace(SECRET, "[REDACTED]")


@pytest.mark.parametrize("name", ["n.ipynb", "outbox.jsonl"])
def test_a_secret_goes_in_the_form_that_json_gives_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(json.dumps({"é": [SECRET, 1]}, indent=1 if name.endswith("ipynb") else None))
    redact_file(file, _redact)
    assert json.loads(file.read_text()) == {"é": ["[REDACTED]", 1]}


@pytest.mark.parametrize("text", ['{ "a" :1}\nplain\n', "", "no end"])
def test_a_file_without_secrets_stays_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "log"
    file.write_text(text)
    redact_file(file, _redact)
    redact_file(tmp_path / "missing", _redact)
    assert file.read_text() == text
