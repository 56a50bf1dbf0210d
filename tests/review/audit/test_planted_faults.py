"""Faults planted in real attacks, victims and runs: each is caught by the check that should, and an
honest run has none.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hand_made import TRAITS
from planted_faults import THREAT, Extreme, failed
from torch import nn

from robust_augcl.adversary.victim import Victim
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.models.message_passing import WeightedSum, sum_pool
from robust_augcl.review.audit.evidence import DataFacts, Evidence
from robust_augcl.review.audit.probes import (
    look_at_victim,
    planted_graphs,
    try_on_planted_victims,
)
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel


def test_an_attack_that_helps_the_victim(victim, reference_graphs, attacked):
    helps, attacks = (
        attacked(Extreme(sign), victim, reference_graphs, THREAT, label)
        for sign, label in ((-1, "helps"), (1, "attacks"))
    )
    assert failed(Evidence([helps, attacks])) == {"the attack's own loss rises": (helps.key,)}


def test_an_attack_that_does_nothing_cannot_break_what_any_edit_breaks(record):
    one = record("idle")
    facts = try_on_planted_victims(Extreme(0), THREAT, "idle", [one.key])
    assert failed(Evidence([one], planted=[facts])) == {
        "breaks a broken victim, not a constant one": (one.key,)
    }


class Blind(Encoder):
    """Counts edges, but lets no gradient through their weights; or none at all."""

    def build(self, generator):
        self.sum = WeightedSum()

    @property
    def embedding_size(self):
        return 1

    def first_states(self, x):
        return torch.ones_like(x[:, :1])

    def pool(self, states, batch, num_graphs):
        return states[-1], sum_pool(states[-1], batch, num_graphs)

    cut = False

    def round(self, index, states, x, edge_index, edge_weight):
        if edge_weight is not None:
            edge_weight = edge_weight.detach() + (0 if self.cut else 0 * edge_weight)
        return self.sum(states, edge_index, edge_weight)


@pytest.mark.parametrize("cut", [False, True])
def test_a_gradient_of_zero(record, cut):
    encoder = Blind(in_features=1, width=1, layers=1, generator=generator(0))
    encoder.cut = cut
    blind = Victim(GraphClassifier(encoder, num_classes=3, hidden=4, generator=generator(0)))
    white = record("white", traits=replace(TRAITS, access="gradient"))
    black = record("black")
    facts = {white.victim.key: look_at_victim(blind, planted_graphs(generator(0)), THREAT)}
    evidence = Evidence(
        [white, black],
        victims=facts,
    )
    assert failed(evidence) == {"the victim's gradients are finite and not zero": (white.key,)}


@pytest.fixture
def own_chance():
    """Dropout draws from the global state: not from what other tests left there."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.mark.usefixtures("own_chance")
def test_a_victim_in_training_mode(record, random_graphs):
    one, graphs = record(), random_graphs(0)
    gin = GraphClassifier(
        GIN(in_features=3, width=8, layers=2, generator=generator(0)),
        num_classes=3,
        hidden=8,
        generator=generator(0),
    )
    for module in gin.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.normal_(generator=generator(1))
    dropout = GraphClassifier(
        Structure2Vec(in_features=3, width=8, layers=2, generator=generator(0)),
        num_classes=3,
        hidden=8,
        generator=generator(0),
    )
    dropout.head.append(nn.Dropout(0.5))
    for model in (gin, dropout):
        victim = Victim(model)
        at_rest = Evidence(
            [one], victims={one.victim.key: look_at_victim(victim, graphs, ThreatModel())}
        )
        assert not failed(at_rest)
        model.train()
        training = Evidence(
            [one], victims={one.victim.key: look_at_victim(victim, graphs, ThreatModel())}
        )
        assert failed(training) == {"the victim is deterministic": (one.key,)}


def test_an_attack_that_ignores_its_budget(victim, reference_graphs, attacked):
    """The guard stops it; a record that was made without the guard is caught too."""
    wide = attacked(
        RandSampling(),
        victim,
        reference_graphs,
        ThreatModel(budget=3, within_component=True),
        "wide",
    )
    told = {**wide.threat, "budget": 1}
    forged = type(wide)(**{**wide.__dict__, "threat": told})
    data = {wide.dataset.key: DataFacts("d", {})}
    assert failed(Evidence([forged], data=data)) == {
        "realised budget within the nominal one": (forged.key,)
    }


def test_a_victim_that_answers_at_random(reference_graphs, attacked, random_graphs):
    class Noise(GraphClassifier):
        """Adds noise to every answer: what it got right once, it gets wrong the next time."""

        def forward(self, graphs, edge_weight=None):
            logits = super().forward(graphs, edge_weight)
            return logits + 100 * torch.rand(logits.shape, generator=chance)

    chance = generator("noise")
    encoder = Structure2Vec(in_features=1, width=8, layers=2, generator=generator(0))
    noise = Victim(Noise(encoder, num_classes=3, hidden=8, generator=generator(0)))
    record = attacked(RandSampling(), noise, reference_graphs, THREAT)
    facts = {record.victim.key: look_at_victim(noise, reference_graphs, THREAT)}
    assert failed(Evidence([record], victims=facts))["the victim is deterministic"] == (record.key,)


def test_a_victim_that_was_never_trained(reference_graphs, attacked):
    """It answers the same class to nearly everything, and an attack on it looks weak: that is no
    robustness.
    """
    encoder = Structure2Vec(in_features=1, width=8, layers=2, generator=generator(0))
    untrained = Victim(GraphClassifier(encoder, num_classes=3, hidden=8, generator=generator(0)))
    record = attacked(RandSampling(), untrained, reference_graphs, THREAT)
    found = failed(Evidence([record]))
    assert found == {"the victim has learned its task": (record.key,)}
