"""`dbutils-local doctor`: what works on this machine, and what needs which extra or program."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from dbutils_local.cli.options import echo_json, output_option

# What an extra gives -> the modules that must be importable for it.
EXTRAS = {
    "sql": ("%sql and SQL tasks on the embedded engine", ("duckdb", "sqlglot")),
    "spark": ("`spark` on a local PySpark", ("pyspark",)),
    "sail": ("`spark` on Sail", ("pysail",)),
    "delta": ("Delta tables without Spark", ("deltalake",)),
    "dbt": ("dbt tasks", ("dbt",)),
    "html": ("executed notebooks in HTML reports", ("nbconvert",)),
    "server": ("dbutils-local serve, the Jupyter Server extension", ("jupyter_server",)),
    "lab": ("the widget bar and the Workflows panel", ("jupyterlab",)),
    "notify": ("notifications by Slack, Teams and others", ("apprise",)),
    "keyring": ("secrets in the system's keyring", ("keyring",)),
    "s3": ("s3:// paths", ("s3fs",)),
    "azure": ("abfss:// paths", ("adlfs",)),
    "demo": ("the example job", ("pandas", "matplotlib")),
}
PROGRAMS = {
    "java": "Spark and JAR tasks (Java 17)",
    "uv": "fast environments for tasks with their own dependencies (else: venv and pip)",
    "git": "${bundle.git.*} of bundles",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    works: bool
    detail: str


@click.command()
@output_option
def doctor(output: str) -> None:
    """What works here, and what to install for the rest.

    \b
    Example:
      dbutils-local doctor
    """
    findings = list(_findings())
    if output == "json":
        echo_json([asdict(finding) for finding in findings])
        return
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        click.echo(f"{'ok ' if finding.works else '-- '} {finding.what:<{width}}  {finding.detail}")


def _findings() -> Iterator[Finding]:
    yield Finding("Python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.system()}")
    yield _home()
    yield _warm_kernels()
    for extra, (what, modules) in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        detail = f"needs pip install 'dbutils-local[{extra}]'" if missing else ", ".join(map(_version, modules))
        yield Finding(what, not missing, detail)
    for program, what in PROGRAMS.items():
        path = shutil.which(program)
        yield Finding(what, path is not None, path or f"needs the program {program}")


def _home() -> Finding:
    from dbutils_local.errors import DbutilsLocalError
    from dbutils_local.settings import Settings

    try:
        return Finding("Home folder", True, str(Settings.load().ensure_home()))
    except DbutilsLocalError as error:
        return Finding("Home folder", False, str(error))


def _warm_kernels() -> Finding:
    from dbutils_local.kernels.support import support
    from dbutils_local.settings import Settings

    found = support(Settings.load().preload)
    return Finding("Warm kernels (fork server)", found.is_warm, found.reason)


def _version(module: str) -> str:
    names = importlib.metadata.packages_distributions().get(module, [module])
    try:
        return f"{names[0]} {importlib.metadata.version(names[0])}"
    except importlib.metadata.PackageNotFoundError:
        return module
