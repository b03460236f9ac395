"""`%run` in a real kernel, row by row of reference 3."""

from __future__ import annotations

import json
from typing import Any

HEADER = "# Databricks notebook source\n"
SEPARATOR = "\n\n# COMMAND ----------\n\n"


def source(*cells: str) -> str:
    return HEADER + SEPARATOR.join(cells) + "\n"


def test_names_are_shared_in_both_directions(kernel: Any) -> None:
    kernel.write("shared.py", source("theirs = mine + 1"))
    assert kernel("mine = 1").status == "ok"
    ran = kernel("%run ./shared\nprint(theirs)")
    assert ran.stdout == "2\n"


def test_an_argument_reaches_the_widget_of_the_called_notebook_only(kernel: Any) -> None:
    kernel.write("asks.py", source('dbutils.widgets.text("who", "nobody")\nprint(dbutils.widgets.get("who"))'))
    assert kernel('%run ./asks $who="two words"').stdout == "two words\n"
    assert kernel("%run ./asks $who='single'").stdout == "single\n"
    assert kernel("%run ./asks $who=bare").stdout == "bare\n"


def test_an_argument_can_pass_on_a_widget_of_the_caller(kernel: Any) -> None:
    kernel.write("asks2.py", source('print(dbutils.widgets.get("inner"))'))
    kernel('dbutils.widgets.text("outer", "passed on")')
    assert kernel("%run ./asks2 $inner=$outer").stdout == "passed on\n"
    refused = kernel("%run ./asks2 $inner=$nobody")
    assert refused.status == "error"
    assert "$nobody names no widget" in refused.evalue


def test_a_nested_run_is_relative_to_the_notebook_that_holds_it(kernel: Any) -> None:
    kernel.write("sub/outer.py", source("# MAGIC %run ./inner", "after = inner_was_here"))
    kernel.write("sub/inner.py", source("inner_was_here = 'yes'"))
    assert kernel("%run ./sub/outer\nprint(after)").stdout == "yes\n"


def test_the_working_directory_stays_that_of_the_top_notebook(kernel: Any) -> None:
    kernel.write("sub/where.py", source("import os\nprint(os.getcwd())"))
    assert kernel("%run ./sub/where").stdout.strip() == str(kernel.folder)


def test_below_the_top_of_a_repository_paths_count_from_the_kernels_folder(kernel: Any) -> None:
    kernel.write("below/near.py", source("near = 'found'"))
    kernel("import os; os.chdir('below')")
    try:
        ran = kernel("%run ./near\nprint(near)")
    finally:
        kernel("os.chdir('..')")
    assert ran.stdout == "found\n"


