"""What is made before the fork: a kernel cannot be told from one that made it itself, a program does not see it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dbutils_local.kernels.forkserver import ForkServer
from tests.kernels.conftest import printed

pytestmark = pytest.mark.skipif(not ForkServer.is_possible(), reason="kernels are forked on Linux only")

SHELL = textwrap.dedent("""
    import builtins, IPython, sys
    shell = get_ipython()
    kernel = shell.kernel
    print(shell.parent is kernel, shell is type(shell)._instance, shell.config is kernel.config)
    print(shell.user_ns is globals(), shell.user_module is sys.modules["__main__"], len(kernel.ident))
    print([type(one).__name__ for one in shell.configurables])
    print([sorted(vars(one)) for one in shell.configurables if one is not kernel.parent])
    print({name: type(value).__name__ for name, value in shell._orig_sys_module_state.items()})
    print(shell._orig_sys_module_state["stdout"] is sys.stdout, shell._orig_sys_modules_main_mod is not None)
    print(sys.ps1, builtins.__IPYTHON__, builtins.display.__module__, type(shell.compile).__name__)
    print(shell.history_manager.enabled, list(shell.history_manager.get_range()), shell.user_ns["In"])
    print(sorted(shell.magics_manager.lsmagic_docs()["line"]), sorted(shell.user_ns), sorted(shell.user_ns_hidden))
    print(shell.displayhook.session is kernel.session, shell.display_pub.pub_socket is kernel.iopub_socket)
    print(kernel.debugger.session is kernel.session, kernel.debugger.shell_socket is kernel.debug_shell_socket)
    print(len(getattr(kernel, "_kernel_modules", [""])) > 0, IPython.get_ipython() is shell)
""")


def test_the_shell_is_the_kernels_own_in_every_detail(run_cells):
    warm, cold = run_cells(SHELL), run_cells(SHELL, forkserver=None)
    assert warm.failure is None
    for ours, plain in zip(printed(warm).splitlines(), printed(cold).splitlines(), strict=True):
        assert ours == plain


def test_a_kernel_imports_nothing_while_it_starts(run_cells):
    # What was there before the fork was frozen: the collector does not list it.
    look = "import gc, types\nprint(sorted(m.__name__ for m in gc.get_objects() if isinstance(m, types.ModuleType)))"
    assert printed(run_cells(look, extensions=None)) == "[]\n"


def test_an_exit_formats_no_traceback(run_cells, tmp_path):
    watch = (
        "import sys\ndef note(result): open('after', 'a').write(f\"{'stack_data' in sys.modules} \")\n"
        "get_ipython().events.register('post_run_cell', note)"
    )
    run = run_cells(watch, "dbutils.notebook.exit('x')", extensions=None)
    assert run.exit_value == "x"
    assert (tmp_path / "after").read_text().split()[-1] == "False"


def test_a_forked_program_is_no_ipython(server, tmp_path):
    look = (
        "import builtins, os, sys, warnings\n"
        "from IPython import get_ipython\n"
        "from traitlets.config import Application\n"
        "class Own(Application): pass\n"
        "print(get_ipython(), hasattr(sys, 'ps1'), hasattr(builtins, 'display'), hasattr(builtins, '__IPYTHON__'))\n"
        "print(type(Own.instance()).__name__, sys.excepthook is sys.__excepthook__)\n"
        "print([str(f) for f in warnings.filters if 'Trio' in str(f)], os.environ.get('PAGER'))\n"
        "print(sys.modules['__main__'].__file__)\n"
    )
    script = tmp_path / "program.py"
    script.write_text(look)
    environ = {name: value for name, value in os.environ.items() if name != "PAGER"}
    with open(tmp_path / "out", "wb") as out:
        process = server.run([str(script)], environ, tmp_path, stdout=out, stderr=out)
        code = process.wait(30)
        process.close()
    plain = subprocess.run([sys.executable, str(script)], env=environ, capture_output=True, text=True)
    assert code == 0, (tmp_path / "out").read_text()
    assert (tmp_path / "out").read_text() == plain.stdout


@pytest.mark.parametrize(
    ("option", "code", "expected"),
    [
        ("InteractiveShell.ast_node_interactivity = 'none'", "print('seen')\n42", ["seen\n"]),
        ("InteractiveShell.logfile = 'log.py'", "print(get_ipython().logger.logfname)", ["log.py\n"]),
        ("HistoryManager.db_log_output = True", "print(get_ipython().history_manager.db_log_output)", ["True\n"]),
    ],
)
def test_a_shell_with_a_configuration_of_its_own_is_made_by_each_kernel(run_cells, tmp_path, option, code, expected):
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_kernel_config.py").write_text(f"c.{option}\n")
    environ = dict(os.environ) | {"IPYTHONDIR": str(tmp_path / "ipython")}
    with ForkServer.start(environ=environ, pool_size=1) as server:
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
            run = run_cells(code, environ=environ, forkserver=server.address, cwd=tmp_path / name)
            cell = run.notebook.cells[0]
            assert [output.get("text", output.output_type) for output in cell.outputs] == expected
            assert run.notices == ()
            assert (tmp_path / name / "log.py").exists() == ("log.py" in option)


def test_start_up_files_run_in_each_kernel(run_cells, tmp_path):
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("import os\nWHERE = os.getcwd()\n")
    environ = dict(os.environ) | {"IPYTHONDIR": str(tmp_path / "ipython")}
    with ForkServer.start(environ=environ, pool_size=1) as server:
        run = run_cells("print(WHERE)", environ=environ, forkserver=server.address)
    assert printed(run) == f"{tmp_path}\n"


def test_a_kernel_with_arguments_of_its_own_makes_its_own_shell(server, tmp_path):
    from dbutils_local.kernels.born import write_connection_file
    from dbutils_local.kernels.kernel import connect

    info = write_connection_file(tmp_path / "k.json", "secret")
    arguments = ["-f", str(tmp_path / "k.json"), "--InteractiveShell.ast_node_interactivity=all"]
    arguments += ["--HistoryManager.enabled=False"]
    with open(os.devnull, "rb") as null, open(tmp_path / "log", "wb") as log:
        files = [null.fileno(), log.fileno(), log.fileno()]
        process = server.launch(arguments, dict(os.environ), Path(tmp_path), files)
    client = connect(info)
    client.wait_for_ready(timeout=60)
    seen: list[str] = []
    client.execute_interactive(
        "1\n2", output_hook=lambda message: seen.append(message["content"].get("data", {}).get("text/plain"))
    )
    client.stop_channels()
    process.close()
    assert [text for text in seen if text] == ["1", "2"]
    assert (tmp_path / "log").read_text() == ""
