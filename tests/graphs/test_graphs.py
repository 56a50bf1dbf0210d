"""Packed graphs against plain sets of edges and networkx."""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric.data import Data

from robust_augcl.errors import InputError
from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.packed import PackedGraphs, pack
from robust_augcl.graphs.ragged import ranges, runs


def directed(data):
    """Every directed edge of a `Data`, sorted."""
    return sorted(map(tuple, data.edge_index.T.tolist()))


def same(left, right):
    """Whether two `Data` have the same features, edges and class."""
    return (
        torch.equal(left.x, right.x)
        and directed(left) == directed(right)
        and torch.equal(left.y, right.y)
    )


def check_layout(graphs):
    """What packed graphs promise of their edges: both directions, each once, sorted, no loops,
    inside their graph.
    """
    edges = list(map(tuple, graphs.edge_index.T.tolist()))
    assert edges == sorted(set(edges))
    assert {(j, i) for i, j in edges} == set(edges)
    assert all(i != j for i, j in edges)
    owner = graphs.batch.tolist()
    assert all(owner[i] == owner[j] for i, j in edges)


@given(data=st.data())
def test_packing_and_taking_out_gives_the_same_graphs(data, data_lists):
    graphs = data.draw(data_lists())
    packed = PackedGraphs.from_data_list(graphs)
    check_layout(packed)
    assert len(packed) == packed.num_graphs == len(graphs)
    assert packed.num_nodes == sum(g.num_nodes for g in graphs)
    assert packed.sizes.tolist() == [g.num_nodes for g in graphs]
    assert packed.batch.tolist() == [
        number for number, g in enumerate(graphs) for _ in range(g.num_nodes)
    ]
    assert packed.num_undirected_edges.tolist() == [len(directed(g)) // 2 for g in graphs]
    assert all(same(packed[number], g) for number, g in enumerate(graphs))
    assert all(same(a, b) for a, b in zip(packed.to_data_list(), graphs, strict=True))
    assert same(packed[-1], graphs[-1])


def test_equal_graphs_are_packed_bit_for_bit_alike(to_data):
    one = to_data(4, [(0, 1), (2, 1), (3, 0)])
    other = to_data(4, [(0, 3), (1, 2), (1, 0)])
    assert torch.equal(
        PackedGraphs.from_data_list([one]).edge_index,
        PackedGraphs.from_data_list([other]).edge_index,
    )


def test_duplicates_and_loops_are_dropped():
    edge_index = torch.tensor([[0, 1, 0, 1, 2, 0], [1, 0, 1, 0, 2, 1]])
    packed = PackedGraphs.from_data_list(
        [Data(x=torch.ones(3, 1), edge_index=edge_index, y=torch.tensor([1]))]
    )
    assert packed.edge_index.tolist() == [[0, 1], [1, 0]]


def test_what_is_taken_out_is_a_copy(to_data):
    packed = PackedGraphs.from_data_list([to_data(3, [(0, 1)]), to_data(2, [(0, 1)])])
    taken = packed[1]
    taken.x += 5
    taken.edge_index += 5
    taken.y += 5
    assert same(packed[1], to_data(2, [(0, 1)]))


def test_a_graph_without_a_class_gets_class_0():
    packed = PackedGraphs.from_data_list(
        [Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0, 1], [1, 0]]))]
    )
    assert packed.y.tolist() == [0]


@pytest.mark.parametrize("index", [2, -3])
def test_a_graph_number_out_of_range_is_refused(to_data, index):
    packed = PackedGraphs.from_data_list([to_data(3, [(0, 1)]), to_data(2, [(0, 1)])])
    with pytest.raises(IndexError, match="below 2"):
        packed[index]


@given(data=st.data())
def test_select_takes_graphs_in_any_order_and_many_times(data, data_lists):
    graphs = data.draw(data_lists())
    index = data.draw(st.lists(st.integers(0, len(graphs) - 1), min_size=1, max_size=8))
    chosen = PackedGraphs.from_data_list(graphs).select(torch.tensor(index))
    check_layout(chosen)
    assert chosen.num_graphs == len(index)
    assert all(same(chosen[place], graphs[number]) for place, number in enumerate(index))


