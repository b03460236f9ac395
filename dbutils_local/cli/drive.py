"""`dbutils-local drive RUN_ID`: what a detached run's own process does. Not for typing."""

from __future__ import annotations

import click


@click.command(hidden=True)
@click.argument("run_id", type=int)
def drive(run_id: int) -> None:
    """Drive a stored run to its end."""
    from dbutils_local.workspace import Workspace

    Workspace.open().drive(run_id)
