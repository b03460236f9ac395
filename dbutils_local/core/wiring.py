"""The wiring check: do a job's notebooks fit together and fit this machine, judged from their text alone.

What must fail whenever the task runs is an error; what fails only sometimes, or cannot be judged because a name is
computed at run time, is a warning. A notebook that would run fine is never an error.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dbutils_local.core.plan import Plan
from dbutils_local.core.references import fault_of, references_in
from dbutils_local.errors import MissingExtra, NotFound, Problem, UserError
from dbutils_local.notebooks.cells import REFUSED
from dbutils_local.notebooks.document import Document
from dbutils_local.notebooks.parameters import Facts, Include, NotebookRun, Place, Use, facts
from dbutils_local.spec.job import JobSettings
from dbutils_local.spec.tasks import RunIf, Task
from dbutils_local.spec.tree import Place as SpecPlace

Find = Callable[[str, Path], Path]
"""A notebook's file from its name and its caller's file; raises UserError as `notebooks.resolve` does."""

_NOT_RUN_HERE = {"scala": "Scala", "r": "R"}
_SPARK = frozenset({"spark", "sc", "sqlContext", "sql", "table"})
# Modules known to leave widgets and task values alone; any other one could be a project's own that does not.
_HARMLESS = sys.stdlib_module_names | {
    "IPython", "duckdb", "databricks", "delta", "matplotlib", "mlflow", "numpy", "pandas", "plotly", "polars", "py4j",
    "pyarrow", "pydantic", "pyspark", "pytest", "requests", "scipy", "seaborn", "sklearn", "tqdm", "yaml",
}  # fmt: skip


def check(
    settings: JobSettings,
    graph: Plan,
    files: Mapping[str, str],
    *,
    find: Find,
    read: Callable[[Path], Document],
    installed: Callable[[str], bool],
    passed: Collection[str] = (),
    spec: Path | None = None,
    places: Mapping[str, SpecPlace] | None = None,
) -> list[Problem]:
    """Every fault and doubt in the notebooks of the tasks in `graph`, each with file, cell and line.

    `files` maps `<task_key> notebook_task.notebook_path` to the file; a notebook whose path is computed is not
    there and not checked. `installed` tells whether a module can be imported, `passed` are names given at run time, and
    `spec` is the file to name for what no notebook is to blame for, `places` where in it tasks and "parameters NAME"
    are.
    """
    return _Check(settings, graph, files, find, read, installed, frozenset(passed), spec, places or {}).all()


@dataclass(frozen=True)
class _Page:
    """One notebook as it takes part in a task: itself or one that came by `%run`."""

    path: Path
    facts: Facts
    certain: bool  # it is reached whenever the task runs
    ended: Place | None = None  # from here on an exit may have come first

    def surely(self, use: Use | Include) -> bool:
        """Whether the use is reached whenever the task runs."""
        return self.certain and use.sure and not self.ended_before(use.place)

    def ended_before(self, place: Place) -> bool:
        """Whether an exit stands above `place`: what follows it may never run."""
        return self.ended is not None and self.ended.before(place)


@dataclass(frozen=True)
class _Reading:
    """A task's notebook with all it includes; names defined anywhere in it are defined."""

    pages: tuple[_Page, ...]

    def all(self, name: str) -> Iterator[tuple[_Page, Use]]:
        for page in self.pages:
            for use in getattr(page.facts, name):
                yield page, use

    def names(self, name: str) -> set[str]:
        return {use.name for _, use in self.all(name) if use.name is not None}

    def computes(self, name: str) -> bool:
        return any(use.name is None for _, use in self.all(name))

    @property
    def given(self) -> set[str]:
        """Names handed over by `%run … $name=value`."""
        return {name for page in self.pages for include in page.facts.includes for name in include.call.arguments}

    @property
    def maybe_read(self) -> set[str]:
        """Names that are read for sure or by the look of it."""
        found = self.names("widgets_read")
        for page in self.pages:
            found |= page.facts.names_maybe_read
            for include in page.facts.includes:
                found |= {value.name for value in include.call.arguments.values() if not isinstance(value, str)}
        return found

    @property
    def made(self) -> set[str]:
        return {name for page in self.pages for name in page.facts.names_made}

    @property
    def installs(self) -> bool:
        return bool({"pip", "uv"} & self.names("magics"))

    @property
    def opaque(self) -> bool:
        """Whether code that is not read here may define widgets or set task values."""
        return any(page.facts.opaque or page.facts.modules - _HARMLESS for page in self.pages)


