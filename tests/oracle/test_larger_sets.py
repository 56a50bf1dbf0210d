"""The search over sets of three edits and more against every set, tried one by one."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import combinations
from math import comb

import pytest
import torch
from brute_force import OPERATIONS, RandomCase, every_set, random_case
from generators import seeded
from given_modules import centred, given

from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.gin import GIN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.models.module import ModuleClassifier
from robust_augcl.oracle import harmless, larger_sets
from robust_augcl.oracle.certificates import certify
from robust_augcl.oracle.edit_sets import BestSets, SearchProblem
from robust_augcl.oracle.harmless import OpenSets
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

KINDS = {
    "GIN": {"encoder": GIN, "layers": 2, "features": 1},
    "GIN of 3 rounds": {"encoder": GIN, "layers": 3, "features": 2},
    "GCN": {"encoder": GCN, "layers": 2, "features": 2},
    "structure2vec of 3 rounds": {"encoder": Structure2Vec, "layers": 3, "features": 1},
    "features that differ": {"encoder": Structure2Vec, "layers": 2, "features": 2},
}
MODULE = "a given module"


def case_of(kind, number, **given_settings):
    """Four graphs of a kind of classifier that branch and bound does not know."""
    if kind != MODULE:
        return random_case(number, **KINDS[kind], **given_settings)
    case = random_case(number, **KINDS["GIN of 3 rounds"], **given_settings)
    module = centred(given("GIN", features=2, width=4, seed=number), case.graphs)
    model = ModuleClassifier(module, case.graphs)
    labels = model(case.graphs).argmax(1)
    return RandomCase(model, case.graphs.with_labels(labels), case.threat)


def truths(case):
    """Every set of each graph, up to its own budget, in double precision."""
    double = copy.deepcopy(case.model).double()
    graphs = replace(case.graphs, x=case.graphs.x.double())
    budgets = case.budgets.tolist()
    return [
        every_set(double, graphs, case.candidates, number, budget)
        for number, budget in enumerate(budgets)
    ]


def fewest_of(sets):
    """The fewest edits that break the graph, None where no set does."""
    broken = sets.gaps.amin(1) < 0
    return int(sets.sizes[broken].min()) if bool(broken.any()) else None


def faults(case, found, every=None):
    """What is wrong of a certificate with limits that nothing reaches, in words."""
    victim = Victim(case.model)
    for number, sets in enumerate(truths(case) if every is None else every):
        fewest, witness = fewest_of(sets), found.witnesses[number]
        if not bool(found.exhausted[number]):
            yield "open"
        if bool(found.certified[number]) != (fewest is None):
            yield "verdict"
        if float(found.lower_margin[number]) > sets.margin + 1e-4:
            yield "lower margin"
        if (witness is None) != (fewest is None):
            yield "witness"
        if witness is not None and fewest is not None:
            data = case.graphs[number]
            case.threat.check(data, witness)
            if int(victim.logits([witness.apply(data)]).argmax(1)) == int(case.graphs.y[number]):
                yield "witness that breaks nothing"
            if witness.num_edits < fewest or (fewest < 3 and witness.num_edits > fewest):
                yield "edits of a witness"


def nothing_found(problem, width):
    """Instead of beam search, so that the sets themselves decide."""
    return BestSets(problem.clean, problem.graphs.y, max(int(problem.budgets.max()), 1)).found(
        torch.zeros_like(problem.graphs.y, dtype=torch.bool)
    )


@pytest.fixture
def no_beam(monkeypatch):
    monkeypatch.setattr(larger_sets, "beam_search", nothing_found)


def certified(case, **limits):
    return certify(Victim(case.model), case.graphs, case.threat, **limits)


@pytest.mark.thorough(
    only=[
        "False-operations0-*",
        "True-operations1-*",
        "False-operations2-*3 rounds",
        "True-operations2-*3 rounds",
    ]
)
@pytest.mark.parametrize("kind", [*KINDS, MODULE])
@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize("beam", [True, False])
def test_every_verdict_is_that_of_brute_force(kind, operations, beam, request):
    if not beam:
        request.getfixturevalue("no_beam")
    for number in range(2):
        case = case_of(kind, number + 10 * beam, operations=operations, budget=3 + number)
        assert not list(faults(case, certified(case)))


def test_shares_of_edges_are_budgets_of_their_own(no_beam):
    budgets = set()
    for kind in ("GIN of 3 rounds", "GCN"):
        for number in range(2):
            case = case_of(kind, number, operations=("add", "delete"), budget=3)
            case = replace(case, threat=ThreatModel(0.6, ("add", "delete")))
            assert not list(faults(case, certified(case)))
            budgets |= set(case.budgets.tolist())
    assert len(budgets) > 2
    assert max(budgets) > 2


HARD = {
    "GIN": [7, 37],
    "GIN of 3 rounds": [40, 42],
    "structure2vec of 3 rounds": [9, 14],
    "features that differ": [9, 17],
}
"""Cases of classifiers with a bound that hold graphs which three edits break, and no fewer."""


@pytest.fixture(scope="module")
def hard_cases():
    """Cases, and every set of their graphs."""
    cases = [
        case_of(kind, number, operations=("add", "delete"), budget=3)
        for kind, numbers in HARD.items()
        for number in numbers
    ]
    return [(case, truths(case)) for case in cases]


# --- planted faults -------------------------------------------------------------------------------


def least_is_nothing(cost, most):
    """As if no edit that comes later could cost anything."""
    return cost.new_zeros(most, cost.size(0), cost.size(1) + 1)


def of_first_class(self, sets, of, new, after, is_open=OpenSets._is_open):
    """As if the first of the wrong classes alone could win."""
    one = copy.copy(self)
    one._start = self._start[:1]
    one._cost, one._least = self._cost[:1], self._least[:, :1]
    return is_open(one, sets, of, new, after)


def without_the_first(self, size, of_size=OpenSets.of_size):
    """As if the candidate that does most damage did not count."""
    return (block[block[:, 0] > 0] for block in of_size(self, size))


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (harmless, "_least_sums", least_is_nothing),
        (OpenSets, "_is_open", of_first_class),
        (OpenSets, "of_size", without_the_first),
    ],
)
def test_an_unsound_pruning_is_caught(owner, name, fault, hard_cases, no_beam, monkeypatch):
    assert not any(list(faults(case, certified(case), every)) for case, every in hard_cases)
    monkeypatch.setattr(owner, name, fault)
    assert any("verdict" in faults(case, certified(case), every) for case, every in hard_cases)


# --- the sets that a bound leaves open ------------------------------------------------------------


def random_bound(number, candidates=8, classes=3):
    """What a bound may be: no cost is positive, and the true class has no margin."""
    draws = seeded(number)
    start = torch.rand(classes, generator=draws).double() + 0.5
    cost = -torch.rand(candidates, classes, generator=draws).double().square()
    start[number % classes] = torch.inf
    return start, cost


def by_enumeration(start, cost, size):
    """All sets of which some margin may fall to 0, in the order of dictionaries."""
    return [
        list(chosen)
        for chosen in combinations(range(len(cost)), size)
        if bool((start + cost[list(chosen)].sum(0) <= 0).any())
    ]


@pytest.mark.parametrize("extensions", [1, 7, 200_000])
def test_the_open_sets_are_those_that_the_bound_does_not_prove_harmless(extensions):
    pruned = 0
    for number in range(10):
        start, cost = random_bound(number)
        found = OpenSets(start, cost, 0.0, 5)
        for size in (1, 3, 4, 5):
            expected = by_enumeration(start, cost, size)
            with using(Limits(extensions=extensions)):
                assert [row for block in found.of_size(size) for row in block.tolist()] == expected
                assert found.number(range(size, size + 1), 1000) == len(expected)
            pruned += comb(8, size) - len(expected)
    assert pruned > 0


def test_a_bound_that_is_no_number_leaves_all_sets_open():
    for without in ("start", "cost"):
        start, cost = torch.tensor([5.0, torch.inf]), torch.zeros(4, 2)
        (start if without == "start" else cost[0])[:1] = torch.nan
        expected = 4 if without == "start" else 3  # sets of three that hold the first candidate
        assert OpenSets(start, cost, 0.0, 3).number(range(3, 4), 10) == expected


def test_more_sets_than_candidates_are_none():
    for size in (3, 4):
        assert OpenSets(*random_bound(0, candidates=2), 0.0, 4).number(range(size, 5), 10) == 0
        every = OpenSets.all_of(3, 4, torch.device("cpu"))
        assert every.number(range(3, 5), 10) == 1


def test_counting_ends_soon_after_the_limit():
    every = OpenSets.all_of(3000, 5, torch.device("cpu"))
    assert every.number(range(3, 6), 200_000) == 200_001  # of 2e15


# --- the limit ------------------------------------------------------------------------------------


def test_a_graph_with_more_sets_than_the_limit_stays_open_and_is_not_searched(no_beam, monkeypatch):
    case = case_of("GCN", 3, operations=("add", "delete"), budget=3)  # no bound: all sets count
    triples = [comb(int(count), 3) for count in case.candidates.counts]
    free = certified(case)
    limit = sorted(triples)[1]
    tried = []
    of_graph = larger_sets._OneGraph
    monkeypatch.setattr(
        larger_sets, "_OneGraph", lambda *given: tried.append(1) or of_graph(*given)
    )
    limited = certified(case, sets=limit)
    for number, count in enumerate(triples):
        fewer = free.witnesses[number]
        by_two = fewer is not None and fewer.num_edits < 3
        assert bool(limited.exhausted[number]) == (count <= limit or by_two)
    assert not limited.exhausted.all()
    assert len(tried) <= sum(count <= limit for count in triples)
    assert (limited.certified <= free.certified).all()


def test_pairs_break_graphs_whose_larger_sets_are_too_many():
    """What was missed before: with three edits allowed, no pair was tried."""
    broken = 0
    for number in range(8):
        case = case_of("GCN", number, operations=("add", "delete"), budget=4)
        found = certified(case, sets=1)
        for sets, witness in zip(truths(case), found.witnesses, strict=True):
            if fewest_of(sets) == 2:
                assert witness.num_edits == 2
                broken += 1
    assert broken > 0


def test_no_edit_of_a_witness_can_be_left_out():
    larger = 0
    for kind, numbers in {**HARD, "GCN": range(8)}.items():
        for number in numbers:
            case = case_of(kind, number, operations=("add", "delete"), budget=4)
            found = certified(case, sets=1, limit=1)
            victim = Victim(case.model)
            for number_of, witness in enumerate(found.witnesses):
                if witness is None or witness.num_edits < 2:
                    continue
                larger += witness.num_edits > 2
                data, y = case.graphs[number_of], int(case.graphs.y[number_of])
                for fewer in with_one_edit_less(witness):
                    assert int(victim.logits([fewer.apply(data)]).argmax(1)) == y
    assert larger > 0


def test_sets_of_many_edits_without_one():
    """What takes 700 GB of 12 edits if every tuple of them is looked at."""
    three = larger_sets._without_one(torch.tensor([5, 2, 9]))
    assert three.tolist() == [[5, 2], [5, 9], [2, 9]]
    many = larger_sets._without_one(torch.arange(40))
    assert [set(range(40)) - set(row) for row in many.tolist()] == [{i} for i in range(39, -1, -1)]


def test_a_graph_that_many_edits_break():
    case = case_of("GCN", 0, operations=("add", "delete"), budget=15)
    graph = int(case.candidates.counts.argmax())
    every = (case.candidates.graph == graph).nonzero().squeeze(1)
    problem = SearchProblem.of(Victim(case.model), case.graphs, case.threat)
    other = (case.graphs.y + 1) % 3  # so that the graph is broken by almost any set
    problem = replace(problem, graphs=case.graphs.with_labels(other))
    assert len(every) >= 10
    assert larger_sets._needed(problem, graph, every).numel() == 2


def with_one_edit_less(witness):
    for place in range(witness.added.size(1)):
        kept = torch.arange(witness.added.size(1)) != place
        yield Perturbation(witness.added[:, kept], witness.removed)
    for place in range(witness.removed.size(1)):
        kept = torch.arange(witness.removed.size(1)) != place
        yield Perturbation(witness.added, witness.removed[:, kept])


@pytest.mark.parametrize("how", ["enumeration", "larger sets"])
def test_benchmark_larger_sets(benchmark, how, no_beam):
    """Three edits of 20 graphs of 3 to 6 nodes: every set in full, beside the search."""
    benchmark.group = "three edits, GIN of 3 rounds"
    case = random_case(1, **KINDS["GIN of 3 rounds"], budget=3, operations=("add",), graphs=20)
    ask = {
        "enumeration": lambda: [fewest_of(sets) is None for sets in truths(case)],
        "larger sets": lambda: certified(case).certified.tolist(),
    }
    answer = benchmark.pedantic(ask[how], rounds=2, warmup_rounds=1)
    assert answer == ask["enumeration"]()


def test_what_larger_sets_take_is_counted_as_cost_and_pairs_are_not():
    """So a limit for all graphs holds of them too, and not of branch and bound alone."""
    cost = {2: 0, 3: 0}
    for number in range(4):
        case = case_of("GIN of 3 rounds", number)
        victim = Victim(case.model)
        for budget in cost:
            found = certify(victim, case.graphs, replace(case.threat, budget=budget))
            cost[budget] += int(found.cost.sum())
    assert cost[2] == 0 < cost[3]
