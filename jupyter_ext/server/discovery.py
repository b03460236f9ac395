"""What clients ask before they come to the point: who am I, where am I, is that notebook there."""

from __future__ import annotations

import hashlib
from typing import Any

from jupyter_server.auth.decorator import allow_unauthenticated

from dbutils_local.errors import NotFound, UserError
from jupyter_ext.server.base import Call, Doors, Guarded
from jupyter_ext.server.desk import Desk
from jupyter_ext.server.roots import workspace_object

DISCOVERY = Doors()
_LANGUAGES = {".sql": "SQL", ".scala": "SCALA", ".r": "R"}


@DISCOVERY.door("GET", "preview/scim/v2/Me")
def me(desk: Desk, call: Call) -> dict[str, Any]:
    """`preview/scim/v2/Me`: the one user there is."""
    user = desk.workspace.settings.user
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "1",
        "userName": user,
        "displayName": user.partition("@")[0],
        "active": True,
        "emails": [{"value": user, "type": "work", "primary": True}],
        "groups": [],
    }


@DISCOVERY.door("GET", "workspace/get-status")
def get_status(desk: Desk, call: Call) -> dict[str, Any]:
    """`workspace/get-status`: what lies at a workspace path."""
    path = call.values.get("path")
    if not isinstance(path, str) or not path:
        raise UserError("Missing required field: path")
    found = workspace_object(path, desk.roots)
    if found is None:
        raise NotFound(f"Path ({path}) doesn't exist.")
    kind, file = found
    stat = file.stat()
    told = {
        "path": path,
        "object_type": kind,
        # The same for the same path, on every start.
        "object_id": int(hashlib.sha256(str(file).encode()).hexdigest()[:12], 16),
        "resource_id": str(int(hashlib.sha256(str(file).encode()).hexdigest()[:12], 16)),
        "modified_at": int(stat.st_mtime * 1000),
        "created_at": int(stat.st_ctime * 1000),
    }
    if kind == "NOTEBOOK":
        told["language"] = _LANGUAGES.get(file.suffix.lower(), "PYTHON")
    return told


@DISCOVERY.door("GET", "clusters/spark-versions")
def spark_versions(desk: Desk, call: Call) -> dict[str, Any]:
    """`clusters/spark-versions`: asked by some clients to try a connection."""
    return {"versions": [{"key": "local", "name": "This machine (no cluster is started)"}]}


class WellKnown(Guarded):
    """`/.well-known/databricks-config`: asked without credentials when a client is made, so it must answer at once."""

    async def prepare(self) -> None:  # type: ignore[override]
        """Open to everyone: it says nothing but that there is no other way to log in."""

    @allow_unauthenticated
    def get(self) -> None:
        self.finish({"oidc_endpoint": "", "workspace_id": "0"})


class Front(Guarded):
    """The root of a server that stands alone leads to the run pages; browsers keep the `#job/...` of an address."""

    def refuse_stranger(self) -> None:
        """The pages ask for the login."""

    @allow_unauthenticated
    def get(self) -> None:
        self.redirect(f"{self.base_url}dbutils-local/")