@given(data=st.data())
def test_flip_toggles_edges(data, data_lists, to_networkx):
    graphs = data.draw(data_lists())
    packed = PackedGraphs.from_data_list(graphs)
    before = packed.edge_index.clone()
    pairs = [(g, i, j) for g, d in enumerate(graphs) for i in range(d.num_nodes) for j in range(i)]
    flips = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    table = torch.tensor(flips, dtype=torch.long).reshape(-1, 3)
    flipped = packed.flip(table[:, 0], table[:, 1:].T)
    check_layout(flipped)
    assert torch.equal(packed.edge_index, before)
    for number, original in enumerate(graphs):
        expected = {frozenset(e) for e in to_networkx(original).edges}
        for graph, i, j in flips:
            if graph == number:
                expected ^= {frozenset((i, j))}
        assert {frozenset(e) for e in to_networkx(flipped[number]).edges} == expected
        assert torch.equal(flipped[number].x, original.x)
        assert torch.equal(flipped[number].y, original.y)


@given(data=st.data())
def test_keep_nodes_gives_the_induced_subgraphs(data, data_lists, to_networkx):
    graphs = data.draw(data_lists())
    packed = PackedGraphs.from_data_list(graphs)
    masks = []
    for graph in graphs:
        mask = data.draw(
            st.lists(st.booleans(), min_size=graph.num_nodes, max_size=graph.num_nodes)
        )
        mask[data.draw(st.integers(0, graph.num_nodes - 1))] = True
        masks.append(mask)
    kept = packed.keep_nodes(torch.tensor([keep for mask in masks for keep in mask]))
    check_layout(kept)
    for number, (original, mask) in enumerate(zip(graphs, masks, strict=True)):
        names = original.x[:, 0].tolist()
        whole = nx.relabel_nodes(to_networkx(original), dict(enumerate(names)))
        expected = whole.subgraph([name for name, keep in zip(names, mask, strict=True) if keep])
        got = nx.relabel_nodes(
            to_networkx(kept[number]), dict(enumerate(kept[number].x[:, 0].tolist()))
        )
        assert set(got.nodes) == set(expected.nodes)
        assert {frozenset(e) for e in got.edges} == {frozenset(e) for e in expected.edges}
        assert torch.equal(kept[number].y, original.y)


@given(data=st.data())
def test_concatenate_puts_one_part_after_the_other(data, data_lists):
    parts = [data.draw(data_lists(max_graphs=3)) for _ in range(data.draw(st.integers(1, 3)))]
    joined = concatenate([PackedGraphs.from_data_list(part) for part in parts])
    check_layout(joined)
    flat = [graph for part in parts for graph in part]
    assert joined.num_graphs == len(flat)
    assert all(same(joined[number], graph) for number, graph in enumerate(flat))


@given(data=st.data())
def test_has_edges_looks_at_every_pair(data, data_lists):
    packed = PackedGraphs.from_data_list(data.draw(data_lists(max_graphs=3, max_nodes=5)))
    edges = set(map(tuple, packed.edge_index.T.tolist()))
    source, target = (
        side.flatten()
        for side in torch.meshgrid(*2 * [torch.arange(packed.num_nodes)], indexing="ij")
    )
    expected = [pair in edges for pair in zip(source.tolist(), target.tolist(), strict=True)]
    assert packed.has_edges(source, target).tolist() == expected


@given(data=st.data())
def test_components_are_those_of_networkx(data, data_lists, to_networkx):
    graphs = data.draw(data_lists())
    packed = PackedGraphs.from_data_list(graphs)
    assert packed.num_components.tolist() == [
        nx.number_connected_components(to_networkx(g)) for g in graphs
    ]
    expected, offset = set(), 0
    for graph in graphs:
        expected |= {
            frozenset(node + offset for node in part)
            for part in nx.connected_components(to_networkx(graph))
        }
        offset += graph.num_nodes
    labels = packed.components.tolist()
    got = {
        frozenset(node for node, label in enumerate(labels) if label == wanted)
        for wanted in set(labels)
    }
    assert got == expected


