"""The least that each edit of a set contributes to the summed states, whatever the others are.

Let S be the summed states of a graph and D a direction. A set of R edits is made one after the
other, and each of them *owns* a part of what changes. An edit that adds {u, w} owns

- at u, which hears w: what w sends at last, after all edits of the set; and the same at w;
- at the old neighbours of u, but not at new ones: what u sends after this edit, less what it sent
  before it, by the degree that u had then; and the same of w.

(One that removes {u, w} owns at u that it no longer hears what w sent before. A neighbour that an
earlier edit has cut off hears no changes any more.) These parts add up to the whole change of each
pre-activation. So the change of a state, relu(p + all parts) - relu(p), is the sum of what the
parts contribute one after the other. Each contributes between the ends that `sums` tells, as p has
moved by no more than the earlier edits can move it (`contexts.set_moves`).

Let c_i(e) be the least that e contributes along D with i other edits before it, over all that the
other R - 1 edits may do. Whatever the order of a set T,

    D . (S(T) - S)  >=  sum over e in T of c_i(e),   i being the place of e in the order.

In the mean over all orders each edit stands equally often in each place. So

    D . (S(T) - S)  >=  sum over e in T of c(e),     c(e) = mean of c_0(e), ..., c_(R-1)(e),

also for fewer edits, since c_i falls with i. That is the cost of an edit. With R = 1 it is exact.

Letters: N nodes, H width, D degrees, R edits of a set, K directions, L listed edits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robust_augcl.oracle.branches.arrays import EditList, Real, State, Whole
from robust_augcl.oracle.branches.compiled import compiled
from robust_augcl.oracle.branches.contexts import Others, mark_far_degrees, net_ends, set_moves
from robust_augcl.oracle.branches.contributions import (
    Directions,
    Place,
    lower,
    room_for,
    set_around,
    set_around_both,
    set_met,
)
from robust_augcl.oracle.branches.state import have_common_neighbour


class Tables(NamedTuple):
    """What edits have in common at one place, as far as some edit asks for it.

    Args:
        around: what `set_around` tells of each node (N, R, K).
        met: what `set_met` tells (2, N, D, K).
        heard: the least of it that an end may hear, by whether the edge is added, the end, the
            degree of the far end, and how many other edits are there (2, N, D, R, K).
    """

    around: Real
    met: Real
    heard: Real


class Asked(NamedTuple):
    """For which of `Tables` some listed edit asks; 0 or 1.

    Args:
        is_alone: which edits are added between nodes without a common neighbour (L,): what their
            ends change lies apart.
        around: of which nodes (N,).
        heard: of which ends, by the degree of the far end (2, N, D).
    """

    is_alone: Whole
    around: Whole
    heard: Whole


@compiled
def set_costs(
    messages: Real,
    edits: EditList,
    listed: Whole,
    state: State,
    others: Others,
    directions: Directions,
    out: Real,
) -> None:
    """The costs of listed edits (L,) in directions: out (L, K)."""
    nodes, width = state.before.shape
    size, degrees, kinds = others.most + 1, messages.shape[0], out.shape[1]
    far = np.empty((nodes, degrees), dtype=np.int64)
    mark_far_degrees(edits, listed, state, far)
    rise, fall = np.zeros((nodes, width)), np.zeros((nodes, width))
    if others.most > 0:
        set_moves(messages, state, others, far, rise, fall)
    low, high = np.empty((nodes, width)), np.empty((nodes, width))
    tables = Tables(
        np.empty((nodes, size, kinds)),
        np.empty((2, nodes, degrees, kinds)),
        np.empty((2, nodes, degrees, size, kinds)),
    )
    room, asked = room_for(width, kinds), _asked_of(edits, listed, state, degrees)
    sent, both = np.empty(asked.heard.shape, dtype=np.int64), np.empty((size, size, kinds))
    out[:] = 0.0
    for earlier in range(size):
        for node in range(nodes):
            for h in range(width):
                low[node, h] = state.before[node, h] + earlier * fall[node, h]
                high[node, h] = state.before[node, h] + earlier * rise[node, h]
        place = Place(messages, state, low, high, others, earlier)
        set_around(place, directions, asked.around, room, tables.around)
        _mark_sent(place, asked.heard, size, sent)
        set_met(place, directions, sent, room, tables.met)
        _set_heard(place, asked.heard, tables.met, tables.heard)
        _add_alone(tables, edits, listed, asked.is_alone, state.degree, earlier, out)
        for row in range(listed.shape[0]):
            if asked.is_alone[row] == 0:
                edit = listed[row]
                one, other, step = edits.one[edit], edits.other[edit], edits.step[edit]
                set_around_both(place, directions, one, other, step, room, both)
                _add_together(both, tables.heard, state.degree, one, other, step, earlier, out[row])


@compiled
def _asked_of(edits: EditList, listed: Whole, state: State, degrees: int) -> Asked:
    """For what the listed edits ask, where tables cover so many degrees."""
    is_alone = np.zeros(listed.shape[0], dtype=np.int64)
    around = np.zeros(state.degree.shape[0], dtype=np.int64)
    heard = np.zeros((2, state.degree.shape[0], degrees), dtype=np.int64)
    for row in range(listed.shape[0]):
        edit = listed[row]
        one, other, side = edits.one[edit], edits.other[edit], 0 if edits.step[edit] > 0 else 1
        if side == 0 and not have_common_neighbour(state, one, other):
            is_alone[row] = 1
            around[one] = 1
            around[other] = 1
        heard[side, one, state.degree[other]] = 1
        heard[side, other, state.degree[one]] = 1
    return Asked(is_alone, around, heard)


@compiled
def _most_others(place: Place, side: int, size: int) -> int:
    """At how many other edits at the far end it may be heard.

    An added edge carries what the far end sends at last. A removed one carried what it sent before.
    """
    return size - 1 if side == 0 else min(size - 1, place.earlier)


@compiled
def _mark_sent(place: Place, asked: Whole, size: int, out: Whole) -> None:
    """Mark with which degrees the far ends may send that ends may hear: out (2, N, D), 0 or 1."""
    out[:] = 0
    for side in range(2):
        more = 1 if side == 0 else 0
        for end in range(asked.shape[1]):
            for far_degree in range(asked.shape[2]):
                if asked[side, end, far_degree] == 0:
                    continue
                for count in range(_most_others(place, side, size) + 1):
                    first, last = net_ends(place.others, count)
                    for net in range(first, last + 1, 2):
                        if far_degree + net + more >= 0:
                            out[side, end, far_degree + net + more] = 1


@compiled
def _set_heard(place: Place, asked: Whole, met: Real, out: Real) -> None:
    """The least that ends may hear of far ends: out (2, N, D, R, K)."""
    size, kinds = out.shape[3], out.shape[4]
    for side in range(2):
        more, most = 1 if side == 0 else 0, _most_others(place, side, size)
        for end in range(asked.shape[1]):
            sent, mine = met[side, end], out[side, end]
            for far_degree in range(asked.shape[2]):
                if asked[side, end, far_degree] == 0:
                    continue
                for count in range(size):
                    own, fewer = mine[far_degree, count], mine[far_degree, max(count - 1, 0)]
                    # What was sent before, with more other edits than that, is no other.
                    for k in range(kinds):
                        own[k] = fewer[k] if side == 1 and count > 0 else np.inf
                    if count > most:
                        continue
                    first, last = net_ends(place.others, count)
                    for net in range(first, last + 1, 2):
                        if far_degree + net + more >= 0:
                            lower(sent[far_degree + net + more], own)
                    # Where so many edits there cannot be, what fewer allow is low enough.
                    if count > 0 and np.isinf(own[0]):
                        for k in range(kinds):
                            own[k] = fewer[k]


@compiled
def _add_alone(
    tables: Tables,
    edits: EditList,
    listed: Whole,
    is_alone: Whole,
    degrees: Whole,
    earlier: int,
    out: Real,
) -> None:
    """Add the least that edits whose ends lie apart contribute at one place: out (L, K)."""
    # One function of plain arrays: to call one for each edit takes longer than what it would do.
    around, heard = tables.around, tables.heard
    size, kinds = around.shape[1], out.shape[1]
    for row in range(listed.shape[0]):
        if is_alone[row] == 0:
            continue
        one, other = edits.one[listed[row]], edits.other[listed[row]]
        degree, far_degree = degrees[one], degrees[other]
        for k in range(kinds):
            least = np.inf
            for at_one in range(size):
                for at_other in range(size - at_one):
                    value = heard[0, one, far_degree, at_other, k]
                    value += heard[0, other, degree, at_one, k]
                    value += around[one, min(at_one, earlier), k]
                    value += around[other, min(at_other, earlier), k]
                    least = value if value < least else least
            out[row, k] += least / size


@compiled
def _add_together(
    both: Real,
    heard: Real,
    degrees: Whole,
    one: int,
    other: int,
    step: int,
    earlier: int,
    out: Real,
) -> None:
    """Add the least that one edit contributes whose ends have neighbours in common: out (K,)."""
    size, side = both.shape[0], 0 if step > 0 else 1
    degree, far_degree = degrees[one], degrees[other]
    for k in range(out.shape[0]):
        least = np.inf
        for at_one in range(size):
            for at_other in range(size - at_one):
                value = heard[side, one, far_degree, at_other, k]
                value += heard[side, other, degree, at_one, k]
                value += both[min(at_one, earlier), min(at_other, earlier), k]
                least = value if value < least else least
        out[k] += least / size
