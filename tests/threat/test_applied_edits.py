"""Applying edits is arithmetic of sets of edges."""

from __future__ import annotations

from itertools import combinations

import torch
from hypothesis import given
from hypothesis import strategies as st
from pairs_of_nodes import edge_set, pairs_of

from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.threat.perturbations import Perturbation, apply_all


@given(data=st.data())
def test_applying_is_arithmetic_of_edge_sets(data, data_lists, to_networkx):
    graphs = data.draw(data_lists(max_nodes=6))
    packed = PackedGraphs.from_data_list(graphs)
    before = packed.edge_index.clone()
    perturbations, expected = [], []
    for graph in graphs:
        pairs = list(combinations(range(graph.num_nodes), 2))
        chosen = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
        # Either order of the two ends, and edits that change nothing, too.
        turned = [pair if data.draw(st.booleans()) else pair[::-1] for pair in chosen]
        cut = data.draw(st.integers(0, len(turned)))
        added, removed = turned[:cut], turned[cut:]
        perturbations.append(Perturbation(pairs_of(*added), pairs_of(*removed)))
        expected.append(
            (edge_set(to_networkx(graph)) | set(map(frozenset, added)))
            - set(map(frozenset, removed))
        )
    edited = apply_all(packed, perturbations)
    assert torch.equal(packed.edge_index, before)
    assert [edge_set(to_networkx(edited[number])) for number in range(len(graphs))] == expected
    assert torch.equal(edited.x, packed.x)
    assert torch.equal(edited.y, packed.y)


def test_apply_returns_a_new_graph(to_data, to_networkx):
    data = to_data(4, [(0, 1), (1, 2)], y=2)
    edge_index, x = data.edge_index.clone(), data.x.clone()
    edited = Perturbation(added=pairs_of((3, 0)), removed=pairs_of((1, 2))).apply(data)
    assert edge_set(to_networkx(edited)) == {frozenset((0, 1)), frozenset((0, 3))}
    assert torch.equal(edited.x, x)
    assert edited.y.tolist() == [2]
    edited.x += 1
    edited.edge_index += 1
    assert torch.equal(data.edge_index, edge_index)
    assert torch.equal(data.x, x)


def test_no_edits_change_nothing(to_data):
    packed = PackedGraphs.from_data_list([to_data(3, [(0, 1)]), to_data(2, [])])
    assert Perturbation().num_edits == 0
    assert torch.equal(
        apply_all(packed, [Perturbation(), Perturbation()]).edge_index, packed.edge_index
    )