def test_an_ipynb_with_magics_of_its_own_comes_in(kernel: Any) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# Title"},
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": "%run ./inner2"},
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": "%md\n_text_"},
        {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": "total = base * 2\ntotal",
        },
    ]
    kernel.write("book.ipynb", json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    kernel.write("inner2.py", source("base = 21"))
    ran = kernel("%run ./book")
    assert ran.status == "ok"
    assert "42" in ran.plain


def test_quoted_paths_and_lines_after_the_run(kernel: Any) -> None:
    kernel.write("with space.py", source("spaced = 1"))
    assert kernel('%run "./with space"\nspaced += 1\nprint(spaced)').stdout == "2\n"


def test_a_notebook_that_is_not_there_is_refused_in_databricks_words(kernel: Any) -> None:
    ran = kernel("%run ./nowhere")
    assert ran.ename == "NotFound"
    assert ran.evalue.startswith("Notebook not found: /")
    assert "Notebooks can be specified via a relative path (./Notebook or ../folder/Notebook)" in ran.evalue
    assert "site-packages" not in ran.traceback
    assert "locate.py" not in ran.traceback


def test_a_circle_is_refused_and_shown(kernel: Any) -> None:
    kernel.write("a.py", source("# MAGIC %run ./b"))
    kernel.write("b.py", source("# MAGIC %run ./a"))
    ran = kernel("%run ./a")
    assert ran.status == "error"
    assert "a.py -> b.py -> a.py" in ran.evalue


def test_an_error_names_file_line_and_cell(kernel: Any) -> None:
    path = kernel.write("fails.py", source("ok = 1", "def fail():\n    return 1 / 0\n\nfail()"))
    ran = kernel("%run ./fails")
    assert ran.ename == "ZeroDivisionError"
    assert f"{path}:9" in ran.traceback
    assert "return 1 / 0" in ran.traceback
    assert f"in cell 2 of {path}" in ran.traceback


def test_a_syntax_error_names_file_and_line(kernel: Any) -> None:
    path = kernel.write("wrong.py", source("ok = 1", "if True\n    pass"))
    ran = kernel("%run ./wrong")
    assert ran.ename == "SyntaxError"
    assert str(path) in ran.traceback
    assert "line 6" in ran.traceback or ":6" in ran.traceback


def test_the_source_of_what_came_in_can_be_read(kernel: Any) -> None:
    kernel.write(
        "defines.py",
        source(
            "x = 1",
            "def plain():\n    return 'plain'",
            "# MAGIC %python\n# MAGIC def behind():\n# MAGIC     return 'magic'",
        ),
    )
    ran = kernel("%run ./defines\nimport inspect\nprint(inspect.getsource(plain), inspect.getsource(behind))")
    assert "return 'plain'" in ran.stdout
    assert "def behind():\n    return 'magic'" in ran.stdout


def test_what_came_in_lives_in_main(kernel: Any) -> None:
    kernel.write(
        "tests.py",
        source(
            "import unittest\nclass TestIt(unittest.TestCase):\n    def test_a(self):\n        self.assertTrue(True)"
        ),
    )
    ran = kernel("%run ./tests\nresult = unittest.main(argv=[''], exit=False).result\nprint(result.testsRun, __name__)")
    assert ran.stdout == "1 __main__\n"


def test_main_guard_and_globals_are_as_in_a_cell(kernel: Any) -> None:
    kernel.write(
        "guard.py", source("if __name__ == '__main__':\n    guarded = 'dbutils' in globals() and 'dbutils' in locals()")
    )
    assert kernel("%run ./guard\nprint(guarded)").stdout == "True\n"


def test_what_came_in_may_await_at_top_level(kernel: Any) -> None:
    kernel.write("waits.py", source("import asyncio\nawaited = await asyncio.sleep(0, 'yes')"))
    assert kernel("%run ./waits\nprint(awaited)").stdout == "yes\n"


def test_an_exit_in_the_callee_ends_the_caller(kernel: Any) -> None:
    kernel.write("leaves.py", source("dbutils.notebook.exit('from below')"))
    ran = kernel("%run ./leaves\nprint('never')")
    assert ran.ename == "NotebookExit"
    assert ran.plain == "Notebook exited: from below"
    assert ran.traceback == ""


def test_the_callee_cannot_remove_a_widget_of_the_caller(kernel: Any) -> None:
    kernel.write("removes.py", source('dbutils.widgets.remove("kept")'))
    kernel('dbutils.widgets.text("kept", "v")')
    kernel("%run ./removes")
    assert kernel('print(dbutils.widgets.get("kept"))').stdout == "v\n"


def test_a_run_inside_a_block_works_without_await(kernel: Any) -> None:
    kernel.write("plain.py", source("in_block = 'here'"))
    kernel.write("waits.py", source("import asyncio\nawaited = await asyncio.sleep(0, 'yes')"))
    assert kernel("if True:\n    %run ./plain\nprint(in_block)").stdout == "here\n"
    assert "awaits at top level" in kernel("if True:\n    %run ./waits").evalue


def test_a_run_under_another_cell_magic_works(kernel: Any) -> None:
    kernel.write("plain.py", source("in_block = 'here'"))
    kernel.write("waits.py", source("import asyncio\nawaited = await asyncio.sleep(0, 'yes')"))
    ran = kernel("%%time\n%run ./plain\nprint(in_block)")
    assert "here\n" in ran.stdout, ran.traceback
    assert kernel("%run ./waits\nprint(awaited)").stdout == "yes\n"


def test_ipythons_own_run_stays_reachable(kernel: Any) -> None:
    kernel.write("script.py", "import sys\nprint('script', sys.argv[1:])\nscript_name = __name__\n")
    assert kernel("%run script.py one two").stdout == "script ['one', 'two']\n"
    assert "script" in kernel("%run -n script.py").stdout


def test_blocking_code_that_came_in_can_be_interrupted(kernel: Any) -> None:
    import time

    kernel.write("sleeps.py", source("import time\nprint('asleep', flush=True)\ntime.sleep(60)"))
    message = kernel.client.execute("%run ./sleeps")
    time.sleep(1)
    kernel.manager.interrupt_kernel()
    began = time.monotonic()
    ran = kernel.wait(message)
    assert ran.ename == "KeyboardInterrupt"
    assert time.monotonic() - began < 20
    assert kernel("print('alive')").stdout == "alive\n"
