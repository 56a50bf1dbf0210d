"""The GCN of GRACE against PyTorch Geometric's convolution, with each activation."""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from torch.nn.functional import leaky_relu, rrelu
from torch_geometric.nn import GCNConv

from robust_augcl import registry

ACTIVATIONS = {
    "gcn_relu": torch.relu,
    "gcn_prelu": lambda states: torch.where(states > 0, states, 0.4 * states),
    "gcn_rrelu": lambda states: leaky_relu(states, (1 / 8 + 1 / 3) / 2),
}


def a_trained(name, generator):
    """An encoder whose biases and slopes are not those that it begins with."""
    encoder = registry.load("encoder", name)(in_features=3, width=6, layers=2, generator=generator)
    with torch.no_grad():
        for ours in encoder.maps:
            ours.bias.uniform_(-0.5, 0.5, generator=generator)
        if name == "gcn_prelu":
            encoder.slope.fill_(0.4)
    return encoder.double().eval()


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_states_equal_those_of_pytorch_geometric(random_graphs, name, weighted):
    graphs, generator = random_graphs(4), seeded(2)
    encoder = a_trained(name, generator)
    weight = None
    if weighted:
        weight = torch.rand(graphs.edge_index.size(1), generator=generator, dtype=torch.float64)
    nodes, _ = encoder(
        graphs.x.double(), graphs.edge_index, graphs.batch, graphs.num_graphs, weight
    )
    x = graphs.x.double()
    assert [layer.out_features for layer in encoder.maps] == [12, 6]
    for ours in encoder.maps:
        conv = GCNConv(ours.in_features, ours.out_features).double()
        conv.load_state_dict({"bias": ours.bias, "lin.weight": ours.weight})
        x = ACTIVATIONS[name](conv(x, graphs.edge_index, weight))
    assert torch.allclose(nodes, x, atol=1e-12)


def test_rrelu_draws_no_slope_in_training():
    """GCA's code calls the function `rrelu`, which draws where `training` is on; by default not."""
    made = registry.load("encoder", "gcn_rrelu")
    encoder = made(in_features=3, width=6, layers=2, generator=seeded(5)).train()
    states = torch.linspace(-2, 2, 9)
    assert torch.equal(encoder.activate(0, states), rrelu(states))
