"""Starts detached runs quickly: forks their processes from one that has imported the engine already."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from types import TracebackType

from dbutils_local.engine.launch import driver_log, spawn
from dbutils_local.kernels.forkserver import ForkServer
from dbutils_local.kernels.kernel import KernelFailed
from dbutils_local.settings import PREFIX, Settings

# What a driver imports before its first task starts.
ENGINE = (
    "dbutils_local.asking",
    "dbutils_local.engine.conduct",
    "dbutils_local.executors.notebook",
    "dbutils_local.store.sqlite",
)


class Launcher:
    """Call it with a run id. Falls back to a new interpreter where forking is not safe or the fork server is gone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._server: ForkServer | None = None
        self._tried = False

    def start(self) -> None:
        """Begin importing now, so that the first run need not wait for it."""
        with self._lock:
            if not self._tried and self._settings.warm_kernels and ForkServer.is_possible():
                self._tried = True
                self._server = ForkServer.start(ENGINE, pool_size=0)

    def __call__(self, run_id: int) -> int:
        """The pid of the process that drives the run from now on; it outlives this one."""
        self.start()
        if self._server is not None:
            try:
                return self._fork(self._server, run_id)
            except KernelFailed:
                self.close()
        return spawn(self._settings, run_id)

    def _fork(self, server: ForkServer, run_id: int) -> int:
        environ = {**os.environ, f"{PREFIX}HOME": str(self._settings.home)}
        with driver_log(self._settings, run_id) as log:
            process = server.run(
                ["-m", "dbutils_local", "drive", str(run_id)],
                environ,
                Path.cwd(),
                stdout=log,
                stderr=log,
                detached=True,
            )
        return process.pid

    def close(self) -> None:
        """End the fork server; runs it started go on."""
        with self._lock, contextlib.suppress(OSError):
            if self._server is not None:
                self._server.close()
                self._server = None

    def __enter__(self) -> Launcher:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
