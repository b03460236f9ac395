"""One Spark application for all notebooks of a run (reference 2.1, "Where"): what is common, and who dies with whom."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dbutils_local.kernels import processes
from dbutils_local.kernels.environment import Birth
from dbutils_local.kernels.forkserver import ForkServer
from dbutils_local.kernels.runner import NotebookRun, run_notebook

pytestmark = [pytest.mark.spark, pytest.mark.xdist_group("spark-sharing")]

PATIENCE = 180.0  # seconds for what happens by itself; on an idle machine one is enough


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shared-home")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks lie."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[ForkServer]:
    """The room's fork server, and with it the room's JVM; nothing may be left of them."""
    with ForkServer.start(pool_size=0) as server:
        yield server
        started = javas(server)
    assert not any(_command(java) for java in started)
    assert not list((home / "spark").iterdir())


Run = Callable[..., NotebookRun]


@pytest.fixture
def run(server: ForkServer, home: Path, folder: Path, tmp_path: Path) -> Run:
    """Run cells as a notebook of the folder, in a kernel of the fork server."""

    def run(*cells: str, name: str = "parent", forkserver: str | None = server.address, **options: Any) -> NotebookRun:
        own = options.pop("home", home)
        birth = Birth(own, folder, f"/{name}", folder / f"{name}.py", artifacts=tmp_path / name)
        variables = {"DBUTILS_LOCAL_HOME": str(own), "DBUTILS_LOCAL_SPARK_CONF": "spark.sql.shuffle.partitions=1"}
        return run_notebook(
            new_notebook(cells=[new_code_cell(cell) for cell in cells]),
            output=tmp_path / f"{name}.ipynb",
            birth=birth,
            environ={**os.environ, **variables, **options.pop("environ", {})},
            cwd=folder,
            forkserver=forkserver,
            **options,
        )

    return run


def exit_value(run: NotebookRun) -> Any:
    assert run.failure is None, run.failure
    return run.exit_value


def javas(server: ForkServer) -> list[int]:
    """The JVMs below a fork server."""
    return [pid for pid in processes.descendants(server.pid) if _command(pid).endswith("java")]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    except OSError:
        return ""


def eventually(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


APPLICATION = "dbutils.notebook.exit(spark.sparkContext.applicationId)"


def test_notebooks_that_start_at_once_share_one_application(run: Run, server: ForkServer) -> None:
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(run, APPLICATION, name=name) for name in ("left", "right")]
    left, right = (exit_value(one.result()) for one in both)
    assert left == right
    assert len(javas(server)) == 1


def test_global_temporary_views_and_tables_are_common_and_the_rest_is_not(run: Run, folder: Path) -> None:
    (folder / "child.py").write_text(
        """# Databricks notebook source
zone = spark.conf.get("spark.sql.session.timeZone")
seen = [spark.catalog.tableExists("own"), zone, spark.table("global_temp.given").count()]
spark.range(5).createOrReplaceGlobalTempView("returned")
spark.range(6).write.saveAsTable("made_below")
spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
spark.stop()
dbutils.notebook.exit(seen)
"""
    )
    asked = run(
        """
spark.range(3).createOrReplaceGlobalTempView("given")
spark.range(3).createOrReplaceTempView("own")
spark.conf.set("spark.sql.session.timeZone", "Europe/Paris")
seen = dbutils.notebook.run("./child", 0)
dbutils.notebook.exit([seen, spark.table("global_temp.returned").count(), spark.table("made_below").count(),
                       spark.conf.get("spark.sql.session.timeZone"), spark.table("own").count()])
"""
    )
    assert exit_value(asked) == '["[false, \\"UTC\\", 3]", 5, 6, "Europe/Paris", 3]'
    sibling = run('dbutils.notebook.exit([spark.table("made_below").count(), spark.catalog.tableExists("own")])')
    assert exit_value(sibling) == "[6, false]"


def test_python_workers_stand_where_their_notebook_stands(run: Run, folder: Path) -> None:
    (folder / "beside.py").write_text("def doubled(x):\n    return 2 * x\n")
    (folder / "sent.py").write_text("NAME = 'sent'\n")
    asked = run(
        """
import os
from pyspark.sql.functions import udf
import beside
counted = sc.accumulator(0)
sc.addPyFile("sent.py")

def look(x):
    import sent
    return f"{os.getcwd()} {os.environ.get('TASK')} {beside.doubled(x)} {sent.NAME}"

sc.parallelize([1, 2, 3]).foreach(counted.add)
dbutils.notebook.exit([spark.range(1, 2).select(udf(look)("id")).first()[0], counted.value])
""",
        environ={"TASK": "mine"},
    )
    assert exit_value(asked) == f'["{folder} mine 2 sent", 6]'


def test_streams_call_back_into_their_own_notebook(run: Run) -> None:
    asked = run(
        """
