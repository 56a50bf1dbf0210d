"""A claim to be exact counts only where it is proved, whoever makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from generators import seeded
from hand_made import make_record

from robust_augcl.adversary.attack_base import Attack, FitGraphs
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.results.records import Outcome
from robust_augcl.results.traits import Traits
from robust_augcl.steps.exactness import proved_exact
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all

ONE_EDIT = ThreatModel(budget=1)


@dataclass(frozen=True)
class Idle(Attack):
    """Claims to be exact, and edits nothing."""

    access: ClassVar[Access] = Access.NONE
    exact: ClassVar[bool] = True

    def prepare(self, victim, fit, threat, generator, report=None):
        return lambda graphs: [Perturbation() for _ in range(graphs.num_graphs)]


@pytest.fixture
def victim() -> Victim:
    generator = seeded(3)
    encoder = Structure2Vec(in_features=3, width=6, layers=2, generator=generator)
    return Victim(GraphClassifier(encoder, num_classes=3, hidden=5, generator=generator))


@pytest.fixture
def graphs(random_graphs, victim):
    """Graphs that carry the class that the victim predicts, so that all of them can be broken."""
    packed = random_graphs(5, sizes=(5, 7, 6, 8, 4, 9, 6, 5))
    packed.y.copy_(victim.logits(packed).argmax(1))
    return packed


def proved(attack, victim, graphs):
    none = graphs.select(torch.arange(0))
    chance = seeded(0)
    result = run_attack(
        attack, victim, graphs, ONE_EDIT, fit=FitGraphs(none, none), generator=chance
    )
    predictions = result.clean_prediction, result.attacked_prediction
    return proved_exact(victim, graphs, ONE_EDIT, *predictions), result


def can_be_broken(victim, graphs):
    """Whether some single edit breaks each graph, by trying them one by one."""
    answers = []
    for index in range(graphs.num_graphs):
        graph = graphs.select(torch.tensor([index]))
        pairs = ONE_EDIT.enumerate(graph).pairs.T
        edited = [apply_all(graph, [Perturbation(added=pair.reshape(2, 1))]) for pair in pairs]
        wrong = [int(victim.logits(each).argmax()) != int(graph.y) for each in edited]
        answers.append(any(wrong))
    return torch.tensor(answers)


def test_an_exhaustive_search_is_proved_for_every_target(victim, graphs):
    exact, result = proved(Exhaustive(), victim, graphs)
    breakable = can_be_broken(victim, graphs)
    assert exact.all()
    assert torch.equal(result.attacked_prediction != graphs.y, breakable)
    assert breakable.any()
    assert not breakable.all()


def test_an_idle_attack_is_proved_only_where_nothing_can_be_broken(victim, graphs):
    exact, _ = proved(Idle(), victim, graphs)
    assert torch.equal(exact, ~can_be_broken(victim, graphs))


def test_what_is_wrong_when_clean_needs_no_proof_even_if_the_edits_put_it_right(victim, graphs):
    wrong = (graphs.y + 1) % 3
    exact = proved_exact(victim, graphs.with_labels(wrong), ONE_EDIT, graphs.y, wrong)
    assert exact.all()


def outcome(graph, exact):
    return Outcome(graph, 0, 0, 0, 1.0, 1.0, [], [], exact=exact)


def test_a_record_is_exact_only_where_every_target_is_proved_and_the_attack_claims_it():
    claims = Traits("query", False, False, [], True, None, "a")
    whole = [outcome(0, True), outcome(1, True)]
    part = [outcome(0, True), outcome(1, False)]
    assert make_record(whole, traits=claims).is_exact
    assert not make_record(part, traits=claims).is_exact
    assert make_record(part, traits=claims).exact_share == 0.5
    assert not make_record(whole).is_exact
