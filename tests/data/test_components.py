"""Component graphs against their definition, checked and simulated with networkx; and splits by
class.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

import networkx as nx
import numpy as np
import pytest
import torch
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from robust_augcl.data.components import ComponentGraphs, component_graphs
from robust_augcl.errors import InputError
from robust_augcl.graphs.data_source import Split
from robust_augcl.graphs.dataset import load_dataset, split_by_class
from robust_augcl.graphs.labels import unproved_labels
from robust_augcl.graphs.packed import PackedGraphs


def check_edges(graphs):
    """Both directions, each once, sorted, no loops, inside one graph."""
    source, target = graphs.edge_index
    keys = source * graphs.num_nodes + target
    assert (keys.diff() > 0).all()
    assert torch.equal((target * graphs.num_nodes + source).sort().values, keys)
    assert (source != target).all()
    assert torch.equal(graphs.batch[source], graphs.batch[target])


@given(
    seed=st.integers(0, 2**32),
    components=st.lists(st.integers(1, 3), min_size=1, max_size=6),
    nodes=st.tuples(st.integers(6, 20), st.integers(0, 12)).map(
        lambda pair: (pair[0], pair[0] + pair[1])
    ),
    probability=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
)
def test_every_graph_is_what_its_class_says(seed, components, nodes, probability, to_networkx):
    graphs = component_graphs(np.array(components), nodes, probability, np.random.default_rng(seed))
    check_edges(graphs)
    assert graphs.y.tolist() == [count - 1 for count in components]
    assert torch.equal(graphs.x, torch.ones(graphs.num_nodes, 1))
    for number, count in enumerate(components):
        parts = list(nx.connected_components(to_networkx(graphs[number])))
        assert len(parts) == count
        assert all(nodes[0] // count <= len(part) <= nodes[1] // count for part in parts)


@pytest.mark.parametrize("nodes", [(15, 20), (40, 50), (90, 100)])
def test_published_settings(nodes, to_networkx):
    source = ComponentGraphs(nodes=nodes, graphs_per_class=20)
    assert source.probability == {(15, 20): 0.15, (40, 50): 0.05, (90, 100): 0.02}[nodes]
    assert source.label == f"components {nodes[0]}-{nodes[1]}"
    graphs = source.load(None, seeded(0))
    assert Counter(graphs.y.tolist()) == {0: 20, 1: 20, 2: 20}
    for data in graphs.to_data_list():
        assert nx.number_connected_components(to_networkx(data)) == int(data.y) + 1
    assert not unproved_labels(graphs, source.label_rule).any()


def test_many_graphs_are_drawn_in_blocks_without_a_seam(to_networkx):
    kinds = np.tile([1, 2, 3], 700)
    graphs = component_graphs(kinds, (15, 20), 0.15, np.random.default_rng(0))
    check_edges(graphs)
    assert graphs.num_graphs == 2100
    assert torch.equal(graphs.y, torch.from_numpy(kinds) - 1)
    for number in (0, 1, 1498, 1499, 1500, 1501, 2099):
        assert nx.number_connected_components(to_networkx(graphs[number])) == kinds[number]
    assert graphs.num_components.tolist() == kinds.tolist()


def test_labels_that_the_count_does_not_prove_are_found(to_data):
    graphs = PackedGraphs.from_data_list(
        [to_data(3, [(0, 1)], y=1), to_data(3, [(0, 1)], y=0), to_data(2, [(0, 1)], y=0)]
    )
    assert unproved_labels(graphs, "components").tolist() == [False, True, False]
    assert unproved_labels(graphs, "none").tolist() == [False] * 3


def test_component_sizes_are_uniform_in_their_range(to_networkx):
    graphs = component_graphs(np.full(600, 2), (40, 50), 0.2, np.random.default_rng(1))
    sizes = Counter(
        len(part)
        for data in graphs.to_data_list()
        for part in nx.connected_components(to_networkx(data))
    )
    assert sorted(sizes) == list(range(20, 26))
    assert chisquare(list(sizes.values())).pvalue > 0.001


def test_every_pair_is_an_edge_with_the_probability():
    # 20 nodes at 0.5 are all but surely connected, so that there are no joints.
    count, size = 600, 20
    graphs = component_graphs(
        np.ones(count, dtype=int), (size, size), 0.5, np.random.default_rng(2)
    )
    pairs = Counter(
        tuple(edge)
        for data in graphs.to_data_list()
        for edge in data.edge_index.T.tolist()
        if edge[0] < edge[1]
    )
    assert len(pairs) == size * (size - 1) // 2
    # Five standard deviations of binomial counts.
    total = count * len(pairs)
    assert abs(sum(pairs.values()) - total / 2) < 5 * (total / 4) ** 0.5
    assert all(abs(seen - count / 2) < 5 * (count / 4) ** 0.5 for seen in pairs.values())


def test_every_pair_is_an_edge_equally_often_joints_included():
    # Nodes have no order: a joint that favoured the first node of a piece would show.
    count = 3000
    graphs = component_graphs(np.ones(count, dtype=int), (6, 6), 0.25, np.random.default_rng(7))
    source, target = graphs.edge_index - graphs.ptr[graphs.batch[graphs.edge_index[0]]]
    seen = torch.bincount((source * 6 + target)[source < target], minlength=36)
    seen = seen[seen > 0].double()
    assert len(seen) == 15
    share = float(seen.mean()) / count
    assert share > 0.3
    assert float((seen - seen.mean()).abs().max()) < 5 * (count * share * (1 - share)) ** 0.5


def simulated(size, probability, rng):
    """The definition, step by step: an Erdos-Renyi graph, then its components chained up in random
    order.
    """
    graph = nx.gnp_random_graph(size, probability, seed=int(rng.integers(2**31)))
    pieces = [list(part) for part in nx.connected_components(graph)]
    rng.shuffle(pieces)
    for left, right in pairwise(pieces):
        graph.add_edge(rng.choice(left), rng.choice(right))
    return graph


def test_edges_and_degrees_are_those_of_a_simulation(to_networkx):
    count, size, probability = 400, 45, 0.05
    graphs = component_graphs(
        np.ones(count, int), (size, size), probability, np.random.default_rng(3)
    )
    ours = [to_networkx(data) for data in graphs.to_data_list()]
    rng = np.random.default_rng(4)
    theirs = [simulated(size, probability, rng) for _ in range(count)]

    def statistics(graph):
        degrees = [degree for _, degree in graph.degree]
        return [graph.number_of_edges(), np.var(degrees), degrees.count(1), nx.diameter(graph)]

    a, b = (
        np.array([statistics(graph) for graph in drawn], dtype=float) for drawn in (ours, theirs)
    )
    error = np.sqrt((a.var(0) + b.var(0)) / count)
    assert (np.abs(a.mean(0) - b.mean(0)) < 4.5 * error).all()
    # There are joints: more edges than pairs times probability.
    assert a[:, 0].mean() > size * (size - 1) / 2 * probability + 3


def test_without_edges_the_joints_are_a_random_chain(to_networkx):
    graphs = component_graphs(np.ones(300, dtype=int), (6, 6), 0.0, np.random.default_rng(5))
    neighbours = Counter()
    for data in graphs.to_data_list():
        graph = to_networkx(data)
        assert nx.is_connected(graph)
        assert sorted(degree for _, degree in graph.degree) == [1, 1, 2, 2, 2, 2]
        neighbours.update(frozenset(edge) for edge in graph.edges)
    # Any two of six nodes follow one another equally often.
    assert len(neighbours) == 15
    assert chisquare(list(neighbours.values())).pvalue > 0.001


def test_with_all_edges_the_components_are_complete(to_networkx):
    graphs = component_graphs(np.array([1, 2, 3]), (12, 15), 1.0, np.random.default_rng(6))
    for data in graphs.to_data_list():
        graph = to_networkx(data)
        for part in nx.connected_components(graph):
            assert all(graph.has_edge(i, j) for i, j in combinations(part, 2))


def test_the_same_generator_gives_the_same_graphs():
    source = ComponentGraphs(graphs_per_class=15)
    state = torch.get_rng_state()
    assert source.load(None, seeded(0)).same_as(source.load(None, seeded(0)))
    assert not source.load(None, seeded(0)).same_as(source.load(None, seeded(1)))
    assert torch.equal(torch.get_rng_state(), state)


def test_scaled_changes_the_number_of_graphs_only():
    source = ComponentGraphs(nodes=(12, 14), edge_probability=0.3, graphs_per_class=200)
    assert source.scaled(0.1) == ComponentGraphs(
        nodes=(12, 14), edge_probability=0.3, graphs_per_class=20
    )
    assert source.scaled(1e-9).graphs_per_class == 1


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"nodes": (5, 10), "edge_probability": 0.1}, "nodes"),
        ({"nodes": (20, 15), "edge_probability": 0.1}, "nodes"),
        ({"nodes": (16, 21)}, "edge_probability"),
        ({"edge_probability": -0.1}, "edge_probability"),
        ({"edge_probability": 1.1}, "edge_probability"),
        ({"edge_probability": float("nan")}, "edge_probability"),
        ({"graphs_per_class": 0}, "graphs_per_class"),
    ],
)
def test_settings_out_of_range_are_refused(settings, field):
    with pytest.raises(ValueError, match=f"`{field}`"):
        ComponentGraphs(**settings)


def test_drawing_the_published_number_of_graphs(benchmark):
    source = ComponentGraphs()
    graphs = benchmark.pedantic(lambda: source.load(None, seeded(0)), rounds=3)
    assert graphs.num_graphs == 15_000


# --- splits ---------------------------------------------------------------------------------------


def labelled(classes, to_data):
    return PackedGraphs.from_data_list([to_data(1, [], y=y) for y in classes])


@pytest.mark.parametrize(("test", "validation"), [(0.1, 0.1), (0.2, 0.3), (0.5, 0.25)])
def test_each_class_is_split_by_the_same_shares(to_data, test, validation):
    classes = [0] * 40 + [1] * 80 + [2] * 120
    graphs = labelled(classes, to_data)
    dataset = split_by_class(graphs, Split(test, validation), seeded(0))
    parts = [dataset.train.tolist(), dataset.validation.tolist(), dataset.test.tolist()]
    assert sorted(number for part in parts for number in part) == list(range(240))
    assert all(part == sorted(part) for part in parts)
    for part, share in zip(parts, (1 - test - validation, validation, test), strict=True):
        counts = Counter(classes[number] for number in part)
        assert counts == {y: round(share * classes.count(y)) for y in (0, 1, 2)}
    assert dataset.num_classes == 3
    assert torch.equal(dataset.part(dataset.test).y, graphs.y[dataset.test])


@pytest.mark.parametrize("per_class", [10, 20, 50, 100, 300, 500])
def test_a_tenth_is_a_tenth(to_data, per_class):
    dataset = split_by_class(labelled([0, 1, 2] * per_class, to_data), Split(0.1, 0.1), seeded(0))
    tenth = 3 * per_class // 10
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (
        8 * tenth,
        tenth,
        tenth,
    )


def test_splits_are_drawn_from_the_generator(to_data):
    graphs = labelled([0, 1] * 50, to_data)
    state = torch.get_rng_state()
    first, again, other = (split_by_class(graphs, Split(), seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.test, again.test)
    assert torch.equal(first.validation, again.validation)
    assert not torch.equal(first.test, other.test)
    assert not torch.equal(first.validation, other.validation)
    assert torch.equal(torch.get_rng_state(), state)


def test_loading_a_data_set_depends_on_the_generator_only():
    source = ComponentGraphs(graphs_per_class=20)
    first, again, other = (load_dataset(source, Split(), None, seeded(seed)) for seed in (0, 0, 1))
    assert first.graphs.same_as(again.graphs)
    assert torch.equal(first.train, again.train)
    assert not first.graphs.same_as(other.graphs)


def test_too_few_graphs_of_a_class_are_refused(to_data):
    with pytest.raises(InputError, match="enough graphs of each class to split 21"):
        split_by_class(labelled([0] * 20 + [1], to_data), Split(), seeded(0))


@pytest.mark.parametrize(
    ("shares", "field"),
    [
        ({"test": 0.0}, "test"),
        ({"test": 1.0}, "test"),
        ({"validation": -0.1}, "validation"),
        ({"test": 0.6, "validation": 0.4}, "train"),
    ],
)
def test_shares_out_of_range_are_refused(shares, field):
    with pytest.raises(ValueError, match=field):
        Split(**shares)
