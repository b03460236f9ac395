"""Heavy parts of papermill and nbformat come when they are used, and then they are the real ones."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

CODE = """
import sys
from dbutils_local.imports import import_nbformat, import_papermill
import_papermill(), import_nbformat()
print([name for name in ("arrow", "requests", "pyarrow") if name in sys.modules])
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
validator = Draft202012Validator({"format": "duration"}, format_checker=Draft202012Validator.FORMAT_CHECKER)
print(validator.is_valid("P1DT2H"), validator.is_valid("P-nonsense"))
"""


@pytest.mark.skipif(importlib.util.find_spec("isoduration") is None, reason="jsonschema checks no formats here")
def test_what_checks_durations_is_imported_when_a_duration_is_checked():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "True False"]
