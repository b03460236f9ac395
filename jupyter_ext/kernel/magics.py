"""The magics of Databricks, and the input transformers that let a cell start with one percent sign (reference 7.4)."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from dbutils_local.dbutils.mounts import in_command
from dbutils_local.errors import NotSupportedHere, UserError

if TYPE_CHECKING:
    from jupyter_ext.kernel.face import Face

# `%sql` cells reach us under this prefix whatever other extensions call %%sql.
PREFIX = "databricks_"
_RUN_LINE = re.compile(r"get_ipython\(\)\.run_line_magic\('run', (?P<argument>.*)\)\s*\Z")
REFUSED = ("conda", "profile", "oprofile")
_CELL_LANGUAGES = ("sql", "md", "sh", "fs", "scala", "r")


def install(face: Face, undo: ExitStack) -> None:
    """Register every magic and both transformers; `undo` puts back what was there before."""
    magics = Magics(face)
    for name in _CELL_LANGUAGES:
        _register(face.ip, getattr(magics, name), PREFIX + name, ("cell",), undo)
        _register(face.ip, getattr(magics, name), name, _free_kinds(face.ip, name), undo)
    for name in ("run", "pip", "uv", "workflow", "restart_python", "set_cell_max_output_size_in_mb", "tensorboard"):
        _register(face.ip, getattr(magics, name), name, ("line",), undo)
    _register(face.ip, magics.workflow, "workflow", ("cell",), undo)
    magics.watch_commands(undo)
    for name in REFUSED:
        _register(face.ip, _refusal(name), name, ("line", "cell"), undo)
    _transform(face.ip.input_transformers_cleanup, to_python, undo)
    awaiting = Awaiting(face)
    _transform(face.ip.input_transformers_post, awaiting, undo)
    for event, callback in (("pre_run_cell", awaiting.enter), ("post_run_cell", awaiting.leave)):
        face.ip.events.register(event, callback)
        undo.callback(face.ip.events.unregister, event, callback)


def to_python(lines: list[str]) -> list[str]:
    """A single-percent cell as the cell magic that is certainly ours, any other as it is; runs several times a cell."""
    if not any(line.lstrip().startswith("%") for line in lines):
        return lines
    source = "".join(lines)
    if source.lstrip().startswith("%%"):
        return lines
    # Here and not above: most notebooks and most cells never need it.
    from dbutils_local.notebooks.cells import cell_to_python

    # IPython ends the source with a newline, Databricks' grammar does not count it as a line.
    python = cell_to_python(source.removesuffix("\n"))
    if python == source.removesuffix("\n"):
        return lines
    if python.startswith("%%"):
        python = "%%" + PREFIX + python[2:]
    return (python + "\n").splitlines(keepends=True)


class Awaiting:
    """Has each `%run` on a line of its own awaited, so that a notebook that awaits at top level can come in by it.

    Not inside other magics (`%%time`): what they transform while a cell runs, they run where nothing can be awaited.
    """

    def __init__(self, face: Face) -> None:
        self._face = face
        self._running = 0

    def enter(self, info: Any) -> None:
        """A cell begins to run."""
        self._running += 1

    def leave(self, result: Any) -> None:
        """A cell has ended."""
        self._running = max(0, self._running - 1)

    def __call__(self, lines: list[str]) -> list[str]:
        """The lines of a transformed cell, or of one that comes in by `%run`."""
        if self._running and not self._face.is_reading:
            return lines
        return [_awaited(line) for line in lines]


def _awaited(line: str) -> str:
    found = _RUN_LINE.match(line)
    if not found or found["argument"].lstrip("'\" ").startswith("-"):
        return line
    return f"await get_ipython().run_notebook({found['argument']})\n"


class Magics:
    """What each magic does; the methods are registered under their names."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._ip_run = face.ip.find_line_magic("run")
        self._installers = {name: face.ip.find_line_magic(name) for name in ("pip", "uv")}
        face.ip.run_notebook = self.run_notebook

    async def run_notebook(self, line: str) -> None:
        """`%run` at the top level of a cell."""
        from jupyter_ext.kernel.include import include, is_ours

        __tracebackhide__ = True
        if is_ours(self._face, line):
            await include(self._face, line)
        else:
            # IPython's own expands Python variables in its line.
            self._ip_run(self._face.ip.var_expand(line))

    def run(self, line: str) -> None:
        """`%run` inside a block, and by name; IPython's own for its options and for plain scripts."""
        from jupyter_ext.kernel.include import include, is_ours, now

        __tracebackhide__ = True
        if is_ours(self._face, line):
            now(include(self._face, line))
        else:
            # IPython's own expands Python variables in its line.
            self._ip_run(self._face.ip.var_expand(line))

    def sql(self, line: str, cell: str | None = None) -> Any:
        """Run SQL; shows the last result and binds it to `_sqldf`; as a line magic it is also the value."""
        from jupyter_ext.kernel.sqlcells import run_sql

        __tracebackhide__ = True
        return run_sql(self._face, _joined(line, cell), is_cell=cell is not None)

    def md(self, line: str, cell: str | None = None) -> None:
        """Show Markdown; `$./notebook` links become relative ones."""
        from IPython.display import Markdown
        from IPython.display import display as show

        text = re.sub(r"\]\(\$(?=\.{0,2}/)", "](", _joined(line, cell)).strip("\n")
        show(Markdown(text.replace("\\\\(", "$").replace("\\\\)", "$")))

    def sh(self, line: str, cell: str | None = None) -> None:
        """Run a shell script in the current folder; only with -e does a failing one fail the cell (reference 7.4)."""
        from jupyter_ext.kernel.shell import run_script

        strict = re.match(r"\s*-e\b", line) is not None
        script = in_command(_joined(line.lstrip().removeprefix("-e").lstrip() if strict else line, cell))
        with self._packages_changed_by(script):
            run_script(script, strict=strict)

    def fs(self, line: str, cell: str | None = None) -> Any:
        """`%fs command arguments`: dbutils.fs with shell-like quoting; lists are shown as a table (reference 5.5)."""
        words = shlex.split(_joined(line, cell), comments=True)
        if not words:
            raise UserError("%fs: no command; write %fs ls /path, or %fs help")
        name, recursive, arguments = words[0], "-r" in words[1:], [word for word in words[1:] if word != "-r"]
        command = getattr(self._face.ip.user_ns["dbutils"].fs, name, None)
        if name.startswith("_") or not callable(command):
            raise UserError(f"%fs {name}: no such command; %fs help lists them")
        if recursive and name not in ("rm", "cp", "mv"):
            raise UserError(f"%fs {name}: -r belongs to rm, cp and mv")
        call = _bound(name, command, arguments, {"recurse": True} if recursive else {})
        return self._show_files(name, command(*call.args, **call.kwargs), is_cell=cell is not None)

    def _show_files(self, name: str, found: Any, *, is_cell: bool) -> Any:
        from jupyter_ext.kernel.display import display

        if not is_cell:
            return found
        if isinstance(found, list | tuple) and found:
            display(found)
        elif isinstance(found, str):
            print(found)
        elif found is not None:
            print(f"{name}: {'true' if found is True else found}" if found != [] else "(nothing there)")
        return None

    def pip(self, line: str) -> None:
        """IPython's %pip, except that its failure fails the cell and a run installs for its notebook alone."""
        __tracebackhide__ = True
        self._install("pip", line)

    def uv(self, line: str) -> None:
        """IPython's %uv, except that its failure fails the cell and a run installs for its notebook alone."""
        __tracebackhide__ = True
        self._install("uv", line)

    def _install(self, name: str, line: str) -> None:
        import subprocess

        __tracebackhide__ = True
        installer, names = self._installers[name], self._face.ip.user_ns
        if installer is None:
            raise UserError(f"%{name}: this IPython has no %{name}; use %pip")
        names["_exit_code"] = 0
        with self._packages_changed_by(f"{name} {line}"):
            installer(in_command(line))
        if code := names.get("_exit_code"):
            raise subprocess.CalledProcessError(code, f"{name} {line}")

    @contextmanager
    def _packages_changed_by(self, command: str) -> Iterator[None]:
        """Around a command line: what it installs is the notebook's own in a run, and can be imported at once."""
        from dbutils_local.kernels import packages

        if not packages.are_changed_by(command):
            yield
            return
        own = packages.folder_of(self._face.session.environ)
        if own is not None:
            packages.make(own)
            packages.enter(own)
        yield
        # Its folder was looked at before.
        if own is not None:
            packages.enter(own)
        importlib.invalidate_caches()

    def watch_commands(self, undo: ExitStack) -> None:
        """Have `!` know Databricks' paths, and what `!pip install` installs be the notebook's own, as with %pip."""
        # Not the shell's own method: it looks for the variables of a command in its caller's frame.
        module: Any = sys.modules.get("ipykernel.zmqshell")
        run = getattr(module, "system", None)
        if run is None:
            return

        def watched(command: str) -> Any:
            with self._packages_changed_by(command):
                return run(in_command(command))

        module.system = watched
        undo.callback(setattr, module, "system", run)

    def restart_python(self, line: str) -> None:
        """As dbutils.library.restartPython()."""
        __tracebackhide__ = True
        self._face.ip.user_ns["dbutils"].library.restartPython()

    def set_cell_max_output_size_in_mb(self, line: str) -> None:
        """From the next cell on, cut a cell's text output at this many megabytes, 1 to 20 (reference 8.3)."""
        if not re.fullmatch(r"\s*\d+\s*", line) or not 1 <= int(line) <= 20:
            raise UserError(f"%set_cell_max_output_size_in_mb takes a whole number from 1 to 20, not {line.strip()!r}")
        self._face.curtain.budget.megabytes = int(line)

    def tensorboard(self, line: str) -> None:
        """TensorBoard's own magic, once `%load_ext tensorboard` has put it here; refused until then."""
        raise NotSupportedHere("%tensorboard: load it first with %load_ext tensorboard (package tensorboard)")

    def workflow(self, line: str, cell: str | None = None) -> Any:
        """`%workflow run job.yml` and the other words of the command line; `%%workflow` runs the job in the cell."""
        from jupyter_ext.kernel.workflow import run_workflow

        __tracebackhide__ = True
        return run_workflow(self._face, line, cell)

    def scala(self, line: str, cell: str | None = None) -> None:
        """Refused, naming the cell."""
        raise _no_language("scala", "Scala", _joined(line, cell))

    def r(self, line: str, cell: str | None = None) -> None:
        """Refused, naming the cell."""
        raise _no_language("r", "R", _joined(line, cell))


