"""The audit's planted victim of nodes: every edit breaks it at every node, or none does."""

from __future__ import annotations

import pytest
import torch

from robust_augcl import registry
from robust_augcl.review.audit.planted_nodes import planted_node_victim, planted_nodes
from robust_augcl.review.audit.probes import try_on_planted_victims
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

BOTH = ("add", "delete")


@pytest.mark.parametrize("at", ["anywhere", "target", "neighbours"])
@pytest.mark.parametrize("operations", [("add",), ("delete",), BOTH])
def test_every_edit_breaks_the_fragile_one(at, operations):
    nodes, fragile = planted_nodes(), planted_node_victim(fragile=True)
    candidates = ThreatModel(1, operations, at=at).enumerate(nodes)
    assert bool((candidates.counts > 0).all())
    assert torch.equal(fragile.logits(nodes).argmax(1), nodes.y)
    assert bool((fragile.candidate_logits(nodes, candidates).argmax(1) != 0).all())
    constant = planted_node_victim(fragile=False).candidate_logits(nodes, candidates)
    assert bool((constant.argmax(1) == 0).all())


@pytest.mark.parametrize("name", ["rand_sampling", "exhaustive", "beam", "grad_argmax"])
@pytest.mark.parametrize("at", ["target", "neighbours"])
def test_attacks_that_work_break_it(name, at):
    attack = registry.load("attack", name)()
    facts = try_on_planted_victims(attack, ThreatModel(2, BOTH, at=at), name, ())
    assert (facts.error, facts.fragile_broken, facts.constant_broken) == (None, 6, 0)


@pytest.mark.parametrize("name", ["rand_sampling", "pyg_grbcd"])
def test_global_attacks_break_it(name):
    attack = registry.load("attack", name)()
    facts = try_on_planted_victims(attack, ThreatModel(0.1, BOTH, shared=True), name, ())
    assert (facts.error, facts.fragile_broken, facts.constant_broken) == (None, 6, 0)


def test_an_attack_that_does_nothing_is_seen():
    rand = registry.load("attack", "rand_sampling")

    class Idle(rand):
        def prepare(self, victim, fit, threat, generator, report=None):
            return lambda graphs: [Perturbation()] * graphs.num_graphs

    facts = try_on_planted_victims(Idle(), ThreatModel(1, BOTH, at="target"), "idle", ())
    assert facts.fragile_broken == 0
