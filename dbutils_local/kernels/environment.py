"""What a kernel or script is born with: one JSON file named in its environment.

A file and not variables, because `base_parameters` may hold 1 MB and one environment string is limited to 128 KiB
on Linux.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = "DBUTILS_LOCAL_BIRTH"


@dataclass(frozen=True, slots=True)
class JobContext:
    """The job run a process belongs to; times in epoch milliseconds, UTC."""

    job_id: int
    job_name: str
    run_id: int  # the job run
    task_run_id: int  # this attempt of the task
    task_key: str
    attempt_number: int = 0
    repair_count: int = 0
    start_time: int = 0
    trigger_type: str = "onetime"
    is_iteration: bool = False  # inside a for_each_task: task values are refused
    is_alone: bool = False  # a notebook or script run by itself: nobody wrote a job around it


@dataclass(frozen=True, slots=True)
class Birth:
    """Everything `dbutils` in a new process needs to know of where it stands."""

    home: Path
    workspace_root: Path
    notebook_path: str  # workspace path: absolute, no extension, no /Workspace prefix
    notebook_file: Path | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)  # widget values passed from outside
    outbox: Path | None = None  # JSON lines, see outbox
    artifacts: Path | None = None  # this attempt's folder; notebooks run in turn go to children/<n>-<name>.ipynb
    task_values: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict
    )  # of tasks that ended before this one started
    job: JobContext | None = None
    depth: int = 0  # 0 = a task or a notebook run by hand, +1 for each dbutils.notebook.run above it
    forkserver: str | None = None  # socket of the run's fork server, for dbutils.notebook.run
    spark: str | None = None  # socket of the process whose Spark JVM is lent; None: the fork server's, if there is one

    def write(self, path: Path) -> dict[str, str]:
        """Write the file (mode 0600: parameters may be private) and return the environment that names it."""
        text = json.dumps(asdict(self), default=str)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        return {VARIABLE: str(path)}

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Birth | None:
        """The birth file named in `environ`, or None in a process that nobody of ours started."""
        name = environ.get(VARIABLE)
        if not name:
            return None
        values: dict[str, Any] = json.loads(Path(name).read_text("utf-8"))
        for key in ("home", "workspace_root", "notebook_file", "outbox", "artifacts"):
            values[key] = Path(values[key]) if values[key] is not None else None
        values["job"] = JobContext(**values["job"]) if values["job"] else None
        return cls(**values)
