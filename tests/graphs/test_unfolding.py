"""Unfolding trees: the same classes as Weisfeiler-Leman colours, the same logits and gradients as
one row a node.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.unfolding import Unfolding, _different_rows
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.seeds import generator


def drawn(seed: int, features: int = 1) -> PackedGraphs:
    """Random graphs, with isolated nodes, and features of few values."""
    rng = np.random.default_rng(seed)
    data = []
    for index in range(6):
        graph = nx.gnp_random_graph(int(rng.integers(1, 12)), 0.25, seed=int(rng.integers(1 << 30)))
        x = torch.from_numpy(rng.integers(0, 2, (graph.number_of_nodes(), features))).float()
        edges = (
            torch.tensor([*graph.edges, *((j, i) for i, j in graph.edges)], dtype=torch.long)
            .reshape(-1, 2)
            .T
        )
        data.append(_data(x, edges, index % 3))
    return PackedGraphs.from_data_list(data)


def _data(x, edges, y):
    from torch_geometric.data import Data

    return Data(x=x, edge_index=edges, y=torch.tensor([y]))


def trees(graphs: PackedGraphs, depth: int) -> list:
    """The unfolding tree of every node, written out as nested tuples."""
    features = [tuple(row) for row in graphs.x.tolist()]
    neighbours: list[list[int]] = [[] for _ in features]
    for source, target in graphs.edge_index.T.tolist():
        neighbours[source].append(target)
    found: list = [(f,) for f in features]
    for _ in range(depth):
        found = [
            (f, tuple(sorted(found[n] for n in around)))
            for f, around in zip(features, neighbours, strict=True)
        ]
    return found


@given(st.integers(0, 10_000), st.integers(0, 4))
@settings(max_examples=40, deadline=None)
def test_there_are_as_many_classes_as_different_trees(seed, depth):
    graphs = drawn(seed)
    assert Unfolding(graphs, depth).num_trees == [
        len(set(trees(graphs, level))) for level in range(depth + 1)
    ]


def test_a_constant_feature_has_one_tree_a_degree_at_depth_one():
    graphs = component_graphs(np.repeat([1, 2, 3], 20), (15, 20), 0.15, np.random.default_rng(0))
    degrees = torch.bincount(graphs.edge_index[0], minlength=graphs.num_nodes)
    assert Unfolding(graphs, 1).num_trees == [1, degrees.unique().numel()]


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_logits_and_gradients_are_those_of_one_row_a_node(seed, layers, features):
    graphs = drawn(seed, features)
    draws = generator(seed)
    model = GraphClassifier(
        Structure2Vec(in_features=features, width=8, layers=layers, generator=draws),
        num_classes=3,
        hidden=4,
        generator=draws,
    ).double()
    graphs = PackedGraphs(graphs.x.double(), graphs.edge_index, graphs.ptr, graphs.y)
    index = torch.randint(graphs.num_graphs, (9,), generator=draws)  # repeats, any order
    results = []
    for logits in (model(graphs.select(index)), model.batched(graphs)(index)):
        model.zero_grad()
        torch.nn.functional.cross_entropy(logits, graphs.y[index]).backward()
        results.append([logits.detach(), *(p.grad.clone() for p in model.parameters())])
    for plain, unfolded in zip(*results, strict=True):
        torch.testing.assert_close(unfolded, plain, rtol=1e-9, atol=1e-9)


def test_an_encoder_with_batch_normalisation_is_computed_node_by_node():
    graphs = drawn(0)
    draws = generator(0)
    model = GraphClassifier(
        GIN(in_features=1, width=4, layers=2, generator=draws),
        num_classes=3,
        hidden=4,
        generator=draws,
    ).eval()
    index = torch.tensor([3, 0, 3])
    assert torch.equal(model.batched(graphs)(index), model(graphs.select(index)))


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=30, deadline=None)
def test_one_feature_is_numbered_as_many_are(seed, constant):
    draws = torch.Generator().manual_seed(seed)
    x = torch.randint(0, 1 if constant else 5, (40, 1), generator=draws).float() * -0.5
    assert torch.equal(_different_rows(x), _different_rows(torch.cat([x, x], dim=1)))


@pytest.mark.parametrize("layers", [2, 3, 4])
@pytest.mark.parametrize("how", ["one row a node", "unfolded"])
def test_benchmark_training_step(benchmark, layers, how):
    """A supervised step of structure2vec on 50 graphs of 40-50 nodes: compare the two rows of each
    number of layers.
    """
    benchmark.group = f"training step, {layers} layers"
    torch.set_num_threads(1)
    graphs = component_graphs(np.repeat([1, 2, 3], 100), (40, 50), 0.05, np.random.default_rng(0))
    draws = generator(0)
    encoder = Structure2Vec(in_features=1, width=64, layers=layers, generator=draws)
    model = GraphClassifier(encoder, num_classes=3, hidden=32, generator=draws)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    index = torch.randperm(300, generator=draws)[:50]
    logits_of = (
        model.batched(graphs) if how == "unfolded" else lambda index: model(graphs.select(index))
    )

    def step() -> None:
        loss = torch.nn.functional.cross_entropy(logits_of(index), graphs.y[index])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    benchmark(step)
