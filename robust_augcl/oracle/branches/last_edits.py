"""What the last edit of a set adds along a line, from tables that last edits share.

An edge {u, w} that is added changes the sum of states along a direction D by

    around(u) + around(w) + heard(u, degree of w) + heard(w, degree of u) + together(u, w),

where around(u) is what the neighbours of u add, as u sends something else, and heard(u, d) what u
adds, as it hears a node that had the degree d. At a common neighbour of u and w both changes come
at once: together(u, w) is what they add there, less what each adds by itself. A node of the tree
has hundreds of last edits, but few nodes and degrees. So most last edits take four numbers of the
tables.

Letters: N nodes, H width, D degrees, M edits, L listed edits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robust_augcl.oracle.branches.arrays import EditList, Real, State, Whole
from robust_augcl.oracle.branches.compiled import compiled
from robust_augcl.oracle.branches.sums import product, relu, summed


class Shared(NamedTuple):
    """What last edits have in common along one direction; NaN where nobody has asked.

    Args:
        around: what the neighbours of a node add as its degree grows by 1 (N,).
        heard: what a node adds as it hears a new neighbour, by the degree that this had (N, D).
    """

    around: Real
    heard: Real


@compiled
def forget(shared: Shared) -> None:
    """Mark all entries as ones that nobody has asked for."""
    for node in range(shared.around.shape[0]):
        shared.around[node] = np.nan
        for degree in range(shared.heard.shape[1]):
            shared.heard[node, degree] = np.nan


@compiled
def set_added_along(
    shared: Shared,
    messages: Real,
    state: State,
    direction: Real,
    edits: EditList,
    listed: Whole,
    out: Real,
) -> None:
    """What each listed edge that is added changes the sums by, along a direction (H,): out (L,).

    Of those that are removed nothing is known: minus infinity. The tables are of this state and
    this direction.
    """
    # One function of plain arrays: to call one for each edit takes longer than what it would do.
    degrees, neighbours, before = state.degree, state.neighbours, state.before
    around, heard, room = shared.around, shared.heard, np.empty(direction.shape[0])
    for row in range(listed.shape[0]):
        edit = listed[row]
        one, other = edits.one[edit], edits.other[edit]
        degree, far_degree = degrees[one], degrees[other]
        if edits.step[edit] < 0:
            out[row] = -np.inf
            continue
        if np.isnan(around[one]):
            around[one] = _around(messages, state, direction, one, room)
        if np.isnan(around[other]):
            around[other] = _around(messages, state, direction, other, room)
        if np.isnan(heard[one, far_degree]):
            sent = messages[far_degree + 1]
            heard[one, far_degree] = _met_along(direction, before[one], sent, room)
        if np.isnan(heard[other, degree]):
            sent = messages[degree + 1]
            heard[other, degree] = _met_along(direction, before[other], sent, room)
        added = (around[one] + heard[one, far_degree]) + (around[other] + heard[other, degree])
        for place in range(degree):
            node = neighbours[one, place]
            for far_place in range(far_degree):
                if neighbours[other, far_place] == node:
                    added += _together(messages, before[node], direction, degree, far_degree)
        out[row] = added


@compiled
def _around(messages: Real, state: State, direction: Real, node: int, room: Real) -> float:
    """What the neighbours of a node add as an edge comes to it. `room` (H,) is written."""
    degree = state.degree[node]
    was, now = messages[degree], messages[degree + 1]
    room[:] = 0.0
    for place in range(degree):
        before = state.before[state.neighbours[node, place]]
        for h in range(room.shape[0]):
            room[h] += _moved(before[h], now[h] - was[h])
    return product(direction, room)


@compiled
def _met_along(direction: Real, before: Real, sent: Real, room: Real) -> float:
    """What a state adds as a neighbour comes that sends this. `room` (H,) is written."""
    for h in range(room.shape[0]):
        room[h] = direction[h] * _moved(before[h], sent[h])
    return summed(room)


@compiled
def _together(messages: Real, before: Real, direction: Real, degree: int, far_degree: int) -> float:
    """What a common neighbour adds by both changes at once, less what it adds by each alone."""
    added = 0.0
    for h in range(direction.shape[0]):
        of_one = messages[degree + 1, h] - messages[degree, h]
        of_other = messages[far_degree + 1, h] - messages[far_degree, h]
        both = _moved(before[h], of_one + of_other)
        added += direction[h] * (both - _moved(before[h], of_one) - _moved(before[h], of_other))
    return added


@compiled
def _moved(before: float, change: float) -> float:
    """What a change of a pre-activation adds to the state."""
    return relu(before + change) - relu(before)
