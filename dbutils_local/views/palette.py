"""The colours of run states, light and dark, shared by every picture and page."""

from __future__ import annotations

from dbutils_local.views.snapshot import Tone

# Tone -> (accent, light fill, dark fill). The meaning is Databricks' (jobs reference, 5.9): green success, red failed,
# pink skipped, yellow waiting for retry, grey pending, canceled and timed out.
_COLOURS: dict[Tone, tuple[str, str, str]] = {
    Tone.SUCCESS: ("#2e8b57", "#e6f4ec", "#173325"),
    Tone.FAILED: ("#d13438", "#fbe9e9", "#431b1d"),
    Tone.SKIPPED: ("#c2568f", "#fbeaf3", "#3a1c2d"),
    Tone.RUNNING: ("#2272b4", "#e5f0fa", "#152f47"),
    Tone.RETRY: ("#c98a00", "#fdf4dc", "#3d2f0b"),
    Tone.STOPPED: ("#6e7781", "#eceef0", "#2b3036"),
    Tone.WAITING: ("#a8b0b9", "#f6f7f8", "#22262b"),
}
_DARK = "--dbl-text:#e6e9ec;--dbl-soft:#a9b1ba;--dbl-line:#6c757e;--dbl-grid:#353b42;--dbl-paper:#16191d;" + "".join(
    f"--dbl-{tone}:{dark};" for tone, (_, _, dark) in _COLOURS.items()
)
_LIGHT = "--dbl-text:#1d2126;--dbl-soft:#5b646d;--dbl-line:#8a929c;--dbl-grid:#dfe3e7;--dbl-paper:#ffffff;" + "".join(
    f"--dbl-{tone}:{light};--dbl-{tone}-accent:{accent};" for tone, (accent, light, _) in _COLOURS.items()
)

VARIABLES = (
    f".dbl{{{_LIGHT}}}"
    f"@media(prefers-color-scheme:dark){{.dbl{{{_DARK}}}}}"
    # Inside JupyterLab its own theme decides, not the operating system's.
    f"[data-jp-theme-light=true] .dbl{{{_LIGHT}}}[data-jp-theme-light=false] .dbl{{{_DARK}}}"
)
STYLE = (
    VARIABLES
    + "svg.dbl{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;max-width:none}"
    + "svg.dbl text{fill:var(--dbl-text)}svg.dbl .dbl-key{font-weight:600}"
    + "svg.dbl .dbl-fact{fill:var(--dbl-soft);font-size:11px}"
    + "svg.dbl .dbl-note{fill:var(--dbl-soft);font-size:11px;font-style:italic}"
    + "svg.dbl .dbl-edge{fill:none;stroke:var(--dbl-line);stroke-width:1.4}"
    + "svg.dbl .dbl-off{stroke-dasharray:4 4;opacity:.45}"
    + "svg.dbl .dbl-head{stroke-dasharray:none}svg.dbl .dbl-grid{stroke:var(--dbl-grid);stroke-width:1}"
    + "svg.dbl .dbl-badge{fill:var(--dbl-paper);stroke:var(--dbl-retry-accent)}"
    + "svg.dbl .dbl-badge-text{font-size:10px;fill:var(--dbl-retry-accent)}"
    + "svg.dbl a{cursor:pointer;text-decoration:none}"
    + "".join(
        f"svg.dbl .dbl-{tone} .dbl-box{{fill:var(--dbl-{tone});stroke:var(--dbl-{tone}-accent)}}"
        f"svg.dbl .dbl-{tone} .dbl-bar{{fill:var(--dbl-{tone}-accent);stroke:none}}"
        for tone in _COLOURS
    )
    + "svg.dbl .dbl-skipped .dbl-box{stroke-dasharray:5 3}svg.dbl .dbl-waiting .dbl-box{stroke-dasharray:3 3}"
)


def fallback(tone: Tone) -> str:
    """Presentation attributes for viewers that drop style elements."""
    accent, light, _ = _COLOURS[tone]
    return f'fill="{light}" stroke="{accent}"'
