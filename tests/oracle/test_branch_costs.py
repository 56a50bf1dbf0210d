"""The costs of edits against what every set of them contributes, for messages of any kind."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from robust_augcl.oracle.branches.arrays import EditList, State
from robust_augcl.oracle.branches.contexts import Others
from robust_augcl.oracle.branches.contributions import directions_of
from robust_augcl.oracle.branches.costs import set_costs
from robust_augcl.oracle.branches.state import make_edit, set_state

WIDTH, ROUNDING = 4, 1e-9
GRAPHS = (
    (3, ((1, 2),)),  # two edges of node 0 close a triangle: each changes what the other one brings
    (4, ((0, 2), (1, 3))),
    (4, ((0, 1), (1, 2), (0, 2), (2, 3))),
    (5, ((0, 1), (2, 3), (3, 4))),
)


def state_of(nodes, edges, size, messages, offset):
    lists = [[] for _ in range(nodes)]
    for i, j in edges:
        lists[i].append(j)
        lists[j].append(i)
    degree = np.array([len(each) for each in lists])
    neighbours = np.zeros((nodes, int(degree.max()) + size), np.int64)
    for node, each in enumerate(lists):
        neighbours[node, : len(each)] = each
    state = State(degree, neighbours, np.empty((nodes, WIDTH)), np.empty(WIDTH))
    set_state(messages, offset, state)
    return state


@pytest.mark.parametrize("steps", [(1,), (-1,), (1, -1)])
@pytest.mark.parametrize("size", [2, 3])
def test_no_set_contributes_less_than_the_costs_of_its_edits(steps, size):
    draws = np.random.default_rng(size)
    sets = 0
    for nodes, edges in GRAPHS:
        pairs = [(i, j, -1 if (i, j) in edges else 1) for i, j in combinations(range(nodes), 2)]
        pairs = [pair for pair in pairs if pair[2] in steps][:7]
        if len(pairs) < size:
            continue
        for _ in range(40):
            messages = draws.normal(size=(nodes + 2 * size, WIDTH)) * draws.choice([1, 3], WIDTH)
            clean = state_of(nodes, edges, size, messages, draws.normal(size=WIDTH))
            columns = draws.normal(size=(WIDTH, 3))
            costs = np.empty((len(pairs), 6))
            set_costs(
                messages,
                EditList(*(np.array(each) for each in zip(*pairs, strict=True))),
                np.arange(len(pairs)),
                clean,
                Others(size - 1, 1 in steps, -1 in steps),
                directions_of(columns),
                costs,
            )
            for count in range(1, size + 1):
                for chosen in combinations(range(len(pairs)), count):
                    edited = State(*(each.copy() for each in clean))
                    for edit in chosen:
                        make_edit(messages, edited, *pairs[edit])
                    change = (edited.sums - clean.sums) @ columns
                    least = costs[list(chosen)].sum(0)
                    assert (np.concatenate([change, -change]) >= least - ROUNDING).all(), (
                        edges,
                        [pairs[edit] for edit in chosen],
                    )
                    sets += 1
    assert sets > 0
