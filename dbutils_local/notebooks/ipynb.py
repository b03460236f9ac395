"""Jupyter's .ipynb, also as Databricks writes it, to a Document and back (reference 7.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dbutils_local.errors import UserError
from dbutils_local.imports import import_nbformat
from dbutils_local.notebooks.cells import classify, magic_line
from dbutils_local.notebooks.document import (
    DATABRICKS_CELL,
    DATABRICKS_NOTEBOOK,
    OURS,
    Cell,
    CellType,
    Document,
    Format,
    Language,
)

_LANGUAGES = {
    "python": Language.PYTHON,
    "python3": Language.PYTHON,
    "ipython": Language.PYTHON,
    "ipython3": Language.PYTHON,
    "sql": Language.SQL,
    "scala": Language.SCALA,
    "r": Language.R,
    "ir": Language.R,
}
_MARKDOWN = "%md\n"  # the first line of a Markdown cell that comes from an .ipynb


def to_nbformat(document: Document) -> Any:
    """The notebook as an nbformat 4.5 node that a Python kernel can run: every cell not in Python names its language.

    Cells keep title, line and whatever the way back needs under metadata `dbutils_local`; ids are stable.
    """
    nbformat = import_nbformat()

    ids = _ids(document)
    node = {
        "cells": [_write_cell(cell, id, document) for cell, id in zip(document.cells, ids, strict=True)],
        "metadata": _metadata(document),
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return nbformat.from_dict(node)


def from_nbformat(node: Mapping[str, Any], path: Path | None = None) -> Document:
    """The Document of a notebook node (nbformat 4); UserError for a language Databricks notebooks do not have."""
    metadata = dict(node.get("metadata") or {})
    ours = metadata.pop(OURS, {})
    language = _language(metadata, ours, path)
    return Document(
        cells=tuple(_read_cell(cell) for cell in node.get("cells") or ()),
        language=language,
        path=path,
        format=Format.IPYNB,
        metadata=metadata,
        script=ours.get("script"),
        newline=ours.get("newline", "\n"),
    )


def kernel_source(cell: Cell, language: Language) -> str:
    """What a Python kernel gets of a cell, as in `to_nbformat`, without the cost of importing nbformat."""
    return _for_kernel(cell, language)[0]


def source_line(cell_metadata: Mapping[str, Any], line: int) -> int | None:
    """The line in the source file of line `line` (from 1) of a cell made by `to_nbformat`; None for .ipynb cells."""
    ours = cell_metadata.get(OURS) or {}
    if "line" not in ours:
        return None
    above = str(ours.get("prefix", "")).count("\n") - str(ours.get("added", "")).count("\n")
    return max(int(ours["line"]), int(ours["line"]) + above + line - 1)


def _ids(document: Document) -> list[str]:
    """Ids that nbformat accepts: the cells' own where they are good and unique, else `cell-<n>`."""
    taken: set[str] = set()
    ids = []
    for number, cell in enumerate(document.cells, 1):
        own = cell.id or ""
        good = re.fullmatch(r"[A-Za-z0-9_-]{1,64}", own) and own not in taken
        one = own if good else _free(f"cell-{number}", taken)
        taken.add(one)
        ids.append(one)
    return ids


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else _free(name + "-", taken)


def _metadata(document: Document) -> dict[str, Any]:
    metadata = dict(document.metadata)
    if document.format is Format.SOURCE or DATABRICKS_NOTEBOOK in metadata or document.language is not Language.PYTHON:
        metadata[DATABRICKS_NOTEBOOK] = _their_notebook(document)
    metadata["language_info"] = {**(metadata.get("language_info") or {}), "name": "python"}
    metadata["kernelspec"] = metadata.get("kernelspec") if _is_python(metadata.get("kernelspec")) else dict(_KERNEL)
    ours = {"language": document.language.value, "script": document.script}
    if document.newline != "\n":
        ours["newline"] = document.newline
    metadata[OURS] = {key: value for key, value in ours.items() if value is not None}
    return metadata


def _their_notebook(document: Document) -> dict[str, Any]:
    theirs = dict(document.metadata.get(DATABRICKS_NOTEBOOK) or {})
    theirs["language"] = document.language.value
    if document.path is not None:
        theirs.setdefault("notebookName", document.path.stem)
    return theirs


_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def _is_python(spec: Any) -> bool:
    return isinstance(spec, Mapping) and spec.get("language", "python") == "python" and bool(spec.get("name"))


