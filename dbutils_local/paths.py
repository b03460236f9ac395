"""dbfs:/, /dbfs, /Volumes, /Workspace, /mnt and cloud URLs as local folders; opens nothing (reference 5.3)."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dbutils_local.errors import UserError


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table: `source` is a URL (`s3://…`, `dbfs:/…`, `file:/…`) or a folder of this machine."""

    mount_point: str  # "/mnt/x"
    source: str
    encryption_type: str = ""


@dataclass(frozen=True, slots=True)
class Places:
    """The folders that stand for Databricks' file systems on this machine."""

    home: Path
    workspace_root: Path
    mounts: tuple[Mount, ...] = ()

    @property
    def dbfs(self) -> Path:
        """What `dbfs:/` is."""
        return self.home / "dbfs"

    @property
    def volumes(self) -> Path:
        """What `/Volumes` is."""
        return self.home / "volumes"

    def stand_in(self, url: str) -> Path | None:
        """The folder that, once it is made, stands for a URL's container or bucket here; None for what is no URL.

        `abfss://raw@lake.dfs.core.windows.net/x` belongs to `<home>/cloud/abfss/raw@lake.dfs.core.windows.net`.
        """
        found = _URL.match(url)
        if found is None or found["host"] in (".", ".."):
            return None
        scheme = found["scheme"].lower()
        return self.home / "cloud" / _ALIASES.get(scheme, scheme) / found["host"]


@dataclass(frozen=True, slots=True)
class Remote:
    """A place outside this machine, for fsspec."""

    url: str


_URL = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<host>[^/]+)(?P<path>.*)$", re.DOTALL)
_ALIASES = {"s3a": "s3", "s3n": "s3"}  # three names of one bucket
_SCHEME = re.compile(r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):(?P<rest>.*)$", re.DOTALL)


def locate(path: str, places: Places) -> Path | Remote:
    """Where a path given to dbutils.fs or Spark lies; `/x` is `dbfs:/x`. UserError when it climbs above the root.

    A URL lies on this machine where a folder stands in for its container (`Places.stand_in`).
    """
    found = _SCHEME.match(path)
    scheme, rest = (found["scheme"].lower(), found["rest"]) if found else ("dbfs", path)
    match scheme:
        case "dbfs":
            return _in_dbfs(_absolute(rest, path), places)
        case "file":
            return _local_file(rest, path, places)
        case _:
            return _stood_in(path, places) or Remote(path)


def _stood_in(url: str, places: Places) -> Path | None:
    folder, found = places.stand_in(url), _URL.match(url)
    if folder is None or found is None or not folder.is_dir():
        return None
    return _below(folder, _absolute(found["path"], url))


def to_local(path: str, places: Places) -> Path:
    """`locate` for callers that need a folder of this machine; UserError when the path is remote."""
    match locate(path, places):
        case Remote(url):
            named = path if path == url else f"{path} is {url}"
            raise UserError(f"{named}: not on this machine; {way_to_stand_in(url, places)}")
        case local:
            return local


def way_to_stand_in(url: str, places: Places) -> str:
    """What a message about a URL that cannot be reached says one can do: make the folder that stands in for it."""
    folder, found = places.stand_in(url), _URL.match(url)
    if folder is None or found is None:
        return "put its files below dbfs:/ and name them there"
    return f"make the folder {folder}, which then stands for {found['scheme']}://{found['host']} here"


def to_open(path: str, places: Places) -> Path | None:
    """What `open('/dbfs/…')`, `/Volumes/…` and `/Workspace/…` in ordinary Python code mean; None for every other path.

    A mount of a remote source has no local path: UserError.
    """
    match PurePosixPath(path).parts[:2]:
        case ("/", "dbfs"):
            inside = _in_dbfs(_absolute(path.removeprefix("/dbfs"), path), places)
            if isinstance(inside, Remote):
                raise UserError(f"{path} is mounted from {inside.url}: it has no path on this machine; use dbutils.fs")
            return inside
        case ("/", "Volumes"):
            return _below(places.volumes, _absolute(path, path).removeprefix("/Volumes"))
        case ("/", "Workspace"):
            return workspace_file(_absolute(path, path), places.workspace_root)
        case _:
            return None


