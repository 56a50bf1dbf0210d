"""Graphs without nodes, of one node, without edges: views, training, bounds, certificates, attacks.

The entrance leaves graphs without nodes out of data sets. Whoever packs them gets right answers.
"""

from __future__ import annotations

import networkx as nx
import pytest
import torch
from generators import seeded
from torch import nn

from robust_augcl import registry
from robust_augcl.adversary.attack_base import CombiningAttack, FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.contrast.augment import Augmentation, augment
from robust_augcl.contrast.pretrain import (
    Batches,
    ContrastiveModel,
    Pretraining,
    contrastive_training,
)
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.layers import BatchNorm
from robust_augcl.models.margins import margins
from robust_augcl.models.optimizer import adam
from robust_augcl.models.training import Training, train_classifier
from robust_augcl.oracle.bounds import margin_bounds
from robust_augcl.oracle.certificates import certify
from robust_augcl.threat.model import ThreatModel
from tests.helpers.models import classifier

NAMES = ["node_drop", "edge_perturbation", "attribute_masking", "subgraph"]
SIZES = {
    "in front": (0, 0, 6, 1, 5),
    "between": (6, 0, 1, 0, 5),
    "at the end": (6, 1, 5, 0, 0),
    "more than nodes": (0, 2, 0, 0, 1, 0, 0),
    "alone": (0, 0),
}


def packed(to_data, sizes, constant=False) -> PackedGraphs:
    """Paths of these sizes; features number all nodes, or are 1."""
    graphs, first = [], 0
    for number, size in enumerate(sizes):
        edges = [(node, node + 1) for node in range(size - 1)]
        graphs.append(to_data(size, edges, first, y=number % 3))
        first += size
    found = PackedGraphs.from_data_list(graphs)
    if constant:
        found.x.fill_(1.0)
    return found


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_views_of_the_other_graphs_are_right(name, sizes, to_data, to_networkx):
    graphs = packed(to_data, sizes)
    wholes = [
        nx.relabel_nodes(to_networkx(data), dict(enumerate(data.x[:, 0].tolist())))
        for data in graphs.to_data_list()
    ]
    for seed in range(20):
        views = augment(graphs, [Augmentation(name, 0.4)], seeded(seed))
        assert torch.equal(views.sizes == 0, graphs.sizes == 0)
        assert torch.equal(views.y, graphs.y)
        if name in ("node_drop", "subgraph"):
            for whole, data in zip(wholes, views.to_data_list(), strict=True):
                kept = data.x[:, 0].tolist()
                view = nx.relabel_nodes(to_networkx(data), dict(enumerate(kept)))
                part = whole.subgraph(kept)
                assert set(view.nodes) == set(part.nodes)
                assert {*map(frozenset, view.edges)} == {*map(frozenset, part.edges)}
        if name == "subgraph":
            wanted = [int(size * 0.4 + 1e-9) + 1 if size else 0 for size in sizes]
            # On a path the walk may end before it has seen as many.
            assert all(
                0 < got <= most for got, most in zip(views.sizes, wanted, strict=True) if most
            )


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("operations", [("add",), ("add", "delete")])
def test_bounds_are_those_of_each_graph_alone(operations, sizes, to_data):
    model = classifier(Structure2Vec, "empty", layers=2)
    graphs, threat = packed(to_data, sizes, constant=True), ThreatModel(2, operations)
    bounds = margin_bounds(model, graphs, threat.enumerate(graphs), threat.budgets(graphs))
    clean = margins(model(graphs), graphs.y).double()
    for number, size in enumerate(sizes):
        if size < 2:  # no edit can be made
            assert float(bounds.lower[number]) == pytest.approx(float(clean[number]), abs=1e-5)
            continue
        alone = graphs.select(torch.tensor([number]))
        own = margin_bounds(model, alone, threat.enumerate(alone), threat.budgets(alone))
        # Products of other shapes add in another order, on some processors.
        assert float(bounds.lower[number]) == pytest.approx(float(own.lower[0]), abs=1e-6)


