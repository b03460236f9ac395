"""A notebook as cells: pure text in, text out."""

from __future__ import annotations

from dbutils_local.notebooks.cells import CellKind, ParsedCell, RunCall, WidgetRef, cell_to_python, classify, parse_run
from dbutils_local.notebooks.document import Cell, CellType, Document, Environment, Format, Language
from dbutils_local.notebooks.files import EXPORTS, EXTENSIONS, Conversion, convert, is_notebook, read, write
from dbutils_local.notebooks.ipynb import from_nbformat, kernel_source, source_line, to_nbformat
from dbutils_local.notebooks.locate import resolve, workspace_path
from dbutils_local.notebooks.source import parse, render

__all__ = [
    "EXPORTS",
    "EXTENSIONS",
    "Cell",
    "CellKind",
    "CellType",
    "Conversion",
    "Document",
    "Environment",
    "Format",
    "Language",
    "ParsedCell",
    "RunCall",
    "WidgetRef",
    "cell_to_python",
    "classify",
    "convert",
    "from_nbformat",
    "is_notebook",
    "kernel_source",
    "parse",
    "parse_run",
    "read",
    "render",
    "resolve",
    "source_line",
    "to_nbformat",
    "workspace_path",
    "write",
]
