"""`dbutils-local secrets`: scopes and keys; values go in and are never shown."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from dbutils_local.cli.options import echo_json, output_option

if TYPE_CHECKING:
    from dbutils_local.secrets import Vault


@click.group()
def secrets() -> None:
    """Scopes and keys for dbutils.secrets, kept in the home folder with mode 0600 (or in the keyring).

    \b
    Example:
      dbutils-local secrets create-scope jdbc && dbutils-local secrets put-secret jdbc password
    """


def _vault() -> Vault:
    from dbutils_local.secrets import Vault
    from dbutils_local.settings import Settings

    settings = Settings.load()
    settings.ensure_home()
    return Vault.open(settings)


@secrets.command("create-scope")
@click.argument("scope")
def create_scope(scope: str) -> None:
    """Make an empty scope.

    \b
    Example:
      dbutils-local secrets create-scope jdbc
    """
    _vault().store.create_scope(scope)


@secrets.command("put-secret")
@click.argument("scope")
@click.argument("key")
@click.option("--string-value", help="The value; other programs of this machine can read it while the command runs.")
def put_secret(scope: str, key: str, string_value: str | None) -> None:
    """Keep a secret; without --string-value it is asked for, or read from stdin.

    \b
    Example:
      dbutils-local secrets put-secret jdbc password < password.txt
    """
    value = string_value if string_value is not None else _asked()
    _vault().store.write(scope, key, value.encode("utf-8"))


def _asked() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Value", hide_input=True, err=True))
    return sys.stdin.read().removesuffix("\n")


@secrets.command("list-scopes")
@output_option
def list_scopes(output: str) -> None:
    """The scopes' names.

    \b
    Example:
      dbutils-local secrets list-scopes
    """
    _names(_vault().scopes(), output, "name")


@secrets.command("list-secrets")
@click.argument("scope")
@output_option
def list_secrets(scope: str, output: str) -> None:
    """The keys of a scope; never their values.

    \b
    Example:
      dbutils-local secrets list-secrets jdbc
    """
    _names(_vault().keys(scope), output, "key")


@secrets.command("delete-secret")
@click.argument("scope")
@click.argument("key")
def delete_secret(scope: str, key: str) -> None:
    """Forget a secret.

    \b
    Example:
      dbutils-local secrets delete-secret jdbc password
    """
    _vault().store.remove(scope, key)


@secrets.command("delete-scope")
@click.argument("scope")
def delete_scope(scope: str) -> None:
    """Forget a scope with all in it.

    \b
    Example:
      dbutils-local secrets delete-scope jdbc
    """
    _vault().store.remove_scope(scope)


def _names(names: list[str], output: str, field: str) -> None:
    if output == "json":
        echo_json([{field: name} for name in names])
        return
    for name in names:
        click.echo(name)