def _bound(name: str, command: Callable[..., Any], words: list[str], named: dict[str, bool]) -> inspect.BoundArguments:
    """The words as arguments of a dbutils.fs command, numbers and truth values where it wants them."""
    if name == "ls" and not words:
        words = ["/"]
    try:
        call = inspect.signature(command).bind(*words, **named)
    except TypeError as error:
        raise UserError(f"%fs {name}: {error}; %fs help {name} says what it takes") from None
    for parameter, value in call.arguments.items():
        kind = str(call.signature.parameters[parameter].annotation)
        if isinstance(value, str) and kind == "int" and value.isdigit():
            call.arguments[parameter] = int(value)
        elif isinstance(value, str) and kind == "bool" and value.lower() in ("true", "false"):
            call.arguments[parameter] = value.lower() == "true"
    return call


def _no_language(magic: str, language: str, code: str) -> NotSupportedHere:
    first = next((text for text in code.splitlines() if text.strip()), "")
    return NotSupportedHere(
        f"this cell is in {language} (%{magic}), which is not run on this machine; it begins with "
        f"{first.strip()[:80]!r}. Translate it to Python or SQL, or start it with %skip to go on without it"
    )


def _joined(line: str, cell: str | None) -> str:
    return line if cell is None else f"{line}\n{cell}" if line.strip() else cell


