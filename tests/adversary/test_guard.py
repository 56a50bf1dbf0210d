"""The guard: an honest attack passes, and every way of cheating is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from robust_augcl.adversary.attack_base import Attack, FitGraphs, LearningAttack
from robust_augcl.adversary.guard import fit_attack, run_attack
from robust_augcl.adversary.supported import check_supported
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.errors import AccessViolation, GuardViolation, ThreatViolation
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

THREAT = ThreatModel(within_component=True)


@pytest.fixture
def graphs() -> PackedGraphs:
    return component_graphs(np.repeat([1, 2, 3], 4), (15, 20), 0.15, np.random.default_rng(0))


@pytest.fixture
def victim() -> Victim:
    draws = generator("victim")
    encoder = Structure2Vec(in_features=1, width=8, layers=2, generator=draws)
    return Victim(GraphClassifier(encoder, num_classes=3, hidden=8, generator=draws))


def honest(graphs: PackedGraphs) -> list[Perturbation]:
    """The first candidate of each graph."""
    candidates = THREAT.enumerate(graphs)
    return [candidates.perturbation(first.reshape(1)) for first in candidates.ptr[:-1]]


@dataclass(frozen=True)
class Scripted(Attack):
    """Does what a test tells it to, in `prepare` and in its proposer."""

    access: ClassVar[Access] = Access.QUERY

    propose: Callable[[PackedGraphs], Any]
    prepare_first: Callable[[Any, FitGraphs], object] = lambda victim, fit: None

    def prepare(self, victim, fit, threat, generator, report=None):  # type: ignore[no-untyped-def]
        self.prepare_first(victim, fit)
        return lambda graphs: self.propose(graphs)


def attack_with(attack: Attack, victim: Victim, graphs: PackedGraphs):
    return run_attack(
        attack, victim, graphs, THREAT, fit=FitGraphs(graphs, graphs), generator=generator(0)
    )


def test_an_honest_attack_is_judged_by_the_guards_own_predictions(graphs, victim):
    result = attack_with(Scripted(honest), victim, graphs)
    for index, perturbation in enumerate(result.perturbations):
        attacked = perturbation.apply(graphs[index])
        assert int(victim.logits([attacked]).argmax()) == int(result.attacked_prediction[index])
        assert int(victim.logits([graphs[index]]).argmax()) == int(result.clean_prediction[index])


def test_a_claim_of_success_is_not_believed(graphs, victim):
    @dataclass(frozen=True, eq=False)
    class Claims(Perturbation):
        success: bool = True

        def apply(self, data):
            return data

    with pytest.raises(ThreatViolation, match="Expected a Perturbation for graph 0, got Claims"):
        attack_with(Scripted(lambda g: [Claims() for _ in range(g.num_graphs)]), victim, graphs)
    # An attack that does nothing and tells the graphs it was handed a different class breaks
    # nothing.
    result = attack_with(
        Scripted(lambda g: [Perturbation() for _ in range(g.num_graphs)]), victim, graphs
    )
    assert torch.equal(result.clean_prediction, result.attacked_prediction)


def edit_of_first(
    pairs: list[list[int]], removed: bool = False
) -> Callable[[PackedGraphs], list[Perturbation]]:
    def propose(graphs: PackedGraphs) -> list[Perturbation]:
        edits = torch.tensor(pairs).T
        first = Perturbation(removed=edits) if removed else Perturbation(added=edits)
        return [first, *honest(graphs)[1:]]

    return propose


def test_over_budget_is_caught(graphs, victim):
    candidates = THREAT.enumerate(graphs)
    with pytest.raises(ThreatViolation, match="graph 0 has 2 edits, its budget is 1"):
        attack_with(Scripted(edit_of_first(candidates.pairs[:, :2].T.tolist())), victim, graphs)


def test_an_edge_that_leaves_the_component_is_caught(graphs, victim):
    two_components = graphs.select(torch.tensor([4]))
    parts = two_components.components
    other = int((parts != parts[0]).nonzero()[0])
    with pytest.raises(
        ThreatViolation, match=rf"graph 0 adds \(0, {other}\): its ends lie in two components"
    ):
        attack_with(Scripted(edit_of_first([[0, other]])), victim, two_components)


def test_a_duplicate_edit_is_caught(graphs, victim):
    i, j = THREAT.enumerate(graphs).pairs[:, 0].tolist()
    twice = ThreatModel(budget=2, within_component=True)
    attack = Scripted(edit_of_first([[i, j], [j, i]]))
    with pytest.raises(ThreatViolation, match="the same undirected edge twice"):
        run_attack(
            attack, victim, graphs, twice, fit=FitGraphs(graphs, graphs), generator=generator(0)
        )


def test_a_no_op_edit_is_caught(graphs, victim):
    edge = graphs.edge_index[:, :1].T.tolist()
    with pytest.raises(ThreatViolation, match="an edge that is already there"):
        attack_with(Scripted(edit_of_first(edge)), victim, graphs)


def test_a_deletion_is_caught_where_only_additions_are_allowed(graphs, victim):
    edge = graphs.edge_index[:, :1].T.tolist()
    with pytest.raises(ThreatViolation, match="deletions are not allowed"):
        attack_with(Scripted(edit_of_first(edge, removed=True)), victim, graphs)


@pytest.mark.parametrize("node", [-1, 10_000])
def test_an_edit_to_a_node_that_does_not_exist_is_caught(graphs, victim, node):
    with pytest.raises(ThreatViolation, match="a node that does not exist"):
        attack_with(Scripted(edit_of_first([[0, node]])), victim, graphs)


@pytest.mark.parametrize("which", ["x", "edge_index", "y"])
def test_changed_input_graphs_are_caught(graphs, victim, which):
    def spoil(handed: PackedGraphs) -> list[Perturbation]:
        answer = honest(handed)
        getattr(handed, which)[..., 0] += 1
        return answer

    before = [graphs.x.clone(), graphs.edge_index.clone(), graphs.y.clone()]
    with pytest.raises(GuardViolation, match="changed the attacked graphs"):
        attack_with(Scripted(spoil), victim, graphs)
    assert all(
        torch.equal(a, b)
        for a, b in zip(before, [graphs.x, graphs.edge_index, graphs.y], strict=True)
    )


def test_changed_training_graphs_are_caught(graphs, victim):
    attack = Scripted(honest, prepare_first=lambda victim, fit: fit.train.y.fill_(0))
    with pytest.raises(GuardViolation, match="changed the training graphs"):
        attack_with(attack, victim, graphs)


def test_what_an_attack_has_learned_is_used_again_and_its_questions_count(graphs, victim):
    @dataclass(frozen=True)
    class Learner(LearningAttack):
        """Learns which candidate to take, by asking about the training graphs."""

        access: ClassVar[Access] = Access.QUERY

        def prepare(self, victim, fit, threat, generator, report=None):
            victim.logits(fit.train)
            proposer = self.restore(
                {"place": torch.randint(5, (1,), generator=generator)}, victim, threat
            )
            proposer.curve = [(1, 0.5, 0.25)]
            return proposer

        def restore(self, state, victim, threat):
            class Proposer:
                def __call__(self, handed):
                    candidates = threat.enumerate(handed)
                    return [
                        candidates.perturbation(first + state["place"])
                        for first in candidates.ptr[:-1]
                    ]

                def state(self):
                    return state

            return Proposer()

    fit = FitGraphs(graphs, graphs)
    fitted = fit_attack(Learner(), victim, THREAT, fit=fit, generator=generator(3))
    assert (fitted.queries, fitted.curve) == (12, [(1, 0.5, 0.25)])
    again = run_attack(
        Learner(), victim, graphs, THREAT, fit=fit, generator=generator(4), fitted=fitted
    )
    at_once = run_attack(Learner(), victim, graphs, THREAT, fit=fit, generator=generator(3))
    assert again.queries == at_once.queries == 12
    for one, other in zip(again.perturbations, at_once.perturbations, strict=True):
        assert torch.equal(one.added, other.added)


def test_gradients_are_refused_to_an_attack_that_declared_query_access(graphs, victim):
    def take(seen, fit):
        seen.edge_gradients(fit.train, THREAT.enumerate(fit.train), fit.train.y)

    with pytest.raises(
        AccessViolation, match="declared access 'query' and asked for edge_gradients"
    ):
        attack_with(Scripted(honest, prepare_first=take), victim, graphs)
    assert victim.gradient_calls == 0


def test_no_gradient_comes_back_through_the_logits(graphs, victim):
    def differentiate(seen, fit):
        handed = PackedGraphs(
            fit.train.x.clone().requires_grad_(True),
            fit.train.edge_index,
            fit.train.ptr,
            fit.train.y,
        )
        with torch.enable_grad():
            assert not seen.logits(handed).requires_grad

    attack_with(Scripted(honest, prepare_first=differentiate), victim, graphs)


def test_what_an_attack_is_handed_leads_to_no_module_and_no_parameter(graphs, victim):
    def look(seen, fit):
        public = [getattr(seen, name) for name in dir(seen) if not name.startswith("_")]
        assert not any(
            isinstance(value, torch.nn.Module | torch.nn.Parameter | Victim) for value in public
        )
        assert not any(
            isinstance(getattr(value, "__self__", None), torch.nn.Module | Victim)
            for value in public
        )

    attack_with(Scripted(honest, prepare_first=look), victim, graphs)


def test_an_attack_without_access_gets_no_answer(graphs, victim):
    class Blind(Scripted):
        access = Access.NONE

    with pytest.raises(AccessViolation, match="declared access 'none' and asked for logits"):
        attack_with(
            Blind(honest, prepare_first=lambda seen, fit: seen.logits(fit.train)), victim, graphs
        )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda g: None, "Expected a list of perturbations"),
        (lambda g: honest(g)[:-1], "Expected one perturbation a graph, 12, got 11"),
        (lambda g: [None] * g.num_graphs, "Expected a Perturbation for graph 0, got NoneType"),
        (
            lambda g: [Perturbation(added=torch.zeros(2, 1)), *honest(g)[1:]],
            "whole numbers of shape",
        ),
    ],
)
def test_an_answer_of_the_wrong_form_is_refused(graphs, victim, answer, message):
    with pytest.raises((GuardViolation, ThreatViolation), match=message):
        attack_with(Scripted(answer), victim, graphs)


def test_an_attack_cannot_change_its_answer_after_the_check(graphs, victim):
    kept: list[Perturbation] = []

    def propose(handed: PackedGraphs) -> list[Perturbation]:
        kept.extend(honest(handed))
        return kept

    result = attack_with(Scripted(propose), victim, graphs)
    stored = [p.added.clone() for p in result.perturbations]
    for perturbation in kept:
        perturbation.added.fill_(0)
    assert all(torch.equal(p.added, s) for p, s in zip(result.perturbations, stored, strict=True))


def test_an_attack_that_widens_the_threat_it_was_told_is_judged_by_the_real_one(graphs, victim):
    def propose_two(handed: PackedGraphs) -> list[Perturbation]:
        candidates = THREAT.enumerate(handed)
        return [
            candidates.perturbation(torch.stack([first, first + 1]))
            for first in candidates.ptr[:-1]
        ]

    @dataclass(frozen=True)
    class Widens(Attack):
        access: ClassVar[Access] = Access.NONE

        def prepare(self, victim, fit, threat, generator, report=None):
            object.__setattr__(threat, "budget", 5)
            return propose_two

    with pytest.raises(ThreatViolation, match="has 2 edits, its budget is 1"):
        attack_with(Widens(), victim, graphs)
    assert THREAT.budget == 1


def test_edits_that_say_one_thing_and_do_another_are_refused(graphs, victim):
    class Lying(torch.Tensor):
        def size(self, *dims):
            return 1 if dims == (1,) else super().size(*dims)

    lying = THREAT.enumerate(graphs).pairs[:, :5].as_subclass(Lying)
    with pytest.raises(ThreatViolation, match=r"got (Lying|torch\.int64)"):
        attack_with(Scripted(lambda g: [Perturbation(added=lying), *honest(g)[1:]]), victim, graphs)


def test_queries_are_those_of_the_attack_alone(graphs, victim):
    assert attack_with(RandSampling(), victim, graphs).queries == 0
    assert attack_with(Exhaustive(), victim, graphs).queries == len(THREAT.enumerate(graphs)) + len(
        graphs
    )  # and each clean one


def test_a_budget_beyond_what_an_attack_can_do_is_refused_before_it_runs():
    with pytest.raises(
        ValueError, match="Expected `budget` to be at most 2 for the attack Exhaustive, got 3"
    ):
        check_supported(Exhaustive(), ThreatModel(budget=3))


@pytest.mark.parametrize("budget", [0.1, 0.999, 1.0])
def test_a_share_is_not_compared_with_a_number_of_edits(budget):
    expected = (
        rf"a whole number of edits, 2 at most, for the attack Exhaustive, got {budget}, a share"
    )
    with pytest.raises(ValueError, match=expected):
        check_supported(Exhaustive(), ThreatModel(budget=budget))


def test_a_share_of_the_degree_is_called_so():
    with pytest.raises(ValueError, match=r"got 0.5, a share of the target's degree"):
        check_supported(Exhaustive(), ThreatModel(0.5, share_of="degree"))
