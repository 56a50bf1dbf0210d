"""Brackets around the worst case, from hand-made records and certificates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hand_made import make_record

from robust_augcl.brackets import Bracket, bracket_group, brackets
from robust_augcl.measurements import Measurement
from robust_augcl.records import ArtifactRef, Cell, Outcome, Record


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


def proof(budget: float, certified: Sequence[int], seed: int = 0, victim: str | None = None) -> Measurement:
    values = {"graphs": [10 + i for i in range(len(certified))], "certified": [bool(c) for c in certified], "victim": victim or f"v{seed}"}
    return Measurement("certificate", cell("", budget, seed), values, 1.0)


def at(found: Mapping[object, Bracket], budget: float) -> Bracket:
    return found[bracket_group(cell("", 0, 0), budget)]


def test_a_graph_stands_if_it_withstands_every_attack_of_at_most_the_budget():
    records = [record("a", 1, [1, 1, 0, 1]), record("b", 1, [1, 0, 1, 1]), record("a", 2, [1, 1, 1, 0])]
    found = brackets(records, [])
    assert at(found, 1).upper.mean == 0.5
    assert at(found, 2).upper.mean == 0.25  # what fewer edits break, more break too, though the attack did not
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