def to_dbfs(local: Path, places: Places) -> str:
    """The name dbutils.fs gives a local file: `dbfs:/…` below DBFS and the volumes, else `file:/…`."""
    normal = Path(os.path.normpath(local.absolute()))
    for folder, prefix in ((places.dbfs, "dbfs:"), (places.volumes, "dbfs:/Volumes")):
        if normal.is_relative_to(folder.absolute()):
            inside = normal.relative_to(folder.absolute()).as_posix()
            return f"{prefix}/" if inside == "." else f"{prefix}/{inside}"
    return "file:" + (normal.as_posix() if normal.as_posix().startswith("/") else "/" + normal.as_posix())


def workspace_candidates(path: str, root: Path) -> Iterator[Path]:
    """The files a workspace path may mean below `root`, best first; nothing is looked at.

    The path below the root; the path itself, when it is one of this machine; then ever shorter suffixes, since a
    project that lives at `/Repos/<user>/<project>` there is the root itself here.
    """
    parts = posixpath.normpath(path).strip("/").split("/")
    yield root.joinpath(*parts)
    inside = parts[1:] if parts[:1] == ["Workspace"] else parts
    if inside != parts:
        yield root.joinpath(*inside)
    yield Path(path)
    for dropped in range(1, len(inside)):
        if _may_drop(inside, dropped, root):
            yield root.joinpath(*inside[dropped:])


def workspace_file(path: str, root: Path) -> Path:
    """The one file that `/Workspace/…` means: the first candidate that exists, else the path below `root`."""
    candidates = list(workspace_candidates(path, root))
    below = candidates[1] if PurePosixPath(path).parts[1:2] == ("Workspace",) else candidates[0]
    return next((one for one in candidates if one.exists()), below)


_OWNED = {"Users": 2, "Repos": 2, "Shared": 1}  # how many leading parts name an owner, before the project's folder


def _may_drop(parts: list[str], dropped: int, root: Path) -> bool:
    """A lone file name is taken as a suffix only where what is cut off can be the project's own folder."""
    if len(parts) - dropped > 1 or parts[dropped - 1] == root.name:
        return True
    owner = _OWNED.get(parts[0])
    return owner is not None and dropped in (owner, owner + 1)


def _in_dbfs(path: str, places: Places) -> Path | Remote:
    if path == "/Volumes" or path.startswith("/Volumes/"):
        return _below(places.volumes, path.removeprefix("/Volumes"))
    if path == "/Workspace" or path.startswith("/Workspace/"):
        return workspace_file(path, places.workspace_root)
    mount = _mount_of(path, places)
    if mount is None:
        return _below(places.dbfs, path)
    return _in_mount(mount, path[len(mount.mount_point) :], places)


def _mount_of(path: str, places: Places) -> Mount | None:
    fitting = [m for m in places.mounts if path == m.mount_point or path.startswith(m.mount_point.rstrip("/") + "/")]
    return max(fitting, key=lambda m: len(m.mount_point), default=None)


def _in_mount(mount: Mount, inside: str, places: Places) -> Path | Remote:
    if not _SCHEME.match(mount.source):
        return _below(Path(mount.source), inside)
    # The source is looked up without the mount itself, or a mount of its own parent would never end.
    rest = Places(places.home, places.workspace_root, tuple(m for m in places.mounts if m != mount))
    match locate(mount.source, rest):
        case Remote(url):
            return Remote(url.rstrip("/") + inside)
        case folder:
            return _below(folder, inside)


def _local_file(rest: str, path: str, places: Places) -> Path:
    local = "/" + rest.lstrip("/")
    if re.match(r"^/[A-Za-z]:", local):
        return Path(local[1:])  # file:/C:/x
    return to_open(local, places) or Path(posixpath.normpath(local))


def _absolute(rest: str, path: str) -> str:
    """The path from its root, normal; a relative one counts from the root (reference 5.3 leaves that open)."""
    depth = 0
    for part in rest.split("/"):
        depth += {"": 0, ".": 0, "..": -1}.get(part, 1)
        if depth < 0:
            raise UserError(f"{path} climbs above the root of its file system")
    return posixpath.normpath("/" + rest.lstrip("/"))


def _below(folder: Path, path: str) -> Path:
    inside = path.strip("/")
    return folder / inside if inside else folder
