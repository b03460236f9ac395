"""README says what the code does: its support table is the models' own, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from dbutils_local.cli import main
from dbutils_local.spec.support import support_table

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_the_support_table_is_generated_from_the_models():
    begin, end = "<!-- support table: begin -->", "<!-- support table: end -->"
    shown = README.split(begin)[1].split(end)[0].strip()
    assert shown == support_table().strip(), "run: make readme"


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"dbutils-local ([a-z-]+)", README)) - {"serve"}))
def test_every_verb_the_readme_shows_exists(verb):
    result = CliRunner().invoke(main, [verb, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output
