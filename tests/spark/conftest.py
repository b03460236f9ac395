"""One real local Spark for every test that needs one: it takes 20 seconds to start."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbutils_local import spark as local_spark
from dbutils_local.settings import Settings


@pytest.fixture(scope="session")
def spark_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spark-home")


@pytest.fixture(scope="session")
def settings(spark_home: Path) -> Settings:
    return Settings(home=spark_home, workspace=spark_home, spark_conf={"spark.sql.shuffle.partitions": "1"})


@pytest.fixture(scope="session")
def spark(settings: Settings) -> Iterator[Any]:
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17: no java on the PATH")
    yield local_spark.session(settings)
    local_spark.stop()