seen = []
query = (spark.readStream.format("rate-micro-batch").option("rowsPerBatch", 4).load().writeStream
         .foreachBatch(lambda frame, number: seen.append(frame.count())).trigger(availableNow=True).start())
query.awaitTermination()
dbutils.notebook.exit(sum(seen) > 0)
"""
    )
    assert exit_value(asked) == "True"


def test_stop_ends_only_the_session_of_the_notebook_that_says_it(run: Run, folder: Path) -> None:
    (folder / "stops.py").write_text("# Databricks notebook source\nspark.range(1).count()\nspark.stop()\n")
    asked = run(
        """
before = spark.sparkContext.applicationId
spark.range(2).createOrReplaceTempView("kept")
dbutils.notebook.run("./stops", 0)
kept = spark.table("kept").count()
""",
        """
spark.stop()
from pyspark.sql import SparkSession
again = SparkSession.builder.appName("mine").config("spark.sql.shuffle.partitions", "3").getOrCreate()
dbutils.notebook.exit([kept, again.sparkContext.applicationId == before, again.catalog.tableExists("kept"),
                       again.conf.get("spark.sql.shuffle.partitions"), again.range(4).count()])
""",
    )
    assert exit_value(asked) == '[2, true, false, "3", 4]'


def test_code_that_asks_pyspark_for_a_session_gets_the_notebooks(run: Run, folder: Path) -> None:
    (folder / "sessions.py").write_text(
        """
from pyspark.sql import SparkSession
asked = SparkSession.builder.master("local[1]").appName("theirs").config("spark.jars.packages", "a:b:1").getOrCreate()
"""
    )
    asked = run(
        "import sessions",
        """
from pyspark import SparkContext
dbutils.notebook.exit([sessions.asked is spark, SparkContext.getOrCreate() is sc, sc.applicationId])
""",
    )
    application = exit_value(run(APPLICATION))
    assert exit_value(asked) == f'[true, true, "{application}"]'
    assert "spark.jars.packages has no effect" in str(asked.notebook.cells[0].outputs)


SLOW = """
import os
from pathlib import Path
Path("pid").write_text(str(os.getpid()))
sc.parallelize([0], 1).foreach(lambda _: __import__("time").sleep(600))
"""
RUNNING = "dbutils.notebook.exit(len(sc.statusTracker().getActiveJobsIds()))"


def test_the_jobs_of_a_kernel_that_dies_are_stopped(run: Run, folder: Path, server: ForkServer) -> None:
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(run, SLOW, name="slow")
        assert eventually((folder / "pid").exists)
        assert eventually(lambda: exit_value(run(RUNNING)) == "1")
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)
        assert slow.result().failure is not None
    assert eventually(lambda: exit_value(run(RUNNING)) == "0")
    assert len(javas(server)) == 1


def test_an_interrupted_cell_stops_its_jobs_and_the_next_one_works(run: Run) -> None:
    asked = run(
        """
import os, signal, threading
threading.Timer(3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    sc.parallelize([0], 1).foreach(lambda _: __import__("time").sleep(600))
except KeyboardInterrupt:
    pass
while sc.statusTracker().getActiveJobsIds():
    pass
dbutils.notebook.exit(spark.range(7).count())
"""
    )
    assert exit_value(asked) == "7"


def test_a_session_whose_jvm_was_killed_says_so_and_starts_anew(run: Run, server: ForkServer) -> None:
    [java] = javas(server)
    asked = run(
        f"""
before = spark.sparkContext.applicationId
import os, signal
os.kill({java}, signal.SIGKILL)
said = ""
try:
    while True:
        spark.range(1).count()
except Exception as error:
    said = str(error)
""",
        "dbutils.notebook.exit([said, spark.range(3).count(), spark.sparkContext.applicationId != before])",
    )
    said = exit_value(asked)
    assert said.startswith("[\"Spark's JVM has ended (killed, or out of memory)")
    assert said.endswith("3, true]")
    assert len(javas(server)) == 1


def test_a_notebook_with_a_jvm_of_its_own_lends_it_to_those_it_runs(run: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "borrows.py").write_text(
        """# Databricks notebook source
spark.range(2).createOrReplaceGlobalTempView("up")
dbutils.notebook.exit(f"{sc.applicationId} {spark.table('global_temp.down').count()}")
"""
    )
    asked = run(
        """
spark.range(3).createOrReplaceGlobalTempView("down")
said = dbutils.notebook.run("./borrows", 0)
dbutils.notebook.exit([said == f"{sc.applicationId} 3", spark.table("global_temp.up").count()])
""",
        forkserver=None,
        home=tmp_path / "home",
    )
    assert exit_value(asked) == "[true, 2]"
