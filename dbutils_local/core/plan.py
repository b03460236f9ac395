"""What is to be done, from the spec: tasks in an order in which they can run, and the edges between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dbutils_local.errors import InvalidSpec, Problem, UserError
from dbutils_local.spec.job import JobSettings
from dbutils_local.spec.tasks import HealthMetric, HealthRules, RunIf, Task


@dataclass(frozen=True, slots=True)
class Edge:
    """Waits for `upstream`; with `outcome`, only that answer of a condition task counts as success."""

    upstream: str
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """One task as the machine sees it; durations in milliseconds, 0 = none."""

    key: str
    kind: str
    edges: tuple[Edge, ...] = ()
    run_if: RunIf = RunIf.ALL_SUCCESS
    disabled: bool = False
    stubbed: bool = False
    stub_values: Mapping[str, Any] = field(default_factory=dict)
    max_retries: int = 0  # -1 = for ever
    min_retry_interval_ms: int = 0
    retry_on_timeout: bool = False
    timeout_ms: int = 0
    warn_after_ms: int = 0  # RUN_DURATION_SECONDS health rule
    concurrency: int = 1  # for_each
    nested: PlannedTask | None = None  # for_each


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole graph; `tasks` is in topological order, stable with respect to the spec."""

    tasks: Mapping[str, PlannedTask]
    downstream: Mapping[str, tuple[str, ...]]
    timeout_ms: int = 0
    warn_after_ms: int = 0

    @property
    def leaves(self) -> tuple[str, ...]:
        """Tasks nobody depends on: they alone decide between success and failure of the job."""
        return tuple(key for key in self.tasks if not self.downstream.get(key))

    def dependents(self, keys: Iterable[str]) -> frozenset[str]:
        """`keys` and everything below them."""
        return _closure(keys, lambda key: self.downstream.get(key, ()))

    def ancestors(self, keys: Iterable[str]) -> frozenset[str]:
        """`keys` and everything above them."""
        return _closure(keys, lambda key: [edge.upstream for edge in self.tasks[key].edges])


def plan(
    settings: JobSettings,
    *,
    only: Sequence[str] = (),
    stubs: Sequence[str] = (),
    stub_values: Mapping[str, Mapping[str, Any]] | None = None,
) -> Plan:
    """The plan of a job; `only` takes the selectors of run-now (`k`, `+k`, `k+`, `+k+`).

    Raises InvalidSpec for circles, self references, unknown or duplicate task keys, and UserError for an unknown key
    in `only`, `stubs` or `stub_values`.
    """
    values = dict(stub_values or {})
    planned = [
        _planned(task, key in stubs, values.get(key, {})) for task in settings.tasks or () for key in [task.task_key]
    ]
    graph = graph_of(
        planned, timeout_ms=(settings.timeout_seconds or 0) * 1000, warn_after_ms=_warn_after(settings.health)
    )
    for key in (*stubs, *values):
        _known(key, graph, settings)
    for key in stubs:
        _check_stub(graph.tasks[key])
    return select(graph, only, settings.name or "Untitled") if only else graph


def graph_of(tasks: Sequence[PlannedTask], *, timeout_ms: int = 0, warn_after_ms: int = 0) -> Plan:
    """Tasks in topological order with their downstream index, or InvalidSpec saying what is wrong with the graph."""
    by_key: dict[str, PlannedTask] = {}
    problems: list[Problem] = []
    for task in tasks:
        if task.key in by_key:
            problems.append(Problem(f"duplicate task_key {task.key!r}"))
        by_key[task.key] = task
    for task in tasks:
        for edge in task.edges:
            if edge.upstream == task.key:
                # Databricks' own words (jobs reference, 6.7).
                problems.append(Problem(f"Invalid dependency graph, task '{task.key}' can not reference itself."))
            elif edge.upstream not in by_key:
                problems.append(
                    Problem(f"task {task.key!r} depends on {edge.upstream!r}, which is no task of this job")
                )
            elif edge.outcome is not None and by_key[edge.upstream].kind != "condition_task":
                problems.append(
                    Problem(
                        f"task {task.key!r} waits for outcome {edge.outcome!r} of {edge.upstream!r}, "
                        "which is no condition_task"
                    )
                )
    if problems:
        raise InvalidSpec(problems)
    downstream: dict[str, list[str]] = {key: [] for key in by_key}
    for task in tasks:
        for edge in task.edges:
            if task.key not in downstream[edge.upstream]:
                downstream[edge.upstream].append(task.key)
    order = _topological(by_key, downstream)
    return Plan(
        {key: by_key[key] for key in order},
        {key: tuple(below) for key, below in downstream.items()},
        timeout_ms,
        warn_after_ms,
    )


