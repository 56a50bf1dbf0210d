"""Augmented views against induced subgraphs of networkx, by features that number the nodes."""

from __future__ import annotations

from fractions import Fraction

import networkx as nx
import pytest
import torch
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.contrast.augment import Augmentation, augment, node_drop, subgraph
from robust_augcl.graphs.packed import PackedGraphs

SEEDS = st.integers(0, 2**32)
PERCENT = st.integers(0, 99)


def share(size, percent):
    """Floor of the share, in exact arithmetic."""
    return int(Fraction(percent, 100) * size)


def named(to_networkx, data):
    """The networkx picture with each node called by its feature."""
    return nx.relabel_nodes(to_networkx(data), dict(enumerate(data.x[:, 0].tolist())))


def is_induced(view, whole):
    expected = whole.subgraph(view.nodes)
    return set(view.nodes) == set(expected.nodes) and {frozenset(e) for e in view.edges} == {
        frozenset(e) for e in expected.edges
    }


def copy(graphs):
    return PackedGraphs(
        graphs.x.clone(), graphs.edge_index.clone(), graphs.ptr.clone(), graphs.y.clone()
    )


@given(data=st.data(), seed=SEEDS, percent=PERCENT)
def test_node_drop_leaves_out_its_share_and_keeps_the_induced_subgraph(
    data, seed, percent, data_lists, to_networkx
):
    graphs = data.draw(data_lists(max_nodes=12))
    views = node_drop(PackedGraphs.from_data_list(graphs), percent / 100, seeded(seed))
    assert views.num_graphs == len(graphs)
    for number, graph in enumerate(graphs):
        assert views[number].num_nodes == graph.num_nodes - share(graph.num_nodes, percent)
        assert is_induced(named(to_networkx, views[number]), named(to_networkx, graph))
        assert torch.equal(views[number].y, graph.y)


def test_node_drop_drops_every_node_equally_often(to_data):
    # The first graph leaves out one node of three, the second two of five.
    draws = 4000
    graphs = PackedGraphs.from_data_list(
        [to_data(3, [(0, 1)], first_id=0), to_data(5, [(0, 1), (1, 2)], first_id=3)]
    )
    views = node_drop(graphs.select(torch.arange(2).repeat(draws)), 0.4, seeded(0))
    first, second = torch.bincount(views.x[:, 0].long(), minlength=8).split([3, 5])
    assert int(first.sum()) == draws * 2
    assert int(second.sum()) == draws * 3
    # Five standard deviations of a binomial count.
    assert float((first - draws * 2 / 3).abs().max()) < 5 * (draws * 2 / 9) ** 0.5
    assert float((second - draws * 3 / 5).abs().max()) < 5 * (draws * 6 / 25) ** 0.5


@pytest.mark.parametrize(("size", "percent"), [(30, 10), (100, 53), (75, 84), (100, 59), (150, 78)])
def test_shares_that_are_whole_numbers_of_nodes_are_exact(to_data, size, percent):
    ring = PackedGraphs.from_data_list(
        [to_data(size, [(node, (node + 1) % size) for node in range(size)])]
    )
    kept = node_drop(ring, percent / 100, seeded(0)).num_nodes
    assert kept == size - share(size, percent)


@pytest.mark.parametrize("augmentation", [node_drop, subgraph])
def test_the_highest_ratio_keeps_a_node(random_graphs, augmentation):
    sizes = augmentation(random_graphs(4), 1 - 1e-12, seeded(0)).sizes
    assert (sizes >= 1).all()
    assert (sizes <= random_graphs(4).sizes).all()


@given(data=st.data(), seed=SEEDS, percent=PERCENT)
def test_subgraph_is_connected_induced_and_no_larger_than_its_share(
    data, seed, percent, data_lists, to_networkx
):
    graphs = data.draw(data_lists(max_nodes=12))
    views = subgraph(PackedGraphs.from_data_list(graphs), percent / 100, seeded(seed))
    assert views.num_graphs == len(graphs)
    for number, graph in enumerate(graphs):
        view = named(to_networkx, views[number])
        assert (
            1 <= view.number_of_nodes() <= min(share(graph.num_nodes, percent) + 1, graph.num_nodes)
        )
        assert nx.is_connected(view)
        assert is_induced(view, named(to_networkx, graph))
        assert torch.equal(views[number].y, graph.y)


@given(seed=SEEDS)
def test_subgraph_stays_at_a_node_without_neighbours(seed, to_data):
    graphs = PackedGraphs.from_data_list([to_data(6, []), to_data(2, [(0, 1)]), to_data(5, [])])
    assert subgraph(graphs, 0.5, seeded(seed)).sizes.tolist() == [1, 2, 1]


