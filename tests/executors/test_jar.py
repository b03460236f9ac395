"""JAR tasks on the local Java."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dbutils_local.core import evidence
from dbutils_local.executors.base import Failed, Succeeded, TaskContext
from dbutils_local.executors.jar import JarExecutor, uses_spark
from dbutils_local.spec.tasks import Task

_SOURCE = """
package demo;
public class Hello {
    public static void main(String[] args) {
        System.out.println(String.join("|", args));
        if (args.length > 0 && args[0].equals("fail")) throw new IllegalStateException("as asked");
    }
}
"""


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("javac") is None:
        pytest.skip("no javac to build the JAR with")
    folder = tmp_path_factory.mktemp("jar")
    (folder / "Hello.java").write_text(_SOURCE)
    subprocess.run(["javac", "-d", str(folder), str(folder / "Hello.java")], check=True)
    with zipfile.ZipFile(folder / "hello.jar", "w") as archive:
        archive.write(folder / "demo" / "Hello.class", "demo/Hello.class")
    return folder / "hello.jar"


def jar_task(jar: str, *parameters: str) -> Task:
    member = {"main_class_name": "demo.Hello", "parameters": list(parameters)}
    return Task.model_validate({"task_key": "t", "spark_jar_task": member, "libraries": [{"jar": jar}]})


def test_a_main_class_gets_its_parameters(hello: Path, make_context: Callable[..., TaskContext]) -> None:
    context = make_context()
    assert JarExecutor().run(jar_task(str(hello), "a", "b c"), context) == Succeeded()
    assert (context.folder / evidence.STDOUT).read_text() == "a|b c\n"


def test_an_exception_in_main_fails_the_task(hello: Path, make_context: Callable[..., TaskContext]) -> None:
    outcome = JarExecutor().run(jar_task(str(hello), "fail"), make_context())
    assert isinstance(outcome, Failed)
    assert outcome.failure.error == "java.lang.IllegalStateException: as asked"
    assert "demo.Hello.main" in outcome.failure.trace


def test_a_jar_that_is_not_there_and_one_from_maven_are_refused(make_context: Callable[..., TaskContext]) -> None:
    outcome = JarExecutor().run(jar_task("nope.jar"), make_context())
    assert isinstance(outcome, Failed)
    assert "nope.jar: no such file" in outcome.failure.error
    maven = {
        "task_key": "t",
        "spark_jar_task": {"main_class_name": "M"},
        "libraries": [{"maven": {"coordinates": "a:b:1"}}],
    }
    outcome = JarExecutor().run(Task.model_validate(maven), make_context())
    assert isinstance(outcome, Failed)
    assert "a:b:1" in outcome.failure.error
    assert "Maven" in outcome.failure.error


def test_a_jar_that_names_sparks_classes_uses_spark(tmp_path: Path) -> None:
    for name, content in (("with", b"..org/apache/spark/sql/SparkSession.."), ("without", b"..java/lang/String..")):
        with zipfile.ZipFile(tmp_path / f"{name}.jar", "w") as archive:
            archive.writestr("A.class", content)
    assert uses_spark(tmp_path / "with.jar")
    assert not uses_spark(tmp_path / "without.jar")
