"""`display` and `displayHTML`: tables people like to look at, figures, and HTML in its own frame (reference 8.2)."""

from __future__ import annotations

import html
import re
from typing import Any

from dbutils_local.errors import NotSupportedHere
from jupyter_ext.kernel import tables

# Words IPython's own display() takes; with one of them the call is meant for it.
_IPYTHON_WORDS = frozenset({"include", "exclude", "metadata", "transient", "display_id", "raw", "clear"})
FRAME_HEIGHT = 320  # pixels, until the content has told its own


def display(*values: Any, **options: Any) -> Any:
    """Show each value: frames and lists of records as tables, figures as pictures, the rest as IPython does.

    `display()` shows nothing. Returns None, or IPython's handle for its `display_id=`. Streaming frames are refused.
    """
    from IPython.display import display as ipython_display

    if _IPYTHON_WORDS & options.keys():
        return ipython_display(*values, **options)
    for value in values:
        bundle = bundle_of(value)
        if bundle is None:
            ipython_display(value)
        else:
            ipython_display(bundle, raw=True)
    return None


def bundle_of(value: Any) -> dict[str, Any] | None:
    """The mimebundle we make for `value`, or None where IPython's own is the better one."""
    if getattr(value, "isStreaming", False) is True:
        raise NotSupportedHere(
            "display() of a streaming frame is not done on this machine: write the stream with "
            ".writeStream.trigger(availableNow=True).toTable(...) or .format('memory') and display that table"
        )
    figure = _figure(value)
    if figure is not None:
        return _picture(figure)
    table = tables.of(value)
    return None if table is None else {"text/html": tables.as_html(table), "text/plain": tables.as_text(table)}


def displayHTML(html: str = "", **_: Any) -> None:
    """Show HTML (or the page at a URL) in a sandboxed frame: its scripts run, and cannot reach the notebook."""
    from IPython.display import display as ipython_display

    ipython_display({"text/html": framed(str(html)), "text/plain": _plain(str(html))}, raw=True)


def framed(content: str) -> str:
    """An iframe with `content`; a small script lets it grow to the content's height where scripts run."""
    sandbox = 'sandbox="allow-scripts allow-popups allow-forms allow-downloads" referrerpolicy="no-referrer"'
    style = f"width:100%;height:{FRAME_HEIGHT}px;border:0;resize:vertical;overflow:auto;background:#fff"
    if re.match(r"\s*https?://\S+\s*$", content):
        return f'<iframe class="dbl-html" {sandbox} style="{style}" src="{html.escape(content.strip())}"></iframe>'
    page = html.escape(content + _TELL_HEIGHT)
    return f'<iframe class="dbl-html" {sandbox} style="{style}" srcdoc="{page}"></iframe>{_TAKE_HEIGHT}'


# The body's own end, not the document's height: that is never less than the frame's.
_TELL_HEIGHT = (
    "<script>(()=>{const t=()=>parent.postMessage({dblHeight:document.body.getBoundingClientRect().bottom+12},'*');"
    "addEventListener('load',()=>{t();new ResizeObserver(t).observe(document.body)})})()</script>"
)
_TAKE_HEIGHT = (
    "<script>(()=>{if(window.dblHeights)return;window.dblHeights=true;addEventListener('message',e=>{"
    "const h=e.data&&e.data.dblHeight;if(!(h>0))return;for(const f of document.querySelectorAll('iframe.dbl-html'))"
    "if(f.contentWindow===e.source)f.style.height=Math.min(Math.ceil(h)+4,1200)+'px'})})()</script>"
)


def _plain(content: str) -> str:
    text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>|<[^>]*>", "", content)
    return re.sub(r"\n\s*\n+", "\n", html.unescape(text)).strip()


def _figure(value: Any) -> Any:
    """The matplotlib figure of `value` (a figure, axes, or an array or list of axes), or None."""
    if _is_of(value, "matplotlib", "Figure"):
        return value
    if _is_of(value, "matplotlib", "Axes"):
        return value.get_figure()
    if _is_of(value, "numpy", "ndarray") and value.dtype == object and value.size:
        return _figure(value.flat[0])
    return None


def _is_of(value: Any, package: str, name: str) -> bool:
    # By name and not by isinstance: a value's own package is imported already, any other one need not be.
    return any(kind.__name__ == name and kind.__module__.split(".")[0] == package for kind in type(value).__mro__)


def _picture(figure: Any) -> dict[str, Any]:
    import base64
    import io
    import sys

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        # It has been shown: the inline backend would show it a second time at the end of the cell.
        pyplot.close(figure)
    return {"image/png": base64.b64encode(buffer.getvalue()).decode(), "text/plain": repr(figure)}
