"""What `doctor` says about warm kernels on this machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from dbutils_local.kernels.forkserver import ForkServer
from dbutils_local.kernels.kernel import KernelFailed


@dataclass(frozen=True)
class Support:
    """Whether kernels start warm here, and if not, why."""

    is_warm: bool
    reason: str

    def __str__(self) -> str:
        return self.reason


def support(preload: Sequence[str] = ()) -> Support:
    """Try it: start a fork server with this preload and ask whether it may fork; takes as long as its imports."""
    if not ForkServer.is_possible():
        return Support(False, f"kernels start the ordinary way: forking is not safe on {sys.platform}")
    try:
        with ForkServer.start(preload, pool_size=0) as server:
            unsafe = server.ask({"do": "ping"})["unsafe"]
    except KernelFailed as error:
        return Support(False, f"kernels start the ordinary way: {error}")
    if unsafe:
        return Support(False, f"kernels start the ordinary way: {unsafe}")
    return Support(True, "kernels start warm, forked from a process that has imported what they need")
