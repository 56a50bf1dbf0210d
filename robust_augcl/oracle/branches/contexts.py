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
def nets(others: Others, count: int) -> Whole:
    """By how much `count` other edits at a node may change its degree.

    >>> nets(Others(3, True, True), 2).tolist(), nets(Others(3, True, False), 2).tolist()
    ([-2, 0, 2], [2])
    """
    first = 0 if others.deletes else count
    last = count if others.adds else 0
    out = np.empty(max(last - first + 1, 0), dtype=np.int64)
    for adding in range(first, last + 1):
        out[adding - first] = 2 * adding - count
    return out


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
def _take_in(value: float, place: int, rise: Real, fall: Real) -> None:
    """Let a change count that one other edit may make at one entry."""
    if value > rise[place]:
        rise[place] = value
    if value < fall[place]:
        fall[place] = value


@compiled
def _extremes_of_step(
    messages: Real, degree: int, others: Others, highest: Real, lowest: Real
) -> None:
    """The most and the least by which a node's message changes with one step (H,), (H,).

    Up to all but one of the other edits were made at the node before.
    """
    highest[:] = 0.0
    lowest[:] = 0.0
    for count in range(max(others.most, 1)):
        for net in nets(others, count):
            for step in (1, -1):
                allowed = others.adds if step > 0 else others.deletes
                if not allowed or degree + net < 0 or degree + net + step < 0:
                    continue
                for h in range(highest.shape[0]):
                    value = messages[degree + net + step, h] - messages[degree + net, h]
                    _take_in(value, h, highest, lowest)


@compiled
def _add_steps_of_two_neighbours(
    messages: Real, state: State, node: int, others: Others, rise: Real, fall: Real
) -> None:
    """The most by which an edit between two neighbours of a node moves it: rise, fall (H,)."""
    width = rise.shape[0]
    highest, lowest = np.empty(width), np.empty(width)
    second_rise, second_fall = np.zeros(width), np.zeros(width)
    for place in range(state.degree[node]):
        degree = state.degree[state.neighbours[node, place]]
        _extremes_of_step(messages, degree, others, highest, lowest)
        for h in range(width):
            if highest[h] > rise[h]:
                second_rise[h], rise[h] = rise[h], highest[h]
            elif highest[h] > second_rise[h]:
                second_rise[h] = highest[h]
            if lowest[h] < fall[h]:
                second_fall[h], fall[h] = fall[h], lowest[h]
            elif lowest[h] < second_fall[h]:
                second_fall[h] = lowest[h]
    for h in range(width):
        rise[h] += second_rise[h]
        fall[h] += second_fall[h]


@compiled
def _add_own_edges(
    messages: Real, state: State, node: int, others: Others, far: Whole, rise: Real, fall: Real
) -> None:
    """The most by which an edge that a node gains or loses moves it: rise, fall (H,).

    What comes is what the far end sends at last. So all edits of a set but this one may have
    changed its degree: the other edits but this one, and the edit whose others these are. What goes
    is what the far end sent before.
    """
    for count in range(others.most + 1):
        for net in nets(others, count):
            for degree in range(far.shape[1]):
                if others.adds and far[node, degree] > 0 and degree + 1 + net >= 0:
                    for h in range(rise.shape[0]):
                        _take_in(messages[degree + 1 + net, h], h, rise, fall)
            if others.deletes and count < others.most:
                for place in range(state.degree[node]):
                    degree = state.degree[state.neighbours[node, place]] + net
                    if degree >= 0:
                        for h in range(rise.shape[0]):
                            _take_in(-messages[degree, h], h, rise, fall)


@compiled
def set_moves(
    messages: Real, state: State, others: Others, far: Whole, rise: Real, fall: Real
) -> None:
    """The most by which one other edit raises and lowers each pre-activation: (N, H), (N, H).

    What is written to must be 0 before.

    An edit reaches a node through both its ends, as neighbours of the node, or as an edge of it.
    """
    for node in range(state.degree.shape[0]):
        _add_steps_of_two_neighbours(messages, state, node, others, rise[node], fall[node])
        _add_own_edges(messages, state, node, others, far, rise[node], fall[node])
