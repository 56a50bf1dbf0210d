"""How far an edit reaches in each encoder, by the distances of networkx.

The rest of what encoders promise is held by `robust_augcl.testing` (tests/kit).
"""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import pytest
import torch
from generators import seeded

from robust_augcl import registry
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.testing.embedded import layer_by_layer, trained


@pytest.fixture(params=registry.names("encoder"))
def encoder(request):
    """In evaluation mode, in double precision, after passes in training mode."""
    return trained(registry.load("encoder", request.param))


@pytest.mark.parametrize("shape", ["path", "random"])
@pytest.mark.parametrize("operation", ["add", "delete"])
def test_an_edit_reaches_no_further_than_declared(encoder, to_data, to_networkx, shape, operation):
    if shape == "path":
        size, edges = 24, [(node, node + 1) for node in range(23)]
        pair = (9, 13) if operation == "add" else (11, 12)
    else:
        size = 60
        graph = nx.gnm_random_graph(size, 75, seed=4)
        edges = list(graph.edges)
        far = [
            (i, j)
            for i, j in combinations(range(size), 2)
            if nx.has_path(graph, i, j) and nx.shortest_path_length(graph, i, j) > 3
        ]
        pair = far[0] if operation == "add" else edges[20]
    data = to_data(size, edges)
    data.x = torch.randn(size, 3, generator=seeded(3))
    clean = PackedGraphs.from_data_list([data])
    edited = clean.flip(torch.tensor([0]), torch.tensor(pair).unsqueeze(1))

    # Distance from the nearer end is the same before and after the edit.
    graph = to_networkx(data)
    distance = nx.multi_source_dijkstra_path_length(graph, set(pair))
    hops = encoder.hops_before_first_round
    for number, (before, after) in enumerate(
        zip(layer_by_layer(encoder, clean), layer_by_layer(encoder, edited), strict=True)
    ):
        changed = ((before - after).abs().amax(1) > 1e-12).nonzero().flatten().tolist()
        if number == 0:
            assert changed == []
            continue
        assert all(distance.get(node, float("inf")) <= number - 1 + hops for node in changed)
        assert set(pair) & set(changed)
    # The edit has spread: the statement above is not about two nodes only.
    assert len(changed) > 2
