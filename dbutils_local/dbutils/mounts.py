"""`open('/dbfs/…')`, `/Volumes/…` and `/Workspace/…` in ordinary Python code, as folders of this machine.

The functions of `builtins`, `io` and `os` that take a path are wrapped, in our kernels and scripts only, and step aside
for every path that does not begin so, and for one that really exists on this machine. What opens files in C by itself
(duckdb, pyarrow given a folder) or is another program does not see it: in the command lines of `%sh`, `!`, `%pip`,
`os.system` and `subprocess` the paths that are written out are replaced. A link made once by the owner of the machine
does the same for every program: `sudo ln -s ~/.dbutils_local/dbfs /dbfs`. We do not make it: it would be one for all
homes.
"""

from __future__ import annotations

import builtins
import functools
import importlib.machinery
import io
import os
import posixpath
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dbutils_local.errors import UserError
from dbutils_local.files import Mounts
from dbutils_local.paths import Places, to_open

PREFIXES: Final = ("/dbfs", "/Volumes", "/Workspace")
VOLUME_DEPTH: Final = 4  # Volumes / catalog / schema / volume

# Functions of os that take a path; the second group makes something there, the third takes two.
_READING: Final = (
    *("stat", "lstat", "access", "statvfs", "readlink", "getxattr", "listxattr", "listdir", "scandir", "chdir"),
    *("remove", "unlink", "rmdir", "truncate", "chmod", "chown", "lchown", "utime"),
)
_MAKING: Final = ("mkdir", "mkfifo")
_OPEN_KEPT: Final = (("IPython.core.interactiveshell", "io_open"), ("tarfile", "bltn_open"))  # copies of `open`
_PAIRS: Final = ("rename", "replace", "link", "symlink")
_CAPABILITIES: Final = ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids")

# A path written out in a command line, up to what only the shell can know.
_WRITTEN: Final = re.compile(r"(?<![\w/.~-])/(?:dbfs|Volumes|Workspace)(?![\w.-])[^\s'\"`;|&<>()$*?\[\]{}\\,:=#]*")
_OPTION_WITH_PATH: Final = re.compile(r"-{0,2}[\w.-]+=/(?:dbfs|Volumes|Workspace)(?:/|\Z)")
_SHELLS: Final = frozenset({"sh", "bash", "dash", "ksh", "zsh"})

_lstat = os.lstat  # the real one: the wrapped one asks us


class NoLocalPath(UserError, OSError):
    """A path below a mount whose source is not on this machine; also an OSError, so that `os.path.exists` says no."""


class _Looking(threading.local):
    """Whether this thread looks for the file a path means: what it looks at then is meant as it stands."""

    busy = False


class Mapping:
    """Turns a path into the one on this machine."""

    def __init__(self, home: Path, workspace_root: Path) -> None:
        self._home = home
        self._root = workspace_root
        self._mounts = Mounts(home)
        self._real = {prefix for prefix in PREFIXES if os.path.isdir(prefix)}
        self._ready = False
        self._looking = _Looking()

    def __call__(self, path: Any, making: bool = False) -> Any:
        """The path to use instead of `path`: `path` itself unless it is one of ours."""
        text = path if isinstance(path, str) else _text_of(path)
        if text is None or not text.startswith(PREFIXES) or self._looking.busy:
            return path
        normal = posixpath.normpath(text)
        prefix = next((one for one in PREFIXES if normal == one or normal.startswith(one + "/")), None)
        if prefix is None or (prefix in self._real and self._exists(normal)):
            return path
        return self._local(normal, making)

    def _exists(self, normal: str) -> bool:
        # On macOS /Volumes is real; a catalog is hardly ever named as a disk is.
        first = "/".join(normal.split("/")[:3])
        if first.count("/") == 1:
            return True
        try:
            _lstat(first)
        except OSError:
            return False
        return True

    def _local(self, normal: str, making: bool) -> str:
        places = Places(self._home, self._root, self._mounts.table())
        if not self._ready:
            self._ready = True
            for folder in (places.dbfs, places.volumes):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._looking.busy = True
        try:
            local = to_open(normal, places)
        except UserError as error:
            raise NoLocalPath(str(error)) from error
        finally:
            self._looking.busy = False
        if making:
            _volume_made(normal, places)
        return str(local)


def _text_of(path: Any) -> str | None:
    if not isinstance(path, os.PathLike):
        return None
    text = os.fspath(path)
    return text if isinstance(text, str) else None


def _volume_made(normal: str, places: Places) -> None:
    # A volume is there before a notebook writes to it; nobody made it on this machine.
    parts = normal.strip("/").split("/")
    if parts[0] == "Volumes" and len(parts) > 1:
        inside = parts[1 : min(len(parts) - 1, VOLUME_DEPTH)]
        places.volumes.joinpath(*inside).mkdir(parents=True, exist_ok=True)


def _wrapped(function: Callable[..., Any], mapping: Mapping, making: bool = False) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(path: Any = ".", *args: Any, **kwargs: Any) -> Any:
        return function(mapping(path, making), *args, **kwargs)

    return call


def _wrapped_pair(function: Callable[..., Any], mapping: Mapping) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(src: Any, dst: Any, *args: Any, **kwargs: Any) -> Any:
        return function(mapping(src), mapping(dst, True), *args, **kwargs)

    return call


