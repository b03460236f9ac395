"""What all kernels of a fork server would make alike, made once before the fork: a kernel adopts it as its own.

Above all the IPython shell. It is less work for each kernel, and less memory: a forked process gets its own copy of
every page it touches. A process that becomes no kernel puts it away.
"""

from __future__ import annotations

import atexit
import builtins
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from ipykernel import ipkernel
from ipykernel.compiler import XCachingCompiler
from ipykernel.ipkernel import IPythonKernel
from ipykernel.zmqshell import ZMQInteractiveShell

# Sections of the user's configuration that have no say in how a shell is made; one that has may open files there.
_HARMLESS = frozenset(
    {
        "Application",
        "BaseIPythonApplication",
        "HistoryManager",
        "IPKernelApp",
        "InlineBackend",
        "InteractiveShellApp",
    }
)


@dataclass(frozen=True)
class _Before:
    """What the making of a shell changes in its process, as it was before."""

    namespaces: tuple[tuple[dict[str, Any], dict[str, Any]], ...]
    main: Any
    environ: dict[str, str]
    path: list[str]
    filters: list[Any]

    @classmethod
    def now(cls) -> _Before:
        return cls(
            tuple((namespace, dict(namespace)) for namespace in (vars(sys), vars(builtins))),
            sys.modules["__main__"],
            dict(os.environ),
            sys.path[:],
            list(warnings.filters),
        )

    def put_back(self) -> None:
        for namespace, values in self.namespaces:
            for name in [name for name in namespace if name not in values]:
                del namespace[name]
            namespace.update(values)
        sys.modules["__main__"] = self.main
        self.put_back_environ()
        sys.path[:] = self.path
        filters: Any = warnings.filters
        filters[:] = self.filters

    def put_back_environ(self) -> None:
        os.environ.clear()
        os.environ.update(self.environ)


class _SysWithoutModules:
    """Stands for `sys` where a kernel would look at each module that there is."""

    modules: ClassVar[dict[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


_before: _Before | None = None
_files: list[str] = []


def prepare(app: Any) -> None:
    """Make the shell as `app`'s kernel would; nothing where the user's configuration may have a say in it."""
    global _before
    if not _is_plain(app):
        return
    _before = _Before.now()
    _files[:] = [file for module in sys.modules.copy().values() if (file := getattr(module, "__file__", None))]
    try:
        app.init_crash_handler()
        shell: Any = ZMQInteractiveShell.instance(
            parent=app,
            profile_dir=app.profile_dir,
            user_module=None,
            user_ns=None,
            kernel=None,
            compiler_class=XCachingCompiler,
        )
        _before.put_back_environ()
        shell.transform_cell("pass")  # the first cell of all compiles the patterns by which cells are read
    except Exception:  # noqa: BLE001 - the kernels will make theirs, and say what is wrong
        put_away()


def is_ready() -> bool:
    """Whether there is a shell to adopt."""
    return _before is not None


def _is_plain(app: Any) -> bool:
    config = app.config
    named = {name for name in config if config[name]}
    # That no history is written was said on the command line, which goes before any file.
    return app.kernel_class is IPythonKernel and named <= _HARMLESS and set(config["HistoryManager"]) == {"enabled"}


@contextmanager
def modules_known() -> Iterator[None]:
    """While a kernel is made: the files of the modules that are its own, for the debugger, are looked up no more."""
    module: Any = ipkernel
    if is_ready():
        module.sys = _SysWithoutModules()
    try:
        yield
    finally:
        module.sys = sys


def adopt(kernel: Any) -> None:
    """Let the shell belong to this kernel, whose output has been redirected by now, as if the kernel had made it."""
    if not is_ready():
        return
    if hasattr(kernel, "_kernel_modules"):  # ipykernel 7 on; without debugpy it has no debugger
        kernel._kernel_modules = _files
        if hasattr(kernel, "debugger"):
            kernel.debugger.kernel_modules = _files
    shell = kernel.shell
    shell.parent = shell.kernel = kernel
    for name in shell._orig_sys_module_state:
        shell._orig_sys_module_state[name] = getattr(sys, name)
    # What was registered last is called first: the shell cleans up before its channels are closed.
    atexit.unregister(shell.atexit_operations)
    atexit.register(shell.atexit_operations)


def put_away() -> None:
    """Undo `prepare`: this process is no kernel, or one whose shell must be another."""
    global _before
    if _before is None:
        return
    if ZMQInteractiveShell.initialized():
        atexit.unregister(ZMQInteractiveShell.instance().atexit_operations)
        ZMQInteractiveShell.clear_instance()
    _before.put_back()
    _before = None
