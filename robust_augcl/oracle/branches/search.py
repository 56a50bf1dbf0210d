"""Branch and bound, depth first, over the sets of edits of one graph, against one wrong class.

A node of the tree of sets is a set of edits. Its state is exact: edits are made, and their
interactions with them. Below it stand the sets that hold it and more of its *listed* edits. These
are sorted by their costs (`costs`), the strongest first. The first child makes the first of them
and may add any later one; the second child makes the second, and so on. So each set is met once.

With the line base + D . S below the margin (`lines`), a set is safe that fulfils

    base + D . S  +  costs of its further edits  >  slack

where S are the exact sums of the node. So a node is left when even the R strongest edits that are
left are safe, and a child lists only edits that may break the graph together with the child's own.

Where one edit more is allowed, the child is evaluated: first by the line, then exactly. A set whose
margin is not above the slack is handed out, as whoever asks must decide what is close. The search
can be gone on with after that.

Letters: N nodes, H width, J hidden units, M edits, R edits of a set, T depth of the tree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from robust_augcl.oracle.branches.arrays import EditList, Network, Output, Real, State, Whole
from robust_augcl.oracle.branches.compiled import compiled
from robust_augcl.oracle.branches.contexts import Others
from robust_augcl.oracle.branches.contributions import directions_of
from robust_augcl.oracle.branches.costs import set_costs
from robust_augcl.oracle.branches.last_edits import Shared, forget, set_added_along
from robust_augcl.oracle.branches.lines import (
    lowest_sums,
    margin_of,
    set_hidden,
    set_line,
    set_ranges,
)
from robust_augcl.oracle.branches.state import copy_state, make_edit, set_sums_after
from robust_augcl.oracle.branches.sums import product

SAFE, FOUND, LIMIT, NEW_NODE = range(4)
"""What a search stops for: no set is left, one is handed out, it has made enough evaluations, or
there is a new node whose edits are not sorted yet.
"""

_DEPTH, _EVALUATIONS, _NOT_ENTERED = range(3)  # places in `Tree.counts`


class Problem(NamedTuple):
    """What is searched.

    Args:
        network: the encoder and the first layer of the head.
        edits: those that a set may hold (M).
        clean: the graph without them.
        hidden: its hidden units (J,).
        hidden_costs: what each edit contributes to them at the least, along and against (M, 2 J).
        hidden_sums: sums of the lowest of these (R + 1, 2 J).
        adds, deletes: whether any of the edits does so.
    """

    network: Network
    edits: EditList
    clean: State
    hidden: Real
    hidden_costs: Real
    hidden_sums: Real
    adds: bool
    deletes: bool


class Tree(NamedTuple):
    """The path from the clean graph to the node where the search is, by depth from 0 to T - 1.

    Args:
        degree, neighbours, before, sums: of each depth, what a `State` holds.
        listed: numbers of edits, sorted by cost (T, M).
        cost: of these; none above 0 (T, M).
        length: how many are listed (T,).
        next: the place of the next child (T,).
        chosen: the edit of the child that is looked at (T,).
        start: the line at the sums of the node (T,).
        base, direction: of the line (T,), (T, H).
        counts: the depth, the evaluations made, and whether a child was handed out but not entered.
        shared: what the edits of the last node have in common, along its line.
    """

    degree: Whole
    neighbours: Whole
    before: Real
    sums: Real
    listed: Whole
    cost: Real
    length: Whole
    next: Whole
    chosen: Whole
    start: Real
    base: Real
    direction: Real
    counts: Whole
    shared: Shared


@compiled
def state_at(tree: Tree, depth: int) -> State:
    """The state of the node at a depth."""
    return State(tree.degree[depth], tree.neighbours[depth], tree.before[depth], tree.sums[depth])


def new_problem(network: Network, edits: EditList, clean: State, size: int) -> Problem:
    """What is searched for sets of at most `size` edits."""
    adds, deletes = bool((edits.step > 0).any()), bool((edits.step < 0).any())
    units = network.bias.shape[0]
    hidden, costs = np.empty(units), np.empty((edits.one.shape[0], 2 * units))
    set_hidden(network, clean.sums, hidden)
    every = np.arange(edits.one.shape[0])
    directions = directions_of(network.columns)
    others = Others(size - 1, adds, deletes)
    set_costs(network.messages, edits, every, clean, others, directions, costs)
    sums = lowest_sums(costs, size)
    return Problem(network, edits, clean, hidden, costs, sums, adds, deletes)


def new_tree(problem: Problem, output: Output) -> Tree:
    """The tree with its first node, the clean graph."""
    depths, edits = problem.hidden_sums.shape[0] - 1, problem.edits.one.shape[0]
    nodes, width = problem.clean.before.shape
    whole, most = np.int64, problem.clean.neighbours.shape[1]
    tree = Tree(
        degree=np.zeros((depths, nodes), whole),
        neighbours=np.zeros((depths, nodes, most), whole),
        before=np.zeros((depths, nodes, width)),
        sums=np.zeros((depths, width)),
        listed=np.zeros((depths, edits), whole),
        cost=np.zeros((depths, edits)),
        length=np.zeros(depths, whole),
        next=np.zeros(depths, whole),
        chosen=np.zeros(depths, whole),
        start=np.zeros(depths),
        base=np.zeros(depths),
        direction=np.zeros((depths, width)),
        counts=np.zeros(3, whole),
        shared=Shared(np.zeros(nodes), np.zeros((nodes, problem.network.messages.shape[0]))),
    )
    copy_state(problem.clean, State(*(each[0] for each in tree[:4])))
    tree.listed[0] = np.arange(edits)
    tree.length[0] = edits
    set_line_at(problem, output, tree, 0)
    sort_edits(problem, tree)
    return tree


def sort_edits(problem: Problem, tree: Tree) -> None:
    """Sort the listed edits of the deepest node by their costs."""
    depth = int(tree.counts[_DEPTH])
    count, size = int(tree.length[depth]), len(tree.length) - depth
    tree.counts[_EVALUATIONS] += count
    costs = np.empty((count, 1))
    listed = tree.listed[depth, :count].copy()
    set_costs(
        problem.network.messages,
        problem.edits,
        listed,
        State(*(each[depth] for each in tree[:4])),
        Others(size - 1, problem.adds, problem.deletes),
        directions_of(tree.direction[depth].reshape(-1, 1)),
        costs,
    )
    order = np.argsort(costs[:, 0], kind="stable")
    tree.listed[depth, :count] = listed[order]
    tree.cost[depth, :count] = np.minimum(costs[order, 0], 0)


@compiled
def set_line_at(problem: Problem, output: Output, tree: Tree, depth: int) -> None:
    """Fill in the line of the node at a depth."""
    units = problem.hidden.shape[0]
    low, high = np.empty(units), np.empty(units)
    chosen = tree.chosen[:depth]
    set_ranges(problem.hidden, problem.hidden_costs, problem.hidden_sums, chosen, low, high)
    direction = tree.direction[depth]
    tree.base[depth] = set_line(problem.network, output, low, high, direction)
    tree.start[depth] = tree.base[depth] + product(direction, tree.sums[depth])
    tree.next[depth] = 0
    if depth == tree.length.shape[0] - 1:
        forget(tree.shared)


@compiled
def bound_of(tree: Tree, depth: int) -> float:
    """No set below the next child, or a later one, has a margin below this."""
    bound, first = tree.start[depth], tree.next[depth]
    last = min(first + tree.length.shape[0] - depth, tree.length[depth])
    for place in range(first, last):
        bound += tree.cost[depth, place]
    return bound


@compiled
def advance(
    problem: Problem, output: Output, tree: Tree, slack: float, most_evaluations: int
) -> int:
    """Search until there is something to stop for: `SAFE`, `FOUND`, `LIMIT` or `NEW_NODE`.

    The set that is handed out is `found`. An evaluation is of the cost of an edit, or of a set that
    is evaluated.
    """
    last = tree.length.shape[0] - 1
    while True:
        depth = tree.counts[_DEPTH]
        if tree.counts[_NOT_ENTERED] > 0:
            tree.counts[_NOT_ENTERED] = 0
            if _enter(problem, output, tree, slack) and depth + 1 < last:
                return NEW_NODE
            continue
        if _is_done(tree, depth, slack):
            if depth == 0:
                return SAFE
            tree.counts[_DEPTH] -= 1
            continue
        if depth == last:
            end = _try_last_edits(problem, output, tree, slack, most_evaluations)
            if end != SAFE:
                return end
            continue
        if tree.counts[_EVALUATIONS] >= most_evaluations:
            return LIMIT
        tree.chosen[depth] = tree.listed[depth, tree.next[depth]]
        tree.next[depth] += 1
        tree.counts[_EVALUATIONS] += 1
        _make_chosen(problem, tree, depth)
        tree.counts[_NOT_ENTERED] = 1
        if margin_of(problem.network, output, tree.sums[depth + 1]) <= slack:
            return FOUND


@compiled
def _is_done(tree: Tree, depth: int, slack: float) -> bool:
    """Whether no later child of a node may break the graph."""
    if tree.next[depth] >= tree.length[depth]:
        return True
    # Edits of the last node but the first are in the order of the node above, without own costs.
    is_sorted = depth == 0 or depth < tree.length.shape[0] - 1
    return is_sorted and bound_of(tree, depth) > slack


def found(tree: Tree) -> Whole:
    """The set that was handed out: numbers of edits."""
    return tree.chosen[: tree.counts[_DEPTH] + 1]


def evaluations_of(tree: Tree) -> int:
    """How many evaluations the search has made."""
    return int(tree.counts[_EVALUATIONS])


@compiled
def _try_last_edits(
    problem: Problem, output: Output, tree: Tree, slack: float, most_evaluations: int
) -> int:
    """Try the edits with which the set is full: `FOUND`, `LIMIT`, or `SAFE` where none is left."""
    depth = tree.length.shape[0] - 1
    state, direction = state_at(tree, depth), tree.direction[depth]
    network, edits, evaluations = problem.network, problem.edits, tree.counts[_EVALUATIONS]
    start, base, first = tree.start[depth], tree.base[depth], tree.next[depth]
    listed = tree.listed[depth, first : tree.length[depth]]
    added, sums = np.empty(listed.shape[0]), np.empty(direction.shape[0])
    set_added_along(tree.shared, network.messages, state, direction, edits, listed, added)
    end, tried = SAFE, listed.shape[0]
    for place in range(listed.shape[0]):
        if depth == 0 and start + tree.cost[0, first + place] > slack:
            tried = place  # the first node is sorted: none that follows may break the graph
            break
        if evaluations + place >= most_evaluations:
            end, tried = LIMIT, place
            break
        if start + added[place] > slack:
            continue
        edit = listed[place]
        one, other, step = edits.one[edit], edits.other[edit], edits.step[edit]
        set_sums_after(network.messages, state, one, other, step, sums)
        below = base + product(direction, sums) <= slack
        if below and margin_of(network, output, sums) <= slack:
            tree.chosen[depth] = edit
            end, tried = FOUND, place + 1
            break
    tree.next[depth] += tried
    tree.counts[_EVALUATIONS] += tried
    return end


@compiled
def _make_chosen(problem: Problem, tree: Tree, depth: int) -> None:
    """Write the state of the chosen child."""
    edits, edit = problem.edits, tree.chosen[depth]
    child = state_at(tree, depth + 1)
    copy_state(state_at(tree, depth), child)
    make_edit(problem.network.messages, child, edits.one[edit], edits.other[edit], edits.step[edit])


@compiled
def _enter(problem: Problem, output: Output, tree: Tree, slack: float) -> bool:
    """Go down to the chosen child, if any set below it may break the graph; whether that is so."""
    depth = tree.counts[_DEPTH]
    size, first = tree.length.shape[0] - depth, tree.next[depth]
    # The bound of sets that hold the chosen edit, one more, and the strongest of the others.
    bound = tree.start[depth] + tree.cost[depth, first - 1]
    for place in range(first, min(first + size - 2, tree.length[depth])):
        bound += tree.cost[depth, place]
    count = 0
    for place in range(first, tree.length[depth]):
        if bound + tree.cost[depth, place] > slack:
            break
        tree.listed[depth + 1, count] = tree.listed[depth, place]
        count += 1
    if count == 0:
        return False
    tree.length[depth + 1] = count
    tree.counts[_DEPTH] = depth + 1
    set_line_at(problem, output, tree, depth + 1)
    return True
