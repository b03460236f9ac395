"""`%run`: another notebook's cells in the caller's namespace, under their own file and lines (reference 3)."""

from __future__ import annotations

import ast
import inspect
import linecache
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbutils_local.dbutils.library import RestartPython, RestartPythonInRun
from dbutils_local.errors import UserError
from dbutils_local.notebooks import (
    Cell,
    CellType,
    RunCall,
    WidgetRef,
    is_notebook,
    kernel_source,
    parse_run,
    read,
    resolve,
)
from jupyter_ext.kernel.endings import tell_of_unrun

if TYPE_CHECKING:
    from jupyter_ext.kernel.face import Face


@dataclass(frozen=True, slots=True)
class Piece:
    """One code cell to run: what IPython is given, and the file and line its traceback names."""

    source: str
    number: int  # of the cell in its notebook, from 1
    file: str
    line: int  # of the source's first line in that file


async def include(face: Face, line: str) -> None:
    """Run the notebook that `line` (path and `$name=value` arguments) names, in the caller's namespace."""
    __tracebackhide__ = True
    call = parse_run(line)
    session = face.session
    # A kernel that is not told which notebook it serves stands in that notebook's folder.
    caller = face.including[-1] if face.including else session.birth.notebook_file or Path.cwd() / "Untitled"
    path = resolve(call.path, caller=caller, root=session.birth.workspace_root).resolve()
    pieces = pieces_of(path)
    try:
        with _entered(face, path), session.widgets.bind(_arguments(face, call)):
            await _run_pieces(face, path, pieces)
    except RestartPython as error:
        if face.including or not error.rest:
            raise
        session.keep(error.rest)
        raise RestartPythonInRun(error.rest) from None


async def _run_pieces(face: Face, path: Path, pieces: list[Piece]) -> None:
    __tracebackhide__ = True
    first = face.session.goes_on_at(path)
    for index, piece in enumerate(pieces[first:], first):
        face.prepare(piece.source)
        try:
            await run_piece(face, piece)
        except RestartPython as error:
            # A notebook that this cell brought in and that has cells left needs the cell again.
            following = index if error.rest else index + 1
            if following < len(pieces):
                error.rest.insert(0, (str(path), following))
            raise
        except Exception as error:
            _name_the_place(error, piece, path)
            raise


def is_ours(face: Face, line: str) -> bool:
    """Whether `%run line` means a notebook; a plain script and IPython's own options are left to IPython."""
    text = line.strip()
    if text.startswith("-"):
        return False
    script = Path(text.partition(" ")[0].strip("\"'"))
    if script.suffix not in (".py", ".ipy"):
        return True
    base = face.including[-1].parent if face.including else Path.cwd()
    return is_notebook(base / script) or not (base / script).is_file()


def _arguments(face: Face, call: RunCall) -> Mapping[str, str]:
    values = face.session.widgets.values()
    return {name: _value(value, values) for name, value in call.arguments.items()}


def _value(value: str | WidgetRef, values: Mapping[str, str]) -> str:
    if isinstance(value, str):
        return value
    if value.name not in values:
        raise UserError(f"%run: ${value.name} names no widget or parameter here; known: {', '.join(values) or 'none'}")
    return values[value.name]


@contextmanager
def _entered(face: Face, path: Path) -> Iterator[None]:
    top = face.session.birth.notebook_file
    chain = [*([top.resolve()] if top else []), *face.including]
    if path in chain:
        circle = " -> ".join(step.name for step in [*chain[chain.index(path) :], path])
        raise UserError(f"%run goes round in a circle: {circle}")
    face.including.append(path)
    try:
        yield
    finally:
        face.including.pop()


def _name_the_place(error: Exception, piece: Piece, path: Path) -> None:
    place = f"in cell {piece.number} of {path}, which came in by %run"
    if place not in getattr(error, "__notes__", ()):
        error.add_note(place)


