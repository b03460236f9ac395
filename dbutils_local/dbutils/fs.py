"""`dbutils.fs`: files by their Databricks path, with the errors code tests for (reference 5)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from dbutils_local.dbutils import java
from dbutils_local.dbutils.help import Helpful
from dbutils_local.errors import AlreadyExists, DbutilsLocalError, InvalidState, NotFound, NotSupportedHere, UserError
from dbutils_local.files import Entry, Files, Reserved
from dbutils_local.paths import Mount

if TYPE_CHECKING:
    from dbutils_local.dbutils.session import Session

P = ParamSpec("P")
R = TypeVar("R")


class FileInfo(NamedTuple):
    """One file or folder; a folder's path and name end in `/`."""

    path: str
    name: str
    size: int  # bytes
    modificationTime: int  # epoch milliseconds

    def isDir(self) -> bool:
        """Whether it is a folder."""
        return self.name.endswith("/")

    def isFile(self) -> bool:
        """Whether it is a file."""
        return not self.isDir()


class MountInfo(NamedTuple):
    """One line of the mount table."""

    mountPoint: str
    source: str
    encryptionType: str


_Infos = list[FileInfo]
_MountInfos = list[MountInfo]


def _also(**aliases: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Accept other keyword names: Databricks' pages, stubs and SDK spell several parameters differently."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            named: Any = {aliases.get(name, name): value for name, value in kwargs.items()}
            return function(*args, **named)

        return call

    return decorate


@contextmanager
def _as_java(call: str) -> Iterator[None]:
    try:
        yield
    except (DbutilsLocalError, OSError) as error:
        raise _translated(call, error) from None


def _translated(call: str, error: DbutilsLocalError | OSError) -> java.ExecutionError:
    kind: type[java.ExecutionError]
    match error:
        case NotFound() | FileNotFoundError():
            kind = java.FileNotFound
        case AlreadyExists() | FileExistsError():
            kind = java.FileAlreadyExists
        case PermissionError():
            kind = java.AccessDenied
        case Reserved():
            kind = java.ReservedPath
        case NotSupportedHere():
            kind = java.UnsupportedFileSystem
        case InvalidState() | OSError():
            kind = java.FileSystemFailure
        case UserError():
            kind = java.IllegalPath
        case _:
            kind = java.FileSystemFailure
    return kind(call, str(error))


def _mount_error(call: str, error: DbutilsLocalError) -> java.MountFailure:
    return java.MountFailure(call, f"java.lang.IllegalArgumentException: requirement failed: {error}")


class DbfsUtils(Helpful):
    """`dbutils.fs`."""

    _module = "fs"

    def __init__(self, session: Session) -> None:
        self._session = session
        self._files = Files(session.birth.home, session.birth.workspace_root)

    @_also(path="dir")
    def ls(self, dir: str) -> _Infos:
        """One level of a folder; of a file, that file."""
        with _as_java("ls"):
            return [_info(entry) for entry in self._files.listing(str(dir))]

    @_also(max_bytes="maxBytes")
    def head(self, file: str, maxBytes: int = 65536) -> str:
        """The first bytes as text; prints a line when the file is longer."""
        with _as_java("head"):
            data, more = self._files.head(str(file), maxBytes)
        if more:
            print(f"[Truncated to first {maxBytes} bytes]")
        # A character cut in two at the end is left out; any other broken one is shown as such.
        return data.decode("utf-8", "ignore" if more else "replace")

    @_also(path="file")
    def put(self, file: str, contents: str, overwrite: bool = False) -> bool:
        """Write text as UTF-8; prints how many bytes."""
        data = contents.encode("utf-8") if isinstance(contents, str) else bytes(contents)
        with _as_java("put"):
            self._files.write(str(file), data, overwrite)
        print(f"Wrote {len(data)} bytes.")
        return True

    @_also(from_="source", to="dest")
    def cp(self, source: str, dest: str, recurse: bool = False) -> bool:
        """Copy a file, or with `recurse` a folder."""
        with _as_java("cp"):
            self._files.copy(str(source), str(dest), recurse)
        return True

    @_also(from_="source", to="dest")
    def mv(self, source: str, dest: str, recurse: bool = False) -> bool:
        """Move a file, or with `recurse` a folder."""
        with _as_java("mv"):
            self._files.move(str(source), str(dest), recurse)
        return True

    @_also(path="dir", file="dir")
    def rm(self, dir: str, recurse: bool = False) -> bool:
        """Remove a file or folder; False if there is nothing."""
        with _as_java("rm"):
            return self._files.remove(str(dir), recurse)

    @_also(path="dir")
    def mkdirs(self, dir: str) -> bool:
        """Make a folder and those above it."""
        with _as_java("mkdirs"):
            self._files.make(str(dir))
        return True

    @_also(mountPoint="mount_point", encryptionType="encryption_type", extraConfigs="extra_configs")
    def mount(
        self,
        source: str,
        mount_point: str,
        encryption_type: str = "",
        owner: str | None = None,
        extra_configs: Mapping[str, str] | None = None,
    ) -> bool:
        """Make a folder or store appear under a mount point."""
        return self._mount("mount", Mount(_point(mount_point), source, encryption_type), extra_configs, replace=False)

    @_also(mountPoint="mount_point", encryptionType="encryption_type", extraConfigs="extra_configs")
    def updateMount(
        self,
        source: str,
        mount_point: str,
        encryption_type: str = "",
        owner: str | None = None,
        extra_configs: Mapping[str, str] | None = None,
    ) -> bool:
        """Point an existing mount point somewhere else."""
        mount = Mount(_point(mount_point), source, encryption_type)
        return self._mount("updateMount", mount, extra_configs, replace=True)

    def _mount(self, call: str, mount: Mount, extra_configs: Mapping[str, str] | None, replace: bool) -> bool:
        try:
            self._files.mounts.add(mount, replace)
        except DbutilsLocalError as error:
            raise _mount_error(call, error) from None
        if extra_configs:
            self._session.notice(
                f"{call} {mount.mount_point}: extra_configs are for clusters and are not used or kept here; "
                "cloud credentials are found in the environment"
            )
        return True

    @_also(mountPoint="mount_point")
    def unmount(self, mount_point: str) -> bool:
        """Take a mount point away."""
        try:
            self._files.mounts.remove(_point(mount_point))
        except DbutilsLocalError as error:
            raise _mount_error("unmount", error) from None
        print(f"{_point(mount_point)} has been unmounted.")
        return True

    def mounts(self) -> _MountInfos:
        """The mount table."""
        table = self._files.mounts.table()
        return [MountInfo(mount.mount_point, mount.source, mount.encryption_type) for mount in table]

    def refreshMounts(self) -> bool:
        """Read the mount table again, as every call does here."""
        return True

    def cacheFiles(self, *files: str) -> bool:
        """Does nothing, as on Databricks today."""
        return True

    def cacheTable(self, name: str) -> bool:
        """Does nothing, as on Databricks today."""
        return True

    uncacheFiles = cacheFiles
    uncacheTable = cacheTable


def _info(entry: Entry) -> FileInfo:
    return FileInfo(entry.path, entry.name, entry.size, entry.modified)


def _point(mount_point: str) -> str:
    return "/" + mount_point.removeprefix("dbfs:").strip("/")
