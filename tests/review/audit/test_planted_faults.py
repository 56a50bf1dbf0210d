"""Faults planted in real attacks, victims and runs: each is caught by the check that should, and an
honest run has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from hand_made import TRAITS
from torch import nn

from robust_augcl import registry
from robust_augcl.adversary.attack_base import Attack, CombiningAttack, LearningAttack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.grad_argmax import GradArgmax
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.encoder_base import Encoder
from robust_augcl.models.margins import margins
from robust_augcl.models.message_passing import WeightedSum, sum_pool
from robust_augcl.review.audit.all_checks import examine
from robust_augcl.review.audit.effort import more_iterations_change_little
from robust_augcl.review.audit.evidence import DataFacts, Evidence
from robust_augcl.review.audit.foundations import attack_works_on_planted_victims
from robust_augcl.review.audit.probes import (
    look_at_victim,
    planted_graphs,
    planted_victim,
    random_breaks,
    try_half_the_iterations,
    try_large_budget,
    try_on_planted_victims,
)
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

THREAT = ThreatModel(within_component=True)


def failed(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    return {
        finding.check: finding.cells for finding in examine(evidence) if finding.status == "FAIL"
    }


@pytest.fixture
def victim(reference_model) -> Victim:
    return Victim(reference_model)


@pytest.fixture
def some(reference_graphs) -> PackedGraphs:
    return reference_graphs.select(torch.arange(0, reference_graphs.num_graphs, 3))


@dataclass(frozen=True)
class Extreme(Attack):
    """Takes the candidate of the smallest margin, or the largest: then it helps the victim. Or it
    leaves the graphs alone.
    """

    access: ClassVar[Access] = Access.QUERY

    sign: int = 1

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            if not self.sign:
                return [Perturbation() for _ in range(graphs.num_graphs)]
            candidates = threat.enumerate(graphs)
            margin = margins(
                victim.candidate_logits(graphs, candidates), graphs.y[candidates.graph]
            )
            return [
                candidates.perturbation(best)
                for best in candidates.best(self.sign * margin).split(1)
            ]

        return propose


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


# --- the probes themselves ------------------------------------------------------------------------


@pytest.mark.parametrize("operations", [("add",), ("delete",), ("add", "delete")])
def test_any_edit_breaks_the_fragile_victim_and_none_the_constant_one(operations):
    graphs, threat = (
        planted_graphs(generator(0)),
        ThreatModel(operations=operations, within_component=True),
    )
    assert len(set(graphs.num_undirected_edges.tolist())) == 1
    assert graphs.num_components.tolist() == [1] * graphs.num_graphs
    candidates = threat.enumerate(graphs)
    for fragile in (True, False):
        victim = planted_victim(int(graphs.num_undirected_edges[0]), fragile=fragile)
        assert (victim.logits(graphs).argmax(1) == 0).all()
        assert ((victim.candidate_logits(graphs, candidates).argmax(1) != 0) == fragile).all()
    facts = look_at_victim(
        planted_victim(int(graphs.num_undirected_edges[0]), fragile=True), graphs, threat
    )
    assert (facts.zero_gradients, facts.nonfinite_gradients, facts.repeat_change) == (0, 0, 0)


@pytest.mark.thorough(only=["pyg_*-operations1", "deeprobust_*-operations1", "rl_s2v-operations0"])
@pytest.mark.parametrize("operations", [("add",), ("add", "delete")])
@pytest.mark.parametrize("name", registry.names("attack"))
def test_every_attack_breaks_the_fragile_victim(name, operations, record):
    attack = registry.load("attack", name)()
    if isinstance(attack, CombiningAttack):
        pytest.skip("it combines what others found")
    threat = ThreatModel(operations=operations)
    if attack.refuses(threat):
        pytest.skip("it cannot keep to the threat")
    facts = try_on_planted_victims(attack, threat, name, [record(name).key])
    if attack.not_on_planted:
        found = attack_works_on_planted_victims(Evidence([], planted=[facts]))
        assert (found.status, attack.not_on_planted in found.evidence) == ("WARN", True)
        return
    assert (facts.error, facts.fragile_broken, facts.constant_broken) == (None, facts.num_graphs, 0)


@dataclass(frozen=True)
class Learned(LearningAttack):
    """A foreign attack that learns: it counts rounds, and then takes the most harmful candidate."""

    access: ClassVar[Access] = Access.QUERY
    effort: ClassVar[str | None] = "laps"

    laps: int = 10**9

    def brief(self):
        return replace(self, laps=3)

    def prepare(self, victim, fit, threat, generator, report=None):
        assert fit.train.num_graphs > 0
        laps = torch.zeros(1)
        for _ in range(self.laps):
            laps += 1
        return _OfLaps(laps, victim, threat)

    def restore(self, state, victim, threat):
        return _OfLaps(state["laps"], victim, threat)


class _OfLaps:
    curve = ()

    def __init__(self, laps, victim, threat):
        self._laps, self._propose = laps, Extreme().prepare(victim, None, threat, None)

    def __call__(self, graphs):
        return self._propose(graphs)

    def state(self):
        return {"laps": self._laps}


def test_a_foreign_attack_is_tried_as_brief_as_it_declares(record):
    """Of a thousand million laps three are made, as `brief` says: no name of ours is needed."""
    one = record("learned")
    facts = try_on_planted_victims(Learned(), THREAT, "learned", [one.key])
    assert (facts.error, facts.fragile_broken, facts.constant_broken) == (None, facts.num_graphs, 0)


def test_a_large_budget_tells_an_attack_from_an_idle_one(victim, reference_graphs, record):
    one = record()
    for attack, weak in ((GradArgmax(), False), (Extreme(0), True)):
        facts = try_large_budget(
            attack, victim, reference_graphs, THREAT, budget=10, name="a", records=[one.key]
        )
        assert facts.broken + facts.only_random >= facts.num_graphs / 2
        assert facts.only_random <= facts.num_graphs - facts.broken
        assert bool(failed(Evidence([one], large=[facts]))) == weak


@dataclass(frozen=True)
class Slow(Extreme):
    """Tries a candidate of each graph in an iteration, as many iterations as it is told."""

    effort: ClassVar[str | None] = "iterations"

    iterations: int = 2

    def prepare(self, victim, fit, threat, generator, report=None):
        def propose(graphs):
            candidates = threat.enumerate(graphs)
            margin = margins(
                victim.candidate_logits(graphs, candidates), graphs.y[candidates.graph]
            )
            place = torch.arange(len(candidates)) - candidates.ptr[candidates.graph]
            margin[place >= self.iterations] = torch.inf
            return [candidates.perturbation(best) for best in candidates.best(margin).split(1)]

        return propose


@pytest.mark.parametrize(("iterations", "status"), [(4000, "PASS"), (2, "WARN")])
def test_an_attack_that_was_stopped_too_early(victim, some, attacked, iterations, status):
    """Half of more iterations than there are candidates changes nothing; one iteration is far from
    a record of all candidates.
    """
    record = attacked(
        Exhaustive() if iterations == 2 else Slow(iterations=iterations), victim, some, THREAT
    )
    broken = torch.tensor([outcome.broken for outcome in record.outcomes])
    facts = try_half_the_iterations(
        Slow(iterations=iterations),
        victim,
        some,
        THREAT,
        broken=broken,
        name="slow",
        records=[record.key],
    )
    assert (facts.half, facts.full, facts.num_graphs) == (iterations // 2, iterations, 8)
    assert more_iterations_change_little(Evidence([record], halved=[facts])).status == status
    assert (
        try_half_the_iterations(
            GradArgmax(), victim, some, THREAT, broken=broken, name="none to halve", records=[]
        )
        is None
    )


def test_random_edits_break_no_graph_that_an_exact_search_cannot(victim, some, attacked):
    exact = attacked(Exhaustive(), victim, some, THREAT)
    broken = torch.tensor([not o.attacked_right for o in exact.outcomes])
    by_chance = random_breaks(victim, some, THREAT, 1)
    assert bool((by_chance <= broken).all())
    assert by_chance.any()
