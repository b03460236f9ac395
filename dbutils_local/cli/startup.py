"""`dbutils-local install-startup`: every kernel of this Python loads the extension by itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from dbutils_local.errors import UserError


@click.command("install-startup")
@click.option("--remove", is_flag=True, help="Take it back.")
def install_startup(remove: bool) -> None:
    """Load `dbutils` into every IPython session of this environment, without a line in the notebook.

    \b
    Example:
      dbutils-local install-startup
    """
    path = Path(sys.prefix) / "etc" / "ipython" / "ipython_config.json"
    config = _read(path)
    extensions = config.setdefault("InteractiveShellApp", {}).setdefault("extensions", [])
    if remove:
        extensions[:] = [name for name in extensions if name != "dbutils_local"]
    elif "dbutils_local" not in extensions:
        extensions.append("dbutils_local")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"{path}: {'no longer loads' if remove else 'loads'} dbutils_local")


def _read(path: Path) -> dict[str, dict[str, list[str]]]:
    if not path.is_file():
        return {}
    try:
        config: dict[str, dict[str, list[str]]] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); it was left as it is") from error
    return config
