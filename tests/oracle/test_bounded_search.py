"""The search over pairs finds the same with the bound on margins and without it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bounded_pairs import drawn_graphs, new_model

from robust_augcl.adversary.victim import Victim
from robust_augcl.data.components import component_graphs
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.oracle import certifier, pair_cost, pair_effects, pair_search
from robust_augcl.oracle.certificates import certify
from robust_augcl.oracle.edit_sets import SearchProblem
from robust_augcl.oracle.pair_bounds import pair_margin_bounds
from robust_augcl.oracle.pair_search import search_pairs
from robust_augcl.threat.model import ThreatModel

OPERATIONS = [("add",), ("delete",), ("add", "delete")]
FEATURES = ["constant", "few", "normal"]
pytestmark = pytest.mark.usefixtures("bounds_of_pairs_always")


class Asked:
    """Counts the pairs that a search asks about."""

    def __init__(self, victim):
        self.victim, self.pairs = victim, 0

    def __call__(self, graphs, candidates):
        before, asked = self.victim.pair_logits(graphs, candidates), self

        class Counting:
            at_once = before.at_once

            def __call__(self, one, other):
                asked.pairs += one.numel()
                return before(one, other)

        return Counting()


def found_by(victim, graphs, threat, stop, least_after):
    problem = SearchProblem.of(victim, graphs, threat)
    asked = Asked(victim)
    problem = SearchProblem(
        problem.ask, asked, graphs, problem.candidates, problem.clean, problem.budgets
    )
    found = search_pairs(problem, limit=10**6, stop_when_broken=stop, least_after=least_after)
    return found, asked.pairs


def least_after_of(victim, graphs, threat, says=None):
    def least_after(number, enough):
        graph = graphs.select(torch.tensor([number]))
        least = pair_margin_bounds(victim.model, graph, threat.enumerate(graph), enough)
        return least if says is None else torch.full_like(least, says)

    return least_after


def in_single_precision(seed, features, threat):
    graphs = drawn_graphs(seed, features, count=4, sizes=(9, 12), dtype=torch.float)
    model = new_model(graphs, seed=seed, larger=1.0)
    with torch.no_grad():  # so that edits break some of them
        model.head[-1].bias -= model(graphs).mean(0)
    return Victim(model), graphs.with_labels(model(graphs).argmax(1))


@pytest.mark.thorough(only=["*-few-*", "*-operations2"])
@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("stop", [True, False])
def test_a_search_with_the_bound_finds_the_same_to_the_last_digit(features, operations, stop):
    asked, broken = [0, 0], []
    threat = ThreatModel(2, operations)
    for seed in range(3):
        victim, graphs = in_single_precision(seed, features, threat)
        with using(Limits(pair_rows=500, extensions=1000)):
            plain, many = found_by(victim, graphs, threat, stop, None)
            least_after = least_after_of(victim, graphs, threat)
            found, few = found_by(victim, graphs, threat, stop, least_after)
        for name in ("edits", "margin", "broken", "exhausted", "evaluations"):
            assert torch.equal(getattr(found, name), getattr(plain, name)), name
        broken.append(plain.broken)
        asked[0] += few
        asked[1] += many
    assert asked[0] != asked[1]  # the bound was used
    assert 0 < int(torch.cat(broken).sum()) < torch.cat(broken).numel()


def test_a_bound_that_is_too_high_changes_what_is_found():
    threat, differs = ThreatModel(2, ("add", "delete")), False
    for seed in range(3):
        victim, graphs = in_single_precision(seed, "constant", threat)
        plain, _ = found_by(victim, graphs, threat, False, None)
        least_after = least_after_of(victim, graphs, threat, says=1e4)
        found, _ = found_by(victim, graphs, threat, False, least_after)
        differs |= not torch.equal(found.margin, plain.margin)
    assert differs


@pytest.mark.parametrize("encoder", [Structure2Vec, GIN])
def test_certificates_are_the_same_with_the_bound_and_without(encoder, monkeypatch):
    graphs = component_graphs(np.repeat([1, 2, 3], 4), (15, 20), 0.15, np.random.default_rng(1))
    model = new_model(graphs, encoder=encoder, width=16, larger=1.0)
    graphs = graphs.with_labels(model(graphs).argmax(1))
    victim, threat = Victim(model), ThreatModel(2, within_component=True)
    found = certify(victim, graphs, threat)
    monkeypatch.setattr(certifier, "pair_margin_bounds", lambda *_: None)
    plain = certify(victim, graphs, threat)
    for name in ("certified", "exhausted", "lower_margin"):
        assert torch.equal(getattr(found, name), getattr(plain, name)), name
    edges = [
        [None if each is None else each.added.tolist() for each in of.witnesses]
        for of in (found, plain)
    ]
    assert edges[0] == edges[1]


# --- speed ----------------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["with the bound", "without"])
def test_benchmark_pairs_of_a_certificate(benchmark, how, monkeypatch):
    """All pairs of edges that may be added to a graph of one component: compare the two rows."""
    monkeypatch.setattr(pair_effects, "is_worth_it", pair_cost.is_worth_it)
    monkeypatch.setattr(pair_search, "_BOUNDED_FROM", 16)
    benchmark.group = "pairs of a certificate, 3 rounds"
    graphs = component_graphs(np.array([1]), (45, 45), 0.05, np.random.default_rng(0))
    model = new_model(graphs, width=64, larger=1.0)
    graphs = graphs.with_labels(model(graphs).argmax(1))
    victim, threat = Victim(model), ThreatModel(2, within_component=True)
    least_after = least_after_of(victim, graphs, threat) if how == "with the bound" else None
    found, _ = benchmark.pedantic(
        found_by, (victim, graphs, threat, False, least_after), rounds=3, warmup_rounds=1
    )
    assert bool(found.exhausted)
