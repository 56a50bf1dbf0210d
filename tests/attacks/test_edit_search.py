"""Beam search, and exhaustive search over pairs, against loops over graphs."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from attacked import attacked

from robust_augcl.adversary.victim import Victim
from robust_augcl.attacks.beam import Beam
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.encoders.gcn import GCN
from robust_augcl.encoders.structure2vec import Structure2Vec
from robust_augcl.graphs.limits import Limits, using
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.models.margins import margins
from robust_augcl.oracle.certificates import certify
from robust_augcl.oracle.edit_sets import SearchProblem
from robust_augcl.oracle.pair_search import search_pairs
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation

OPERATIONS = [("add",), ("delete",), ("add", "delete")]


@pytest.fixture(params=[Structure2Vec, GCN])
def victim(request):
    draws = generator("edit search")
    model = GraphClassifier(
        request.param(in_features=3, width=8, layers=2, generator=draws),
        num_classes=3,
        hidden=8,
        generator=draws,
    )
    with torch.no_grad():
        model.head[-1].weight *= 3
    return Victim(model.double())


@pytest.fixture
def graphs(random_graphs, victim):
    """Small graphs, one of a single node and one complete; all but two with the class that the
    victim gives them.
    """
    drawn = random_graphs(5, [6, 1, 5, 7, 6, 5, 6, 3])
    drawn = type(drawn)(drawn.x.double(), drawn.edge_index, drawn.ptr, drawn.y)
    y = victim.logits(drawn).argmax(1)
    y[2:4] = (y[2:4] + 1) % 3
    return drawn.with_labels(y)


def margin_after(victim, data, chosen):
    """The margin of one graph after some of its pairs are flipped, and whether its prediction is
    wrong.
    """
    edges = {tuple(edge) for edge in data.edge_index.T.tolist()}
    columns = {
        removed: [pair for pair in chosen if (pair in edges) == removed]
        for removed in (False, True)
    }
    tensors = [
        torch.tensor(columns[removed], dtype=torch.long).reshape(-1, 2).T
        for removed in (False, True)
    ]
    logits = victim.logits([Perturbation(*tensors).apply(data)])
    return float(margins(logits, data.y)), int(logits.argmax()) != int(data.y)


def edits_of(perturbation):
    return sorted(
        tuple(pair)
        for pairs in (perturbation.added, perturbation.removed)
        for pair in pairs.T.tolist()
    )


def beam_by_loop(victim, data, pairs, budget, width):
    """The smallest margin that beam search sees in one graph."""
    best, wrong = margin_after(victim, data, ())
    sets = [()]
    for _ in range(budget):
        if wrong:
            break
        longer = {
            tuple(sorted((*chosen, pair)))
            for chosen in sets
            for pair in pairs
            if pair not in chosen
        }
        scored = sorted((*margin_after(victim, data, chosen), chosen) for chosen in longer)
        if scored:
            best, wrong = min(best, scored[0][0]), any(broken for _, broken, _ in scored)
        sets = [chosen for _, _, chosen in scored[:width]]
    return best


@pytest.mark.thorough(
    but=[
        "Structure2Vec-*-operations1",
        "GCN-7-*-operations1",
        "*-1-1-operations*",
        "Structure2Vec-7-2-2-operations2",
    ]
)
@pytest.mark.parametrize("operations", OPERATIONS)
@pytest.mark.parametrize(("width", "budget"), [(1, 1), (1, 3), (2, 2), (3, 2), (3, 0.5)])
@pytest.mark.parametrize("at_once", [200_000, 7])
def test_beam_search_equals_a_loop(victim, graphs, operations, width, budget, at_once):
    threat = ThreatModel(budget, operations)
    budgets = threat.budgets(graphs).tolist()
    with using(Limits(extensions=at_once, copied_nodes=2 * at_once)):
        result = attacked(Beam(width=width), victim, graphs, threat)
    for number, data in enumerate(graphs.to_data_list()):
        pairs = [tuple(pair) for pair in threat.candidates(data).T.tolist()]
        expected = beam_by_loop(victim, data, pairs, budgets[number], width)
        assert float(result.attacked_margin[number]) == pytest.approx(expected, abs=1e-9)
        assert result.perturbations[number].num_edits <= budgets[number]
    assert result.gradient_calls == 0


@pytest.mark.thorough(but=["*-operations1"])
@pytest.mark.parametrize("operations", OPERATIONS)
def test_exhaustive_search_over_pairs_is_the_worst_case(victim, graphs, operations):
    threat = ThreatModel(2, operations)
    smallest = attacked(Exhaustive(stop_when_broken=False), victim, graphs, threat)
    early = attacked(Exhaustive(), victim, graphs, threat)
    for number, data in enumerate(graphs.to_data_list()):
        pairs = [tuple(pair) for pair in threat.candidates(data).T.tolist()]
        every = [
            margin_after(victim, data, chosen)
            for size in range(3)
            for chosen in combinations(pairs, size)
        ]
        assert float(smallest.attacked_margin[number]) == pytest.approx(min(every)[0], abs=1e-9)
        broken = any(wrong for _, wrong in every)
        assert (
            bool(smallest.attacked_prediction[number] != data.y)
            == bool(early.attacked_prediction[number] != data.y)
            == broken
        )
        assert margin_after(victim, data, edits_of(smallest.perturbations[number]))[
            0
        ] == pytest.approx(min(every)[0], abs=1e-9)


def test_published_candidates_that_exist_make_no_pairs(victim, graphs):
    published, strict = (
        attacked(Exhaustive(), victim, graphs, ThreatModel(2, allow_existing=allow))
        for allow in (True, False)
    )
    broken = [result.attacked_prediction != graphs.y for result in (published, strict)]
    assert torch.equal(*broken)


@pytest.mark.parametrize("attack", [Beam(), Beam(width=4), Exhaustive()])
def test_graphs_with_nothing_but_edges_are_left_as_they_are(victim, random_graphs, attack):
    complete = random_graphs(5, [5, 7], density=1.1)
    complete = type(complete)(complete.x.double(), complete.edge_index, complete.ptr, complete.y)
    complete = complete.with_labels(victim.logits(complete).argmax(1))
    result = attacked(attack, victim, complete, ThreatModel(2, allow_existing=True))
    assert torch.equal(result.attacked_prediction, result.clean_prediction)


def test_a_limit_on_pairs_bounds_the_questions(reference_model, reference_graphs):
    victim, threat = Victim(reference_model), ThreatModel(2, within_component=True)
    graphs = reference_graphs.select(torch.arange(0, 24, 4))
    singles = int(threat.enumerate(graphs).counts.sum())
    result = attacked(Exhaustive(most_pairs=2_000), victim, graphs, threat)
    assert singles < result.queries <= singles + graphs.num_graphs * 2_001


@pytest.mark.parametrize("at_once", [200_000, 30])
@pytest.mark.parametrize("short", [0, 1])
def test_a_limit_counts_no_pairs_that_are_known_to_be_harmless(victim, graphs, short, at_once):
    problem = SearchProblem.of(victim, graphs, ThreatModel(2, ("add", "delete")))
    candidates = problem.candidates

    def search(limit, harmless):
        with using(Limits(extensions=at_once)):
            return search_pairs(problem, limit=limit, stop_when_broken=False, harmless=harmless)

    def most(one, other):  # all but some
        return (one * other) % 5 != 0

    for harmless in (most, lambda one, other: torch.ones_like(one, dtype=torch.bool)):
        number = torch.arange(len(candidates))
        one, other = torch.combinations(number).T
        left = (candidates.graph[one] == candidates.graph[other]) & ~harmless(one, other)
        wanted = torch.bincount(candidates.graph[one[left]], minlength=graphs.num_graphs)
        limit = max(int(wanted.max()) - short, 0)
        found = search(limit, harmless)
        assert torch.equal(found.exhausted, wanted <= limit)
        assert torch.equal(found.evaluations[found.exhausted], wanted[found.exhausted])
        assert (found.evaluations <= limit).all()
        free = search(10**9, harmless)
        for name in ("edits", "margin", "broken"):
            assert torch.equal(
                getattr(found, name)[found.exhausted], getattr(free, name)[found.exhausted]
            )


def test_more_edits_do_no_less_and_each_pair_is_edited_once(reference_model, reference_graphs):
    victim = Victim(reference_model)
    last = None
    for budget in (1, 2, 3):
        threat = ThreatModel(budget, ("add", "delete"), within_component=True)
        result = attacked(Beam(width=2), victim, reference_graphs, threat)
        for edits in result.perturbations:
            assert len(set(edits_of(edits))) == edits.num_edits <= budget
        broken = result.attacked_prediction != reference_graphs.y
        assert last is None or (last <= broken).all()
        last = broken
    one = ThreatModel(1, within_component=True)
    beam, exact = (
        attacked(attack, victim, reference_graphs, one) for attack in (Beam(), Exhaustive())
    )
    right = beam.clean_prediction == reference_graphs.y
    torch.testing.assert_close(
        beam.attacked_margin[right],
        torch.minimum(exact.attacked_margin, exact.clean_margin)[right],
        atol=1e-4,
        rtol=0,
    )


@pytest.mark.thorough(only=["GCN-2"])
@pytest.mark.parametrize("budget", [1, 2])
def test_large_graphs_are_searched_a_few_at_a_time_with_the_same_verdicts(
    victim, graphs, budget, monkeypatch
):
    threat = ThreatModel(budget, ("add", "delete"))
    asked = []

    def counting(packed, candidates):
        asked.append((len(candidates), packed.num_nodes))
        return candidate_logits(packed, candidates)

    def counting_pairs(packed, candidates):
        ask = pair_logits(packed, candidates)

        def counted(one, other):
            pairs_asked.append(len(one))
            return ask(one, other)

        states.append((int(packed.sizes[candidates.graph].sum()), packed.num_graphs))
        return counted

    pairs_asked, states = [], []
    candidate_logits, pair_logits = victim.candidate_logits, victim.pair_logits
    monkeypatch.setattr(victim, "candidate_logits", counting)
    monkeypatch.setattr(victim, "pair_logits", counting_pairs)
    searches = {
        "attack": lambda: (
            attacked(Exhaustive(stop_when_broken=False), victim, graphs, threat).attacked_margin
        ),
        "proof": lambda: certify(victim, graphs, threat).certified,
    }
    together = {name: search() for name, search in searches.items()}
    assert max(asked)[0] > 60  # all single edits of all graphs, or pairs of many
    # As if graphs of seven nodes were large: no more at once than this, and one graph or copy of 21
    # pairs.
    few = Limits(
        portion_pairs=20, edits=10, extensions=20, copied_nodes=12, searched_states=50, pair_rows=5
    )
    assert budget == 1 or (max(pairs_asked) > 100 and max(states)[1] > 4)
    for seen in (asked, pairs_asked, states):
        seen.clear()
    with using(few):
        in_pieces = {name: search() for name, search in searches.items()}
    for name in searches:
        torch.testing.assert_close(in_pieces[name], together[name], rtol=1e-12, atol=1e-12)
    assert max(number for number, _ in asked) <= 20 + 21
    assert max(nodes for _, nodes in asked) <= max(12 + 7, 7 * 7)
    assert max(pairs_asked, default=0) <= 20 + 21
    assert max(states, default=(0, 0))[0] <= 50 + 7 * 21


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_of_two_ties_the_one_that_breaks_the_graph_is_the_best(to_data, order):
    graphs = PackedGraphs.from_data_list([to_data(3, [(0, 1)], y=1)])
    candidates = ThreatModel().enumerate(graphs)
    ties = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])[
        order
    ]  # the first of the highest is the prediction: wrong, and right
    clean = torch.tensor([[0.0, 1.0, 0.0]])
    budget = torch.ones(1, dtype=torch.long)
    problem = SearchProblem(
        lambda *_: ties, lambda *_: lambda *_: ties, graphs, candidates, clean, budget
    )
    found = search_pairs(problem, limit=9, stop_when_broken=True)
    assert bool(found.broken)
    assert float(found.margin) == pytest.approx(0)
    assert found.edits[0].tolist() == [order.index(0), -1]


def test_a_width_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="Expected `width` to be positive, got 0"):
        Beam(width=0)
    with pytest.raises(ValueError, match="Expected `most_pairs` to be positive, got -1"):
        Exhaustive(most_pairs=-1)
