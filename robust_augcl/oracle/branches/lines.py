"""Lines below the classifier's head, and what sets of edits make of its hidden units.

The head is two linear layers with relu between them. The margin against one wrong class is
constant + sum of into_j relu(hidden_j). If hidden_j lies between low_j and high_j, then each term
lies above a line in hidden_j, as in CROWN (Zhang et al. 2018, arXiv 1811.00866, section 3.2). The
sum of the lines is a line in the summed states S: base + D . S.

Letters: H width, J hidden units, M edits, R edits of a set.
"""

from __future__ import annotations

import numpy as np

from robust_augcl.oracle.branches.arrays import Network, Output, Real, Whole
from robust_augcl.oracle.branches.compiled import compiled
from robust_augcl.oracle.branches.sums import product, relu


@compiled
def set_hidden(network: Network, sums: Real, out: Real) -> None:
    """The hidden units before their relu: (H,) -> (J,)."""
    for j in range(out.shape[0]):
        out[j] = product(network.weight[j], sums) + network.bias[j]


@compiled
def margin_of(network: Network, output: Output, sums: Real) -> float:
    """The margin against one wrong class by the summed states (H,)."""
    margin = output.constant
    for j in range(output.into.shape[0]):
        if output.into[j] != 0.0:
            hidden = product(network.weight[j], sums) + network.bias[j]
            margin += output.into[j] * relu(hidden)
    return margin


@compiled
def set_line(network: Network, output: Output, low: Real, high: Real, direction: Real) -> float:
    """The line below the margin where hidden units lie between low and high (J,), (J,).

    Returned is its base; its direction (H,) is written.
    """
    base = output.constant
    direction[:] = 0.0
    for j in range(low.shape[0]):
        into = output.into[j]
        if high[j] <= 0.0:
            continue
        slope, rise = 1.0, 0.0
        if low[j] < 0.0:
            if into < 0.0:  # below -relu lies the chord
                slope = high[j] / (high[j] - low[j])
                rise = -slope * low[j]
            elif high[j] <= -low[j]:  # relu lies above 0, and above its argument
                continue
        base += into * (rise + slope * network.bias[j])
        for h in range(direction.shape[0]):
            direction[h] += into * slope * network.weight[j, h]
    return base


@compiled
def _insert(lowest: Real, value: float) -> None:
    """Let a value count among the lowest, which are sorted (R,)."""
    place = lowest.shape[0] - 1
    if value >= lowest[place]:
        return
    while place > 0 and lowest[place - 1] > value:
        lowest[place] = lowest[place - 1]
        place -= 1
    lowest[place] = value


@compiled
def lowest_sums(costs: Real, most: int) -> Real:
    """Sums of the r lowest costs, none of them above 0, for r = 0, ..., most: (M, K) -> (R + 1, K).

    >>> lowest_sums(np.array([[-1.0], [2.0], [-3.0]]), 2).squeeze(1).tolist()
    [0.0, -3.0, -4.0]
    """
    rows, kinds = costs.shape
    out, lowest = np.zeros((most + 1, kinds)), np.empty(most)
    for k in range(kinds):
        lowest[:] = 0.0
        for row in range(rows):
            _insert(lowest, costs[row, k])
        for count in range(most):
            out[count + 1, k] = out[count, k] + lowest[count]
    return out


@compiled
def set_ranges(hidden: Real, costs: Real, sums: Real, chosen: Whole, low: Real, high: Real) -> None:
    """Between what hidden units lie after sets that hold the chosen edits and others.

    Args:
        hidden: of the clean graph (J,).
        costs: of each edit, along each hidden unit and against it (M, 2 J).
        sums: of the lowest of them (R + 1, 2 J).
        chosen: numbers of edits, R at the most.
        low, high: written (J,), (J,).
    """
    units, more = hidden.shape[0], sums.shape[0] - 1 - chosen.shape[0]
    for k in range(2 * units):
        change = sums[more, k]
        for edit in chosen:
            change += costs[edit, k]
        if k < units:
            low[k] = hidden[k] + change
        else:
            high[k - units] = hidden[k - units] - change
