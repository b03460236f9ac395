"""`dbutils-local fs` and `convert`: files as Databricks names them, notebooks from one format to the other."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbutils_local.cli.options import echo_json, echo_table, output_option
from dbutils_local.errors import UserError

if TYPE_CHECKING:
    from dbutils_local.files import Files

# `cat` reads this much at most; more is what cp is for.
CAT_BYTES = 1 << 30


@click.group()
def fs() -> None:
    """Files: dbfs:/, /Volumes/..., file:/, and any fsspec URL whose package is installed.

    \b
    Example:
      dbutils-local fs cp file:/data/in.csv dbfs:/landing/in.csv
    """


def _files() -> Files:
    from dbutils_local.files import Files
    from dbutils_local.settings import Settings
    from dbutils_local.workspace import default_root

    settings = Settings.load()
    return Files(settings.ensure_home(), default_root(settings))


@fs.command()
@click.argument("paths", nargs=-1)
@output_option
def ls(paths: Sequence[str], output: str) -> None:
    """One level of each folder; of dbfs:/ when none is named.

    \b
    Example:
      dbutils-local fs ls /Volumes/main/default/landing
    """
    files = _files()
    entries = [entry for path in paths or ("dbfs:/",) for entry in files.listing(path)]
    if output == "json":
        echo_json([asdict(entry) for entry in entries])
        return
    echo_table(("path", "size"), [(entry.path, entry.size) for entry in entries]) if entries else None


@fs.command()
@click.argument("paths", nargs=-1, required=True)
def cat(paths: Sequence[str]) -> None:
    """The bytes of the files on stdout.

    \b
    Example:
      dbutils-local fs cat dbfs:/landing/in.csv
    """
    files = _files()
    for path in paths:
        data, more = files.head(path, CAT_BYTES)
        sys.stdout.buffer.write(data)
        if more:
            raise UserError(f"{path} is larger than 1 GiB: the first GiB was written; use fs cp for all of it")


@fs.command()
@click.argument("source")
@click.argument("target")
@click.option("-r", "--recursive", is_flag=True)
def cp(source: str, target: str, recursive: bool) -> None:
    """Copy a file or, with -r, a folder.

    \b
    Example:
      dbutils-local fs cp -r file:/data dbfs:/landing
    """
    _files().copy(source, target, recursive)


@fs.command()
@click.argument("source")
@click.argument("target")
@click.option("-r", "--recursive", is_flag=True)
def mv(source: str, target: str, recursive: bool) -> None:
    """Move a file or, with -r, a folder.

    \b
    Example:
      dbutils-local fs mv dbfs:/landing/in.csv dbfs:/done/in.csv
    """
    _files().move(source, target, recursive)


@fs.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True)
def rm(paths: Sequence[str], recursive: bool) -> None:
    """Remove files or, with -r, folders.

    \b
    Example:
      dbutils-local fs rm -r dbfs:/landing
    """
    files = _files()
    for path in paths:
        if not files.remove(path, recursive):
            raise UserError(f"{path}: no such file or directory")


@fs.command()
@click.argument("paths", nargs=-1, required=True)
def mkdirs(paths: Sequence[str]) -> None:
    """Make folders and those above them.

    \b
    Example:
      dbutils-local fs mkdirs dbfs:/landing/2026
    """
    files = _files()
    for path in paths:
        files.make(path)


@click.command()
@click.argument("src", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("dst", type=click.Path(dir_okay=False, path_type=Path))
def convert(src: Path, dst: Path) -> None:
    """Turn a notebook from .ipynb into Databricks source format, or back, without losing anything of its source.

    \b
    Example:
      dbutils-local convert etl.py etl.ipynb
    """
    from dbutils_local import notebooks

    done = notebooks.convert(src, dst)
    for notice in done.notices:
        click.echo(f"notice: {notice}", err=True)
    click.echo(str(dst))
