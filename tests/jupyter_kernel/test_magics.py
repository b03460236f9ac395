"""Databricks' magics in a real kernel, row by row of reference 7.4."""

from __future__ import annotations

import os
from typing import Any

import psutil
import pytest

from jupyter_ext.kernel.magics import to_python


def test_md_shows_markdown_on_the_same_line_and_below(kernel: Any) -> None:
    assert kernel("%md ## Title").outputs[0]["data"]["text/markdown"] == "## Title"
    below = kernel("%md\nText with $100 and {braces} and 50%\n[next]($./other)").outputs[0]["data"]["text/markdown"]
    assert "$100 and {braces} and 50%" in below
    assert "[next](./other)" in below


def test_md_sandbox_keeps_its_html_in_a_frame(kernel: Any) -> None:
    ran = kernel("%md-sandbox\n<b>bold</b>")
    assert ran.status == "ok"
    assert "<b>bold</b>" in str(ran.outputs)


def test_sh_prints_and_ignores_the_exit_status_visibly(kernel: Any) -> None:
    ran = kernel("%sh\necho out\necho err >&2\nexit 3")
    assert ran.status == "ok"
    assert ran.stdout == "out\n"
    assert "err\n" in ran.stderr
    assert "exit status 3, ignored as on Databricks" in ran.stderr


def test_sh_e_fails_at_the_first_failing_command(kernel: Any) -> None:
    ran = kernel("%sh -e\nfalse\necho never")
    assert ran.ename == "CalledProcessError"
    assert ran.stdout == ""


def test_sh_on_one_line_runs_in_the_notebooks_folder(kernel: Any) -> None:
    assert kernel("%sh pwd").stdout.strip() == str(kernel.folder)
    assert kernel("%sh echo $HOME ${HOME} 'a b' | wc -w").stdout.strip() == "4"


def test_sh_can_be_interrupted_and_leaves_no_process(kernel: Any) -> None:
    import time

    message = kernel.client.execute("%sh\necho $$ > new; mv new pid\nsleep 61 & wait")
    deadline = time.monotonic() + 20
    while not (kernel.folder / "pid").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    kernel.manager.interrupt_kernel()
    assert kernel.wait(message).ename == "KeyboardInterrupt"
    group = int((kernel.folder / "pid").read_text())
    running = [one for one in psutil.process_iter(["status"]) if one.info["status"] != psutil.STATUS_ZOMBIE]
    assert not [one for one in running if _group(one.pid) == group]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def test_fs_lists_as_a_table_and_reads_text(kernel: Any) -> None:
    kernel("dbutils.fs.put('dbfs:/tmp/a.txt', 'hello', True)")
    assert kernel("%fs ls").status == kernel("%fs\nls\n").status == "ok"  # the root
    listed = kernel("%fs ls dbfs:/tmp")
    assert "a.txt" in listed.html
    assert "<table>" in listed.html
    assert kernel("%fs head dbfs:/tmp/a.txt").stdout.endswith("hello\n")
    assert kernel("files = %fs ls dbfs:/tmp\nprint(files[0].name)").stdout == "a.txt\n"


def test_fs_turns_words_into_numbers_and_truth_values(kernel: Any) -> None:
    kernel("%fs put dbfs:/tmp/b.txt 'two words' true")
    assert kernel("%fs head dbfs:/tmp/b.txt 3").stdout.endswith("two\n")
    assert kernel("%fs mkdirs dbfs:/tmp/deep/er").status == "ok"
    assert kernel("%fs rm -r dbfs:/tmp/deep").status == "ok"
    assert "missing a required argument" in kernel("%fs head").evalue


def test_fs_refuses_a_command_it_does_not_know(kernel: Any) -> None:
    assert "no such command" in kernel("%fs explode /").evalue


def test_python_runs_its_body_with_its_line_numbers(kernel: Any) -> None:
    ran = kernel("%python\nprint('one')\n1 / 0")
    assert ran.stdout == "one\n"
    assert "line 3" in ran.traceback


def test_skip_is_said_and_runs_nothing(kernel: Any) -> None:
    ran = kernel("%skip\nprint('never')")
    assert ran.stdout == "This cell starts with %skip and was not executed.\n"


@pytest.mark.parametrize(("magic", "language"), [("scala", "Scala"), ("r", "R")])
def test_another_language_is_refused_naming_the_cell(kernel: Any, magic: str, language: str) -> None:
    ran = kernel(f"%{magic}\n\nval something = 1")
    assert ran.ename == "NotSupportedHere"
    assert language in ran.evalue
    assert "val something = 1" in ran.evalue


def test_conda_and_an_unloaded_tensorboard_are_refused(kernel: Any) -> None:
    assert "use %pip" in kernel("%conda install x").evalue
    assert "%load_ext tensorboard" in kernel("%tensorboard --logdir x").evalue


def test_a_failing_pip_fails_the_cell_and_python_below_runs(kernel: Any) -> None:
    assert kernel("%pip --version\nprint('below')").stdout.endswith("below\n")
    failed = kernel("%pip install --no-index no-such-package-of-ours\nprint('never')")
    assert failed.ename == "CalledProcessError"
    assert "never" not in failed.stdout


def test_pip_takes_python_variables(kernel: Any) -> None:
    kernel("flag = '--version'")
    assert "pip" in kernel("%pip $flag").stdout
    assert "pip" in kernel("%pip {flag}").stdout


def test_the_output_limit_cuts_visibly_and_once(kernel: Any) -> None:
    kernel("%set_cell_max_output_size_in_mb 1")
    ran = kernel("for _ in range(30):\n    print('x' * 100_000)")
    assert 1024 * 1024 <= len(ran.stdout) < 1024 * 1024 + 200
    assert ran.stdout.count("output cut at 1 MB") == 1
    assert kernel("print('next cell')").stdout == "next cell\n"
    assert "from 1 to 20" in kernel("%set_cell_max_output_size_in_mb 21").evalue
    kernel("%set_cell_max_output_size_in_mb 20")


def test_another_extensions_cell_magic_stays_reachable(kernel: Any) -> None:
    kernel("def sql(line, cell):\n    print('theirs')")
    kernel("get_ipython().register_magic_function(sql, 'cell', 'sql')")
    assert kernel("%%sql\nselect 1").stdout == "theirs\n"
    assert kernel("%sql\nselect 1").stdout != "theirs\n"
    kernel("%reload_ext dbutils_local")


@pytest.mark.parametrize(
    "source", ["x = 1\n", "%%time\n%sql\n", "%run ./x\n", "# a comment\nx\n", "%pip install x\ny\n"]
)
def test_other_cells_are_left_alone(source: str) -> None:
    lines = source.splitlines(keepends=True)
    assert to_python(lines) == lines


def test_a_transformed_cell_stays_as_it_is_when_transformed_again() -> None:
    once = to_python(["%sql\n", "select '%md' as `a`, ${b}\n"])
    assert once == ["%%databricks_sql\n", "select '%md' as `a`, ${b}\n"]
    assert to_python(once) == once


def test_commands_find_the_paths_of_databricks(kernel: Any) -> None:
    kernel("open('/dbfs/for_commands.txt', 'w').write('found\\n')")
    assert kernel("%sh cat /dbfs/for_commands.txt").stdout == "found\n"
    assert kernel("!cat /dbfs/for_commands.txt").stdout.strip() == "found"
