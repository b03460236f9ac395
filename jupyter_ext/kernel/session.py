"""What `%load_ext dbutils_local` puts into a kernel, and takes out of it again."""

from __future__ import annotations

from typing import Any

from dbutils_local.dbutils.handle import current_session
from jupyter_ext.kernel import magics
from jupyter_ext.kernel.endings import catch_endings
from jupyter_ext.kernel.face import Face

_ATTRIBUTE = "_dbutils_local_face"


def load(ip: Any) -> None:
    """Install into the shell `ip` what is not yet there, and bind the namespace to this process's `dbutils`.

    A kernel that waited in a pool is bound a second time, when it learns its task.
    """
    face = getattr(ip, _ATTRIBUTE, None)
    if face is None:
        face = Face(ip)
        face.curtain.draw(face.undo)
        catch_endings(face, face.undo)
        magics.install(face, face.undo)
        face.listen()
        setattr(ip, _ATTRIBUTE, face)
    face.bind()


def unload(ip: Any) -> None:
    """Take everything out again; what the user has put in place of ours stays."""
    face = getattr(ip, _ATTRIBUTE, None)
    if face is not None:
        face.remove()
        delattr(ip, _ATTRIBUTE)


def revive(kept: dict[str, Any]) -> None:
    """Run in the fresh kernel: load the extension, and take over what `Session.kept` gave in the old."""
    from IPython import get_ipython

    load(get_ipython())
    session = current_session()
    session.restore(kept)
    for widget in session.widgets.defined():
        # A panel that is there already is told.
        session.widgets.define(widget)
