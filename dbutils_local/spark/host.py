"""The process that owns the one Spark JVM of a fork server's kernels: `python -m dbutils_local.spark.host FD JSON`.

It ends with its JVM, and the fork server ends it. Its JVM stands in the DBFS folder, where Databricks' relative paths
lead.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dbutils_local.errors import DbutilsLocalError
from dbutils_local.kernels import frames
from dbutils_local.spark import jvm, sharing


@dataclass(frozen=True)
class Wanted:
    """What a host is told: the home it works in, and every Spark setting but those that name its scratch folder."""

    home: str
    conf: dict[str, str]

    @property
    def scratches(self) -> Path:
        """Where each process with a JVM of its own has its scratch folder, named after its pid."""
        return Path(self.home) / "spark"

    def text(self) -> str:
        """As the host's argument."""
        return json.dumps(asdict(self), sort_keys=True)


def main(argv: Sequence[str]) -> int:
    """Start the JVM and lend it until it ends."""
    listener = socket.socket(fileno=int(argv[0]))
    wanted = Wanted(**json.loads(argv[1]))
    scratch = jvm.new_scratch(wanted.scratches)
    folder = Path(wanted.home) / "dbfs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.chdir(folder)
    try:
        spark = jvm.launch(wanted.conf, scratch)
    except DbutilsLocalError as error:
        _refuse_all(listener, str(error))
        return 1
    threading.Thread(target=_end_with, args=(spark,), daemon=True).start()
    sharing.serve(listener, lambda: spark, lambda: scratch)
    return 0


def _end_with(spark: object) -> None:
    """Go when the JVM is gone: the next to ask gets a new host."""
    from pyspark import SparkContext

    SparkContext._gateway.proc.wait()  # type: ignore[union-attr]
    os._exit(1)


def _refuse_all(listener: socket.socket, why: str) -> None:
    """Tell those that wait why there is no Spark."""
    listener.settimeout(0.1)
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            frames.send(connection, {"failed": why})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
