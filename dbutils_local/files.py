"""Files by their Databricks path: listed, read, written, copied, removed, on this machine or where fsspec reaches.

What lies on this machine is handled without fsspec, whose import costs 0.2 s.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from dbutils_local.errors import AlreadyExists, InvalidState, MissingExtra, NotFound, NotSupportedHere, UserError
from dbutils_local.paths import Mount, Places, Remote, locate, way_to_stand_in

# Databricks' spellings of a scheme, and fsspec's.
_SCHEMES: Final = {"s3a": "s3", "s3n": "s3", "wasbs": "abfss", "wasb": "abfs"}
_EXTRAS: Final = {"s3": "s3", "abfs": "azure", "abfss": "azure", "adl": "azure"}
_RESERVED: Final = frozenset({"Volume", "volume", "volumes"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or folder as Databricks names it: a folder's path and name end in `/` and its size is 0."""

    path: str
    name: str
    size: int  # bytes
    modified: int  # epoch milliseconds


class Reserved(UserError):
    """A path below a folder Databricks keeps for itself, such as `/Volume`."""


class Mounts:
    """The mount table: `<home>/mounts.json`, read anew each time it has changed."""

    def __init__(self, home: Path) -> None:
        self._path = home / "mounts.json"
        self._seen: tuple[int, int] | None = None
        self._table: tuple[Mount, ...] = ()

    def table(self) -> tuple[Mount, ...]:
        """Every mount, sorted by mount point."""
        try:
            now = self._path.stat()
        except FileNotFoundError:
            self._seen, self._table = None, ()
            return ()
        stamp = (now.st_mtime_ns, now.st_size)
        if stamp != self._seen:
            self._table = tuple(Mount(**line) for line in json.loads(self._path.read_text("utf-8")))
            self._seen = stamp
        return self._table

    def add(self, mount: Mount, replace: bool = False) -> None:
        """Add a mount; AlreadyExists if the point is taken and `replace` is not asked for."""
        known = {one.mount_point: one for one in self.table()}
        if mount.mount_point in known and not replace:
            raise AlreadyExists(f"Directory already mounted: {mount.mount_point}")
        if mount.mount_point not in known and replace:
            raise NotFound(f"Directory not mounted: {mount.mount_point}")
        self._save(known | {mount.mount_point: mount})

    def remove(self, mount_point: str) -> None:
        """Take a mount away; NotFound."""
        known = {one.mount_point: one for one in self.table()}
        if known.pop(mount_point, None) is None:
            raise NotFound(f"Directory not mounted: {mount_point}")
        self._save(known)

    def _save(self, mounts: Mapping[str, Mount]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        beside.write_text(json.dumps([asdict(mount) for _, mount in sorted(mounts.items())], indent=1), "utf-8")
        os.replace(beside, self._path)


class Files:
    """All the verbs. NotFound, AlreadyExists, InvalidState and others say what was wrong; OSError is the machine's."""

    def __init__(self, home: Path, workspace_root: Path) -> None:
        self.mounts = Mounts(home)
        self._home = home
        self._root = workspace_root

    @property
    def places(self) -> Places:
        """The folders of this machine, with the mounts of now."""
        return Places(self._home, self._root, self.mounts.table())

    def listing(self, path: str) -> list[Entry]:
        """One level of a folder, sorted by name; of a file, that file."""
        name = canonical(path)
        here = self._at(path)
        virtual = {} if isinstance(here, _Elsewhere) else self._virtual(name)
        kind = here.kind() or ("folder" if virtual or self._is_top(name) else None)
        if kind is None:
            raise _missing(name)
        if kind == "file":
            return [_entry(name, here)]
        found = {child: _entry(_join(name, child), self._at(_join(name, child))) for child in here.children()}
        return [entry for _, entry in sorted({**virtual, **found}.items())]

    def _virtual(self, name: str) -> dict[str, Entry]:
        """What a listing shows though no folder of this machine holds it: mount points, and the volumes in the root."""
        if not name.startswith("dbfs:"):
            return {}
        inside = name.removeprefix("dbfs:").rstrip("/") + "/"
        below = [m.mount_point.removeprefix(inside) for m in self.places.mounts if m.mount_point.startswith(inside)]
        names = {point.split("/")[0] for point in below} | ({"Volumes"} if inside == "/" else set())
        return {child: Entry(f"dbfs:{inside}{child}/", f"{child}/", 0, 0) for child in names if child}

    def _is_top(self, name: str) -> bool:
        return name in ("dbfs:/", "dbfs:/Volumes")

    def stamps(self, folder: str) -> dict[str, tuple[int, int]]:
        """Size in bytes and time of the last change (ms) of every file at or below a path; none if nothing is there."""
        try:
            entries = self.listing(folder)
        except NotFound:
            return {}
        found: dict[str, tuple[int, int]] = {}
        for entry in entries:
            if entry.path.endswith("/"):
                found.update(self.stamps(entry.path))
            else:
                found[entry.path] = (entry.size, entry.modified)
        return found

    def head(self, path: str, count: int) -> tuple[bytes, bool]:
        """The first `count` bytes, and whether there are more."""
        with closing(self._file(path).open("rb")) as file:
            data: bytes = file.read(count + 1)
        return data[:count], len(data) > count

    def write(self, path: str, data: bytes, overwrite: bool) -> None:
        """Write a file and the folders above it; AlreadyExists unless `overwrite`."""
        here = self._at(path)
        kind = here.kind()
        if kind == "folder":
            raise InvalidState(f"{canonical(path)} is a directory")
        if kind == "file" and not overwrite:
            raise AlreadyExists(f"{canonical(path)} already exists")
        here.parent_made()
        with closing(here.open("wb")) as file:
            file.write(data)

    def make(self, path: str) -> None:
        """Make a folder and those above it; one that is there is fine."""
        here = self._at(path)
        if here.kind() == "file":
            raise AlreadyExists(f"{canonical(path)} is a file")
        here.make()

    def remove(self, path: str, recurse: bool) -> bool:
        """Remove a file or folder; False if there is nothing. InvalidState for a filled folder without `recurse`."""
        here, name = self._at(path), canonical(path)
        kind = here.kind()
        if kind is None:
            return False
        if here.is_root() or name in ("dbfs:/", "file:/") or self.places.stand_in(name) == locate(path, self.places):
            raise InvalidState(f"{name} is a root and cannot be removed")
        if kind == "folder" and not recurse and next(iter(here.children()), None) is not None:
            raise InvalidState(f"{name} is a directory that is not empty: pass recurse=True")
        here.remove()
        return True

    def copy(self, source: str, target: str, recurse: bool) -> None:
        """Copy a file, or with `recurse` a folder's content; a file goes into a target that is a folder."""
        for start, end in list(self._pairs(source, target, recurse)):
            with closing(start.open("rb")) as reading:
                end.parent_made()
                with closing(end.open("wb")) as writing:
                    shutil.copyfileobj(reading, writing, 1 << 20)

    def move(self, source: str, target: str, recurse: bool) -> None:
        """Copy, then remove the source, as Databricks does even within one file system."""
        if self._at(source).same_as(self._at(target)):
            return
        self.copy(source, target, recurse)
        self.remove(source, recurse=True)

    def _pairs(self, source: str, target: str, recurse: bool) -> Iterator[tuple[_Place, _Place]]:
        start, end = self._at(source), self._at(target)
        match start.kind():
            case None:
                raise _missing(canonical(source))
            case "file":
                inside = end.kind() == "folder" or target.endswith("/")
                final = self._at(_join(canonical(target), start.name())) if inside else end
                if not start.same_as(final):
                    yield start, final
            case _:
                yield from self._folder_pairs(source, target, recurse)

    def _folder_pairs(self, source: str, target: str, recurse: bool) -> Iterator[tuple[_Place, _Place]]:
        start, end = self._at(source), self._at(target)
        if not recurse:
            raise InvalidState(f"{canonical(source)} is a directory: pass recurse=True")
        if end.kind() == "file":
            raise InvalidState(f"{canonical(target)} is a file; a directory cannot be copied onto it")
        if start.same_as(end) or _is_below(canonical(target), canonical(source)):
            raise InvalidState(f"{canonical(source)} cannot be copied into itself ({canonical(target)})")
        end.make()
        for child in start.children():
            inner, outer = _join(canonical(source), child), _join(canonical(target), child)
            if self._at(inner).kind() == "folder":
                yield from self._folder_pairs(inner, outer, recurse)
            else:
                yield self._at(inner), self._at(outer)

    def _file(self, path: str) -> _Place:
        here = self._at(path)
        match here.kind():
            case None:
                raise _missing(canonical(path))
            case "folder":
                raise InvalidState(f"{canonical(path)} is a directory")
            case _:
                return here

    def _at(self, path: str) -> _Place:
        first = _without_scheme(path).lstrip("/").split("/")[0]
        if first in _RESERVED and canonical(path).startswith("dbfs:"):
            raise Reserved(f"/{first} is a reserved DBFS path: did you mean /Volumes?")
        match locate(path, self.places):
            case Remote(url):
                return _Elsewhere.at(url, way_to_stand_in(url, self.places))
            case local:
                return _Here(local)


@dataclass(frozen=True)
class _Here:
    """A place on this machine."""

    path: Path

    def kind(self) -> str | None:
        if self.path.is_dir():
            return "folder"
        return "file" if self.path.exists() else None

    def name(self) -> str:
        return self.path.name

    def children(self) -> Iterator[str]:
        return iter(sorted(child.name for child in self.path.iterdir()) if self.path.is_dir() else ())

    def stamp(self) -> tuple[int, int]:
        found = self.path.stat()
        return found.st_size, found.st_mtime_ns // 1_000_000

    def open(self, mode: str) -> IO[Any]:
        return open(self.path, mode)

    def parent_made(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def make(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink()

    def is_root(self) -> bool:
        return self.path == Path(self.path.anchor)

    def same_as(self, other: _Place) -> bool:
        return isinstance(other, _Here) and os.path.realpath(self.path) == os.path.realpath(other.path)


@dataclass(frozen=True)
class _Elsewhere:
    """A place fsspec reaches."""

    system: Any
    path: str
    url: str

    @classmethod
    def at(cls, url: str, otherwise: str) -> _Elsewhere:
        import fsspec

        scheme, _, rest = url.partition(":")
        plain = f"{_SCHEMES.get(scheme, scheme)}:{rest}"
        try:
            system, path = fsspec.core.url_to_fs(plain)
        except (ImportError, ValueError) as error:
            if (extra := _EXTRAS.get(_SCHEMES.get(scheme, scheme))) is not None:
                raise MissingExtra(f"{scheme}://", extra, f"or {otherwise}") from error
            if isinstance(error, ImportError):
                raise UserError(f"{scheme}:// needs a Python package that is not installed ({error})") from error
            raise NotSupportedHere(f'No FileSystem for scheme "{scheme}"') from error
        return cls(system, path, url)

    def kind(self) -> str | None:
        if self.system.isdir(self.path):
            return "folder"
        return "file" if self.system.exists(self.path) else None

    def name(self) -> str:
        return posixpath.basename(self.path.rstrip("/"))

    def children(self) -> Iterator[str]:
        names = (posixpath.basename(name.rstrip("/")) for name in self.system.ls(self.path, detail=False))
        own = self.name()
        # Object stores list a folder's own marker among its content.
        return iter(sorted(name for name in names if name and name != own))

    def stamp(self) -> tuple[int, int]:
        info = self.system.info(self.path)
        when = next((info[key] for key in ("mtime", "LastModified", "last_modified", "created") if info.get(key)), 0)
        seconds = when.timestamp() if hasattr(when, "timestamp") else when
        return int(info.get("size") or 0), int(float(seconds) * 1000)

    def open(self, mode: str) -> IO[Any]:
        opened: IO[Any] = self.system.open(self.path, mode)
        return opened

    def parent_made(self) -> None:
        self.system.makedirs(posixpath.dirname(self.path), exist_ok=True)

    def make(self) -> None:
        self.system.makedirs(self.path, exist_ok=True)

    def remove(self) -> None:
        self.system.rm(self.path, recursive=True)

    def is_root(self) -> bool:
        return not self.path.strip("/")

    def same_as(self, other: _Place) -> bool:
        return isinstance(other, _Elsewhere) and self.url.rstrip("/") == other.url.rstrip("/")


_Place = _Here | _Elsewhere


def canonical(path: str) -> str:
    """A path's full name: `dbfs:/x` for `/x`, `file:/x` for `file:///x`, a URL as it is; without a `/` at the end."""
    scheme, rest = _split(path)
    if scheme not in ("dbfs", "file"):
        return path.rstrip("/") if path.count("/") > 2 else path
    return f"{scheme}:{posixpath.normpath('/' + rest.lstrip('/'))}"


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)


def _split(path: str) -> tuple[str, str]:
    found = _SCHEME.fullmatch(path)
    return (found[1].lower(), found[2]) if found else ("dbfs", path)


def _without_scheme(path: str) -> str:
    return _split(path)[1]


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _entry(name: str, here: _Place) -> Entry:
    plain = posixpath.basename(name.rstrip("/"))
    size, modified = here.stamp()
    if here.kind() == "folder":
        return Entry(f"{name}/", f"{plain}/", 0, modified)
    return Entry(name, plain, size, modified)


def _missing(name: str) -> NotFound:
    return NotFound(f"No such file or directory: {name}")
