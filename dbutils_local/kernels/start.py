"""Decides how a kernel is started: warm from a fork server where that is possible, else the ordinary way, visibly."""

from __future__ import annotations

from dbutils_local.kernels.forkserver import ForkServer, Patience, Refused, ServerGone
from dbutils_local.kernels.kernel import PLAIN_PYTHON, Kernel, KernelRequest, OrdinaryKernel


def start_kernel(request: KernelRequest, patience: Patience | None = None) -> Kernel:
    """A ready kernel as asked for; KernelFailed says why there is none."""
    is_python = request.name is None or request.name in PLAIN_PYTHON
    if request.forkserver is None or request.python is not None or not is_python:
        return OrdinaryKernel.start(request)
    try:
        return ForkServer.connect(request.forkserver).kernel(request, patience)
    except Refused as refusal:
        # A kernel that merely needs another environment is no news; a server that can fork nothing is.
        notices = (f"kernels start the ordinary way: {refusal}",) if refusal.unsafe else ()
    except ServerGone as error:
        notices = (f"kernels start the ordinary way: {error}",)
    kernel = OrdinaryKernel.start(request)
    kernel.notices = notices
    return kernel
