"""Notebooks as files: telling them from other files, reading, writing, converting."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dbutils_local.errors import NotFound, UserError
from dbutils_local.imports import import_nbformat
from dbutils_local.notebooks import ipynb, source
from dbutils_local.notebooks.document import DATABRICKS_NOTEBOOK, CellType, Document, Format, Language

_LANGUAGE_OF = {
    ".py": Language.PYTHON,
    ".sql": Language.SQL,
    ".scala": Language.SCALA,
    ".r": Language.R,
    ".R": Language.R,
}
EXTENSIONS = (".ipynb", *_LANGUAGE_OF)
"""The extensions of notebook files, in the order in which a name without one is tried."""
_EXPORT_ANEW = "export the notebook as a source file or as .ipynb (File > Export)"
EXPORTS = {
    ".dbc": f"a Databricks archive, which is not read here; {_EXPORT_ANEW}",
    ".html": f"a page to look at, which is not run; {_EXPORT_ANEW}",
    ".rmd": f"R Markdown, which is not run here; {_EXPORT_ANEW}",
}
"""What Databricks exports notebooks as besides, and what a person is told who gives us one."""

_KNOWN_METADATA = {DATABRICKS_NOTEBOOK, "kernelspec", "language_info"}  # written anew from what the source says


@dataclass(frozen=True, slots=True)
class Conversion:
    """What `convert` did: the file written, and a sentence for everything its format could not hold."""

    path: Path
    notices: tuple[str, ...] = ()


def is_notebook(path: Path) -> bool:
    """Whether `path` is a notebook file; reads no more than the first line's length of it."""
    if path.suffix not in EXTENSIONS or not path.is_file():
        return False
    if path.suffix == ".ipynb":
        return True
    header = _LANGUAGE_OF[path.suffix].header.encode()
    with path.open("rb") as file:
        start = file.read(len(BOM_UTF8) + len(header) + 2)
    return start.removeprefix(BOM_UTF8).split(b"\n")[0].rstrip() == header


def read(path: Path) -> Document:
    """The notebook in a file; NotFound when there is none, UserError with the reason when it is no notebook."""
    if path.suffix.lower() in EXPORTS:
        raise UserError(f"{path}: {EXPORTS[path.suffix.lower()]}")
    if path.suffix not in EXTENSIONS:
        raise UserError(f"{path}: not a notebook: its extension is none of {' '.join(EXTENSIONS)}")
    text = _text(path)
    if path.suffix == ".ipynb":
        return ipynb.from_nbformat(_node(text, path), path)
    return source.parse(text, _LANGUAGE_OF[path.suffix], path)


def write(document: Document, path: Path) -> None:
    """Write `document` in the format that the extension of `path` names; replaces the file as a whole."""
    text = _rendered(document, path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, "utf-8", newline="")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise UserError(f"cannot write {path}: {error.strerror}") from error


def convert(src: Path, dst: Path) -> Conversion:
    """Rewrite notebook `src` as `dst`; the cells survive both ways, what `dst` cannot hold is said in the notices."""
    document = read(src)
    if dst.suffix not in EXTENSIONS:
        raise UserError(f"{dst}: the extension says the format; it must be one of {' '.join(EXTENSIONS)}")
    write(replace(document, path=dst, script=document.script or _script(document)), dst)
    return Conversion(dst, tuple(_losses(document)) if dst.suffix != ".ipynb" else ())


def _script(document: Document) -> str | None:
    """The script block that says what an .ipynb says in its `environmentMetadata`."""
    environment = document.environment
    if environment is None:
        return None
    said = {
        "environment_version": environment.version,
        "base_environment": environment.base,
        "dependencies": list(environment.dependencies) or None,
    }
    # JSON strings and lists of strings are TOML as well.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in said.items() if value is not None]
    mark = document.language.comment
    return "\n".join(f"{mark} {line}" for line in ["/// script", "[tool.databricks.environment]", *lines, "///"])


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"no notebook at {path}") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _node(text: str, path: Path) -> Any:
    try:
        node = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path}: not a notebook: not valid JSON: {error}") from error
    if not isinstance(node, dict) or "nbformat" not in node:
        raise UserError(f"{path}: not a notebook: no 'nbformat' in it")
    return node if node["nbformat"] == 4 else _upgraded(text, node["nbformat"], path)


def _upgraded(text: str, version: Any, path: Path) -> Any:
    nbformat = import_nbformat()

    try:
        # The reader of a version also joins what its files hold as lists of lines.
        return nbformat.convert(nbformat.reader.reads(text), 4)
    except Exception as error:  # nbformat has no common class for what can be wrong with an old file
        raise UserError(f"{path}: cannot read nbformat {version!r}: {error}") from error


def _rendered(document: Document, path: Path) -> str:
    if path.suffix == ".ipynb":
        nbformat = import_nbformat()

        return str(nbformat.writes(ipynb.to_nbformat(document))) + "\n"
    language = _LANGUAGE_OF.get(path.suffix)
    if language is not document.language:
        right = next(suffix for suffix, one in _LANGUAGE_OF.items() if one is document.language)
        raise UserError(
            f"{path}: the notebook's default language is {document.language.value}: its extension must be {right}"
        )
    return source.render(document)


def _losses(document: Document) -> list[str]:
    lost = source.unwritable(document)
    if document.format is Format.SOURCE:
        return lost
    theirs = document.metadata.get(DATABRICKS_NOTEBOOK) or {}
    outputs = sum(bool(cell.outputs) for cell in document.cells)
    attachments = sum(bool(cell.attachments) for cell in document.cells)
    raw = sum(cell.kind is CellType.RAW for cell in document.cells)
    found = {
        f"the outputs of {outputs} cells": outputs,
        f"the attachments of {attachments} cells": attachments,
        f"the raw type of {raw} cells": raw,
        "the widgets saved with the notebook": bool(theirs.get("widgets")),
        "its dashboards": bool(theirs.get("dashboards")),
        "metadata of other tools": bool(set(document.metadata) - _KNOWN_METADATA),
    }
    gone = [what for what, there in found.items() if there]
    return ([f"source format does not hold: {', '.join(gone)}"] if gone else []) + lost
