"""Puts the support table, as the models have it now, between its marks in README.md (`make readme`)."""

from __future__ import annotations

from pathlib import Path

from dbutils_local.spec.support import support_table

BEGIN, END = "<!-- support table: begin -->", "<!-- support table: end -->"

readme = Path(__file__).parents[1] / "README.md"
before, _, rest = readme.read_text("utf-8").partition(BEGIN)
_, _, after = rest.partition(END)
readme.write_text(f"{before}{BEGIN}\n\n{support_table()}\n\n{END}{after}", "utf-8")
