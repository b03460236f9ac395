"""Real third-party clients, each in a virtual environment of its own that is made once and kept below .venv."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.conftest import Served, start

ENVIRONMENTS = Path(__file__).parents[2] / ".venv" / "clients"
SCRIPTS = {
    "hello.py": "import sys\nprint('hello', *sys.argv[1:])\n",
    "broken.py": "raise SystemExit('broken on purpose')\n",
    "sleeper.py": "import time\ntime.sleep(60)\n",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """They install hundreds of megabytes: only `make test-clients` asks for them."""
    if "clients" in (config.option.markexpr or ""):
        return
    for item in items:
        if "clients" in item.keywords and Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason="run with: make test-clients"))


def environment(name: str, *packages: str) -> Path:
    """The interpreter of the environment `name`, with `packages` in it."""
    python = ENVIRONMENTS / name / "bin" / "python"
    ready = ENVIRONMENTS / name / ".ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENTS / name)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *packages], check=True)
        ready.touch()
    return python


def scripts(served: Served) -> None:
    """Something to run."""
    for name, text in SCRIPTS.items():
        (served.workspace / name).write_text(text)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a few scripts to run."""
    folder = tmp_path_factory.mktemp("clients")
    running = start(folder / "home", folder / "workspace")
    scripts(running)
    yield running
    running.end()
