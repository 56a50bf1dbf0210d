"""Views of a graph's nodes: centralities against networkx, shares against loops, drops by count."""

from __future__ import annotations

import math

import networkx as nx
import pytest
import torch
from generators import seeded
from torch_geometric.data import Data

from robust_augcl.contrast.centrality import centrality, edge_drop_shares, feature_drop_shares
from robust_augcl.contrast.node_views import NodeViews, drop_edges, mask_features
from robust_augcl.graphs.packed import PackedGraphs


def one_graph(nodes=40, edges=0.15, features=30, seed=3):
    drawn = nx.gnp_random_graph(nodes, edges, seed=seed)
    largest = max(nx.connected_components(drawn), key=len)
    drawn = nx.convert_node_labels_to_integers(drawn.subgraph(largest), ordering="sorted")
    pairs = torch.tensor(sorted((*drawn.edges, *((j, i) for i, j in drawn.edges)))).T
    x = (torch.rand(len(drawn), features, generator=seeded(seed)) < 0.2).float()
    x[:, 0] = 0  # a feature that no node has
    return PackedGraphs.from_data_list([Data(x=x, edge_index=pairs)]), drawn


def test_centralities_are_those_of_networkx():
    graphs, drawn = one_graph()
    expected = {
        "degree": dict(drawn.degree),
        "eigenvector": nx.eigenvector_centrality_numpy(drawn),
        "pagerank": nx.pagerank(drawn, tol=1e-12, max_iter=1000),
    }
    for name, values in expected.items():
        found = centrality(graphs, name)
        told = torch.tensor([values[node] for node in range(len(drawn))], dtype=torch.float64)
        assert torch.allclose(found, told, atol=1e-8), name


def test_pagerank_of_nodes_without_edges_is_that_of_networkx():
    drawn = nx.Graph([(0, 1), (1, 2)])
    drawn.add_node(3)
    graphs = PackedGraphs.from_data_list(
        [Data(x=torch.ones(4, 1), edge_index=torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))]
    )
    told = nx.pagerank(drawn, tol=1e-13, max_iter=1000)
    found = centrality(graphs, "pagerank").tolist()
    assert found == pytest.approx([told[node] for node in range(4)], abs=1e-9)


@pytest.mark.parametrize("name", ["degree", "pagerank"])
def test_shares_are_those_of_the_formula(name):
    """GCA, equations 2 to 6, by loops."""
    graphs, drawn = one_graph()
    phi = centrality(graphs, name)

    def shares(weights, share):
        logs = [math.log(weight) for weight in weights if weight > 0]
        highest, mean = max(logs), sum(logs) / len(logs)
        return [
            min((highest - math.log(weight)) / (highest - mean) * share, 0.7) if weight > 0 else 0.7
            for weight in weights
        ]

    edges = sorted((min(edge), max(edge)) for edge in drawn.edges)
    weights = [float(phi[u] + phi[v]) / 2 for u, v in edges]
    found = edge_drop_shares(graphs, phi, 0.3).tolist()
    assert found == pytest.approx(shares(weights, 0.3), abs=1e-6)
    has = graphs.x.tolist()
    weights = [
        sum(float(phi[node]) for node in range(len(has)) if has[node][column])
        for column in range(graphs.x.size(1))
    ]
    found = feature_drop_shares(graphs, phi, 0.4).tolist()
    assert found == pytest.approx(shares(weights, 0.4), abs=1e-6)


@pytest.mark.parametrize("divided", [False, True])
def test_features_count_by_their_size_where_they_are_dense(divided):
    """GCA, equation 6: |x_ui|; of features of 0 and 1, divided by a node's sum or not, 0 or 1."""
    graphs, _ = one_graph()
    phi = centrality(graphs, "degree")
    draws = torch.rand(graphs.x.shape, generator=seeded(8))
    dense = graphs.with_features((draws - 0.5) * torch.arange(1, 31))
    found = feature_drop_shares(dense, phi, 0.2)
    s = (dense.x.abs().double().T @ phi).log()
    expected = ((s.max() - s) / (s.max() - s.mean()) * 0.2).clamp(max=0.7)
    assert torch.allclose(found, expected, atol=1e-5)
    assert float(found.max() - found.min()) > 0.1
    x = graphs.x / graphs.x.sum(1, keepdim=True).clamp(min=1) if divided else graphs.x
    assert torch.equal(
        feature_drop_shares(graphs.with_features(x), phi, 0.2),
        feature_drop_shares(graphs, phi, 0.2),
    )


def test_equally_central_things_are_dropped_equally_often():
    ring = nx.cycle_graph(6)
    pairs = torch.tensor(sorted((*ring.edges, *((j, i) for i, j in ring.edges)))).T
    graphs = PackedGraphs.from_data_list([Data(x=torch.ones(6, 2), edge_index=pairs)])
    assert edge_drop_shares(graphs, centrality(graphs, "degree"), 0.3).tolist() == [0.3] * 6


def test_a_view_keeps_both_directions_of_an_edge_or_neither():
    graphs, _ = one_graph()
    kept = drop_edges(graphs, 0.5, seeded(0))
    forth = set(map(tuple, kept.T.tolist()))
    assert forth == {(j, i) for i, j in forth}
    assert forth < set(map(tuple, graphs.edge_index.T.tolist()))
    assert sorted(forth) == list(map(tuple, kept.T.tolist()))  # the order of packed graphs


def test_things_are_dropped_as_often_as_they_should_be():
    graphs, _ = one_graph()
    generator, times = seeded(1), 400
    edges = edge_drop_shares(graphs, centrality(graphs, "degree"), 0.3)
    forward = graphs.edge_index[0] < graphs.edge_index[1]
    pairs = graphs.edge_index[:, forward]
    left = torch.zeros(pairs.size(1))
    masked = torch.zeros(graphs.x.size(1))
    for _ in range(times):
        kept = drop_edges(graphs, edges, generator)
        keys = kept[0] * graphs.num_nodes + kept[1]
        left += torch.isin(pairs[0] * graphs.num_nodes + pairs[1], keys)
        masked += (mask_features(torch.ones_like(graphs.x), 0.25, generator)[0] == 0).float()
    # Five standard deviations of a share of 400 draws are at most 0.125.
    assert float((1 - left / times - edges).abs().max()) < 0.125
    assert float((masked / times - 0.25).abs().max()) < 0.125


def test_gca_spares_what_is_central_and_views_are_drawn_anew():
    graphs, drawn = one_graph()
    views = NodeViews(graphs, "gca", "degree", (0.5, 0.5), (0.3, 0.3), seeded(4))
    kept = torch.zeros(graphs.num_nodes)
    pairs = [views.draw() for _ in range(50)]
    for first, second in pairs:
        assert not first.same_as(second)
        kept += first.degree / 50
    share = kept / graphs.degree.clamp(min=1)
    degrees = torch.tensor([degree for _, degree in sorted(drawn.degree)])
    assert float(share[degrees >= degrees.median()].mean()) > float(
        share[degrees < degrees.median()].mean()
    )
