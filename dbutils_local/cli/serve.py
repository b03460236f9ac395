"""`dbutils-local serve`: the Jobs REST API, run pages and triggers, by whichever server is installed."""

from __future__ import annotations

import click


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 = any free port.")
@click.option(
    "--token", help="Bearer token of the clients; made up and printed if not given.", envvar="DBUTILS_LOCAL_TOKEN"
)
def serve(host: str, port: int, token: str | None) -> None:
    """Serve the Jobs REST API so that the Databricks SDK, CLI and Airflow drive local jobs.

    \b
    Example:
      dbutils-local serve --port 8765 --token secret
    """
    from importlib.metadata import entry_points

    from dbutils_local.errors import MissingExtra

    found = next(iter(entry_points(group="dbutils_local.servers")), None)
    if found is None:
        raise MissingExtra("dbutils-local serve", "server")
    try:
        start = found.load()
    except ImportError as error:
        raise MissingExtra("dbutils-local serve", "server") from error
    start(host=host, port=port, token=token)
