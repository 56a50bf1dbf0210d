"""Keys are equal exactly where colour refinement cannot tell graphs apart."""

from __future__ import annotations

import networkx as nx
import torch
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.graphs.keys import graph_keys
from robust_augcl.graphs.packed import PackedGraphs


def plain(graphs: list) -> PackedGraphs:
    for graph in graphs:
        graph.x = torch.ones(graph.num_nodes, 1)
    return PackedGraphs.from_data_list(graphs)


@given(data=st.data())
def test_keys_are_equal_exactly_where_networkx_finds_the_same_colours(
    data, data_lists, to_networkx
):
    graphs = data.draw(data_lists(min_graphs=2, max_graphs=6, max_nodes=5))
    keys = graph_keys(plain(graphs), rounds=8).tolist()
    # Enough rounds on so few nodes that both have come to rest.
    colours = [
        (graph.num_nodes, nx.weisfeiler_lehman_graph_hash(to_networkx(graph), iterations=8))
        for graph in graphs
    ]
    for one in range(len(graphs)):
        for other in range(one):
            assert (keys[one] == keys[other]) == (colours[one] == colours[other])


@given(data=st.data())
def test_the_order_of_nodes_and_the_company_do_not_matter(data, data_lists):
    graphs = data.draw(data_lists())
    number = data.draw(st.integers(0, len(graphs) - 1))
    packed = PackedGraphs.from_data_list(graphs)
    moved = graphs[number].clone()
    order = torch.tensor(data.draw(st.permutations(range(moved.num_nodes))))
    moved.x, moved.edge_index = (
        torch.empty_like(moved.x).index_copy_(0, order, moved.x),
        order[moved.edge_index],
    )
    assert graph_keys(packed)[number] == graph_keys(PackedGraphs.from_data_list([moved]))[0]


def test_features_enter_and_classes_do_not(to_data):
    one, other, relabelled = (to_data(3, [(0, 1)], y=y) for y in (0, 0, 2))
    other.x = other.x + 1
    keys = graph_keys(PackedGraphs.from_data_list([one, other, relabelled]))
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]


def test_two_triangles_look_like_a_ring_of_six_as_they_do_to_message_passing(to_data):
    triangles = to_data(6, [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)])
    ring = to_data(6, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5)])
    path = to_data(6, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)])
    keys = graph_keys(plain([triangles, ring, path]))
    assert keys[0] == keys[1] != keys[2]
