"""The genetic algorithm: its operators against loops, its bounds, and that it is worth its
queries.
"""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from attacked import ONE, THREATS, attacked, broken, pairs_of
from generators import seeded
from hypothesis import given
from hypothesis import strategies as st

from robust_augcl.adversary.victim import Access
from robust_augcl.attacks.exhaustive import Exhaustive
from robust_augcl.attacks.genetic import Genetic, Neighbourhood, _Evolution, mixed
from robust_augcl.attacks.rand_sampling import RandSampling
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.margins import margins
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation, apply_all

# --- as a whole -----------------------------------------------------------------------------------


@pytest.mark.parametrize("threat", THREATS)
def test_it_keeps_to_the_threat_and_never_helps(victim, reference_graphs, threat):
    y = reference_graphs.y
    result = attacked(Genetic(population=10, rounds=4), victim, reference_graphs, threat)
    clean, after = (
        victim.logits(graphs)
        for graphs in (reference_graphs, apply_all(reference_graphs, result.perturbations))
    )
    loss, loss_after = (
        torch.nn.functional.cross_entropy(logits, y, reduction="none") for logits in (clean, after)
    )
    right = clean.argmax(1) == y
    budgets = threat.budgets(reference_graphs)
    for number, pairs in enumerate(pairs_of(result)):
        assert len(set(pairs)) == len(pairs)
        assert len(pairs) in ((0, int(budgets[number])) if right[number] else (0,))
    moved = torch.tensor([bool(pairs) for pairs in pairs_of(result)])
    assert int(moved.sum()) > 8
    assert bool(((loss_after > loss) | (after.argmax(1) != y))[moved].all())


def test_one_edit_never_beats_the_exact_worst_case_and_comes_close(victim, reference_graphs):
    y = reference_graphs.y
    worst = broken(attacked(Exhaustive(), victim, reference_graphs, ONE), y)
    bred = broken(attacked(Genetic(), victim, reference_graphs, ONE), y)
    random = broken(attacked(RandSampling(), victim, reference_graphs, ONE), y)
    assert (bred <= worst).all()
    assert int(bred.sum()) >= 0.8 * int(worst.sum())
    assert int(random.sum()) < int(bred.sum())


def test_two_edits_against_all_pairs_of_edits(victim, reference_graphs):
    one = attacked(Exhaustive(), victim, reference_graphs, ONE)
    hard = (
        ((one.clean_prediction == reference_graphs.y) & ~broken(one, reference_graphs.y))
        .nonzero()
        .squeeze(1)
    )
    graphs, threat = reference_graphs.select(hard[-2:]), ThreatModel(2, within_component=True)
    candidates = threat.enumerate(graphs)
    result = attacked(Genetic(rounds=20), victim, graphs, threat)
    lowest = []
    for number in range(graphs.num_graphs):
        own = (candidates.graph == number).nonzero().squeeze(1).tolist()
        every = [candidates.perturbation(torch.tensor(two)) for two in combinations(own[::10], 2)]
        copies = graphs.select(torch.full((len(every),), number))
        lowest.append(float(margins(victim.logits(apply_all(copies, every)), copies.y).min()))
    # Where two of every tenth edit break a graph, a search of all edits should find two.
    some = torch.tensor(lowest) < 0
    assert int(some.sum()) > 0
    assert (result.attacked_margin[some] < 0).all()


