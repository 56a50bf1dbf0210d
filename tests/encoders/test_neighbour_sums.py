"""Sums over neighbours: scattered, or node by node where the edges are known to be sorted and
undirected.
"""

from __future__ import annotations

import tempfile

import numpy as np
import pytest
import torch
from generators import seeded
from torch_geometric import EdgeIndex
from torch_geometric.nn import MessagePassing

from robust_augcl.data.components import component_graphs
from robust_augcl.models.message_passing import WeightedSum


def by_hand(x, edge_index):
    out = torch.zeros_like(x)
    for source, target in edge_index.T.tolist():
        out[target] += x[source]
    return out


def test_an_undirected_edge_index_is_summed_node_by_node(random_graphs, monkeypatch):
    graphs = random_graphs(3)
    x = torch.randn(graphs.num_nodes, 5, dtype=torch.double, generator=seeded(0))
    expected = by_hand(x, graphs.edge_index)
    torch.testing.assert_close(WeightedSum()(x, graphs.edge_index), expected)
    monkeypatch.setattr(WeightedSum, "scattered", lambda *_, **__: pytest.fail("it was scattered"))
    torch.testing.assert_close(WeightedSum()(x, graphs.edges), expected)


def test_a_directed_or_unsorted_edge_index_is_scattered():
    edge_index = torch.tensor([[0, 2, 1, 3], [1, 1, 0, 2]])
    x = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    for edges in (
        EdgeIndex(edge_index, sparse_size=(4, 4)),
        EdgeIndex(edge_index.sort(1).values, sparse_size=(4, 4), sort_order="row"),
    ):
        torch.testing.assert_close(WeightedSum()(x, edges), by_hand(x, edges.as_tensor()))


def test_weights_count_whatever_is_known_of_the_edges(random_graphs):
    graphs = random_graphs(4)
    x = torch.randn(graphs.num_nodes, 2, generator=seeded(1))
    weight = torch.rand(graphs.edge_index.size(1), generator=seeded(2))
    torch.testing.assert_close(
        WeightedSum()(x, graphs.edges, weight), WeightedSum()(x, graphs.edge_index, weight)
    )


def test_the_gradient_is_that_of_finite_differences(random_graphs):
    graphs = random_graphs(5)
    x = torch.randn(
        graphs.num_nodes,
        2,
        dtype=torch.double,
        generator=seeded(3),
        requires_grad=True,
    )
    assert torch.autograd.gradcheck(lambda x: WeightedSum()(x, graphs.edges), x)


def test_single_precision_sums_are_those_of_scattering_to_the_bit(random_graphs):
    graphs = random_graphs(6, [40] * 20)
    x = torch.randn(graphs.num_nodes, 16, generator=seeded(4))
    assert torch.equal(WeightedSum()(x, graphs.edges), WeightedSum()(x, graphs.edge_index))


class Reference(MessagePassing):
    """The same sum by PyTorch Geometric."""

    def __init__(self):
        super().__init__(aggr="sum")

    def forward(self, x, edge_index, edge_weight=None):
        return self.propagate(edge_index, x=x, edge_weight=edge_weight)

    def message(self, x_j, edge_weight):
        return x_j if edge_weight is None else x_j * edge_weight.unsqueeze(-1)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_sums_and_gradients_are_those_of_pytorch_geometric_to_the_bit(
    random_graphs, weighted, known, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where it leaves a file
    graphs = random_graphs(7, [30] * 10)
    edges = (
        graphs.edges
        if known
        else graphs.edge_index[:, torch.randperm(graphs.edge_index.size(1), generator=seeded(5))]
    )
    found = []
    for module in (WeightedSum(), Reference()):
        x = torch.randn(graphs.num_nodes, 16, generator=seeded(6), requires_grad=True)
        weight = torch.rand(edges.size(1), generator=seeded(7), requires_grad=True)
        out = module(x, edges, weight if weighted else None)
        out.square().sum().backward()
        found.append([out, x.grad, *([weight.grad] if weighted else [])])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("how", ["scattered", "node by node"])
def test_benchmark_neighbour_sums(benchmark, how):
    """50 graphs of 40-50 nodes, width 64, forward and backward, one thread."""
    benchmark.group = "neighbour sums"
    graphs = component_graphs(np.repeat([1, 2, 3], 17), (40, 50), 0.05, np.random.default_rng(0))
    edges = graphs.edge_index if how == "scattered" else graphs.edges
    x = torch.randn(graphs.num_nodes, 64, generator=seeded(1), requires_grad=True)
    total, out = WeightedSum(), torch.ones(graphs.num_nodes, 64)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        benchmark(lambda: total(x, edges).backward(out))
    finally:
        torch.set_num_threads(before)
