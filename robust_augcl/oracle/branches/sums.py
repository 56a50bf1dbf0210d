"""Sums in a fixed order, and what changes of pre-activations contribute to sums of states.

Letters: H width, a multiple of 4; J directions.
"""

from __future__ import annotations

import numpy as np

from robust_augcl.oracle.branches.arrays import LANES, Real
from robust_augcl.oracle.branches.compiled import compiled


@compiled
def relu(value: float) -> float:
    """The value where it is positive, else 0."""
    return value if value > 0.0 else 0.0


_ONE, _TWO, _THREE = np.uint64(1), np.uint64(2), np.uint64(3)
"""Places that are not signed need no test for those that count from the end, so that what is done
in each lane can be done in all of them at once.
"""


@compiled
def summed(values: Real) -> float:
    """The sum of (H,) values: every fourth one by itself, then these four.

    >>> summed(np.arange(16.0))
    120.0
    """
    one = other = third = fourth = 0.0
    for group in range(values.shape[0] // LANES):
        h = np.uint64(LANES * group)
        one += values[h]
        other += values[h + _ONE]
        third += values[h + _TWO]
        fourth += values[h + _THREE]
    return (one + other) + (third + fourth)


@compiled
def product(left: Real, right: Real) -> float:
    """The product of two vectors (H,), (H,), summed as `summed` does.

    >>> product(np.arange(8.0), np.ones(8))
    28.0
    """
    one = other = third = fourth = 0.0
    for group in range(left.shape[0] // LANES):
        h = np.uint64(LANES * group)
        one += left[h] * right[h]
        other += left[h + _ONE] * right[h + _ONE]
        third += left[h + _TWO] * right[h + _TWO]
        fourth += left[h + _THREE] * right[h + _THREE]
    return (one + other) + (third + fourth)


@compiled
def add_contributions(low: Real, high: Real, change: Real, least: Real, most: Real) -> None:
    """Add to `least` and `most` what a change of a pre-activation between two ends contributes.

    relu(p + d) - relu(p) is monotone in p: it rises where d is positive, and falls where d is
    negative. So over low <= p <= high it lies between its values at the two ends.

    Shapes: all (H,). `least` and `most` are changed.

    >>> least, most = np.zeros(1), np.zeros(1)
    >>> add_contributions(np.array([-3.0]), np.array([1.0]), np.array([2.0]), least, most)
    >>> least.tolist(), most.tolist()
    ([0.0], [2.0])
    """
    for h in range(change.shape[0]):
        at_low = relu(low[h] + change[h]) - relu(low[h])
        at_high = relu(high[h] + change[h]) - relu(high[h])
        least[h] += at_low if at_low < at_high else at_high
        most[h] += at_high if at_low < at_high else at_low


@compiled
def add_contributions_or_none(low: Real, high: Real, change: Real, least: Real, most: Real) -> None:
    """The same where the change may also not happen at all.

    >>> least, most = np.zeros(1), np.zeros(1)
    >>> add_contributions_or_none(np.ones(1), np.ones(1), np.array([2.0]), least, most)
    >>> least.tolist(), most.tolist()
    ([0.0], [2.0])
    """
    for h in range(change.shape[0]):
        at_low = relu(low[h] + change[h]) - relu(low[h])
        at_high = relu(high[h] + change[h]) - relu(high[h])
        smaller = at_low if at_low < at_high else at_high
        larger = at_high if at_low < at_high else at_low
        least[h] += smaller if smaller < 0.0 else 0.0
        most[h] += larger if larger > 0.0 else 0.0


@compiled
def least_along_one(least: Real, most: Real, column: Real, size: Real, room: Real) -> float:
    """The least that a vector between `least` and `most` contributes along one direction.

    It is summed as `summed` does. Shapes: all (H,); `size` is the absolute value of `column`, and
    `room` is written.

    >>> one = np.ones(8)
    >>> least_along_one(-one, one, one, one, np.empty(8))
    -8.0
    """
    for h in range(room.shape[0]):
        room[h] = column[h] * (0.5 * (least[h] + most[h])) - size[h] * (0.5 * (most[h] - least[h]))
    return summed(room)


@compiled
def least_along(least: Real, most: Real, columns: Real, sizes: Real, out: Real) -> None:
    """The least that a vector between `least` and `most` (H,) contributes in directions.

    With J of them it is (2 J,): along each, then against each. That is W m - |W| r and
    -(W m + |W| r), by the middle m and the radius r.

    Shapes: columns (H, J) the directions, sizes (H, J) their absolute values.

    >>> out, one = np.zeros(2), np.ones((8, 1))
    >>> least_along(-np.ones(8), np.ones(8), one, one, out)
    >>> out.tolist()
    [-8.0, -8.0]
    """
    directions = columns.shape[1]
    out[:] = 0.0
    for h in range(least.shape[0]):
        middle, radius = 0.5 * (least[h] + most[h]), 0.5 * (most[h] - least[h])
        for j in range(directions):
            along, around = columns[h, j] * middle, sizes[h, j] * radius
            out[j] += along - around
            out[directions + j] -= along + around