@dataclass
class _Check:
    settings: JobSettings
    graph: Plan
    files: Mapping[str, str]
    find: Find
    read: Callable[[Path], Document]
    installed: Callable[[str], bool]
    passed: frozenset[str]
    spec: Path | None = None
    places: Mapping[str, SpecPlace] = field(default_factory=dict)
    found: dict[tuple[object, ...], Problem] = field(default_factory=dict)
    known: dict[Path, Facts | None] = field(default_factory=dict)
    readings: dict[str, _Reading] = field(default_factory=dict)
    children: set[tuple[Path, frozenset[str] | None, bool]] = field(default_factory=set)

    def all(self) -> list[Problem]:
        tasks = list(self._tasks())
        for owner, task, path in tasks:
            if (reading := self._reading(path, self._certain(owner))) is not None:
                self.readings[task.task_key] = reading
        for owner, task, path in tasks:
            if reading := self.readings.get(task.task_key):
                self._notebook(reading, self._parameters(task), (path,))
                self._values_read(reading, owner)
                self._passed_in_vain(reading, task, path)
        self._extras()
        self._referenced_values()
        self._job_parameters_in_vain()
        return list(self.found.values())

    @property
    def _is_alone(self) -> bool:
        """Whether a notebook is run by itself, with no job written around it."""
        return self.spec is not None and self.spec in {Path(file) for file in self.files.values()}

    # Which notebooks there are ----------------------------------------------------------------------------------------

    def _tasks(self) -> Iterator[tuple[str, Task, Path]]:
        """Owner's key (of the loop, for a nested task), the task and its notebook's file."""
        for task in self.settings.tasks or ():
            if task.task_key not in self.graph.tasks or self.graph.tasks[task.task_key].stubbed:
                continue
            inner = task.for_each_task.task if task.for_each_task else task
            file = next((self.files[key] for key in self._file_keys(task, inner) if key in self.files), None)
            if inner.notebook_task and file:
                yield task.task_key, inner, Path(file)

    @staticmethod
    def _file_keys(task: Task, inner: Task) -> Iterator[str]:
        yield f"{task.task_key} notebook_task.notebook_path"
        yield f"{inner.task_key} notebook_task.notebook_path"
        yield f"{task.task_key} for_each_task.task.notebook_task.notebook_path"

    def _certain(self, owner: str) -> bool:
        """Whether the task runs in every run in which nothing fails."""
        above = [self.graph.tasks[key] for key in self.graph.ancestors([owner])]
        loop = next((task.for_each_task for task in self.settings.tasks or () if task.task_key == owner), None)
        return (
            not any(edge.outcome for task in above for edge in task.edges)
            and not any(task.run_if in (RunIf.ALL_FAILED, RunIf.AT_LEAST_ONE_FAILED) or task.disabled for task in above)
            and (loop is None or _surely_loops(loop.inputs))
        )

    def _facts(self, path: Path, blame: tuple[Path, Place] | None, certain: bool) -> Facts | None:
        if path not in self.known:
            try:
                self.known[path] = facts(self.read(path))
            except UserError as error:
                where, place = blame or (path, None)
                # Who shows a complaint puts the file in front.
                self._say(str(error).removeprefix(f"{where}: "), where, place, sure=certain)
                self.known[path] = None
        return self.known[path]

    def _reading(self, path: Path, certain: bool) -> _Reading | None:
        found = self._facts(path, None, certain)
        if found is None:
            return None
        pages: dict[Path, _Page] = {}
        self._page(path, found, certain, (path,), pages)
        return _Reading(tuple(pages.values()))

    def _page(
        self, path: Path, found: Facts, certain: bool, stack: tuple[Path, ...], pages: dict[Path, _Page]
    ) -> _Page:
        """Put the notebook and all it includes into `pages`; what follows a possible exit is no longer sure."""
        page = pages[path] = _Page(
            path,
            found,
            certain,
            min((use.place for use in found.exits), key=lambda place: (place.cell, place.row), default=None),
        )
        for include in found.includes:
            target = self._included_file(page, include)
            if target is None:
                continue
            if target in stack:
                circle = " -> ".join(one.name for one in (*stack[stack.index(target) :], target))
                self._say(f"%run goes round in a circle: {circle}", path, include.place, sure=page.surely(include))
                continue
            below = pages.get(target) or self._included(target, page, include, stack, pages)
            if below is not None and below.ended is not None and not page.ended_before(include.place):
                page = pages[path] = replace(page, ended=include.place)
        return page

    def _included(
        self, target: Path, page: _Page, include: Include, stack: tuple[Path, ...], pages: dict[Path, _Page]
    ) -> _Page | None:
        sure = page.surely(include)
        found = self._facts(target, (page.path, include.place), sure)
        return None if found is None else self._page(target, found, sure, (*stack, target), pages)

    def _included_file(self, page: _Page, include: Include) -> Path | None:
        name = include.call.path
        try:
            return self.find(name, page.path)
        except UserError as error:
            # A plain script named with its extension is left to IPython's own %run (decisions page).
            if isinstance(error, NotFound) or not name.endswith((".py", ".ipy")):
                self._say(_first_line(error), page.path, include.place, sure=page.surely(include))
            return None

    def _called_file(self, name: str, page: _Page, run: NotebookRun, top: Path) -> Path | None:
        """`dbutils.notebook.run` counts from the notebook that was started, also in one that came by %run."""
        try:
            return self.find(name, top)
        except UserError as error:
            self._say(_first_line(error), page.path, run.place, sure=page.surely(run) and not run.guarded)
            return None

    def _extras(self) -> None:
        """What tasks without a notebook need installed."""
        for task in self.settings.tasks or ():
            if task.task_key not in self.graph.tasks or self.graph.tasks[task.task_key].stubbed or task.disabled:
                continue
            inner = task.for_each_task.task if task.for_each_task else task
            extra = self._missing_extra(inner)
            if extra and not inner.libraries and not inner.environment_key:  # those could bring it
                message = str(MissingExtra(f"task {inner.task_key!r}: {inner.kind}", extra))
                self._say_of(task.task_key, message, sure=self._certain(task.task_key))

    def _missing_extra(self, task: Task) -> str | None:
        if task.dbt_task and not self.installed("dbt"):
            return "dbt"
        return "sql" if task.sql_task and not self._has_sql() else None

    # What is wrong in one ---------------------------------------------------------------------------------------------

    def _notebook(self, reading: _Reading, passed: frozenset[str] | None, stack: tuple[Path, ...]) -> None:
        for page in reading.pages:
            self._faults(page)
            self._languages(page, reading)
            self._magics(page)
            self._calls(page, stack)
        self._spark(reading)
        if passed is not None:
            self._widgets(reading, passed)

    def _faults(self, page: _Page) -> None:
        for fault in page.facts.faults:
            sure = page.certain and fault.sure and not page.ended_before(fault.place)
            self._say(fault.message, page.path, fault.place, sure=sure)

    def _languages(self, page: _Page, reading: _Reading) -> None:
        seen: set[str] = set()
        for use in page.facts.languages:
            word = use.name or ""
            if word in _NOT_RUN_HERE and word not in seen:
                message = f"{_NOT_RUN_HERE[word]} cells are not run on this machine: move the cell to Python or SQL"
                self._say(message, page.path, use.place, sure=page.surely(use))
            if word == "sql" and word not in seen and not self._has_sql():
                message = "SQL cells need an optional dependency: pip install 'dbutils-local[sql]'"
                self._say(message, page.path, use.place, sure=page.surely(use) and not reading.installs)
            seen.add(word)

    def _has_sql(self) -> bool:
        return (self.installed("duckdb") and self.installed("sqlglot")) or self.installed("pyspark")

    def _magics(self, page: _Page) -> None:
        for use in page.facts.magics:
            if reason := REFUSED.get(use.name or ""):
                self._say(reason, page.path, use.place, sure=page.surely(use))

    def _spark(self, reading: _Reading) -> None:
        uses = [(page, use) for page, use in reading.all("globals_read") if use.name not in reading.made]
        if not uses or "spark" in reading.made or self.installed("pyspark"):
            return
        surely = [(page, use) for page, use in uses if page.surely(use) and not use.guarded and not reading.installs]
        page, use = (surely or uses)[0]
        message = f"`{use.name}` needs an optional dependency: pip install 'dbutils-local[spark]'"
        self._say(message, page.path, use.place, sure=bool(surely))

    def _widgets(self, reading: _Reading, passed: frozenset[str]) -> None:
        there = passed | reading.names("widgets_defined") | reading.given
        doubt = reading.opaque or reading.computes("widgets_defined")
        for page, use in reading.all("widgets_read"):
            if use.name is None:
                self._say("this widget's name is computed at run time: not checked", page.path, use.place, sure=False)
            elif use.name not in there and not use.guarded:
                message = f"widget {use.name!r} is read, but no notebook defines it and nothing passes it"
                self._say(message, page.path, use.place, sure=page.surely(use) and not doubt)

    def _calls(self, page: _Page, stack: tuple[Path, ...]) -> None:
        for run in page.facts.runs:
            if run.name is None:
                self._say("this notebook's path is computed at run time: not checked", page.path, run.place, sure=False)
                continue
            target = self._called_file(run.name, page, run, stack[-1])
            if target is not None:
                self._call(page, run, target, stack)

    def _call(self, page: _Page, run: NotebookRun, target: Path, stack: tuple[Path, ...]) -> None:
        sure = page.surely(run) and not run.guarded
        if target in stack:
            circle = " -> ".join(one.name for one in (*stack[stack.index(target) :], target))
            self._say(f"dbutils.notebook.run goes round in a circle: {circle}", page.path, run.place, sure=sure)
            return
        key = (target, run.arguments, sure)
        if key in self.children:
            return
        self.children.add(key)
        if (reading := self._reading(target, sure)) is not None:
            self._notebook(reading, run.arguments, (*stack, target))

    # What passes between tasks ----------------------------------------------------------------------------------------

    def _parameters(self, task: Task) -> frozenset[str]:
        own = task.notebook_task.base_parameters if task.notebook_task else None
        return frozenset(own or ()) | frozenset(self._job_parameters()) | self.passed

    def _job_parameters(self) -> list[str]:
        return [parameter.name for parameter in self.settings.parameters or ()]

    def _values_read(self, reading: _Reading, owner: str) -> None:
        for page in reading.pages:
            for use in page.facts.values_read:
                if use.task is None or use.name is None:
                    self._say("this task value's name is computed: not checked", page.path, use.place, sure=False)
                elif use.debugged and self._is_alone:
                    continue
                elif fault := self._value_fault(use.task, use.name, owner):
                    message, certain = fault
                    self._say(message, page.path, use.place, sure=certain and page.surely(use) and not use.guarded)

    def _value_fault(self, source: str, key: str, reader: str) -> tuple[str, bool] | None:
        """Why `key` of task `source` may be missing when `reader` runs, and whether it must be."""
        where = f"task value {key!r} of task {source!r}"
        if not self._is_known(source):
            return f"{where} is read, but the job has no such task", True
        if source not in self.graph.tasks or self.graph.tasks[source].stubbed:
            return None
        if source == reader or source in self.graph.dependents([reader]):
            return f"{where} is read before that task has run", True
        if source not in self.graph.ancestors([reader]):
            return f"{where} is read, but {reader!r} does not wait for {source!r}: it may not be there yet", False
        reading = self.readings.get(source)
        if reading is None or key in reading.names("values_set") | _heads(reading, key):
            return None
        doubt = reading.opaque or reading.computes("values_set") or self._calls_out(reading)
        return f"{where} is read, but that task sets no such value", not doubt

    def _calls_out(self, reading: _Reading) -> bool:
        """Whether the notebook has cells whose effect is not read here (its own Scala, another extension's magic)."""
        return bool(reading.names("languages") & set(_NOT_RUN_HERE))

    def _referenced_values(self) -> None:
        for task in self.settings.tasks or ():
            if task.task_key not in self.graph.tasks or self.graph.tasks[task.task_key].stubbed:
                continue
            for reference in references_in(task.model_dump_json(exclude_none=True)):
                if fault := fault_of(reference):
                    message = f"task {task.task_key!r}: {reference.text}: {fault}"
                    self._say_of(task.task_key, message, sure=self._certain(task.task_key))
                match reference.parts:
                    case ("tasks", source, "values", key, *_):
                        unset = self._value_fault(source, key, task.task_key)
                        sure = self._certain(task.task_key)
                        if unset and self._is_known(source):  # the spec's own check names the others
                            message = f"task {task.task_key!r}: {unset[0]}"
                            self._say_of(task.task_key, message, sure=sure and unset[1])
                    case _:
                        pass

    def _is_known(self, key: str) -> bool:
        return any(task.task_key == key for task in self.settings.tasks or ())

    def _passed_in_vain(self, reading: _Reading, task: Task, path: Path) -> None:
        own = task.notebook_task.base_parameters if task.notebook_task else None
        for name in own or ():
            if not _may_read(reading, name):
                message = f"task {task.task_key!r} passes parameter {name!r}, which the notebook never reads"
                self._say(message, path, None, sure=False)

    def _job_parameters_in_vain(self) -> None:
        if len(self.graph.tasks) < len(self.settings.tasks or ()):
            return  # the tasks that were left out may be those that read it
        tasks = [task for task in self.settings.tasks or () if task.task_key in self.graph.tasks]
        inner = [task.for_each_task.task if task.for_each_task else task for task in tasks]
        whole = self.settings.model_dump_json(exclude_none=True)
        referenced = {ref.parts[2] for ref in references_in(whole) if ref.parts[:2] == ("job", "parameters")}
        if any(task.task_key not in self.readings and task.kind != "condition_task" for task in inner):
            return  # another kind of task, or a notebook that could not be read, may use them
        declared = self._job_parameters()
        for name in (*declared, *sorted(self.passed - set(declared))):
            if name not in referenced and not any(_may_read(reading, name) for reading in self.readings.values()):
                what = f"job parameter {name!r}" if name in declared else f"parameter {name!r}, given for this run,"
                self._say_of(f"parameters {name}", f"{what} is read by no task", sure=False)

    # Saying it --------------------------------------------------------------------------------------------------------

    def _say(self, message: str, path: Path | None, place: Place | None, *, sure: bool) -> None:
        """Note a problem once; said twice, the harder of the two stays."""
        problem = Problem(
            message,
            file=path or self.spec,
            line=place.line if place else None,
            cell=place.cell if place else None,
            severity="error" if sure else "warning",
        )
        key = (message, path, place)
        if key not in self.found or sure:
            self.found[key] = problem

    def _say_of(self, name: str, message: str, *, sure: bool) -> None:
        """The same for what stands in the spec itself: at a task or "parameters NAME"."""
        place = self.places.get(name) or SpecPlace(self.spec)
        problem = place.problem(message, "error" if sure else "warning")
        if (message,) not in self.found or sure:
            self.found[(message,)] = problem


def _first_line(error: UserError) -> str:
    return str(error).split("\n")[0]


def _surely_loops(inputs: str) -> bool:
    """Whether the inputs of a for_each task are a literal list with something in it."""
    try:
        return bool(json.loads(inputs))
    except ValueError:
        return False


def _heads(reading: _Reading, key: str) -> set[str]:
    """`{{tasks.a.values.k.field}}` reads a member of `k`: the whole key is there if its head is."""
    head = key.split(".")[0]
    return {key} if head in reading.names("values_set") else set()


def _may_read(reading: _Reading, name: str) -> bool:
    return (
        name in reading.maybe_read
        or reading.opaque
        or reading.computes("widgets_read")
        or any(page.facts.reads_all for page in reading.pages)
    )
