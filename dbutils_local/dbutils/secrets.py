"""`dbutils.secrets`: reading secrets, each of which is hidden in all output from then on (reference 6.1)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from dbutils_local.dbutils.help import Helpful
from dbutils_local.dbutils.java import IllegalArgument
from dbutils_local.errors import NotFound
from dbutils_local.secrets import Vault, variable

if TYPE_CHECKING:
    from dbutils_local.dbutils.session import Session


class SecretMetadata(NamedTuple):
    """One key of a scope."""

    key: str


class SecretScope(NamedTuple):
    """One scope."""

    name: str

    def getName(self) -> str:
        """The name, as Java spells it."""
        return self.name


# Named out here: inside the class `list` is Databricks' method.
_Keys = list[SecretMetadata]
_Scopes = list[SecretScope]


class SecretUtils(Helpful):
    """`dbutils.secrets`."""

    _module = "secrets"

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def _vault(self) -> Vault:
        return Vault.open(self._session.settings, self._session.environ)

    def get(self, scope: str, key: str) -> str:
        """The secret as text."""
        return self.getBytes(scope, key).decode("utf-8")

    def getBytes(self, scope: str, key: str) -> bytes:
        """The secret as bytes."""
        value = self._vault.read(scope, key)
        if value is None:
            raise IllegalArgument(
                "get",
                f"Secret does not exist with scope: {scope} and key: {key}",
                f"On this machine: dbutils-local secrets put-secret {scope} {key}, or set {variable(scope, key)}",
            )
        self._session.redactor.learn(value.decode("utf-8", "ignore"))
        return value

    def list(self, scope: str) -> _Keys:
        """The keys of a scope."""
        try:
            return [SecretMetadata(key) for key in self._vault.keys(scope)]
        except NotFound as error:
            raise IllegalArgument("list", str(error)) from None

    def listScopes(self) -> _Scopes:
        """Every scope."""
        return [SecretScope(name) for name in self._vault.scopes()]
