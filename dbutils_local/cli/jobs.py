"""`dbutils-local jobs`: jobs stored here, as the REST API and the schedules see them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from dbutils_local.cli.options import ID, echo_json, echo_table, output_option, pairs, params_option, spec_options

if TYPE_CHECKING:
    from dbutils_local.workspace import Source, Workspace


@click.group()
def jobs() -> None:
    """Store, list, change and start jobs.

    \b
    Example:
      dbutils-local jobs create job.yml && dbutils-local jobs run-now 1
    """


def _open() -> Workspace:
    from dbutils_local.workspace import Workspace

    return Workspace.open()


def _source(spec: str, job: str | None, target: str | None, variables: Sequence[str]) -> tuple[Workspace, Source]:
    """The job of a SPEC, and where it is to be stored with the other jobs of the SPEC that it starts."""
    from dbutils_local import intake

    taken = intake.take(spec, target=target, variables=pairs(variables, "--var"))
    source = taken.pick(job)
    others = {key: other for key, other in taken.jobs.items() if other.key != source.key}
    workspace = _open()
    return workspace, intake.linked(source, others, workspace)


@jobs.command()
@click.argument("spec", type=click.Path())
@spec_options
@output_option
def create(spec: str, job: str | None, target: str | None, variables: Sequence[str], output: str) -> None:
    """Store the job of a SPEC and print its id.

    \b
    Example:
      dbutils-local jobs create databricks.yml --job nightly -t dev
    """
    workspace, source = _source(spec, job, target, variables)
    job_id = workspace.create_job(source.settings, source)
    echo_json({"job_id": job_id}) if output == "json" else click.echo(job_id)


@jobs.command("list")
@click.option("--name", help="Exactly this name, any case.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@click.option("--page", "token", metavar="TOKEN")
@output_option
def list_(name: str | None, limit: int, token: str | None, output: str) -> None:
    """Stored jobs, newest first.

    \b
    Example:
      dbutils-local jobs list --name nightly
    """
    page = _open().list_jobs(name, limit, token)
    if output == "json":
        echo_json(
            {
                "jobs": [
                    {"job_id": job.job_id, "settings": job.settings, "created_time": job.created_at}
                    for job in page.items
                ],
                "next_page_token": page.next_token,
            }
        )
        return
    rows = [
        (job.job_id, job.name, len(job.settings.get("tasks") or ()), _trigger(job.settings, job.paused))
        for job in page.items
    ]
    echo_table(("job", "name", "tasks", "trigger"), rows) if rows else click.echo("no jobs")
    if page.next_token:
        click.echo(f"more: --page {page.next_token}", err=True)


def _trigger(settings: object, paused: bool | None) -> str:
    fields = settings if isinstance(settings, dict) else dict(settings)  # type: ignore[call-overload]
    kind = next((name for name in ("schedule", "trigger", "continuous") if fields.get(name)), "")
    stopped = paused if paused is not None else bool(kind) and fields[kind].get("pause_status") == "PAUSED"
    return f"{kind} (paused)" if kind and stopped else kind


@jobs.command()
@click.argument("job_id", type=ID)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="json", help="text: the settings, as a job file."
)
def get(job_id: int, output: str) -> None:
    """The settings of a job, as JSON.

    \b
    Example:
      dbutils-local jobs get 1 -o text > job.yml
    """
    record = _open().get_job(job_id)
    if output == "json":
        echo_json({"job_id": record.job_id, "created_time": record.created_at, "settings": record.settings})
        return
    import yaml

    click.echo(yaml.safe_dump(dict(record.settings), sort_keys=False, allow_unicode=True), nl=False)


@jobs.command()
@click.argument("job_id", type=ID)
@click.argument("spec", type=click.Path())
@spec_options
def update(job_id: int, spec: str, job: str | None, target: str | None, variables: Sequence[str]) -> None:
    """Replace a job's settings by those of a SPEC.

    \b
    Example:
      dbutils-local jobs update 1 job.yml
    """
    from dbutils_local.spec.job import resolved

    workspace, source = _source(spec, job, target, variables)
    workspace.reset_job(job_id, resolved(source.settings), source)


@jobs.command()
@click.argument("job_id", type=ID)
def delete(job_id: int) -> None:
    """Forget a job and cancel its active runs; its history stays.

    \b
    Example:
      dbutils-local jobs delete 1
    """
    _open().delete_job(job_id)


@jobs.command("run-now")
@click.argument("job_id", type=ID)
@params_option
@click.option("--no-wait", is_flag=True, help="Start it in a process of its own and print the run id.")
@output_option
def run_now(job_id: int, params: Sequence[str], no_wait: bool, output: str) -> None:
    """Start a stored job.

    \b
    Example:
      dbutils-local jobs run-now 1 -p day=2026-11-22
    """
    from dbutils_local.cli.run import INTERRUPTED, exit_code, follow_here, show_end

    workspace = _open()
    row = workspace.run_now(job_id, launch_it=no_wait, job_parameters=pairs(params, "-p"))
    if no_wait or row.life_cycle_state == "QUEUED":
        if not no_wait:
            click.echo(f"run {row.run_id} is queued behind the job's active runs", err=True)
        echo_json({"run_id": row.run_id}) if output == "json" else click.echo(row.run_id)
        return
    ended, interrupted = follow_here(partial(workspace.drive, row.run_id))
    show_end(workspace, ended, output)
    sys.exit(INTERRUPTED if interrupted else exit_code(ended))


@jobs.command()
@click.argument("job_id", type=ID)
def pause(job_id: int) -> None:
    """Pause a job's trigger; run-now stays possible.

    \b
    Example:
      dbutils-local jobs pause 1
    """
    _open().pause_job(job_id, True)


@jobs.command()
@click.argument("job_id", type=ID)
def unpause(job_id: int) -> None:
    """Let a job's trigger fire again.

    \b
    Example:
      dbutils-local jobs unpause 1
    """
    _open().pause_job(job_id, False)