def _refusal(name: str) -> Callable[..., None]:
    def refused(line: str, cell: str | None = None) -> None:
        from dbutils_local.notebooks import cells

        raise NotSupportedHere(cells.REFUSED[name])

    return refused


def _free_kinds(ip: Any, name: str) -> tuple[str, ...]:
    """Where nobody else has a magic of that name: another extension's %%sql, and IPython's %%sh, stay reachable."""
    return tuple(kind for kind in ("line", "cell") if name not in ip.magics_manager.magics[kind])


def _register(ip: Any, function: Callable[..., Any], name: str, kinds: tuple[str, ...], undo: ExitStack) -> None:
    from IPython.core.magic import no_var_expand

    # `$name` and braces in the line are Databricks', not Python variables; installers expand them as IPython does.
    wrapped = function if name in ("pip", "uv") else no_var_expand(_plain(function))
    for kind in kinds:
        table = ip.magics_manager.magics[kind]
        before = table.get(name)
        table[name] = wrapped
        undo.callback(_put_back, table, name, wrapped, before)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    # Attributes cannot be set on a bound method.
    def magic(*arguments: Any) -> Any:
        __tracebackhide__ = True
        return function(*arguments)

    magic.__doc__ = function.__doc__
    return magic


def _put_back(table: dict[str, Any], name: str, ours: Any, before: Any) -> None:
    if table.get(name) is not ours:
        return
    if before is None:
        del table[name]
    else:
        table[name] = before


def _transform(transformers: list[Any], ours: Callable[[list[str]], list[str]], undo: ExitStack) -> None:
    transformers.append(ours)
    undo.callback(transformers.remove, ours)