@given(seed=SEEDS, percent=PERCENT, size=st.integers(1, 9))
def test_subgraph_on_a_complete_graph_rarely_falls_short(seed, percent, size, to_data):
    # A complete graph of n nodes: a walk of n steps reaches two nodes for certain, if there are
    # two.
    complete = to_data(size, [(i, j) for i in range(size) for j in range(i)])
    (kept,) = subgraph(
        PackedGraphs.from_data_list([complete]), percent / 100, seeded(seed)
    ).sizes.tolist()
    assert min(share(size, percent) + 1, 2) <= kept <= share(size, percent) + 1


@pytest.mark.parametrize("percent", [10, 20, 30])
def test_subgraph_reaches_its_full_size_where_the_steps_suffice(to_data, percent):
    # 200 draws on complete graphs of 40 nodes: 40 steps at 13 nodes or fewer reach the share but
    # with a chance of about 1e-12.
    complete = PackedGraphs.from_data_list(
        [to_data(40, [(i, j) for i in range(40) for j in range(i)])]
    )
    views = subgraph(complete.select(torch.zeros(200, dtype=torch.long)), percent / 100, seeded(0))
    assert views.sizes.tolist() == [share(40, percent) + 1] * 200


def test_subgraph_walks_at_most_n_steps(to_data):
    # On a path a walk goes to and fro: to see all 10 nodes in 10 steps it must go 9 in one
    # direction.
    path = PackedGraphs.from_data_list([to_data(10, [(k, k + 1) for k in range(9)])])
    sizes = subgraph(path.select(torch.zeros(3000, dtype=torch.long)), 0.9, seeded(0)).sizes
    # From an end that has a chance of 2^-8 (the first step is forced), from its neighbour less,
    # from elsewhere none.
    assert float((sizes == 10).float().mean()) < 0.01
    assert int(sizes.min()) >= 2


def test_subgraph_walks_to_every_neighbour_equally_often(to_data):
    # On a star a walk from the middle goes to any leaf, and one from a leaf to the middle.
    draws = 6000
    star = PackedGraphs.from_data_list([to_data(4, [(0, 1), (0, 2), (0, 3)])])
    views = subgraph(star.select(torch.zeros(draws, dtype=torch.long)), 0.25, seeded(0))
    assert views.sizes.tolist() == [2] * draws
    pairs = views.x[:, 0].long().reshape(draws, 2)
    assert (pairs.min(1).values == 0).all()
    leaves = torch.bincount(pairs.max(1).values, minlength=4)[1:]
    assert float((leaves - draws / 3).abs().max()) < 5 * (draws * 2 / 9) ** 0.5


CHOICES = [
    Augmentation("node_drop", 0.3),
    Augmentation("subgraph", 0.5),
    Augmentation("node_drop", 0.0),
]


@given(data=st.data(), seed=SEEDS, count=st.integers(1, 3))
def test_views_keep_the_order_of_graphs_and_their_classes(
    data, seed, count, data_lists, to_networkx
):
    graphs = data.draw(data_lists(max_graphs=8))
    packed = PackedGraphs.from_data_list(graphs)
    before = copy(packed)
    views = augment(packed, CHOICES[:count], seeded(seed))
    assert views.num_graphs == len(graphs)
    for number, graph in enumerate(graphs):
        assert is_induced(named(to_networkx, views[number]), named(to_networkx, graph))
        assert torch.equal(views[number].y, graph.y)
    assert packed.same_as(before)
    assert augment(packed, CHOICES[:count], seeded(seed)).same_as(views)


def test_one_of_the_choices_is_drawn_for_each_graph(to_data):
    # Told apart by size: 10 - 3, 5 + 1 at most, or 10 nodes.
    draws = 3000
    complete = PackedGraphs.from_data_list(
        [to_data(10, [(i, j) for i in range(10) for j in range(i)])]
    )
    sizes = augment(complete.select(torch.zeros(draws, dtype=torch.long)), CHOICES, seeded(0)).sizes
    counts = [int((sizes == 7).sum()), int((sizes <= 6).sum()), int((sizes == 10).sum())]
    assert sum(counts) == draws
    assert all(abs(count - draws / 3) < 5 * (draws * 2 / 9) ** 0.5 for count in counts)


def test_views_differ_from_draw_to_draw_and_leave_the_global_random_state_alone(random_graphs):
    graphs = random_graphs(0, [12] * 6)
    state = torch.get_rng_state()
    generator = seeded(0)
    first, second = (augment(graphs, CHOICES, generator) for _ in range(2))
    assert not first.same_as(second)
    assert torch.equal(torch.get_rng_state(), state)


def test_ratio_0_of_node_drop_changes_nothing(random_graphs):
    graphs = random_graphs(1)
    assert node_drop(graphs, 0.0, seeded(0)).same_as(graphs)


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 1.5, float("nan")])
def test_a_ratio_out_of_range_is_refused(ratio):
    with pytest.raises(ValueError, match="ratio"):
        Augmentation("node_drop", ratio)
