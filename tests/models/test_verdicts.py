"""What is close is decided in double precision, by whomever it is asked; brute force is too."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from close_calls import WIDEST, after_each, every_set_of_edits, of_double_precision, torn
from generators import seeded
from given_modules import Given
from given_modules import given as given_module
from hypothesis import given
from hypothesis import strategies as st
from models import classifier
from torch import Tensor

from robust_augcl.adversary.attack_base import Attack, FitGraphs, GrowingAttack, LearningAttack
from robust_augcl.adversary.growing import search_together
from robust_augcl.adversary.guard import AttackResult, fit_attack, run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.beam import Beam
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.errors import InputError
from robust_augcl.graphs.concatenated import concatenate
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.margins import margins
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.models.verdicts import CLOSE, EQUAL, in_order
from robust_augcl.oracle.certificates import certify
from robust_augcl.review.judge import Judge
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

ENCODERS = (Structure2Vec, GIN, GCN)
ONE = ThreatModel(1, ("add", "delete"))
TWO = ThreatModel(2)
STEPS = [WIDEST * step / 4 for step in range(-4, 5)]

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


def one_graph(nodes: int = 6, seed: int = 0) -> PackedGraphs:
    """A graph of one component or more."""
    return component_graphs(np.array([2]), (nodes, nodes), 0.3, np.random.default_rng(seed))


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


@pytest.mark.parametrize("classes", [(0, 1), (1, 2), (0, 2)])
def test_of_equal_logits_the_first_class_wins(classes):
    first, second = classes
    model = classifier(GIN, "ties", layers=2)
    with torch.no_grad():
        last = model.head[2]
        last.weight[second], last.bias[second] = last.weight[first], last.bias[first]
        (other,) = {0, 1, 2} - {first, second}
        last.bias[other] -= 1000
    graphs = concatenate([one_graph(seed=seed) for seed in range(4)])
    logits = Victim(model).logits(graphs)
    assert (logits.argmax(1) == first).all()
    y = torch.full((4,), second)
    assert (margins(logits, y) < 0).all()  # and a margin says the same
    assert (margins(logits, y) > -1e-4).all()


def test_logits_that_are_equal_but_for_the_order_of_a_sum_are_a_tie():
    """Two classes of the same weights, hidden units in another order: only rounding differs."""
    model = classifier(GIN, "ties", layers=3, hidden=64)
    with torch.no_grad():
        hidden, last = model.head[0], model.head[2]
        half = hidden.weight.size(0) // 2
        hidden.weight.abs_()
        hidden.bias += 10  # so that many of them are above 0
        hidden.weight[:half], hidden.bias[:half] = hidden.weight[half:], hidden.bias[half:]
        last.weight[0, :half] *= torch.linspace(-3, 3, half)
        last.weight[1] = torch.cat([last.weight[0, half:], last.weight[0, :half]])
        last.bias[1], last.bias[2] = last.bias[0], last.bias[2] - 1000
    graphs = concatenate([one_graph(seed=seed) for seed in range(40)])
    precise = of_double_precision(model, graphs)
    assert (precise[:, 1] != precise[:, 0]).any()  # by its last digits
    assert (precise[:, :2].diff().abs() < 1e-12).all()
    assert (Victim(model).logits(graphs).argmax(1) == 0).all()


def test_a_tie_of_all_logits_is_the_first_class():
    model = classifier(GIN, "ties", layers=2)
    with torch.no_grad():
        model.head[2].weight.zero_()
        model.head[2].bias.zero_()
    assert Victim(model).logits(one_graph()).argmax(1).tolist() == [0]


@given(st.lists(st.floats(-1e4, 1e4), min_size=3, max_size=3), st.floats(-1e-6, 1e-6))
def test_rounding_keeps_the_order_of_the_two_highest(row, by):
    precise = torch.tensor([[*row, max(row) + by]], dtype=torch.double)
    rounded = in_order(precise, torch.float32)
    equal = precise >= precise.max() - EQUAL * precise.abs().max()
    assert rounded.argmax(1).tolist() == [equal.flatten().tolist().index(True)]
    best, second = rounded.topk(2).values[0]
    assert best > second
    size = max(abs(value) for value in (*row, 1.0))
    assert float((rounded - precise).abs().max()) <= 2.5e-7 * size


@pytest.mark.parametrize("row", [[1e39, 2e39], [2e39, 1e39], [-2e39, -1e39], [1e39, 1.0]])
def test_what_lies_beyond_single_precision_keeps_its_winner_alone(row):
    precise = torch.tensor([row, [1.0, 2.0]], dtype=torch.double)
    rounded = in_order(precise, torch.float32)
    assert torch.equal(rounded.argmax(1), precise.argmax(1))
    assert bool(rounded.isfinite().all())
    assert bool((margins(rounded, precise.argmax(1)) > 0).all())


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


# --- what cannot be evaluated in double precision -------------------------------------------------


class SinglePrecision(GIN):
    """An encoder of other people, which insists on single precision."""

    def first_states(self, x):
        if x.dtype != torch.float32:
            raise RuntimeError("expected Float, got Double")
        return super().first_states(x)


def test_an_encoder_without_double_precision_decides_target_by_target():
    copies = after_each(one_graph(), every_set_of_edits(one_graph(), TWO))
    for by in STEPS:
        model = torn(GIN, copies, seed=1, by=by)
        model.encoder.__class__ = SinglePrecision
        victim = Victim(model)
        assert victim.precise_logits(copies) is None
        numbers = torch.arange(copies.num_graphs)
        alone = torch.cat([model(copies.select(number)) for number in numbers.split(1)])
        assert torch.equal(victim.logits(copies).argmax(1), alone.argmax(1))


class Insists(Given):
    """A module that insists on single precision."""

    def forward(self, x, edge_index, batch):
        return super().forward(x, edge_index, batch) @ torch.eye(3, dtype=torch.float32)


def module_logits(module: Given, graphs: PackedGraphs, dtype: torch.dtype) -> Tensor:
    """What a module says of graphs, one by one, in a precision of its own."""
    module = copy.deepcopy(module).to(dtype)
    rows = []
    for data in graphs.to_data_list():
        batch = torch.zeros(data.num_nodes, dtype=torch.long)
        rows.append(module(data.x.to(dtype), data.edge_index, batch))
    return torch.cat(rows)


@pytest.mark.thorough(but=["Given-dtype0"])
@pytest.mark.parametrize(("made", "dtype"), [(Given, torch.double), (Insists, torch.float32)])
@torch.no_grad()
def test_a_given_module_decides_in_the_highest_precision_that_it_has(made, dtype, random_graphs):
    graphs = random_graphs(0, [9, 8, 7, 9], features=3)
    wrong = 0
    for step in range(-10, 11):
        module = given_module("GIN", seed=1)
        module.head[0].bias += 300
        module.head[2].bias -= module.head[2].weight.sum(1) * 300
        logits = module_logits(module, graphs, torch.double)[0]
        best, other, _ = logits.sort(descending=True).indices.tolist()
        module.head[2].bias[other] += float(logits[best] - logits[other]) + step * 3e-6
        precise = module_logits(module, graphs, torch.double).argmax(1)
        module.__class__ = made
        model = ModuleClassifier(module, graphs)
        assert model.in_double == (made is Given)
        victim, expected = Victim(model), module_logits(module, graphs, dtype).argmax(1)
        assert torch.equal(victim.logits(graphs).argmax(1), expected)
        assert (victim.precise_logits(graphs) is None) == (made is Insists)
        wrong += int((model(graphs).argmax(1) != precise).sum())
    assert wrong  # or this is about nothing


class FailsLater(GIN):
    """An encoder that makes a tensor of single precision, for graphs of more than six nodes."""

    def first_states(self, x):
        states = super().first_states(x)
        return states @ torch.eye(states.size(1)) if len(x) > 6 else states


class LaterInsists(Given):
    """A module that insists on single precision for graphs of more than nine nodes."""

    def forward(self, x, edge_index, batch):
        logits = super().forward(x, edge_index, batch)
        return logits @ torch.eye(3, dtype=torch.float32) if len(x) > 9 else logits


def close_to(model: GraphClassifier) -> GraphClassifier:
    """The same classifier with a head by which all logits are equal."""
    for part in model.head[2].parameters():
        part.data.zero_()
    return model


def test_an_encoder_that_fails_in_double_precision_on_a_later_graph_is_named():
    model = close_to(classifier(GIN, "later", layers=2))
    model.encoder.__class__ = FailsLater
    victim = Victim(model)
    assert victim.logits(one_graph()).shape == (1, 3)
    says = r"The model FailsLater .*RuntimeError: .*with `dtype=x.dtype`"
    for ask in (victim.logits, victim.precise_logits):
        with pytest.raises(InputError, match=says):
            ask(one_graph(nodes=8))


def test_a_module_that_fails_in_double_precision_on_a_later_graph_is_named(random_graphs):
    module = given_module("GIN", seed=1)
    for part in module.head[2].parameters():
        part.data.zero_()
    module.__class__ = LaterInsists
    victim = Victim(ModuleClassifier(module, random_graphs(0, [9, 8], features=3)))
    later = random_graphs(1, [9, 10], features=3)
    with pytest.raises(InputError, match=r"The model LaterInsists .*with `dtype=x.dtype`"):
        victim.logits(later)


@dataclass(frozen=True)
class HidesDouble(LearningAttack):
    """Makes double precision fail while it runs, and asks about what is close."""

    access: ClassVar[Access] = Access.QUERY

    def prepare(self, victim, fit, threat, generator, report=None):  # type: ignore[no-untyped-def]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GraphClassifier, "double", None)
            victim.logits(fit.train)
        return MakesNoEdit()

    def restore(self, state, victim, threat):  # type: ignore[no-untyped-def]
        return MakesNoEdit()


class MakesNoEdit:
    curve = ()

    def __call__(self, graphs: PackedGraphs) -> list[Perturbation]:
        return [Perturbation()] * graphs.num_graphs

    def state(self) -> dict[str, Tensor]:
        return {}


@dataclass(frozen=True)
class HidesDoubleAsItGrows(GrowingAttack):
    access: ClassVar[Access] = Access.QUERY

    def grow(self, victim, threats, generator):  # type: ignore[no-untyped-def]
        def search(graphs: PackedGraphs) -> Iterator[list[Perturbation]]:
            HidesDouble().prepare(victim, FitGraphs(graphs, graphs), ONE, generator)
            yield from ([Perturbation()] * graphs.num_graphs for _ in threats)

        return search


@pytest.mark.parametrize("how", ["learns", "runs", "grows"])
def test_no_attack_decides_whether_there_is_double_precision(how):
    graphs = one_graph()
    victim, fit = Victim(close_to(classifier(GIN, "hidden", layers=2))), FitGraphs(graphs, graphs)
    if how == "learns":
        fit_attack(HidesDouble(), victim, ONE, fit=fit, generator=seeded(0))
    elif how == "runs":
        run_attack(HidesDouble(), victim, graphs, ONE, fit=fit, generator=seeded(0))
    else:
        search_together(HidesDoubleAsItGrows(), victim, graphs, [ONE], generator=seeded(0))
    assert victim.precise_logits(graphs) is not None
