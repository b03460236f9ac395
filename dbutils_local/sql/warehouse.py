"""Where the DuckDB files of a home lie, and whose turn it is to open them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from dbutils_local.sql.lock import exclusive
from dbutils_local.sql.names import DEFAULT_CATALOG, canonical, inside

FOLDER = "sql"  # below the home

__all__ = ["DEFAULT_CATALOG", "FOLDER", "catalog_files", "file_of", "turn"]


def file_of(folder: Path, catalog: str) -> Path:
    """The DuckDB file of a catalog; its stem is the name DuckDB knows it under, for other programs that open it."""
    name = canonical(catalog)
    return (
        folder / f"{inside(name)}.duckdb" if name == DEFAULT_CATALOG else folder / "catalogs" / f"{inside(name)}.duckdb"
    )


def catalog_files(folder: Path) -> list[Path]:
    """The files of the catalogs that were made."""
    return sorted((folder / "catalogs").glob("*.duckdb"))


def turn(folder: Path, timeout: float = 600.0) -> AbstractContextManager[None]:
    """Hold this while any program has one of the files open: DuckDB lets one process have a file at a time.

    Waits up to `timeout` seconds for its turn, then raises HomeUnusable.
    """
    return exclusive(folder / "warehouse.lock", timeout)
