"""Options that several verbs share, and how their texts become values."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from dbutils_local.errors import UserError

# Ids are 64-bit numbers in the store and on the wire.
ID = click.IntRange(0, 2**63 - 1)
F = TypeVar("F", bound=Callable[..., Any])


def output_option(command: F) -> F:
    """`-o text|json`."""
    return click.option(
        "-o", "--output", "output", type=click.Choice(["text", "json"]), default="text", help="What stdout carries."
    )(command)


def spec_options(command: F) -> F:
    """SPEC and what chooses in it: --job, -t, --var."""
    command = click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A bundle variable.")(
        command
    )
    command = click.option("-t", "--target", help="A bundle target.")(command)
    return click.option("--job", "job", metavar="KEY", help="Which job, where a spec holds several.")(command)


def params_option(command: F) -> F:
    """`-p NAME=VALUE`, repeatable."""
    return click.option(
        "-p", "--param", "params", multiple=True, metavar="NAME=VALUE", help="A job parameter; NAME=@file reads a file."
    )(command)


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping; with `-p`, `NAME=@file` reads the value from the file."""
    result: dict[str, str] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise UserError(f"{option} {text}: expected NAME=VALUE")
        # A bundle variable is taken as it stands, as the bundle's own tool takes it.
        result[name] = _from_file(value[1:], text, option) if option == "-p" and value.startswith("@") else value
    return result


def _from_file(name: str, text: str, option: str) -> str:
    if not name:
        raise UserError(f"{option} {text}: no file is named after the @")
    try:
        return Path(name).read_text("utf-8")
    except OSError as error:
        raise UserError(f"{option} {text}: cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{option} {text}: {name} is not UTF-8 text (byte {error.start})") from error


def task_values(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`TASK.KEY=JSON` texts as {task: {key: value}}."""
    result: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        task, dot, key = name.partition(".")
        if not mark or not dot or not key:
            raise UserError(f"--task-value {text}: expected TASK.KEY=JSON")
        try:
            result.setdefault(task, {})[key] = json.loads(value)
        except ValueError as error:
            raise UserError(
                f"--task-value {text}: the value is not JSON ({error}); a text needs its quotes: '\"text\"'"
            ) from error
    return result


def listed(texts: Sequence[str]) -> tuple[str, ...]:
    """`a,b` and repeated options as one list."""
    return tuple(part.strip() for text in texts for part in text.split(",") if part.strip())


def named(texts: Sequence[str], option: str) -> tuple[str, ...]:
    """`listed`, where an option that names nothing (an empty variable in a script) would mean the opposite: all."""
    found = listed(texts)
    if texts and not found:
        raise UserError(f"{option} {','.join(texts)!r}: names no task")
    return found


def echo_json(value: Any) -> None:
    """Exactly one JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def echo_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligned columns on stdout."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(headers, *texts, strict=True)]
    for row in [list(headers), *texts]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def shown(values: Mapping[str, Any]) -> str:
    """A mapping in one line."""
    return ", ".join(f"{name}={value}" for name, value in values.items())
