"""What the compiled search is given, as tuples of NumPy arrays in double precision.

Letters: N nodes of one graph, H width (a multiple of 4, padded by zeros), M edits, J hidden units
of the head, D degrees that a table covers, W most neighbours that a node may come to have.
"""

from __future__ import annotations

from typing import NamedTuple

from numpy import float64, int64
from numpy.typing import NDArray

Whole = NDArray[int64]
Real = NDArray[float64]

LANES = 4
"""Sums run in so many lanes, whatever a processor could do at once. Widths are multiples of it."""


class Network(NamedTuple):
    """An encoder of two rounds with a constant feature, and the first layer of its head.

    Args:
        messages: what a node sends in the second round, by its degree (D, H).
        weight: of the hidden units (J, H).
        columns: the same, transposed (H, J).
        sizes: absolute values of `columns` (H, J).
        bias: of the hidden units (J,).
    """

    messages: Real
    weight: Real
    columns: Real
    sizes: Real
    bias: Real


class Output(NamedTuple):
    """The true logit less that of one wrong class: constant + sum of into * relu(hidden unit).

    Args:
        into: (J,).
        constant: the difference of the two biases.
    """

    into: Real
    constant: float


class EditList(NamedTuple):
    """The edits that a set may hold.

    Args:
        one, other: the ends of each (M,), (M,).
        step: 1 where the edge is added, -1 where it is removed (M,).
    """

    one: Whole
    other: Whole
    step: Whole


class State(NamedTuple):
    """One graph and what the encoder makes of it.

    Args:
        degree: (N,).
        neighbours: of each node, the first `degree` entries of its row (N, W).
        before: the pre-activations of the last states (N, H).
        sums: the last states, summed over the nodes (H,).
    """

    degree: Whole
    neighbours: Whole
    before: Real
    sums: Real
