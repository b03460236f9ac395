"""Shows a thing where its caller looks: in the cell's output, or on stdout where there is no cell."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def publish(text: str, html: str) -> None:
    """Show `html` in a notebook (with `text` beside it for those who cannot), `text` elsewhere."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        print(text)
        return
    display: Any = import_module("IPython.display").display
    display({"text/plain": text, "text/html": html}, raw=True)
