"""`dbutils-local validate`: the resolved spec, what is honoured of it here, and every fault with its place."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dbutils_local.cli.options import echo_json, echo_table, output_option, pairs, spec_options
from dbutils_local.errors import InvalidSpec, Problem, UserError

if TYPE_CHECKING:
    from dbutils_local.intake import Intake
    from dbutils_local.workspace import Source


@click.command()
@click.argument("spec", type=click.Path(), required=False)
@spec_options
@click.option("--schema", is_flag=True, help="Print the JSON Schema of job files, for editors, and nothing else.")
@output_option
def validate(
    spec: str | None, job: str | None, target: str | None, variables: Sequence[str], schema: bool, output: str
) -> None:
    """Check a job, a bundle or a notebook without running anything.

    Exit code 2 if there is any error; warnings do not count.

    \b
    Example:
      dbutils-local validate databricks.yml -t prod --var min_rows=10
    """
    if schema:
        from dbutils_local.spec.schema import json_schema

        echo_json(json_schema())
        return
    if spec is None:
        raise UserError("validate needs a SPEC (or --schema)")
    taken, problems = _taken(spec, target, pairs(variables, "--var"))
    document = _document(taken, job, problems)
    if output == "json":
        echo_json(document)
    else:
        _show(document)
    if any(problem["severity"] == "error" for problem in document["problems"]):
        sys.exit(2)


def _taken(spec: str, target: str | None, variables: dict[str, str]) -> tuple[Intake | None, list[Problem]]:
    from dbutils_local import intake

    try:
        taken = intake.take(spec, target=target, variables=variables, keep_going=True)
    except InvalidSpec as error:
        return None, list(error.problems)
    except UserError as error:
        # Most of these sentences name the file themselves.
        return None, [Problem(str(error).removeprefix(f"{spec}: "), Path(spec))]
    return taken, list(taken.problems)


def _document(taken: Intake | None, job: str | None, problems: list[Problem]) -> dict[str, Any]:
    from dbutils_local import intake
    from dbutils_local.spec.support import report

    chosen = {} if taken is None else dict(taken.jobs) if job is None else {job: taken.pick(job)}
    rows = []
    for key, source in chosen.items():
        rows += [
            {
                "job": key,
                "task_key": row.task_key,
                "field": row.field,
                "support": row.support.value,
                "message": row.message,
            }
            for row in report(source.settings)
        ]
        problems = [*problems, *_wiring(source, problems), *intake.job_circle(source, taken.jobs if taken else {})]
    return {
        "jobs": _jobs(taken, chosen, job),
        "report": rows,
        "problems": [_problem(problem) for problem in dict.fromkeys(problems)],
    }


def _wiring(source: Source, known: list[Problem]) -> list[Problem]:
    """What reading the notebooks shows; nothing for tasks that wait for each other, which was told already."""
    from dbutils_local import intake
    from dbutils_local.core.plan import plan

    try:
        graph = plan(source.settings)
        # Refused task kinds stop `run`; validating a whole bundle only reports them.
        refused = [replace(problem, severity="warning") for problem in intake.refused(source, (), ())]
    except InvalidSpec as error:
        return [] if any(problem.severity == "error" for problem in known) else list(error.problems)
    return [*refused, *intake.wiring(source, graph)]


def _jobs(taken: Intake | None, chosen: Mapping[str, Source], job: str | None) -> dict[str, Any]:
    """The resolved jobs; of a bundle, as its own tool prints them, also those that cannot run."""
    from dbutils_local.spec.job import resolved

    if taken is None:
        return {}
    shown = {key: dict(taken.deployed.get(key) or resolved(source.settings)) for key, source in chosen.items()}
    return shown if job is not None else {**{key: dict(found) for key, found in taken.deployed.items()}, **shown}


def _problem(problem: Problem) -> dict[str, Any]:
    found = {
        "severity": problem.severity,
        "file": str(problem.file) if problem.file else None,
        "line": problem.line,
        "column": problem.column,
        "message": problem.message,
    }
    return {**found, "cell": problem.cell} if problem.cell is not None else found


def _show(document: dict[str, Any]) -> None:
    import yaml

    if document["jobs"]:
        click.echo(
            yaml.safe_dump({"resources": {"jobs": document["jobs"]}}, sort_keys=False, allow_unicode=True).rstrip()
        )
    shown = [row for row in document["report"] if row["support"] != "honoured"]
    if shown:
        click.echo()
        echo_table(
            ("task", "field", "here", ""),
            [(row["task_key"] or "-", row["field"], row["support"], row["message"]) for row in shown],
        )
    for problem in document["problems"]:
        place = ":".join(str(problem[name]) for name in ("file", "line", "column") if problem[name])
        cell = f" (cell {problem['cell']})" if "cell" in problem else ""
        click.echo(
            f"{problem['severity']}: {place}{cell}: {problem['message']}"
            if place
            else f"{problem['severity']}: {problem['message']}",
            err=True,
        )
    errors = sum(problem["severity"] == "error" for problem in document["problems"])
    click.echo(
        f"{len(document['jobs'])} job(s), {errors} error(s), {len(document['problems']) - errors} warning(s)", err=True
    )