def pieces_of(path: Path) -> list[Piece]:
    """The code cells of the notebook at `path`, ready to be run."""
    linecache.checkcache(str(path))
    document = read(path)
    return [
        _piece(path, number, cell, kernel_source(cell, document.language))
        for number, cell in enumerate(document.cells, 1)
        if cell.kind is CellType.CODE and cell.source.strip()
    ]


def _piece(path: Path, number: int, cell: Cell, source: str) -> Piece:
    if cell.line is None:
        return Piece(source, number, f"{path}[cell {number}]", 1)
    # A default-language line put above the source (`%sql`) has no line in the file.
    line = cell.line - (source.count("\n") - cell.source.count("\n"))
    return Piece(source, number, str(path) if _stands_there(path, cell) else f"{path}[cell {number}]", line)


def _stands_there(path: Path, cell: Cell) -> bool:
    """Whether the file itself shows the cell's code: not where every line is behind `# MAGIC`."""
    lines = enumerate(cell.source.split("\n"), cell.line or 1)
    return all(linecache.getline(str(path), at).rstrip() == text.rstrip() for at, text in lines)


async def run_piece(face: Face, piece: Piece) -> None:
    """Run one cell as IPython runs its own: magics, top-level await, the last expression shown; errors are raised."""
    __tracebackhide__ = True
    ip = face.ip
    face.is_reading = True
    try:
        code = ip.transform_cell(piece.source)
    finally:
        face.is_reading = False
    _remember(piece, code)
    tree = _parsed(ip, code, piece)
    tree = ip.transform_ast(tree)
    for index, (node, mode) in enumerate(_steps(tree.body, ip.ast_node_interactivity), 1):
        try:
            await _run_step(ip, node, mode, piece.file)
        except RestartPython:
            tell_of_unrun(face, len(tree.body) - index)
            raise


async def _run_step(ip: Any, node: Any, mode: str, file: str) -> None:
    __tracebackhide__ = True
    module = ast.Module([node], []) if mode == "exec" else ast.Interactive([node])
    with ip.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        compiled = ip.compile(module, file, mode)
    if compiled.co_flags & inspect.CO_COROUTINE:
        await eval(compiled, ip.user_global_ns, ip.user_ns)
    else:
        with _interruptible():
            exec(compiled, ip.user_global_ns, ip.user_ns)


def _parsed(ip: Any, code: str, piece: Piece) -> Any:
    try:
        return ast.increment_lineno(ip.compile.ast_parse(code, filename=piece.file), piece.line - 1)
    except SyntaxError as error:
        error.lineno = (error.lineno or 1) + piece.line - 1
        error.end_lineno = (error.end_lineno or 1) + piece.line - 1
        raise


def _steps(body: list[ast.stmt], interactivity: str) -> Iterator[tuple[Any, str]]:
    for index, node in enumerate(body):
        last = index == len(body) - 1
        shown = interactivity == "all" or (last and (interactivity == "last" or isinstance(node, ast.Expr)))
        yield node, "single" if shown and interactivity != "none" else "exec"


def _remember(piece: Piece, code: str) -> None:
    """Have tracebacks and inspect.getsource find the text where no file shows it line by line."""
    if piece.file.endswith("]"):
        # Blank lines above: the numbers stay those of the file.
        lines = ["\n"] * (piece.line - 1) + [line + "\n" for line in code.splitlines()]
        # No modification time: linecache keeps such an entry for good.
        linecache.cache[piece.file] = (len(code), None, lines, piece.file)


@contextmanager
def _interruptible() -> Iterator[None]:
    """While an async cell runs, ipykernel turns an interrupt into a cancel that blocking code never sees: undo that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before in (signal.default_int_handler, signal.SIG_IGN, None):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def now(steps: Any) -> None:
    """Drive `include` to its end without an event loop: for a `%run` inside a block or a function."""
    try:
        steps.send(None)
    except StopIteration:
        return
    steps.close()
    raise UserError("%run inside a block cannot run a notebook that awaits at top level: put %run on a line of its own")
