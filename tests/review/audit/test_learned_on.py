"""Attacks that learn are tried with more learning: whether undertrained ones are caught."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from hand_made import TRAITS

from robust_augcl.adversary.attack_base import FitGraphs, LearningAttack
from robust_augcl.adversary.guard import fit_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.models.margins import margins
from robust_augcl.review.audit.all_checks import examine
from robust_augcl.review.audit.evidence import Evidence, LearningFacts
from robust_augcl.review.audit.more_learning import MOST_VICTIMS, sample, try_learning_on
from robust_augcl.review.audit.rest import ENOUGH_GRAPHS, attackers_are_at_rest
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel

THREAT = ThreatModel(within_component=True)


@dataclass(frozen=True)
class Reader(LearningAttack):
    """Learns to look at so many candidates of each graph; then it takes the most harmful."""

    access: ClassVar[Access] = Access.QUERY
    effort: ClassVar[str | None] = "pages"

    pages: int = 2

    def prepare(self, victim, fit, threat, generator, report=None):
        assert fit.train.num_graphs > 0
        return _Reading(torch.tensor(self.pages), victim, threat)

    def restore(self, state, victim, threat):
        return _Reading(state["pages"], victim, threat)


@dataclass(frozen=True)
class GoesOn(Reader):
    """The same, and it can go on: where it read two pages it reads twenty, then no further."""

    def go_on(self, state, victim, fit, threat, generator, report=None):
        return _Reading(10 * state["pages"], victim, threat)


@dataclass(frozen=True)
class Falls(Reader):
    """It ends with an error where it is to go on."""

    def go_on(self, state, victim, fit, threat, generator, report=None):
        raise RuntimeError("no more pages")


class _Reading:
    curve = ()

    def __init__(self, pages, victim, threat):
        self._pages, self._victim, self._threat = pages, victim, threat

    def __call__(self, graphs):
        candidates = self._threat.enumerate(graphs)
        margin = margins(
            self._victim.candidate_logits(graphs, candidates), graphs.y[candidates.graph]
        )
        place = torch.arange(len(candidates)) - candidates.ptr[candidates.graph]
        margin[place >= self._pages] = torch.inf
        return [candidates.perturbation(best) for best in candidates.best(margin).split(1)]

    def state(self):
        return {"pages": self._pages}


def tried(attack, model, graphs, key="k"):
    victim, fit = Victim(model), FitGraphs(graphs, graphs)
    fitted = fit_attack(attack, victim, THREAT, fit=fit, generator=generator(0))
    return try_learning_on(
        attack, victim, fitted, graphs, THREAT, fit=fit, name="reader on none", records=[key]
    )


@pytest.mark.thorough(but=["2-WARN-Reader", "4000-PASS-GoesOn"])
@pytest.mark.parametrize("attack", [Reader, GoesOn])
@pytest.mark.parametrize(("pages", "status"), [(2, "WARN"), (4000, "PASS")])
def test_an_undertrained_attacker_is_caught_and_a_rested_one_passes(
    attack, pages, status, reference_model, reference_graphs, record
):
    one = record("reader", traits=replace(TRAITS, learns=True))
    # Ten times each: two points on two dozen graphs could be chance.
    graphs = reference_graphs.select(torch.arange(reference_graphs.num_graphs).repeat(10))
    facts = tried(attack(pages), reference_model, graphs, one.key)
    assert (facts.spent, facts.more) == (pages, pages if attack is Reader else pages // 2)
    assert facts.num_graphs == graphs.num_graphs
    assert facts.only_before == 0  # whoever looks at more candidates breaks no graph less
    found = attackers_are_at_rest(Evidence([one], learned_on=[facts]))
    assert found.status == status
    assert found.cells == ((one.key,) if status == "WARN" else ())


def test_an_attack_that_stops_when_it_is_to_go_on_is_told_of(
    reference_model, reference_graphs, record
):
    one = record("reader", traits=replace(TRAITS, learns=True))
    facts = tried(Falls(2), reference_model, reference_graphs, one.key)
    found = attackers_are_at_rest(Evidence([one], learned_on=[facts]))
    assert (found.status, found.cells) == ("WARN", (one.key,))
    assert "no more pages" in found.evidence


@pytest.mark.parametrize(
    ("graphs", "before", "after", "status"),
    [
        (400, 4, 13, "WARN"),  # 9 graphs of 400 are more than two points, and than chance
        (400, 4, 12, "PASS"),  # two points
        (400, 20, 29, "PASS"),  # 9 graphs, but so many change hands that it may be chance
        (400, 20, 0, "PASS"),  # weaker than before
        (38, 0, 4, "PASS"),  # of few graphs four may be chance
        (38, 0, 5, "WARN"),
    ],
)
def test_two_points_beyond_chance_are_no_rest(graphs, before, after, status, record):
    one, other = record("rl"), record("other")
    facts = LearningFacts((one.key,), "rl on none", graphs, "steps", 100, 50, before, after)
    rested = LearningFacts((other.key,), "other on none", 500, "steps", 9, 4, 1, 1)
    found = attackers_are_at_rest(Evidence([one, other], learned_on=[facts, rested]))
    assert found.status == status
    assert found.cells == ((one.key,) if status == "WARN" else ())
    few = graphs < ENOUGH_GRAPHS and status == "PASS"
    assert ("Fewer than 400 graphs cannot show a change of two points" in found.evidence) == few


def test_where_nothing_learned_nothing_is_said(record):
    assert attackers_are_at_rest(Evidence([record("a")])).status == "n/a"
    checks = [finding.check for finding in examine(Evidence([record("a")]))]
    assert "learned attackers are at rest" in checks


def test_one_victim_a_method_is_tried_and_few_in_all():
    class Planned:
        def __init__(self, method, seed):
            self.cell = type("Cell", (), {"method": method, "seed": seed})

    steps = [Planned(method, seed) for method in "abcd" for seed in (0, 1)]
    assert [(s.cell.method, s.cell.seed) for s in sample(steps)] == [("a", 0), ("b", 0), ("c", 0)]
    assert MOST_VICTIMS == 3
