"""Target nodes of one graph that is held once, held against copies of the graph."""

from __future__ import annotations

import pytest
import torch

from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.errors import InputError
from robust_augcl.graphs.dataset import Dataset
from robust_augcl.graphs.keys import graph_keys
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.node_targets import NodeTargets, degree_of_targets
from robust_augcl.graphs.target_choice import TargetChoice
from robust_augcl.graphs.targets import Targets
from tests.helpers.models import classifier
from tests.helpers.node_graphs import random_edits, random_node_graph


@pytest.fixture(scope="module")
def edited():
    """Twelve targets of one graph, the first ones with none to three edits each."""
    graph, y = random_node_graph(14, seed=3, degree=3.0)
    nodes = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 13])
    targets = NodeTargets(graph, nodes, y[nodes])
    return targets.flip(*random_edits(targets, most=3, seed=1))


def test_it_is_what_copies_are(edited):
    copies = edited.copies
    assert copies.num_graphs == edited.num_graphs == 12
    assert torch.equal(copies.ptr, edited.ptr)
    assert torch.equal(copies.num_undirected_edges, edited.num_undirected_edges)
    assert torch.equal(copies.degree[copies.target_rows], degree_of_targets(edited))
    source, target = torch.cartesian_prod(*[torch.arange(copies.num_nodes)] * 2).T
    assert torch.equal(copies.has_edges(source, target), edited.has_edges(source, target))
    assert torch.equal(graph_keys(copies), graph_keys(edited))


def test_targets_are_selected_with_their_edits(edited):
    index = torch.tensor([3, 1, 1, 0])
    assert edited.select(index).copies.same_as(edited.copies.select(index))


def test_a_pair_that_is_flipped_twice_is_as_it_was(edited):
    again = edited.flip(*edited.flips)
    assert again.copies.same_as(NodeTargets(edited.graph, edited.nodes, edited.y).copies)


def test_nothing_is_copied_of_one_target_without_edits(edited):
    one = NodeTargets(edited.graph, edited.nodes[:1], edited.y[:1])
    assert one.x is edited.graph.x
    assert one.edge_index is edited.graph.edge_index


def test_too_many_copies_are_refused(edited):
    with using(Limits(copied_numbers=100)), pytest.raises(InputError, match="few targets at once"):
        _ = edited.select(torch.arange(12)).x


def test_copies_are_told_from_changed_ones(edited):
    copy = edited.copy()
    assert edited.same_as(copy)
    copy.graph.x[0, 0] += 1
    assert not edited.same_as(copy)


@pytest.mark.parametrize("encoder", [GCN, GIN])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_model_answers_for_them_as_for_copies(edited, encoder, layers):
    model = classifier(encoder, "node targets", layers=layers, features=6)
    torch.testing.assert_close(model(edited), model(edited.copies), rtol=1e-4, atol=1e-5)


def test_a_model_in_training_sees_the_graph_once(edited):
    clean = NodeTargets(edited.graph, edited.nodes, edited.y)
    model = classifier(GIN, "in training", layers=2, features=6).train()
    with using(Limits(copied_numbers=1)):
        found = model(clean)
    torch.testing.assert_close(found, model(clean.together))


# --- which targets are attacked -------------------------------------------------------------------


@pytest.fixture
def dataset():
    graph, y = random_node_graph(60, seed=5)
    every = torch.arange(60)
    targets = Targets(torch.zeros_like(every), every, y)
    return Dataset(graph, every[:10], every[10:20], every[20:], 3, targets)


def test_a_part_of_one_graph_holds_it_once(dataset):
    part = dataset.part(dataset.test)
    assert isinstance(part, NodeTargets)
    assert part.graph.x is dataset.graphs.x
    assert torch.equal(part.target_node, dataset.test)


def test_targets_are_sampled_by_class_and_degree(dataset):
    chosen = TargetChoice("sampled", count=18).of(dataset, torch.Generator().manual_seed(0))
    assert chosen.numel() == chosen.unique().numel() == 18
    assert set(chosen.tolist()) <= set(dataset.test.tolist())
    assert torch.bincount(dataset.y[chosen]).tolist() == [6, 6, 6]
    for label in range(3):
        of_class = dataset.test[dataset.y[dataset.test] == label]
        degree = dataset.graphs.degree[of_class].sort().values
        low, high = degree.tensor_split(3)[0].max(), degree.tensor_split(3)[2].min()
        mine = dataset.graphs.degree[chosen[dataset.y[chosen] == label]]
        assert int((mine <= low).sum()) >= 2
        assert int((mine >= high).sum()) >= 2


def test_targets_are_named(dataset):
    choice = TargetChoice("named", nodes=(30, 25))
    assert choice.of(dataset, torch.Generator()).tolist() == [25, 30]
    with pytest.raises(InputError, match="none of this split"):
        TargetChoice("named", nodes=(3,)).of(dataset, torch.Generator())


@pytest.mark.parametrize(
    "settings",
    [
        {"choice": "some"},
        {"choice": "named"},
        {"choice": "sampled"},
        {"nodes": (1,)},
        {"count": 3},
        {"choice": "named", "nodes": (1, 1)},
    ],
)
def test_contradictions_are_refused(settings):
    with pytest.raises(ValueError, match="Expected"):
        TargetChoice(**settings)
