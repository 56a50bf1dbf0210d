"""GIN against PyTorch Geometric's own convolution, and against the embeddings of AUGCL's public
code.
"""

from __future__ import annotations

import pytest
import torch
from generators import seeded
from real_archives import archives_or_skip
from torch import nn
from torch_geometric.nn import GINConv, global_add_pool

from robust_augcl.data.tu import TUGraphs
from robust_augcl.encoders.gin import GIN


class Plain(nn.Module):
    """GraphCL's GIN, written with PyTorch Geometric."""

    def __init__(self, in_features, width, layers):
        super().__init__()
        sizes = [in_features] + [width] * (layers - 1)
        self.convs = nn.ModuleList(
            GINConv(nn.Sequential(nn.Linear(s, width), nn.ReLU(), nn.Linear(width, width)))
            for s in sizes
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(width) for _ in sizes)

    def forward(self, x, edge_index, batch):
        states = []
        for conv, norm in zip(self.convs, self.bns, strict=True):
            x = norm(conv(x, edge_index).relu())
            states.append(x)
        return torch.cat(states, 1), torch.cat(
            [global_add_pool(state, batch) for state in states], 1
        )

    def weights_of(self, encoder):
        """Take the weights of one of ours."""
        for number, (conv, norm) in enumerate(zip(self.convs, self.bns, strict=True)):
            conv.nn.load_state_dict(encoder.mlps[number].state_dict())
            norm.load_state_dict(encoder.norms[number].state_dict())
        return self


def new(layers, in_features=3, width=6):
    """An encoder whose biases and normalisation are not at their start."""
    generator = seeded(layers)
    encoder = GIN(in_features=in_features, width=width, layers=layers, generator=generator)
    with torch.no_grad():
        for parameter in encoder.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(0.2, 0.9, generator=generator)
        for norm in encoder.norms:
            norm.running_mean.uniform_(-1, 1, generator=generator)
            norm.running_var.uniform_(0.5, 2, generator=generator)
    return encoder.double()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layers", [1, 3])
def test_states_equal_those_of_pytorch_geometric(random_graphs, layers, training):
    graphs = random_graphs(2)
    ours = new(layers)
    theirs = Plain(3, 6, layers).double().weights_of(ours)
    ours.train(training)
    theirs.train(training)
    x = graphs.x.double()
    nodes, states = ours(x, graphs.edge_index, graphs.batch, graphs.num_graphs)
    expected_nodes, expected_states = theirs(x, graphs.edge_index, graphs.batch)
    assert states.shape == (graphs.num_graphs, 6 * layers)
    torch.testing.assert_close(nodes, expected_nodes, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(states, expected_states, rtol=1e-9, atol=1e-9)


def test_embeddings_equal_those_of_the_public_code(vectors):
    values = vectors("gin")
    graphs = TUGraphs("MUTAG").load(archives_or_skip(), torch.Generator())
    graphs = graphs.select(values["graph_ids"])
    encoder = GIN(in_features=7, width=8, layers=3, generator=torch.Generator())
    state = {}
    for layer in range(3):
        for place in (0, 2):
            for part in ("weight", "bias"):
                state[f"mlps.{layer}.{place}.{part}"] = values[
                    f"net_convs_{layer}_nn_{place}_{part}"
                ]
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            state[f"norms.{layer}.{part}"] = values[f"net_bns_{layer}_{part}"]
    encoder.load_state_dict(state)
    with torch.no_grad():
        nodes, states = encoder.eval()(graphs.x, graphs.edge_index, graphs.batch, graphs.num_graphs)
    torch.testing.assert_close(nodes, values["node_embedding"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(states, values["embedding"], rtol=1e-4, atol=1e-4)
