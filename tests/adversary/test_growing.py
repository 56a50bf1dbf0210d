"""One search that answers several budgets: each answer, and its cost, is that of its own search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from attacked import attacked
from generators import seeded

from robust_augcl.adversary.attack_base import GrowingAttack
from robust_augcl.adversary.growing import search_together
from robust_augcl.adversary.guard import run_attack
from robust_augcl.adversary.victim import Access, Victim
from robust_augcl.attacks.beam import Beam
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.errors import AccessViolation, GuardViolation, ThreatViolation
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.testing.guarded import edits_of
from robust_augcl.threat.model import ThreatModel

BUDGETS = (1, 2, 4)


def threats(operations: tuple[Any, ...] = ("add", "delete")) -> list[ThreatModel]:
    return [ThreatModel(budget, operations) for budget in BUDGETS]


@pytest.fixture(params=[Structure2Vec, GCN])
def victim(request: pytest.FixtureRequest) -> Victim:
    draws = seeded(3)
    encoder = request.param(in_features=3, width=8, layers=2, generator=draws)
    model = GraphClassifier(encoder, num_classes=3, hidden=8, generator=draws)
    with torch.no_grad():
        model.head[-1].weight *= 3
    return Victim(model)


@pytest.fixture
def graphs(random_graphs: Callable[..., PackedGraphs], victim: Victim) -> PackedGraphs:
    drawn = random_graphs(5, [6, 1, 5, 7, 6, 5, 6, 3, 8, 8])
    y = victim.logits(drawn).argmax(1)
    y[2] = (y[2] + 1) % 3  # wrong already
    return drawn.with_labels(y)


@pytest.mark.thorough(
    but=["*-3-1-operations1", "Structure2Vec-50-4-operations2", "GCN-3-4-operations2"]
)
@pytest.mark.parametrize("operations", [("add",), ("delete",), ("add", "delete")])
@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("at_once", [50, 3])
def test_each_answer_is_that_of_its_own_search(victim, graphs, operations, width, at_once):
    with using(Limits(portion_graphs=at_once)):
        found = search_together(
            Beam(width), victim, graphs, threats(operations), generator=seeded(0)
        )
        alone = [attacked(Beam(width), victim, graphs, threat) for threat in threats(operations)]
        judged = [
            run_attack(
                Beam(width),
                victim,
                graphs,
                threat,
                fit=(graphs, graphs),
                generator=seeded(0),
                proposed=proposed,
            )
            for threat, proposed in zip(threats(operations), found, strict=True)
        ]
    for one, together in zip(alone, judged, strict=True):
        assert edits_of(one.perturbations) == edits_of(together.perturbations)
        assert torch.equal(one.attacked_margin, together.attacked_margin)
        assert torch.equal(one.attacked_prediction, together.attacked_prediction)
        assert (one.queries, one.gradient_calls) == (together.queries, together.gradient_calls)
    assert len({result.queries for result in judged}) == len(BUDGETS)
    seconds = [proposed.propose_seconds for proposed in found]
    assert 0 < seconds[0] < seconds[1] < seconds[2]


def test_the_victim_is_asked_no_more_than_by_the_largest_budget(victim, graphs):
    before = victim.queries
    found = search_together(Beam(2), victim, graphs, threats(), generator=seeded(0))
    assert victim.queries - before == found[-1].queries


@dataclass(frozen=True)
class Scripted(GrowingAttack):
    """Does what a test tells it to."""

    access: ClassVar[Access] = Access.QUERY

    script: Callable[[Any, PackedGraphs, list[ThreatModel]], Iterator[Any]]

    def grow(self, victim, threats, generator):  # type: ignore[no-untyped-def]
        return lambda graphs: self.script(victim, graphs, threats)


def first_edits(graphs: PackedGraphs, threat: ThreatModel, count: int) -> list[Any]:
    candidates = threat.enumerate(graphs)
    starts, counts = candidates.ptr[:-1].tolist(), candidates.counts.tolist()
    return [
        candidates.perturbation(torch.arange(start, start + min(count, many)))
        for start, many in zip(starts, counts, strict=True)
    ]


def stops_early(victim, graphs, threats):
    yield first_edits(graphs, threats[0], 1)


def no_list(victim, graphs, threats):
    yield tuple(first_edits(graphs, threats[0], 1))


def too_many(victim, graphs, threats):
    for _ in threats:
        yield first_edits(graphs, threats[0], 2)


def writes(victim, graphs, threats):
    graphs.x[0] += 1
    for _ in threats:
        yield first_edits(graphs, threats[0], 1)


def asks(victim, graphs, threats):
    victim.edge_gradients(graphs, threats[0].enumerate(graphs), graphs.y)
    yield []


def of_some(victim, graphs, threats):
    yield first_edits(graphs, threats[0], 1)[:-1]


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        (stops_early, GuardViolation, "for each threat from Scripted, got fewer answers"),
        (no_list, GuardViolation, "for each threat from Scripted, got tuple"),
        (too_many, ThreatViolation, "2 edits, its budget is 1"),
        (writes, GuardViolation, "changed the attacked graphs"),
        (asks, AccessViolation, "asked for edge_gradients"),
        (of_some, ThreatViolation, "one perturbation a graph"),
    ],
)
def test_cheating_is_caught(victim, graphs, script, error, words):
    with pytest.raises(error, match=words):
        search_together(Scripted(script), victim, graphs, threats(), generator=seeded(0))


def test_what_was_proposed_is_judged_like_any_answer(victim, graphs):
    (_, two, _) = search_together(Beam(2), victim, graphs, threats(), generator=seeded(0))
    assert max(edits.num_edits for edits in two.perturbations) == 2
    with pytest.raises(ThreatViolation, match="its budget is 1"):
        run_attack(
            Beam(2),
            victim,
            graphs,
            ThreatModel(1, ("add", "delete")),
            fit=(graphs, graphs),
            generator=seeded(0),
            proposed=two,
        )


def test_the_global_state_is_put_back(victim, graphs):
    def script(victim, graphs, threats):
        torch.set_default_dtype(torch.float64)
        for _ in threats:
            yield first_edits(graphs, threats[0], 1)

    search_together(Scripted(script), victim, graphs, threats(), generator=seeded(0))
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.thorough(but=["together"])
@pytest.mark.parametrize("how", ["together", "one by one"])
def test_benchmark_beam_search_of_several_budgets(benchmark, how):
    """20 graphs of 40 to 50 nodes, budgets 2 to 5, one thread; the reference is today's loop."""
    benchmark.group = "beam search, budgets 2 to 5"
    count = 20 if benchmark.enabled else 2
    labels = np.repeat([1, 2], count // 2)
    graphs = component_graphs(labels, (40, 50), 0.05, np.random.default_rng(0))
    draws = seeded(0)
    encoder = Structure2Vec(in_features=1, width=64, layers=2, generator=draws)
    victim = Victim(GraphClassifier(encoder, num_classes=3, hidden=32, generator=draws))
    graphs = graphs.with_labels(victim.logits(graphs).argmax(1))
    budgets = (2, 3, 4, 5) if benchmark.enabled else (2, 3)
    allowed = [ThreatModel(budget, within_component=True) for budget in budgets]

    def together() -> list[Any]:
        found = search_together(Beam(5), victim, graphs, allowed, generator=seeded(0))
        return [edits_of(proposed.perturbations) for proposed in found]

    def one_by_one() -> list[Any]:
        found = [attacked(Beam(5), victim, graphs, threat) for threat in allowed]
        return [edits_of(result.perturbations) for result in found]

    ours = {"together": together, "one by one": one_by_one}[how]
    found = benchmark.pedantic(ours, rounds=3 if benchmark.enabled else 1)
    assert found == (one_by_one() if how == "together" else together())
