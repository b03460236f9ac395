"""One JupyterLab server and one headless Chromium for all browser tests, with a notebook opened anew for each."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

REPOSITORY = Path(__file__).parents[2]
TIMEOUT = 60_000  # ms: a loaded machine is slow
TOKEN = "tok-of-the-browser-tests"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    url: str
    root: Path
    home: Path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        reason = "chromium is not installed: apt-get install chromium"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return str(found)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    _chromium()
    base = tmp_path_factory.mktemp("lab")
    root, home = base / "root", base / "home"
    root.mkdir()
    (home / ".jupyter" / "labconfig").mkdir(parents=True)
    news = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    (home / ".jupyter" / "labconfig" / "page_config.json").write_text(json.dumps(news))
    _install_kernel(home / ".local" / "share" / "jupyter" / "kernels" / "loaded")
    # The checkout's own files: an editable install holds copies that may be old.
    extensions = base / "labextensions"
    extensions.mkdir()
    shutil.copytree(REPOSITORY / "jupyter_ext" / "labextension", extensions / "dbutils-local")
    port = _free_port()
    command = [
        *(sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
        *(f"--ServerApp.root_dir={root}", f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True"),
        f"--LabApp.extra_labextensions_path={extensions}",
    ]
    environ = {
        **os.environ,
        "HOME": str(home),
        "DBUTILS_LOCAL_HOME": str(home / "dbutils"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_PLATFORM_DIRS": "0",
    }
    with open(base / "log", "wb") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api", process, base / "log")
        yield Lab(f"http://127.0.0.1:{port}", root, home / "dbutils")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _install_kernel(folder: Path) -> None:
    """A kernel that has the extension from its start, as after `dbutils-local install-startup`."""
    folder.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--ext=dbutils_local"]
    spec = {"argv": argv, "display_name": "Loaded", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT / 1000
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@dataclass
class Screen:
    """The one browser page, and what it asked for and complained of."""

    page: Any
    lab: Lab
    requests: list[str]
    complaints: list[str]

    def load(self, *, reset: bool) -> None:
        """Load JupyterLab (anew)."""
        self.page.goto(f"{self.lab.url}/lab?{'reset&' if reset else ''}token={TOKEN}")
        self.page.wait_for_function("window.jupyterapp && jupyterapp.restored")
        self.page.evaluate("jupyterapp.restored")

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme."""
        self.page.evaluate("theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", name)
        self.page.wait_for_function("name => document.body.dataset.jpThemeName === name", arg=name)
        self.page.wait_for_timeout(300)

    def shoot(self, name: str) -> Path:
        """Keep a picture under artifacts/."""
        folder = REPOSITORY / "artifacts" / "browser"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(folder / f"{name}.png"))
        return folder / f"{name}.png"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The one Chromium of all browser tests: two at once in a process get into each other's way."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def screen(lab: Lab, browser: Any) -> Screen:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(TIMEOUT)
    seen = Screen(page, lab, [], [])
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.load(reset=True)
    return seen


class Notebook:
    """A notebook open in JupyterLab; cells count from 0."""

    def __init__(self, screen: Screen, path: Path) -> None:
        self.screen = screen
        self.page = screen.page
        self.path = path
        self.panel = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        self.cells = self.panel.locator(".jp-Notebook .jp-Cell")
        self.bar = self.panel.locator(".dbl-bar")
        self.reopen()

    def reopen(self) -> None:
        """Open it, and wait until its kernel is connected."""
        self.page.evaluate(
            """async path => {
              const w = await jupyterapp.commands.execute('docmanager:open', {path});
              await w.context.ready; await w.revealed; await w.sessionContext.ready;
              await w.sessionContext.session.kernel.info
            }""",
            self.path.relative_to(self.screen.lab.root).as_posix(),
        )

    def start(self, index: int) -> None:
        """Run a cell and return at once."""
        self.page.evaluate(
            "i => { const nb = jupyterapp.shell.currentWidget.content; nb.activeCellIndex = i; nb.deselectAll(); "
            "jupyterapp.commands.execute('notebook:run-cell') }",
            index,
        )

    def run(self, index: int) -> str:
        """Run a cell to its end; returns its output as text."""
        self.start(index)
        return self.wait(index)

    def run_all(self) -> None:
        """Run every cell; returns at once."""
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")

    def wait(self, index: int, timeout: float = TIMEOUT) -> str:
        """Wait for a cell's end; returns its output as text."""
        from playwright.sync_api import expect

        expect(self.cells.nth(index).locator(".jp-InputPrompt")).to_have_text(re.compile(r"\[\d+\]"), timeout=timeout)
        return self.text(index)

    def code_cells(self) -> list[int]:
        """Which cells hold code."""
        cells: list[str] = self.page.evaluate(
            "jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.type)"
        )
        return [index for index, kind in enumerate(cells) if kind == "code"]

    def text(self, index: int) -> str:
        """What a cell's outputs say."""
        return "\n".join(self.cells.nth(index).locator(".jp-OutputArea-output").all_inner_texts())

    def saved(self) -> Any:
        """Save it and read the file."""
        self.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        return nbformat.read(self.path, as_version=4)

    def close(self) -> None:
        """Save, end the kernel, close the tab."""
        self.page.evaluate(
            """async () => { const w = jupyterapp.shell.currentWidget;
              await w.context.save(); await w.sessionContext.shutdown(); w.dispose() }"""
        )


@pytest.fixture
def open_file(screen: Screen) -> Iterator[Callable[[Path], Notebook]]:
    """`open_file(path)`: a notebook below the server's root, open and ready."""
    opened: list[Notebook] = []

    def make(path: Path) -> Notebook:
        opened.append(Notebook(screen, path))
        return opened[-1]

    yield make
    for notebook in opened:
        notebook.close()


@pytest.fixture
def open_notebook(
    screen: Screen, open_file: Callable[[Path], Notebook], request: pytest.FixtureRequest
) -> Callable[..., Notebook]:
    """`open_notebook([sources], kernel=...)`: a new notebook of these code cells, open and ready."""

    def make(sources: list[str], kernel: str = "python3") -> Notebook:
        path = screen.lab.root / f"{request.node.name}.ipynb"
        node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        node.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
        nbformat.write(node, path)
        return open_file(path)

    return make
