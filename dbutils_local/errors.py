"""Every error a user can meet, one tree, each with the error_code Databricks would give it.

    DbutilsLocalError                        INTERNAL_ERROR
    ├── UserError                            INVALID_PARAMETER_VALUE   what was asked is wrong: exit code 2, HTTP 4xx
    │   ├── InvalidSpec                      INVALID_PARAMETER_VALUE   carries every Problem found, each with its place
    │   ├── MalformedRequest                 MALFORMED_REQUEST
    │   ├── NotFound                         RESOURCE_DOES_NOT_EXIST
    │   ├── AlreadyExists                    RESOURCE_ALREADY_EXISTS
    │   ├── InvalidState                     INVALID_STATE
    │   ├── NotSupportedHere                 NOT_IMPLEMENTED           known to Databricks, not done on this machine
    │   └── MissingExtra                     FEATURE_DISABLED          an optional dependency is not installed
    └── HomeUnusable                         INTERNAL_ERROR            disk full, read-only or locked home

What the *user's code* did is never an exception here: it is an Outcome (executors.base).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class DbutilsLocalError(Exception):
    """Root of the tree; `error_code` is the word Databricks' REST API would use."""

    error_code = "INTERNAL_ERROR"


class UserError(DbutilsLocalError):
    """What was asked cannot be done as asked: nothing was started or written."""

    error_code = "INVALID_PARAMETER_VALUE"


class MalformedRequest(UserError):
    """A request body that is not of the shape it must have."""

    error_code = "MALFORMED_REQUEST"


class NotFound(UserError):
    """A job, run, task, notebook, scope or file that is not there."""

    error_code = "RESOURCE_DOES_NOT_EXIST"


class AlreadyExists(UserError):
    """A thing of that name is there already."""

    error_code = "RESOURCE_ALREADY_EXISTS"


class InvalidState(UserError):
    """The thing exists, but not in a state in which this can be done."""

    error_code = "INVALID_STATE"


class NotSupportedHere(UserError):
    """Databricks has it, this machine does not do it: refused by name."""

    error_code = "NOT_IMPLEMENTED"


class MissingExtra(UserError):
    """An optional dependency is missing; the message names the extra to install."""

    error_code = "FEATURE_DISABLED"

    def __init__(self, what: str, extra: str, otherwise: str = "") -> None:
        other = f"; {otherwise}" if otherwise else ""
        super().__init__(f"{what} needs an optional dependency: pip install 'dbutils-local[{extra}]'{other}")
        self.extra = extra


class HomeUnusable(DbutilsLocalError):
    """The home folder cannot be written: disk full, read-only, or wrong owner."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault or doubt in what the user wrote, with its place (line and column count from 1)."""

    message: str
    file: Path | None = None
    line: int | None = None
    column: int | None = None
    cell: int | None = None
    severity: str = "error"  # or "warning"

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        cell = f" (cell {self.cell})" if self.cell is not None else ""
        return f"{place}{cell}: {self.message}" if place else f"{self.message}{cell}"


class InvalidSpec(UserError):
    """A spec with faults; all of them are in `problems`, and the message lists them a line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