def test_more_rounds_do_no_less(victim, reference_graphs):
    threat = ThreatModel(2, within_component=True)
    broke = [
        broken(
            attacked(Genetic(population=6, rounds=r), victim, reference_graphs, threat),
            reference_graphs.y,
        )
        for r in (1, 3, 8)
    ]
    assert (broke[0] <= broke[2]).all()
    counts = [int(found.sum()) for found in broke]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_the_same_generator_gives_the_same_edits(victim, reference_graphs):
    state = torch.get_rng_state()
    attack, threat = Genetic(population=4, rounds=2), ThreatModel(2, within_component=True)
    drawn = [
        pairs_of(attacked(attack, victim, reference_graphs, threat, seed)) for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_a_graph_without_candidates_is_left_alone(victim, to_data):
    complete, single = to_data(4, list(combinations(range(4), 2))), to_data(1, [])
    for data in (complete, single):
        data.x = torch.ones(data.num_nodes, 1)
    graphs = PackedGraphs.from_data_list([complete, single])
    graphs = graphs.with_labels(victim.logits(graphs).argmax(1))
    assert pairs_of(attacked(Genetic(), victim, graphs, ONE)) == [[], []]


def test_queries_are_few_where_little_changes(victim, reference_graphs):
    right = int((victim.logits(reference_graphs).argmax(1) == reference_graphs.y).sum())
    once = attacked(Genetic(population=20, rounds=1), victim, reference_graphs, ONE)
    assert 24 + right < once.queries <= 24 + 20 * right
    # Without mutation there is nothing new to one edit but what was drawn first.
    again = attacked(
        Genetic(population=20, rounds=6, mutation=0.0, cross_over=0.0),
        victim,
        reference_graphs,
        ONE,
    )
    assert again.queries == once.queries


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"population": 0}, "`population` to be positive, got 0"),
        ({"rounds": 0}, "`rounds` to be positive, got 0"),
        ({"cross_over": 1.5}, "`cross_over` to be between 0 and 1, got 1.5"),
        ({"mutation": -0.1}, "`mutation` to be between 0 and 1, got -0.1"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Genetic(**settings)


# --- its parts ------------------------------------------------------------------------------------


def an_evolution(victim, graphs, threat, **settings):
    return _Evolution(
        Genetic(**settings), victim.restricted(Access.QUERY), graphs, threat, seeded(3)
    )


@pytest.mark.parametrize("threat", THREATS)
def test_the_first_population_holds_different_edits_of_its_graph(victim, reference_graphs, threat):
    evolution = an_evolution(victim, reference_graphs, threat, population=7)
    rows = evolution.first_population(int(evolution.budgets.max()))
    assert rows.shape[:2] == (24, 7)
    for number in range(24):
        for row in rows[number]:
            own = row[row >= 0]
            assert len(own.unique()) == len(own) == int(evolution.budgets[number])
            assert bool((evolution.candidates.graph[own] == number).all())


@pytest.mark.parametrize("threat", THREATS)
def test_fitness_is_the_loss_of_the_edited_graph(victim, reference_graphs, threat):
    evolution = an_evolution(victim, reference_graphs, threat, population=2)
    rows = evolution.first_population(int(evolution.budgets.max()))[[20, 3, 11]].flatten(0, 1)
    graph = torch.tensor([20, 20, 3, 3, 11, 11])
    fitness, wrong = evolution.measure(torch.cat([rows, rows.flip(1)]), torch.cat([graph, graph]))
    for row, number, got, errs in zip(
        torch.cat([rows, rows]),
        [*graph.tolist()] * 2,
        fitness.tolist(),
        wrong.tolist(),
        strict=True,
    ):
        edits: Perturbation = evolution.candidates.perturbation(row[row >= 0])
        logits = victim.logits([edits.apply(reference_graphs[number])])[0]
        y = int(reference_graphs.y[number])
        assert got == pytest.approx(-float(logits.log_softmax(0)[y]), abs=1e-4)
        assert errs == (int(logits.argmax()) != y)


def test_half_of_the_parents_are_the_fittest_and_the_rest_are_drawn_by_fitness(
    victim, reference_graphs
):
    evolution = an_evolution(victim, reference_graphs, ONE)
    fitness = torch.tensor([0.0, 2.0, 1.0, 3.0]).repeat(4000, 1)
    parents = evolution.parents(fitness)
    assert parents[:, :2].tolist() == [[3, 1]] * 4000
    share = torch.bincount(parents[:, 2:].flatten(), minlength=4) / 8000
    torch.testing.assert_close(share, fitness[0].softmax(0), atol=0.02, rtol=0)


@given(seed=st.integers(0, 2**32), width=st.integers(1, 4))
def test_cross_over_equals_a_loop(seed, width):
    draws = seeded(seed)
    parents = torch.stack(
        [
            torch.stack([torch.randperm(7, generator=draws)[:width] for _ in range(5)])
            for _ in range(2)
        ]
    )
    parents[1, :, width - 1] = -1  # a graph of a smaller budget
    other, coins = (
        torch.randint(5, (2, 5), generator=draws),
        torch.rand(2, 5, width, generator=draws) < 0.5,
    )
    children = mixed(parents, other, coins)
    for g in range(2):
        for p in range(5):
            rows = parents[g, p].tolist(), parents[g, int(other[g, p])].tolist()
            child = [rows[int(coins[g, p, k])][k] for k in range(width)]
            edits = [edit for edit in child if edit >= 0]
            assert children[g, p].tolist() == (child if len(set(edits)) == len(edits) else rows[0])


@given(seed=st.integers(0, 2**32), data=st.data())
def test_mutation_equals_a_loop(seed, data, data_lists):
    graphs = PackedGraphs.from_data_list(data.draw(data_lists(max_graphs=3, max_nodes=5)))
    candidates = ThreatModel(3, ("add", "delete")).enumerate(graphs)
    if len(candidates) == 0:
        return
    draws, ends = seeded(seed), (candidates.pairs + graphs.ptr[candidates.graph]).T.tolist()
    rows = []
    for number in range(graphs.num_graphs):
        own = (candidates.graph == number).nonzero().squeeze(1)
        row = torch.full((3,), -1)
        chosen = own[torch.randperm(len(own), generator=draws)[:3]]
        row[: len(chosen)] = chosen
        rows.append(row)
    individuals = torch.stack(rows).unsqueeze(1)
    mutates, second, draw = (torch.rand(*individuals.shape, generator=draws) for _ in range(3))
    got = Neighbourhood.of(graphs, candidates).mutated(
        individuals, mutates < 0.7, second < 0.5, draw
    )
    for number in range(graphs.num_graphs):
        row = individuals[number, 0].tolist()
        for k in range(3):
            if row[k] >= 0 and mutates[number, 0, k] < 0.7:
                node = ends[row[k]][int(second[number, 0, k] < 0.5)]
                there = sorted(
                    (m for m in range(len(ends)) if node in ends[m]),
                    key=lambda m: (ends[m][0] != node, m),
                )
                new = there[int(float(draw[number, 0, k]) * len(there))]
                if new not in row:
                    row[k] = new
        assert got[number, 0].tolist() == row
