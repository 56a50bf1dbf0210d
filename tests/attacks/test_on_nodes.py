"""Attacks on target nodes of one graph, run by the guard."""

from __future__ import annotations

import pytest
import torch

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack, FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.encoders.gcn import GCN
from robust_augcl.errors import ThreatViolation
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.models.margins import margins
from robust_augcl.oracle.certificates import certify
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all
from tests.helpers.models import classifier
from tests.helpers.node_graphs import random_node_graph

BOTH = ("add", "delete")
OURS = {
    "rand_sampling": {},
    "grad_argmax": {},
    "exhaustive": {},
    "beam": {"width": 2},
    "genetic": {"population": 8, "rounds": 2},
    "prbcd": {"epochs": 3, "resampling": 2, "samples": 2},
}
OF_PYG = {
    "pyg_prbcd": {"epochs": 8, "block_size": 40},
    "pyg_grbcd": {"epochs": 8, "block_size": 40},
}


@pytest.fixture(scope="module")
def victim():
    return Victim(classifier(GCN, "attacks on nodes", layers=2, features=6))


@pytest.fixture(scope="module")
def targets(victim):
    """All nodes with the predicted class, but for the first one."""
    graph, y = random_node_graph(16, seed=7, degree=3.0)
    nodes = NodeTargets(graph, torch.arange(16), y)
    predicted = victim.logits(nodes).argmax(1)
    predicted[0] = (predicted[0] + 1) % 3
    return nodes.with_labels(predicted)


def run(name, settings, victim, targets, threat, seed=0):
    attack = registry.load("attack", name)(**settings)
    draws = torch.Generator().manual_seed(seed)
    fit = FitGraphs(targets, targets)
    return run_attack(attack, victim, targets, threat, fit=fit, generator=draws)


@pytest.mark.thorough(but=["rand_sampling", "exhaustive", "prbcd"])
@pytest.mark.parametrize("name", [*OURS, *OF_PYG])
def test_what_the_guard_says_holds_for_whole_copies(name, victim, targets):
    settings = {**OURS, **OF_PYG}[name]
    result = run(name, settings, victim, targets, ThreatModel(2, BOTH))
    edited = apply_all(targets.copies, result.perturbations)
    expected = victim.model(edited)
    assert torch.equal(result.attacked_prediction, expected.argmax(1))
    torch.testing.assert_close(
        result.attacked_margin, margins(expected, targets.y), rtol=1e-4, atol=1e-4
    )
    certified = certify(victim, targets, ThreatModel(2, BOTH)).certified
    assert bool((result.attacked_prediction == targets.y)[certified].all())


@pytest.mark.parametrize("at", ["target", "neighbours"])
@pytest.mark.parametrize("name", OURS)
def test_edits_lie_where_they_may(name, at, victim, targets):
    threat = ThreatModel(1, BOTH, at=at)
    result = run(name, OURS[name], victim, targets, threat)
    threat.check_all(targets, result.perturbations)
    if name == "exhaustive":
        robust = (result.attacked_prediction == targets.y) & (result.clean_prediction == targets.y)
        assert torch.equal(robust, certify(victim, targets, threat).certified)


@pytest.mark.parametrize("name", ["exhaustive", "beam", "grad_argmax"])
@pytest.mark.parametrize("operations", [("add",), ("delete",), BOTH])
def test_they_do_as_much_as_on_copies(name, operations, victim, targets):
    """The same plug-in finds the same on packed copies, where nothing of this is used."""
    threat = ThreatModel(1, operations)
    on_nodes = run(name, OURS[name], victim, targets, threat)
    on_copies = run(name, OURS[name], victim, targets.copies, threat)
    torch.testing.assert_close(
        on_nodes.attacked_margin, on_copies.attacked_margin, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", ["rand_sampling", *OF_PYG])
def test_a_global_attack_edits_the_graph_once(name, victim, targets):
    threat = ThreatModel(0.25, BOTH, shared=True)
    result = run(name, OF_PYG.get(name, {}), victim, targets, threat)
    first = result.perturbations[0]
    assert all(each is first for each in result.perturbations)
    assert 0 < first.num_edits <= int(targets.graph.num_undirected_edges) // 4
    whole = apply_all(targets.select(torch.tensor([0])).copies, [first])
    each = NodeTargets(whole.with_features(whole.x), targets.nodes, targets.y)
    assert torch.equal(victim.logits(each).argmax(1), result.attacked_prediction)


def test_others_are_refused_where_edits_are_shared(victim, targets):
    with pytest.raises(ValueError, match="edit a graph once"):
        run("beam", {}, victim, targets, ThreatModel(1, shared=True))


@pytest.mark.parametrize(
    "threat", [ThreatModel(1), ThreatModel(1, BOTH, at="target"), ThreatModel(1, ("delete",))]
)
def test_those_of_pyg_say_what_they_cannot_keep_to(threat, victim, targets):
    with pytest.raises(ValueError, match="nothing can keep it"):
        run("pyg_prbcd", {}, victim, targets, threat)


class Answering(Attack):
    """An attack that answers what it is told."""

    access = Access.NONE
    shares_edits = True

    def __init__(self, answer):
        self.answer = answer

    def prepare(self, victim, fit, threat, generator, report=None):
        return self.answer


def edit(*pairs):
    return Perturbation(added=torch.tensor(pairs).T)


@pytest.mark.parametrize(
    ("answer", "threat", "words"),
    [
        (lambda g: [edit((0, 5), (5, 0))] * 16, ThreatModel(2), "twice"),
        (lambda g: [edit((3, 3))] * 16, ThreatModel(2), "loop"),
        (lambda g: [edit((0, 5), (0, 6))] * 16, ThreatModel(1), "budget"),
        (lambda g: [edit((0, 5)) for _ in range(16)], ThreatModel(1, shared=True), "one pert"),
        (lambda g: [edit((0, 5))] * 16, ThreatModel(1, at="target"), "at the target"),
        (lambda g: [edit((0, 5))] * 15, ThreatModel(1), "one perturbation a graph"),
    ],
)
def test_faulty_answers_are_refused_whoever_made_them(answer, threat, words, victim, targets):
    fit, draws = FitGraphs(targets, targets), torch.Generator()
    with pytest.raises(ThreatViolation, match=words):
        run_attack(Answering(answer), victim, targets, threat, fit=fit, generator=draws)


def test_an_attack_that_writes_into_the_graph_is_found_out(victim, targets):
    def spoil(graphs):
        graphs.graph.x.zero_()
        return [Perturbation()] * 16

    fit, draws = FitGraphs(targets, targets), torch.Generator()
    with pytest.raises(Exception, match="changed the attacked graphs"):
        run_attack(Answering(spoil), victim, targets, ThreatModel(1), fit=fit, generator=draws)
    assert bool((targets.graph.x != 0).any())
