"""validate, doctor, convert, fs and secrets as a person types them."""

from __future__ import annotations

import json

import pytest

from tests.journeys.conftest import Bench

SECRET = "s3cr3t-value-42"


@pytest.fixture(scope="module")
def small(shared: Bench) -> Bench:
    shared.notebook("a.py", "dbutils.widgets.text('x', '1')", "print(dbutils.widgets.get('x'))")
    shared.job(
        "good.json",
        {
            "task_key": "a",
            "new_cluster": {"spark_version": "15.4.x-scala2.12", "num_workers": 1},
            "notebook_task": {"notebook_path": "./a.py", "base_parameters": {"x": "{{jbo.name}}"}},
        },
    )
    return shared


def test_validate_gives_the_resolved_jobs_the_report_and_the_problems(small: Bench) -> None:
    told = small("validate", "good.json", "-o", "json")
    assert told.code == 0, told.err
    assert set(told.json) == {"jobs", "report", "problems"}
    [settings] = told.json["jobs"].values()
    assert settings["tasks"][0]["task_key"] == "a"
    support = {(row["task_key"], row["field"]): row["support"] for row in told.json["report"]}
    assert set(support.values()) <= {"honoured", "noted", "refused"}
    assert support["a", "new_cluster"] == "noted"
    [warning] = [problem for problem in told.json["problems"] if "jbo.name" in problem["message"]]
    assert warning["severity"] == "warning"
    assert not small.home.exists()


def test_validate_lists_every_fault_with_its_place(small: Bench) -> None:
    small.write("bad.yml", "nmae: x\ntasks:\n  - task_key: a\n    notebook_task: {notebook_path: ./gone.py}\n")
    told = small("validate", "bad.yml", "-o", "json")
    assert told.code == 2
    errors = [problem for problem in told.json["problems"] if problem["severity"] == "error"]
    assert [error["line"] for error in errors] == [1, 4]
    assert all(error["file"].endswith("bad.yml") for error in errors)
    shown = small("validate", "bad.yml")
    assert shown.code == 2
    assert "bad.yml:1:" in shown.err


def test_validate_shows_what_it_would_run_and_the_schema(small: Bench) -> None:
    told = small("validate", "good.json")
    assert "task_key: a" in told.out
    assert "noted" in told.out
    schema = small("validate", "--schema").json
    assert "tasks" in json.dumps(schema)
    assert small("validate").code == 2


def test_doctor_tells_what_works(small: Bench) -> None:
    findings = {finding["what"]: finding for finding in small("doctor", "-o", "json").json}
    assert findings["Python"]["works"] is True
    assert str(small.home) in findings["Home folder"]["detail"]
    told = small("doctor")
    assert told.code == 0
    assert all(line.startswith(("ok ", "-- ")) for line in told.out.splitlines())


def test_a_notebook_is_converted_there_and_back(small: Bench) -> None:
    source = (small.folder / "a.py").read_text()
    assert small("convert", "a.py", "a.ipynb").out == "a.ipynb\n"
    assert json.loads((small.folder / "a.ipynb").read_text())["nbformat"] == 4
    assert small("convert", "a.ipynb", "again.py").code == 0
    assert (small.folder / "again.py").read_text() == source
    told = small("convert", "gone.py", "x.ipynb")
    assert told.code == 2
    assert "gone.py" in told.err


def test_files_are_copied_listed_read_moved_and_removed(small: Bench) -> None:
    small.write("in.csv", "a,b\n1,2\n")
    assert small("fs", "mkdirs", "dbfs:/landing").code == 0
    assert small("fs", "cp", f"file:{small.folder}/in.csv", "dbfs:/landing/in.csv").code == 0
    assert small("fs", "cat", "dbfs:/landing/in.csv").out == "a,b\n1,2\n"
    assert small("fs", "mv", "dbfs:/landing/in.csv", "/Volumes/main/raw/v/in.csv").code == 0
    [entry] = small("fs", "ls", "/Volumes/main/raw/v", "-o", "json").json
    assert (entry["name"], entry["size"]) == ("in.csv", 8)
    assert small("fs", "rm", "dbfs:/landing", "-r").code == 0
    gone = small("fs", "ls", "dbfs:/landing")
    assert gone.code == 2
    assert "Traceback" not in gone.err
    assert small("fs", "rm", "dbfs:/landing").code == 2


def test_secrets_go_in_and_never_come_out(small: Bench) -> None:
    assert small("secrets", "create-scope", "jdbc").code == 0
    assert small("secrets", "put-secret", "jdbc", "password", stdin=f"{SECRET}\n").code == 0
    assert small("secrets", "put-secret", "jdbc", "user", "--string-value", "someone").code == 0
    assert small("secrets", "list-scopes", "-o", "json").json == [{"name": "jdbc"}]
    assert small("secrets", "list-secrets", "jdbc").out.split() == ["password", "user"]
    small.notebook(
        "leaks.py",
        "value = dbutils.secrets.get('jdbc', 'password')\nprint('it is', value)\nvalue",
        "dbutils.notebook.exit(value)",
    )
    told = small("run", "leaks.py", "-o", "json")
    assert told.code == 0, told.err
    assert SECRET not in told.out + told.err
    assert "[REDACTED]" in told.out
    outside = [path for path in small.home.rglob("*") if path.is_file() and path.name != "secrets.toml"]
    assert (small.home / "secrets.toml").stat().st_mode & 0o077 == 0
    assert not [path for path in outside if SECRET.encode() in path.read_bytes()]
    assert small("secrets", "delete-secret", "jdbc", "user").code == 0
    assert small("secrets", "delete-scope", "jdbc").code == 0
    assert small("secrets", "list-secrets", "jdbc").code == 2


@pytest.mark.parametrize(
    "verb", ["", "run", "validate", "runs", "runs repair", "jobs", "jobs run-now", "fs", "secrets", "convert", "doctor"]
)
def test_every_verb_has_help(small: Bench, verb: str) -> None:
    told = small(*verb.split(), "--help")
    assert told.code == 0
    assert "Usage: " in told.out


def test_an_unknown_verb_is_wrong_usage(small: Bench) -> None:
    assert small("rum", "a.py").code == 2
