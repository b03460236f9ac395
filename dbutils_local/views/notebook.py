"""An executed notebook as one HTML document without scripts or links to the network."""

from __future__ import annotations

import re
from html import escape, unescape
from typing import Any

from dbutils_local.errors import MissingExtra

# What could run or load something; the frame that shows the document is sandboxed as well.
_ACTIVE = re.compile(r"<(script|iframe|object|embed|link|meta|base)\b[^>]*>(?:.*?</\1\s*>)?", re.IGNORECASE | re.DOTALL)
# What displayHTML leaves in a notebook.
_FRAME = re.compile(r'<iframe\b[^>]*?\bsrcdoc="([^"]*)"[^>]*>(?:\s*</iframe\s*>)?', re.IGNORECASE)
# Also for handlers and addresses that hide in attributes.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'\">"
)
_PLACE = "\N{OBJECT REPLACEMENT CHARACTER}frame\N{OBJECT REPLACEMENT CHARACTER}"
_CSS = """
:root{color-scheme:light dark}
body{margin:12px 16px;font:14px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;color:#1d2126;background:#fff}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:12.5px/1.45 ui-monospace,Menlo,Consolas,monospace}
.jp-Cell,.cell{margin:0 0 12px}
.input_area,.jp-InputArea-editor{background:#f5f6f7;border:1px solid #dfe3e7;border-radius:4px}
.input_area,.jp-InputArea-editor{padding:8px 10px;overflow:auto}
.output_area,.output_subarea{padding:4px 10px;overflow:auto;max-width:100%}
.prompt,.jp-InputPrompt,.jp-OutputPrompt{color:#7a838c;font-size:11px}
.output_error pre,.ansi-red-fg{color:#b3261e}
.ansi-green-fg{color:#2e7d4f}.ansi-cyan-fg{color:#1d6f7f}.ansi-blue-fg{color:#1f5fa8}
.ansi-bold{font-weight:600}
img,svg{max-width:100%}.anchor-link{display:none}
iframe{width:100%;height:240px;border:0;background:#fff}
table{border-collapse:collapse;font-size:13px}td,th{border:1px solid #dfe3e7;padding:3px 8px;text-align:right}
@media(prefers-color-scheme:dark){body{color:#e6e9ec;background:#16191d}.input_area,.jp-InputArea-editor{background:#1f2328;border-color:#353b42}
td,th{border-color:#353b42}.output_error pre,.ansi-red-fg{color:#ff8a80}img{background:#fff}}
"""


def notebook_html(node: Any) -> str:
    """One self-contained HTML document of an nbformat node, pictures embedded; MissingExtra without nbconvert."""
    try:
        from nbconvert import HTMLExporter
    except ImportError as error:
        raise MissingExtra("showing an executed notebook as HTML", "html") from error
    exporter: Any = HTMLExporter
    body, _ = exporter(template_name="basic", embed_images=True).from_notebook_node(node)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">{_POLICY}<title>Notebook</title>'
        f"<style>{_CSS}{_highlighting()}</style></head><body>{_passive(str(body))}</body></html>"
    )


def _passive(page: str) -> str:
    """`page` without what could run or load something; frames that hold their content keep it, made passive as well."""
    frames = [_passive(unescape(found[1])) for found in _FRAME.finditer(page)]
    page = _FRAME.sub(_PLACE, page.replace(_PLACE, ""))
    # Taking a tag out can make a new one of its neighbours: go on until none is left.
    while (clean := _ACTIVE.sub("", page)) != page:
        page = clean
    for frame in frames:
        page = page.replace(_PLACE, f'<iframe sandbox="allow-same-origin" srcdoc="{escape(frame)}"></iframe>', 1)
    return page


def _highlighting() -> str:
    from pygments.formatters import HtmlFormatter

    light = str(HtmlFormatter(style="default").get_style_defs(".highlight"))
    dark = str(HtmlFormatter(style="monokai").get_style_defs(".highlight"))
    return f"{light}@media(prefers-color-scheme:dark){{{dark}}}.highlight{{background:none!important}}"