def _wrapped_open(function: Callable[..., Any], mapping: Mapping) -> Callable[..., Any]:
    @functools.wraps(function)
    def open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        return function(mapping(file, not mode.startswith("r")), mode, *args, **kwargs)

    return open


def _wrapped_os_open(function: Callable[..., Any], mapping: Mapping) -> Callable[..., Any]:
    @functools.wraps(function)
    def open(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
        return function(mapping(path, bool(flags & os.O_CREAT)), flags, *args, **kwargs)

    return open


def _wrapped_system(function: Callable[..., Any], mapping: Mapping) -> Callable[..., Any]:
    @functools.wraps(function)
    def system(command: Any) -> Any:
        return function(_command(command, mapping))

    return system


def _wrapped_popen(function: Callable[..., Any], mapping: Mapping) -> Callable[..., Any]:
    @functools.wraps(function)
    def init(self: Any, args: Any, *others: Any, **options: Any) -> Any:
        if options.get("cwd") is not None:
            options["cwd"] = mapping(options["cwd"])
        return function(self, _program(args, bool(options.get("shell")), mapping), *others, **options)

    return init


def _program(args: Any, shell: bool, mapping: Mapping) -> Any:
    """What Popen is to start: a command line for a shell, a program's path, or a program and its arguments."""
    if isinstance(args, str | bytes | os.PathLike):
        return _command(args, mapping) if shell else mapping(args)
    words = list(args)
    is_script = shell or (bool(words) and posixpath.basename(str(words[0])) in _SHELLS)
    return [_command(word, mapping) if is_script else _argument(word, mapping) for word in words]


def _argument(word: Any, mapping: Mapping) -> Any:
    """A path, or an option with its path; what only speaks of a path, a commit's message say, is data."""
    if not isinstance(word, str) or word.startswith(PREFIXES):
        return mapping(word)
    return _command(word, mapping) if _OPTION_WITH_PATH.match(word) else word


def _command(text: Any, mapping: Mapping) -> Any:
    return _WRITTEN.sub(lambda found: _as_written(found[0], mapping), text) if isinstance(text, str) else text


def _path_hook(mapping: Mapping) -> Callable[[str], Any]:
    """Lets `sys.path` hold `/Workspace/…`: the import system does not go through `os`."""
    details = (
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
        (importlib.machinery.SourceFileLoader, importlib.machinery.SOURCE_SUFFIXES),
        (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
    )
    plain = importlib.machinery.FileFinder.path_hook(*details)

    def hook(entry: str) -> Any:
        local = mapping(entry)
        if local == entry:
            raise ImportError(f"{entry} is not ours", path=entry)
        return plain(local)

    return hook


def _forget_finders() -> None:
    """Let the import system look again at the entries that are ours, and only at them: a look costs a listing."""
    cache = sys.path_importer_cache
    for entry in [entry for entry in cache if entry.startswith(PREFIXES)]:
        del cache[entry]


class Installed:
    """The wrappers in place; `remove` puts everything back."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self._before: list[tuple[Any, str, Any]] = []
        opened = _wrapped_open(builtins.open, mapping)
        for module in (builtins, io):
            self._put(module, "open", opened)
        for name, attribute in _OPEN_KEPT:
            if name in sys.modules:
                self._put(sys.modules[name], attribute, opened)
        self._put(os, "open", _wrapped_os_open(os.open, mapping))
        for name in _READING:
            self._wrap(name, lambda function: _wrapped(function, mapping))
        for name in _MAKING:
            self._wrap(name, lambda function: _wrapped(function, mapping, making=True))
        for name in _PAIRS:
            self._wrap(name, lambda function: _wrapped_pair(function, mapping))
        self._put(os, "system", _wrapped_system(os.system, mapping))
        self._put(subprocess.Popen, "__init__", _wrapped_popen(subprocess.Popen.__init__, mapping))
        self._hook = _path_hook(mapping)
        sys.path_hooks.insert(0, self._hook)
        _forget_finders()

    def _wrap(self, name: str, how: Callable[[Any], Any]) -> None:
        if hasattr(os, name):
            self._put(os, name, how(getattr(os, name)))

    def _put(self, module: Any, name: str, function: Any) -> None:
        before = getattr(module, name)
        self._before.append((module, name, before))
        setattr(module, name, function)
        # shutil and tempfile ask these sets what a function of os can do.
        for capability in _CAPABILITIES:
            able: set[Any] = getattr(os, capability, set())
            if before in able:
                able.add(function)

    def remove(self) -> None:
        """Put everything back."""
        for module, name, before in reversed(self._before):
            setattr(module, name, before)
        sys.path_hooks.remove(self._hook)
        _forget_finders()


_installed: Installed | None = None


def install(home: Path, workspace_root: Path) -> None:
    """Wrap the functions of this process; a second call replaces the first."""
    global _installed
    uninstall()
    if os.name == "posix":
        _installed = Installed(Mapping(home, workspace_root))


def in_command(command: str) -> str:
    """A command line for another program, the paths written out in it as that program finds them on this machine."""
    return command if _installed is None else str(_command(command, _installed.mapping))


def _as_written(path: str, mapping: Mapping) -> str:
    try:
        local = str(mapping(path))
    except NoLocalPath:
        return path
    if shlex.quote(local) != local:
        return path
    return f"{local}/" if path.endswith("/") and not local.endswith("/") else local


def uninstall() -> None:
    """Put everything back."""
    global _installed
    if _installed is not None:
        _installed.remove()
        _installed = None
