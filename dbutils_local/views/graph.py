"""The DAG of a run as a picture: a layered layout of our own, painted as one self-contained SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from dbutils_local.views.palette import STYLE, fallback
from dbutils_local.views.snapshot import Snapshot, TaskView, duration

BOX_WIDTH, BOX_HEIGHT = 210, 50
GAP_X, GAP_Y = 64, 18
MARGIN = 14
SWEEPS = 6
# How strongly a column is drawn to the common middle line: without it a long narrow graph wanders off.
PULL = 0.12
# Above this many bends of long edges their ordering costs more than it shows.
MAX_BENDS = 4000


@dataclass(frozen=True, slots=True)
class Route:
    """One edge: the points its line passes, from the right side of `upstream` to the left side of `key`."""

    upstream: str
    key: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything lies: the top left corner of every box, the way of every edge, and the size; in pixels."""

    boxes: Mapping[str, tuple[float, float]]
    routes: tuple[Route, ...]
    width: float
    height: float


Node = str | tuple[str, str, int]  # a task, or the bend of edge (upstream, key) in a layer


def layout(upstream: Mapping[str, Sequence[str]]) -> Layout:
    """Lay out a DAG given as `{key: keys it waits for}`, left to right: longest path, then barycentre sweeps."""
    rank = _ranks(upstream)
    edges = [(above, key) for key, aboves in upstream.items() for above in dict.fromkeys(aboves) if above in rank]
    chains = _chains(edges, rank)
    columns = _columns(rank, chains)
    before, after = _neighbours(chains)
    _order(columns, before, after)
    tops = _tops(columns, before, after)
    boxes = {key: (MARGIN + rank[key] * (BOX_WIDTH + GAP_X), MARGIN + tops[key]) for key in upstream}
    routes = tuple(Route(above, key, _points(chain, rank, tops, boxes)) for (above, key), chain in chains.items())
    width = 2 * MARGIN + len(columns) * (BOX_WIDTH + GAP_X) - GAP_X if columns else 2 * MARGIN
    height = 2 * MARGIN + max((top + _height(node) for node, top in tops.items()), default=0)
    return Layout(boxes, routes, width, height)


