"""Targets that are nodes, from packed graphs to attacks."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from torch import Tensor

from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.grad_argmax import GradArgmax
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.errors import InputError
from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.data_source import Split
from robust_augcl.graphs.dataset import Dataset, split_by_class
from robust_augcl.graphs.keys import graph_keys
from robust_augcl.graphs.labels import unproved_labels
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.graphs.targets import Targets
from robust_augcl.graphs.unfolding import Unfolding
from robust_augcl.models.margins import margins
from robust_augcl.oracle.bounds import margin_bounds
from robust_augcl.oracle.certificates import certify
from robust_augcl.seeds import generator
from robust_augcl.steps.artifacts import dataset_artifact, dataset_of
from robust_augcl.threat.model import ThreatModel
from tests.helpers.models import classifier

ENCODERS = [GCN, GIN, Structure2Vec]


@pytest.fixture
def nodes(random_graphs) -> Dataset:
    """Twelve target nodes in three small graphs."""
    graphs = random_graphs(5, sizes=(7, 5, 6), density=0.35)
    graph = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 0, 1, 2, 0])
    node = torch.tensor([0, 3, 6, 0, 4, 1, 2, 5, 1, 2, 0, 4])
    y = torch.arange(12) % 3
    everything = torch.arange(12)
    return Dataset(
        graphs, everything[:4], everything[4:6], everything[6:], 3, Targets(graph, node, y)
    )


@pytest.fixture
def targets(nodes) -> PackedGraphs:
    return nodes.part(torch.arange(12))


# --- packed graphs --------------------------------------------------------------------------------


def test_a_part_holds_one_graph_a_target_with_its_node_and_class(nodes, targets):
    for k, (graph, node) in enumerate(nodes.targets.names()):
        assert torch.equal(targets[k].edge_index, nodes.graphs[graph].edge_index)
        assert torch.equal(targets[k].x, nodes.graphs[graph].x)
        assert int(targets.target_node[k]) == node
        assert int(targets.y[k]) == k % 3
        row = int(targets.target_rows[k])
        assert torch.equal(targets.x[row], nodes.graphs[graph].x[node])


@pytest.mark.parametrize(
    "change",
    [
        lambda graphs: graphs.to("cpu"),
        PackedGraphs.copy,
        lambda graphs: PackedGraphs.from_data_list(graphs.to_data_list()),
        lambda graphs: concatenate([graphs.select(torch.tensor([0])), graphs.select(_rest())]),
        lambda graphs: graphs.flip(torch.tensor([0]), torch.tensor([[0], [1]])),
        lambda graphs: graphs.with_labels(graphs.y),
        lambda graphs: graphs.keep_nodes(torch.ones(graphs.num_nodes, dtype=torch.bool)),
    ],
    ids=["to", "copy", "data list", "concatenate", "flip", "with_labels", "keep_nodes"],
)
def test_target_nodes_survive(change, targets):
    assert torch.equal(change(targets).target_node, targets.target_node)


def _rest() -> Tensor:
    return torch.arange(1, 12)


def test_selected_graphs_bring_their_target_nodes(targets):
    index = torch.tensor([5, 1, 5])
    assert torch.equal(targets.select(index).target_node, targets.target_node[index])


def test_a_kept_target_node_is_numbered_among_those_that_are_kept(targets):
    keep = torch.ones(targets.num_nodes, dtype=torch.bool)
    first = int(targets.ptr[1])
    keep[first] = False  # the target of the graph numbered 1 is node 3, which becomes node 2
    assert targets.keep_nodes(keep).target_node.tolist()[:2] == [0, 2]
    keep[first + 3] = False
    with pytest.raises(ValueError, match="every target node"):
        targets.keep_nodes(keep)


def test_graphs_are_the_same_only_with_the_same_targets(targets, nodes):
    assert targets.same_as(targets.copy())
    other = targets.copy()
    other.target_node[3] += 1
    assert not targets.same_as(other)
    assert not targets.same_as(nodes.graphs.select(nodes.targets.graph).with_labels(targets.y))


def test_graphs_with_and_without_target_nodes_do_not_mix(targets, nodes):
    with pytest.raises(InputError, match="a target node or none"):
        concatenate([targets, nodes.graphs])
    with pytest.raises(InputError, match="a target node or none"):
        PackedGraphs.from_data_list([*targets.to_data_list(), *nodes.graphs.to_data_list()])


def test_a_target_node_that_its_graph_lacks_is_refused(targets, nodes):
    data = targets.to_data_list()
    data[2].target_node = torch.tensor([7])
    with pytest.raises(InputError, match="of graph 2 to be from 0 to 6, got 7"):
        PackedGraphs.from_data_list(data)
    zero = torch.zeros(1, dtype=torch.long)
    for graph, node, message in ((3, 0, "graphs 0 to 2"), (1, 5, "of graph 1 to be from 0 to 4")):
        with pytest.raises(InputError, match=message):
            Targets(torch.tensor([graph]), torch.tensor([node]), zero).check(nodes.graphs)


def test_graphs_without_target_nodes_have_no_rows_of_them(nodes):
    with pytest.raises(ValueError, match="with target nodes"):
        _ = nodes.graphs.target_rows


# --- data sets ------------------------------------------------------------------------------------


def test_target_nodes_are_split_by_class(random_graphs):
    graph = random_graphs(2, sizes=(60,))
    everything = torch.arange(60)
    targets = Targets(torch.zeros(60, dtype=torch.long), everything, everything % 3)
    data = split_by_class(graph, Split(0.2, 0.2), generator("split"), targets)
    assert torch.cat([data.train, data.validation, data.test]).sort().values.tolist() == list(
        range(60)
    )
    assert torch.bincount(data.part(data.test).y).tolist() == [4, 4, 4]
    assert data.num_classes == 3


def test_the_numbers_of_targets_come_back_from_their_names(nodes):
    index = torch.tensor([7, 2, 11])
    assert torch.equal(nodes.numbers_of(nodes.targets_at(index).names()), index)
    whole = Dataset(nodes.graphs, *torch.arange(3).split(1), 3)
    assert whole.targets_at(torch.tensor([2, 0])).names() == [(2, None), (0, None)]
    assert whole.numbers_of([(2, None), (0, None)]).tolist() == [2, 0]


def test_an_artifact_keeps_the_targets(nodes):
    kept = dataset_of(dataset_artifact(nodes, {"label": "nodes"}))
    assert kept.targets.names() == nodes.targets.names()
    assert kept.part(kept.test).same_as(nodes.part(nodes.test))


def test_an_artifact_of_graphs_holds_nothing_of_targets(nodes):
    whole = Dataset(nodes.graphs, *torch.arange(3).split(1), 3)
    names = set(dataset_artifact(whole, {}).tensors)
    assert names == {"x", "edge_index", "ptr", "y", "train", "validation", "test"}


def test_keys_tell_targets_apart_and_are_those_of_packed_targets(nodes, targets, to_data):
    assert torch.equal(nodes.keys(), graph_keys(targets))
    assert nodes.keys().unique().numel() == 12
    path = PackedGraphs.from_data_list([to_data(3, [(0, 1), (1, 2)])])
    path.x.fill_(1)
    ends = Targets(torch.zeros(3, dtype=torch.long), torch.arange(3), torch.zeros(3).long())
    first, middle, last = Dataset(path, *torch.arange(3).split(1), 1, ends).keys().tolist()
    assert first == last != middle


def test_a_count_of_components_proves_nothing_of_nodes(targets):
    with pytest.raises(InputError, match="no target nodes"):
        unproved_labels(targets, "components")


# --- classifiers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_head_reads_the_state_of_the_target_node(encoder, nodes, targets):
    model = classifier(encoder, "node", layers=2, features=3)
    for k, (graph, node) in enumerate(nodes.targets.names()):
        data = nodes.graphs[graph]
        states, _ = model.encoder(data.x, data.edge_index, torch.zeros(len(data.x)).long(), 1)
        assert torch.allclose(model(targets)[k], model.head(states[node]), atol=1e-5)
        assert torch.allclose(model.encoder.embed(targets)[k], states[node], atol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_knows_whole_graphs_alone_is_not_asked_about_nodes(encoder, nodes, targets):
    model = classifier(encoder, "node", layers=2, features=3)
    assert model.local_parts(targets) is None
    assert model.local_parts(nodes.graphs) is not None
    index = torch.tensor([4, 0, 9])
    assert torch.allclose(model.batched(targets)(index), model(targets.select(index)), atol=1e-6)
    with pytest.raises(ValueError, match="without target nodes"):
        Unfolding(targets, 2)
    constant = PackedGraphs.from_data_list(targets.to_data_list())
    constant.x.fill_(1)
    candidates, budgets = ThreatModel(2).enumerate(constant), torch.full((12,), 2)
    assert margin_bounds(model, constant, candidates, budgets) is None


# --- attacks --------------------------------------------------------------------------------------


def node_logits(model, data, node) -> Tensor:
    """The logits of a node, from its graph alone."""
    states, _ = model.encoder(data.x, data.edge_index, torch.zeros(len(data.x)).long(), 1)
    return model.head(states[node])


def flipped(data, i, j):
    """A copy of a graph in which one pair of nodes is flipped."""
    edges = {(a, b) for a, b in data.edge_index.T.tolist()} ^ {(i, j), (j, i)}
    changed = data.clone()
    changed.edge_index = torch.tensor(sorted(edges), dtype=torch.long).reshape(-1, 2).T
    return changed


def smallest_margins(model, dataset) -> list[tuple[float, float]]:
    """Of each target, by loops: its margin, and the smallest one after any flip or none."""
    found = []
    for (graph, node), label in zip(
        dataset.targets.names(), dataset.targets.y.tolist(), strict=True
    ):
        data, y = dataset.graphs[graph], torch.tensor([label])
        clean = float(margins(node_logits(model, data, node).unsqueeze(0), y))
        edited = [
            float(margins(node_logits(model, flipped(data, i, j), node).unsqueeze(0), y))
            for i, j in combinations(range(len(data.x)), 2)
        ]
        found.append((clean, min([clean, *edited])))
    return found


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_the_exhaustive_attack_finds_the_worst_flip_of_every_node(encoder, seed, nodes, targets):
    model = classifier(encoder, "node", layers=2, features=3, seed=seed)
    threat = ThreatModel(1, ("add", "delete"))
    fit = FitGraphs(targets, targets)
    result = run_attack(
        Exhaustive(), Victim(model), targets, threat, fit=fit, generator=generator("run")
    )
    expected = torch.tensor(smallest_margins(model, nodes))
    assert torch.allclose(result.clean_margin, expected[:, 0], atol=1e-4)
    assert torch.allclose(result.attacked_margin, expected[:, 1], atol=1e-4)
    decided = expected[:, 1].abs() > 1e-4
    robust = result.attacked_prediction == targets.y
    assert torch.equal(robust[decided], (expected[:, 1] > 0)[decided])
    certificate = certify(Victim(model), targets, threat)
    assert torch.equal(certificate.certified[decided], (expected[:, 1] > 0)[decided])


@pytest.mark.parametrize("encoder", ENCODERS)
def test_gradients_are_of_the_target_node(encoder, targets):
    """Against finite differences in double precision."""
    model = classifier(encoder, "node", layers=2, features=3).double()
    few = PackedGraphs.from_data_list(targets.select(torch.tensor([1, 4, 7])).to_data_list())
    few = PackedGraphs(few.x.double(), few.edge_index, few.ptr, few.y, few.target_node)
    candidates = ThreatModel(1, ("add", "delete")).enumerate(few)
    gradients = Victim(model).edge_gradients(few, candidates, few.y)
    ends = candidates.pairs + few.ptr[candidates.graph]
    step = 1e-5
    for k in range(0, len(candidates), 5):
        edges = torch.cat([few.edge_index, ends[:, k : k + 1]], dim=1)
        losses = []
        for change in (step, -step):
            weight = torch.cat([torch.ones(few.edge_index.size(1)), torch.tensor([change])])
            logits = model.with_edges(few, edges, weight.double())
            losses.append(torch.nn.functional.cross_entropy(logits, few.y, reduction="sum"))
        expected = float(losses[0] - losses[1]) / (2 * step)
        assert float(gradients[k, 0]) == pytest.approx(expected, abs=1e-6)


def test_an_attack_that_moves_the_target_is_found_out(targets):
    from robust_augcl.errors import GuardViolation

    class Moving(GradArgmax):
        def prepare(self, *args, **kwargs):
            proposer = super().prepare(*args, **kwargs)

            def propose(graphs):
                answer = proposer(graphs)
                graphs.target_node.zero_()
                return answer

            return propose

    victim = Victim(classifier(GCN, "node", layers=2, features=3))
    fit = FitGraphs(targets, targets)
    with pytest.raises(GuardViolation, match="changed the attacked graphs"):
        run_attack(Moving(), victim, targets, ThreatModel(), fit=fit, generator=generator("m"))
