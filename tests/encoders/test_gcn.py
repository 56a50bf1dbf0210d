"""GCN against PyTorch Geometric's own convolution."""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from torch_geometric.nn import GCNConv, global_add_pool

from robust_augcl.encoders.gcn import GCN


def expected_states(encoder, graphs, weight):
    """Node and graph states by PyTorch Geometric, from our weights."""
    x = graphs.x.double()
    for ours in encoder.maps:
        conv = GCNConv(ours.in_features, ours.out_features).double()
        conv.load_state_dict({"bias": ours.bias, "lin.weight": ours.weight})
        x = conv(x, graphs.edge_index, weight).relu()
    return x, global_add_pool(x, graphs.batch, graphs.num_graphs)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_states_equal_those_of_pytorch_geometric(random_graphs, layers, weighted):
    graphs = random_graphs(4)
    generator = seeded(layers)
    encoder = GCN(in_features=3, width=6, layers=layers, generator=generator).double()
    with torch.no_grad():
        for ours in encoder.maps:
            ours.bias.uniform_(-0.3, 0.9, generator=generator)
    # Weights differ by direction, so that degrees of the wrong end would show.
    weight = (
        torch.rand(graphs.edge_index.size(1), generator=generator, dtype=torch.float64)
        if weighted
        else None
    )
    nodes, states = encoder(
        graphs.x.double(), graphs.edge_index, graphs.batch, graphs.num_graphs, weight
    )
    expected_nodes, expected = expected_states(encoder, graphs, weight)
    assert states.shape == (graphs.num_graphs, 6)
    assert (states > 0).double().mean() > 0.3
    torch.testing.assert_close(nodes, expected_nodes, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(states, expected, rtol=1e-9, atol=1e-9)


def test_initial_weights_are_glorot_uniform_and_biases_0():
    encoder = GCN(in_features=5, width=64, layers=2, generator=seeded(0))
    for layer in encoder.maps:
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert 0.9 * bound < float(layer.weight.detach().abs().max()) <= bound
        assert (layer.bias == 0).all()
