"""The oracle for target nodes, held against full evaluation and brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gcn_prelu import GCNPReLU
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.oracle.certificates import certify
from robust_augcl.oracle.edge_gradients import by_weights
from robust_augcl.oracle.node_gradients import node_gradients
from robust_augcl.oracle.node_sets import NodeOracle
from robust_augcl.threat.model import ThreatModel
from tests.helpers.models import classifier
from tests.helpers.node_graphs import random_edits, random_node_graph

ENCODERS = [GCN, GCNPReLU, GIN, Structure2Vec]


def small_graph(seed, most=8):
    """A graph of 2 to `most` nodes, from sparse to dense, that need not be connected."""
    draws = np.random.default_rng(seed)
    size = int(draws.integers(2, most + 1))
    upper = np.triu(draws.random((size, size)) < draws.random() * 0.6, 1)
    edges = torch.from_numpy(np.stack((upper | upper.T).nonzero()))
    x = torch.from_numpy(draws.normal(size=(size, 3))).float()
    return PackedGraphs(x, edges, torch.tensor([0, size]), torch.tensor([0]))


def all_nodes(graph, victim, wrong=()):
    """Every node as a target, with the class that is predicted, but for some."""
    nodes = torch.arange(graph.num_nodes)
    targets = NodeTargets(graph, nodes, torch.zeros_like(nodes))
    y = victim.logits(targets).argmax(1)
    for node in wrong:
        y[node] = (y[node] + 1) % 3
    return targets.with_labels(y)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_logits_after_sets_of_edits(encoder, layers):
    model = classifier(encoder, "node oracle", layers=layers, features=6)
    for seed in range(4):
        graph, y = random_node_graph(9 + 5 * seed, seed=seed, degree=2.6)
        nodes = torch.arange(graph.num_nodes)
        targets = NodeTargets(graph, nodes, y)
        edited = targets.flip(*random_edits(targets, most=4, seed=seed))
        found = NodeOracle(model.parts, graph).logits(edited)
        torch.testing.assert_close(found, model(edited.copies), rtol=1e-4, atol=1e-4)


def test_pieces_change_nothing():
    graph, y = random_node_graph(30, seed=1)
    model = classifier(GCN, "node oracle", layers=2, features=6)
    targets = NodeTargets(graph, torch.arange(30), y)
    edited = targets.flip(*random_edits(targets, most=3))
    whole = NodeOracle(model.parts, graph).logits(edited)
    with using(Limits(asked_places=20)):
        torch.testing.assert_close(NodeOracle(model.parts, graph).logits(edited), whole)


THREATS = [ThreatModel(1, operations) for operations in (("add",), ("delete",), ("add", "delete"))]


def broken_by_candidates(victim, targets, threat):
    """Which targets are wrong, or one of their candidates within reach makes them wrong."""
    candidates = threat.enumerate(targets, victim.reach)
    after = victim.candidate_logits(targets, candidates).argmax(1)
    broken = victim.logits(targets).argmax(1) != targets.y
    broken[candidates.graph[after != targets.y[candidates.graph]]] = True
    return broken


@pytest.mark.thorough(only=["500-*"])
@pytest.mark.parametrize("encoder", [GCN, GIN])
@pytest.mark.parametrize("count", [50, 500])
def test_the_worst_of_one_edit_by_brute_force(encoder, count):
    victims = [
        Victim(classifier(encoder, "brute force", layers=2, features=3, seed=seed))
        for seed in range(20)
    ]
    for seed in range(count):
        victim, graph = victims[seed % 20], small_graph(seed)
        targets = all_nodes(graph, victim, wrong=(0,))
        size, pairs = graph.num_nodes, torch.combinations(torch.arange(graph.num_nodes)).T
        exists = graph.has_edges(*pairs)
        target = torch.arange(size).repeat_interleave(pairs.size(1))
        row = torch.arange(target.numel())
        after = victim.logits(targets.copies.select(target).flip(row, pairs.repeat(1, size)))
        still = (after.argmax(1) == targets.y[target]).view(size, -1)
        right = victim.logits(targets.copies).argmax(1) == targets.y
        tried = (~exists, exists, torch.ones_like(exists))
        for threat, these in zip(THREATS, tried, strict=True):
            expected = right & (still | ~these).all(1)
            found = ~broken_by_candidates(victim, targets, threat)
            assert torch.equal(found, expected), (seed, threat.operations)
            if seed % 10 == 0:
                certificate = certify(victim, targets, threat)
                assert bool(certificate.exhausted.all())
                assert torch.equal(certificate.certified, expected), (seed, threat.operations)


@pytest.mark.parametrize("encoder", [GCN, GIN])
@pytest.mark.parametrize("at", ["anywhere", "target", "neighbours"])
def test_the_worst_of_two_edits_by_brute_force(encoder, at):
    for seed in range(6):
        victim = Victim(classifier(encoder, "brute force", layers=2, features=3, seed=seed))
        targets = all_nodes(small_graph(seed, most=7), victim)
        threat = ThreatModel(2, ("add", "delete"), at=at)
        found, single = certify(victim, targets, threat), ThreatModel(1, ("add", "delete"), at=at)
        listed = single.enumerate(targets)
        for k in range(targets.num_graphs):
            own = listed.pairs[:, listed.graph == k].T.tolist()
            sets = [each for count in (1, 2) for each in combinations(own, count)]
            safe = True
            if sets:
                copies = targets.copies.select(torch.full((len(sets),), k))
                row = torch.tensor([n for n, each in enumerate(sets) for _ in each])
                edited = copies.flip(row, torch.tensor([pair for each in sets for pair in each]).T)
                safe = bool((victim.logits(edited).argmax(1) == targets.y[k]).all())
            assert bool(found.exhausted[k])
            assert bool(found.certified[k]) == safe


def test_what_may_lie_out_of_reach_is_not_certified():
    """Two edits anywhere bring any node near: where they are too many to list, nothing is said."""
    victim = Victim(classifier(GCN, "reach", layers=2, features=6))
    targets = all_nodes(random_node_graph(12, seed=0, degree=2.2)[0], victim)
    with using(Limits(listed_pairs=10)):
        found = certify(victim, targets, ThreatModel(2, ("delete",)))
    broken = torch.tensor([witness is not None for witness in found.witnesses])
    assert torch.equal(found.exhausted, broken)
    assert not bool(found.certified.any())


@pytest.mark.parametrize("encoder", ENCODERS)
def test_gradients_are_those_of_edge_weights(encoder):
    """Through the degrees too, of clean targets and of edited ones."""
    model = classifier(encoder, "node gradients", layers=2, features=6)
    graph, y = random_node_graph(11, seed=4)
    targets = NodeTargets(graph, torch.arange(11), y)
    of, pairs = random_edits(targets, most=2)
    edited = targets.flip(of, pairs)
    candidates = ThreatModel(1, ("add", "delete")).enumerate(targets)
    towards = torch.stack([(y + 1) % 3, (y + 2) % 3], dim=1)
    found = node_gradients(model, edited, candidates, towards)
    expected = by_weights(model, edited.copies, candidates.graph, candidates.pairs, towards)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_a_graph_that_is_written_to_is_prepared_again():
    graph, y = random_node_graph(10, seed=1)
    victim = Victim(classifier(GCN, "prepared", layers=2, features=6))
    targets = NodeTargets(graph, torch.arange(10), y)
    candidates = ThreatModel(1, ("add", "delete")).enumerate(targets)
    before = victim.candidate_logits(targets, candidates)
    graph.x.mul_(2.0)
    after = victim.candidate_logits(targets, candidates)
    assert not torch.allclose(before, after)
    copies = targets.copies
    expected = Victim(victim.model).candidate_logits(copies, candidates)
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-4)
