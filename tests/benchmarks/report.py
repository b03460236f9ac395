"""What the benchmarks found: a table for the terminal, a picture and a JSON file for the artifacts folder."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from html import escape
from pathlib import Path
from statistics import median


@dataclass(frozen=True)
class Row:
    """One figure, its limit, and what it was measured against."""

    subject: str
    name: str
    value: float
    unit: str
    limit: float | None = None
    detail: str = ""

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return ""
        return "ok" if self.value <= self.limit else "OVER"


@dataclass
class Report:
    """Collects rows; `finish` writes them down."""

    folder: Path
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def figure(
        self, subject: str, name: str, value: float, unit: str, limit: float | None = None, detail: str = ""
    ) -> None:
        """A measured value; at or below the limit is good."""
        self.rows.append(Row(subject, name, value, unit, limit, detail))
        print(_line(self.rows[-1]), flush=True)

    def ratio(
        self, subject: str, name: str, ours: list[float], theirs: list[float], limit: float, unit: str = "s"
    ) -> None:
        """The median of the ratios of paired runs: what happens to the machine happens to both of a pair."""
        value = median(mine / other for mine, other in zip(ours, theirs, strict=True))
        detail = f"{median(ours):.2f} {unit} against {median(theirs):.2f} {unit}"
        self.figure(subject, name, value, "x", limit, detail)

    def note(self, text: str) -> None:
        """A sentence under the table."""
        self.notes.append(text)

    def finish(self) -> int:
        """Write the table, the picture and the JSON; the number of figures over their limits."""
        self.folder.mkdir(parents=True, exist_ok=True)
        over = [row for row in self.rows if row.verdict == "OVER"]
        text = "\n".join([_machine(), *map(_line, self.rows), *self.notes])
        (self.folder / "benchmarks.txt").write_text(text + "\n")
        (self.folder / "benchmarks.json").write_text(json.dumps([asdict(row) for row in self.rows], indent=1))
        (self.folder / "benchmarks.svg").write_text(_picture(self.rows))
        print(f"\n{_machine()}")
        for note in self.notes:
            print(note)
        print(f"{len(self.rows)} figures, {len(over)} over their limit; table and picture in {self.folder}")
        return len(over)


def _machine() -> str:
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def _line(row: Row) -> str:
    limit = f"limit {row.limit:g}" if row.limit is not None else ""
    return f"{row.verdict:4} {row.subject:9} {row.name:58} {row.value:8.3f} {row.unit:3} {limit:12} {row.detail}"


def _picture(rows: list[Row]) -> str:
    """A bar for each figure that has a limit, as long as its part of the limit; the line is the limit."""
    judged = [row for row in rows if row.limit is not None]
    bar, left, full = 22, 470, 300
    height = 50 + bar * len(judged)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="1100" height="{height}"',
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="1100" height="{height}" fill="#fff"/>',
        f'<text x="10" y="20" fill="#333">Measured, as a part of the limit. {escape(_machine())}</text>',
    ]
    for number, row in enumerate(judged):
        y = 36 + bar * number
        share = min(row.value / row.limit, 2.0) if row.limit else 0.0
        colour = "#2a7d4f" if row.verdict == "ok" else "#b3261e"
        parts += [
            f'<text x="{left - 8}" y="{y + 12}" text-anchor="end" fill="#333">{escape(row.name)}</text>',
            f'<rect x="{left}" y="{y}" width="{full * share:.1f}" height="15" fill="{colour}"/>',
            f'<text x="{left + full * share + 6:.1f}" y="{y + 12}" fill="#333">{row.value:.3g} {row.unit} '
            f"({escape(row.detail)})</text>",
        ]
    parts.append(f'<path d="M{left + full} 30V{height - 10}" stroke="#333" stroke-dasharray="4 3"/></svg>')
    return "\n".join(parts)
