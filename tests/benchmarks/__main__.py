"""`python -m tests.benchmarks [SUBJECT]...`: measure everything, or only these subjects.

A subject is a module of this folder with a function `run(report)`; see SUBJECTS. The exit code is 1 if a figure is over
its limit. Every comparison is of paired runs, so that a busy machine changes the times but hardly the ratios.
"""

from __future__ import annotations

import compileall
import importlib
import sys
from pathlib import Path

from tests.benchmarks.report import Report

SUBJECTS = ("kernels", "endurance")
ROOT = Path(__file__).resolve().parents[2]


def subjects() -> tuple[str, ...]:
    """Every module here that has `run`: the ones above first, then those of other rooms."""
    here = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    others = [name for name in here if name not in (*SUBJECTS, "report", "shapes")]
    return (*SUBJECTS, *others)


def main(names: list[str]) -> int:
    """Run the subjects of these names, all of them by default."""
    unknown = sorted(set(names) - set(subjects()))
    if unknown:
        print(f"no benchmark named {unknown[0]!r}; there are: {', '.join(subjects())}", file=sys.stderr)
        return 2
    # What pip does for an installed package; without it each process would compile a fresh checkout again.
    for package in ("dbutils_local", "jupyter_ext", "tests/benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=2)
    report = Report(ROOT / "artifacts")
    for name in names or subjects():
        importlib.import_module(f"tests.benchmarks.{name}").run(report)
    return 1 if report.finish() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
