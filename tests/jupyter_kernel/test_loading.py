"""Loading, loading again, unloading; the names and what they cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = {"pandas", "pyspark", "duckdb", "sqlglot", "matplotlib", "papermill", "nbclient", "pydantic", "rich", "click"}


def test_the_names_are_there_and_hidden_from_who(kernel: Any) -> None:
    ran = kernel("print(all(name in globals() for name in ('dbutils', 'display', 'displayHTML', 'getArgument')))")
    assert ran.stdout == "True\n"
    kernel("mine = 1")
    assert "dbutils" not in kernel("%who").stdout


def test_code_finds_dbutils_the_ways_libraries_look_for_it(kernel: Any) -> None:
    ran = kernel(
        "from IPython import get_ipython\n"
        "from databricks.sdk.runtime import dbutils as a\n"
        "from pyspark.dbutils import DBUtils\n"
        "from dbutils_local import dbutils as b\n"
        "print(a is dbutils, b is dbutils, DBUtils(None) is dbutils, get_ipython().user_ns['dbutils'] is dbutils)"
    )
    assert ran.stdout == "True True True True\n", ran.traceback


def test_loading_twice_changes_nothing(kernel: Any) -> None:
    count = "print(len(get_ipython().input_transformers_cleanup), len(get_ipython().input_transformers_post))"
    before = kernel(count).stdout
    kernel("first = dbutils")
    assert kernel("%reload_ext dbutils_local").status == "ok"
    assert kernel("%load_ext jupyter_ext").status == "ok"
    assert kernel("print(first is dbutils)").stdout == "True\n"
    assert kernel(count).stdout == before


def test_names_come_back_after_reset(kernel: Any) -> None:
    kernel("%reset -f")
    assert kernel("dbutils").ename == "NameError"
    kernel("%reload_ext dbutils_local")
    assert kernel("print(dbutils.widgets.getAll() is not None)").stdout == "True\n"


def test_unloading_leaves_the_shell_as_it_was(shell: Any) -> None:
    run, cleanup = shell.magics_manager.magics["line"]["run"], list(shell.input_transformers_cleanup)
    shell.extension_manager.unload_extension("dbutils_local")
    assert not {"dbutils", "spark", "sql"} & shell.user_ns.keys()
    assert shell.magics_manager.magics["line"]["run"] is not run
    assert len(shell.input_transformers_cleanup) == len(cleanup) - 1
    assert "databricks_sql" not in shell.magics_manager.magics["cell"]
    assert "write" not in vars(sys.stdout)
    shell.extension_manager.load_extension("dbutils_local")


@pytest.mark.parametrize("setting", ["on_widget_change", "widget_order"])
def test_a_setting_of_the_panel_that_is_none_is_refused_by_name(kernel: Any, tmp_path: Path, setting: str) -> None:
    (tmp_path / "config.toml").write_text(f"{setting} = 'sideways'\n")
    own = type(kernel)(tmp_path, {"DBUTILS_LOCAL_HOME": str(tmp_path)})
    try:
        assert f"{setting} cannot be 'sideways'" in own("%load_ext dbutils_local").evalue
    finally:
        own.close()


def test_who_lists_what_the_user_made(kernel: Any) -> None:
    kernel("mine = 1")
    listed = kernel("%who_ls").plain
    assert "mine" in listed
    assert not {"dbutils", "display", "spark", "sc", "sql"} & set(eval(listed))


def test_the_notebooks_folder_and_the_top_of_its_repository_can_be_imported_from(kernel: Any) -> None:
    kernel.write("beside.py", "here = 'beside'\n")
    assert kernel("import beside\nprint(beside.here)").stdout == "beside\n"


def test_heavy_libraries_stay_unimported() -> None:
    code = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "ip = InteractiveShell.instance()\n"
        "ip.extension_manager.load_extension('dbutils_local')\n"
        'ip.run_cell(\'dbutils.widgets.text("a", "1")\')\n'
        f"print(sorted({HEAVY} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
