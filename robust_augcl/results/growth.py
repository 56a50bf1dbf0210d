"""How time and memory grow with size: measured points, and the exponent that fits them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Point:
    """One measurement.

    Args:
        what: was measured, for example "partition".
        over: what the size counts: "graphs", "graphs in a batch" or "nodes a graph".
        size: that number.
        seconds: of one processor.
        mebibytes: of memory beyond what was held before; 0 where it is below what can be measured.
    """

    what: str
    over: str
    size: float
    seconds: float
    mebibytes: float


class Growth(NamedTuple):
    """A fitted power law: value = factor * size ** exponent.

    Args:
        exponent: of the fit.
        error: the standard error of the exponent; None for fewer than three points.
        points: how many were fitted.
    """

    exponent: float
    error: float | None
    points: int


def fitted(sizes: Sequence[float], values: Sequence[float]) -> Growth | None:
    """The power law through points, by least squares of the logarithms; None for fewer than two.

    Points of no value, or none above 0, do not count.

    >>> growth = fitted([1, 2, 4, 8], [3.0, 12.0, 48.0, 192.0])
    >>> round(growth.exponent, 6), round(growth.error, 6), growth.points
    (2.0, 0.0, 4)
    """
    points = [
        (math.log(size), math.log(value))
        for size, value in zip(sizes, values, strict=True)
        if size > 0 and value > 0
    ]
    count = len(points)
    if count < 2:
        return None
    middle = [sum(axis) / count for axis in zip(*points, strict=True)]
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    if spread == 0:
        return None
    exponent = sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread
    if count < 3:
        return Growth(exponent, None, count)
    rest = sum((y - middle[1] - exponent * (x - middle[0])) ** 2 for x, y in points)
    return Growth(exponent, math.sqrt(rest / (count - 2) / spread), count)


class Clusters(NamedTuple):
    """How stable the two clusters of an anchor's negatives are, means over anchors.

    Args:
        data: what they are of.
        graphs: how many anchors.
        silhouette: of each anchor's similarities in their two clusters, from -1 to 1.
        with_labels: adjusted Rand index of the clusters with "same class or not"; 0 is chance.
        between_views: of the clusters by two independent views; 1 is the same clusters.
    """

    data: str
    graphs: int
    silhouette: float
    with_labels: float
    between_views: float
