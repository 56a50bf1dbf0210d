"""Attacks that the audit tries itself: on planted victims, with a large budget, and cut short."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from planted_faults import THREAT, Extreme, failed

from robust_augcl import registry
from robust_augcl.adversary.attack_base import CombiningAttack, LearningAttack
from robust_augcl.adversary.victim import Access
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.grad_argmax import GradArgmax
from robust_augcl.models.margins import margins
from robust_augcl.review.audit.effort import more_iterations_change_little
from robust_augcl.review.audit.evidence import Evidence
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
