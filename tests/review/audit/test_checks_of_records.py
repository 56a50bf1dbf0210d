"""Checks of single records, and of whether their victims were at rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from audited import BLACK, RANDOM, WHITE, expect, first, with_traits

from robust_augcl.results.findings import Audit
from robust_augcl.results.records import Cell, Outcome, SharedEdits
from robust_augcl.results.rest import Rest
from robust_augcl.review.audit import rest
from robust_augcl.review.audit import single_records as single
from robust_augcl.review.audit.evidence import (
    DataFacts,
    Evidence,
)


def test_graphs_put_right_beyond_chance_fail_for_an_attack_that_chooses(record, outcomes):
    put_right = [Outcome(i, 0, 1, 0, -1.0, 1.0, [[0, 1]], []) for i in range(20)]
    helps, fine = record("helps", put_right), record("fine", outcomes(first(5, 20), wrong=5))
    expect(single.never_beats_clean(with_traits((helps, BLACK), (fine, BLACK))), "FAIL", helps)
    expect(single.never_beats_clean(with_traits((helps, RANDOM), (fine, BLACK))), "WARN", helps)
    expect(single.never_beats_clean(with_traits((fine, BLACK))), "PASS")
    few = record("few", put_right[:3])  # 3 to 0 is chance
    expect(single.never_beats_clean(with_traits((few, BLACK))), "PASS")


def test_a_rising_margin_fails_and_one_that_stays_is_warned_of(record):
    def changed(label, by):
        return record(
            label,
            [Outcome(i, 0, 0, 0, 2.0, 2.0 + change, [[0, 1]], []) for i, change in enumerate(by)],
        )

    rises, stays, falls = (
        changed("rises", [0.5, 0.6, 0.4]),
        changed("stays", [0.0, 0.0]),
        changed("falls", [-1.0, -0.5]),
    )
    expect(single.own_loss_rises(with_traits((rises, WHITE), (falls, WHITE))), "FAIL", rises)
    expect(single.own_loss_rises(with_traits((stays, WHITE), (falls, WHITE))), "WARN", stays)
    expect(single.own_loss_rises(with_traits((falls, WHITE))), "PASS")
    expect(single.own_loss_rises(with_traits((rises, RANDOM))), "n/a")
    unlearned = {falls.key: [(100, 0.5, 0.8), (200, 0.4, 0.8), (300, 0.4, 0.9)]}
    expect(single.own_loss_rises(with_traits((falls, BLACK), curves=unlearned)), "WARN", falls)


@pytest.mark.parametrize(
    ("budget", "added", "removed", "status"),
    [
        (1, [[0, 1]], [], "PASS"),
        (1, [[0, 1], [0, 2]], [], "FAIL"),
        (1, [[0, 1]], [[2, 3]], "FAIL"),
        (2, [[0, 1], [1, 0]], [], "FAIL"),  # one undirected edge, counted twice
        (2, [[0, 1], [3, 3]], [], "FAIL"),
        (0.1, [[0, 1], [0, 2], [0, 3]], [], "PASS"),  # a tenth of 30 edges
        (0.1, [[0, 1], [0, 2], [0, 3], [0, 4]], [], "FAIL"),
        (1, [], [], "WARN"),
    ],
)
def test_a_budget_that_is_not_kept(record, budget, added, removed, status):
    one = record("a", [Outcome(7, 0, 0, 0, 1.0, 1.0, added, removed)], budget=budget)
    data = {one.dataset.key: DataFacts("d", {(7, None): 30})}
    expect(
        single.within_budget(Evidence([one], data=data)),
        status,
        *([one] if status != "PASS" else []),
    )


def test_a_threat_that_says_more_than_its_cell_does_not_widen_the_budget(record):
    one = record("a", [Outcome(0, 0, 0, 0, 1.0, 1.0, [[0, 1], [0, 2]], [])])
    forged = replace(one, threat={**one.threat, "budget": 5})
    expect(single.within_budget(Evidence([forged])), "FAIL", forged)


NODE = {"operations": ["add", "delete"], "within_component": False, "allow_existing": False}


@pytest.mark.parametrize(
    ("rules", "added", "status"),
    [
        ({"budget": 2, "at": "target"}, [[4, 7], [4, 9]], "PASS"),
        ({"budget": 2, "at": "target"}, [[4, 7], [7, 9]], "FAIL"),  # one is elsewhere
        ({"budget": 2, "at": "neighbours"}, [[7, 9]], "PASS"),
        ({"budget": 2, "at": "neighbours"}, [[4, 9]], "FAIL"),  # at the target itself
        ({"budget": 2, "at": "target"}, [[4, 7], [7, 4]], "FAIL"),  # both directions of an edge
        ({"budget": 0.5, "share_of": "degree"}, [[4, 7], [4, 9]], "PASS"),  # of four neighbours
        ({"budget": 0.5, "share_of": "degree"}, [[4, 7], [4, 9], [4, 8]], "FAIL"),
        ({"budget": 0.5}, [[4, 7], [4, 9], [4, 8]], "PASS"),  # of thirty edges
    ],
)
def test_faults_planted_in_records_of_nodes(record, rules, added, status):
    outcome = Outcome(0, 0, 0, 0, 1.0, 1.0, added, [], node=4)
    one = record("a", [outcome], budget=rules["budget"])
    one = replace(one, threat={**one.threat, **NODE, **rules})
    facts = DataFacts("d", {(0, 4): 30}, degrees={(0, 4): 4})
    found = single.within_budget(Evidence([one], data={one.dataset.key: facts}))
    expect(found, status, *([one] if status != "PASS" else []))


@pytest.mark.parametrize(("budget", "status"), [(3, "PASS"), (2, "FAIL")])
def test_edits_that_all_targets_share_are_counted(record, budget, status):
    targets = [Outcome(0, 0, 0, 0, 1.0, 1.0, [], [], node=node) for node in range(5)]
    one = record("a", targets, budget=budget)
    shared = SharedEdits(added=[[0, 1], [0, 2]], removed=[[3, 4]])
    one = replace(
        one, threat={**one.threat, **NODE, "shared": True, "budget": budget}, shared_edits=shared
    )
    assert one.edits_of(targets[3]) == (shared.added, shared.removed)
    found = single.within_budget(Evidence([one]))
    expect(found, status, *([one] if status != "PASS" else []))


def test_what_does_not_replay_or_changes_its_class_fails(record, outcomes):
    good, bad = record("a", outcomes(first(1, 3))), record("b", outcomes(first(1, 3)))
    expect(
        single.edits_reproduce_the_verdict(
            Evidence([good, bad], replayed={good.key: [], bad.key: ["the margin"]})
        ),
        "FAIL",
        bad,
    )
    expect(single.edits_reproduce_the_verdict(Evidence([good], replayed={good.key: []})), "PASS")
    expect(
        single.edits_reproduce_the_verdict(
            Evidence([good, bad], replayed={good.key: []}, unproved={bad.key: "gone"})
        ),
        "WARN",
        bad,
    )
    expect(
        single.label_is_preserved(Evidence([good, bad], miscounted={good.key: [], bad.key: [4]})),
        "FAIL",
        bad,
    )
    expect(single.label_is_preserved(Evidence([good], miscounted={good.key: []})), "PASS")
    expect(single.label_is_preserved(Evidence([good])), "n/a")


@pytest.mark.parametrize(
    ("right", "status"), [(30, "FAIL"), (10, "FAIL"), (33, "WARN"), (80, "PASS")]
)
def test_a_victim_that_has_not_learned(record, outcomes, right, status):
    one = record("a", outcomes(first(0, right), wrong=90 - right))
    expect(single.victim_has_learned(Evidence([one])), status, *([one] if status != "PASS" else []))


# --- rest -----------------------------------------------------------------------------------------


def rests_of(*epochs):
    """Of victims of several seeds: best epoch and number of epochs."""
    cells = [Cell("s", "d", "augcl", "gin", 2, seed, "", "strict", 0) for seed in range(9)]
    return [Rest(cell, *pair) for cell, pair in zip(cells, epochs, strict=False)]


def test_victims_that_still_got_better_are_named(record, outcomes):
    one, two = record("a", outcomes([True])), record("a", outcomes([True]), seed=1)
    still, moving = rests_of((60, 100), (81, 100))
    evidence = Evidence([one, two], rests={one.key: still, two.key: moving})
    found = rest.victims_are_at_rest(evidence)
    expect(found, "WARN", two)
    assert "1 of 2 models" in found.evidence
    assert "augcl, 2 layers, seed 1: best epoch 81 of 100" in found.evidence
    assert Audit("0" * 64, (found,)).at_rest == found
    expect(rest.victims_are_at_rest(replace(evidence, rests={one.key: still})), "PASS")


def test_of_given_models_nobody_says_whether_they_rest(record, outcomes):
    found = rest.victims_are_at_rest(Evidence([record("a", outcomes([True]))]))
    expect(found, "n/a")
    assert Audit("0" * 64, (found,)).at_rest is None


@pytest.mark.parametrize(
    ("epoch", "epochs", "at_rest"),
    [(80, 100, True), (81, 100, False), (1, 20, False), (360, 400, True), (361, 400, False)],
)
def test_the_best_epoch_of_a_victim_at_rest_does_not_lie_near_the_end(epoch, epochs, at_rest):
    """20 epochs must follow it, and a tenth of all."""
    (one,) = rests_of((epoch, epochs))
    assert one.at_rest is at_rest
