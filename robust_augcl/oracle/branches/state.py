"""One graph after some edits: what one more edit makes of it, exactly.

With a constant feature and two rounds, a node sends what its degree says. An edit changes the
degrees of its two ends. So it changes the pre-activations of their neighbours, which hear something
else, and of the ends, which hear each other (or no longer do).

Letters: N nodes, H width, D degrees.
"""

from __future__ import annotations

import numpy as np

from robust_augcl.oracle.branches.arrays import Real, State
from robust_augcl.oracle.branches.compiled import compiled
from robust_augcl.oracle.branches.sums import relu


@compiled
def are_joined(state: State, one: int, other: int) -> bool:
    """Whether two nodes are neighbours."""
    found = False
    for place in range(state.degree[one]):
        found |= state.neighbours[one, place] == other
    return found


@compiled
def have_common_neighbour(state: State, one: int, other: int) -> bool:
    """Whether some node is a neighbour of both."""
    for place in range(state.degree[one]):
        if are_joined(state, other, state.neighbours[one, place]):
            return True
    return False


@compiled
def set_change(messages: Real, degree: int, step: int, out: Real) -> None:
    """What a node of this degree sends after a step of its degree, less what it sends now (H,)."""
    for h in range(out.shape[0]):
        out[h] = messages[degree + step, h] - messages[degree, h]


@compiled
def set_heard(messages: Real, degree: int, step: int, out: Real) -> None:
    """What an end of an edit hears of a far end of this degree, more than before (H,)."""
    for h in range(out.shape[0]):
        out[h] = messages[degree + 1, h] if step > 0 else -messages[degree, h]


@compiled
def _add_moved(before: Real, was: Real, now: Real, out: Real) -> None:
    """Add what a state changes by as one neighbour sends something else (H,)."""
    for h in range(out.shape[0]):
        out[h] += relu(before[h] + (now[h] - was[h])) - relu(before[h])


@compiled
def _add_moved_twice(
    before: Real, was: Real, now: Real, other_was: Real, other_now: Real, out: Real
) -> None:
    """Add what a state changes by as two neighbours send something else (H,)."""
    for h in range(out.shape[0]):
        change = (now[h] - was[h]) + (other_now[h] - other_was[h])
        out[h] += relu(before[h] + change) - relu(before[h])


@compiled
def _add_met(before: Real, sent: Real, step: int, out: Real) -> None:
    """Add what a state changes by as a neighbour comes (a step of 1) or goes (-1) (H,)."""
    for h in range(out.shape[0]):
        out[h] += relu(before[h] + step * sent[h]) - relu(before[h])


@compiled
def set_sums_after(
    messages: Real, state: State, one: int, other: int, step: int, out: Real
) -> None:
    """The summed states after one edit (H,), without making it."""
    degree, far_degree = state.degree[one], state.degree[other]
    was, now = messages[degree], messages[degree + step]
    far_was, far_now = messages[far_degree], messages[far_degree + step]
    for h in range(out.shape[0]):
        out[h] = state.sums[h]
    _add_met(state.before[one], far_now if step > 0 else far_was, step, out)
    _add_met(state.before[other], now if step > 0 else was, step, out)
    for place in range(degree):
        node = state.neighbours[one, place]
        if node == other:
            continue
        if are_joined(state, other, node):
            _add_moved_twice(state.before[node], was, now, far_was, far_now, out)
        else:
            _add_moved(state.before[node], was, now, out)
    for place in range(far_degree):
        node = state.neighbours[other, place]
        if node != one and not are_joined(state, one, node):
            _add_moved(state.before[node], far_was, far_now, out)


@compiled
def _change_around(messages: Real, state: State, end: int, far_end: int, step: int) -> None:
    """Let the neighbours of an end hear its new degree, and the far end hear of the edge."""
    change = np.empty(messages.shape[1])
    set_change(messages, state.degree[end], step, change)
    for place in range(state.degree[end]):
        node = state.neighbours[end, place]
        if node != far_end:
            for h in range(change.shape[0]):
                state.before[node, h] += change[h]
    set_heard(messages, state.degree[end], step, change)
    for h in range(change.shape[0]):
        state.before[far_end, h] += change[h]


@compiled
def _join(state: State, end: int, far_end: int) -> None:
    state.neighbours[end, state.degree[end]] = far_end
    state.degree[end] += 1


@compiled
def _part(state: State, end: int, far_end: int) -> None:
    """Take a neighbour away; those after it move up."""
    place = 0
    while state.neighbours[end, place] != far_end:
        place += 1
    for later in range(place, state.degree[end] - 1):
        state.neighbours[end, later] = state.neighbours[end, later + 1]
    state.degree[end] -= 1


@compiled
def _add_states(before: Real, sums: Real) -> None:
    """Sum the states over the nodes: (N, H) -> (H,)."""
    for h in range(sums.shape[0]):
        sums[h] = 0.0
    for node in range(before.shape[0]):
        for h in range(sums.shape[0]):
            sums[h] += relu(before[node, h])


@compiled
def make_edit(messages: Real, state: State, one: int, other: int, step: int) -> None:
    """Make an edit; the state is changed."""
    _change_around(messages, state, one, other, step)
    _change_around(messages, state, other, one, step)
    if step > 0:
        _join(state, one, other)
        _join(state, other, one)
    else:
        _part(state, one, other)
        _part(state, other, one)
    _add_states(state.before, state.sums)


@compiled
def set_state(messages: Real, offset: Real, state: State) -> None:
    """Fill in pre-activations and sums of a state by its degrees and neighbours.

    Shapes: offset (H,), which the second round adds to what a node hears.
    """
    for node in range(state.degree.shape[0]):
        for h in range(offset.shape[0]):
            state.before[node, h] = offset[h]
        for place in range(state.degree[node]):
            sender = state.neighbours[node, place]
            for h in range(offset.shape[0]):
                state.before[node, h] += messages[state.degree[sender], h]
    _add_states(state.before, state.sums)


@compiled
def copy_state(source: State, target: State) -> None:
    """Write a state over another one."""
    for node in range(source.degree.shape[0]):
        target.degree[node] = source.degree[node]
        for place in range(source.degree[node]):
            target.neighbours[node, place] = source.neighbours[node, place]
        for h in range(source.sums.shape[0]):
            target.before[node, h] = source.before[node, h]
    for h in range(source.sums.shape[0]):
        target.sums[h] = source.sums[h]
