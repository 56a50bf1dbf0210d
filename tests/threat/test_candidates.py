"""The candidates of a threat model are the pairs that a loop allows."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pairs_of_nodes import OPERATIONS, pairs_of

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.candidates import Candidates
from robust_augcl.threat.model import ThreatModel


def by_loop(graph, operations, within_component, allow_existing):
    """Allowed pairs of one networkx graph, in order, and whether each is an edge."""
    allowed = []
    for i, j in combinations(range(graph.number_of_nodes()), 2):
        if graph.has_edge(i, j):
            fits = "delete" in operations or allow_existing
        else:
            fits = "add" in operations and (not within_component or nx.has_path(graph, i, j))
        if fits:
            allowed.append((i, j, graph.has_edge(i, j)))
    return allowed


@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("within_component", [False, True])
@pytest.mark.parametrize("allow_existing", [False, True])
@given(data=st.data())
def test_candidates_are_the_allowed_pairs(
    operations, within_component, allow_existing, data, data_lists, to_networkx
):
    graphs = data.draw(data_lists(max_graphs=4, max_nodes=7))
    threat = ThreatModel(1, operations, within_component, allow_existing)
    found = threat.enumerate(PackedGraphs.from_data_list(graphs))
    rows = zip(found.graph.tolist(), *found.pairs.tolist(), found.exists.tolist(), strict=True)
    expected = [
        (number, *row)
        for number, graph in enumerate(graphs)
        for row in by_loop(to_networkx(graph), operations, within_component, allow_existing)
    ]
    assert list(rows) == expected
    assert len(found) == len(expected)
    assert found.num_graphs == len(graphs)
    assert found.deletes == ("delete" in operations)
    counts = [sum(row[0] == number for row in expected) for number in range(len(graphs))]
    assert found.counts.tolist() == counts
    assert found.ptr.tolist() == [sum(counts[:number]) for number in range(len(graphs) + 1)]


def test_candidates_of_one_graph(to_data):
    threat = ThreatModel(within_component=True)
    assert threat.candidates(to_data(5, [(0, 1), (1, 2), (3, 4)])).tolist() == [[0], [2]]


@given(data=st.data(), counts=st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_best_is_the_first_of_the_lowest_in_each_graph(data, counts):
    graph = [number for number, count in enumerate(counts) for _ in range(count)]
    score = data.draw(
        st.lists(
            st.sampled_from([-1.0, 0.0, 2.0, float("inf")]),
            min_size=len(graph),
            max_size=len(graph),
        )
    )
    candidates = Candidates(
        torch.tensor(graph, dtype=torch.long),
        torch.zeros(2, len(graph)),
        torch.zeros(len(graph), dtype=torch.bool),
        len(counts),
        False,
    )
    expected = []
    for number in range(len(counts)):
        best = -1
        for place, owner in enumerate(graph):
            if owner == number and (best < 0 or score[place] < score[best]):
                best = place
        expected.append(best)
    assert candidates.best(torch.tensor(score)).tolist() == expected


@pytest.mark.parametrize("deletes", [False, True])
def test_candidates_become_a_perturbation(deletes):
    pairs = pairs_of((0, 1), (0, 2), (1, 3), (2, 3))
    candidates = Candidates(
        torch.zeros(4, dtype=torch.long),
        pairs,
        torch.tensor([True, False, True, False]),
        1,
        deletes,
    )
    taken = candidates.take(torch.tensor([3, 0, 1]))
    assert taken.pairs.T.tolist() == [[2, 3], [0, 1], [0, 2]]
    assert taken.exists.tolist() == [False, True, False]
    edits = candidates.perturbation(torch.tensor([3, 0, 1]))
    # Without deletion an existing edge is "added" once more.
    assert edits.added.T.tolist() == ([[2, 3], [0, 2]] if deletes else [[2, 3], [0, 1], [0, 2]])
    assert edits.removed.T.tolist() == ([[0, 1]] if deletes else [])
    assert edits.num_edits == 3
