"""`dbutils.credentials`: there are no cloud roles on this machine (reference 6.2)."""

from __future__ import annotations

from typing import NoReturn

from dbutils_local.dbutils.help import Helpful
from dbutils_local.errors import NotSupportedHere


class DatabricksCredentialUtils(Helpful):
    """`dbutils.credentials`: the lists are empty, everything that would hand out a credential is refused by name."""

    _module = "credentials"

    def showRoles(self) -> list[str]:
        """The roles one could assume: none."""
        return []

    def showCurrentRole(self) -> list[str]:
        """The role in use: none."""
        return []

    def assumeRole(self, role: str) -> NoReturn:
        """Refused: roles belong to a credential-passthrough cluster."""
        raise NotSupportedHere(
            f"dbutils.credentials.assumeRole({role!r}): there are no cluster roles on this machine; "
            "give cloud credentials in the environment (for instance AWS_PROFILE)"
        )

    def getCurrentCredentials(self) -> NoReturn:
        """Refused: credentials of a role belong to a credential-passthrough cluster."""
        raise NotSupportedHere(
            "dbutils.credentials.getCurrentCredentials: there are no cluster roles on this machine; "
            "cloud SDKs find their credentials in the environment"
        )

    def getServiceCredentialsProvider(self, credentialName: str) -> NoReturn:
        """Refused: service credentials live in Unity Catalog."""
        raise NotSupportedHere(
            f"dbutils.credentials.getServiceCredentialsProvider({credentialName!r}): service credentials live in Unity "
            "Catalog; cloud SDKs on this machine find their credentials in the environment"
        )
