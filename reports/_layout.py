"""Places for the nodes of a small graph, the same numbers on every machine.

It uses nothing but +, -, *, / and square roots of Python's floats, which the standard of floating
point fixes to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]

_ROUNDS = 90


def laid_out(
    nodes: int, edges: Sequence[tuple[int, int]], width: float, height: float
) -> list[Point]:
    """Places inside a rectangle: components side by side, each drawn by forces.

    Args:
        nodes: how many.
        edges: pairs of them.
        width, height: of the rectangle.

    Example:
        >>> places = laid_out(3, [(0, 1), (1, 2)], 100, 50)
        >>> len(places), all(0 <= x <= 100 and 0 <= y <= 50 for x, y in places)
        (3, True)
    """
    parts = _components(nodes, edges)
    weights = [math.sqrt(len(part)) for part in parts]
    places: list[Point] = [(0.0, 0.0)] * nodes
    left = 0.0
    for part, weight in zip(parts, weights, strict=True):
        space = width * weight / sum(weights)
        own = _forces(part, edges)
        for node, (x, y) in _fitted(own, space, height).items():
            places[node] = (left + x, y)
        left += space
    return places


def _components(nodes: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """The nodes of each component in the order of a search in breadth, the largest first."""
    neighbours: list[list[int]] = [[] for _ in range(nodes)]
    for i, j in edges:
        neighbours[i].append(j)
        neighbours[j].append(i)
    found: list[list[int]] = []
    seen: set[int] = set()
    for start in range(nodes):
        if start in seen:
            continue
        part = [start]
        seen.add(start)
        for node in part:
            for other in sorted(neighbours[node]):
                if other not in seen:
                    seen.add(other)
                    part.append(other)
        found.append(part)
    return sorted(found, key=lambda part: (-len(part), part[0]))


def _forces(part: Sequence[int], edges: Sequence[tuple[int, int]]) -> dict[int, Point]:
    """Places by Fruchterman and Reingold (1991): nodes repel each other, edges attract."""
    places = {node: _on_circle(number, len(part)) for number, node in enumerate(part)}
    inside = set(part)
    own = [(i, j) for i, j in edges if i in inside and j in inside]
    ideal = 2.0 / math.sqrt(len(part))
    for turn in range(_ROUNDS):
        moves = {node: [0.0, 0.0] for node in part}
        for place, i in enumerate(part):
            for j in part[place + 1 :]:
                _move(moves, places, i, j, -(ideal * ideal), 2)
        for i, j in own:
            _move(moves, places, i, j, 1.0 / ideal, -1)
        most = 0.25 * (1.0 - turn / _ROUNDS) + 0.005
        for node, (x, y) in moves.items():
            length = math.sqrt(x * x + y * y)
            scale = min(1.0, most / length) if length > 0 else 0.0
            places[node] = (places[node][0] + x * scale, places[node][1] + y * scale)
    return places


def _move(
    moves: dict[int, list[float]],
    places: dict[int, Point],
    i: int,
    j: int,
    strength: float,
    power: int,
) -> None:
    """Pull two nodes together, or push them apart: strength over distance to a power, squared.

    `power` 2 divides by the squared distance, as nodes repel; -1 multiplies by it, as edges pull.
    """
    x, y = places[j][0] - places[i][0], places[j][1] - places[i][1]
    distance = math.sqrt(x * x + y * y) or 1e-6
    force = strength * (distance if power < 0 else 1.0 / (distance * distance))
    moves[i][0] += force * x
    moves[i][1] += force * y
    moves[j][0] -= force * x
    moves[j][1] -= force * y


def _on_circle(number: int, count: int) -> Point:
    """The place of a node on a circle, by fractions alone: sines may differ in their last bit."""
    quarter, along = divmod(4.0 * number / count, 1.0)
    x, y = (1 - along * along) / (1 + along * along), 2 * along / (1 + along * along)
    for _ in range(int(quarter)):
        x, y = -y, x
    return x, y


def _fitted(places: dict[int, Point], width: float, height: float) -> dict[int, Point]:
    """The same places stretched over a rectangle, with a margin."""
    margin = 12.0
    found: list[list[float]] = []
    for axis, size in ((0, width), (1, height)):
        values = [place[axis] for place in places.values()]
        low, reach = min(values), max(values) - min(values)
        space = max(size - 2 * margin, 1.0)
        found.append(
            [margin + space * ((value - low) / reach if reach > 0 else 0.5) for value in values]
        )
    return dict(zip(places, zip(*found, strict=True), strict=True))
