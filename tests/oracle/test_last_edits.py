"""What the tables of last edits say, against each edit by itself; and what they save."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models import classifier

from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.oracle.branches import last_edits, search
from robust_augcl.oracle.branches.arrays import EditList, State
from robust_augcl.oracle.branches.compiled import compiled
from robust_augcl.oracle.branches.instances import edits_of, state_of
from robust_augcl.oracle.branches.known import known
from robust_augcl.oracle.branches.last_edits import Shared, forget, set_added_along
from robust_augcl.oracle.branches.lines import margin_of
from robust_augcl.oracle.branches.state import (
    copy_state,
    have_common_neighbour,
    make_edit,
    set_state,
    set_sums_after,
)
from robust_augcl.threat.model import ThreatModel

WIDTH = 8


def random_state(draws, nodes, density, messages):
    joined = np.triu(draws.random((nodes, nodes)) < density, 1)
    joined |= joined.T
    degree = joined.sum(1)
    neighbours = np.zeros((nodes, int(degree.max()) + 1), np.int64)
    for node in range(nodes):
        neighbours[node, : degree[node]] = np.flatnonzero(joined[node])
    state = State(degree, neighbours, np.empty((nodes, WIDTH)), np.empty(WIDTH))
    set_state(messages, draws.normal(size=WIDTH), state)
    return state, joined


def new_edges(joined):
    """Every edge that may be added."""
    one, other = np.nonzero(np.triu(~joined, 1))
    return EditList(one, other, np.ones_like(one))


def told_of(state, messages, direction, edits, told_by=set_added_along):
    shared = Shared(np.zeros(len(state.degree)), np.zeros((len(state.degree), len(messages))))
    forget(shared)
    out = np.empty(len(edits.one))
    told_by(shared, messages, state, direction, edits, np.arange(len(out)), out)
    return out


def differences(state, joined, messages, direction, told_by=set_added_along):
    """How far off it is, of each edge that may be added, and whether its ends share a neighbour."""
    sums, edits = np.empty(WIDTH), new_edges(joined)
    told, off, common = told_of(state, messages, direction, edits, told_by), [], []
    for number, (one, other) in enumerate(zip(edits.one, edits.other, strict=True)):
        set_sums_after(messages, state, one, other, 1, sums)
        off.append(abs(told[number] - (sums - state.sums) @ direction))
        common.append(have_common_neighbour(state, one, other))
    return np.array(off), np.array(common)


def test_the_tables_say_what_each_new_edge_adds():
    draws, common = np.random.default_rng(0), []
    for density in (0.1, 0.2, 0.4, 0.6):
        messages = draws.normal(size=(20, WIDTH))
        state, joined = random_state(draws, 12, density, messages)
        off, shares = differences(state, joined, messages, draws.normal(size=WIDTH))
        assert off.max() < 1e-12
        common += shares.tolist()
    assert 0 < sum(common) < len(common)


def test_they_are_wrong_without_what_common_neighbours_add_together(monkeypatch):
    """So it matters for the graphs above. Uncompiled, so that it can be left out."""
    monkeypatch.setattr(last_edits, "_together", lambda *_: 0.0)
    draws = np.random.default_rng(0)
    messages = draws.normal(size=(20, WIDTH))
    state, joined = random_state(draws, 12, 0.4, messages)
    uncompiled = getattr(set_added_along, "py_func", set_added_along)
    off, shares = differences(state, joined, messages, draws.normal(size=WIDTH), uncompiled)
    assert off[shares].max() > 0.1
    assert off[~shares].max() < 1e-12


def test_of_an_edge_that_is_removed_nothing_is_said():
    draws = np.random.default_rng(1)
    messages = draws.normal(size=(20, WIDTH))
    state, joined = random_state(draws, 8, 0.4, messages)
    one, other = np.nonzero(np.triu(joined, 1))
    edges = EditList(one, other, -np.ones_like(one))
    assert (told_of(state, messages, np.ones(WIDTH), edges) == -np.inf).all()


# --- speed ----------------------------------------------------------------------------------------


class Instance:
    """Three edges that may be added to a graph of one component, against one wrong class."""

    def __init__(self):
        graphs = component_graphs(np.array([1]), (20, 20), 0.1, np.random.default_rng(0))
        model = classifier(Structure2Vec, "last edits", layers=2, width=64, hidden=32)
        classifier_known = known(model.local_parts(graphs), graphs, 3)
        candidates = ThreatModel(3, within_component=True).enumerate(graphs)
        self.edits = edits_of(candidates, torch.arange(len(candidates)))
        self.clean = state_of(classifier_known, graphs, 0, 3)
        self.network, self.output = classifier_known.network, classifier_known.output(0, 1)

    def plain(self):
        """The least margin of all sets of three edits, each evaluated."""
        rooms = [State(*(each.copy() for each in self.clean)) for _ in range(2)]
        return plain_least(self.network, self.output, self.edits, self.clean, *rooms)

    def stands(self, slack):
        """Whether branch and bound says that every set leaves more than the slack."""
        problem = search.new_problem(self.network, self.edits, self.clean, 3)
        tree = search.new_tree(problem, self.output)
        while True:
            end = search.advance(problem, self.output, tree, slack, 10**9)
            if end != search.NEW_NODE:
                return end == search.SAFE
            search.sort_edits(problem, tree)


@compiled
def plain_least(network, output, edits, clean, first, second):
    """The least margin of all sets of three edits; two of them are made in states of their own."""
    least, count, sums = np.inf, edits.one.shape[0], np.empty(clean.sums.shape[0])
    for i in range(count):
        copy_state(clean, first)
        make_edit(network.messages, first, edits.one[i], edits.other[i], edits.step[i])
        for j in range(i + 1, count):
            copy_state(first, second)
            make_edit(network.messages, second, edits.one[j], edits.other[j], edits.step[j])
            for k in range(j + 1, count):
                one, other, step = edits.one[k], edits.other[k], edits.step[k]
                set_sums_after(network.messages, second, one, other, step, sums)
                least = min(least, margin_of(network, output, sums))
    return least


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["plain enumeration", "branch and bound"])
def test_benchmark_sets_of_three_edits(benchmark, how):
    """All sets of three edges that may be added to a graph: compare the two rows.

    The slack is all but what the worst set leaves, so branch and bound has the most to do.
    """
    benchmark.group = "three edits of one graph"
    instance = Instance()
    least = instance.plain()
    if how == "plain enumeration":
        assert benchmark.pedantic(instance.plain, rounds=3, warmup_rounds=1) == least
        return
    assert not instance.stands(least + 1e-6)
    assert benchmark.pedantic(instance.stands, (least - 1e-6,), rounds=3, warmup_rounds=1)
