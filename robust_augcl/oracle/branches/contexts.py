"""What other edits may do around an edit: degrees that may differ, pre-activations that may move.

An edit of a set is made after some of the others, and its ends may have other edits. With so many
other edits at a node, its degree differs by their *net*: those that add less those that remove.

Letters: N nodes, H width, D degrees, M edits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robust_augcl.oracle.branches.arrays import EditList, Real, State, Whole
from robust_augcl.oracle.branches.compiled import compiled


class Others(NamedTuple):
    """The other edits of a set.

    Args:
        most: how many there are at the most.
        adds, deletes: whether they may add, or remove, edges.
    """

    most: int
    adds: bool
    deletes: bool


@compiled
def net_ends(others: Others, count: int) -> tuple[int, int]:
    """By how much `count` other edits at a node may change its degree: from, to, in steps of 2.

    >>> net_ends(Others(3, True, True), 2), net_ends(Others(3, True, False), 2)
    ((-2, 2), (2, 2))
    """
    return -count if others.deletes else count, count if others.adds else -count


@compiled
def mark_far_degrees(edits: EditList, listed: Whole, state: State, out: Whole) -> None:
    """Mark of which degrees the nodes are that each node may be joined to: out (N, D), 0 or 1."""
    for node in range(out.shape[0]):
        for degree in range(out.shape[1]):
            out[node, degree] = 0
    for edit in listed:
        if edits.step[edit] > 0:
            one, other = edits.one[edit], edits.other[edit]
            out[one, state.degree[other]] = 1
            out[other, state.degree[one]] = 1


@compiled
def _take_in(values: Real, sign: int, rise: Real, fall: Real) -> None:
    """Let changes count that one other edit may make, with this sign: all (H,)."""
    for h in range(rise.shape[0]):
        value = sign * values[h]
        rise[h] = value if value > rise[h] else rise[h]
        fall[h] = value if value < fall[h] else fall[h]


@compiled
def _steps_by_degree(messages: Real, others: Others, wanted: Whole) -> tuple[Real, Real]:
    """The most and the least by which a node's message changes with one step: (D, H), (D, H).

    Up to all but one of the other edits were made at the node before.

    Args:
        messages, others: see `set_moves`.
        wanted: the degrees of nodes, others are left out (N,).
    """
    highest, lowest = np.zeros(messages.shape), np.zeros(messages.shape)
    is_done = np.zeros(messages.shape[0], dtype=np.int64)
    change = np.empty(messages.shape[1])
    for degree in wanted:
        if is_done[degree] > 0:
            continue
        is_done[degree] = 1
        for count in range(max(others.most, 1)):
            first, last = net_ends(others, count)
            for net in range(first, last + 1, 2):
                for step in (1, -1):
                    allowed = others.adds if step > 0 else others.deletes
                    if not allowed or degree + net < 0 or degree + net + step < 0:
                        continue
                    was, now = messages[degree + net], messages[degree + net + step]
                    for h in range(change.shape[0]):
                        change[h] = now[h] - was[h]
                    _take_in(change, 1, highest[degree], lowest[degree])
    return highest, lowest


@compiled
def _add_steps_of_two_neighbours(
    state: State, node: int, steps: tuple[Real, Real], rise: Real, fall: Real
) -> None:
    """The most by which an edit between two neighbours of a node moves it: rise, fall (H,)."""
    width = rise.shape[0]
    second_rise, second_fall = np.zeros(width), np.zeros(width)
    for place in range(state.degree[node]):
        degree = state.degree[state.neighbours[node, place]]
        highest, lowest = steps[0][degree], steps[1][degree]
        for h in range(width):
            up, down = highest[h], lowest[h]
            second_rise[h] = max(second_rise[h], min(up, rise[h]))
            rise[h] = max(rise[h], up)
            second_fall[h] = min(second_fall[h], max(down, fall[h]))
            fall[h] = min(fall[h], down)
    for h in range(width):
        rise[h] += second_rise[h]
        fall[h] += second_fall[h]


@compiled
def _add_new_edges(
    messages: Real, others: Others, far: Whole, node: int, rise: Real, fall: Real
) -> None:
    """The most by which an edge that a node gains moves it: rise, fall (H,).

    What comes is what the far end sends at last. So all edits of a set but this one may have
    changed its degree: the other edits but this one, and the edit whose others these are.
    """
    for count in range(others.most + 1):
        first, last = net_ends(others, count)
        for net in range(first, last + 1, 2):
            for degree in range(far.shape[1]):
                if far[node, degree] > 0 and degree + 1 + net >= 0:
                    _take_in(messages[degree + 1 + net], 1, rise, fall)


@compiled
def _add_lost_edges(
    messages: Real, state: State, node: int, others: Others, rise: Real, fall: Real
) -> None:
    """The most by which an edge that a node loses moves it: rise, fall (H,).

    What goes is what the far end sent before.
    """
    for count in range(others.most):
        first, last = net_ends(others, count)
        for net in range(first, last + 1, 2):
            for place in range(state.degree[node]):
                degree = state.degree[state.neighbours[node, place]] + net
                if degree >= 0:
                    _take_in(messages[degree], -1, rise, fall)


@compiled
def _same_before(far: Whole, node: int) -> int:
    """The first node that may be joined to nodes of the same degrees as this one."""
    for earlier in range(node):
        is_same = True
        for degree in range(far.shape[1]):
            is_same &= far[earlier, degree] == far[node, degree]
        if is_same:
            return earlier
    return node


@compiled
def set_moves(
    messages: Real, state: State, others: Others, far: Whole, rise: Real, fall: Real
) -> None:
    """The most by which one other edit raises and lowers each pre-activation: (N, H), (N, H).

    What is written to must be 0 before.

    An edit reaches a node through both its ends, as neighbours of the node, or as an edge of it.
    """
    steps = _steps_by_degree(messages, others, state.degree)
    came, went = np.zeros(rise.shape), np.zeros(rise.shape)  # by new edges, of the first such nodes
    for node in range(state.degree.shape[0]):
        _add_steps_of_two_neighbours(state, node, steps, rise[node], fall[node])
        if others.deletes:
            _add_lost_edges(messages, state, node, others, rise[node], fall[node])
        if others.adds:
            first = _same_before(far, node)
            if first == node:
                _add_new_edges(messages, others, far, node, came[node], went[node])
            _take_in(came[first], 1, rise[node], fall[node])
            _take_in(went[first], 1, rise[node], fall[node])