@pytest.mark.parametrize("encoder", [GCN, GIN, Structure2Vec])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_certificates_are_those_of_each_graph_alone(budget, sizes, encoder, to_data):
    victim = Victim(classifier(encoder, "empty", layers=2))
    graphs, threat = packed(to_data, sizes, constant=True), ThreatModel(budget, ("add", "delete"))
    found = certify(victim, graphs, threat)
    right = margins(victim.logits(graphs), graphs.y) > 0
    for number, size in enumerate(sizes):
        if size < 2:
            assert bool(found.certified[number]) == bool(right[number])
            continue
        own = certify(victim, graphs.select(torch.tensor([number])), threat)
        assert bool(found.certified[number]) == bool(own.certified[0])


OF_GRAPHS = [
    name for name in registry.names("attack") if not registry.load("attack", name).nodes_only
]


@pytest.mark.parametrize("name", OF_GRAPHS)
def test_attacks_leave_alone_what_they_cannot_edit(name, to_data):
    cls = registry.load("attack", name)
    if issubclass(cls, CombiningAttack):
        pytest.skip("it combines what others found")
    attack = cls().brief() if hasattr(cls, "brief") else cls()
    graphs = packed(to_data, (0, 6, 1, 0, 5, 0), constant=True)
    victim = Victim(classifier(GIN, "empty", layers=2))
    fit = FitGraphs(packed(to_data, (5, 6, 4), constant=True), packed(to_data, (5, 4), True))
    result = run_attack(
        attack, victim, graphs, ThreatModel(1, ("add", "delete")), fit=fit, generator=seeded(0)
    )
    for number in (0, 2, 3, 5):
        assert result.perturbations[number].added.numel() == 0
        assert result.perturbations[number].removed.numel() == 0
    assert torch.equal(result.attacked_margin[[0, 2, 3, 5]], result.clean_margin[[0, 2, 3, 5]])


# --- batch normalisation --------------------------------------------------------------------------


@pytest.mark.parametrize("nodes", [0, 1])
def test_fewer_than_two_nodes_are_normalised_by_running_statistics(nodes):
    norm = BatchNorm(3)
    norm(torch.randn(50, 3, generator=seeded(0)))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    x = torch.randn(nodes, 3, generator=seeded(1))
    trained = norm(x)
    assert torch.equal(trained, norm.eval()(x))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())


def test_two_nodes_are_normalised_as_by_torch():
    norm, theirs = BatchNorm(3), nn.BatchNorm1d(3)
    for count in (2, 7):
        x = torch.randn(count, 3, generator=seeded(count))
        assert torch.equal(norm(x), theirs(x))
    for name, value in theirs.state_dict().items():
        assert torch.equal(norm.state_dict()[name], value)


@pytest.mark.parametrize("sizes", [(1, 0), (0, 0), (1,), (1, 0, 0)])
def test_training_goes_on_with_batches_of_fewer_than_two_nodes(sizes, to_data):
    graphs = packed(to_data, (*sizes, 4, 3), constant=True)
    model = classifier(GIN, "train", layers=2).requires_grad_(True)
    settings = Training(epochs=4, batch_size=len(sizes))
    train_classifier(model, graphs, graphs, settings, seeded(0))
    encoder = classifier(GIN, "train", layers=2).encoder.requires_grad_(True)
    for name in NAMES:
        pretraining = Pretraining(batch_size=2, augmentations=(Augmentation(name, 0.3),))
        contrastive = ContrastiveModel(encoder, pretraining, seeded(0))
        batches = Batches(packed(to_data, (*sizes, 0, 1), constant=True), pretraining, seeded(1))
        contrastive_training(contrastive, adam(contrastive, 0.01), batches, pretraining, epochs=2)
    assert all(bool(value.isfinite().all()) for value in encoder.state_dict().values())
