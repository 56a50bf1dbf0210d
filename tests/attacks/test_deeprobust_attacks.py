"""The attacks of DeepRobust under guard, on target nodes of one graph, beside our own."""

from __future__ import annotations

import pytest
import torch
from node_graphs import random_node_graph

from robust_augcl import registry
from robust_augcl.adversary import deeprobust_attacks
from robust_augcl.adversary.attack_base import FitGraphs
from robust_augcl.adversary.dense_victim import DenseVictim
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Victim
from robust_augcl.errors import InputError, ThreatViolation
from robust_augcl.graphs.node_targets import NodeTargets
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.copied_gcn import classifier_of_gcn
from robust_augcl.registry.optional import DEEPROBUST
from robust_augcl.threat.model import ThreatModel

pytestmark = pytest.mark.skipif(bool(DEEPROBUST.missing), reason=DEEPROBUST.problem)

BOTH = ("add", "delete")
AT_TARGET = ThreatModel(3, BOTH, at="target")
SHARED = ThreatModel(6, BOTH, shared=True)


@pytest.fixture(scope="module")
def node_task():
    """A victim, targets that it gets right, and what may be learned on."""
    graph, _ = random_node_graph(60, seed=3)
    draws = torch.Generator().manual_seed(0)
    first, second = torch.randn(6, 8, generator=draws), torch.randn(8, 3, generator=draws)
    every = NodeTargets(graph, torch.arange(60), torch.zeros(60, dtype=torch.long))
    # Or one class would win nearly everywhere.
    usual = Victim(classifier_of_gcn(first, second)).logits(every).mean(0)
    victim = Victim(classifier_of_gcn(first, second, second_bias=-usual))
    y = victim.logits(every).argmax(1)
    every = every.with_labels(y)
    fit = FitGraphs(every.select(torch.arange(20)), every.select(torch.arange(20, 30)))
    return victim, every.select(torch.tensor([33, 41, 48, 57])), fit


def attacked(name, task, threat, seed=0, **settings):
    victim, targets, fit = task
    attack = registry.load("attack", name)(**settings).brief()
    draws = torch.Generator().manual_seed(seed)
    return run_attack(attack, victim, targets, threat, fit=fit, generator=draws)


def edits(result):
    return [
        (sorted(p.added.T.tolist()), sorted(p.removed.T.tolist())) for p in result.perturbations
    ]


def test_fga_is_our_grad_argmax_away_from_the_true_class(node_task):
    theirs = attacked("deeprobust_fga", node_task, AT_TARGET)
    ours = attacked("grad_argmax", node_task, AT_TARGET, aim="true_class")
    assert edits(theirs) == edits(ours)
    assert all(p.num_edits == 3 for p in theirs.perturbations)
    torch.testing.assert_close(theirs.attacked_margin, ours.attacked_margin)
    assert (theirs.attacked_margin < theirs.clean_margin).all()


@pytest.mark.parametrize("name", ["fga", "ig", "nettack"])
def test_direct_attacks_edit_at_the_target(node_task, name):
    found = attacked(f"deeprobust_{name}", node_task, AT_TARGET)
    nodes = node_task[1].nodes.tolist()
    for node, perturbation in zip(nodes, found.perturbations, strict=True):
        pairs = torch.cat([perturbation.added, perturbation.removed], dim=1)
        assert (pairs == node).any(0).all()
    assert sum(p.num_edits for p in found.perturbations) > 0


def test_rnd_joins_targets_to_training_nodes_of_other_classes(node_task):
    found = attacked("deeprobust_rnd", node_task, ThreatModel(2, ("add",), at="target"))
    _, targets, fit = node_task
    known = dict(zip(fit.train.nodes.tolist(), fit.train.y.tolist(), strict=True))
    for node, y, perturbation in zip(
        targets.nodes.tolist(), targets.y.tolist(), found.perturbations, strict=True
    ):
        others = [a if b == node else b for a, b in perturbation.added.T.tolist()]
        assert len(others) == 2
        assert all(known[other] != y for other in others)