def _ranks(upstream: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The longest path to each task; `upstream` need not be in topological order."""
    rank: dict[str, int] = {}
    for start in upstream:
        stack = [start]
        while stack:
            key = stack[-1]
            waiting = [above for above in upstream[key] if above in upstream and above not in rank]
            if key in rank or not waiting:
                stack.pop()
                rank.setdefault(key, 1 + max((rank[above] for above in upstream[key] if above in rank), default=-1))
            else:
                stack.extend(waiting)
    return rank


def _chains(edges: Sequence[tuple[str, str]], rank: Mapping[str, int]) -> dict[tuple[str, str], list[Node]]:
    bends = sum(rank[key] - rank[above] - 1 for above, key in edges)
    chains: dict[tuple[str, str], list[Node]] = {}
    for above, key in edges:
        between: list[Node] = [(above, key, layer) for layer in range(rank[above] + 1, rank[key])]
        chains[above, key] = [above, *(between if bends <= MAX_BENDS else []), key]
    return chains


def _columns(rank: Mapping[str, int], chains: Mapping[tuple[str, str], Sequence[Node]]) -> list[list[Node]]:
    columns: list[list[Node]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for key, layer in rank.items():
        columns[layer].append(key)
    for chain in chains.values():
        for node in chain:
            if isinstance(node, tuple):
                columns[node[2]].append(node)
    return columns


def _neighbours(
    chains: Mapping[tuple[str, str], Sequence[Node]],
) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
    before: dict[Node, list[Node]] = {}
    after: dict[Node, list[Node]] = {}
    for chain in chains.values():
        for left, right in pairwise(chain):
            after.setdefault(left, []).append(right)
            before.setdefault(right, []).append(left)
    return before, after


def _order(columns: list[list[Node]], before: Mapping[Node, list[Node]], after: Mapping[Node, list[Node]]) -> None:
    """Sort every column by the mean place of its neighbours, back and forth."""
    place = {node: float(index) for column in columns for index, node in enumerate(column)}
    for sweep in range(SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wanted = {node: _mean([place[other] for other in neighbours.get(node, ())], place[node]) for node in column}
            column.sort(key=lambda node: (wanted[node], place[node]))
            place.update({node: float(index) for index, node in enumerate(column)})


def _tops(
    columns: list[list[Node]], before: Mapping[Node, list[Node]], after: Mapping[Node, list[Node]]
) -> dict[Node, float]:
    """The y of every node: near the mean of its neighbours, never overlapping within its column."""
    tops: dict[Node, float] = {}
    for column in columns:
        y = 0.0
        for node in column:
            tops[node] = y
            y += _height(node) + GAP_Y
    centre = max(tops.values(), default=0.0) / 2
    for sweep in range(SWEEPS):
        neighbours = before if sweep % 2 == 0 else after
        for column in columns if sweep % 2 == 0 else reversed(columns):
            near = [
                _mean([_middle(tops, other) for other in neighbours.get(node, ())], _middle(tops, node))
                for node in column
            ]
            # The last two sweeps only align, so that what could be a straight line is one.
            pull = PULL if sweep < SWEEPS - 2 else 0.0
            shift = pull * (centre - sum(near) / len(near))
            wanted = [middle + shift for middle in near]
            for node, top in zip(column, _separate(column, wanted), strict=True):
                tops[node] = top
    lowest = min(tops.values(), default=0.0)
    return {node: top - lowest for node, top in tops.items()}


def _separate(column: Sequence[Node], middles: Sequence[float]) -> list[float]:
    """Tops as near to the wanted middles as the order and the gaps allow: the mean of pushing down and pushing up."""
    down: list[float] = []
    for node, middle in zip(column, middles, strict=True):
        top = middle - _height(node) / 2
        down.append(max(top, down[-1] + _height(column[len(down) - 1]) + GAP_Y) if down else top)
    up: list[float] = []
    for node, middle in zip(reversed(column), reversed(middles), strict=True):
        top = middle - _height(node) / 2
        up.append(min(top, up[-1] - _height(node) - GAP_Y) if up else top)
    return [(low + high) / 2 for low, high in zip(down, reversed(up), strict=True)]


def _height(node: Node) -> float:
    return BOX_HEIGHT if isinstance(node, str) else 0.0


def _middle(tops: Mapping[Node, float], node: Node) -> float:
    return tops[node] + _height(node) / 2


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _points(
    chain: Sequence[Node], rank: Mapping[str, int], tops: Mapping[Node, float], boxes: Mapping[str, tuple[float, float]]
) -> tuple[tuple[float, float], ...]:
    start, end = str(chain[0]), str(chain[-1])
    points = [(boxes[start][0] + BOX_WIDTH, boxes[start][1] + BOX_HEIGHT / 2)]
    for node in chain[1:-1]:
        left = MARGIN + (node[2] if isinstance(node, tuple) else rank[node]) * (BOX_WIDTH + GAP_X)
        points += [(left, MARGIN + tops[node]), (left + BOX_WIDTH, MARGIN + tops[node])]
    points.append((boxes[end][0], boxes[end][1] + BOX_HEIGHT / 2))
    return tuple(points)


def svg(snapshot: Snapshot, *, links: Mapping[str, str] | None = None) -> str:
    """The DAG of a run as one SVG element that needs nothing else; `links` makes boxes of those keys clickable."""
    plan = layout({task.key: [edge.upstream for edge in task.edges] for task in snapshot.tasks})
    tasks = {task.key: task for task in snapshot.tasks}
    edges = {(edge.upstream, task.key): edge for task in snapshot.tasks for edge in task.edges}
    outcomes = {
        (above, key): sorted({e.outcome for e in tasks[key].edges if e.upstream == above and e.outcome})
        for above, key in edges
    }
    lines = [
        _edge(route, edges[route.upstream, route.key].taken, outcomes[route.upstream, route.key])
        for route in plan.routes
    ]
    boxes = [_box(tasks[key], x, y, (links or {}).get(key)) for key, (x, y) in plan.boxes.items()]
    title = f"Run {snapshot.run_id} of {snapshot.name}: {snapshot.label}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="dbl" role="img" aria-label="{escape(title)}" '
        f'width="{plan.width:g}" height="{plan.height:g}" viewBox="0 0 {plan.width:g} {plan.height:g}">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>{''.join(lines)}{''.join(boxes)}</svg>"
    )


def _edge(route: Route, taken: bool | None, outcomes: Sequence[str]) -> str:
    (x, y), *rest = route.points
    path = [f"M{x:g} {y:.1f}"]
    for toward_x, toward_y in rest:
        bend = (toward_x - x) / 2
        path.append(f"C{x + bend:g} {y:.1f} {toward_x - bend:g} {toward_y:.1f} {toward_x:g} {toward_y:.1f}")
        x, y = toward_x, toward_y
    kind = "dbl-edge dbl-off" if taken is False else "dbl-edge"
    tip = f"M{x - 7:g} {y - 4:.1f}L{x:g} {y:.1f}L{x - 7:g} {y + 4:.1f}"
    head = f'<path class="{kind} dbl-head" d="{tip}" fill="none" stroke="#8a929c"/>'
    line = f'<path class="{kind}" d="{"".join(path)}" fill="none" stroke="#8a929c"/>'
    return f"{line}{head}{_outcome(route, outcomes)}"


def _outcome(route: Route, outcomes: Sequence[str]) -> str:
    if not outcomes:
        return ""
    (x, y), (toward_x, toward_y) = route.points[0], route.points[1]
    middle_x, middle_y = (x + toward_x) / 2, (y + toward_y) / 2 - 4
    said = escape("/".join(outcomes))
    return f'<text class="dbl-note" x="{middle_x:g}" y="{middle_y:.1f}" text-anchor="middle">{said}</text>'


def _box(task: TaskView, x: float, y: float, link: str | None) -> str:
    facts = _facts(task)
    told = f"{task.key}: {facts}" + (f". {task.error or task.message}" if task.error or task.message else "")
    badge = _badge(x, y) if task.stubbed else ""
    text = (
        f'<text class="dbl-key" x="{x + 14:g}" y="{y + 21:.1f}">{escape(shorten(task.key, 24))}</text>'
        f'<text class="dbl-fact" x="{x + 14:g}" y="{y + 38:.1f}">{escape(shorten(facts, 29))}</text>'
    )
    box = (
        f'<g class="dbl-task dbl-{task.tone}" data-task="{escape(task.key)}" data-state="{task.word}" role="listitem" '
        f'aria-label="{escape(told)}"><title>{escape(told)}</title>'
        f'<rect class="dbl-box" x="{x:g}" y="{y:.1f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6" '
        f"{fallback(task.tone)}/>"
        f'<rect class="dbl-bar" x="{x:g}" y="{y:.1f}" width="5" height="{BOX_HEIGHT}" rx="2"/>{text}{badge}</g>'
    )
    return f'<a href="{escape(link)}">{box}</a>' if link else box


def _facts(task: TaskView) -> str:
    parts = [task.label]
    if task.loop is not None:
        parts.append(f"{task.loop.done}/{task.loop.total}")
    if task.kind == "condition_task" and task.value is not None:
        parts.append(task.value)
    if task.attempts and not task.stubbed:
        parts.append(duration(task.duration_ms))
    if task.retries:
        parts.append(f"try {task.retries + 1}")
    return " · ".join(parts)


def _badge(x: float, y: float) -> str:
    right = x + BOX_WIDTH
    return (
        f'<rect class="dbl-badge" x="{right - 58:g}" y="{y - 8:.1f}" width="52" height="16" rx="8"/>'
        f'<text class="dbl-badge-text" x="{right - 32:g}" y="{y + 3.5:.1f}" text-anchor="middle">stubbed</text>'
    )


def shorten(text: str, length: int) -> str:
    """`text` in at most `length` characters, the cut shown."""
    return text if len(text) <= length else text[: length - 1] + "…"
