"""What a notebook takes and gives, read without running it: widgets, task values, calls of notebooks, exits."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from dbutils_local.errors import UserError
from dbutils_local.notebooks.cells import (
    CellKind,
    LineMagic,
    ParsedCell,
    RunCall,
    cell_to_python,
    classify,
    line_magics,
    parse_run,
)
from dbutils_local.notebooks.document import DATABRICKS_NOTEBOOK, Cell, CellType, Document, Language
from dbutils_local.notebooks.ipython_syntax import parse_cell


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: cell and line of the file from 1 (no line in .ipynb), `row` in the cell from 0."""

    cell: int
    line: int | None = None
    row: int = 0

    def before(self, other: Place) -> bool:
        """Whether this stands above `other` in the notebook."""
        return (self.cell, self.row) < (other.cell, other.row)


@dataclass(frozen=True, slots=True)
class Use:
    """One mention of a name; `name` is None when it is computed at run time.

    `sure`: the line runs whenever the notebook gets there: no `if`, loop, function or `try` around it.
    `guarded`: it stands in a `try` or has a fallback, so that failing is provided for.
    """

    name: str | None
    place: Place
    sure: bool = True
    guarded: bool = False


@dataclass(frozen=True, slots=True)
class ValueRead(Use):
    """`dbutils.jobs.taskValues.get`: `name` is the key; `task` is None when computed.

    `debugged`: it has a value for a notebook that runs outside a job.
    """

    task: str | None = None
    debugged: bool = False


@dataclass(frozen=True, slots=True)
class NotebookRun(Use):
    """`dbutils.notebook.run`: `name` is the path; `arguments` is None when they are not a literal dictionary."""

    arguments: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True)
class Include:
    """A `%run` of a notebook."""

    call: RunCall
    place: Place
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that cannot run: a syntax error, or a `%run` line that cannot be read."""

    message: str
    place: Place
    sure: bool = True


@dataclass
class Facts:
    """Everything found in one notebook, in the order in which it stands there."""

    widgets_defined: list[Use] = field(default_factory=list)
    widgets_read: list[Use] = field(default_factory=list)
    names_maybe_read: set[str] = field(default_factory=set)  # `:x`, `${x}`: may be parameters, may be not
    reads_all: bool = False  # getAll(): every parameter counts as read
    values_set: list[Use] = field(default_factory=list)
    values_read: list[ValueRead] = field(default_factory=list)
    runs: list[NotebookRun] = field(default_factory=list)
    includes: list[Include] = field(default_factory=list)
    exits: list[Use] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    magics: list[Use] = field(default_factory=list)  # first magic of a cell, and the line magics of Python cells
    languages: list[Use] = field(default_factory=list)  # language of each code cell, by its word
    globals_read: list[Use] = field(default_factory=list)  # `spark`, `sc`, ... used but not made here
    names_made: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)  # top-level names of imported modules; "." for relative imports
    opaque: bool = False  # `dbutils` is handed on to code that is not read here


def facts(document: Document) -> Facts:
    """Read a notebook for its facts; a cell that cannot be parsed becomes a fault, never an exception."""
    found = Facts()
    _from_metadata(document, found)
    for number, cell in enumerate(document.cells, 1):
        if cell.kind is CellType.CODE:
            _read_cell(cell, number, document.language, found)
    return found


def _from_metadata(document: Document, found: Facts) -> None:
    """Widgets saved in an .ipynb count as defined: their values travel with the file (reference 7.2)."""
    theirs = document.metadata.get(DATABRICKS_NOTEBOOK) or {}
    for name in theirs.get("widgets") or ():
        found.widgets_defined.append(Use(str(name), Place(1), sure=False))


def _read_cell(cell: Cell, number: int, language: Language, found: Facts) -> None:
    parsed = classify(cell.source, language)
    place = _place(cell, number, parsed.line)
    if parsed.magic is not None:
        found.magics.append(Use(parsed.magic, place))
    if parsed.language is not None:
        found.languages.append(Use(parsed.language.value, place))
    match parsed.kind:
        case CellKind.SQL:
            _read_sql(parsed.code, place, found)
        case CellKind.PYTHON if parsed.magic == "python":
            _read_python(parsed.code, cell, number, parsed.code_line, found)
        case CellKind.PYTHON | CellKind.PIP | CellKind.RUN | CellKind.RESTART:
            _read_python(cell_to_python(cell.source), cell, number, 0, found)
        case CellKind.CELL_MAGIC:
            _read_cell_magic(parsed, cell, number, found)
        case _:
            pass
    _parameters_cell(cell, found)


def _place(cell: Cell, number: int, offset: int) -> Place:
    return Place(number, None if cell.line is None else cell.line + offset, offset)


def _parameters_cell(cell: Cell, found: Facts) -> None:
    """Papermill's `parameters` cell: its names are given values from outside, so they count as read."""
    if "parameters" in (cell.metadata.get("tags") or ()):
        found.names_maybe_read.update(re.findall(r"(?m)^(\w+)\s*(?::[^=\n]+)?=(?!=)", cell.source))