def test_ranges_concatenates_ranges():
    starts, counts = [5, 0, 7, 2], [3, 0, 1, 2]
    expected = [
        k for start, count in zip(starts, counts, strict=True) for k in range(start, start + count)
    ]
    assert ranges(torch.tensor(starts), torch.tensor(counts)).tolist() == expected


def test_pack_leaves_packed_graphs_as_they_are(to_data):
    packed = PackedGraphs.from_data_list([to_data(2, [(0, 1)])])
    assert pack(packed) is packed
    assert same(pack([packed[0]])[0], packed[0])


def test_with_labels_changes_the_classes_only(to_data):
    packed = PackedGraphs.from_data_list([to_data(2, [(0, 1)]), to_data(3, [])])
    changed = packed.with_labels(torch.tensor([2, 1]))
    assert changed.y.tolist() == [2, 1]
    assert packed.y.tolist() == [0, 0]
    assert torch.equal(changed.edge_index, packed.edge_index)


def test_no_graphs_are_refused():
    with pytest.raises(InputError, match="at least one graph"):
        PackedGraphs.from_data_list([])


def test_an_edge_in_one_direction_is_refused():
    lone = Data(
        x=torch.ones(3, 1), edge_index=torch.tensor([[0, 1, 1], [1, 0, 2]]), y=torch.tensor([0])
    )
    with pytest.raises(InputError, match="both directions"):
        PackedGraphs.from_data_list([lone])


@pytest.mark.parametrize("node", [3, -1])
def test_an_edge_to_a_node_that_is_not_there_is_refused(to_data, node):
    # In a pack the node number would be that of a neighbouring graph.
    graphs = [to_data(3, [(0, 1)]), to_data(3, [(0, 1)]), to_data(3, [(0, 1)])]
    graphs[1].edge_index = torch.tensor([[0, node], [node, 0]])
    with pytest.raises(InputError, match=rf"graph 1 .* 0 to 2, got {node}"):
        PackedGraphs.from_data_list(graphs)


# --- portions -------------------------------------------------------------------------------------


@given(
    costs=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40),
    limits=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_runs_cost_no_more_than_their_limits_but_for_one_item(costs, limits):
    first, second = torch.tensor(costs, dtype=torch.long).reshape(-1, 2).T
    parts = runs((first, limits[0]), (second, limits[1]))
    assert [number for part in parts for number in part.tolist()] == list(range(len(costs)))
    for part in parts:
        assert part.numel()
        assert first[part[:-1]].sum() < limits[0]
        assert second[part[:-1]].sum() < limits[1]
    alone = runs((first, limits[0]))
    if all(second[part].sum() < limits[1] for part in alone):
        assert [part.tolist() for part in parts] == [part.tolist() for part in alone]


def edgeless(sizes):
    graphs = torch.tensor(sizes)
    ptr = torch.cat([graphs.new_zeros(1), graphs.cumsum(0)])
    return PackedGraphs(
        torch.ones(int(ptr[-1]), 1),
        torch.zeros(2, 0, dtype=torch.long),
        ptr,
        torch.zeros(len(sizes), dtype=torch.long),
    )


def test_small_graphs_come_by_fifties_and_large_ones_as_their_pairs_allow():
    assert [len(part) for part in edgeless([100] * 520).portions()] == [50] * 10 + [20]
    assert edgeless([]).portions() == []
    # The sizes of DD: about 284 nodes each, 5,748 the largest.
    sizes = [284] * 60 + [5748] + [284] * 20
    parts = edgeless(sizes).portions()
    pairs = [
        sum(sizes[number] * (sizes[number] - 1) // 2 for number in part.tolist()) for part in parts
    ]
    largest = max(range(len(parts)), key=lambda place: pairs[place])
    assert (
        max(pair for place, pair in enumerate(pairs) if place != largest) < 500_000 + 284 * 283 // 2
    )
    assert pairs[largest] < 500_000 + 5748 * 5747 // 2
