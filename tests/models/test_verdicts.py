"""What is close is decided in double precision, by whomever it is asked; brute force is too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from close_calls import (
    ONE,
    STEPS,
    TWO,
    WIDEST,
    after_each,
    every_set_of_edits,
    of_double_precision,
    one_graph,
    torn,
)
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.adversary.attack_base import Attack, FitGraphs
from robust_augcl.adversary.guard import AttackResult, run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.beam import Beam
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.margins import margins
from robust_augcl.models.verdicts import CLOSE
from robust_augcl.oracle.certificates import certify
from robust_augcl.review.judge import Judge
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

ENCODERS = (Structure2Vec, GIN, GCN)

shifts = st.floats(-WIDEST, WIDEST)
seeds = st.integers(0, 10)
encoders = st.sampled_from(ENCODERS)


@dataclass(frozen=True)
class Does(Attack):
    """Makes the edits that a test tells it to."""

    access: ClassVar[Access] = Access.NONE

    edits: tuple[Perturbation, ...]

    def prepare(self, victim, fit, threat, generator, report=None):  # type: ignore[no-untyped-def]
        return lambda graphs: list(self.edits)


def attacked(
    attack: Attack, model: GraphClassifier, graphs: PackedGraphs, threat: ThreatModel
) -> AttackResult:
    fit = FitGraphs(graphs, graphs)
    return run_attack(attack, Victim(model), graphs, threat, fit=fit, generator=seeded(0))


def as_predicted(model: GraphClassifier, copies: PackedGraphs) -> PackedGraphs:
    """The first of the copies, with the class that double precision predicts."""
    clean = copies.select(torch.tensor([0]))
    return clean.with_labels(of_double_precision(model, clean).argmax(1))


def broken_in_double(model: GraphClassifier, copies: PackedGraphs) -> torch.Tensor:
    """Which copies are of another class than the first one."""
    predicted = of_double_precision(model, copies).argmax(1)
    return predicted != predicted[0]


@pytest.mark.thorough(but=["Structure2Vec"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_single_precision_is_wrong_about_such_classifiers(encoder):
    """Or all tests here are about nothing."""
    copies = after_each(one_graph(), every_set_of_edits(one_graph(), ONE))
    wrong = 0
    for seed in range(3):
        for by in STEPS:
            model = torn(encoder, copies, seed=seed, by=by)
            single = model(copies).argmax(1)
            wrong += bool((single != of_double_precision(model, copies).argmax(1)).any())
    assert wrong >= 3


@given(encoders, seeds, shifts)
def test_the_guard_judges_by_double_precision(encoder, seed, by):
    graph = one_graph()
    edits = every_set_of_edits(graph, ONE)
    copies = after_each(graph, edits)
    model = torn(encoder, copies, seed=seed, by=by)
    graphs = graph.select(torch.zeros(len(edits), dtype=torch.long))
    result = attacked(Does(tuple(edits)), model, graphs, ONE)
    expected = of_double_precision(model, copies)
    assert torch.equal(result.attacked_prediction, expected.argmax(1))
    exact = margins(expected, graphs.y).float()
    torch.testing.assert_close(result.attacked_margin, exact, rtol=1e-5, atol=2 * WIDEST)
    is_right = expected.argmax(1) == graphs.y
    assert torch.equal(result.attacked_margin > 0, is_right)


@given(encoders, seeds, shifts)
def test_a_clean_prediction_that_is_close_is_decided_so_too(encoder, seed, by):
    graph = one_graph()
    model = torn(encoder, graph, seed=seed, by=by)
    others = concatenate([one_graph(seed=1), graph, one_graph(seed=2)])
    result = attacked(Does((Perturbation(),) * 3), model, others, ONE)
    expected = of_double_precision(model, others).argmax(1)
    assert torch.equal(result.clean_prediction, expected)
    assert torch.equal(result.attacked_prediction, expected)
    assert torch.equal(result.clean_margin, result.attacked_margin)


@pytest.mark.thorough(but=["one edit"])
@pytest.mark.parametrize("threat", [ONE, TWO], ids=["one edit", "pairs"])
@given(encoders, seeds, shifts)
def test_exact_search_finds_what_breaks_in_double_precision(threat, encoder, seed, by):
    graph = one_graph()
    copies = after_each(graph, every_set_of_edits(graph, threat))
    model = torn(encoder, copies, seed=seed, by=by)
    labelled = as_predicted(model, copies)
    result = attacked(Exhaustive(), model, labelled, threat)
    is_broken = bool(broken_in_double(model, copies).any())
    assert bool(result.attacked_prediction != labelled.y) == is_broken
    wide = attacked(Beam(width=100), model, labelled, threat)
    assert bool(wide.attacked_prediction != labelled.y) == is_broken


@pytest.mark.thorough(but=["one edit"])
@pytest.mark.parametrize("threat", [ONE, TWO], ids=["one edit", "pairs"])
@given(encoders, seeds, shifts)
def test_certificates_certify_what_stands_in_double_precision(threat, encoder, seed, by):
    graph = one_graph()
    copies = after_each(graph, every_set_of_edits(graph, threat))
    model = torn(encoder, copies, seed=seed, by=by)
    labelled = as_predicted(model, copies)
    found = certify(Victim(model), labelled, threat)
    broken = broken_in_double(model, copies)
    assert found.certified.tolist() == [not bool(broken.any())]
    assert found.exhausted.all()
    (witness,) = found.witnesses
    assert (witness is not None) == bool(broken.any())
    if witness is not None:
        (after,) = of_double_precision(model, after_each(labelled, [witness])).argmax(1)
        assert after != labelled.y
        fewest = 1 if bool(broken[: 1 + len(threat.enumerate(graph))].any()) else 2
        assert witness.num_edits == fewest


@given(encoders, seeds, shifts)
def test_replay_judges_as_the_guard_does(encoder, seed, by):
    graph = one_graph()
    edits = every_set_of_edits(graph, ONE)
    copies = after_each(graph, edits)
    model = torn(encoder, copies, seed=seed, by=by)
    clean = as_predicted(model, copies).select(torch.zeros(copies.num_graphs, dtype=torch.long))
    answer = Judge(Victim(model), clean).predict(copies, torch.arange(copies.num_graphs))
    assert torch.equal(answer.predicted, of_double_precision(model, copies).argmax(1))
    assert not answer.undecided.any()


@pytest.mark.thorough(but=["Structure2Vec"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_what_is_close_depends_on_no_batch(encoder):
    copies = after_each(one_graph(), every_set_of_edits(one_graph(), TWO))
    count, close = copies.num_graphs, 0
    for by in STEPS:
        victim = Victim(torn(encoder, copies, seed=1, by=by))
        together = victim.logits(copies)
        order = torch.randperm(count, generator=seeded(0))
        shuffled = torch.empty_like(together)
        shuffled[order] = victim.logits(copies.select(order))
        alone = torch.cat([victim.logits(copies.select(k)) for k in torch.arange(count).split(1)])
        best, second = together.topk(2).values.T
        near = best - second <= CLOSE * together.abs().amax(1)
        close += int(near.sum())
        for other in (shuffled, alone):
            assert torch.equal(together[near], other[near])
            assert torch.equal(together.argmax(1), other.argmax(1))
    assert close >= len(STEPS)


def test_no_question_is_counted_twice():
    copies = after_each(one_graph(), every_set_of_edits(one_graph(), ONE))
    victim = Victim(torn(GIN, copies, seed=0, by=1e-6))
    victim.logits(copies)
    candidates = ONE.enumerate(one_graph())
    victim.candidate_logits(one_graph(), candidates)
    assert victim.queries == copies.num_graphs + len(candidates)


def test_weights_are_not_changed():
    copies = after_each(one_graph(), every_set_of_edits(one_graph(), ONE))
    model = torn(GIN, copies, seed=0, by=1e-6)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Victim(model).logits(copies)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
