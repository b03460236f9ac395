"""What the kinds that run a user's code have in common: how it is born, and how what it says is made safe to keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dbutils_local.core import evidence
from dbutils_local.core.state import Failure
from dbutils_local.executors.base import TaskContext
from dbutils_local.kernels.environment import Birth


def born(context: TaskContext, path: Path) -> Birth:
    """What the code of a task's file is born with."""
    from dbutils_local import notebooks

    return Birth(
        home=context.home,
        workspace_root=context.workspace_root,
        notebook_path=notebooks.workspace_path(path, context.workspace_root),
        notebook_file=path,
        parameters=context.parameters,
        outbox=context.folder / evidence.OUTBOX,
        artifacts=context.folder,
        task_values=context.task_values,
        job=context.job,
        forkserver=context.forkserver,
    )


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """JSON with every text in it redacted."""
    match value:
        case str():
            return redact(value)
        case Mapping():
            return {redact(key) if isinstance(key, str) else key: redacted(item, redact) for key, item in value.items()}
        case list() | tuple():
            return [redacted(item, redact) for item in value]
    return value


def redacted_failure(failure: Failure, redact: Callable[[str], str]) -> Failure:
    """A failure whose texts can be kept and shown."""
    return replace(failure, error=redact(failure.error), trace=redact(failure.trace), message=redact(failure.message))


def redact_file(path: Path, redact: Callable[[str], str]) -> None:
    """Take secrets out of a notebook, or a file of JSON lines or text; nothing happens without one in it."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return
    kept = _redacted_text(text, redact, is_whole=path.suffix in (".ipynb", ".json"))
    if kept != text:
        path.write_text(kept, "utf-8")


def _redacted_text(text: str, redact: Callable[[str], str], *, is_whole: bool) -> str:
    if is_whole and _is_json(text):
        before = json.loads(text)
        after = redacted(before, redact)
        return text if after == before else json.dumps(after, indent=1, ensure_ascii=False)
    lines = text.splitlines()
    kept = [json.dumps(redacted(json.loads(line), redact)) if _is_json(line) else redact(line) for line in lines]
    return "".join(f"{line}\n" for line in kept) if any(map(_differs, kept, lines)) else text


def _differs(kept: str, line: str) -> bool:
    return kept != line and not (_is_json(line) and json.loads(kept) == json.loads(line))


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
