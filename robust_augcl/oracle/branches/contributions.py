"""The least that parts of an edit contribute, whatever other edits do around it (see `costs`).

Letters: N nodes, H width, D degrees, R edits of a set, K directions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robust_augcl.oracle.branches.arrays import Real, State, Whole
from robust_augcl.oracle.branches.compiled import compiled
from robust_augcl.oracle.branches.contexts import Others, net_ends
from robust_augcl.oracle.branches.state import are_joined, set_change
from robust_augcl.oracle.branches.sums import (
    add_contributions,
    add_contributions_or_none,
    least_along,
    least_along_one,
    relu,
)


class Directions(NamedTuple):
    """Directions in the space of summed states.

    Costs are (1,) along the first of them, or (2 J,): along each, then against each.

    Args:
        columns, sizes: the directions and their absolute values (H, J), (H, J).
        first, first_sizes: of the first direction (H,), (H,).
    """

    columns: Real
    sizes: Real
    first: Real
    first_sizes: Real


def directions_of(columns: Real) -> Directions:
    """Directions (H, J) with what is computed of them once."""
    sizes = np.abs(columns)
    return Directions(columns, sizes, columns[:, 0].copy(), sizes[:, 0].copy())


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


class Room(NamedTuple):
    """Arrays that are written over and over: to make new ones takes longer than to fill them.

    Args:
        least, most: what a part contributes (H,), (H,).
        change, far_change: of what the ends of an edit send (H,), (H,).
        products: of what is summed (H,).
        along: what a part contributes in directions (K,).
    """

    least: Real
    most: Real
    change: Real
    far_change: Real
    products: Real
    along: Real


@compiled
def room_for(width: int, kinds: int) -> Room:
    """Room for H numbers, and for K."""
    least, most, change = np.empty(width), np.empty(width), np.empty(width)
    far_change, products = np.empty(width), np.empty(width)
    return Room(least, most, change, far_change, products, np.empty(kinds))


@compiled
def set_along(directions: Directions, least: Real, most: Real, products: Real, out: Real) -> None:
    """What a vector between `least` and `most` (H,) contributes at the least: out (K,)."""
    if out.shape[0] == 1:
        out[0] = least_along_one(least, most, directions.first, directions.first_sizes, products)
    else:
        least_along(least, most, directions.columns, directions.sizes, out)


@compiled
def set_met(place: Place, directions: Directions, wanted: Whole, room: Room, out: Real) -> None:
    """What an end contributes as it hears, or no longer hears, a node that sends by a degree.

    Args:
        place, directions, room: see there.
        wanted: for edges that come, and for those that go: which ends hear which degrees; 0 or 1
            (2, N, D).
        out: written where it is wanted (2, N, D, K).
    """
    low, high, messages = place.low, place.high, place.messages
    least, most, change, products = room.least, room.most, room.change, room.products
    for side in range(2):
        step = 1.0 if side == 0 else -1.0
        for end in range(wanted.shape[1]):
            for degree in range(wanted.shape[2]):
                if wanted[side, end, degree] > 0:
                    sent = messages[degree]
                    for h in range(change.shape[0]):
                        change[h] = step * sent[h]
                        least[h] = most[h] = 0.0
                    add_contributions(low[end], high[end], change, least, most)
                    set_along(directions, least, most, products, out[side, end, degree])


@compiled
def set_around(place: Place, directions: Directions, wanted: Whole, room: Room, out: Real) -> None:
    """What the neighbours of a node contribute as an edge comes to it, by other edits there.

    Of more other edits at the node than were made before, nothing is said.

    Args:
        place, directions, room: see there.
        wanted: of which nodes; 0 or 1 (N,).
        out: written where it is wanted (N, R, K).
    """
    low, high, messages, state = place.low, place.high, place.messages, place.state
    least, most, change, products = room.least, room.most, room.change, room.products
    along, may_be_gone = room.along, _may_be_gone(place)
    for node in range(wanted.shape[0]):
        if wanted[node] == 0:
            continue
        neighbours = state.neighbours[node, : state.degree[node]]
        for count in range(place.earlier + 1):
            _begin(out[node, count], out[node, count - 1], count > 0)
            first, last = net_ends(place.others, count)
            for net in range(first, last + 1, 2):
                degree = state.degree[node] + net
                if degree < 0:
                    continue
                set_change(messages, degree, 1, change)
                least[:] = 0.0
                most[:] = 0.0
                _add_along_edges(low, high, neighbours, change, may_be_gone, least, most)
                set_along(directions, least, most, products, along)
                lower(along, out[node, count])


@compiled
def set_around_both(
    place: Place, directions: Directions, one: int, other: int, step: int, room: Room, out: Real
) -> None:
    """What the neighbours of both ends contribute together: out (R, R, K).

    Row and column are other edits before at the ends. With more of them than given, it is no
    higher.
    """
    low, high, messages, state = place.low, place.high, place.messages, place.state
    least, most, products = room.least, room.most, room.products
    change, far_change = room.change, room.far_change
    along, may_be_gone = room.along, _may_be_gone(place)
    of_one, is_common, of_other = _neighbours(state, one, other)
    degree, far_degree = state.degree[one], state.degree[other]
    for at_one in range(place.earlier + 1):
        for at_other in range(place.earlier + 1):
            _begin(out[at_one, at_other], out[at_one - 1, at_other], at_one > 0)
            if at_other > 0:
                lower(out[at_one, at_other - 1], out[at_one, at_other])
            if at_one + at_other > place.earlier:
                continue
            first, last = net_ends(place.others, at_one)
            far_first, far_last = net_ends(place.others, at_other)
            for net in range(first, last + 1, 2):
                if degree + min(net, net + step) < 0:
                    continue
                set_change(messages, degree + net, step, change)
                for far_net in range(far_first, far_last + 1, 2):
                    if far_degree + min(far_net, far_net + step) < 0:
                        continue
                    set_change(messages, far_degree + far_net, step, far_change)
                    least[:] = 0.0
                    most[:] = 0.0
                    for at in range(of_one.shape[0]):
                        node = of_one[at]
                        if is_common[at] > 0:
                            _add_at_common(
                                low[node], high[node], change, far_change, may_be_gone, least, most
                            )
                        else:
                            _add_along_edge(low[node], high[node], change, may_be_gone, least, most)
                    _add_along_edges(low, high, of_other, far_change, may_be_gone, least, most)
                    set_along(directions, least, most, products, along)
                    lower(along, out[at_one, at_other])


@compiled
def _may_be_gone(place: Place) -> bool:
    """Whether an earlier edit may have removed an edge."""
    return place.others.deletes and place.earlier > 0


@compiled
def _begin(out: Real, fewer: Real, has_fewer: bool) -> None:
    """Begin with what fewer other edits allow, else with nothing: (K,), (K,)."""
    for k in range(out.shape[0]):
        out[k] = fewer[k] if has_fewer else np.inf


@compiled
def lower(values: Real, out: Real) -> None:
    """Let values count where they are lower than what stands there: (K,), (K,)."""
    for k in range(out.shape[0]):
        out[k] = values[k] if values[k] < out[k] else out[k]


@compiled
def _add_along_edge(
    low: Real, high: Real, change: Real, may_be_gone: bool, least: Real, most: Real
) -> None:
    """Add what a change that comes along an old edge contributes at a node: all (H,)."""
    if may_be_gone:
        add_contributions_or_none(low, high, change, least, most)
    else:
        add_contributions(low, high, change, least, most)


@compiled
def _add_along_edges(
    low: Real, high: Real, nodes: Whole, change: Real, may_be_gone: bool, least: Real, most: Real
) -> None:
    """The same at several nodes (L,): low, high (N, H)."""
    for node in nodes:
        _add_along_edge(low[node], high[node], change, may_be_gone, least, most)


@compiled
def _add_at_common(
    low: Real,
    high: Real,
    of_one: Real,
    of_other: Real,
    may_be_gone: bool,
    least: Real,
    most: Real,
) -> None:
    """Add what both ends of an edit contribute at a neighbour of both, as one change: all (H,)."""
    for h in range(low.shape[0]):
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
def _neighbours(state: State, one: int, other: int) -> tuple[Whole, Whole, Whole]:
    """The neighbours of one node, which of them are the other's too, and the other's own.

    Neither node itself is among them.
    """
    degree, far_degree = state.degree[one], state.degree[other]
    of_one, is_common = np.empty(degree, dtype=np.int64), np.zeros(degree, dtype=np.int64)
    of_other = np.empty(far_degree, dtype=np.int64)
    count = others = 0
    for node in state.neighbours[one, :degree]:
        if node != other:
            of_one[count] = node
            is_common[count] = are_joined(state, other, node)
            count += 1
    for node in state.neighbours[other, :far_degree]:
        if node != one and not are_joined(state, one, node):
            of_other[others] = node
            others += 1
    return of_one[:count], is_common[:count], of_other[:others]