def test_rnd_never_joins_a_target_to_itself(node_task):
    """With more edits than training nodes of other classes it goes on with all other nodes."""
    victim, targets, fit = node_task
    few = FitGraphs(fit.train.select(torch.arange(10)), fit.validation)
    budget = targets.graph.num_nodes - 10 - int(targets.degree_of_targets.max())
    for seed in range(3):
        threat = ThreatModel(budget, ("add",), at="target")
        found = attacked("deeprobust_rnd", (victim, targets, few), threat, seed)
        assert [p.num_edits for p in found.perturbations] == [budget] * 4


@pytest.mark.parametrize("name", ["dice", "random", "pgd", "metattack"])
def test_global_attacks_share_their_edits(node_task, name):
    found = attacked(f"deeprobust_{name}", node_task, SHARED)
    first = edits(found)[0]
    assert all(each == first for each in edits(found))
    assert 0 < found.perturbations[0].num_edits <= 6
    assert edits(attacked(f"deeprobust_{name}", node_task, SHARED)) == edits(found)


def test_what_it_returns_is_judged_like_any_answer(node_task, monkeypatch):
    """Directed, over budget, loops: refused, whoever made them."""

    def returning(change):
        def fga(graph, surrogate, target, number):
            after = graph.adjacency.toarray()
            change(after, target)
            return after

        monkeypatch.setattr(deeprobust_attacks, "fga", fga)
        return attacked("deeprobust_fga", node_task, AT_TARGET)

    def directed(after, target):
        after[target, target - 7] = 1 - after[target, target - 7]

    def too_many(after, target):
        for other in range(target - 9, target):
            after[target, other] = after[other, target] = 1 - after[other, target]

    def loop(after, target):
        after[target, target] = 1

    def elsewhere(after, target):
        after[1, 9] = after[9, 1] = 1 - after[1, 9]

    for change, text in [
        (directed, "differs in"),
        (too_many, "its budget is 3"),
        (loop, "a loop"),
        (elsewhere, "perturbation of"),
    ]:
        with pytest.raises(ThreatViolation, match=text):
            returning(change)


@pytest.mark.parametrize(
    ("name", "threat", "text"),
    [
        ("fga", ThreatModel(1, ("add",), at="target"), "it may delete edges"),
        ("dice", ThreatModel(1, BOTH, at="target"), "its edits may be anywhere"),
        ("rnd", ThreatModel(1, ("delete",), at="target"), "it may add edges"),
        ("nettack", ThreatModel(1, BOTH, at="neighbours"), "set `influencers`"),
        ("fga", ThreatModel(1, BOTH, at="neighbours"), "at the target, not at its neighbours"),
        ("ig", ThreatModel(1, BOTH, at="neighbours"), "at the target, not at its neighbours"),
        ("rnd", ThreatModel(1, ("add",), at="neighbours"), "at the target, not at its neighbours"),
        ("pgd", ThreatModel(1, BOTH, within_component=True), "join two components"),
    ],
)
def test_threats_that_they_cannot_keep_to_are_refused(node_task, name, threat, text):
    with pytest.raises(ValueError, match=text):
        attacked(f"deeprobust_{name}", node_task, threat)


def test_users_who_ask_for_graphs_are_told_no(node_task):
    victim, targets, fit = node_task
    whole = PackedGraphs(
        targets.graph.x, targets.graph.edge_index, targets.graph.ptr, torch.tensor([0])
    )
    attack = registry.load("attack", "deeprobust_fga")()
    with pytest.raises(ValueError, match="targets that are nodes for the attack DeepRobustFGA"):
        run_attack(
            attack, victim, whole, ThreatModel(1, BOTH), fit=fit, generator=torch.Generator()
        )


@pytest.mark.parametrize("name", ["fga", "ig", "pgd", "metattack"])
def test_graphs_that_are_too_large_are_refused_before_anything_dense_is_made(
    node_task, name, monkeypatch
):
    monkeypatch.setattr(DenseVictim, "remember", None)  # calling it would raise another error
    threat = AT_TARGET if name in ("fga", "ig") else SHARED
    with pytest.raises(InputError, match=r"at most 59 nodes for .* \(`most_nodes`\), got 60"):
        attacked(f"deeprobust_{name}", node_task, threat, most_nodes=59)


def test_nettack_by_influencers_edits_at_neighbours_alone(node_task):
    threat = ThreatModel(2, BOTH, at="neighbours")
    found = attacked("deeprobust_nettack", node_task, threat, influencers=2)
    assert sum(p.num_edits for p in found.perturbations) > 0  # the guard looks where they lie