_PYTHON_BODY = frozenset({"time", "timeit", "capture", "prun", "memit", "snakeviz", "pyinstrument"})


def _read_cell_magic(parsed: ParsedCell, cell: Cell, number: int, found: Facts) -> None:
    if parsed.magic in _PYTHON_BODY:
        _read_python(parsed.body, cell, number, parsed.body_line, found)
    else:
        _read_sql(parsed.body, _place(cell, number, parsed.line), found)  # `%%sql` of whatever extension


_CREATE_WIDGET = re.compile(
    r"\bCREATE\s+WIDGET\s+(?:TEXT|DROPDOWN|COMBOBOX|MULTISELECT)\s+[`\"]?([^\s`\"]+)", re.IGNORECASE
)
_SQL_NAMES = re.compile(
    r"(?<![:\w]):([A-Za-z_]\w*)|\$\{?([A-Za-z_][\w.]*)\}?|getArgument\(\s*[\"']([^\"']+)", re.IGNORECASE
)


def _read_sql(code: str, place: Place, found: Facts) -> None:
    found.widgets_defined += [Use(name, place) for name in _CREATE_WIDGET.findall(code)]
    found.names_maybe_read.update(name for names in _SQL_NAMES.findall(code) for name in names if name)


def _read_python(code: str, cell: Cell, number: int, offset: int, found: Facts) -> None:
    try:
        tree = parse_cell(code)
    except SyntaxError as error:
        line = offset + max(error.lineno or 1, 1) - 1
        found.faults.append(Fault(f"syntax error: {error.msg}", _place(cell, number, line)))
        return
    in_strings = _string_lines(tree)
    for magic in line_magics(code):
        if magic.line + 1 not in in_strings:
            _read_line_magic(magic, _place(cell, number, offset + magic.line), found)
    _Reader(found, cell, number, offset).visit(tree)


def _string_lines(tree: ast.Module) -> set[int]:
    """Lines below the first of strings that span several: a `%run` in there is text."""
    strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant | ast.JoinedStr))
    return {line for node in strings for line in range(node.lineno + 1, (node.end_lineno or node.lineno) + 1)}


def _read_line_magic(magic: LineMagic, place: Place, found: Facts) -> None:
    if (magic.name, place) not in {(use.name, use.place) for use in found.magics}:
        found.magics.append(Use(magic.name, place, sure=not magic.indented))
    if magic.name != "run" or magic.argument.startswith("-"):
        return
    try:
        found.includes.append(Include(parse_run(magic.argument), place, sure=not magic.indented))
    except UserError as error:
        found.faults.append(Fault(str(error), place, sure=not magic.indented))


_WIDGET_MAKERS = frozenset({"text", "dropdown", "combobox", "multiselect"})
_LAZY_GLOBALS = frozenset({"spark", "sc", "sqlContext", "sql", "table"})
_PROCESS_ENDS = frozenset({"sys.exit", "exit", "quit", "os._exit"})


