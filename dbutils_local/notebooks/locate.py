"""Which file a notebook name means: relative to its caller, or a workspace path below the root (reference 2.1, 3)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dbutils_local.errors import NotFound, UserError
from dbutils_local.notebooks.document import Language
from dbutils_local.notebooks.files import EXTENSIONS, is_notebook
from dbutils_local.paths import workspace_candidates


def resolve(name: str, *, caller: Path | None, root: Path) -> Path:
    """The file of notebook `name`: relative to the folder of `caller` (or to `root`), absolute below `root`.

    A name without extension tries, in this order: itself, .ipynb, .py, .sql, .scala, .r, .R; a plain file of such an
    extension is passed over. Raises NotFound with Databricks' text; UserError when only a plain Python file is there.
    """
    bases = list(_bases(name, caller, root))
    plain: Path | None = None
    for base in bases:
        for candidate in _with_extensions(base):
            if is_notebook(candidate):
                return candidate
            if plain is None and candidate.suffix in (".py", ".ipy") and candidate.is_file():
                plain = candidate
    if plain is not None:
        raise UserError(
            f"{plain} is a plain Python file, not a notebook: import it, "
            f"or make its first line '{Language.PYTHON.header}'"
        )
    raise NotFound(_not_found(name, bases[0], caller, root, bases))


def workspace_path(file: Path, root: Path) -> str:
    """The workspace path of a file: `/` + its path below `root`, no extension; outside `root`, its absolute path."""
    bare = file.with_suffix("") if file.suffix in EXTENSIONS else file
    normal, top = (Path(os.path.normpath(one.absolute())) for one in (bare, root))
    # Callers may hold either of them with its links followed.
    for inside, above in ((normal, top), (bare.resolve(), root.resolve())):
        if inside.is_relative_to(above):
            return "/" + inside.relative_to(above).as_posix()
    return normal.as_posix()


def _bases(name: str, caller: Path | None, root: Path) -> Iterator[Path]:
    if name.rstrip("/").rpartition("/")[2] in ("", ".", ".."):
        raise UserError(f"{name!r} names a folder, not a notebook")
    if name.startswith("/") or Path(name).is_absolute():
        yield from (Path(os.path.normpath(one)) for one in workspace_candidates(name, root))
    else:
        # normpath, not resolve: `..` is counted on the path as written, as the workspace does; a link stays a link.
        yield Path(os.path.normpath((caller.parent if caller else root).absolute() / name))


def _with_extensions(base: Path) -> list[Path]:
    return [base, *(base.with_name(base.name + extension) for extension in EXTENSIONS)]


def _not_found(name: str, first: Path, caller: Path | None, root: Path, bases: list[Path]) -> str:
    wanted = name if name.startswith("/") else workspace_path(first, root)
    where = workspace_path(caller, root) if caller else "/"
    looked = ", ".join(str(base) for base in bases[:3])
    return (
        f"Notebook not found: {wanted}. Notebooks can be specified via a relative path "
        "(./Notebook or ../folder/Notebook) or via an absolute path (/Abs/Path/to/Notebook). "
        "Make sure you are specifying the path correctly.\n\n"
        f"Stacktrace:\n  {where}: python\n"
        f"Looked for {looked} (as named, and with {' '.join(EXTENSIONS)})"
    )
