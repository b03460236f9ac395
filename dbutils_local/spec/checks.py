"""What is wrong or doubtful with a job as a whole, found on its tree so that all faults are told at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dbutils_local.errors import Problem
from dbutils_local.spec.faults import did_you_mean
from dbutils_local.spec.job import MAX_TASKS
from dbutils_local.spec.tree import Node, show

REFERENCE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
BUNDLE_REFERENCE = re.compile(r"\$\{([^${}]+)\}")
_NAMESPACES = ("job", "task", "tasks", "workspace", "input", "backfill", "secrets")
_OLD_WORDS = ("job_id", "run_id", "parent_run_id", "start_date", "start_time", "task_retry_count", "task_key")
COMPUTE = ("existing_cluster_id", "new_cluster", "job_cluster_key", "environment_key")
_QUARTZ_FIELDS = "seconds minutes hours day-of-month month day-of-week [year]"


@dataclass(frozen=True)
class _TaskView:
    """A task of the tree with what the checks ask of it."""

    node: Node
    path: tuple[str | int, ...]
    key: str

    @property
    def dependencies(self) -> list[Node]:
        return self.node.elements("depends_on")

    @property
    def upstream(self) -> list[str]:
        return [key for node in self.dependencies if (key := _text(node, "task_key"))]


def check(job: Node, prefix: str = "") -> list[Problem]:
    """All faults and doubts of one job; `prefix` leads every field path, e.g. `resources.jobs.nightly`."""
    tasks = _tasks(job)
    known = {task.key: task for task in tasks}
    checks = (
        _duplicates(job, "tasks", "task_key"),
        _duplicates(job, "job_clusters", "job_cluster_key"),
        _duplicates(job, "environments", "environment_key"),
        _duplicates(job, "environment_variables", "environment_variables_key"),
        _duplicates(job, "parameters", "name"),
        _edges(tasks, known),
        _circles(tasks),
        _loops(tasks),
        _keys(job, tasks),
        _compute(tasks),
        _triggers(job),
        _size(job),
        _nulls(job),
        _dynamic_references(job, tasks),
    )
    return [_prefixed(problem, prefix) for found in checks for problem in found]


def _prefixed(problem: Problem, prefix: str) -> Problem:
    if not prefix:
        return problem
    return Problem(
        f"{prefix}.{problem.message}", problem.file, problem.line, problem.column, problem.cell, problem.severity
    )


def _text(node: Node, key: str) -> str | None:
    below = node.get(key)
    return str(below.value) if below is not None and isinstance(below.value, str | int) else None


def _tasks(job: Node) -> list[_TaskView]:
    return [
        _TaskView(node, ("tasks", index), _text(node, "task_key") or "")
        for index, node in enumerate(job.elements("tasks"))
    ]


def _duplicates(job: Node, list_name: str, key_name: str) -> Iterator[Problem]:
    first: dict[str, Node] = {}
    for index, node in enumerate(job.elements(list_name)):
        key = _text(node, key_name)
        if key is None:
            continue
        if key in first:
            line = first[key].place.line
            also = f" (first on line {line})" if line else ""
            place = node.nearest((key_name,)).place
            yield place.problem(f"{list_name}[{index}].{key_name}: duplicate {key_name} {key!r}{also}")
        first.setdefault(key, node)


def _edges(tasks: list[_TaskView], known: Mapping[str, _TaskView]) -> Iterator[Problem]:
    for task in tasks:
        for index, edge in enumerate(task.dependencies):
            upstream = _text(edge, "task_key")
            if upstream is None:
                continue
            where = f"{show(task.path)}.depends_on[{index}]"
            place = edge.nearest(("task_key",)).place
            if upstream == task.key:
                # Databricks' own words (jobs reference, 6.7).
                yield place.problem(f"{where}: Invalid dependency graph, task '{task.key}' can not reference itself.")
            elif upstream not in known:
                hint = did_you_mean(upstream, known)
                yield place.problem(
                    f"{where}: task {task.key!r} depends on {upstream!r}, which is no task of this job{hint}"
                )
            elif edge.get("outcome") is not None:
                yield from _outcome(edge, where, known[upstream])


def _outcome(edge: Node, where: str, upstream: _TaskView) -> Iterator[Problem]:
    node = edge.nearest(("outcome",))
    if node.value is None:
        return
    if "condition_task" not in upstream.node.mapping:
        yield node.place.problem(f"{where}.outcome: {upstream.key!r} is no condition_task, so it has no outcome")
    elif str(node.value).lower() not in ("true", "false"):
        yield node.place.problem(f'{where}.outcome: must be "true" or "false", found {node.value!r}')


def _circles(tasks: list[_TaskView]) -> Iterator[Problem]:
    """One problem a circle, shown as a -> b -> a where each waits for the one before it."""
    below: dict[str, list[str]] = {task.key: [] for task in tasks}
    for task in tasks:
        for upstream in task.upstream:
            if upstream in below and upstream != task.key:
                below[upstream].append(task.key)
    places = {task.key: task.node.nearest(("depends_on",)).place for task in tasks}
    for circle in _found_circles(below):
        yield places[circle[0]].problem(f"tasks: the dependencies form a circle: {' -> '.join((*circle, circle[0]))}")


def _found_circles(below: Mapping[str, list[str]]) -> Iterator[list[str]]:
    done: set[str] = set()
    for start in below:
        if start in done:
            continue
        trail: list[str] = []
        on_trail: dict[str, int] = {}
        stack: list[tuple[str, Iterator[str]]] = []
        _enter(start, below, trail, on_trail, stack)
        while stack:
            key, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                trail.pop()
                del on_trail[key]
                done.add(key)
            elif following in on_trail:
                yield trail[on_trail[following] :]
            elif following not in done:
                _enter(following, below, trail, on_trail, stack)


def _enter(
    key: str,
    below: Mapping[str, list[str]],
    trail: list[str],
    on_trail: dict[str, int],
    stack: list[tuple[str, Iterator[str]]],
) -> None:
    on_trail[key] = len(trail)
    trail.append(key)
    stack.append((key, iter(below[key])))


def _loops(tasks: list[_TaskView]) -> Iterator[Problem]:
    for task in tasks:
        nested = task.node.get("for_each_task", "task")
        if nested is None:
            continue
        where = f"{show(task.path)}.for_each_task.task"
        if deeper := nested.get("for_each_task"):
            yield (deeper.key or deeper.place).problem(f"{where}: a for_each_task cannot stand inside another one")
        for name in ("depends_on", "run_if", "disabled"):
            if found := nested.get(name):
                place = found.key or found.place
                yield place.problem(
                    f"{where}.{name}: has no effect on a nested task; put it on {task.key!r}", "warning"
                )
        for name in ("max_retries", "min_retry_interval_millis", "retry_on_timeout"):
            if found := task.node.get(name):
                place = found.key or found.place
                yield place.problem(
                    f"{show(task.path)}.{name}: retries the whole loop; for an iteration put it on the nested task",
                    "warning",
                )


def _keys(job: Node, tasks: list[_TaskView]) -> Iterator[Problem]:
    for list_name, key_name, severity in (
        ("job_clusters", "job_cluster_key", "warning"),
        ("environments", "environment_key", "error"),
        ("environment_variables", "environment_variables_key", "error"),
    ):
        known = [key for node in job.elements(list_name) if (key := _text(node, key_name))]
        for task in tasks:
            for path in ((), ("for_each_task", "task")):
                node = task.node.get(*path, key_name)
                if (
                    node is not None
                    and isinstance(node.value, str)
                    and node.value not in known
                    and "${" not in node.value
                ):
                    where = show((*task.path, *path, key_name))
                    hint = did_you_mean(node.value, known)
                    yield node.place.problem(
                        f"{where}: {node.value!r} is not among the {list_name} of this job{hint}", severity
                    )


def _compute(tasks: list[_TaskView]) -> Iterator[Problem]:
    for task in tasks:
        named = [name for name in COMPUTE if name in task.node.mapping]
        if len(named) > 1:
            node = task.node.mapping[named[1]]
            yield (node.key or node.place).problem(
                f"{show(task.path)}: {' and '.join(named)} exclude each other", "warning"
            )


def _triggers(job: Node) -> Iterator[Problem]:
    named = [
        name for name in ("schedule", "trigger", "continuous") if (node := job.get(name)) and node.value is not None
    ]
    if len(named) > 1:
        node = job.nearest((named[1],))
        yield (node.key or node.place).problem(f"{named[1]}: a job has one trigger, found {' and '.join(named)}")
    if "continuous" in named:
        waiting = next((task for task in _tasks(job) if task.dependencies), None)
        if waiting:
            place = waiting.node.nearest(("depends_on",)).place
            yield place.problem(
                f"{show(waiting.path)}.depends_on: Databricks does not allow dependencies in a continuous job",
                "warning",
            )
    for path in (
        ("schedule",),
        *((("triggers", index, "schedule")) for index in range(len(job.elements("triggers")))),
    ):
        schedule = job.get(*path)
        if schedule is not None:
            yield from _schedule(schedule, show(path))


def _schedule(schedule: Node, where: str) -> Iterator[Problem]:
    expression = schedule.get("quartz_cron_expression")
    if expression is not None and isinstance(expression.value, str) and (fault := quartz_fault(expression.value)):
        yield expression.place.problem(f"{where}.quartz_cron_expression: {fault}")
    zone = schedule.get("timezone_id")
    if zone is not None and isinstance(zone.value, str) and not _is_zone(zone.value):
        yield zone.place.problem(
            f"{where}.timezone_id: {zone.value!r} is no time zone; write one like Europe/London or UTC"
        )


def quartz_fault(expression: str) -> str | None:
    """What is plainly wrong with a Quartz expression's shape (its fields are read by the scheduler), or None."""
    fields = expression.split()
    if len(fields) not in (6, 7):
        more = f"; as Quartz this five-field cron is probably {_as_quartz(fields)!r}" if len(fields) == 5 else ""
        return f"Quartz needs six or seven fields: {_QUARTZ_FIELDS}; found {len(fields)} in {expression!r}{more}"
    if (fields[3] == "?") == (fields[5] == "?"):
        return f"exactly one of day-of-month and day-of-week must be '?', found {fields[3]!r} and {fields[5]!r}"
    return None


