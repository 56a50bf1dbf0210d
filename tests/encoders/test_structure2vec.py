"""structure2vec against dense matrices in NumPy, and against a trained reference model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from generators import seeded

from robust_augcl.encoders.structure2vec import Structure2Vec


def dense(adjacency, x, w1, b1, w2, b2, layers):
    """Node states and graph state from the formula; row i of the adjacency holds the weights of
    what i receives.
    """
    first = x @ w1.T + b1
    h = np.maximum(first, 0)
    for _ in range(layers):
        h = np.maximum((adjacency @ h) @ w2.T + b2 + first, 0)
    return h, np.maximum(h.sum(0), 0)


@pytest.mark.parametrize("layers", [1, 2, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_states_equal_those_of_dense_matrices(random_graphs, layers, weighted):
    graphs = random_graphs(1)
    generator = seeded(0)
    encoder = Structure2Vec(in_features=3, width=7, layers=layers, generator=generator).double()
    with torch.no_grad():
        for layer in (encoder.node_to_latent, encoder.conv):
            layer.bias.uniform_(-0.5, 0.5, generator=generator)
    # Weights differ by direction, so that a transposed adjacency would show.
    weight = (
        torch.rand(graphs.edge_index.size(1), generator=generator, dtype=torch.float64)
        if weighted
        else None
    )
    nodes, states = encoder(
        graphs.x.double(), graphs.edge_index, graphs.batch, graphs.num_graphs, weight
    )

    parts = [
        part.detach().numpy()
        for layer in (encoder.node_to_latent, encoder.conv)
        for part in (layer.weight, layer.bias)
    ]
    for number in range(graphs.num_graphs):
        first, last = int(graphs.ptr[number]), int(graphs.ptr[number + 1])
        adjacency = np.zeros((last - first, last - first))
        for edge, (source, target) in enumerate(graphs.edge_index.T.tolist()):
            if first <= source < last:
                adjacency[target - first, source - first] = (
                    1.0 if weight is None else float(weight[edge])
                )
        expected_nodes, expected_state = dense(
            adjacency, graphs.x[first:last].double().numpy(), *parts, layers
        )
        np.testing.assert_allclose(
            nodes[first:last].detach().numpy(), expected_nodes, rtol=1e-9, atol=1e-12
        )
        np.testing.assert_allclose(
            states[number].detach().numpy(), expected_state, rtol=1e-9, atol=1e-12
        )


def test_logits_equal_the_reference(vectors, reference_graphs, reference_model):
    logits = reference_model.eval()(reference_graphs)
    torch.testing.assert_close(
        logits.detach(), vectors("components")["logits"], rtol=1e-4, atol=1e-4
    )


def test_the_shared_map_is_one_map():
    encoder = Structure2Vec(in_features=2, width=4, layers=5, generator=seeded(0))
    assert sum(parameter.numel() for parameter in encoder.parameters()) == (2 * 4 + 4) + (4 * 4 + 4)


def test_initial_weights_are_glorot_uniform_and_biases_0():
    encoder = Structure2Vec(in_features=1, width=64, layers=2, generator=seeded(0))
    for layer in (encoder.node_to_latent, encoder.conv):
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert float(layer.weight.detach().abs().max()) <= bound
        assert float(layer.weight.detach().abs().max()) > 0.9 * bound
        assert (layer.bias == 0).all()