def _write_cell(cell: Cell, id: str, document: Document) -> dict[str, Any]:
    source, ours = _for_kernel(cell, document.language)
    if cell.line is not None:
        ours["line"] = cell.line
    if cell.raw is not None:
        ours["raw"] = cell.raw
    if cell.title is not None:
        ours["title"] = cell.title
    metadata = dict(cell.metadata)
    theirs = {**(metadata.get(DATABRICKS_CELL) or {}), **_their_metadata(cell)}
    metadata |= {DATABRICKS_CELL: theirs} if theirs else {}
    metadata |= {OURS: ours} if ours else {}
    node: dict[str, Any] = {"cell_type": cell.kind.value, "id": id, "metadata": metadata, "source": source}
    if cell.kind is CellType.CODE:
        node |= {"outputs": list(cell.outputs), "execution_count": cell.execution_count}
    elif cell.attachments:
        node["attachments"] = dict(cell.attachments)
    return node


def _their_metadata(cell: Cell) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if cell.title is not None:
        said |= {"title": cell.title, "showTitle": cell.show_title}
    if cell.kind is CellType.MARKDOWN and re.match(r"\s*%md-sandbox\b", cell.source):
        said["isMarkdownSandbox"] = True
    return said


def _for_kernel(cell: Cell, language: Language) -> tuple[str, dict[str, Any]]:
    """The source a Python kernel gets, and what was added to it or taken from it."""
    if cell.kind is CellType.MARKDOWN:
        prefix, text = _markdown(cell.source, language)
        return text, {} if prefix == _MARKDOWN and cell.line is None else {"prefix": prefix}
    if cell.kind is CellType.RAW or language is Language.PYTHON or not cell.source.strip():
        return cell.source, {}
    if classify(cell.source, language).magic is not None:
        return cell.source, {}
    added = f"%{language.value}\n"
    return added + cell.source, {"added": added}


def _markdown(source: str, language: Language) -> tuple[str, str]:
    """A Markdown cell's source cut behind its `%md` and the one blank or line end that follows."""
    lines = source.split("\n")
    at = magic_line(lines, language) or 0
    found = re.match(r"\s*%md(?:-sandbox)?[ \t]?", lines[at])
    head = found[0] if found else ""
    start = sum(len(line) + 1 for line in lines[:at]) + len(head)
    if source[start : start + 1] == "\n":
        start += 1
    return source[:start], source[start:]


def _language(metadata: Mapping[str, Any], ours: Mapping[str, Any], path: Path | None) -> Language:
    """Databricks' metadata, then language_info, then the kernel (reference 7.2); our own note comes first."""
    kernel = metadata.get("kernelspec") or {}
    said = (
        ours.get("language"),
        (metadata.get(DATABRICKS_NOTEBOOK) or {}).get("language"),
        (metadata.get("language_info") or {}).get("name"),
        kernel.get("language"),
    )
    # A kernel's name says something only where it is a usual one: people name their kernels as they like.
    name = str(kernel.get("name", "")).lower()
    word = next((str(one) for one in said if one), name if name in _LANGUAGES else "python")
    language = _LANGUAGES.get(word.lower())
    if language is None:
        raise UserError(
            f"{path or 'notebook'}: its language is {word!r}; Databricks notebooks are python, sql, scala or r"
        )
    return language


def _read_cell(node: Mapping[str, Any]) -> Cell:
    metadata = dict(node.get("metadata") or {})
    ours = metadata.pop(OURS, {})
    theirs = metadata.get(DATABRICKS_CELL) or {}
    kind = CellType(node.get("cell_type", "code"))
    title = ours.get("title", theirs.get("title"))
    return Cell(
        source=_typed(_joined(node.get("source", "")), kind, ours, theirs),
        kind=kind,
        title=None if title is None or (not title and "title" not in ours) else str(title),
        show_title=bool(theirs.get("showTitle", True)),
        line=ours.get("line"),
        raw=ours.get("raw"),
        id=node.get("id"),
        metadata=metadata,
        outputs=tuple(node.get("outputs") or ()),
        execution_count=node.get("execution_count"),
        attachments=node.get("attachments") or {},
    )


def _typed(text: str, kind: CellType, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    if kind is CellType.MARKDOWN:
        sandbox = "%md-sandbox\n" if theirs.get("isMarkdownSandbox") else _MARKDOWN
        return str(ours.get("prefix", sandbox)) + text
    return text.removeprefix(str(ours.get("added", "")))


def _joined(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source)