def _as_quartz(fields: list[str]) -> str:
    minute, hour, day, month, weekday = fields
    if weekday == "*":
        return f"0 {minute} {hour} {day} {month} ?"
    # Unix counts the week from Sunday = 0 (and 7), Quartz from Sunday = 1.
    shifted = re.sub(r"\d+", lambda match: str(int(match[0]) % 7 + 1), weekday)
    return f"0 {minute} {hour} {'?' if day == '*' else day} {month} {shifted}"


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False
    return True


def _size(job: Node) -> Iterator[Problem]:
    tasks = job.get("tasks")
    count = len(tasks.items) if tasks else 0
    if count > MAX_TASKS:
        yield (tasks or job).place.problem(
            f"tasks: {count:,} tasks; Databricks takes {MAX_TASKS:,} a job, here they run", "warning"
        )
    if count == 0:
        yield job.place.problem("tasks: the job has no tasks, so a run of it fails", "warning")


def _nulls(job: Node) -> Iterator[Problem]:
    for path, node in job.walk():
        if node.value is None and path and isinstance(path[-1], str) and "new_cluster" not in path:
            yield (node.key or node.place).problem(f"{show(path)}: has no value and is left out", "warning")


def _dynamic_references(job: Node, tasks: list[_TaskView]) -> Iterator[Problem]:
    declared = (
        {name for node in job.elements("parameters") if (name := _text(node, "name"))}
        if job.get("parameters")
        else set()
    )
    keys = {task.key for task in tasks}
    for top in ("tasks", "parameters"):
        for path, node in (job.get(top) or Node(None)).walk((top,)):
            if isinstance(node.value, str) and "{{" in node.value and "description" not in path:
                for match in REFERENCE.finditer(node.value):
                    if match[1].startswith("secrets/") and "new_cluster" in path:
                        continue  # environment variables of a cluster: put in when the task starts
                    if doubt := _doubt(match[1], "for_each_task" in path, declared, keys):
                        yield node.place.problem(f"{show(path)}: {{{{{match[1]}}}}} {doubt}", "warning")


def _doubt(reference: str, in_loop: bool, declared: set[str], keys: set[str]) -> str | None:
    """Why a reference will probably not become what its author wanted, or None."""
    if reference in _OLD_WORDS:
        return None
    if reference.startswith("secrets/"):
        return "stays as text: only environment variables take secrets; read it in the code with dbutils.secrets.get"
    steps = [step.strip("`[]") for step in re.findall(r"`[^`]*`|\[[^\]]*\]|[^.`\[\]]+", reference)]
    if not steps or steps[0] not in _NAMESPACES:
        known = (
            "; did you mean {{input}}?"
            if steps and steps[0] == "item"
            else did_you_mean(steps[0] if steps else "", (*_NAMESPACES, *_OLD_WORDS))
        )
        return f"is no reference Databricks knows, so it stays as text{known}"
    match steps:
        case ["input", *_] if not in_loop:
            return "stands outside a for_each_task, where there is no input"
        case ["job", "parameters", name] if name not in declared:
            return f"names no parameter of this job, so every run must bring it{did_you_mean(name, declared)}"
        case ["tasks", key, *_] if key not in keys:
            return f"names no task of this job{did_you_mean(key, keys)}"
    return None
