"""A notebook as data: cells, default language, and whatever its file needs to be written back byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from dbutils_local.errors import UserError

DATABRICKS_NOTEBOOK = "application/vnd.databricks.v1+notebook"
DATABRICKS_CELL = "application/vnd.databricks.v1+cell"
OURS = "dbutils_local"  # our own metadata key, in cells and notebooks


class Language(Enum):
    """A notebook's default language; the value is the word Databricks writes."""

    PYTHON = "python"
    SQL = "sql"
    SCALA = "scala"
    R = "r"

    @property
    def comment(self) -> str:
        """The comment prefix of the source format (reference 7.1)."""
        return {Language.SQL: "--", Language.SCALA: "//"}.get(self, "#")

    @property
    def header(self) -> str:
        """The first line that makes a source file a notebook."""
        return f"{self.comment} Databricks notebook source"


class Format(Enum):
    """How a notebook lies on disk; the value is the export format's Databricks word."""

    SOURCE = "SOURCE"
    IPYNB = "JUPYTER"


class CellType(Enum):
    """What a cell is for; the value is nbformat's `cell_type`."""

    CODE = "code"
    MARKDOWN = "markdown"
    RAW = "raw"  # exists in .ipynb only; never executed


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; `source` is what one would type in Databricks: `%sql` and `%md` first lines kept, no MAGIC prefixes."""

    source: str
    kind: CellType = CellType.CODE
    title: str | None = None
    line: int | None = None  # 1-based line in its source file; source line i stands at `line + i`; None in .ipynb
    show_title: bool = True
    raw: str | None = None  # the exact text in the source file, kept only where writing by the rules would differ
    id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[Any, ...] = ()
    execution_count: int | None = None
    attachments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Environment:
    """What the inline environment block of a notebook asks for."""

    version: str | None = None
    base: str | None = None
    dependencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A whole notebook; cells are numbered from 1 wherever a person reads the number."""

    cells: tuple[Cell, ...]
    language: Language = Language.PYTHON
    path: Path | None = None
    format: Format = Format.SOURCE
    metadata: Mapping[str, Any] = field(default_factory=dict)
    script: str | None = None  # the `# /// script` block with its comment prefixes, lines joined by \n
    newline: str = "\n"

    @property
    def environment(self) -> Environment | None:
        """The notebook's environment: its script block, else its `environmentMetadata`; None when it says nothing."""
        table = self._script_table() if self.script is not None else self._environment_metadata()
        if not table:
            return None
        version = table.get("environment_version", table.get("client"))
        base = table.get("base_environment")
        return Environment(
            version=None if version is None else str(version),
            base=None if not base else str(base),
            dependencies=tuple(str(one) for one in table.get("dependencies") or ()),
        )

    def _environment_metadata(self) -> Mapping[str, Any]:
        ours = self.metadata.get(DATABRICKS_NOTEBOOK)
        found = ours.get("environmentMetadata") if isinstance(ours, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def _script_table(self) -> Mapping[str, Any]:
        import tomllib

        mark = self.language.comment
        inside = (self.script or "").split("\n")[1:-1]
        text = "\n".join(line.removeprefix(mark).removeprefix(" ") for line in inside)
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UserError(
                f"{self.path or 'notebook'}: the '{mark} /// script' block is not valid TOML: {error}"
            ) from error
        tool = table.get("tool", {}).get("databricks", {}).get("environment", {})
        return {"dependencies": table.get("dependencies"), **tool} if tool or table.get("dependencies") else {}
