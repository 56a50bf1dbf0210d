"""What every encoder promises, held to each of them."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import pytest
import torch
from generators import seeded

from robust_augcl import registry
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.encoder_base import LocalEncoder

ENCODERS = registry.names("encoder")
pytestmark = pytest.mark.parametrize("name", ENCODERS)


def build(name, seed=0, layers=3):
    return registry.load("encoder", name)(
        in_features=3, width=8, layers=layers, generator=seeded(seed)
    )


@pytest.fixture
def encoder(name, random_graphs):
    """In evaluation mode, in double precision, after passes in training mode: running statistics
    are no longer at their start.
    """
    encoder = build(name).double()
    encoder.train()
    with torch.no_grad():
        for seed in range(5):
            run(encoder, random_graphs(100 + seed, [12] * 4))
    return encoder.eval()


def run(encoder, graphs, edge_weight=None):
    """Node and graph states."""
    return encoder(
        graphs.x.double(), graphs.edge_index, graphs.batch, graphs.num_graphs, edge_weight
    )


@pytest.fixture
def graphs(random_graphs):
    return random_graphs(0)


def close(left, right):
    torch.testing.assert_close(left, right, rtol=1e-9, atol=1e-9)


def test_shapes(encoder, graphs):
    nodes, states = run(encoder, graphs)
    assert nodes.shape == (graphs.num_nodes, encoder.embedding_size)
    assert states.shape == (graphs.num_graphs, encoder.embedding_size)
    assert states.std() > 0


def test_the_order_of_the_nodes_does_not_matter(encoder, graphs):
    generator = seeded(1)
    blocks = zip(graphs.ptr[:-1].tolist(), graphs.sizes.tolist(), strict=True)
    order = torch.cat([first + torch.randperm(size, generator=generator) for first, size in blocks])
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    shuffled = torch.randperm(graphs.edge_index.size(1), generator=generator)
    moved = PackedGraphs(
        graphs.x[order], place[graphs.edge_index[:, shuffled]], graphs.ptr, graphs.y
    )
    (nodes, states), (moved_nodes, moved_states) = run(encoder, graphs), run(encoder, moved)
    close(moved_nodes, nodes[order])
    close(moved_states, states)


def test_a_batch_equals_its_graphs_one_by_one(encoder, graphs):
    nodes, states = run(encoder, graphs)
    alone = [
        run(encoder, PackedGraphs.from_data_list([graphs[number]]))
        for number in range(graphs.num_graphs)
    ]
    close(nodes, torch.cat([pair[0] for pair in alone]))
    close(states, torch.cat([pair[1] for pair in alone]))


def test_weight_1_is_no_weight(encoder, graphs):
    weight = torch.ones(graphs.edge_index.size(1), dtype=torch.float64)
    for weighted, plain in zip(run(encoder, graphs, weight), run(encoder, graphs), strict=True):
        close(weighted, plain)


def test_weight_0_is_the_edges_absence(encoder, graphs):
    gone = torch.rand(graphs.edge_index.size(1), generator=seeded(2)) < 0.4
    without = PackedGraphs(graphs.x, graphs.edge_index[:, ~gone], graphs.ptr, graphs.y)
    (nodes, states), (nodes_without, states_without) = (
        run(encoder, graphs, (~gone).double()),
        run(encoder, without),
    )
    close(nodes, nodes_without)
    close(states, states_without)
    # The edges matter at all.
    assert not torch.allclose(run(encoder, graphs)[1], states)


def test_every_edge_weight_has_a_gradient(encoder, graphs):
    weight = torch.ones(graphs.edge_index.size(1), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(run(encoder, graphs, weight)[1].square().sum(), weight)
    assert torch.isfinite(gradient).all()
    assert (gradient != 0).float().mean() > 0.5


def layer_by_layer(encoder, graphs):
    """States before the first round and after each."""
    x = graphs.x.double()
    states = [encoder.first_states(x)]
    for index in range(encoder.layers):
        states.append(encoder.round(index, states[-1], x, graphs.edge_index, None))
    return states


def test_layers_run_one_by_one_equal_forward(encoder, graphs):
    states = layer_by_layer(encoder, graphs)
    nodes, pooled = encoder.pool(states[1:], graphs.batch, graphs.num_graphs)
    close(nodes, run(encoder, graphs)[0])
    close(pooled, run(encoder, graphs)[1])


def test_edges_known_to_be_sorted_and_undirected_give_the_same_states_and_gradients(
    encoder, graphs
):
    def outcome(edges):
        x = graphs.x.double().requires_grad_()
        states = torch.cat(
            [part.flatten() for part in encoder(x, edges, graphs.batch, graphs.num_graphs)]
        )
        scale = torch.linspace(
            -1, 1, len(states), dtype=states.dtype
        )  # so that every state has a gradient of its own
        wanted = [x, *encoder.parameters()]
        return states, *torch.autograd.grad((states * scale).sum(), wanted, allow_unused=True)

    for known, plain in zip(outcome(graphs.edges), outcome(graphs.edge_index), strict=True):
        assert (known is None) == (plain is None)
        if known is not None:
            close(known, plain)


def test_embed_gives_the_graph_states(name, graphs):
    encoder = build(name).eval()
    states = encoder(graphs.x, graphs.edge_index, graphs.batch, graphs.num_graphs)[1]
    assert torch.equal(encoder.embed(graphs), states)


def test_initial_weights_come_from_the_generator_only(name):
    state = torch.get_rng_state()
    first, again, other = (build(name, seed).state_dict() for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.isfinite(value).all() for value in first.values())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_a_graph_without_edges_has_states(encoder, to_data):
    graph = to_data(3, [])
    graph.x = torch.ones(3, 3)
    nodes, states = run(encoder, PackedGraphs.from_data_list([graph]))
    assert torch.isfinite(nodes).all()
    assert torch.isfinite(states).all()


@pytest.mark.parametrize("shape", ["path", "random"])
@pytest.mark.parametrize("operation", ["add", "delete"])
def test_an_edit_reaches_no_further_than_declared(encoder, to_data, to_networkx, shape, operation):
    if shape == "path":
        size, edges = 24, [(node, node + 1) for node in range(23)]
        pair = (9, 13) if operation == "add" else (11, 12)
    else:
        size = 60
        graph = nx.gnm_random_graph(size, 75, seed=4)
        edges = list(graph.edges)
        far = [
            (i, j)
            for i, j in combinations(range(size), 2)
            if nx.has_path(graph, i, j) and nx.shortest_path_length(graph, i, j) > 3
        ]
        pair = far[0] if operation == "add" else edges[20]
    data = to_data(size, edges)
    data.x = torch.randn(size, 3, generator=seeded(3))
    clean = PackedGraphs.from_data_list([data])
    edited = clean.flip(torch.tensor([0]), torch.tensor(pair).unsqueeze(1))

    # Distance from the nearer end is the same before and after the edit.
    graph = to_networkx(data)
    distance = nx.multi_source_dijkstra_path_length(graph, set(pair))
    hops = encoder.hops_before_first_round
    for number, (before, after) in enumerate(
        zip(layer_by_layer(encoder, clean), layer_by_layer(encoder, edited), strict=True)
    ):
        changed = ((before - after).abs().amax(1) > 1e-12).nonzero().flatten().tolist()
        if number == 0:
            assert changed == []
            continue
        assert all(distance.get(node, float("inf")) <= number - 1 + hops for node in changed)
        assert set(pair) & set(changed)
    # The edit has spread: the statement above is not about two nodes only.
    assert len(changed) > 2


def test_a_local_encoder_is_the_sum_of_its_messages(encoder, graphs):
    if not isinstance(encoder, LocalEncoder):
        pytest.skip("evaluated in full")
    x, (source, target) = graphs.x.double(), graphs.edge_index
    degree = torch.bincount(target, minlength=graphs.num_nodes).double()
    states = [encoder.first_states(x)]
    for index, expected in enumerate(layer_by_layer(encoder, graphs)[1:]):
        sent = encoder.message(index, states[-1], degree)
        rows = [
            sent[source[target == node]].sum(0) + encoder.self_loops * sent[node]
            for node in range(graphs.num_nodes)
        ]
        states.append(encoder.update(index, torch.stack(rows), x, degree))
        close(states[-1], expected)
    summed = torch.cat([states[number] for number in encoder.summed_rounds], dim=1)
    sums = torch.stack(
        [summed[graphs.batch == number].sum(0) for number in range(graphs.num_graphs)]
    )
    close(encoder.readout(sums), run(encoder, graphs)[1])
