"""Brackets around the worst case, from hand-made records and certificates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import pytest
import torch
from hand_made import make_record

from robust_augcl.adversary.victim import Victim
from robust_augcl.encoders.gin import GIN
from robust_augcl.graphs.packed import PackedGraphs
from robust_augcl.models.classifier import GraphClassifier
from robust_augcl.oracle.certificates import certify
from robust_augcl.results.brackets import Bracket, bracket_group, brackets, proved_for
from robust_augcl.results.measurements import Measurement
from robust_augcl.results.records import ArtifactRef, Cell, Outcome, Record
from robust_augcl.seeds import generator
from robust_augcl.threat.model import ThreatModel
from robust_augcl.threat.perturbations import Perturbation


def cell(attack: str, budget: float, seed: int) -> Cell:
    return Cell("suite", "data", "augcl", "gin", 2, seed, attack, "strict", budget)


def record(attack: str, budget: float, robust: Sequence[int], seed: int = 0) -> Record:
    return make_record(
        [Outcome(10 + i, 0, 0, 1 - r, 1.0, 1.0, [], []) for i, r in enumerate(robust)],
        cell=cell(attack, budget, seed),
        num_classes=2,
        dataset=ArtifactRef("dataset", f"d{seed}"),
        victim=ArtifactRef("victim", f"v{seed}"),
    )


def proof(
    budget: float,
    certified: Sequence[int],
    seed: int = 0,
    victim: str | None = None,
    edits: Sequence[int | None] | None = None,
) -> Measurement:
    """A certificate of graphs 10, 11, ...; `edits` are the numbers of edges that a witness adds,
    None where there is none.
    """
    pairs = [[0, 1], [0, 2], [0, 3]]
    values = {
        "graphs": [10 + i for i in range(len(certified))],
        "certified": [bool(c) for c in certified],
        "witnesses": [
            None if count is None else [pairs[:count], []]
            for count in edits or [None] * len(certified)
        ],
        "victim": victim or f"v{seed}",
    }
    return Measurement("certificate", cell("", budget, seed), values, 1.0)


def at(found: Mapping[object, Bracket], budget: float) -> Bracket:
    return found[bracket_group(cell("", 0, 0), budget)]


def test_a_graph_stands_if_it_withstands_every_attack_of_at_most_the_budget():
    records = [
        record("a", 1, [1, 1, 0, 1]),
        record("b", 1, [1, 0, 1, 1]),
        record("a", 2, [1, 1, 1, 0]),
    ]
    found = brackets(records, [])
    assert at(found, 1).upper.mean == 0.5
    assert (
        at(found, 2).upper.mean == 0.25
    )  # what fewer edits break, more break too, though the attack did not
    assert at(found, 1).lower is None
    assert at(found, 1).settled == 0.5


def test_a_proof_counts_for_its_budget_and_smaller_ones():
    records = [record("a", budget, [1, 1, 1, 0]) for budget in (1, 2, 3)]
    found = brackets(records, [proof(2, [1, 0, 0, 0]), proof(1, [0, 1, 0, 0])])
    assert at(found, 1).lower.mean == 0.5
    assert at(found, 2).lower.mean == 0.25
    assert at(found, 3).lower is None
    assert at(found, 1).settled == 0.75


def test_a_proof_of_another_victim_is_none():
    found = brackets([record("a", 1, [1, 1])], [proof(1, [1, 1], victim="another")])
    assert at(found, 1).lower is None


def test_a_share_of_all_edges_is_not_one_edit():
    found = brackets([record("a", 1.0, [1, 1])], [proof(1, [1, 1])])
    assert at(found, 1.0).lower is None


def test_contradictions_are_counted():
    found = brackets([record("a", 1, [1, 0, 0])], [proof(1, [1, 1, 0])])
    assert at(found, 1).contradictions == 1


def test_a_witness_breaks_its_graph_under_every_budget_that_allows_its_edits():
    records = [record("a", budget, [1, 1, 1, 0]) for budget in (1, 2, 3)]
    found = brackets(records, [proof(2, [1, 0, 0, 0], edits=[None, 2, None, 0])])
    assert [at(found, budget).upper.mean for budget in (1, 2, 3)] == [0.75, 0.5, 0.5]
    assert [at(found, budget).settled for budget in (1, 2, 3)] == [0.5, 0.75, 0.5]
    assert (
        at(brackets(records, [proof(3, [0, 0, 0, 0], edits=[None, 1, None, None])]), 1).upper.mean
        == 0.5
    )  # one edit is enough


def test_where_the_search_was_exhaustive_a_bracket_is_one_number():
    found = at(
        brackets(
            [record("a", 2, [1, 1, 1, 1])], [proof(2, [1, 1, 0, 0], edits=[None, None, 2, 0])]
        ),
        2,
    )
    assert (found.lower.mean, found.upper.mean, found.settled, found.contradictions) == (
        0.5,
        0.5,
        1.0,
        0,
    )


def _share_left_by_every_set(victim: Victim, graphs: PackedGraphs, threat: ThreatModel) -> float:
    """The share of graphs that no set of at most `budget` edits breaks, each set applied and
    predicted by itself.
    """
    standing = []
    for data in graphs:
        pairs, edges = threat.candidates(data), set(map(tuple, data.edge_index.T.tolist()))
        exists = torch.tensor([tuple(pair) in edges for pair in pairs.T.tolist()], dtype=torch.bool)
        chosen = [
            torch.tensor(c, dtype=torch.long)
            for k in range(int(threat.budget) + 1)
            for c in combinations(range(pairs.size(1)), k)
        ]
        edited = [
            Perturbation(pairs[:, c[~exists[c]]], pairs[:, c[exists[c]]]).apply(data)
            for c in chosen
        ]
        standing.append(bool((victim.logits(edited).argmax(1) == data.y).all()))
    return sum(standing) / len(standing)


@pytest.mark.thorough(but=["operations0"])
@pytest.mark.parametrize("operations", [("add",), ("add", "delete")])
def test_without_any_attack_brackets_of_one_and_two_edits_are_the_worst_case_by_brute_force(
    random_graphs, operations
):
    draws = generator("brackets")
    model = GraphClassifier(
        GIN(in_features=3, width=6, layers=2, generator=draws),
        num_classes=3,
        hidden=5,
        generator=draws,
    )
    with torch.no_grad():
        model.head[-1].weight *= 3
    victim = Victim(model)
    graphs = random_graphs(3, [5, 4, 5, 3, 5, 4, 5, 5, 4, 5, 1, 4])
    y = victim.logits(graphs).argmax(1)
    y[:2] = (y[:2] + 1) % 3  # wrong already
    graphs = graphs.with_labels(y)
    right = (victim.logits(graphs).argmax(1) == graphs.y).int().tolist()
    records = [record("does nothing", budget, right) for budget in (1, 2)]
    proofs = []
    for budget in (1, 2):
        found = certify(victim, graphs, ThreatModel(budget, operations))
        values = {
            "graphs": [10 + i for i in range(graphs.num_graphs)],
            "certified": found.certified.tolist(),
            "witnesses": [
                w and [w.added.T.tolist(), w.removed.T.tolist()] for w in found.witnesses
            ],
            "victim": "v0",
        }
        proofs.append(Measurement("certificate", cell("", budget, 0), values, 1.0))
    shares = [
        _share_left_by_every_set(victim, graphs, ThreatModel(budget, operations))
        for budget in (1, 2)
    ]
    assert 0 < shares[1] < shares[0] < sum(right) / len(right)
    for budget, share in zip((1, 2), shares, strict=True):
        bracket = at(brackets(records, proofs), budget)
        assert (
            bracket.lower.mean,
            bracket.upper.mean,
            bracket.settled,
            bracket.contradictions,
        ) == (share, share, 1.0, 0)
    alone = at(brackets(records, proofs[1:]), 1)  # witnesses of one edit, from the search for two
    assert (alone.lower.mean, alone.upper.mean) == (shares[1], shares[0])


def test_a_witness_against_another_victim_is_none():
    found = brackets([record("a", 1, [1, 1])], [proof(1, [0, 0], victim="another", edits=[1, 1])])
    assert (at(found, 1).upper.mean, at(found, 1).settled) == (1.0, 0.0)


def test_shares_of_edges_allow_witnesses_of_no_larger_share():
    records = [record("a", budget, [1, 1, 1]) for budget in (0.05, 0.1, 0.2)]
    found = brackets(records, [proof(0.1, [0, 0, 0], edits=[1, 0, None])])
    assert [at(found, budget).upper.mean for budget in (0.05, 0.1, 0.2)] == pytest.approx(
        [2 / 3, 1 / 3, 1 / 3]
    )
    assert (
        at(brackets([record("a", 1.0, [1, 1])], [proof(1, [0, 0], edits=[1, 1])]), 1.0).upper.mean
        == 1.0
    )  # one edit is no share


def test_graphs_that_no_attack_met_are_not_counted():
    found = at(brackets([record("a", 1, [1])], [proof(1, [0, 0], edits=[1, 1])]), 1)
    assert (found.upper.mean, found.settled) == (0.0, 1.0)


def test_proofs_and_witnesses_that_contradict_one_another_are_counted():
    records = [record("a", budget, [1, 1, 1]) for budget in (1, 2)]
    found = brackets(records, [proof(2, [1, 1, 0]), proof(1, [0, 1, 1], edits=[1, None, None])])
    assert (at(found, 1).contradictions, at(found, 2).contradictions) == (1, 1)
    found = brackets(records, [proof(1, [1, 1, 0]), proof(2, [0, 0, 0], edits=[2, 1, 2])])
    assert (at(found, 1).contradictions, at(found, 2).contradictions) == (
        1,
        0,
    )  # two edits are more than the first was about


def test_seeds_are_averaged_and_a_seed_without_a_proof_leaves_none():
    records = [record("a", 1, [1, 0], seed=0), record("a", 1, [1, 1], seed=1)]
    found = brackets(records, [proof(1, [1, 0], 0), proof(1, [0, 1], 1)])
    assert (at(found, 1).lower.mean, at(found, 1).upper.mean) == (0.5, 0.75)
    assert at(found, 1).upper.n_seeds == 2
    assert at(brackets(records, [proof(1, [1, 0], 0)]), 1).lower is None


@pytest.mark.parametrize("budget", [0.05, 0.1])
def test_fractions_are_budgets_too(budget):
    records = [record("a", 0.05, [1, 1]), record("a", 0.1, [1, 0])]
    assert at(brackets(records, []), budget).upper.mean == (1.0 if budget == 0.05 else 0.5)


def test_nodes_of_one_graph_are_told_apart():
    """Targets of one graph: one is proved, one broken by a witness, one by an attack."""
    outcomes = [
        Outcome(0, 0, 0, int(node == 7), 1.0, 1.0, [], [], node=node) for node in (3, 5, 7, 9)
    ]
    attacked = make_record(
        outcomes, cell=cell("beam", 1, 0), victim=ArtifactRef("victim", "v0"), num_classes=2
    )
    values = {
        "graphs": [0, 0, 0, 0],
        "nodes": [3, 5, 7, 9],
        "certified": [True, False, False, False],
        "witnesses": [None, [[[0, 1]], []], None, None],
        "victim": "v0",
    }
    certificate = Measurement("certificate", cell("", 1, 0), values, 1.0)
    (found,) = brackets([attacked], [certificate]).values()
    assert found.lower is not None
    assert (found.lower.mean, found.upper.mean) == (0.25, 0.5)
    assert (found.settled, found.contradictions) == (0.75, 0)
    assert proved_for(attacked, [certificate]) == {(0, 3)}