class _Reader(ast.NodeVisitor):
    """Walks one cell's tree, knowing whether the line it is at runs for sure and whether a failure is provided for."""

    def __init__(self, found: Facts, cell: Cell, number: int, offset: int) -> None:
        self._found = found
        self._cell = cell
        self._number = number
        self._offset = offset
        self._sure = True
        self._guarded = False

    def visit(self, node: ast.AST) -> None:
        match node:
            case ast.Try() | ast.TryStar():
                self._inside(node.body, guarded=bool(node.handlers))
                self._inside([*node.handlers, *node.orelse])
                self._within(node.finalbody)
            case ast.With(items=items) if any(_swallows(item) for item in items):
                self._inside(ast.iter_child_nodes(node), guarded=True)
            case (
                ast.If() | ast.For() | ast.AsyncFor() | ast.While() | ast.IfExp() | ast.BoolOp() | ast.Match()
                | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda()
                | ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp()
            ):  # fmt: skip
                self._made_by(node)
                self._inside(ast.iter_child_nodes(node))
            case _:
                self._read(node)

    def _inside(self, nodes: Iterable[ast.AST], guarded: bool = False) -> None:
        before = self._sure, self._guarded
        self._sure, self._guarded = False, self._guarded or guarded
        self._within(nodes)
        self._sure, self._guarded = before

    def _within(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _read(self, node: ast.AST) -> None:
        self._made_by(node)
        match node:
            case ast.Call():
                self._call(node)
            case ast.Name(id="dbutils", ctx=ast.Load()):
                self._found.opaque = True
            case ast.Name(id=name, ctx=ast.Load()) if name in _LAZY_GLOBALS and name not in self._found.names_made:
                self._found.globals_read.append(self._use(name, node))
            case ast.Attribute() if _dotted(node).startswith("dbutils."):
                # Handed on without a call (`w = dbutils.widgets`), it can do anything later; these two name nothing.
                harmless = _dotted(node).startswith(("dbutils.fs.", "dbutils.secrets."))
                self._found.opaque = self._found.opaque or not harmless
            case _:
                self.generic_visit(node)

    def _made_by(self, node: ast.AST) -> None:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                self._found.names_made.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self._found.names_made.add(name)
            case ast.Import(names=names):
                self._found.modules.update(alias.name.split(".")[0] for alias in names)
                self._found.names_made.update(alias.asname or alias.name.split(".")[0] for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                self._found.modules.add("." if level else (module or "").split(".")[0])
                self._found.names_made.update(alias.asname or alias.name for alias in names)
            case _:
                pass

    def _call(self, node: ast.Call) -> None:
        name = _dotted(node.func)
        if not self._known_call(name, node):
            self.visit(node.func)
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            self.visit(argument)

    def _known_call(self, name: str, node: ast.Call) -> bool:
        found = self._found
        match name.split("."):
            case ["dbutils", "widgets", maker] if maker in _WIDGET_MAKERS:
                found.widgets_defined.append(self._use(_text(node, 0, "name"), node))
            case ["dbutils", "widgets", "get"]:
                found.widgets_read.append(self._use(_text(node, 0, "name"), node))
            case ["dbutils", "widgets", "getArgument"] | ["getArgument"]:
                fallback = len(node.args) + len(node.keywords) > 1
                found.widgets_read.append(self._use(_text(node, 0, "name"), node, guarded=fallback))
            case ["dbutils", "widgets", "getAll"]:
                found.reads_all = True
            case ["dbutils", "jobs", "taskValues", "set"]:
                found.values_set.append(self._use(_text(node, 0, "key"), node))
            case ["dbutils", "jobs", "taskValues", "get"]:
                found.values_read.append(self._value_read(node))
            case ["dbutils", "notebook", "run"]:
                found.runs.append(self._run(node))
            case ["dbutils", "notebook", "exit"]:
                found.exits.append(self._use(None, node))
            case _ if name in _PROCESS_ENDS:
                found.exits.append(self._use(None, node))
            case ["dbutils", _, _, *_]:
                pass
            case _:
                return False
        return True

    def _use(self, name: str | None, node: ast.expr, *, guarded: bool = False) -> Use:
        return Use(name, self._place(node), self._sure, self._guarded or guarded)

    def _place(self, node: ast.expr) -> Place:
        return _place(self._cell, self._number, self._offset + node.lineno - 1)

    def _value_read(self, node: ast.Call) -> ValueRead:
        return ValueRead(
            name=_text(node, 1, "key"),
            place=self._place(node),
            sure=self._sure,
            guarded=self._guarded or _is_given(_argument(node, 2, "default")),
            task=_text(node, 0, "taskKey"),
            debugged=_is_given(_argument(node, 3, "debugValue")),
        )

    def _run(self, node: ast.Call) -> NotebookRun:
        return NotebookRun(
            name=_text(node, 0, "path"),
            place=self._place(node),
            sure=self._sure,
            guarded=self._guarded,
            arguments=_keys(_argument(node, 2, "arguments")),
        )


def _is_given(argument: ast.expr | None) -> bool:
    """Whether there is an argument, and not the None that stands for none."""
    return argument is not None and not (isinstance(argument, ast.Constant) and argument.value is None)


def _swallows(item: ast.withitem) -> bool:
    """`contextlib.suppress(…)`, `pytest.raises(…)` and `self.assertRaises(…)` provide for a failure as `try` does."""
    call = item.context_expr
    return isinstance(call, ast.Call) and _dotted(call.func).split(".")[-1] in ("suppress", "raises", "assertRaises")


def _dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute chain; what hangs on a call or subscript gives an empty string."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            left = _dotted(value)
            return f"{left}.{attr}" if left else ""
        case _:
            return ""


def _argument(node: ast.Call, position: int, keyword: str) -> ast.expr | None:
    if len(node.args) > position and not any(isinstance(one, ast.Starred) for one in node.args[: position + 1]):
        return node.args[position]
    return next((one.value for one in node.keywords if one.arg == keyword), None)


def _text(node: ast.Call, position: int, keyword: str) -> str | None:
    value = _argument(node, position, keyword)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _keys(node: ast.expr | None) -> frozenset[str] | None:
    match node:
        case None:
            return frozenset()
        case ast.Dict(keys=keys):
            names = list(_constants(keys))
            return frozenset(names) if len(names) == len(keys) else None
        case _:
            return None


def _constants(nodes: Iterable[ast.expr | None]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
