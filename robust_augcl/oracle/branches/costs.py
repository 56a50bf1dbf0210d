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
from robust_augcl.oracle.branches.contexts import Others, mark_far_degrees, nets, set_moves
from robust_augcl.oracle.branches.state import (
    are_joined,
    have_common_neighbour,
    set_change,
)
from robust_augcl.oracle.branches.sums import (
    add_contributions,
    add_contributions_or_none,
    least_along,
    relu,
)


class Directions(NamedTuple):
    """Directions in the space of summed states, as `sums.least_along` takes them.

    Args:
        columns, sizes: the directions and their absolute values (H, J), (H, J).
    """

    columns: Real
    sizes: Real


class Place(NamedTuple):
    """A graph, and where its pre-activations may be after `earlier` other edits.

    Args:
        messages: by degree (D, H).
        state: of the graph.
        low, high: between which the pre-activations are (N, H), (N, H).
        others: the other edits of a set.
        earlier: how many of them were made before.
    """

    messages: Real
    state: State
    low: Real
    high: Real
    others: Others
    earlier: int


class Tables(NamedTuple):
    """What edits have in common at one place; NaN where nobody has asked.

    Args:
        around: the least that neighbours of a node contribute as its degree grows by 1, by how many
            other edits there may be at the node (N, R, K).
        heard: the least that an end contributes by what it hears, by the degree of the far end, how
            many other edits are there, and whether the edge is added (2, N, D, R, K).
    """

    around: Real
    heard: Real


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
    size, kinds = others.most + 1, out.shape[1]
    far = np.empty((nodes, messages.shape[0]), dtype=np.int64)
    mark_far_degrees(edits, listed, state, far)
    rise, fall = np.zeros((nodes, width)), np.zeros((nodes, width))
    if others.most > 0:
        set_moves(messages, state, others, far, rise, fall)
    low, high = np.empty((nodes, width)), np.empty((nodes, width))
    around = np.empty((nodes, size, kinds))
    heard = np.empty((2, nodes, messages.shape[0], size, kinds))
    own = np.empty(kinds)
    for row in range(listed.shape[0]):
        for k in range(kinds):
            out[row, k] = 0.0
    for earlier in range(size):
        for node in range(nodes):
            for h in range(width):
                low[node, h] = state.before[node, h] + earlier * fall[node, h]
                high[node, h] = state.before[node, h] + earlier * rise[node, h]
        _forget(around, heard)
        place = Place(messages, state, low, high, others, earlier)
        for row in range(listed.shape[0]):
            edit = listed[row]
            one, other, step = edits.one[edit], edits.other[edit], edits.step[edit]
            _set_least(place, Tables(around, heard), directions, one, other, step, own)
            for k in range(kinds):
                out[row, k] += own[k] / size


@compiled
def _forget(around: Real, heard: Real) -> None:
    """Mark all entries as ones that nobody has asked for."""
    for node in range(around.shape[0]):
        around[node, 0, 0] = np.nan
        for degree in range(heard.shape[2]):
            heard[0, node, degree, 0, 0] = np.nan
            heard[1, node, degree, 0, 0] = np.nan


@compiled
def _set_least(
    place: Place,
    tables: Tables,
    directions: Directions,
    one: int,
    other: int,
    step: int,
    out: Real,
) -> None:
    """The least that one edit contributes at a place: out (K,)."""
    apart = step > 0 and not have_common_neighbour(place.state, one, other)
    size, kinds = place.others.most + 1, out.shape[0]
    both = np.empty((0, 0, 0))
    if apart:
        _fill_around(place, tables.around, directions, one)
        _fill_around(place, tables.around, directions, other)
    else:
        both = _around_both(place, directions, one, other, step, kinds)
    side = 0 if step > 0 else 1
    heard = tables.heard[side]
    degree, far_degree = place.state.degree[one], place.state.degree[other]
    _fill_heard(place, heard[one, far_degree], directions, one, far_degree, step)
    _fill_heard(place, heard[other, degree], directions, other, degree, step)
    out[:] = np.inf
    for at_one in range(size):
        for at_other in range(size - at_one):
            before_one, before_other = min(at_one, place.earlier), min(at_other, place.earlier)
            for k in range(kinds):
                value = heard[one, far_degree, at_other, k] + heard[other, degree, at_one, k]
                if apart:
                    value += tables.around[one, before_one, k]
                    value += tables.around[other, before_other, k]
                else:
                    value += both[before_one, before_other, k]
                if value < out[k]:
                    out[k] = value


@compiled
def _fill_heard(
    place: Place, table: Real, directions: Directions, end: int, far_degree: int, step: int
) -> None:
    """Fill in what an end may hear of a far end, by the other edits there: table (R, K).

    An added edge carries what the far end sends at last. A removed one carried what it sent before.
    """
    if not np.isnan(table[0, 0]):
        return
    width, kinds = place.messages.shape[1], table.shape[1]
    least, most, change, row = np.empty(width), np.empty(width), np.empty(width), np.empty(kinds)
    for count in range(table.shape[0]):
        # What was sent before, with more other edits than that, is no other.
        for k in range(kinds):
            table[count, k] = table[count - 1, k] if step < 0 and count > 0 else np.inf
        if step < 0 and count > place.earlier:
            continue
        for net in nets(place.others, count):
            degree = far_degree + net + (1 if step > 0 else 0)
            if degree < 0:
                continue
            for h in range(width):
                change[h] = step * place.messages[degree, h]
                least[h] = most[h] = 0.0
            add_contributions(place.low[end], place.high[end], change, least, most)
            least_along(least, most, directions.columns, directions.sizes, row)
            for k in range(kinds):
                table[count, k] = min(table[count, k], row[k])
        # Where so many edits there cannot be, what fewer allow is low enough.
        if count > 0 and np.isinf(table[count, 0]):
            for k in range(kinds):
                table[count, k] = table[count - 1, k]