def select(graph: Plan, selectors: Sequence[str], job_name: str) -> Plan:
    """The part of the graph that `only` names; edges to what is left out are dropped (jobs reference, 6.3)."""
    chosen: set[str] = set()
    for selector in selectors:
        key = selector.strip().strip("+")
        if key not in graph.tasks:
            raise UserError(f'task "{key}" not found in job "{job_name}"')
        chosen.add(key)
        if selector.strip().startswith("+"):
            chosen |= graph.ancestors([key])
        if selector.strip().endswith("+"):
            chosen |= graph.dependents([key])
    kept = [
        replace(task, edges=tuple(edge for edge in task.edges if edge.upstream in chosen))
        for task in graph.tasks.values()
        if task.key in chosen
    ]
    return graph_of(kept, timeout_ms=graph.timeout_ms, warn_after_ms=graph.warn_after_ms)


def _planned(task: Task, stubbed: bool = False, stub_values: Mapping[str, Any] | None = None) -> PlannedTask:
    loop = task.for_each_task
    return PlannedTask(
        key=task.task_key,
        kind=task.kind,
        edges=tuple(Edge(dependency.task_key, dependency.outcome) for dependency in task.depends_on or ()),
        run_if=task.run_if or RunIf.ALL_SUCCESS,
        disabled=bool(task.disabled),
        stubbed=stubbed,
        stub_values=dict(stub_values or {}),
        max_retries=0 if task.kind == "condition_task" else task.max_retries or 0,  # conditions know no retries
        min_retry_interval_ms=task.min_retry_interval_millis or 0,
        retry_on_timeout=bool(task.retry_on_timeout),
        timeout_ms=(task.timeout_seconds or 0) * 1000,
        warn_after_ms=_warn_after(task.health),
        concurrency=(loop.concurrency or 1) if loop else 1,
        nested=_planned(loop.task) if loop else None,
    )


def _warn_after(health: HealthRules | None) -> int:
    rules = health.rules if health and health.rules else ()
    return min((rule.value * 1000 for rule in rules if rule.metric is HealthMetric.RUN_DURATION_SECONDS), default=0)


def _known(key: str, graph: Plan, settings: JobSettings) -> None:
    if key not in graph.tasks:
        raise UserError(f'task "{key}" not found in job "{settings.name or "Untitled"}"')


def _check_stub(task: PlannedTask) -> None:
    if task.kind == "condition_task" and task.stub_values.get("outcome") not in ("true", "false", True, False):
        raise UserError(
            f"stubbing the condition {task.key!r} needs its answer: --task-value {task.key}.outcome=true (or false)"
        )


def _topological(tasks: Mapping[str, PlannedTask], downstream: Mapping[str, Sequence[str]]) -> list[str]:
    waiting = {key: len({edge.upstream for edge in task.edges}) for key, task in tasks.items()}
    order = [key for key, count in waiting.items() if count == 0]
    for key in order:
        for below in downstream[key]:
            waiting[below] -= 1
            if waiting[below] == 0:
                order.append(below)
    if len(order) < len(tasks):
        circle = _circle({key: task for key, task in tasks.items() if waiting[key] > 0})
        raise InvalidSpec([Problem(f"the tasks depend on each other in a circle: {' -> '.join(circle)}")])
    return order


def _circle(tasks: Mapping[str, PlannedTask]) -> list[str]:
    """One circle among tasks that all wait for another of them, as a -> b -> a (b runs after a)."""
    key = next(iter(tasks))
    path: list[str] = []
    while key not in path:
        path.append(key)
        key = next(edge.upstream for edge in tasks[key].edges if edge.upstream in tasks)
    circle = [*path[path.index(key) :], key]
    return circle[::-1]


def _closure(keys: Iterable[str], neighbours: Any) -> frozenset[str]:
    seen = set(keys)
    stack = list(seen)
    while stack:
        for key in neighbours(stack.pop()):
            if key not in seen:
                seen.add(key)
                stack.append(key)
    return frozenset(seen)