@compiled
def _fill_around(place: Place, tables: Real, directions: Directions, node: int) -> None:
    """Fill in what the neighbours of a node contribute as an edge comes to it: row (R, K)."""
    table = tables[node]
    if not np.isnan(table[0, 0]):
        return
    state, width, kinds = place.state, place.messages.shape[1], table.shape[1]
    least, most, change, row = np.empty(width), np.empty(width), np.empty(width), np.empty(kinds)
    for count in range(place.earlier + 1):
        for k in range(kinds):
            table[count, k] = table[count - 1, k] if count > 0 else np.inf
        for net in nets(place.others, count):
            degree = state.degree[node] + net
            if degree < 0:
                continue
            set_change(place.messages, degree, 1, change)
            for h in range(width):
                least[h] = most[h] = 0.0
            for at in range(state.degree[node]):
                _add_at(place, state.neighbours[node, at], change, least, most)
            least_along(least, most, directions.columns, directions.sizes, row)
            for k in range(kinds):
                table[count, k] = min(table[count, k], row[k])


@compiled
def _add_at(place: Place, node: int, change: Real, least: Real, most: Real) -> None:
    """Add what a change that comes along an old edge contributes at a node."""
    if place.others.deletes and place.earlier > 0:
        add_contributions_or_none(place.low[node], place.high[node], change, least, most)
    else:
        add_contributions(place.low[node], place.high[node], change, least, most)


@compiled
def _add_at_common(
    place: Place, node: int, of_one: Real, of_other: Real, least: Real, most: Real
) -> None:
    """Add what both ends of an edit contribute at a neighbour of both, as one change."""
    low, high = place.low[node], place.high[node]
    may_be_gone = place.others.deletes and place.earlier > 0
    for h in range(least.shape[0]):
        smallest, largest = np.inf, -np.inf
        if may_be_gone:
            smallest = largest = 0.0
        for which in range(3 if may_be_gone else 1):
            change = of_one[h] + of_other[h]
            if which > 0:
                change = of_one[h] if which == 1 else of_other[h]
            at_low = relu(low[h] + change) - relu(low[h])
            at_high = relu(high[h] + change) - relu(high[h])
            smallest = min(smallest, at_low, at_high)
            largest = max(largest, at_low, at_high)
        least[h] += smallest
        most[h] += largest


@compiled
def _around_both(
    place: Place, directions: Directions, one: int, other: int, step: int, kinds: int
) -> Real:
    """What the neighbours of both ends contribute together, by other edits before at the ends.

    Shape: (R, R, K). With more of them than given by the row and column, it is no higher.
    """
    earlier, size = place.earlier, place.others.most + 1
    row, out = np.empty(kinds), np.full((size, size, kinds), np.inf)
    for at_one in range(earlier + 1):
        for at_other in range(earlier + 1):
            for k in range(kinds):
                if at_one > 0:
                    out[at_one, at_other, k] = out[at_one - 1, at_other, k]
                if at_other > 0:
                    fewer = out[at_one, at_other - 1, k]
                    out[at_one, at_other, k] = min(out[at_one, at_other, k], fewer)
            if at_one + at_other > earlier:
                continue
            for net in nets(place.others, at_one):
                for far_net in nets(place.others, at_other):
                    if _can_step(place, one, net, step) and _can_step(place, other, far_net, step):
                        _set_around_both(place, directions, one, other, step, net, far_net, row)
                        for k in range(kinds):
                            out[at_one, at_other, k] = min(out[at_one, at_other, k], row[k])
    return out


@compiled
def _can_step(place: Place, node: int, net: int, step: int) -> bool:
    """Whether a node can have so many more edges, and then one more or less."""
    return place.state.degree[node] + min(net, net + step) >= 0


@compiled
def _set_around_both(
    place: Place,
    directions: Directions,
    one: int,
    other: int,
    step: int,
    net: int,
    far_net: int,
    out: Real,
) -> None:
    """The same for ends whose degrees differ by given nets: out (K,)."""
    state, width = place.state, place.messages.shape[1]
    of_one, of_other = np.empty(width), np.empty(width)
    least, most = np.zeros(width), np.zeros(width)
    set_change(place.messages, state.degree[one] + net, step, of_one)
    set_change(place.messages, state.degree[other] + far_net, step, of_other)
    for at in range(state.degree[one]):
        node = state.neighbours[one, at]
        if node == other:
            continue
        if are_joined(state, other, node):
            _add_at_common(place, node, of_one, of_other, least, most)
        else:
            _add_at(place, node, of_one, least, most)
    for at in range(state.degree[other]):
        node = state.neighbours[other, at]
        if node != one and not are_joined(state, one, node):
            _add_at(place, node, of_other, least, most)
    least_along(least, most, directions.columns, directions.sizes, out)
